"""A map of a folder: pictures that a network takes for alike lie close together.

The features of the last hidden layer, reduced by PCA, laid out by t-SNE (van der Maaten and Hinton
2008). Distances between t-SNE's clusters, and their sizes, mean little.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from engine.errors import BadInput
from engine.inspection.features import Features
from engine.inspection.folder import thumbnail

Floats = npt.NDArray[np.float32]
Method = Literal["tsne", "pca"]
COMPONENTS = 50
"""Principal components that t-SNE gets."""


@dataclass(frozen=True, eq=False)
class Embedding:
    """Pictures with their places on the map."""

    paths: list[Path]
    positions: Floats
    """(N, 2), x and y."""
    explained: Floats
    """Share of the variance that each principal component explains, largest first."""
    perplexity: float
    """What t-SNE took; 0 for PCA."""
    unreadable: dict[Path, str]


def folder_features(
    features: Features,
    files: Sequence[Path],
    *,
    side: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[list[Path], Floats, dict[Path, str]]:
    """Return the files that could be read, their features (N, D), and why others could not."""
    paths: list[Path] = []
    vectors: list[Tensor] = []
    unreadable: dict[Path, str] = {}
    for batch, found in features.of_files(list(files), side):
        unreadable.update({files[place]: reason for place, reason in batch.unreadable})
        if batch.places:
            paths += [files[place] for place in batch.places]
            vectors.append(found)
        if progress:
            progress(batch.end, len(files))
    if not vectors:
        raise BadInput("none of the pictures can be read; a map needs at least 3")
    return paths, torch.cat(vectors).numpy(), unreadable


def embed(
    vectors: Floats, method: Method = "tsne", perplexity: float = 30.0, seed: int = 0
) -> tuple[Floats, Floats, float]:
    """Lay vectors (N, D) out in the plane.

    Returns:
        Positions (N, 2), the share of variance that each principal component explains, and the
        perplexity that t-SNE took, at most a third of the number of pictures (0 for PCA).

    Raises:
        BadInput: there are fewer than 3 vectors, all are the same, or perplexity is below 1.
    """
    if len(vectors) < 3:
        raise BadInput(f"a map needs at least 3 pictures that can be read, not {len(vectors)}")
    if perplexity < 1:
        raise BadInput(f"perplexity is {perplexity:g}; it takes 1 or more")
    if not np.ptp(vectors, axis=0).any():
        raise BadInput("all pictures are the same to the network; there is nothing to lay out")
    from sklearn.decomposition import PCA  # type: ignore[import-untyped]

    components = min(COMPONENTS, *vectors.shape, len(vectors) - 1)
    pca = PCA(max(components, 2), svd_solver="full")
    reduced = pca.fit_transform(vectors.astype(np.float64))
    explained = pca.explained_variance_ratio_.astype(np.float32)
    if method == "pca":
        return reduced[:, :2].astype(np.float32), explained, 0.0
    from sklearn.manifold import TSNE  # type: ignore[import-untyped]

    # Beyond a third of the pictures, everybody is a neighbour of everybody.
    taken = max(1.0, min(perplexity, (len(vectors) - 1) / 3))
    tsne = TSNE(2, perplexity=taken, init="pca", learning_rate="auto", random_state=seed)
    return tsne.fit_transform(reduced).astype(np.float32), explained, taken


def embedding(
    features: Features,
    files: Sequence[Path],
    method: Method = "tsne",
    perplexity: float = 30.0,
    seed: int = 0,
    *,
    side: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Embedding:
    """Read pictures and lay them out; as `folder_features` and `embed`."""
    paths, vectors, unreadable = folder_features(features, files, side=side, progress=progress)
    positions, explained, taken = embed(vectors, method, perplexity, seed)
    return Embedding(paths, positions, explained, taken, unreadable)


def map_picture(
    paths: Sequence[Path], positions: Floats, size: int = 1600, side: int = 0
) -> Tensor:
    """Draw the map: thumbnails at their places on white, (3, H, W) in [0, 1].

    The long side is `size`; both axes have one scale, so that distances are what they are. `side`
    is a thumbnail's long side; 0: smaller the more there are. Later ones lie above earlier.
    """
    side = side or int(min(max(size / (2.2 * len(paths) ** 0.5), 24), size / 5))
    low = positions.min(0)
    reach = positions.max(0) - low
    corners = (positions - low) * ((size - side) / max(float(reach.max()), 1e-12))
    across, down = (round(float(length)) + side for length in corners.max(0))
    canvas = torch.ones(3, down, across)
    for path, (x, y) in zip(paths, corners, strict=True):
        small = thumbnail(path, side)
        height, width = small.shape[1:]
        top, left = round(float(y)) + (side - height) // 2, round(float(x)) + (side - width) // 2
        canvas[:, top : top + height, left : left + width] = small
    return canvas
