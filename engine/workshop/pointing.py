"""The pointing game (J. Zhang et al. 2016): is a map highest on the object that it should show?"""

from torch import Tensor
from torch.nn import functional as F


def enlarged(maps: Tensor, side: int) -> Tensor:
    """Return maps (N, h, w), interpolated to (N, side, side)."""
    return F.interpolate(maps[:, None], (side, side), mode="bilinear")[:, 0]


def pointed(maps: Tensor, masks: Tensor) -> Tensor:
    """Return whether the middle of each map's highest cell lies within its mask, (N,) bool.

    A map that is 0 everywhere points nowhere.

    Args:
        maps: (N, h, w), at least 0.
        masks: (N, H, W) bool, of which each cell covers an equal part.
    """
    (high, wide), (rows, columns) = masks.shape[1:], maps.shape[1:]
    highest, cell = maps.flatten(1).max(1)
    y = (2 * (cell // columns) + 1) * high // (2 * rows)
    x = (2 * (cell % columns) + 1) * wide // (2 * columns)
    place = (y * wide + x).to(masks.device)
    return masks.flatten(1).gather(1, place[:, None])[:, 0] & (highest > 0).to(masks.device)
