"""The pictures of a folder most like a given one, by features and pixel by pixel."""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.colour_map import Bytes
from engine.errors import BadInput
from engine.image import Picture
from engine.inspection.album import Album
from engine.inspection.distances import Metric, Neighbors
from engine.inspection.features import Features
from engine.inspection.folder import square_of
from engine.inspection.progress import Progress
from engine.networks.square import middle_square


def neighbors(
    features: Features,
    picture: Path,
    files: Sequence[Path],
    count: int = 9,
    metric: Metric = "l2",
    *,
    folder: Path | None = None,
    side: int = 0,
) -> Generator[Progress, None, Neighbors]:
    """Yield how much is read, return the pictures nearest to `picture`, by features and by pixels.

    Both compare the same squares, whose pixels are compared at a side of at most 128. The picture
    itself is left out if it is among the files.

    Args:
        features: what the network makes of a picture.
        picture: the file to compare with.
        files: pictures to choose from.
        count: how many to return of either kind.
        metric: Euclidean distance or cosine.
        folder: where the files lie; if given, what was read of them is kept for the next time.
        side: of the squares that the network sees; 0: what it was made for.

    Raises:
        BadInput: `picture` cannot be read, or there is no other to compare with.
    """
    own = square_of(picture, side or features.network.card.input_size)[0]
    itself = picture.resolve()
    if all(path.resolve() == itself for path in files):
        raise BadInput(f"there is no picture to compare {picture} with; use another folder")
    album = Album(features, files, folder, side=side)
    yield from album.read()
    return album.nearest(own, count, metric, itself)


@dataclass(frozen=True, eq=False)
class NearPictures:
    """A folder's pictures nearest to another picture, ready to be shown."""

    found: Neighbors
    pixels: dict[Path, Bytes]
    """Each one's pixels, (s, s, 3)."""
    features: str
    """Which layer's output was compared."""
    side: int
    """Side of the squares whose pixels were compared."""
    pictures: int
    """How many pictures were compared."""


def near_pictures(
    reading: Generator[Progress, None, Album], picture: Picture, count: int, metric: Metric
) -> Generator[Progress, None, NearPictures]:
    """Yield how much of an album is read, return its pictures nearest to the middle of a picture.

    Raises `BadInput` as the reading and `Album.nearest` do.
    """
    album = yield from reading
    found = album.nearest(middle_square(picture, album.seen_side), count, metric)
    pixels = album.pixels_of({each.path for each in (*found.features, *found.pixels)})
    return NearPictures(found, pixels, album.features.name, album.side, len(album.paths))
