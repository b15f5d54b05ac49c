"""Distances between pictures, and the nearest ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from torch import Tensor
from torch.nn import functional as F

Metric = Literal["l2", "cosine"]


@dataclass(frozen=True)
class Neighbor:
    """A picture and how far it is: the Euclidean distance, or 1 - cosine."""

    path: Path
    distance: float


@dataclass(frozen=True)
class Neighbors:
    """A picture's nearest neighbours, nearest first."""

    features: list[Neighbor]
    pixels: list[Neighbor]
    unreadable: dict[Path, str]


def distances(one: Tensor, many: Tensor, metric: Metric) -> Tensor:
    """Return the distances (N) between one vector (1, D) and many (N, D), float32."""
    a, b = one.double(), many.double()
    if metric == "cosine":
        return (1 - F.cosine_similarity(a, b)).float()
    return (a - b).norm(dim=1).float()


def nearest(paths: Sequence[Path], distance: Tensor, count: int) -> list[Neighbor]:
    """Return the `count` paths of least distance, nearest first; equal ones in their order."""
    order = distance.argsort(stable=True)[:count]
    return [Neighbor(paths[int(i)], float(distance[i])) for i in order]
