"""Rendered scenes: two objects on a ground, with the mask of each, from a few numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

import torch
from torch import Tensor

from engine.workshop.sentences import (
    COLOURS,
    KINDS,
    RELATIONS,
    SCENES,
    SHAPES,
    all_sentences,
    all_starts,
    scene,
)

SIDE = 64
"""Of a picture, in pixels."""
RADII = (12.5, 8.0)
"""Of a big and of a small object, in pixels."""
PAINTS = ((0.85, 0.15, 0.12), (0.10, 0.60, 0.22), (0.13, 0.32, 0.85), (0.95, 0.80, 0.10))
"""RGB of the colours."""
SHADE = 0.15
"""By which share an object may be darker."""
GROUND = 0.75, 0.97
"""The range of the ground's grey."""
EDGE, GAP = 1.0, 2.0
"""Least distance in pixels from the picture's edge, and between two objects."""
ASLANT = 0.6
"""How far the second object may be off the relation's axis, over its distance along it."""


@dataclass(frozen=True)
class Scenes:
    """N scenes. Which sentence describes each, and what the sentence does not say."""

    numbers: Tensor
    """Of their sentences (N,)."""
    centres: Tensor
    """(N, 2, 2): of each object x and y, in pixels from the upper left corner."""
    shades: Tensor
    """(N, 2): what each object's paint is multiplied by."""
    grounds: Tensor
    """(N,): the ground's grey."""

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.numbers)

    def __getitem__(self, which: slice | Tensor) -> Scenes:
        """Return some of them."""
        parts = self.numbers, self.centres, self.shades, self.grounds
        return Scenes(*(part[which] for part in parts))

    @classmethod
    def joined(cls, several: Sequence[Scenes]) -> Scenes:
        """Return all of several, one after the other."""
        split = [(s.numbers, s.centres, s.shades, s.grounds) for s in several]
        return cls(*(torch.cat(part) for part in zip(*split, strict=True)))

    @property
    def things(self) -> Tensor:
        """Size, colour and shape of both objects, (N, 2, 3)."""
        return _all_things()[self.numbers]

    @property
    def sentences(self) -> Tensor:
        """The sentences in numbers, (N, `LONGEST`)."""
        return all_sentences()[self.numbers]

    @property
    def starts(self) -> Tensor:
        """Where each object's words begin, (N, 2)."""
        return all_starts()[self.numbers]

    def covers(self) -> Tensor:
        """Return how much of each pixel each object covers, (N, 2, `SIDE`, `SIDE`) in [0, 1]."""
        size, _, shape = self.things.unbind(2)
        radius = torch.tensor(RADII)[size][..., None, None]
        line = torch.arange(SIDE) + 0.5
        x = line - self.centres[..., 0, None, None]
        y = line[:, None] - self.centres[..., 1, None, None]
        circle = radius - torch.hypot(x, y)
        square = 0.86 * radius - torch.maximum(x.abs(), y.abs())
        # Pointing up; its sides are as far from the centre as its base is.
        base = 0.72 * radius - y
        triangle = torch.minimum(base, 0.46 * radius + 0.447 * y - 0.894 * x.abs())
        inside = torch.stack([circle, square, triangle], 2)
        chosen = inside.gather(2, shape[..., None, None, None].expand(-1, -1, 1, SIDE, SIDE))[
            :, :, 0
        ]
        return (chosen + 0.5).clamp(0, 1)

    def masks(self) -> Tensor:
        """Return where each object is, (N, 2, `SIDE`, `SIDE`) bool."""
        return self.covers() > 0.5

    def pictures(self) -> Tensor:
        """Return the pictures (N, 3, `SIDE`, `SIDE`), float32 in [0, 1]."""
        colour = self.things[..., 1]
        paints = torch.tensor(PAINTS)[colour] * self.shades[..., None]
        picture = self.grounds[:, None, None, None].expand(-1, 3, SIDE, SIDE)
        for cover, paint in zip(self.covers().unbind(1), paints.unbind(1), strict=True):
            picture = torch.lerp(picture, paint[..., None, None], cover[:, None])
        return picture

    def recoloured(self, which: int, colours: Tensor) -> Scenes:
        """Return the same with other colours (N,) of each first (0) or second (1) object."""
        things = self.things.clone()
        things[:, which, 1] = colours
        return replace(self, numbers=numbers_of(things, self.numbers % len(RELATIONS)))


def draw_scenes(numbers: Tensor, generator: torch.Generator) -> Scenes:
    """Draw scenes for sentences (N,): two objects at random places that do not touch."""
    count = len(numbers)
    even = torch.rand(count, 7, generator=generator)
    things, relation = _all_things()[numbers], numbers % len(RELATIONS)
    radius = torch.tensor(RADII)[things[..., 0]]
    # Along the relation's axis, what is free is shared out before, between and after the objects.
    free = SIDE - 2 * EDGE - GAP - 2 * radius.sum(1)
    before, after = even[:, :2].sort(1).values.unbind(1)
    along = torch.stack([
        EDGE + radius[:, 0] + before * free,
        EDGE + 2 * radius[:, 0] + GAP + radius[:, 1] + after * free,
    ], 1)  # fmt: skip
    low, high = EDGE + radius, SIDE - EDGE - radius
    first = low[:, 0] + even[:, 2] * (high - low)[:, 0]
    off = ASLANT * (2 * even[:, 3] - 1) * (along[:, 1] - along[:, 0])
    second = torch.minimum(torch.maximum(first + off, low[:, 1]), high[:, 1])
    across = torch.stack([first, second], 1)
    sideways = (relation == RELATIONS.index("left of"))[:, None]
    centres = torch.stack(
        [torch.where(sideways, along, across), torch.where(sideways, across, along)], 2
    )
    shades = 1 - SHADE * even[:, 4:6]
    return Scenes(numbers, centres, shades, GROUND[0] + even[:, 6] * (GROUND[1] - GROUND[0]))


def numbers_of(things: Tensor, relations: Tensor) -> Tensor:
    """Return the numbers (N,) of sentences: of things (N, 2, 3) as in `Scenes`, in relations (N,)."""
    size, colour, shape = things.unbind(2)
    kinds = (size * len(COLOURS) + colour) * len(SHAPES) + shape
    return (kinds[:, 0] * KINDS + kinds[:, 1]) * len(RELATIONS) + relations


def pairs_of(first: tuple[int, int], second: tuple[int, int]) -> Tensor:
    """Return which of all sentences (`SCENES`,) are of two kinds of objects, in either order.

    `first` and `second`: (colour, shape), each by its place; sizes and relation are left open.
    """
    one, other = (_all_things()[:, which, 1:].tolist() for which in (0, 1))
    wanted = sorted([list(first), list(second)])
    return torch.tensor([sorted(both) == wanted for both in zip(one, other, strict=True)])


@cache
def _all_things() -> Tensor:
    """Return size, colour and shape of both objects of every sentence, (`SCENES`, 2, 3)."""
    found = [scene(number) for number in range(SCENES)]
    return torch.tensor([[[t.size, t.colour, t.shape] for t in (s.first, s.second)] for s in found])
