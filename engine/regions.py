"""Where on the photo what happens: painted regions with styles of their own, or kept as the photo.

Gatys et al. 2017, "Controlling Perceptual Factors in Neural Style Transfer".
"""

from dataclasses import dataclass
from pathlib import Path

from engine.image import Picture

MOST_REGIONS = 8
"""More would each be too small a part of a picture to have statistics of its own."""


@dataclass(frozen=True)
class Region:
    """A part of the photo, soft at its border if its mask is."""

    mask: str | Path | Picture
    """Grey, the photo's shape at any size: white is inside, black outside, grey partly inside."""
    style: str | Path | Picture | None = None
    """Its own style; None: the technique's usual styles, and where there are none (DeepDream), the
    technique is at work here and nowhere else."""
    weight: float = 1.0
    """How strongly it is worked on, relative to the others."""
    kept: bool = False
    """Whether it stays as it is in the photo; style and weight then play no part."""
