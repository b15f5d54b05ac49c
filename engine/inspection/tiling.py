"""Numbers as grey or coloured tiles, and many tiles as one picture."""

import math

import torch
from torch import Tensor

GRAY = 0.5


def around_gray(tiles: Tensor, together: bool = True) -> Tensor:
    """Return signed numbers (N, …) scaled to [0, 1], zero at 0.5.

    With `together`, all tiles share a scale; otherwise each uses the whole range.
    """
    return tiles / (2 * _reach(tiles, together)) + GRAY


def above_black(tiles: Tensor, together: bool = True) -> Tensor:
    """Return non-negative numbers (N, …) scaled to [0, 1], zero at 0; `together` as above."""
    return tiles / _reach(tiles, together)


def _reach(tiles: Tensor, together: bool) -> Tensor:
    sizes = tiles.abs()
    largest = sizes.amax() if together else sizes.flatten(1).amax(1)
    largest = torch.where(largest > 0, largest, torch.ones_like(largest))
    return largest if together else largest.view(-1, *[1] * (tiles.dim() - 1))


def grid(tiles: Tensor, columns: int | None = None, gap: int = 1, shade: float = 1.0) -> Tensor:
    """Return tiles (N, H, W) or (N, 3, H, W) as one picture (3, H', W') in reading order.

    `columns` None makes it about square; `shade` is the grey of gaps and of what stays empty.
    """
    if tiles.dim() == 3:
        tiles = tiles[:, None].expand(-1, 3, -1, -1)
    n, channels, height, width = tiles.shape
    across = columns or math.ceil(math.sqrt(n))
    down = math.ceil(n / across)
    size = down * (height + gap) - gap, across * (width + gap) - gap
    whole = tiles.new_full((channels, *size), shade)
    for i, tile in enumerate(tiles):
        top, left = (i // across) * (height + gap), (i % across) * (width + gap)
        whole[:, top : top + height, left : left + width] = tile
    return whole


def enlarged(tiles: Tensor, side: int) -> Tensor:
    """Return tiles (…, H, W) with every pixel a square, so that the long side is about `side`."""
    times = max(1, round(side / max(tiles.shape[-2:])))
    return tiles.repeat_interleave(times, -2).repeat_interleave(times, -1)
