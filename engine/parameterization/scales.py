"""Coarse to fine: the sizes of a pyramid, and how tensors go from one to the next."""

import torch
from torch import Tensor
from torch.nn import functional as F


def pyramid(end: int, smallest: int, ratio: float = 2**0.5) -> list[int]:
    """Return long sides, ascending: end / ratio^i while at least min(smallest, end)."""
    sides, side = [], float(end)
    while round(side) >= min(smallest, end):
        sides.append(round(side))
        side /= ratio
    return sides[::-1]


def fit(size: tuple[int, int], long_side: int, least: int = 1) -> tuple[int, int]:
    """Return (height, width) scaled so that the longer is `long_side`, none under `least`."""
    height, width = size
    factor = long_side / max(height, width)
    return max(round(height * factor), least), max(round(width * factor), least)


def resize(picture: Tensor, size: tuple[int, int], mode: str = "bicubic") -> Tensor:
    """Return (N, C, H, W) resampled to `size` (height, width), low-passed when it shrinks."""
    if tuple(picture.shape[-2:]) == tuple(size):
        return picture.clone()
    # Widens the kernel only when shrinking, so one call serves both directions. Without it torch's
    # bicubic would overshoot more (a = -0.75 instead of Pillow's -0.5).
    return F.interpolate(picture, size=size, mode=mode, align_corners=False, antialias=True)


def resize_picture(picture: Tensor, size: tuple[int, int]) -> Tensor:
    """Return a picture in [0, 1] resampled to `size`, bicubic and clamped."""
    return resize(picture, size).clamp_(0, 1)


class Average:
    """Bias-corrected running mean of iterates (Polyak averaging); what is shown and saved."""

    def __init__(self, decay: float) -> None:
        """`decay` 0 keeps the newest iterate only."""
        self.decay = decay
        self.total: Tensor | None = None
        self.weight = 0.0

    @torch.no_grad()
    def update(self, value: Tensor) -> None:
        """Take one iterate in."""
        if self.total is None:
            self.total = torch.zeros_like(value)
        self.total.lerp_(value, 1 - self.decay)
        self.weight = self.weight * self.decay + (1 - self.decay)

    def value(self) -> Tensor:
        """Return the mean so far. Raises `ValueError` before the first iterate."""
        if self.total is None:
            raise ValueError("nothing has been averaged yet")
        return self.total / self.weight
