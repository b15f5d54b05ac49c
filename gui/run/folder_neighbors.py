"""The search for the pictures of a folder most like an image; for a thread of its own."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtGui import QImage

from gui.pixels import picture_of, to_image
from gui.run.folder_albums import FolderAlbums
from gui.run.networks import NetworkKey
from gui.run.progress import ProgressReporter

if TYPE_CHECKING:
    from engine.inspection.distances import Metric, Neighbors

COUNT = 9


@dataclass(frozen=True)
class NeighborsRequest:
    """What is asked for."""

    image: QImage
    network_key: NetworkKey
    folder: Path
    metric: "Metric"


@dataclass(frozen=True)
class NeighborsResult:
    """The neighbours and their pictures."""

    found: "Neighbors"
    images: dict[Path, QImage]
    features: str
    """Which layer's output was compared."""
    side: int
    """Of the squares whose pixels were compared."""
    pictures: int


def find_near(
    albums: FolderAlbums,
    request: NeighborsRequest,
    report: ProgressReporter,
    stopped: Callable[[], bool],
) -> NeighborsResult | None:
    """Return the neighbours; None when stopped. Raises `PareidoliaError`s."""
    import torch

    album = albums.read(request.folder, request.network_key, report, stopped)
    if album is None:
        return None
    square = torch.from_numpy(square_of(request.image, album.seen_side)).permute(2, 0, 1)
    found = album.nearest(square, COUNT, request.metric)
    near = {each.path for each in (*found.features, *found.pixels)}
    images = {path: to_image(pixels) for path, pixels in album.pixels_of(near).items()}
    return NeighborsResult(found, images, album.features.name, album.side, len(album.paths))


def square_of(image: QImage, side: int) -> "np.ndarray[tuple[int, ...], np.dtype[np.float32]]":
    """Return the middle square of an image, (side, side, 3) in [0, 1], as files are read."""
    short = min(image.width(), image.height())
    left, top = (image.width() - short) // 2, (image.height() - short) // 2
    whole = picture_of(image.copy(left, top, short, short))
    return np.array(whole.resized(size=(side, side)).shown)
