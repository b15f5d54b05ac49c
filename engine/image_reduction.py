"""Pictures reduced while they are decoded, so that a large photo is never held in full.

JPEG is decoded at a half, a quarter or an eighth if that is still large enough. The rest is done
band by band in two passes, across and then down, which gives exactly what reducing the whole would,
as Lanczos' filter is separable.
"""

import numpy as np
import numpy.typing as npt
from PIL import Image

from engine.colour_coding import Conversion
from engine.image_decoding import Samples
from engine.image_transparency import weighed

Floats = npt.NDArray[np.float32]
_ROWS_AT_ONCE = 256
_SHAPES_TRIED = 64


def reduced_size(
    size: tuple[int, int], long_side: int | None, short_side: int | None
) -> tuple[int, int] | None:
    """Return a width and height of about the wanted side that preserve the proportions well.

    A few more pixels are taken if whole numbers then fit better, so that resizing the reduced
    picture later gives the same size as resizing the picture itself.

    Returns:
        The size, each side at least as large as asked for; None if the picture is no larger.
    """
    longer, shorter = max(size), min(size)
    least = 1
    if long_side is not None:
        least = max(least, long_side)
    if short_side is not None:
        least = max(least, -(-short_side * longer // shorter))
    if least + _SHAPES_TRIED >= longer:
        return None
    long = min(
        range(least, least + _SHAPES_TRIED),
        key=lambda side: abs(side * shorter / longer - round(side * shorter / longer)),
    )
    short = max(round(long * shorter / longer), 1)
    return (long, short) if size[0] >= size[1] else (short, long)


def in_srgb(
    samples: Samples,
    convert: Conversion,
    target: tuple[int, int] | None,
    extent: tuple[float, float] | None = None,
) -> tuple[Floats, Floats | None]:
    """Return colour (H, W, 3) and alpha (H, W) in [0, 1].

    Args:
        samples: what was decoded.
        convert: from its colours to sRGB.
        target: width and height to reduce to.
        extent: width and height in samples that the picture covers: in a JPEG decoded at an eighth,
            it may cover only part of the last row and column.
    """
    width, height = samples.width, samples.height
    right, down = extent or (width, height)
    across = target[0] if target else width
    colour = np.empty((height, across, 3), np.float32)
    alpha: Floats | None = None
    for top in range(0, height, _ROWS_AT_ONCE):
        bottom = min(top + _ROWS_AT_ONCE, height)
        values, opacity = samples.rows(top, bottom)
        # Conversions may give a view in which colours share one number.
        band = np.clip(convert(values), 0, 1)
        if opacity is not None and target:
            band = band * opacity[..., None]  # what nobody sees does not count
        colour[top:bottom] = _resampled(band, (across, bottom - top), right)
        if opacity is not None:
            if alpha is None:
                alpha = np.empty((height, across), np.float32)
            alpha[top:bottom] = _resampled(opacity[..., None], (across, bottom - top), right)[
                ..., 0
            ]
    if not target:
        return colour, alpha
    colour = _resampled(colour, target, None, down)
    if alpha is None:
        return np.clip(colour, 0, 1), None  # Lanczos overshoots at edges
    alpha = _resampled(alpha[..., None], target, None, down)[..., 0]
    return weighed(colour, alpha), np.clip(alpha, 0, 1)


def _resampled(
    values: Floats, size: tuple[int, int], right: float | None = None, down: float | None = None
) -> Floats:
    """Resample what lies left of `right` and above `down` to a width and height."""
    height, width = values.shape[:2]
    box = (0, 0, right or width, down or height)
    if (width, height) == size and box == (0, 0, *size):
        return values
    result = np.empty((size[1], size[0], values.shape[2]), np.float32)
    for channel in range(values.shape[2]):
        image = Image.fromarray(np.ascontiguousarray(values[..., channel]))
        result[..., channel] = np.asarray(image.resize(size, Image.Resampling.LANCZOS, box))
    return result
