"""The folder of pictures that several panels search: chosen once and remembered."""

from pathlib import Path

from PySide6.QtCore import QObject, Qt, Signal, Slot
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QWidget

from engine.inspection.progress import FolderNotRead
from gui.background import Background
from gui.dialogs.file_dialogs import folder_to_open
from gui.panels.elided import ElidedLabel
from gui.panels.inspection import InspectionPanel
from gui.run.folders import FolderQuery
from gui.run.networks import Networks
from gui.window_settings import window_settings

KEY = "inspected_folder"
NAMED = 3
"""How many unreadable files are named."""


class FolderChoice(QObject):
    """The folder that all these panels are about."""

    changed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._settings = window_settings()
        kept = self._settings.value(KEY)
        self.path = Path(kept) if isinstance(kept, str) and kept else None
        self.wanted = False
        """Whether the user has asked, in this session, for its pictures to be read if necessary."""

    def choose(self, path: Path) -> None:
        """Take another folder, and remember it for the next start."""
        self.wanted = True
        if path != self.path:
            self.path = path
            self._settings.setValue(KEY, str(path))
            self.changed.emit()

    def leave(self) -> None:
        """Drop the folder, as it is not there now; it may be at the next start."""
        self.path = None
        self.changed.emit()


class FolderLine(QWidget):
    """Shows the folder, with a button to choose another."""

    def __init__(self, folder: FolderChoice, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._folder = folder
        self.shown = ElidedLabel()
        self.shown.setAccessibleName(self.tr("Folder"))
        self.button = QPushButton(self.tr("Choose folder…"))
        self.button.clicked.connect(self.ask)
        line = QHBoxLayout(self)
        line.setContentsMargins(0, 0, 0, 0)
        line.addWidget(self.shown, 1)
        line.addWidget(self.button)
        folder.changed.connect(self._show)
        self._show()

    @Slot()
    def ask(self) -> None:
        """Ask for a folder."""
        present = str(self._folder.path or "")
        path = folder_to_open(self, "inspected", self.tr("A folder of pictures"), present)
        if path is not None:
            self._folder.choose(path)

    @Slot()
    def _show(self) -> None:
        path = self._folder.path
        # A path says most at its end, a sentence at its beginning.
        mode = Qt.TextElideMode
        self.shown.set_mode(mode.ElideLeft if path is not None else mode.ElideRight)
        self.shown.setText(str(path) if path is not None else self.tr("No folder chosen"))
        self.shown.setToolTip(str(path) if path is not None else "")


class FolderPanel(InspectionPanel):
    """A panel about a folder. A subclass overrides `look`, called only while the panel is visible.

    After Cancel, a button continues from there. A folder from the last session is not read until the
    user asks; what was read of it before is shown.
    """

    def __init__(
        self, networks: Networks, background: Background, folder: FolderChoice,
        parent: QWidget | None = None,
    ) -> None:  # fmt: skip
        super().__init__(networks, background, parent)
        self.folder = folder
        self.line = FolderLine(folder)
        self.body.addWidget(self.line)
        self.again = QPushButton(self.tr("Continue"))
        self.again.clicked.connect(self._go_on)
        self.again.hide()
        self._offers = False
        """Whether the button is there because the user has not asked for the folder yet."""
        column = self.layout()
        assert column is not None
        column.addWidget(self.again)
        folder.changed.connect(self._on_folder)

    def look(self) -> None:
        """Look through `self.folder.path`, which is not None, with the subject's network."""

    def clear(self) -> None:
        """Show nothing, as there is no folder, or it is about to be read."""

    def refresh(self) -> None:
        """Start again, if there is something to look through; else say what is missing."""
        self._give_up()
        self._hide_again()
        if self.subject is None or not self.subject.layers:
            return  # the network is still being loaded
        if self.folder.path is None:
            self.say(self.tr("Choose a folder of pictures to search."))
            return
        self.look()

    @Slot()
    def cancel(self) -> None:
        """Stop what is running, and offer to go on."""
        if self.busy:
            super().cancel()
            self._show_again(self.tr("Continue"))

    def query(self) -> FolderQuery:
        """Return what to read now; a folder is read only if the user asked for it."""
        assert self.subject is not None
        assert self.folder.path is not None
        return FolderQuery(
            self.networks, self.subject.network_key, self.folder.path, self.windowTitle(),
            self.folder.wanted,
        )  # fmt: skip

    def showEvent(self, event: QShowEvent) -> None:
        """Read the folder that was only offered, if another panel has been asked to read it."""
        super().showEvent(event)
        if self._offers and self.folder.wanted:
            self.refresh()

    def _on_failed(self, error: BaseException) -> None:
        super()._on_failed(error)
        if not isinstance(error, FolderNotRead):
            return
        if self.folder.wanted:  # in the meantime
            self.refresh()
            return
        self.say(
            self.tr("{0} of {1} pictures have not been read yet.").format(
                error.total - error.done, error.total
            )
        )
        self._show_again(self.tr("Read the folder"))
        self._offers = True

    def _show_again(self, text: str) -> None:
        self.again.setText(text)
        self.again.show()

    def _hide_again(self) -> None:
        self.again.hide()
        self._offers = False

    @Slot()
    def _go_on(self) -> None:
        self.folder.wanted = True
        self.refresh()

    @Slot()
    def _on_folder(self) -> None:
        self._give_up()
        self._hide_again()
        self.clear()
        if self.isVisible():
            self.refresh()
        else:
            self._stale = True

    @Slot(object)
    def open_chosen(self, path: str) -> None:
        """Ask for the chosen picture to be shown."""
        self.open_requested.emit(path)

    def skipped(self, unreadable: "dict[Path, str]") -> str:
        """Return a sentence about files that could not be read; empty when there are none."""
        if not unreadable:
            return ""
        names = ", ".join(path.name for path in list(unreadable)[:NAMED])
        more = len(unreadable) - NAMED
        if more > 0:
            names = self.tr("{0} and {1} more").format(names, more)
        return self.tr("Could not be read: {0}.").format(names)
