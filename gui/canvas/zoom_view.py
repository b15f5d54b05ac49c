"""Zooming and panning: a view of a pixel rectangle, and the pixel under the pointer."""

import math
from collections.abc import Callable

from PySide6.QtCore import QEvent, QPoint, QPointF, QRectF, QSize, Qt, Signal, Slot
from PySide6.QtGui import QKeyEvent, QMouseEvent, QPalette, QResizeEvent, QTransform, QWheelEvent
from PySide6.QtWidgets import QGraphicsScene, QGraphicsView, QWidget

SMALLEST, LARGEST = 0.01, 64.0
FIT_AT_MOST = 8.0  # a picture of one pixel is to be seen, but not to fill the window
FIT_MARGIN = 2  # keeps rounding from calling up scroll bars
NOTCH = 120  # what one click of a common mouse wheel reports
WHEEL_FACTOR = 1.25
SMALLEST_OF_FIT = 1 / WHEEL_FACTOR
"""The smallest zoom, as a share of the one that fits (or of 100 %, if that is less)."""
# fmt: off
STEPS = (0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.25, 0.33, 0.5, 0.67, 0.75, 1, 1.5, 2, 3, 4,
         6, 8, 12, 16, 24, 32, 48, 64)
# fmt: on


class ZoomView(QGraphicsView):
    """A zoomable view on `logical_size` pixels; 1.0 is one of them per pixel of the screen."""

    zoom_changed = Signal(float)
    hovered = Signal(int, int)
    left = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        scene = QGraphicsScene(self)
        scene.setItemIndexMethod(QGraphicsScene.ItemIndexMethod.NoIndex)
        self.setScene(scene)
        self.setInteractive(False)  # the view handles all mouse events itself
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        # Qt's AnchorUnderMouse asks where the pointer is now, not where the wheel event was, and
        # does nothing unless the pointer is known to be over the widget; see `_zoom_to`.
        self.setTransformationAnchor(QGraphicsView.ViewportAnchor.NoAnchor)
        self.setResizeAnchor(QGraphicsView.ViewportAnchor.AnchorViewCenter)
        # Labels and divider stand still while the picture scrolls.
        self.setViewportUpdateMode(QGraphicsView.ViewportUpdateMode.FullViewportUpdate)
        # A picture has no reading direction: left stays left in Arabic.
        self.setLayoutDirection(Qt.LayoutDirection.LeftToRight)
        self.viewport().setBackgroundRole(QPalette.ColorRole.Window)  # sets off white
        self._logical_size = QSize()
        self._zoom = 1.0
        self._fitted = True
        self._inside = False
        self._show_logical_size()

    # ------------------------------------------------------------ size

    def logical_size(self) -> QSize:
        """Return the size of what is viewed, in its pixels; empty if there is nothing."""
        return QSize(self._logical_size)

    def _set_logical_size(self, size: QSize) -> None:
        """View another size: refit if fitted, else keep the zoom and the middle of the view."""
        if size == self._logical_size:
            return
        old, self._logical_size = self._logical_size, size
        middle = self._scene_point(self._viewport_middle())
        self._show_logical_size()
        if old.isEmpty() or size.isEmpty() or self._fitted:
            self.fit()
            return
        middle.setX(middle.x() / old.width() * size.width())
        middle.setY(middle.y() / old.height() * size.height())
        self._bring(middle, self._viewport_middle())

    def _show_logical_size(self) -> None:
        empty = self._logical_size.isEmpty()
        # A null rectangle would mean "as large as the items".
        size = QSize(1, 1) if empty else self._logical_size
        self.setSceneRect(QRectF(0, 0, size.width(), size.height()))
        drag = QGraphicsView.DragMode
        self.setDragMode(drag.NoDrag if empty else drag.ScrollHandDrag)

    # ------------------------------------------------------------ zoom

    def zoom(self) -> float:
        """Return the zoom: 1.0 is one pixel of the picture on one pixel of the screen."""
        return self._zoom

    def fitted(self) -> bool:
        """Whether the zoom follows the size of the view."""
        return self._fitted

    @Slot()
    def fit(self) -> None:
        """Show all of it, also when the view's size changes."""
        self._fitted = True
        self._zoom_to(1.0 if self._logical_size.isEmpty() else self._fit_zoom())

    def _fit_zoom(self) -> float:
        """Return the zoom that shows all of it."""
        room = self.maximumViewportSize() - QSize(2 * FIT_MARGIN, 2 * FIT_MARGIN)
        scale = min(
            room.width() / self._logical_size.width(), room.height() / self._logical_size.height()
        )
        return min(scale * self.devicePixelRatioF(), FIT_AT_MOST)

    @Slot()
    def actual_size(self) -> None:
        """Show one pixel of the picture on one pixel of the screen."""
        self.set_zoom(1.0)

    @Slot()
    def zoom_in(self) -> None:
        """Go to the next larger of the usual zooms."""
        self.set_zoom(next((step for step in STEPS if step > self._zoom * 1.001), LARGEST))

    @Slot()
    def zoom_out(self) -> None:
        """Go to the next smaller of the usual zooms."""
        self.set_zoom(next((s for s in reversed(STEPS) if s < self._zoom / 1.001), SMALLEST))

    @Slot(float)
    def set_zoom(self, factor: float) -> None:
        """Zoom about the middle of the view; from a little less than what fits to 6400 %."""
        self._zoom_by_person(factor, self._viewport_middle())

    def _zoom_by_person(self, factor: float, anchor: QPointF) -> None:
        if not self._logical_size.isEmpty():
            self._fitted = False
            self._zoom_to(max(factor, SMALLEST_OF_FIT * min(self._fit_zoom(), 1.0)), anchor)

    def _zoom_to(self, zoom: float, anchor: QPointF | None = None) -> None:
        """Change the zoom so that what is at `anchor`, a point of the viewport, stays there."""
        anchor = anchor or self._viewport_middle()
        kept = self._scene_point(anchor)
        old, self._zoom = self._zoom, min(max(zoom, SMALLEST), LARGEST)
        scale = self._zoom / self.devicePixelRatioF()
        self.setTransform(QTransform.fromScale(scale, scale))
        self._bring(kept, anchor)
        if self._zoom != old:
            self.zoom_changed.emit(self._zoom)

    def _bring(self, point: QPointF, place: QPointF) -> None:
        """Scroll a point of the scene to a place in the viewport, as far as there is room."""
        away = self.viewportTransform().map(point) - place
        across, down = self.horizontalScrollBar(), self.verticalScrollBar()
        across.setValue(across.value() + round(away.x()))
        down.setValue(down.value() + round(away.y()))

    def _scene_point(self, place: QPointF) -> QPointF:
        """`mapToScene` without its rounding to whole points."""
        return self.viewportTransform().inverted()[0].map(place)

    def _viewport_middle(self) -> QPointF:
        return QRectF(self.viewport().rect()).center()

    # ------------------------------------------------------------ events

    def event(self, event: QEvent) -> bool:
        """Keep the meaning of 100 % on a screen with another pixel density."""
        done = super().event(event)
        if event.type() == QEvent.Type.DevicePixelRatioChange:
            if self._fitted:
                self.fit()
            else:
                self._zoom_to(self._zoom)
        return done

    def viewportEvent(self, event: QEvent) -> bool:
        """Notice the pointer leaving; scroll bars count as outside."""
        if event.type() == QEvent.Type.Leave:
            self._hover(None)
        return super().viewportEvent(event)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Stay fitted."""
        super().resizeEvent(event)
        if self._fitted:
            self.fit()

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Zoom about the pointer; the small steps of a fine wheel add up."""
        turned = event.angleDelta().y()
        if not turned:
            super().wheelEvent(event)  # a sideways wheel scrolls
            return
        factor = WHEEL_FACTOR ** (turned / NOTCH)
        self._zoom_by_person(self._zoom * factor, event.position())
        self._hover(event.position())
        event.accept()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Plus, minus, 0 and 1 zoom; the arrows are the scroll area's own."""
        layouts = Qt.KeyboardModifier.KeypadModifier | Qt.KeyboardModifier.ShiftModifier
        actions: dict[int, Callable[[], None]] = {
            Qt.Key.Key_Plus: self.zoom_in,
            Qt.Key.Key_Equal: self.zoom_in,  # the plus key of an American keyboard
            Qt.Key.Key_Minus: self.zoom_out,
            Qt.Key.Key_0: self.fit,
            Qt.Key.Key_1: self.actual_size,
        }
        action = actions.get(event.key())
        if action is None or event.modifiers() & ~layouts:
            super().keyPressEvent(event)
        else:
            action()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Pan with the left button, or the middle one."""
        super().mousePressEvent(_middle_as_left(event))

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """End panning."""
        super().mouseReleaseEvent(_middle_as_left(event))

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Go to 100 % at the point clicked, or back to all of it."""
        if event.button() != Qt.MouseButton.LeftButton:
            super().mouseDoubleClickEvent(event)
        elif self._fitted:
            self._zoom_by_person(1.0, event.position())
        else:
            self.fit()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Tell which pixel is under the pointer."""
        super().mouseMoveEvent(event)
        self._hover(event.position())

    def _hover(self, place: QPointF | None) -> None:
        if place is not None:
            point = self._scene_point(place)
            pixel = QPoint(math.floor(point.x()), math.floor(point.y()))
            size = self._logical_size
            if 0 <= pixel.x() < size.width() and 0 <= pixel.y() < size.height():
                self._inside = True
                self.hovered.emit(pixel.x(), pixel.y())
                return
        if self._inside:
            self._inside = False
            self.left.emit()


def _middle_as_left(event: QMouseEvent) -> QMouseEvent:
    """Qt pans with the left button only."""
    if event.button() != Qt.MouseButton.MiddleButton:
        return event
    left = Qt.MouseButton.LeftButton
    return QMouseEvent(
        event.type(),
        event.position(),
        event.scenePosition(),
        event.globalPosition(),
        left,
        left if event.buttons() else Qt.MouseButton.NoButton,
        event.modifiers(),
    )
