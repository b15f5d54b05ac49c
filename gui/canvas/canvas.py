"""The picture in the middle of the window: layers, before and after, and drops."""

from collections.abc import Sequence

from PySide6.QtCore import QPoint, QPointF, QRect, QRectF, QSize, Qt, Signal, Slot
from PySide6.QtGui import (
    QContextMenuEvent,
    QFocusEvent,
    QImage,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPalette,
)
from PySide6.QtWidgets import QWidget

from gui.canvas import decoration
from gui.canvas.caption import Caption
from gui.canvas.layers import CanvasLayer
from gui.canvas.mask_layer import MaskLayer
from gui.canvas.painting import BRUSH, PaintView
from gui.masks.mask import Rect

KEY_STEP = 0.02  # of the width, per press of a key that moves the divider
FOCUS_BY_KEY = (
    Qt.FocusReason.TabFocusReason,
    Qt.FocusReason.BacktabFocusReason,
    Qt.FocusReason.ShortcutFocusReason,
)


class Canvas(PaintView):
    """Shows a picture, the photo that it was made of, and overlays such as heat maps.

    All are stretched to one logical size, in pixels of the finished picture: a coarse frame of a
    running job covers the same area as the result.
    """

    compare_changed = Signal(bool)
    menu_requested = Signal(QPoint)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("canvas")
        self.setAccessibleName(self.tr("Picture"))
        self._image: QImage | None = None
        self._picture, self.original = CanvasLayer(0), CanvasLayer(1)
        self._overlays: dict[str, CanvasLayer] = {}
        self.scene().addItem(self._picture)
        self.scene().addItem(self.original)
        self.masks = MaskLayer()
        self.scene().addItem(self.masks)
        self._compare = False
        self._showing_original = False
        self._divider = 0.5
        self._grip: float | None = None  # from the pointer to the divider while it is dragged
        self._focus_by_key = False
        self.caption = Caption(self.viewport())
        self._hint = self.tr("Drop a photo here, or press Ctrl+I")
        self._description = ""
        self.compare_names: tuple[str, str] | None = None
        self._labels: tuple[decoration.Labelled, ...] = ()
        self._arrange()

    # ------------------------------------------------------------ pictures

    def picture(self) -> QImage | None:
        """Return what was last set, or None."""
        return self._image

    def set_picture(self, image: QImage | None, size: QSize | None = None) -> None:
        """Replace the picture; the view stays.

        Args:
            image: what to show; None empties the canvas.
            size: logical size, the image's own by default. If it changes, the picture is refitted
                only if the view was fitted. Images of more than 8192 pixels a side are reduced here,
                which takes a second for 200 megapixels: pass a reduced one and the size instead.
        """
        if image is not None and image.isNull():
            image = None
        self._image = image
        self._picture.set_image(image, self.original)
        if image is None:
            size = QSize()
        elif size is None or size.isEmpty():
            size = image.size()
        if size != self.logical_size():
            for layer in self._layers():
                layer.set_size(size)
            self.masks.set_size(size)
            self._set_logical_size(size)
        self._arrange()

    def set_original(self, image: QImage | None) -> None:
        """Set the photo for before/after; may come before or after the picture."""
        self.original.set_image(image, self._picture)
        self._arrange()

    def set_overlay(self, key: str, image: QImage | None, opacity: float = 0.6) -> None:
        """Lay a named image over the picture, in place of one of the same name; None removes it."""
        layer = self._overlays.get(key)
        if image is None or image.isNull():
            if layer is not None:
                self.scene().removeItem(self._overlays.pop(key))
            return
        if layer is None:
            layer = self._overlays[key] = CanvasLayer(2)  # of equals, the newer is on top
            layer.set_size(self.logical_size())
            self.scene().addItem(layer)
        layer.set_image(image)
        layer.setOpacity(opacity)
        self._arrange()

    def overlays(self) -> list[str]:
        """Return the names of the overlays on the picture."""
        return list(self._overlays)

    def set_overlay_opacity(self, key: str, opacity: float) -> None:
        """Change the opacity of an overlay, 0 to 1, if there is one of that name."""
        if key in self._overlays:
            self._overlays[key].setOpacity(opacity)

    def touch_masks(self, dirty: Rect) -> None:
        """Paint a part of the masks again, and nothing else; it is given in their pixels."""
        part = self.viewportTransform().mapRect(self.masks.touch(dirty))
        self.viewport().update(part.toAlignedRect().adjusted(-1, -1, 1, 1))

    def set_labels(self, labels: Sequence[decoration.Labelled]) -> None:
        """Name parts of the picture, given as fractions of its width and height."""
        if tuple(labels) != self._labels:
            self._labels = tuple(labels)
            self.viewport().update()

    def labels(self) -> list[str]:
        """Return the names of the picture's parts."""
        return [text for _, text in self._labels]

    def set_hint(self, text: str) -> None:
        """Set the text that is shown while there is no picture."""
        self._hint = text
        self._arrange()

    def set_description(self, text: str) -> None:
        """Describe the picture in words, for those who cannot see it."""
        self._description = text
        self._arrange()

    def _layers(self) -> list[CanvasLayer]:
        return [self._picture, self.original, *self._overlays.values()]

    def _arrange(self) -> None:
        """Show the part of each layer that is visible now."""
        whole, split = self._whole_original(), self._comparing()
        border = self._divider if split else 0.0
        self._picture.setVisible(not whole)
        self.original.setVisible(whole or split)
        self.original.set_span(0.0, 1.0 if whole else border)
        for layer in (self._picture, *self._overlays.values()):
            layer.set_span(border, 1.0)
        for layer in self._overlays.values():
            layer.setVisible(not whole)
        empty = self._image is None
        self.setAccessibleDescription(self._hint if empty else self._description)
        self.viewport().update()

    # ------------------------------------------------------------ before and after

    def compare(self) -> bool:
        """Whether before and after are being compared."""
        return self._compare

    @Slot(bool)
    def set_compare(self, on: bool) -> None:
        """Show the original left of a divider, as soon as there is an original."""
        if on != self._compare:
            self._compare = on
            self._grip = None
            self._arrange()
            self.compare_changed.emit(on)

    def set_compare_names(self, names: tuple[str, str] | None) -> None:
        """Name what is left and right of the divider; None: before and after."""
        if names != self.compare_names:
            self.compare_names = names
            self.viewport().update()

    def divider(self) -> float:
        """Return where the divider is, as a fraction of the width."""
        return self._divider

    @Slot(float)
    def set_divider(self, fraction: float) -> None:
        """Move the divider; 0 is the left border of the picture, 1 the right one."""
        self._divider = min(max(fraction, 0.0), 1.0)
        self._arrange()

    @Slot(bool)
    def set_showing_original(self, on: bool) -> None:
        """Show all of the original instead of the picture, if there is one."""
        self._showing_original = on
        self._arrange()

    def _whole_original(self) -> bool:
        return self._showing_original and self.original.has_image() and self._image is not None

    def _comparing(self) -> bool:
        both = self.original.has_image() and self._image is not None
        return self._compare and both and not self._showing_original

    def _picture_rect(self) -> QRectF:
        """Return the picture's place in the viewport."""
        size = self.logical_size()
        return self.viewportTransform().mapRect(QRectF(0, 0, size.width(), size.height()))

    def _divider_x(self) -> float:
        rect = self._picture_rect()
        return rect.left() + self._divider * rect.width()

    def _on_divider(self, place: QPointF) -> bool:
        rect = self._picture_rect()
        inside = rect.top() <= place.y() <= rect.bottom()
        reach = decoration.handle_radius(self.fontMetrics())
        return self._comparing() and inside and abs(place.x() - self._divider_x()) <= reach

    # ------------------------------------------------------------ mouse and keyboard

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Take hold of the divider, or pan."""
        if event.button() == Qt.MouseButton.LeftButton and self._on_divider(event.position()):
            self._grip = self._divider_x() - event.position().x()
        else:
            super().mousePressEvent(event)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Toggle the zoom; but two quick tugs at the divider are no double click."""
        if self._on_divider(event.position()):
            self.mousePressEvent(event)
        else:
            super().mouseDoubleClickEvent(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Move the divider that is held."""
        if self._grip is not None and self._comparing():  # the picture may have gone since
            rect = self._picture_rect()
            self.set_divider((event.position().x() + self._grip - rect.left()) / rect.width())
        super().mouseMoveEvent(event)
        if not event.buttons():
            self._point(event.position())

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Let go."""
        self._grip = None
        super().mouseReleaseEvent(event)
        self._point(event.position())

    def _point(self, place: QPointF) -> None:
        """Show by the pointer's shape what a press would do."""
        if self._on_divider(place):
            self.viewport().setCursor(Qt.CursorShape.SplitHCursor)
        elif self._image is None:
            self.viewport().unsetCursor()
        elif self.tool() == BRUSH:
            self._show_cursor()
        elif self.tool():
            self.viewport().setCursor(Qt.CursorShape.CrossCursor)
        else:
            self.viewport().setCursor(Qt.CursorShape.OpenHandCursor)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Ctrl+Shift+Left and Right move the divider."""
        steps: dict[int, float] = {Qt.Key.Key_Left: -KEY_STEP, Qt.Key.Key_Right: KEY_STEP}
        step = steps.get(event.key())
        both = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier
        if step is not None and event.modifiers() & both == both and self._comparing():
            self.set_divider(self._divider + step)
        else:
            super().keyPressEvent(event)

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """Ask for a menu: at the pointer, or in the middle if the menu key was pressed."""
        place = event.globalPos()
        if event.reason() == QContextMenuEvent.Reason.Keyboard:
            place = self.viewport().mapToGlobal(self.viewport().rect().center())
        self.menu_requested.emit(place)
        event.accept()

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Show the focus if it was moved by keyboard."""
        super().focusInEvent(event)
        self._focus_by_key = event.reason() in FOCUS_BY_KEY
        self.viewport().update()

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """Hide it again."""
        super().focusOutEvent(event)
        self._focus_by_key = False
        self.viewport().update()

    # ------------------------------------------------------------ painting

    def drawBackground(self, painter: QPainter, rect: QRectF | QRect) -> None:
        """Paint a checkerboard, of constant size, behind transparent parts."""
        super().drawBackground(painter, rect)
        if self._picture.has_alpha() or (self.original.isVisible() and self.original.has_alpha()):
            painter.save()
            painter.resetTransform()
            decoration.draw_checkerboard(painter, self._picture_rect(), self.viewport().rect())
            painter.restore()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the scene, then what does not zoom with it."""
        super().paintEvent(event)
        visible = self.viewport().rect()
        highlight = self.palette().color(QPalette.ColorRole.Highlight)
        with QPainter(self.viewport()) as painter:
            if self._image is None:
                decoration.draw_hint(painter, self._hint, visible, self.palette())
            elif not self._whole_original():
                if not self._comparing():
                    decoration.draw_labels(painter, self._labels, self._picture_rect(), visible)
                self.draw_tools(painter, self._picture_rect())
                self.caption.draw(painter, visible, self.note())
            if self._comparing():
                seen = self._picture_rect().intersected(QRectF(visible))
                decoration.draw_divider(painter, self._divider_x(), seen.top(), seen.bottom())
                before, after = self.compare_names or (self.tr("Before"), self.tr("After"))
                decoration.draw_label(painter, before, visible, right=False)
                decoration.draw_label(painter, after, visible, right=True)
            if self._drag_over:
                decoration.draw_border(painter, visible, highlight, 3)
            elif self._focus_by_key:
                decoration.draw_border(painter, visible, highlight, 1)
