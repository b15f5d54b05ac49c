"""Toy densities in closed form: mixtures of Gaussians, drawn from and evaluated."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Mixture:
    """A mixture of isotropic Gaussians, all equally likely."""

    centres: tuple[tuple[float, ...], ...]
    """One for each Gaussian, with a number for each dimension."""
    deviations: tuple[float, ...]
    """The standard deviation of each Gaussian."""

    def density(self, points: Tensor) -> Tensor:
        """Return the density (N,) at `points` (N, dimensions), in their precision."""
        total = torch.zeros_like(points[:, 0])
        for centre, deviation in zip(self.centres, self.deviations, strict=True):
            total += gaussian(points, centre, deviation)
        return total / len(self.centres)

    def sample(self, count: int, generator: torch.Generator) -> Tensor:
        """Draw points (count, dimensions), float32 on the CPU."""
        chosen = torch.randint(len(self.centres), (count,), generator=generator)
        noise = torch.randn(count, len(self.centres[0]), generator=generator)
        return (
            torch.tensor(self.centres)[chosen] + torch.tensor(self.deviations)[chosen, None] * noise
        )


def gaussian(points: Tensor, centre: Sequence[float], deviation: float) -> Tensor:
    """Return the density (N,) of an isotropic Gaussian at `points` (N, dimensions)."""
    away = (points - torch.tensor(centre).to(points)).square().sum(1) / deviation**2
    return torch.exp(-away / 2) / (deviation * math.sqrt(2 * math.pi)) ** points.shape[1]


def ring(count: int, radius: float, deviation: float) -> Mixture:
    """Return Gaussians in the plane, evenly spaced on a circle about the origin.

    The circle is divided into `count` parts: `count` angles from 0 to 2 pi with both ends, as in the
    published notebook (Metz et al. 2016), would put two Gaussians at one place.
    """
    angles = [2 * math.pi * k / count for k in range(count)]
    places = tuple((radius * math.cos(a), radius * math.sin(a)) for a in angles)
    return Mixture(places, (deviation,) * count)


TWO_BUMPS = Mixture(((-2.0,), (1.5,)), (0.5, 0.7))
"""On the line; no single Gaussian fits it."""
EIGHT = ring(8, 2.0, 0.1)
"""Eight Gaussians on a circle, a usual test for mode collapse."""
