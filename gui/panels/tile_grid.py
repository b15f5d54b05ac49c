"""Many small pictures with captions, to look through and choose from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import (
    QAbstractListModel,
    QModelIndex,
    QPersistentModelIndex,
    QSize,
    Qt,
    Signal,
    Slot,
)
from PySide6.QtGui import QImage, QKeyEvent, QPainter, QPixmap
from PySide6.QtWidgets import QListView, QWidget

DATA = Qt.ItemDataRole.UserRole
Index = QModelIndex | QPersistentModelIndex
KEPT = 512
"""Drawn tiles that are kept: more than fit on a screen."""


@dataclass(frozen=True)
class GridTile:
    """One small picture."""

    image: QImage
    caption: str = ""
    tip: str = ""
    data: Any = None
    """What `chosen` hands out for it."""


class TileGrid(QListView):
    """Tiles in reading order; a click, Enter or the space bar chooses one.

    Thousands cost nothing before they are scrolled to: only what is seen is drawn and scaled.
    """

    chosen = Signal(object)
    """The tile's data."""

    def __init__(self, side: int = 96, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._tiles = _Tiles(self)
        self.setModel(self._tiles)
        self.setViewMode(QListView.ViewMode.IconMode)
        self.setResizeMode(QListView.ResizeMode.Adjust)
        self.setMovement(QListView.Movement.Static)
        self.setUniformItemSizes(True)
        self.setSpacing(2)
        self.setWordWrap(True)
        self.setEditTriggers(QListView.EditTrigger.NoEditTriggers)
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.clicked.connect(self._on_chosen)
        self.activated.connect(self._on_chosen)
        self.side = side
        self._lines = 2
        self.set_side(side)

    def set_side(self, side: int) -> None:
        """Show tiles with this long side, in pixels."""
        self.side = side
        self.setIconSize(QSize(side, side))
        text = self._lines * self.fontMetrics().height()
        self.setGridSize(QSize(side + 10, side + text + 8))
        self._tiles.set_side(side, self.devicePixelRatioF())

    def set_tiles(self, tiles: Sequence[GridTile]) -> None:
        """Show these instead; as many as before keep the place that is looked at."""
        captions = [tile.caption for tile in tiles if tile.caption]
        longest = max((self.fontMetrics().horizontalAdvance(c) for c in captions[-50:]), default=0)
        lines = 0 if not captions else 1 if longest <= self.side else 2
        if lines != self._lines:
            self._lines = lines
            self.set_side(self.side)
        self._tiles.set_side(self.side, self.devicePixelRatioF())  # of the screen it is on now
        self._tiles.replace(tiles)

    def count(self) -> int:
        """Return how many tiles there are."""
        return len(self._tiles.tiles)

    def data_at(self, row: int) -> Any:
        """Return what a tile stands for."""
        return self._tiles.tiles[row].data

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """The space bar chooses as Enter does."""
        if event.key() == Qt.Key.Key_Space and self.currentIndex().isValid():
            self._on_chosen(self.currentIndex())
        else:
            super().keyPressEvent(event)

    @Slot(QModelIndex)
    def _on_chosen(self, index: QModelIndex) -> None:
        self.chosen.emit(index.data(DATA))


class _Tiles(QAbstractListModel):
    """The tiles, and pixmaps of those that have been seen."""

    def __init__(self, parent: TileGrid) -> None:
        super().__init__(parent)
        self.tiles: tuple[GridTile, ...] = ()
        self._side, self._ratio = 1, 1.0
        self._pixmaps: dict[int, QPixmap] = {}

    def set_side(self, side: int, ratio: float) -> None:
        """Draw with this long side, in pixels of the window."""
        self._side, self._ratio = side, ratio
        self._pixmaps.clear()

    def replace(self, tiles: Sequence[GridTile]) -> None:
        """Take other tiles."""
        before, after = len(self.tiles), len(tiles)
        self._pixmaps.clear()
        if after < before:
            self.beginRemoveRows(QModelIndex(), after, before - 1)
            self.tiles = tuple(tiles)
            self.endRemoveRows()
        elif after > before:
            self.beginInsertRows(QModelIndex(), before, after - 1)
            self.tiles = tuple(tiles)
            self.endInsertRows()
        else:
            self.tiles = tuple(tiles)
        if kept := min(before, after):
            self.dataChanged.emit(self.index(0), self.index(kept - 1))

    def rowCount(self, parent: Index | None = None) -> int:
        """Return how many tiles there are."""
        return 0 if parent is not None and parent.isValid() else len(self.tiles)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return what the view asks about a tile."""
        if not index.isValid() or index.row() >= len(self.tiles):
            return None
        tile = self.tiles[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            return tile.caption
        if role == Qt.ItemDataRole.DecorationRole:
            return self._pixmap(index.row())
        if role in (Qt.ItemDataRole.ToolTipRole, Qt.ItemDataRole.AccessibleTextRole):
            return tile.tip or tile.caption
        return tile.data if role == DATA else None

    def _pixmap(self, row: int) -> QPixmap:
        """Return a tile's picture, small maps enlarged as squares; made when first seen.

        In the middle of a square: all tiles are of one size, or captions would be cut off.
        """
        found = self._pixmaps.get(row)
        if found is not None:
            return found
        image, side = self.tiles[row].image, max(1, round(self._side * self._ratio))
        large = max(image.width(), image.height()) > side
        kind = Qt.TransformationMode
        mode = kind.SmoothTransformation if large else kind.FastTransformation
        scaled = image.scaled(side, side, Qt.AspectRatioMode.KeepAspectRatio, mode)
        found = QPixmap(side, side)
        found.fill(Qt.GlobalColor.transparent)
        painter = QPainter(found)
        painter.drawImage((side - scaled.width()) // 2, (side - scaled.height()) // 2, scaled)
        painter.end()
        found.setDevicePixelRatio(self._ratio)
        if len(self._pixmaps) >= KEPT:
            self._pixmaps.clear()
        self._pixmaps[row] = found
        return found
