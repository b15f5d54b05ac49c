"""The central square of a picture: what a network made for squares sees of it."""

from dataclasses import replace

import numpy as np
from torch import Tensor

from engine.image import Picture


def middle(picture: Picture) -> Picture:
    """Return the largest square in a picture's middle."""
    short = min(picture.height, picture.width)
    top, left = (picture.height - short) // 2, (picture.width - short) // 2
    place = slice(top, top + short), slice(left, left + short)
    square = np.ascontiguousarray(picture.rgb[place])
    alpha = None if picture.alpha is None else np.ascontiguousarray(picture.alpha[place])
    return replace(picture, rgb=square, alpha=alpha)


def middle_square(picture: Picture, side: int) -> Tensor:
    """Return the largest square in a picture's middle as (3, side, side) in [0, 1]."""
    return middle(picture).resized(size=(side, side)).tensor()
