"""The pictures of a folder that are most like one: to a network, and pixel by pixel."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from engine.errors import BadInput
from engine.inspection.features import Features
from engine.inspection.folder import square_of

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


def neighbors(
    features: Features,
    picture: Path,
    files: Sequence[Path],
    count: int = 9,
    metric: Metric = "l2",
    *,
    side: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Neighbors:
    """Find the pictures among `files` nearest to `picture`, by features and by pixels.

    Both compare the same squares of `side` pixels (0: what the network was made for). The picture
    itself is left out where it is among the files.

    Args:
        features: what the network makes of a picture.
        picture: the file to compare with.
        files: pictures to choose from.
        count: how many to return of either kind.
        metric: Euclidean distance or cosine.
        side: of the squares.
        progress: told the number of files read, and of all.

    Raises:
        BadInput: `picture` cannot be read, or there is no other to compare with.
    """
    side = side or features.network.card.input_size
    own = square_of(picture, side)[0][None]
    own_features = features(own.to(features.network.device))
    itself = picture.resolve()
    others = [path for path in files if path.resolve() != itself]
    seen: list[Path] = []
    by_features, by_pixels = [torch.empty(0)], [torch.empty(0)]
    unreadable: dict[Path, str] = {}
    for batch, found in features.of_files(others, side):
        unreadable.update({others[place]: reason for place, reason in batch.unreadable})
        if batch.places:
            seen += [others[place] for place in batch.places]
            by_features.append(distances(own_features, found, metric))
            by_pixels.append(distances(own.flatten(1), batch.pictures.flatten(1), metric))
        if progress:
            progress(batch.end, len(others))
    if not seen:
        raise BadInput(f"there is no picture to compare {picture} with; use another folder")
    return Neighbors(
        nearest(seen, torch.cat(by_features), count),
        nearest(seen, torch.cat(by_pixels), count),
        unreadable,
    )


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
