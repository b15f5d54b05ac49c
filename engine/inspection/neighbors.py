"""The pictures of a folder most like a given one, by features and pixel by pixel."""

from collections.abc import Callable, Sequence
from pathlib import Path

from engine.errors import BadInput
from engine.inspection.album import Album
from engine.inspection.distances import Metric, Neighbors
from engine.inspection.features import Features
from engine.inspection.folder import square_of


def neighbors(
    features: Features,
    picture: Path,
    files: Sequence[Path],
    count: int = 9,
    metric: Metric = "l2",
    *,
    folder: Path | None = None,
    side: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Neighbors:
    """Find the pictures among `files` nearest to `picture`, by features and by pixels.

    Both compare the same squares, whose pixels are compared at a side of at most 128. The picture
    itself is left out where it is among the files.

    Args:
        features: what the network makes of a picture.
        picture: the file to compare with.
        files: pictures to choose from.
        count: how many to return of either kind.
        metric: Euclidean distance or cosine.
        folder: where the files lie; then what was read of them is kept for the next time.
        side: of the squares that the network sees; 0: what it was made for.
        progress: told the number of files read, and of all.

    Raises:
        BadInput: `picture` cannot be read, or there is no other to compare with.
    """
    own = square_of(picture, side or features.network.card.input_size)[0]
    itself = picture.resolve()
    if all(path.resolve() == itself for path in files):
        raise BadInput(f"there is no picture to compare {picture} with; use another folder")
    album = Album(features, files, folder, side=side)
    album.read(progress)
    return album.nearest(own, count, metric, itself)
