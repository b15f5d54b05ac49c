"""One line at the lower edge of the canvas that names the overlay."""

from PySide6.QtCore import QRect, QRectF, Qt
from PySide6.QtGui import QPainter
from PySide6.QtWidgets import QWidget

from gui.canvas import decoration

TALLEST = 10_000
"""The greatest height of a note, in points."""


class Caption:
    """A line of text on a viewport; it moves up to make room for a note."""

    def __init__(self, viewport: QWidget) -> None:
        self._viewport = viewport
        self._text = ""

    def text(self) -> str:
        """Return the whole line."""
        return self._text

    def set_text(self, text: str) -> None:
        """Show a line, cut off where there is no room; "" takes it away."""
        if text != self._text:
            self._text = text
            self._viewport.update()

    def draw(self, painter: QPainter, visible: QRect, note: str) -> None:
        """Paint it above the note drawn by `decoration.draw_note` or, without one, in its place."""
        if not self._text:
            return
        metrics = painter.fontMetrics()
        gap = metrics.height() / 2
        room = visible.width() - 4 * gap
        if note:
            needed = QRectF(0, 0, room, TALLEST)
            height = painter.boundingRect(needed, Qt.TextFlag.TextWordWrap, note).height()
            visible = visible.adjusted(0, 0, 0, -round(height + 1.5 * gap))
        line = metrics.elidedText(self._text, Qt.TextElideMode.ElideRight, int(room) - 1)
        decoration.draw_note(painter, line, visible)
