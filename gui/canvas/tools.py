"""A tool on the picture: it can be dragged, stepped and resized, and leaves marks."""

from dataclasses import dataclass

from PySide6.QtCore import QPointF, QRectF, Qt, Signal
from PySide6.QtGui import QImage, QKeyEvent, QMouseEvent, QPainter, QWheelEvent
from PySide6.QtWidgets import QWidget

from gui.canvas import decoration
from gui.canvas.drops import DropView
from gui.canvas.zoom_view import NOTCH

ARROWS = {
    Qt.Key.Key_Left: (-1, 0),
    Qt.Key.Key_Right: (1, 0),
    Qt.Key.Key_Up: (0, -1),
    Qt.Key.Key_Down: (0, 1),
}


@dataclass(frozen=True, eq=False)
class Mark:
    """A rectangle on the picture."""

    rect: QRectF
    """In pixels of the picture."""
    dashed: bool = False
    cover: QImage | None = None
    """An image of the whole picture, at any size, that shows inside the rectangle."""


class ToolView(DropView):
    """A view with an optional tool, which gets the left button and the arrow keys."""

    tool_dragged = Signal(QPointF)
    """Where the pointer is pressed or dragged to, in pixels of the picture; may lie outside."""
    tool_stepped = Signal(int, int)
    """An arrow key: steps to the right and down."""
    tool_resized = Signal(int)
    """The wheel with Shift: notches, up is larger."""
    tool_ended = Signal()
    """Escape."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._tool = ""
        self._dragging = False
        self._turned = 0
        self._marks: dict[str, Mark] = {}
        self._note = ""

    def tool(self) -> str:
        """Return what the pointer does: "point", "drag", or "" for nothing special."""
        return self._tool

    def set_tool(self, kind: str) -> None:
        """Let the pointer point at the picture ("point"), drag something over it ("drag"), or not.

        Escape ends both; only "drag" takes the left button, the arrows and the wheel with Shift.
        """
        self._tool, self._dragging, self._turned = kind, False, 0
        if kind:
            self.viewport().setCursor(Qt.CursorShape.CrossCursor)
        else:
            self.viewport().unsetCursor()

    def set_mark(self, key: str, mark: Mark | None) -> None:
        """Draw a rectangle in place of one of the same name; None removes it."""
        if mark is None:
            self._marks.pop(key, None)
        else:
            self._marks[key] = mark
        self.viewport().update()

    def marks(self) -> dict[str, Mark]:
        """Return the rectangles drawn, by name."""
        return dict(self._marks)

    def note(self) -> str:
        """Return the words at the lower border."""
        return self._note

    def set_note(self, text: str) -> None:
        """Put a few words at the lower border; "" removes them."""
        if text != self._note:
            self._note = text
            self.viewport().update()

    def draw_tools(self, painter: QPainter, picture: QRectF) -> None:
        """Paint marks and words; `picture` is the picture's place in the viewport."""
        for mark in self._marks.values():
            rect = self.viewportTransform().mapRect(mark.rect)
            if mark.cover is not None:
                painter.save()
                painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
                painter.setClipRect(rect.intersected(picture))
                painter.drawImage(picture, mark.cover)
                painter.restore()
            decoration.draw_mark(painter, rect, dashed=mark.dashed)
        if self._note:
            decoration.draw_note(painter, self._note, self.viewport().rect())

    # ------------------------------------------------------------ events

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Begin to drag."""
        if self._tool == "drag" and event.button() == Qt.MouseButton.LeftButton:
            self._dragging = True
            self.tool_dragged.emit(self._scene_point(event.position()))
        else:
            super().mousePressEvent(event)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """A double click counts as two presses for a tool that is dragged."""
        if self._tool == "drag" and event.button() == Qt.MouseButton.LeftButton:
            self.mousePressEvent(event)
        else:
            super().mouseDoubleClickEvent(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Drag on."""
        super().mouseMoveEvent(event)
        if self._dragging:
            self.tool_dragged.emit(self._scene_point(event.position()))

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Let go."""
        if self._dragging and event.button() == Qt.MouseButton.LeftButton:
            self._dragging = False
        else:
            super().mouseReleaseEvent(event)

    def wheelEvent(self, event: QWheelEvent) -> None:
        """With Shift the tool grows and shrinks; the small steps of a fine wheel add up."""
        if self._tool != "drag" or not event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
            super().wheelEvent(event)
            return
        # Some systems turn the wheel sideways while Shift is held.
        self._turned += event.angleDelta().y() or event.angleDelta().x()
        notches = int(self._turned / NOTCH)
        if notches:
            self._turned -= notches * NOTCH
            self.tool_resized.emit(notches)
        event.accept()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Escape ends the tool, the arrows move what is dragged."""
        plain = not event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier
        key = Qt.Key(event.key())
        if self._tool and key == Qt.Key.Key_Escape:
            self.tool_ended.emit()
        elif self._tool == "drag" and plain and key in ARROWS:
            self.tool_stepped.emit(*ARROWS[key])
        else:
            super().keyPressEvent(event)
