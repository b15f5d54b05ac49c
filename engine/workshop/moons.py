"""Two moons, and the same turned by an angle: a task in two domains (Ganin et al. 2016)."""

import math

import torch
from torch import Tensor

DEVIATION = 0.1
"""Of the noise, before the moons are scaled."""
SCALE = 2.0
"""The radius of each moon."""


def two_moons(count: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return points (count, 2) about the origin, float32 on the CPU, and their classes (count,).

    Half of them, of class 0, on the upper half of a circle, the others, of class 1, on the lower half
    of another that interlocks with it.
    """
    first = torch.linspace(0, math.pi, (count + 1) // 2)
    second = torch.linspace(0, math.pi, count // 2)
    points = torch.cat(
        [
            torch.stack([first.cos(), first.sin()], 1),
            torch.stack([1 - second.cos(), 0.5 - second.sin()], 1),
        ]
    )
    points += DEVIATION * torch.randn(count, 2, generator=generator)
    classes = torch.cat([torch.zeros(len(first)), torch.ones(len(second))]).long()
    return SCALE * (points - torch.tensor([0.5, 0.25])), classes


def turned(points: Tensor, degrees: float) -> Tensor:
    """Return `points` (N, 2) turned about the origin, anticlockwise."""
    angle = math.radians(degrees)
    cosine, sine = math.cos(angle), math.sin(angle)
    return points @ torch.tensor([[cosine, sine], [-sine, cosine]]).to(points)
