"""The units of a layer without maps, as bars to browse and choose from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QPainter, QPalette
from PySide6.QtWidgets import (
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QWidget,
)

from gui.panels.choice_list import DATA, ChoiceList, Index, Items

UNIT = DATA + 1
"""Role of the `Bar` itself."""
STRENGTH = 110
"""Opacity of a bar, out of 255: text on it must be legible."""


@dataclass(frozen=True)
class Bar:
    """One unit."""

    number: int
    name: str
    """Name of the class that it stands for, or empty."""
    value: float

    @property
    def text(self) -> str:
        """Number and name."""
        return f"{self.number} {self.name}".strip()


class UnitBars(ChoiceList):
    """A line for each unit; choosing one emits its number."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._bars = _Bars(self)
        self.setModel(self._bars)
        self.setItemDelegate(_Painter(self))
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)

    def set_bars(self, bars: Sequence[Bar]) -> None:
        """Show these instead; if there are as many as before, the view keeps its place."""
        self._bars.replace(bars)

    def bar_at(self, row: int) -> Bar:
        """Return a line's unit."""
        bar: Bar = self._bars.items[row]
        return bar


class _Bars(Items):
    def __init__(self, parent: UnitBars) -> None:
        super().__init__(parent)
        self.low = self.high = 0.0

    def replace(self, items: Sequence[Bar]) -> None:
        values = [bar.value for bar in items]
        self.low, self.high = min([0.0, *values]), max([0.0, *values])
        super().replace(items)

    def shown(self, row: int, role: int) -> Any:
        bar = self.items[row]
        if role == Qt.ItemDataRole.DisplayRole:
            return bar.text
        if role in (Qt.ItemDataRole.ToolTipRole, Qt.ItemDataRole.AccessibleTextRole):
            return f"{bar.text}: {bar.value:.4g}"
        return {DATA: bar.number, UNIT: bar}.get(role)


class _Painter(QStyledItemDelegate):
    """Draws a bar from zero to the value, with number and name on it and the value on the right."""

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        return QSize(120, option.fontMetrics.height() + 6)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        bar, model = index.data(UNIT), index.model()
        assert isinstance(model, _Bars)
        line = QRectF(option.rect).adjusted(0, 1, 0, -1)
        if option.state & QStyle.StateFlag.State_Selected:
            painter.fillRect(option.rect, option.palette.color(QPalette.ColorRole.Highlight))
        reach = model.high - model.low
        if reach > 0:
            zero = line.left() - line.width() * model.low / reach
            end = zero + line.width() * bar.value / reach
            colour = option.palette.color(QPalette.ColorRole.Highlight)
            colour.setAlpha(STRENGTH)
            area = QRectF(min(zero, end), line.top(), max(abs(end - zero), 1.0), line.height())
            painter.fillRect(area, colour)
        painter.setPen(option.palette.color(QPalette.ColorRole.Text))
        value = f"{bar.value:.3g}"
        room = line.adjusted(4, 0, -4, 0)
        right = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight
        painter.drawText(room, right, value)
        width = room.width() - option.fontMetrics.horizontalAdvance(value + "  ")
        text = option.fontMetrics.elidedText(bar.text, Qt.TextElideMode.ElideRight, round(width))
        painter.drawText(room, Qt.AlignmentFlag.AlignVCenter, text)
