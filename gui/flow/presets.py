"""The user's presets: saved, renamed, deleted, shared as files."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal, Slot
from PySide6.QtWidgets import QInputDialog

from engine.errors import PareidoliaError
from engine.preset_file import ENDING, LONGEST_NAME, Preset, read_preset, write_preset
from engine.techniques import TECHNIQUES
from gui.dialogs.file_dialogs import file_to_open, file_to_save
from gui.dialogs.saving import offer_again
from gui.flow.help import bind_help
from gui.panels.editors import commit_typed
from gui.wording import worded

if TYPE_CHECKING:
    from gui.main_window import MainWindow


class PresetsFlow(QObject):
    """Asks for names and files, and does the work."""

    said = Signal(str)
    failed = Signal(str)

    def __init__(self, window: "MainWindow") -> None:
        super().__init__(window)
        self.window, self.options, self.background = window, window.options, window.background

    @Slot()
    def save(self) -> None:
        """Ask for a name, and keep the settings under it."""
        commit_typed()
        name = self._ask_name(self.tr("Save as preset"))
        if name:
            self.options.save_preset(name)

    @Slot()
    def rename(self) -> None:
        """Ask which preset to rename, and its new name."""
        title = self.tr("Rename preset")
        old = self._ask_which(title)
        new = self._ask_name(title, old) if old else ""
        if old and new and new != old:
            if new in self.options.own_presets():
                self.failed.emit(self.tr("There is already a preset {0}.").format(new))
            else:
                self.options.rename_preset(old, new)

    @Slot()
    def delete(self) -> None:
        """Ask which preset to delete."""
        name = self._ask_which(self.tr("Delete preset"))
        if name:
            self.options.delete_preset(name)

    # -- files ----------------------------------------------------------------------------

    @Slot()
    def save_to_file(self) -> None:
        """Ask which preset to share, and where to write it."""
        title = self.tr("Save preset to a file")
        name = self._ask_which(title)
        if name:
            technique = self.window.studio.technique.command
            preset = Preset(name, technique, dict(self.options.all_presets()[name]))
            self._ask_file(preset, name + ENDING)

    def _ask_file(self, preset: Preset, name: str) -> None:
        title = self.tr("Save preset to a file")
        kinds = self.tr("Presets {0}").format(f"(*{ENDING})")
        answer = file_to_save(self.window, "preset", title, name, kinds)
        if answer is not None:
            self.write(preset, answer[0])

    def write(self, preset: Preset, path: Path) -> None:
        """Write a preset into a file."""

        def failed(error: BaseException) -> None:
            self._on_failed(error)
            again = partial(self._ask_file, preset, str(path))
            offer_again(self.window, self.tr("Save preset to a file"), worded(error), again=again)

        work = partial(write_preset, path, preset, TECHNIQUES)
        self.background.submit(work, self._on_written, failed, keep=True)

    def _on_written(self, path: Path) -> None:
        self.said.emit(self.tr("Saved {0}").format(path))

    @Slot()
    def import_file(self) -> None:
        """Ask for a preset's file, and add it to the user's presets."""
        kinds = self.tr("Presets {0}").format(f"(*{ENDING})")
        path = file_to_open(self.window, "preset", self.tr("Import preset"), kinds)
        if path is not None:
            self.read(str(path))

    @Slot(str)
    def read(self, path: str) -> None:
        """Add the preset in a file to the user's; apply it if it is for the current technique."""
        work = partial(read_preset, Path(path), TECHNIQUES)
        self.background.submit(work, self._on_read, self._on_failed)

    def _on_read(self, preset: Preset) -> None:
        kind = TECHNIQUES[preset.technique]
        name = self.options.take_preset(preset)
        text = self.tr("Preset {0} is now one of your own").format(name)
        if kind is not type(self.window.studio.technique):
            text = self.tr("Preset {0} is now among those of {1}").format(name, kind.title)
        notes = [text, *(worded(note) for note in preset.notes)]
        (self.failed if preset.notes else self.said).emit(". ".join(notes) + ".")

    def _on_failed(self, error: BaseException) -> None:
        if not isinstance(error, (PareidoliaError, OSError)):
            raise error
        self.failed.emit(worded(error))

    # -- questions ------------------------------------------------------------------------

    def _ask_name(self, title: str, text: str = "") -> str:
        """Return the typed name, if it can be used; "": none."""
        dialog = self._question(title, self.tr("Name"))
        dialog.setTextValue(text)
        name = " ".join(_answer(dialog).split())[:LONGEST_NAME]
        if name in self.window.studio.technique.presets:
            words = self.tr("{0} is a built-in preset: choose another name.")
            self.failed.emit(words.format(name))
            return ""
        return name

    def _ask_which(self, title: str) -> str:
        """Return one of the user's presets for the technique; "": none."""
        names = self.options.own_presets()
        if not names:
            self.said.emit(self.tr("You have no presets of your own for this technique."))
            return ""
        now = self.options.presets.currentText()
        at = names.index(now) if now in names else 0
        dialog = self._question(title, self.tr("Preset"))
        dialog.setComboBoxItems(names)
        dialog.setTextValue(names[at])
        return _answer(dialog)

    def _question(self, title: str, label: str) -> QInputDialog:
        dialog = QInputDialog(self.window)
        dialog.setWindowTitle(title)
        dialog.setLabelText(label)
        bind_help(dialog, "window.md#presets")
        return dialog


def _answer(dialog: QInputDialog) -> str:
    """Ask; return what was typed or chosen; "": nothing."""
    accepted = dialog.exec() == QInputDialog.DialogCode.Accepted
    dialog.deleteLater()
    return dialog.textValue() if accepted else ""
