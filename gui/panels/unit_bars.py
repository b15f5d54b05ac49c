"""The units of a layer without maps, as bars: many numbers to look through and choose from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import (
    QAbstractListModel,
    QModelIndex,
    QPersistentModelIndex,
    QRectF,
    QSize,
    Qt,
    Signal,
    Slot,
)
from PySide6.QtGui import QKeyEvent, QPainter, QPalette
from PySide6.QtWidgets import (
    QListView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QWidget,
)

UNIT = Qt.ItemDataRole.UserRole
Index = QModelIndex | QPersistentModelIndex
STRENGTH = 110
"""Opacity of a bar, of 255: text is read on it."""


@dataclass(frozen=True)
class Bar:
    """One unit."""

    number: int
    name: str
    """Of the class that it stands for, or empty."""
    value: float

    @property
    def text(self) -> str:
        """Number and name."""
        return f"{self.number} {self.name}".strip()


class UnitBars(QListView):
    """A line for each unit; a click, Enter or the space bar chooses one."""

    chosen = Signal(object)
    """The unit's number."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._bars = _Bars(self)
        self.setModel(self._bars)
        self.setItemDelegate(_Painter(self))
        self.setUniformItemSizes(True)
        self.setEditTriggers(QListView.EditTrigger.NoEditTriggers)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.clicked.connect(self._on_chosen)
        self.activated.connect(self._on_chosen)

    def set_bars(self, bars: Sequence[Bar]) -> None:
        """Show these instead; as many as before keep the place that is looked at."""
        self._bars.replace(bars)

    def count(self) -> int:
        """Return how many units there are."""
        return len(self._bars.bars)

    def bar_at(self, row: int) -> Bar:
        """Return a line's unit."""
        return self._bars.bars[row]

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """The space bar chooses as Enter does."""
        if event.key() == Qt.Key.Key_Space and self.currentIndex().isValid():
            self._on_chosen(self.currentIndex())
        else:
            super().keyPressEvent(event)

    @Slot(QModelIndex)
    def _on_chosen(self, index: QModelIndex) -> None:
        self.chosen.emit(index.data(UNIT).number)


class _Bars(QAbstractListModel):
    def __init__(self, parent: UnitBars) -> None:
        super().__init__(parent)
        self.bars: tuple[Bar, ...] = ()
        self.low = self.high = 0.0

    def replace(self, bars: Sequence[Bar]) -> None:
        values = [bar.value for bar in bars]
        self.low, self.high = min([0.0, *values]), max([0.0, *values])
        if len(bars) == len(self.bars):
            self.bars = tuple(bars)
            if bars:
                self.dataChanged.emit(self.index(0), self.index(len(bars) - 1))
            return
        self.beginResetModel()
        self.bars = tuple(bars)
        self.endResetModel()

    def rowCount(self, parent: Index | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else len(self.bars)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        if not index.isValid() or index.row() >= len(self.bars):
            return None
        bar = self.bars[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            return bar.text
        if role in (Qt.ItemDataRole.ToolTipRole, Qt.ItemDataRole.AccessibleTextRole):
            return f"{bar.text}: {bar.value:.4g}"
        return bar if role == UNIT else None


class _Painter(QStyledItemDelegate):
    """Draws a bar from zero to the value, number and name on it, the value at the right."""

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
