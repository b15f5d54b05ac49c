"""Rows of small pictures, each with a heading and the best picture first."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import QEvent, QPoint, QRect, QSize, Qt, Signal
from PySide6.QtGui import (
    QHelpEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPixmap,
    QResizeEvent,
)
from PySide6.QtWidgets import QAbstractScrollArea, QToolTip, QWidget

from gui.panels.tile_grid import GridTile, fitted

GAP = 3
LEAST, MOST = 56, 112
"""Sides of tiles in wrapped rows, in pixels; what does not fit goes on the next line."""
LEAST_CELL, MOST_CELL = 12, 40
"""Sides of tiles in a table."""
HEADING = -1
"""The column number of a heading."""


@dataclass(frozen=True)
class TileRow:
    """A heading and its tiles."""

    heading: str
    tiles: tuple[GridTile, ...]
    data: Any = None
    """What `heading_chosen` emits; None: the heading cannot be chosen."""
    tip: str = ""


class TileRows(QAbstractScrollArea):
    """Headings with their tiles; a click, Enter or the space bar chooses one.

    `wrapped` rows continue on the next line, with headings above; others form a table, with headings on
    the left.
    """

    chosen = Signal(object)
    """A tile's data."""
    heading_chosen = Signal(object)
    """A row's data."""

    def __init__(self, wrapped: bool = True, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._wrapped = wrapped
        self._rows: tuple[TileRow, ...] = ()
        self._places: dict[tuple[int, int], QRect] = {}
        self._scaled: dict[tuple[int, int], QPixmap] = {}
        self._current = (0, HEADING)
        self._text = 0
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.viewport().setMouseTracking(True)
        self.verticalScrollBar().setSingleStep(24)

    # -- what is shown --------------------------------------------------------------------

    def set_rows(self, rows: Sequence[TileRow]) -> None:
        """Show these rows instead; what is in view stays in view."""
        self._rows = tuple(rows)
        self._lay_out()
        if self._current not in self._places:
            self._current = (0, HEADING)
        self._describe()

    def rows(self) -> tuple[TileRow, ...]:
        """Return the rows shown."""
        return self._rows

    def place_of(self, row: int, column: int = HEADING) -> QRect:
        """Return where a tile or a heading is, in the viewport."""
        return self._places[row, column].translated(-self._offset())

    def sizeHint(self) -> QSize:
        """A few rows."""
        return QSize(280, 240)

    def minimumSizeHint(self) -> QSize:
        """One row."""
        return QSize(120, 90)

    def _offset(self) -> QPoint:
        return QPoint(self.horizontalScrollBar().value(), self.verticalScrollBar().value())

    def _lay_out(self) -> None:
        self._scaled.clear()
        self._places.clear()
        line = self.fontMetrics().height()
        captioned = any(tile.caption for row in self._rows for tile in row.tiles)
        self._text = line if captioned else 0
        width, height = self._lay_out_wrapped(line) if self._wrapped else self._lay_out_table(line)
        for bar, whole, seen in (
            (self.horizontalScrollBar(), width, self.viewport().width()),
            (self.verticalScrollBar(), height, self.viewport().height()),
        ):
            bar.setRange(0, max(0, whole - seen))
            bar.setPageStep(seen)
        self.viewport().update()

    def _lay_out_wrapped(self, line: int) -> tuple[int, int]:
        width = self.viewport().width()
        most = max((len(row.tiles) for row in self._rows), default=1) or 1
        columns = next(
            (c for c in (most, -(-most // 2), -(-most // 3)) if (width - GAP) // c - GAP >= LEAST),
            max(1, (width - GAP) // (LEAST + GAP)),
        )
        side = min(MOST, max(LEAST // 2, (width - GAP) // columns - GAP))
        y = GAP
        for number, row in enumerate(self._rows):
            self._places[number, HEADING] = QRect(GAP, y, width - 2 * GAP, line + 4)
            y += line + 6
            for i in range(len(row.tiles)):
                x = GAP + (i % columns) * (side + GAP)
                top = y + (i // columns) * (side + self._text + GAP)
                self._places[number, i] = QRect(x, top, side, side)
            y += -(-len(row.tiles) // columns) * (side + self._text + GAP) + 4
        return width, y

    def _lay_out_table(self, line: int) -> tuple[int, int]:
        width = self.viewport().width()
        most = max((len(row.tiles) for row in self._rows), default=1) or 1
        words = [self.fontMetrics().horizontalAdvance(row.heading) for row in self._rows]
        left = max(words, default=0) + 3 * GAP
        side = min(MOST_CELL, max(LEAST_CELL, (width - left) // most - GAP))
        height = max(side, line) + GAP
        for number, row in enumerate(self._rows):
            y = GAP + number * height
            self._places[number, HEADING] = QRect(GAP, y, left - 2 * GAP, height - GAP)
            for i in range(len(row.tiles)):
                self._places[number, i] = QRect(left + i * (side + GAP), y, side, side)
        return left + most * (side + GAP), GAP + len(self._rows) * height

    # -- painting -------------------------------------------------------------------------

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the rows that are in view."""
        painter = QPainter(self.viewport())
        painter.translate(-self._offset())
        seen = self.viewport().rect().translated(self._offset())
        for (row, column), place in self._places.items():
            if not seen.intersects(place.adjusted(0, 0, 0, self._text)):
                continue
            if column == HEADING:
                self._paint_heading(painter, self._rows[row], place)
            else:
                self._paint_tile(painter, row, column, place)
            if self.hasFocus() and (row, column) == self._current:
                painter.setPen(self.palette().highlight().color())
                painter.drawRect(place.adjusted(-1, -1, 0, 0))
                painter.drawRect(place.adjusted(-2, -2, 1, 1))

    def _paint_heading(self, painter: QPainter, row: TileRow, place: QRect) -> None:
        font = painter.font()
        font.setUnderline(row.data is not None)
        painter.setFont(font)
        painter.setPen(self.palette().windowText().color())
        text = painter.fontMetrics().elidedText(
            row.heading, Qt.TextElideMode.ElideRight, place.width()
        )
        painter.drawText(place, Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft, text)
        font.setUnderline(False)
        painter.setFont(font)

    def _paint_tile(self, painter: QPainter, row: int, column: int, place: QRect) -> None:
        tile = self._rows[row].tiles[column]
        pixmap = self._scaled.get((row, column))
        if pixmap is None:
            pixmap = self._scaled[row, column] = self._fitted(tile, place.width())
        size = pixmap.deviceIndependentSize().toSize()
        painter.drawPixmap(
            place.x() + (place.width() - size.width()) // 2,
            place.y() + (place.height() - size.height()) // 2,
            pixmap,
        )
        if tile.caption:
            painter.setPen(self.palette().windowText().color())
            below = QRect(place.x(), place.bottom() + 1, place.width(), self._text)
            text = painter.fontMetrics().elidedText(
                tile.caption, Qt.TextElideMode.ElideMiddle, below.width()
            )
            painter.drawText(below, Qt.AlignmentFlag.AlignCenter, text)

    def _fitted(self, tile: GridTile, side: int) -> QPixmap:
        """Enlarge small pictures with visible pixels: the pixels are what there is to see."""
        ratio = self.devicePixelRatioF()
        pixels = max(1, round(side * ratio))
        tiny = max(tile.image.width(), tile.image.height()) * 2 <= pixels
        pixmap = QPixmap.fromImage(fitted(tile.image, pixels, self._wrapped and not tiny))
        pixmap.setDevicePixelRatio(ratio)
        return pixmap

    # -- mouse, keys ----------------------------------------------------------------------

    def _at(self, point: QPoint) -> tuple[int, int] | None:
        point = point + self._offset()
        for at, place in self._places.items():
            if place.adjusted(0, 0, 0, 0 if at[1] == HEADING else self._text).contains(point):
                return at
        return None

    def _can_be_chosen(self, at: tuple[int, int] | None) -> bool:
        if at is None:
            return False
        row, column = self._rows[at[0]], at[1]
        return (row if column == HEADING else row.tiles[column]).data is not None

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Show by the pointer's shape what can be clicked."""
        can = self._can_be_chosen(self._at(event.position().toPoint()))
        shape = Qt.CursorShape.PointingHandCursor if can else Qt.CursorShape.ArrowCursor
        self.viewport().setCursor(shape)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Choose what is under the pointer."""
        at = self._at(event.position().toPoint())
        if at is not None and event.button() == Qt.MouseButton.LeftButton:
            self._current = at
            self._choose()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Move with the arrows, choose with Enter or the space bar."""
        row, column = self._current
        key = Qt.Key(event.key())
        if key in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space):
            self._choose()
        elif key in (Qt.Key.Key_Left, Qt.Key.Key_Right, Qt.Key.Key_Up, Qt.Key.Key_Down):
            across = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1}.get(key, 0)
            down = {Qt.Key.Key_Up: -1, Qt.Key.Key_Down: 1}.get(key, 0)
            row = min(max(row + down, 0), max(len(self._rows) - 1, 0))
            tiles = len(self._rows[row].tiles) if self._rows else 0
            self._current = row, min(max(column + across, HEADING), tiles - 1)
            self._bring_into_view()
            self._describe()
        else:
            super().keyPressEvent(event)

    def _choose(self) -> None:
        self.viewport().update()
        if self._current not in self._places or not self._can_be_chosen(self._current):
            return
        row, column = self._rows[self._current[0]], self._current[1]
        if column == HEADING:
            self.heading_chosen.emit(row.data)
        else:
            self.chosen.emit(row.tiles[column].data)

    def _bring_into_view(self) -> None:
        place = self._places.get(self._current)
        if place is not None:
            bar = self.verticalScrollBar()
            low = place.bottom() + self._text + GAP - self.viewport().height()
            bar.setValue(min(max(bar.value(), low), place.top() - GAP))
        self.viewport().update()

    def _describe(self) -> None:
        row, column = self._current
        if row < len(self._rows):
            shown = self._rows[row]
            own = (
                "" if column == HEADING else shown.tiles[column].tip or shown.tiles[column].caption
            )
            self.setAccessibleDescription(f"{shown.heading}: {own}" if own else shown.heading)
        else:
            self.setAccessibleDescription("")

    def viewportEvent(self, event: QEvent) -> bool:
        """Show a tooltip for what is under the pointer."""
        if event.type() == QEvent.Type.ToolTip and isinstance(event, QHelpEvent):
            at = self._at(event.pos())
            text = ""
            if at is not None:
                row = self._rows[at[0]]
                text = row.tip if at[1] == HEADING else row.tiles[at[1]].tip
            QToolTip.showText(event.globalPos(), text, self)
            return True
        return super().viewportEvent(event)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Lay out for the new width."""
        super().resizeEvent(event)
        self._lay_out()

    def scrollContentsBy(self, dx: int, dy: int) -> None:
        """Paint what comes into view."""
        self.viewport().update()
