"""Work over a folder for the window: the engine's readers, with its networks and pictures.

Each function runs in a worker and returns a generator that may be closed early.
"""

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtGui import QImage

from engine.inspection.albums import Albums
from engine.inspection.patch_finder import PatchFinder, ShownChannels
from engine.inspection.progress import Progress
from gui.pixels import picture_of, to_image
from gui.run.networks import NetworkKey, Networks

if TYPE_CHECKING:
    from engine.inspection.album import Album
    from engine.inspection.distances import Metric
    from engine.inspection.embedding import FolderMap
    from engine.inspection.layout import Method
    from engine.inspection.neighbors import NearPictures

NEAREST = 9
"""How many neighbours of each kind are shown."""


@dataclass(frozen=True)
class FolderQuery:
    """A folder and the network that reads it."""

    networks: Networks
    network_key: NetworkKey
    folder: Path
    who: str = ""
    """Tells others that wait for the folder meanwhile."""
    may_read: bool = True
    """Whether files may be read; otherwise only what was read before counts."""

    def album(self, albums: Albums) -> "Generator[Progress, None, Album]":
        """Read the folder, unless it has been read. Raises what `Albums.read` raises."""
        network = self.networks.get(*self.network_key)
        return albums.read(self.folder, network, self.who, self.may_read)

    def finder(self, layer: str, rows: ShownChannels) -> PatchFinder[QImage]:
        """Return a search, not yet started."""
        return PatchFinder(
            lambda: self.networks.get(*self.network_key).twin(), self.folder, layer, rows, to_image
        )


def nearest(
    query: FolderQuery, albums: Albums, image: QImage, metric: "Metric"
) -> "Generator[Progress, None, NearPictures]":
    """Find the pictures most like an image. Raises `PareidoliaError`s."""
    from engine.inspection.neighbors import near_pictures

    short = min(image.width(), image.height())  # more would only take memory
    left, top = (image.width() - short) // 2, (image.height() - short) // 2
    square = picture_of(image.copy(left, top, short, short))
    return near_pictures(query.album(albums), square, NEAREST, metric)


def laid_out(
    query: FolderQuery, albums: Albums, method: "Method", perplexity: float, seed: int
) -> "Generator[Progress | None, None, FolderMap]":
    """Lay the folder out. Raises `PareidoliaError`s."""
    from engine.inspection.embedding import folder_map

    reading = query.album(albums)
    return folder_map(reading, query.folder, method, max(perplexity, 1.0), seed)
