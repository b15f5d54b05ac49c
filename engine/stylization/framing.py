"""Sizes that a network does not take: a border mirrored around the picture, and cut off again."""

import torch
from torch import Tensor


def mirrored(length: int, before: int, after: int) -> Tensor:
    """Return the indices of `length` pixels with `before` and `after` mirrored ones around them.

    Unlike torch's own reflection this works for borders of any width, even around a single pixel.
    """
    places = torch.arange(-before, length + after)
    if length == 1:
        return torch.zeros_like(places)
    period = 2 * (length - 1)
    places = places % period
    return torch.minimum(places, period - places)


def framed(picture: Tensor, border: int, multiple: int) -> Tensor:
    """Return pictures (N, C, H, W) with a mirrored border of `border` pixels on all sides.

    Below and on the right it is wider if needed to make height and width multiples of `multiple`.
    """
    height, width = picture.shape[2:]
    for dim, length in ((2, height), (3, width)):
        rest = -(length + 2 * border) % multiple
        if not border and not rest:
            continue
        index = mirrored(length, border, border + rest).to(picture.device)
        picture = picture.index_select(dim, index)
    return picture


def unframed(picture: Tensor, size: tuple[int, int], border: int) -> Tensor:
    """Return what `framed` was given: `size` is its height and width."""
    return picture[:, :, border : border + size[0], border : border + size[1]]
