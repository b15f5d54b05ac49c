"""Where on the photo what happens: painted regions with styles of their own, or kept as the photo.

Gatys et al. 2017, "Controlling Perceptual Factors in Neural Style Transfer".
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from engine.errors import BadInput
from engine.image import Picture

Floats = npt.NDArray[np.float32]
MOST_REGIONS = 8
"""More would each be too small a part of a picture to have statistics of its own."""
TOLERANCE = 0.02
"""How far the proportions of a mask may be from the photo's: programs round sides differently."""
ONE_COLOUR = 4 / 255
"""The most that the colours of a layer painted with one colour differ by: JPEG and profiles round."""


@dataclass(frozen=True)
class Region:
    """A part of the photo, soft at its border if its mask is."""

    mask: str | Path | Picture
    """Grey, the photo's shape at any size: white is inside, black outside, grey partly inside.

    Transparent is outside. Paint of a single colour, whichever, on a transparent layer is inside."""
    style: str | Path | Picture | None = None
    """Its own style; None: the technique's usual styles, and where there are none (DeepDream), the
    technique is at work here and nowhere else."""
    weight: float = 1.0
    """How strongly it is worked on, relative to the others."""
    kept: bool = False
    """Whether it stays as it is in the photo; style and weight then play no part."""
    network_style: str = ""
    """For one pass by a network with styles of its own: which of them, by names or numbers, with
    weights; empty: as everywhere."""


def mask_values(mask: Picture) -> Floats:
    """Return how far inside each place is, (H, W) in [0, 1], to 16 bits: as files keep it.

    It is the mean of red, green and blue, times the opacity; where a layer of one colour is more or
    less transparent, the opacity alone.
    """
    values = mask.rgb.mean(-1, dtype=np.float64)
    if mask.alpha is not None:
        seen = mask.rgb[mask.alpha > 0]
        varies = float(mask.alpha.max() - mask.alpha.min()) > ONE_COLOUR
        plain = not seen.size or float(np.ptp(seen, axis=0).max()) <= ONE_COLOUR
        values = mask.alpha.astype(np.float64) * (1.0 if varies and plain else values)
    whole = np.rint(values.astype(np.float32) * np.float32(65535))  # as it is written, to the bit
    return (whole / 65535).astype(np.float32)


def check_region(region: Region, number: int, content: Any) -> None:
    """Refuse, by `BadInput`, an opened region that cannot be: the `number`th of the photo `content`."""
    mask = region.mask
    assert isinstance(mask, Picture)
    name = f"the mask {mask.path}" if mask.path else f"the mask of region {number}"
    if not region.kept and not (region.weight > 0 and math.isfinite(region.weight)):
        raise BadInput(f"the region of {name} has the weight {region.weight:g}; it must be above 0")
    if isinstance(content, Picture):
        own, photo = (_size(picture) for picture in (mask, content))
        wrong = abs(own[0] * photo[1] - own[1] * photo[0])
        # A small picture's sides, rounded to whole pixels, may have other proportions by more.
        rounding = 0.5 * (max(own) + max(photo))
        if wrong > max(TOLERANCE * own[0] * photo[1], rounding):
            raise BadInput(
                f"{name} has {own[0]} x {own[1]} pixels and the photo {photo[0]} x {photo[1]}: a mask "
                "needs the photo's proportions, at any size"
            )
    if not mask_values(mask).any():
        raise BadInput(f"{name} is black everywhere: paint white what is to be inside")


def _size(picture: Picture) -> tuple[int, int]:
    return picture.full_size or (picture.width, picture.height)
