"""The middle square of a picture: what a network made for squares sees of it."""

import numpy as np
from torch import Tensor

from engine.image import Picture


def middle_square(picture: Picture, side: int) -> Tensor:
    """Return the largest square in a picture's middle as (3, side, side) in [0, 1]."""
    short = min(picture.height, picture.width)
    top, left = (picture.height - short) // 2, (picture.width - short) // 2
    square = np.ascontiguousarray(picture.rgb[top : top + short, left : left + short])
    return Picture(square).resized(size=(side, side)).tensor()
