"""What lists to choose from share: pointer and keys."""

from collections.abc import Sequence
from typing import Any

from PySide6.QtCore import (
    QAbstractListModel,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    Qt,
    Signal,
    Slot,
)
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QListView, QWidget

DATA = Qt.ItemDataRole.UserRole
"""The role of the data that `ChoiceList.chosen` emits."""
Index = QModelIndex | QPersistentModelIndex


class ChoiceList(QListView):
    """A click, Enter or the space bar chooses an item."""

    chosen = Signal(object)
    """The item's data."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setUniformItemSizes(True)
        self.setEditTriggers(QListView.EditTrigger.NoEditTriggers)
        self.clicked.connect(self._on_chosen)
        self.activated.connect(self._on_chosen)

    def count(self) -> int:
        """Return how many items there are."""
        return self.model().rowCount()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """The space bar chooses as Enter does."""
        if event.key() == Qt.Key.Key_Space and self.currentIndex().isValid():
            self._on_chosen(self.currentIndex())
        else:
            super().keyPressEvent(event)

    @Slot(QModelIndex)
    def _on_chosen(self, index: QModelIndex) -> None:
        self.chosen.emit(index.data(DATA))


class Items(QAbstractListModel):
    """The items; a subclass says what is shown of each."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.items: tuple[Any, ...] = ()

    def replace(self, items: Sequence[Any]) -> None:
        """Replace the items; if there are as many as before, the view keeps its place."""
        before, after = len(self.items), len(items)
        if after < before:
            self.beginRemoveRows(QModelIndex(), after, before - 1)
            self.items = tuple(items)
            self.endRemoveRows()
        elif after > before:
            self.beginInsertRows(QModelIndex(), before, after - 1)
            self.items = tuple(items)
            self.endInsertRows()
        else:
            self.items = tuple(items)
        if kept := min(before, after):
            self.dataChanged.emit(self.index(0), self.index(kept - 1))

    def rowCount(self, parent: Index | None = None) -> int:
        """Return how many items there are."""
        return 0 if parent is not None and parent.isValid() else len(self.items)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return the view's data about an item."""
        if not index.isValid() or index.row() >= len(self.items):
            return None
        return self.shown(index.row(), role)

    def shown(self, row: int, role: int) -> Any:
        """Return the data for a role of the item in a row."""
        raise NotImplementedError
