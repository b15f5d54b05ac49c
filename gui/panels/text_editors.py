"""Editors for text settings: typed, picked from names, or a folder."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PySide6.QtCore import QStringListModel, Qt, Signal, Slot
from PySide6.QtWidgets import QCompleter, QLineEdit, QPushButton, QWidget

from engine.errors import BadInput
from engine.settings import Setting
from gui.dialogs.completers import ClickThrough
from gui.dialogs.file_dialogs import folder_to_open
from gui.panels.editor import Editor
from gui.wording import worded


class TextEditor(Editor):
    """A line of text, such as layers with weights or channel numbers; unreadable text is undone."""

    refused = Signal(str)
    """Why the text was not taken."""

    def __init__(self, setting: Setting, parent: QWidget | None = None) -> None:
        super().__init__(setting, parent)
        self.box = QLineEdit()
        self.box.setPlaceholderText(self.tr("auto") if setting.optional else self.tr("all"))
        self._adopt(self.box)
        self._value: Any = setting.default
        self.box.editingFinished.connect(self._on_finished)
        self.set_value(setting.default)

    def value(self) -> Any:
        """Return what the text means."""
        return self._value

    def set_value(self, value: Any) -> None:
        """Show a value."""
        self._value = value
        self.box.setText(_as_text(value))
        self.box.setCursorPosition(0)
        self.box.setToolTip(_as_text(value))

    def set_suggestion(self, text: str) -> None:
        """Show what an empty line stands for."""
        words = self.tr("auto: {0}").format(text) if text else self.tr("auto")
        self.box.setPlaceholderText(words)

    @Slot()
    def _on_finished(self) -> None:
        text = self.box.text().strip()
        if text == _as_text(self._value):
            return
        try:
            value = self.setting.parse(text)
        except BadInput as error:
            self.set_value(self._value)
            self.refused.emit(worded(error))
            return
        self._value = value
        self.edited.emit(value)


class PickEditor(TextEditor):
    """A text that names a class, a layer or a network: typed, or picked from a list."""

    def __init__(self, setting: Setting, parent: QWidget | None = None) -> None:
        super().__init__(setting, parent)
        words = {"class": self.tr("a name or number"), "network": self.tr("none")}
        words["style network"] = self.tr("the shipped one, or a file")
        self.box.setPlaceholderText(words.get(setting.picks, self.tr("auto")))
        self._completer = QCompleter(self)
        self._completer.setFilterMode(Qt.MatchFlag.MatchContains)
        self._completer.setCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        self._completer.activated.connect(self._on_picked)
        self.box.setCompleter(self._completer)
        ClickThrough(self._completer)

    def set_choices(self, names: Sequence[str]) -> None:
        """Offer these."""
        self._completer.setModel(QStringListModel(list(names), self._completer))

    @Slot(str)
    def _on_picked(self, _text: str) -> None:
        self._on_finished()


class FolderEditor(TextEditor):
    """The path of a folder: typed, or chosen by a button."""

    def __init__(self, setting: Setting, parent: QWidget | None = None) -> None:
        super().__init__(setting, parent)
        self.box.setPlaceholderText(self.tr("none"))
        self.button = QPushButton(self.tr("Choose…"))
        self._adopt(self.button)
        self.button.setAccessibleName(self.tr("Choose folder"))
        self.button.clicked.connect(self.ask)
        self.setFocusProxy(self.box)

    def set_value(self, value: Any) -> None:
        """Show the end of a path, which says more than its beginning."""
        super().set_value(value)
        self.box.end(False)

    @Slot()
    def ask(self) -> None:
        """Ask for a folder, starting at the current one."""
        present = str(Path(self._value).expanduser()) if self._value else ""
        path = folder_to_open(self, f"setting_{self.setting.name}", self.setting.label, present)
        if path is not None and str(path) != self._value:
            self.set_value(str(path))
            self.edited.emit(str(path))


def _as_text(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(n if w == 1 else f"{n}:{w:g}" for n, w in value.items())
    return "" if value is None else str(value)
