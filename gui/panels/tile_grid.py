"""Many small pictures with captions, to look through and choose from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import QModelIndex, QSize, Qt, Signal, Slot
from PySide6.QtGui import QIcon, QImage, QPixmap, QStandardItem, QStandardItemModel
from PySide6.QtWidgets import QListView, QWidget

DATA = Qt.ItemDataRole.UserRole


@dataclass(frozen=True)
class GridTile:
    """One small picture."""

    image: QImage
    caption: str = ""
    tip: str = ""
    data: Any = None
    """What `chosen` hands out for it."""


class TileGrid(QListView):
    """Tiles in reading order; a click, Enter or the space bar chooses one."""

    chosen = Signal(object)
    """The tile's data."""

    def __init__(self, side: int = 96, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._items = QStandardItemModel(self)
        self.setModel(self._items)
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
        self._captioned = True
        self.set_side(side)

    def set_side(self, side: int) -> None:
        """Show tiles with this long side, in pixels."""
        self.side = side
        self.setIconSize(QSize(side, side))
        text = 2 * self.fontMetrics().height() if self._captioned else 0
        self.setGridSize(QSize(side + 10, side + text + 8))

    def set_tiles(self, tiles: Sequence[GridTile]) -> None:
        """Show these instead; as many as before keep the place that is looked at."""
        self._captioned = any(tile.caption for tile in tiles)
        self.set_side(self.side)
        while self._items.rowCount() > len(tiles):
            self._items.removeRow(self._items.rowCount() - 1)
        for row, tile in enumerate(tiles):
            item = self._items.item(row)
            if item is None:
                item = QStandardItem()
                self._items.appendRow(item)
            item.setIcon(QIcon(self._scaled(tile.image)))
            item.setText(tile.caption)
            item.setToolTip(tile.tip or tile.caption)
            item.setData(tile.data, DATA)

    def count(self) -> int:
        """Return how many tiles there are."""
        return self._items.rowCount()

    def data_at(self, row: int) -> Any:
        """Return what a tile stands for."""
        return self._items.item(row).data(DATA)

    def _scaled(self, image: QImage) -> QPixmap:
        """Enlarge small maps as squares: an icon is never drawn larger than its pixmap."""
        ratio = self.devicePixelRatioF()
        side = max(1, round(self.side * ratio))
        large = max(image.width(), image.height()) > side
        mode = Qt.TransformationMode.SmoothTransformation
        if not large:
            mode = Qt.TransformationMode.FastTransformation
        pixmap = QPixmap.fromImage(
            image.scaled(side, side, Qt.AspectRatioMode.KeepAspectRatio, mode)
        )
        pixmap.setDevicePixelRatio(ratio)
        return pixmap

    @Slot(QModelIndex)
    def _on_chosen(self, index: QModelIndex) -> None:
        self.chosen.emit(index.data(DATA))
