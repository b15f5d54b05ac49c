"""How much of a large picture a job needs: no more is opened, so that any photo opens quickly.

At four times the result's size, what a technique makes of it stays the same, up to rounding.
"""

from pathlib import Path
from typing import Protocol

from engine.errors import PareidoliaError
from engine.image import Picture, open_picture
from engine.image_reduction import reduced_size

TIMES = 4
LEAST = 256
"""Pixels a side at which a network may want to see a picture, whatever the result's size."""


class Sized(Protocol):
    """What a technique says about its pictures' sizes."""

    @property
    def style_size(self) -> float:
        """Long side of the styles, relative to the result's."""

    @property
    def sample_side(self) -> int | None:
        """Long side in pixels to which the content is scaled; None: as the result is."""


def side_needed(technique: Sized, size: int) -> int:
    """Return the side that the pictures of a technique need, for a long side of its result."""
    of_style = size * technique.style_size
    return round(TIMES * max(size, of_style, technique.sample_side or 0, LEAST))


def mask_side(size: int) -> int:
    """Return the side that a region's mask needs, for a long side of the result.

    It is smooth, and resampled more simply than pictures.
    """
    return max(size, LEAST)


def open_for(source: str | Path | Picture, side: int, square: bool = False) -> Picture:
    """Open a picture whose long side (with `square`, short side) has about `side` pixels or more.

    A picture that was opened for another size is opened again if its file is still the same: a
    recipe must find the very numbers that its picture was made from.
    """
    if not isinstance(source, Picture):
        return _opened(source, side, square)
    whole = source.full_size or (source.width, source.height)
    wanted = reduced_size(whole, *((None, side) if square else (side, None))) or whole
    if source.path is None or (source.width, source.height) == wanted:
        return source
    try:
        again = _opened(source.path, side, square)
    except PareidoliaError:
        return source
    return again if again.sha256 == source.sha256 else source


def _opened(path: str | Path, side: int, square: bool) -> Picture:
    return open_picture(path, short_side=side) if square else open_picture(path, long_side=side)
