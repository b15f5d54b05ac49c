"""The box for choosing a class of a network, or typing its name or number."""

from collections import Counter
from collections.abc import Sequence

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QSignalBlocker, Qt, Signal, Slot
from PySide6.QtWidgets import QComboBox, QCompleter, QWidget

from engine.errors import BadInput
from engine.networks.classes import class_number
from gui.dialogs.completers import ClickThrough
from gui.panels.combo_width import narrow
from gui.wording import worded

FOLDED = Qt.ItemDataRole.UserRole + 1
"""Role of a class's name in folded case."""


class _Completer(QCompleter):
    """Completes names regardless of case.

    It still counts as case-sensitive: with a completer that is not, the box takes "Cardigan", the dog,
    for "cardigan".
    """

    def __init__(self, box: QComboBox) -> None:
        super().__init__(box.model(), box)
        self.setCompletionRole(FOLDED)
        self.setFilterMode(Qt.MatchFlag.MatchContains)
        self.setCompletionMode(QCompleter.CompletionMode.PopupCompletion)
        ClickThrough(self)

    def splitPath(self, path: str) -> list[str]:
        """Return the typed text in folded case."""
        return [path.casefold()]

    def pathFromIndex(self, index: QModelIndex | QPersistentModelIndex) -> str:
        """Return the name as it is spelled."""
        return str(index.data(Qt.ItemDataRole.DisplayRole))


class ClassBox(QComboBox):
    """Offers “most likely”, then the classes; an item's data is its class's number, or None."""

    typed = Signal()
    """Another class was chosen, by typing its number or part of its name."""
    refused = Signal(str)
    """Why the typed text names no class."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("classBox")
        self.setAccessibleName(self.tr("Class"))
        self.setEditable(True)
        self.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        narrow(self)
        self._names: tuple[str, ...] = ()
        self.setCompleter(_Completer(self))
        line = self.lineEdit()
        assert line is not None
        line.editingFinished.connect(self._on_finished)

    def set_classes(self, names: Sequence[str]) -> None:
        """Offer these classes; a name shared by several is followed by the number."""
        self._names = tuple(names)
        counts = Counter(names)
        with QSignalBlocker(self):
            self.clear()
            self._add(self.tr("most likely"), None)
            for number, name in enumerate(names):
                self._add(name if counts[name] == 1 else f"{name} ({number})", number)
            self.setCurrentIndex(0)
        self.setEnabled(bool(names))

    def _add(self, text: str, number: int | None) -> None:
        self.addItem(text, number)
        self.setItemData(self.count() - 1, text.casefold(), FOLDED)

    @Slot()
    def _on_finished(self) -> None:
        """Take a typed name or number; if it does not name exactly one class, go back and say why."""
        text = self.currentText().strip()
        before = index = self.currentIndex()
        if text.casefold() == self.itemText(0).casefold():
            index = 0
        elif text and text != self.itemText(index):
            try:
                index = 1 + class_number(self._names, text, self.tr("The network"))
            except BadInput as error:
                self.refused.emit(worded(error))
        self.setEditText(self.itemText(index))
        if index != before:
            self.setCurrentIndex(index)
            self.typed.emit()
