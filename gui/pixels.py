"""NumPy arrays and Qt's images: always copied, so that nobody paints memory of another's."""

import numpy as np
import numpy.typing as npt
from PySide6.QtGui import QImage

from engine.heat import Heat

Bytes = npt.NDArray[np.uint8]


def to_image(pixels: Bytes) -> QImage:
    """Return a QImage of (H, W, 3) RGB, (H, W, 4) RGBA or (H, W) gray bytes; copied.

    `QImage` would else point into the array, and be right only as long as nobody writes there.
    """
    pixels = np.ascontiguousarray(pixels)
    height, width = pixels.shape[:2]
    kinds = {3: QImage.Format.Format_RGB888, 4: QImage.Format.Format_RGBA8888}
    channels = pixels.shape[2] if pixels.ndim == 3 else 1
    kind = kinds.get(channels, QImage.Format.Format_Grayscale8)
    # Not `strides[0]`: of an array with a single row NumPy leaves it as it was.
    return QImage(pixels.data, width, height, width * channels, kind).copy()


def to_array(image: QImage) -> Bytes:
    """Return (H, W, 4) RGBA bytes of an image; copied."""
    image = image.convertToFormat(QImage.Format.Format_RGBA8888)
    rows = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine())
    return rows[:, : 4 * image.width()].reshape(image.height(), image.width(), 4).copy()


def heat_image(heat: Heat, colours: str, threshold: float = 0.0) -> QImage:
    """Return a map in colours; what is below that part of its reach, 0 to 1, is transparent."""
    pixels = heat.coloured(colours)
    if threshold > 0:
        pixels = np.dstack((pixels, heat.beyond(threshold).astype(np.uint8) * 255))
    return to_image(pixels)
