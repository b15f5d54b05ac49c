"""What textures made from a sample's pixels have in common, whichever way they grow."""

from typing import Protocol

from torch import Tensor

from engine.checkpoint import State
from engine.errors import BadInput
from engine.techniques.texture_synthesis.neighbourhoods import TOO_LITTLE

OPAQUE = 0.5
"""Opacity from which on a pixel of the sample counts."""


class PixelTexture(Protocol):
    """A texture that grows from pixels of a sample."""

    done: int
    """How many pixels have been chosen, including those of coarser pictures."""
    total: int
    """How many there will be."""

    def grow(self) -> None:
        """Choose some more pixels, as long as not all are."""
        ...

    def picture(self) -> Tensor:
        """Return the picture so far, a copy: (3, H, W) float32 in [0, 1]."""
        ...

    def state(self) -> State:
        """Return what has been chosen."""
        ...

    def take_up(self, state: State) -> None:
        """Continue from a state of the same texture; randomness is the generator's."""
        ...


def windows(picture: Tensor, window: tuple[int, int]) -> Tensor:
    """Return all windows of (C, H, W) that lie wholly in it: (C, rows, columns, *window), a view."""
    return picture.unfold(1, window[0], 1).unfold(2, window[1], 1)


def visible(seen: Tensor, window: tuple[int, int]) -> Tensor:
    """Return which windows of a mask (H, W) are True everywhere; raises `BadInput` if none is."""
    found = windows(seen[None], window)[0].all(-1).all(-1)
    if not found.any():
        raise BadInput(TOO_LITTLE)
    return found


def fitting(side: int, sample: Tensor) -> tuple[int, int]:
    """Return rows and columns of the largest odd window of at most `side` within `sample`."""
    rows, columns = (min(side, n - 1 + n % 2) for n in sample.shape[1:])
    return rows, columns


def checked(sample: Tensor, size: tuple[int, int], side: int, name: str) -> Tensor:
    """Return the sample in float32, on the CPU. Raises `BadInput`, calling the side `name`."""
    if sample.ndim != 3 or len(sample) != 3 or not sample.numel():
        raise ValueError(f"the sample is {tuple(sample.shape)}, not (3, H, W)")
    if min(size) < 1:
        raise BadInput(f"the texture's size is {size[1]} x {size[0]}; each side needs a pixel")
    if side < 1 or side % 2 == 0:
        raise BadInput(f"the {name} is {side} pixels wide; it must be an odd number, such as 11")
    return sample.detach().float().cpu()
