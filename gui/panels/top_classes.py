"""The most likely classes as selectable bars."""

from collections.abc import Mapping, Sequence

from PySide6.QtCore import QRect, QSize, Qt, Signal
from PySide6.QtGui import QKeyEvent, QMouseEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from engine.networks.classes import percent

TopClass = tuple[int, str, float]
"""Number, name, probability."""


class TopClasses(QWidget):
    """The most likely classes as bars; a click or the keyboard chooses one."""

    chosen = Signal(int)
    ROWS = 5

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName(self.tr("Most likely classes"))
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self._top: tuple[TopClass, ...] = ()
        self._target: int | None = None
        self._covered: tuple[tuple[TopClass, ...], dict[int, float]] | None = None
        self._current = 0

    def show_classes(self, top: Sequence[TopClass], target: int | None) -> None:
        """Show these, with the target emphasized."""
        self._top, self._target = tuple(top), target
        self._tell()

    def show_covered(self, top: Sequence[TopClass], before: Mapping[int, float]) -> None:
        """Show these instead, each with its change from `before`, which goes by class number."""
        self._covered = tuple(top), dict(before)
        self._tell()

    def end_covered(self) -> None:
        """Show again what `show_classes` was given last."""
        self._covered = None
        self._tell()

    def rows(self) -> list[tuple[TopClass, float | None]]:
        """Return what is shown: each class and, if compared, its earlier probability."""
        if self._covered is None:
            return [(one, None) for one in self._top]
        top, before = self._covered
        return [(one, before[one[0]]) for one in top]

    def _words(self, share: float, before: float | None) -> str:
        """Return a probability, and by how many percentage points it has changed."""
        change = "" if before is None else f"  {100 * (share - before):+.1f}"
        return f"{percent(share)}{change}".replace("-", "\u2212")

    def _tell(self) -> None:
        words = [f"{one[1]} {self._words(one[2], before)}" for one, before in self.rows()]
        self.setAccessibleDescription(", ".join(words))
        self.setToolTip("\n".join(words))
        self.update()

    def sizeHint(self) -> QSize:
        """Five lines of text."""
        return QSize(120, self._row_height() * self.ROWS)

    def _row_height(self) -> int:
        return self.fontMetrics().height() + 4

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw behind each name a bar as long as its probability."""
        painter = QPainter(self)
        palette, height = self.palette(), self._row_height()
        widest = "100.0 % " if self._covered is None else "100.0 %  +100.0 "
        share_width = self.fontMetrics().horizontalAdvance(widest)
        for row, ((index, name, share), before) in enumerate(self.rows()):
            line = QRect(0, row * height, self.width(), height - 2)
            bar = QRect(line)
            bar.setWidth(max(1, round(line.width() * share)))
            colour = palette.highlight().color()
            colour.setAlpha(110)
            painter.fillRect(bar, colour)
            if before is not None:  # where the bar ends with nothing covered
                edge = min(line.width() - 2, round(line.width() * before))
                painter.fillRect(edge, line.top(), 2, line.height(), palette.windowText().color())
            if self.hasFocus() and row == self._current:
                painter.setPen(palette.highlight().color())
                painter.drawRect(line.adjusted(0, 0, -1, -1))
            font = painter.font()
            font.setBold(index == self._target)
            painter.setFont(font)
            painter.setPen(palette.windowText().color())
            text = line.adjusted(4, 0, -share_width, 0)
            elided = painter.fontMetrics().elidedText(
                name, Qt.TextElideMode.ElideRight, text.width()
            )
            painter.drawText(text, Qt.AlignmentFlag.AlignVCenter, elided)
            right = Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight
            painter.drawText(line.adjusted(0, 0, -4, 0), right, self._words(share, before))

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Choose the class under the pointer."""
        self._choose(int(event.position().y()) // self._row_height())

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Move with the arrows, choose with Enter or the space bar."""
        if event.key() in (Qt.Key.Key_Up, Qt.Key.Key_Down):
            step = 1 if event.key() == Qt.Key.Key_Down else -1
            self._current = max(0, min(len(self.rows()) - 1, self._current + step))
            self.update()
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space):
            self._choose(self._current)
        else:
            super().keyPressEvent(event)

    def _choose(self, row: int) -> None:
        rows = self.rows()
        if 0 <= row < len(rows):
            self._current = row
            self.chosen.emit(rows[row][0][0])
