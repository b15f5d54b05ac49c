"""The masks over the picture, each in its colour; only what changes is mixed and painted again."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QRectF, QSize
from PySide6.QtGui import QColor, QImage, QPainter
from PySide6.QtWidgets import QGraphicsItem, QStyleOptionGraphicsItem, QWidget

from gui.masks.mask import Mask, Rect, bounds, divided

Bytes = npt.NDArray[np.uint8]
OPACITY, FAINT = 128, 32
"""Of the inside of a mask, out of 255: over the photo, and over a result, whose colours matter."""
HALF = 128
"""From this value on, a pixel lies within the outline."""
AROUND = np.ones((3, 3), np.uint8)
HEIGHT = 10.0
"""Above all maps."""
NEAREST_ABOVE = 4.0
"""From this zoom of the mask on, its pixels are shown as they are."""


@dataclass(frozen=True, eq=False)
class TintedMask:
    """A mask and the colour that it is shown in."""

    mask: Mask
    colour: QColor
    opacity: int = OPACITY
    """Of its inside, out of 255."""


class MaskLayer(QGraphicsItem):
    """Masks of one size, stretched over the picture; later ones lie on top of earlier ones."""

    def __init__(self) -> None:
        super().__init__()
        self.setZValue(HEIGHT)
        self._rect = QRectF()
        self._masks: tuple[TintedMask, ...] = ()
        self._dirty: list[Rect] = []
        """What has changed since it was last painted."""
        self._level = -1
        """How often the masks are halved in the image."""
        self._mixed: Bytes = np.zeros((0, 0, 4), np.uint8)
        self._image = QImage()
        self.mixed_pixels = 0
        """How many pixels of masks have been mixed so far."""

    def set_masks(self, masks: Sequence[TintedMask]) -> None:
        """Show masks, all of the same size; the same ones again, if they have not changed since."""
        same = len(masks) == len(self._masks) and all(
            one.mask is other.mask and one.colour == other.colour and one.opacity == other.opacity
            for one, other in zip(masks, self._masks, strict=True)
        )
        if not same:
            self._masks, self._level = tuple(masks), -1
            self.setVisible(bool(masks))
            self.update()

    def set_size(self, size: QSize) -> None:
        """Stretch them to another size."""
        self.prepareGeometryChange()
        self._rect = QRectF(0, 0, size.width(), size.height())

    def touch(self, dirty: Rect) -> QRectF:
        """Note that a part of the masks has changed; return the part of the picture to paint again.

        It is mixed when it is painted: the pointer may move several times until then.
        """
        if not self._masks or self._rect.isEmpty():
            return QRectF()
        if self._level >= 0:
            self._dirty.append(dirty)
        height, width = self._masks[0].mask.pixels.shape
        across, down = self._rect.width() / width, self._rect.height() / height
        around = 3 << max(self._level, 0)  # outlines and smoothing look at neighbours
        left, top = (dirty.left - around) * across, (dirty.top - around) * down
        right, bottom = (dirty.right + around) * across, (dirty.bottom + around) * down
        return QRectF(left, top, right - left, bottom - top).intersected(self._rect)

    def boundingRect(self) -> QRectF:
        """Return the whole picture."""
        return self._rect

    def paint(
        self, painter: QPainter, option: QStyleOptionGraphicsItem, widget: QWidget | None = None
    ) -> None:
        """Paint the masks, mixed at about the size that they have on the screen."""
        if not self._masks or self._rect.isEmpty():
            return
        zoom = painter.deviceTransform().m11()
        scale = zoom * self._rect.width() / self._masks[0].mask.pixels.shape[1]
        level = 0
        while scale * 2 ** (level + 1) <= 1:
            level += 1
        if level != self._level:
            self._begin(level)
        elif (dirty := bounds(self._dirty)) is not None:
            self._mix(dirty)
        self._dirty.clear()
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, scale <= NEAREST_ABOVE)
        painter.drawImage(self._rect, self._image)
        painter.restore()

    def _begin(self, level: int) -> None:
        """Mix all of the masks, halved so often."""
        height, width = self._masks[0].mask.pixels.shape
        self._level = level
        rows, columns = -(-height // (1 << level)), -(-width // (1 << level))
        self._mixed = np.zeros((rows, columns, 4), np.uint8)
        # It points into the array: both are used in this thread alone, and go together.
        self._image = QImage(
            self._mixed.data,
            columns,
            rows,
            4 * columns,
            QImage.Format.Format_RGBA8888_Premultiplied,
        )
        self._mix(Rect(0, 0, width, height))

    def _mix(self, dirty: Rect) -> None:
        """Lay the masks over each other where they have changed, and outline each."""
        import cv2

        step = 1 << self._level
        height, width = self._masks[0].mask.pixels.shape
        left, top = dirty.left // step, dirty.top // step
        right, bottom = -(-dirty.right // step), -(-dirty.bottom // step)
        # Outlines depend on neighbours: so what is mixed is a pixel wider, and looked at two.
        part = Rect(left - 1, top - 1, right + 1, bottom + 1).within(self._mixed.shape)
        wide = Rect(left - 2, top - 2, right + 2, bottom + 2).within(self._mixed.shape)
        if part is None or wide is None:
            return
        whole = Rect(
            wide.left * step, wide.top * step,
            min(wide.right * step, width), min(wide.bottom * step, height),
        )  # fmt: skip
        mixed = np.zeros((wide.height, wide.width, 4), np.uint16)
        outlines: list[tuple[npt.NDArray[np.bool_], tuple[int, int, int, int]]] = []
        for each in self._masks:
            pixels = each.mask.pixels[whole.rows, whole.columns]
            if not pixels.any():
                continue
            if step > 1:
                size = wide.width, wide.height
                pixels = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA))
            red, green, blue = each.colour.red(), each.colour.green(), each.colour.blue()
            cover = pixels.astype(np.uint16)[..., None]
            colour = np.array((red, green, blue, 255), np.uint16) * each.opacity // 255
            mixed = divided(cover * colour + (255 - cover) * mixed)
            inside = (pixels >= HALF).astype(np.uint8)
            rim = cv2.dilate(inside, AROUND) - inside
            edge = inside - cv2.erode(inside, AROUND, borderValue=1)
            outlines += [(rim > 0, (0, 0, 0, 255)), (edge > 0, (red, green, blue, 255))]
        for where, colours in outlines:
            mixed[where] = colours
        rows = slice(part.top - wide.top, part.bottom - wide.top)
        columns = slice(part.left - wide.left, part.right - wide.left)
        self._mixed[part.rows, part.columns] = mixed[rows, columns].astype(np.uint8)
        self.mixed_pixels += whole.width * whole.height
