"""Colours of transparent pixels: continued from what is visible nearby, weighted when resampled."""

import numpy as np
import numpy.typing as npt
from PIL import Image

Floats = npt.NDArray[np.float32]
LEAST = np.float32(1 / 16)
"""Opacity from which a resampled pixel's own colour can be distinguished from its surroundings'."""


def continued(rgb: Floats, alpha: Floats) -> Floats:
    """Return a rgb + (1 - a) s for colours (H, W, 3) with opacities a (H, W), s being what is nearby.

    Goes from squares of two by two pixels to larger ones, and back.
    """
    part = rgb * alpha[..., None]
    levels = [(part, alpha)]
    while alpha.size > 1:
        part, alpha = _halved(part), _halved(alpha)
        # A square with one opaque pixel is opaque: near colours take precedence over far ones.
        fuller = np.minimum(np.float32(1), 4 * alpha)
        part = part * np.divide(fuller, alpha, out=np.zeros_like(alpha), where=alpha > 0)[..., None]
        alpha = fuller
        levels.append((part, alpha))
    whole = part / alpha[..., None] if alpha.any() else np.full_like(part, 0.5)
    for part, alpha in levels[-2::-1]:
        height, width = alpha.shape
        doubled = 2 * whole.shape[1], 2 * whole.shape[0]
        around = resampled(whole, doubled, Image.Resampling.BILINEAR)[:height, :width]
        whole = part + (1 - alpha[..., None]) * around
    return whole.clip(0, 1)


def _halved(x: Floats) -> Floats:
    """Return the means of squares of two by two; beyond an odd border there is nothing."""
    height, width = x.shape[:2]
    padding = [(0, height % 2), (0, width % 2)] + [(0, 0)] * (x.ndim - 2)
    x = np.pad(x, padding)
    halves: Floats = x.reshape(x.shape[0] // 2, 2, x.shape[1] // 2, 2, *x.shape[2:]).mean((1, 3))
    return halves


def resampled(
    values: Floats, size: tuple[int, int], how: Image.Resampling = Image.Resampling.LANCZOS
) -> Floats:
    """Return (H, W) or (H, W, C) resampled to a width and height, channel by channel."""
    if values.ndim == 3:
        return np.stack([resampled(values[..., i], size, how) for i in range(values.shape[2])], -1)
    result: Floats = np.asarray(Image.fromarray(np.ascontiguousarray(values)).resize(size, how))
    return result


def weighed(part: Floats, alpha: Floats) -> Floats:
    """Return colours (H, W, 3), given a times them and a, both resampled; too dark where a is tiny.

    Lanczos overshoots at edges: the result is clipped to [0, 1].
    """
    return (part / alpha.clip(LEAST)[..., None]).clip(0, 1)
