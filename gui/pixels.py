"""NumPy arrays and Qt images: always copied, so that neither writes into the other's memory."""

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import Qt
from PySide6.QtGui import QImage

from engine.attribution.heat import Heat
from engine.image import Picture

Bytes = npt.NDArray[np.uint8]
SMALLEST_LEVEL = 256
"""Long side below which halving an image takes no time."""
BAND = 1 << 19
"""Pixels that are converted at a time."""


def to_image(pixels: Bytes) -> QImage:
    """Return a QImage of (H, W, 3) RGB, (H, W, 4) RGBA or (H, W) grey bytes; copied.

    Otherwise `QImage` would point into the array, and be wrong as soon as somebody writes there. NumPy
    copies: `QImage.copy` would hold up Python's other threads, the window's among them.
    """
    height, width = pixels.shape[:2]
    kinds = {3: QImage.Format.Format_RGB888, 4: QImage.Format.Format_RGBA8888}
    channels = pixels.shape[2] if pixels.ndim == 3 else 1
    kind = kinds.get(channels, QImage.Format.Format_Grayscale8)
    image = QImage(width, height, kind)
    if pixels.size:
        rows = np.frombuffer(image.bits(), np.uint8).reshape(height, image.bytesPerLine())
        rows[:, : width * channels] = pixels.reshape(height, width * channels)
    return image


def to_array(image: QImage) -> Bytes:
    """Return (H, W, 4) RGBA bytes of an image; copied.

    In bands: while Qt converts one, Python's other threads wait, the window's among them.
    """
    height, width = image.height(), image.width()
    pixels = np.empty((height, width, 4), np.uint8)
    if not pixels.size:
        return pixels
    band = max(1, BAND // width)
    for top in range(0, height, band):
        part = image.copy(0, top, width, min(band, height - top))
        part = part.convertToFormat(QImage.Format.Format_RGBA8888)
        rows = np.frombuffer(part.constBits(), np.uint8).reshape(-1, part.bytesPerLine())
        pixels[top : top + band] = rows[:, : 4 * width].reshape(-1, width, 4)
    return pixels


def picture_of(image: QImage) -> Picture:
    """Return a picture of an image's pixels, with its transparency."""
    pixels = to_array(image).astype(np.float32) / np.float32(255)
    alpha = np.ascontiguousarray(pixels[..., 3]) if image.hasAlphaChannel() else None
    return Picture(np.ascontiguousarray(pixels[..., :3]), alpha)


def heat_image(heat: Heat, colours: str, threshold: float = 0.0) -> QImage:
    """Return a map in colours, transparent below `threshold`, a share of its range from 0 to 1.

    So is the part of a growing map that is not known yet.
    """
    pixels, seen = heat.coloured(colours), heat.seen(threshold)
    if seen is not None:
        pixels = np.dstack((pixels, seen.astype(np.uint8) * 255))
    return to_image(pixels)


def levels_of(image: QImage) -> tuple[QImage, ...]:
    """Return an image, its half, its quarter and so on, as `FigureView.show_levels` takes it.

    For a thread other than the GUI's: halving a large figure takes longer than a frame.
    """
    opaque = QImage.Format.Format_RGB32  # what the screen takes without converting it
    with_alpha = QImage.Format.Format_ARGB32_Premultiplied
    levels = [image.convertToFormat(with_alpha if image.hasAlphaChannel() else opaque)]
    while max(levels[-1].width(), levels[-1].height()) > SMALLEST_LEVEL:
        last = levels[-1]
        levels.append(
            last.scaled(
                max(1, round(last.width() / 2)), max(1, round(last.height() / 2)),
                Qt.AspectRatioMode.IgnoreAspectRatio, Qt.TransformationMode.SmoothTransformation,
            )
        )  # fmt: skip
    return tuple(levels)
