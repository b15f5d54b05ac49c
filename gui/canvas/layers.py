"""One layer of the canvas: an image stretched over the picture's rectangle."""

from PySide6.QtCore import QRectF, QSize, Qt
from PySide6.QtGui import QImage, QPainter, QPixmap
from PySide6.QtWidgets import QGraphicsItem, QStyleOptionGraphicsItem, QWidget

LONGEST_SIDE = 8192  # of what is painted; no screen shows more, and it costs 256 MiB
NEAREST_ABOVE = 2.0  # from here on, people want to see pixels, not a blur


def _shrunk(size: QSize, factor: float) -> QSize:
    """Return a size divided by `factor`, at least one pixel each way."""
    return QSize(max(1, round(size.width() / factor)), max(1, round(size.height() / factor)))


def _prepared(image: QImage) -> QPixmap:
    long_side = max(image.width(), image.height())
    if long_side > LONGEST_SIDE:
        image = image.scaled(
            _shrunk(image.size(), long_side / LONGEST_SIDE),
            Qt.AspectRatioMode.IgnoreAspectRatio,
            Qt.TransformationMode.SmoothTransformation,
        )
    return QPixmap.fromImage(image)


class CanvasLayer(QGraphicsItem):
    """An image stretched over a rectangle at the origin; may show only a vertical part of it."""

    def __init__(self, height: float = 0.0) -> None:
        super().__init__()
        self.setZValue(height)
        self.levels: list[QPixmap] = []
        self._key = 0
        """The key of the image, by which another layer recognizes the same one."""
        self._rect = QRectF()
        self._span = (0.0, 1.0)

    def set_image(self, image: QImage | None, other: "CanvasLayer | None" = None) -> None:
        """Show another image in the same place; None shows nothing.

        What was prepared for the same image, here or in the `other` layer, is shared: preparing a large
        photo takes longer than a frame.
        """
        if image is None or image.isNull():
            self.levels, self._key = [], 0
        elif other is not None and other._key == image.cacheKey():
            self.levels, self._key = other.levels, other._key
        elif self._key != image.cacheKey():
            self.levels, self._key = [_prepared(image)], image.cacheKey()
        self.update()

    def set_size(self, size: QSize) -> None:
        """Stretch the image to another size."""
        self.prepareGeometryChange()
        self._rect = QRectF(0, 0, size.width(), size.height())

    def set_span(self, left: float, right: float) -> None:
        """Show only what lies between two fractions of the width."""
        if self._span != (left, right):
            self._span = (left, right)
            self.update()

    def has_image(self) -> bool:
        """Whether there is anything to show."""
        return bool(self.levels)

    def has_alpha(self) -> bool:
        """Whether anything may show through."""
        return self.has_image() and self.levels[0].hasAlphaChannel()

    def boundingRect(self) -> QRectF:
        """Return the whole rectangle, whatever part of it is shown."""
        return self._rect

    def paint(
        self, painter: QPainter, option: QStyleOptionGraphicsItem, widget: QWidget | None = None
    ) -> None:
        """Paint smoothly, or in visible pixels, depending on the zoom."""
        if not self.levels or self._rect.isEmpty():
            return
        zoom = painter.deviceTransform().m11()
        pixmap = self._level(zoom)
        painter.save()
        if self._span != (0.0, 1.0):
            left, right = (self._rect.width() * fraction for fraction in self._span)
            shown = QRectF(left, 0, right - left, self._rect.height())
            painter.setClipRect(shown, Qt.ClipOperation.IntersectClip)
        smooth = zoom <= NEAREST_ABOVE * (1 + 1e-6)
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, smooth)
        painter.drawPixmap(self._rect, pixmap, QRectF(pixmap.rect()))
        painter.restore()

    def _level(self, zoom: float) -> QPixmap:
        """Return the pixmap halved as often as the zoom allows; kept until the next image.

        Qt's smoothing looks at four pixels, which leaves gaps and moiré below 50 %.
        """
        first = self.levels[0]
        shrink = min(first.width() / self._rect.width(), first.height() / self._rect.height())
        shrink /= zoom
        number = 0
        while shrink >= 2 and max(first.width(), first.height()) >> number > 1:
            shrink /= 2
            number += 1
            if number == len(self.levels):
                last = self.levels[-1]
                self.levels.append(
                    last.scaled(
                        _shrunk(last.size(), 2),
                        Qt.AspectRatioMode.IgnoreAspectRatio,
                        Qt.TransformationMode.SmoothTransformation,
                    )
                )
        return self.levels[number]
