"""Several pictures as one: a contact sheet."""

import math

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
    """Return (N, 3, H, W) as one picture (3, H', W'), row by row, with gray gaps between.

    `columns` None makes it about square.
    """
    n, channels, height, width = pictures.shape
    across = columns or math.ceil(math.sqrt(n))
    whole = pictures.new_full((channels, *sheet_size(n, (height, width), across, gap)), GRAY)
    for i, picture in enumerate(pictures):
        top, left = (i // across) * (height + gap), (i % across) * (width + gap)
        whole[:, top : top + height, left : left + width] = picture
    return whole
