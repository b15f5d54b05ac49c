"""Many small pictures with captions to browse and choose from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QImage, QPainter, QPixmap
from PySide6.QtWidgets import QListView, QWidget

from gui.panels.choice_list import DATA, ChoiceList, Items

KEPT = 512
"""How many drawn tiles are kept: more than fit on a screen."""


@dataclass(frozen=True)
class GridTile:
    """One small picture."""

    image: QImage
    caption: str = ""
    tip: str = ""
    data: Any = None
    """What `chosen` emits for it."""


class TileGrid(ChoiceList):
    """Tiles in reading order; a click, Enter or the space bar chooses one.

    Thousands cost nothing until scrolled to: only visible tiles are drawn and scaled.
    """

    def __init__(self, side: int = 96, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._tiles = _Tiles(self)
        self.setModel(self._tiles)
        self.setViewMode(QListView.ViewMode.IconMode)
        self.setResizeMode(QListView.ResizeMode.Adjust)
        self.setMovement(QListView.Movement.Static)
        self.setSpacing(2)
        self.setWordWrap(True)
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)
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
        """Show these instead; if there are as many as before, the view keeps its place."""
        captions = [tile.caption for tile in tiles if tile.caption]
        longest = max((self.fontMetrics().horizontalAdvance(c) for c in captions[-50:]), default=0)
        lines = 0 if not captions else 1 if longest <= self.side else 2
        if lines != self._lines:
            self._lines = lines
            self.set_side(self.side)
        self._tiles.set_side(self.side, self.devicePixelRatioF())  # of its current screen
        self._tiles.replace(tiles)

    def data_at(self, row: int) -> Any:
        """Return what a tile stands for."""
        return self._tiles.items[row].data


class _Tiles(Items):
    """The tiles, and pixmaps of those seen so far."""

    def __init__(self, parent: TileGrid) -> None:
        super().__init__(parent)
        self._side, self._ratio = 1, 1.0
        self._pixmaps: dict[int, QPixmap] = {}

    def set_side(self, side: int, ratio: float) -> None:
        """Draw tiles with this long side, in pixels of the window."""
        self._side, self._ratio = side, ratio
        self._pixmaps.clear()

    def replace(self, items: Sequence[GridTile]) -> None:
        """Replace the tiles."""
        self._pixmaps.clear()
        super().replace(items)

    def shown(self, row: int, role: int) -> Any:
        """Return the view's data about a tile."""
        tile = self.items[row]
        if role == Qt.ItemDataRole.DisplayRole:
            return tile.caption
        if role == Qt.ItemDataRole.DecorationRole:
            return self._pixmap(row)
        if role in (Qt.ItemDataRole.ToolTipRole, Qt.ItemDataRole.AccessibleTextRole):
            return tile.tip or tile.caption
        return tile.data if role == DATA else None

    def _pixmap(self, row: int) -> QPixmap:
        """Return a tile's picture, made when first seen; the pixels of small maps show as squares.

        It lies in the middle of a square: tiles must be of one size, or captions would be cut off.
        """
        found = self._pixmaps.get(row)
        if found is not None:
            return found
        image, side = self.items[row].image, max(1, round(self._side * self._ratio))
        scaled = fitted(image, side, max(image.width(), image.height()) > side)
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


def fitted(image: QImage, side: int, smooth: bool) -> QImage:
    """Return the image scaled to fit a square of `side` pixels; unless `smooth`, its pixels show."""
    kind = Qt.TransformationMode
    mode = kind.SmoothTransformation if smooth else kind.FastTransformation
    return image.scaled(side, side, Qt.AspectRatioMode.KeepAspectRatio, mode)
