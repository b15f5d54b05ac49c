"""Strips of handwritten digits side by side, as sequences of columns."""

from dataclasses import dataclass

import torch
from torch import Tensor

from engine.workshop.digits import SIDE

SLOT = SIDE + 2
"""Columns for a digit, which stands anywhere among them."""
BLANK = 10
"""The label of a column without a digit."""


@dataclass(frozen=True)
class Strips:
    """N strips of n digits each."""

    columns: Tensor
    """(N, T, 8): the values of each column from above, T = `SLOT` n."""
    labels: Tensor
    """(N, T): which digit a column is of, or `BLANK`."""
    digits: Tensor
    """(N, n)."""
    starts: Tensor
    """(N, n): the first column of each digit."""

    def __len__(self) -> int:
        """Return how many strips there are."""
        return len(self.columns)


def draw_strips(
    pictures: Tensor, digits: Tensor, count: int, length: int, generator: torch.Generator
) -> Strips:
    """Draw `count` strips of `length` digits.

    Args:
        pictures: to choose from, (M, 64), on the CPU.
        digits: what they are, (M,).
        count: how many strips.
        length: digits in each.
        generator: of all that is drawn.
    """
    chosen = torch.randint(len(pictures), (count, length), generator=generator)
    offsets = torch.randint(SLOT - SIDE + 1, (count, length), generator=generator)
    places = (offsets[..., None] + torch.arange(SIDE))[..., None]
    columns = torch.zeros(count, length, SLOT, SIDE)
    of_digits = pictures[chosen].unflatten(2, (SIDE, SIDE)).transpose(2, 3)
    columns.scatter_(2, places.expand_as(of_digits), of_digits)
    labels = torch.full((count, length, SLOT), BLANK)
    found = digits[chosen]
    labels.scatter_(2, places[..., 0], found[..., None].expand(-1, -1, SIDE))
    starts = offsets + SLOT * torch.arange(length)
    return Strips(columns.flatten(1, 2), labels.flatten(1), found, starts)
