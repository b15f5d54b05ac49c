"""What choice lists share: pointer and keys."""

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
"""Role of what `ChoiceList.chosen` hands out."""
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
    """The items; a sub-class says what is shown of one."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.items: tuple[Any, ...] = ()

    def replace(self, items: Sequence[Any]) -> None:
        """Take other items; as many as before keep the place that is looked at."""
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
        """Return what the view asks about an item."""
        if not index.isValid() or index.row() >= len(self.items):
            return None
        return self.shown(index.row(), role)

    def shown(self, row: int, role: int) -> Any:
        """Return what a role is of the item in a row."""
        raise NotImplementedError
