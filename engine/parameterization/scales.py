"""Coarse to fine: the sizes of a pyramid, and how tensors go from one to the next."""

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from engine.checkpoint import State


def pyramid(end: int, smallest: int, ratio: float = 2**0.5) -> list[int]:
    """Return long sides, ascending: end / ratio^i while at least min(smallest, end)."""
    sides, side = [], float(end)
    while round(side) >= min(smallest, end):
        sides.append(round(side))
        side /= ratio
    return sides[::-1]


def usable(sides: list[int], taken: Callable[[int], bool]) -> list[int]:
    """Return those of ascending sides that `taken` accepts, and the last one.

    If the smallest is accepted, so are the others, without asking.
    """
    if len(sides) < 2 or taken(sides[0]):
        return sides
    return [*(side for side in sides[1:-1] if taken(side)), sides[-1]]


def fit(size: tuple[int, int], long_side: int, least: int = 1) -> tuple[int, int]:
    """Return (height, width) scaled so that the longer is `long_side`, neither below `least`."""
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


def resize_torus(picture: Tensor, size: tuple[int, int]) -> Tensor:
    """Return (N, C, H, W) whose opposite borders meet, resampled to `size` (height, width).

    Band-limited: each line is the one trigonometric polynomial through its samples, cut off at what
    the new size can hold. All places are treated alike. Cubic interpolation would blur pixels that
    fall between old ones and keep those that fall on them: a comb of sharper lines, one of which
    always lies on the border. May overshoot at edges.
    """
    down = _band_limited(picture.shape[-2], size[0]).to(picture)
    across = _band_limited(picture.shape[-1], size[1]).to(picture)
    return down @ picture @ across.mT


def _band_limited(before: int, after: int) -> Tensor:
    """Return the matrix (after, before) that resamples a periodic line, float64."""
    spectrum = torch.fft.rfft(torch.eye(before, dtype=torch.float64), dim=0)
    f = torch.fft.rfftfreq(before, dtype=torch.float64)
    if before % 2 == 0 and after > before:
        spectrum[-1] /= 2  # the highest frequency stands for itself and its negative
    if after < before:
        spectrum[2 * f * before >= after] = 0
    shift = (before / after - 1) / 2  # samples are the middles of pixels
    spectrum = spectrum * torch.polar(torch.ones_like(f), 2 * math.pi * f * shift)[:, None]
    return torch.fft.irfft(spectrum, n=after, dim=0) * (after / before)


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

    def state(self) -> State:
        """Return sum and weight, valid until the next iterate."""
        return {"total": self.total, "weight": self.weight}

    def take_up(self, state: State) -> None:
        """Continue from a state, taking over its tensors."""
        self.total, self.weight = state["total"], state["weight"]
