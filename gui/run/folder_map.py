"""A folder laid out in the background, and its figure."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gui.pixels import Bytes
from gui.run.folder_albums import FolderAlbums
from gui.run.networks import NetworkKey
from gui.run.progress import ProgressReporter

if TYPE_CHECKING:
    from engine.image import Picture
    from engine.inspection.embedding import Embedding
    from engine.inspection.layout import Method


@dataclass(frozen=True)
class FolderMapRequest:
    """What is asked for."""

    network_key: NetworkKey
    folder: Path
    method: "Method"
    perplexity: float
    seed: int


@dataclass(frozen=True)
class FolderMap:
    """A map and what it was made of."""

    request: FolderMapRequest
    embedding: "Embedding"
    pixels: Bytes
    """(N, s, s, 3)."""
    labels: list[str]
    """The sub-folder of each picture."""
    features: str

    def title(self) -> str:
        """Say what the figure shows."""
        embedding, request = self.embedding, self.request
        share = f"the first two principal components explain {embedding.explained[:2].sum():.0%}"
        what = f"{request.network_key[0]}'s features ({self.features})"
        if request.method == "pca":
            return f"PCA of {what}: {share}"
        return (
            f"t-SNE of {what}, perplexity {embedding.perplexity:g}, seed {request.seed}; distances "
            f"between clusters mean little; {share}"
        )


def make_map(
    albums: FolderAlbums,
    request: FolderMapRequest,
    report: ProgressReporter,
    stopped: Callable[[], bool],
) -> FolderMap | None:
    """Read and lay out; None when stopped. Raises `PareidoliaError`s. Not for the GUI thread."""
    from engine.inspection.embedding import Embedding, label_of
    from engine.inspection.layout import embed_apart

    album = albums.read(request.folder, request.network_key, report, stopped)
    if album is None:
        return None
    report(0, 0)  # how long the rest takes is not known
    laid_out = embed_apart(
        album.vectors(), request.method, max(request.perplexity, 1.0), request.seed, stopped=stopped
    )
    if laid_out is None:
        return None
    paths = list(album.paths)
    embedding = Embedding(paths, *laid_out, dict(album.unreadable))
    labels = [label_of(path, request.folder) for path in paths]
    return FolderMap(request, embedding, album.pixels(), labels, album.features.name)


def save_figure(made: FolderMap, path: Path) -> Path:
    """Write the figure; return its path. Raises `PareidoliaError`s."""
    from engine.figure import Tile, contact_sheet
    from engine.image import save_picture
    from engine.inspection.embedding import map_picture

    picture = map_picture(made.embedding.paths, made.embedding.positions)
    figure: Picture = contact_sheet([Tile(picture, made.title())])
    save_picture(figure, path)
    return path
