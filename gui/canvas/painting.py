"""The brush on the picture: strokes of mouse or pen, and the outline that follows the pointer."""

from PySide6.QtCore import QEvent, QPointF, QRectF, Qt, Signal
from PySide6.QtGui import (
    QFocusEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QTabletEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QWidget

from gui.canvas import decoration
from gui.canvas.tools import ToolView
from gui.canvas.zoom_view import NOTCH

BRUSH = "brush"
"""The name of the tool."""
SMALL = 4.0
"""Pixels of the screen: the outline of a smaller brush is hard to see, so that a cross is added."""


class PaintView(ToolView):
    """A view whose tool may be a brush: it gets the left button, the pen and their moves."""

    stroke_begun = Signal(QPointF, float, bool)
    """Where, in pixels of the picture, perhaps outside; pressure, 0 to 1; whether Shift is held."""
    stroke_moved = Signal(QPointF, float)
    stroke_ended = Signal()
    stroke_cancelled = Signal()
    """Escape during a stroke."""
    brush_resized = Signal(int)
    """The wheel with Shift: notches, up is larger."""
    brush_hardened = Signal(int)
    """A brace, which is Shift and a bracket on many keyboards: 1 is harder, -1 softer."""
    erase_held = Signal(bool)
    """Alt is held, or no longer."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._brush_radius = 0.0
        self._pointer: QPointF | None = None
        self._painting = False
        self._space = False
        self._by_pen = False

    # -- the outline ----------------------------------------------------------------------

    def set_brush(self, radius: float) -> None:
        """Give the outline another radius, in pixels of the picture."""
        self._update_outline()
        self._brush_radius = radius
        self._update_outline()
        self._show_cursor()

    def set_tool(self, kind: str) -> None:
        """Let the pointer do something else; a stroke ends where it is."""
        self.end_stroke()
        self._update_outline()
        super().set_tool(kind)
        self._space = False
        self._show_cursor()

    @property
    def painting(self) -> bool:
        """Whether a stroke is under way."""
        return self._painting

    def _has_brush(self) -> bool:
        return self.tool() == BRUSH and not self._space

    def _screen_radius(self) -> float:
        return self._brush_radius * self.transform().m11()

    def _outline(self) -> QRectF:
        """Return where the outline is in the viewport; empty: nowhere."""
        if self._pointer is None or not self._has_brush():
            return QRectF()
        radius = self._screen_radius()
        return QRectF(
            self._pointer.x() - radius, self._pointer.y() - radius, 2 * radius, 2 * radius
        )

    def _update_outline(self) -> None:
        """Paint again where the outline is now, and nothing else."""
        outline = self._outline()
        if not outline.isNull():
            self.viewport().update(outline.adjusted(-4, -4, 4, 4).toAlignedRect())

    def _move_outline(self, place: QPointF | None) -> None:
        self._update_outline()
        self._pointer = place
        self._update_outline()

    def _show_cursor(self) -> None:
        """Hide the pointer within the outline, if that is large enough to be seen."""
        if self._has_brush():
            large = self._screen_radius() >= SMALL
            shape = Qt.CursorShape.BlankCursor if large else Qt.CursorShape.CrossCursor
            self.viewport().setCursor(shape)
        elif self._space:
            self.viewport().setCursor(Qt.CursorShape.OpenHandCursor)

    def draw_tools(self, painter: QPainter, picture: QRectF) -> None:
        """Paint the outline above the marks."""
        super().draw_tools(painter, picture)
        outline = self._outline()
        if not outline.isNull():
            decoration.draw_ring(painter, outline)

    # -- strokes --------------------------------------------------------------------------

    def _begin(self, place: QPointF, pressure: float, modifiers: Qt.KeyboardModifier) -> None:
        self._painting = True
        self._move_outline(place)
        straight = bool(modifiers & Qt.KeyboardModifier.ShiftModifier)
        self.stroke_begun.emit(self._scene_point(place), pressure, straight)

    def end_stroke(self) -> None:
        """End the stroke under way, if there is one, where it is."""
        if self._painting:
            self._painting = self._by_pen = False
            self.stroke_ended.emit()

    def viewportEvent(self, event: QEvent) -> bool:
        """Paint with a pen, whose pressure counts; hide the outline when the pointer leaves."""
        if isinstance(event, QTabletEvent) and self._has_brush():
            return self._on_pen(event)
        if event.type() == QEvent.Type.Leave and not self._painting:
            self._move_outline(None)
        return super().viewportEvent(event)

    def _on_pen(self, event: QTabletEvent) -> bool:
        """Take what a pen does; False leaves it to become a mouse event."""
        kind = event.type()
        if kind == QEvent.Type.TabletPress and event.button() == Qt.MouseButton.LeftButton:
            self._by_pen = True
            self._begin(event.position(), event.pressure(), event.modifiers())
        elif kind == QEvent.Type.TabletMove and self._painting:
            self._move_outline(event.position())
            self.stroke_moved.emit(self._scene_point(event.position()), event.pressure())
        elif kind == QEvent.Type.TabletRelease and self._by_pen:
            self.end_stroke()
        else:
            return False
        event.accept()
        return True

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Begin a stroke."""
        if self._has_brush() and event.button() == Qt.MouseButton.LeftButton:
            self._begin(event.position(), 1.0, event.modifiers())
        else:
            super().mousePressEvent(event)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Two quick dabs are no double click."""
        if self._has_brush() and event.button() == Qt.MouseButton.LeftButton:
            self.mousePressEvent(event)
        else:
            super().mouseDoubleClickEvent(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Paint on."""
        super().mouseMoveEvent(event)
        if self.tool() != BRUSH:
            return
        self._move_outline(event.position())
        if self._painting and not self._by_pen:
            self.stroke_moved.emit(self._scene_point(event.position()), 1.0)

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """End the stroke."""
        if self._painting and event.button() == Qt.MouseButton.LeftButton:
            self.end_stroke()
        else:
            super().mouseReleaseEvent(event)

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Shift and the wheel change the brush's size; zooming changes how large it looks."""
        if self._has_brush() and event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
            # Some systems turn the wheel sideways while Shift is held.
            self._turned += event.angleDelta().y() or event.angleDelta().x()
            notches = int(self._turned / NOTCH)
            self._turned -= notches * NOTCH
            if notches:
                self.brush_resized.emit(notches)
            event.accept()
            return
        super().wheelEvent(event)
        if self.tool() == BRUSH:
            self._show_cursor()
            self.viewport().update()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Escape ends the stroke or the tool, Alt erases, Space pans."""
        key = event.key()
        if self.tool() != BRUSH:
            super().keyPressEvent(event)
        elif key == Qt.Key.Key_Escape and self._painting:
            self._painting = self._by_pen = False
            self.stroke_cancelled.emit()
        elif key == Qt.Key.Key_Alt and not event.isAutoRepeat():
            self.erase_held.emit(True)
        elif key in (Qt.Key.Key_BraceLeft, Qt.Key.Key_BraceRight):
            self.brush_hardened.emit(1 if key == Qt.Key.Key_BraceRight else -1)
        elif key == Qt.Key.Key_Space:
            if not event.isAutoRepeat() and not self._painting:
                self._update_outline()
                self._space = True
                self._show_cursor()
        else:
            super().keyPressEvent(event)

    def keyReleaseEvent(self, event: QKeyEvent) -> None:
        """Let go of Alt or Space."""
        if event.key() == Qt.Key.Key_Alt and self.tool() == BRUSH:
            self.erase_held.emit(False)
            event.accept()  # else the menu bar would take the focus
        elif event.key() == Qt.Key.Key_Space and self._space:
            if not event.isAutoRepeat():
                self._space = False
                self._show_cursor()
        else:
            super().keyReleaseEvent(event)

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """Whoever has the keys now hears of it when they are let go."""
        super().focusOutEvent(event)
        self._space = False
        if self.tool() == BRUSH:
            self.erase_held.emit(False)
            self._show_cursor()
