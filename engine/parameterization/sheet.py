"""Several pictures as one: a contact sheet."""

import math

import torch
from torch import Tensor

GRAY = 0.5


def sheet_size(
    n: int, size: tuple[int, int], columns: int | None = None, gap: int = 2
) -> tuple[int, int]:
    """Return height and width of the sheet of `n` pictures of `size` (height, width)."""
    across = columns or math.ceil(math.sqrt(n))
    down = math.ceil(n / across)
    return down * (size[0] + gap) - gap, across * (size[1] + gap) - gap


def sheet(pictures: Tensor, columns: int | None = None, gap: int = 2) -> Tensor:
    """Return (N, 3, H, W) as one picture (3, H', W'), row by row, with grey gaps between.

    `columns` None makes it about square.
    """
    n, channels, height, width = pictures.shape
    across = columns or math.ceil(math.sqrt(n))
    whole = pictures.new_full((channels, *sheet_size(n, (height, width), across, gap)), GRAY)
    for i, picture in enumerate(pictures):
        top, left = (i // across) * (height + gap), (i % across) * (width + gap)
        whole[:, top : top + height, left : left + width] = picture
    return whole


def tiles_of(picture: Tensor, count: int, columns: int | None = None, gap: int = 2) -> Tensor:
    """Return the `count` pictures (N, 3, H, W) that `sheet` put together.

    Raises `ValueError` if a sheet of that many pictures has another size.
    """
    across = columns or math.ceil(math.sqrt(count))
    down = math.ceil(count / across)
    height, width = (picture.shape[1] + gap) // down - gap, (picture.shape[2] + gap) // across - gap
    size = sheet_size(count, (height, width), across, gap)
    if min(height, width) < 1 or size != tuple(picture.shape[1:]):
        shape = " x ".join(map(str, picture.shape[1:]))
        raise ValueError(f"{shape} is not the size of a sheet of {count} pictures")
    corners = [((i // across) * (height + gap), (i % across) * (width + gap)) for i in range(count)]
    return torch.stack([picture[:, y : y + height, x : x + width] for y, x in corners])
