"""A map of a folder: pictures that look alike to a network lie close together.

The features of the last hidden layer, reduced by PCA, laid out by t-SNE (van der Maaten and Hinton
2008). Distances between t-SNE's clusters, and their sizes, mean little.
"""

import csv
import io
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from engine.colour_map import Bytes
from engine.errors import BadInput
from engine.figure import Tile, contact_sheet
from engine.files import replacing, write_npz
from engine.image import Picture
from engine.inspection.album import Album
from engine.inspection.features import Features
from engine.inspection.folder import thumbnail
from engine.inspection.layout import Floats, Method, embed, embed_apart
from engine.inspection.progress import Progress


@dataclass(frozen=True, eq=False)
class Embedding:
    """Pictures with their places on the map."""

    paths: list[Path]
    positions: Floats
    """(N, 2), x and y."""
    explained: Floats
    """Share of the variance that each principal component explains, largest first."""
    perplexity: float
    """The perplexity that t-SNE took; 0 for PCA."""
    unreadable: dict[Path, str]


def embedding(
    features: Features,
    files: Sequence[Path],
    method: Method = "tsne",
    perplexity: float = 30.0,
    seed: int = 0,
    *,
    folder: Path | None = None,
    side: int = 0,
) -> Generator[Progress, None, Embedding]:
    """Yield how much is read, return the pictures laid out; as `Album` and `embed`."""
    album = Album(features, files, folder, side=side)
    yield from album.read()
    positions, explained, taken = embed(album.vectors(), method, perplexity, seed)
    return Embedding(album.paths, positions, explained, taken, album.unreadable)


@dataclass(frozen=True, eq=False)
class FolderMap:
    """A folder's pictures on a map, ready to be shown and saved."""

    folder: Path
    method: Method
    seed: int
    embedding: Embedding
    pixels: Bytes
    """(N, s, s, 3) thumbnails."""
    labels: list[str]
    """The sub-folder of each picture."""
    network: str
    features: str
    """Which layer's output was laid out."""

    @property
    def title(self) -> str:
        """What its figure shows."""
        what = f"{self.network}'s features ({self.features})"
        return map_title(self.embedding, self.method, what, f", seed {self.seed}")

    def figure(self) -> Picture:
        """Draw the map, thumbnails at their places. Raises `BadInput` if a file is gone."""
        drawn = map_picture(self.embedding.paths, self.embedding.positions)
        return contact_sheet([Tile(drawn, self.title)])


def folder_map(
    reading: Generator[Progress, None, Album], folder: Path, method: Method, perplexity: float,
    seed: int,
) -> Generator[Progress | None, None, FolderMap]:  # fmt: skip
    """Yield how much of an album is read, return its pictures laid out by a separate process.

    Raises what the reading and `embed_apart` raise.
    """
    album = yield from reading
    yield Progress(0, 0)  # how long the rest takes is not known
    laid_out = yield from embed_apart(album.vectors(), method, perplexity, seed)
    paths = list(album.paths)
    embedding = Embedding(paths, *laid_out, dict(album.unreadable))
    labels = [label_of(path, folder) for path in paths]
    network = album.features.network.card.name
    return FolderMap(
        folder, method, seed, embedding, album.pixels(), labels, network, album.features.name
    )


def map_title(found: Embedding, method: Method, what: str, settings: str = "") -> str:
    """Return a map's title: what it shows, by which method and with which settings.

    `settings` is added to t-SNE's perplexity.
    """
    share = f"the first two principal components explain {found.explained[:2].sum():.0%}"
    if method == "pca":
        return f"PCA of {what}: {share}"
    return (
        f"t-SNE of {what}, perplexity {found.perplexity:g}{settings}; distances between clusters "
        f"mean little; {share}"
    )


def map_picture(
    paths: Sequence[Path], positions: Floats, size: int = 1600, side: int = 0
) -> Tensor:
    """Draw the map: thumbnails at their places on white, (3, H, W) in [0, 1].

    The long side is `size`; both axes share a scale, so that distances are kept. `side` is a
    thumbnail's long side; 0: the smaller, the more there are. Later ones cover earlier ones.
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


def label_of(path: Path, folder: Path) -> str:
    """Return the sub-folder that a picture lies in; empty when it is `folder` itself."""
    try:
        below = path.parent.relative_to(folder).as_posix()
    except ValueError:  # a picture from elsewhere
        return path.parent.name
    return "" if below == "." else below


def write_coordinates(path: Path, folder: Path, found: Embedding) -> Path:
    """Write a map's numbers as .csv (a row each: picture, label, x, y) or .npz; return the path.

    The .npz holds `pictures` and `labels` (N), `positions` (N, 2) and `explained`. Pictures are
    named below `folder`. Raises `BadInput` for other suffixes, and as `engine.files.replacing`.
    """
    names = [
        p.relative_to(folder).as_posix() if p.is_relative_to(folder) else str(p)
        for p in found.paths
    ]
    labels = [label_of(p, folder) for p in found.paths]
    if path.suffix.lower() == ".npz":
        arrays = {"positions": found.positions, "explained": found.explained}
        return write_npz(path, {"pictures": names, "labels": labels, **arrays})
    if path.suffix.lower() != ".csv":
        raise BadInput(f"{path.name} is neither .csv nor .npz: choose one of these suffixes")
    text = io.StringIO(newline="")
    table = csv.writer(text)
    table.writerow(("picture", "label", "x", "y"))
    for name, label, (x, y) in zip(names, labels, found.positions.tolist(), strict=True):
        table.writerow((name, label, x, y))
    with replacing(path) as file:
        file.write(text.getvalue().encode("utf-8", "surrogateescape"))
    return path
