"""Files with several pictures: which one is meant, and how many there are."""

from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from engine.errors import BadInput
from engine.files import split_frame

_REDUCED = 1  # bit of TIFF's NewSubfileType: the page is a smaller copy of another


def choose_frame(image: Image.Image, path: Path, frame: int | None) -> tuple[int, int]:
    """Go to a frame of an open image, counted from 1; None keeps the one that it opens with.

    Returns:
        The number of the current frame, from 1, and how many there are.

    Raises:
        BadInput: there is no such frame.
    """
    places = [0]
    if image.format == "TIFF":
        places = list(_pages(image))
    elif image.format in ("GIF", "PNG", "WEBP", "AVIF", "HEIF"):
        places = list(range(getattr(image, "n_frames", 1)))
    if frame is None and image.tell() in places:
        return places.index(image.tell()) + 1, len(places)
    chosen = frame_of(path, frame, len(places))
    image.seek(places[chosen - 1])
    return chosen, len(places)


def frame_of(path: Path, frame: int | None, frames: int) -> int:
    """Return the frame to take, by default the first. Raises `BadInput` if there is no such frame."""
    if frame is not None and not 1 <= frame <= frames:
        raise BadInput(
            f"{path} has no frame {frame}: it holds"
            f" {'one' if frames == 1 else f'{frames}, from 1 to {frames}'}."
        )
    return frame or 1


def about_frames(path: Path, frame: int, frames: int) -> str:
    """Return a sentence saying that a file holds more than the picture taken; empty if it does not."""
    if frames < 2:
        return ""
    file, named = split_frame(path)
    if named is not None:
        return f"{file} holds {frames} pictures; this is number {frame}."
    other = 2 if frame == 1 else 1
    return (
        f"{file} holds {frames} pictures, of which number {frame} was taken;"
        f" {file.name}#{other} would be number {other}."
    )


def _pages(image: Image.Image) -> Iterator[int]:
    """Yield the places of a TIFF's pages, leaving out smaller copies."""
    here = image.tell()
    for place in range(getattr(image, "n_frames", 1)):
        image.seek(place)
        tags = getattr(image, "tag_v2", {})
        if not int(tags.get(254, 0)) & _REDUCED or place == 0:
            yield place
    image.seek(here)
