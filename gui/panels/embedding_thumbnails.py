"""Thumbnails of a map: which pictures fit, and their pixmaps, made gradually."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QPixmap

from gui.pixels import Bytes, to_image

Floats = npt.NDArray[np.float32]
Place = tuple[int, QRectF]
"""A picture's number, and where its thumbnail is on the screen."""
MOST_THUMBNAILS = 300
SIDES = (24, 32, 44, 60, 84)
"""Thumbnail sides in pixels: the fewer pictures in view, the larger."""
APART = 0.6
"""The least distance between thumbnails, as a fraction of their side."""
AT_ONCE = 40
"""How many thumbnails are made in one go; the window has other things to do."""


def arranged(
    positions: Floats, places: npt.NDArray[np.float64], rect: QRectF, pixel: float
) -> list[Place]:
    """Return the pictures whose thumbnails fit: none hides another's middle.

    Args:
        positions: (N, 2) on the map.
        places: (N, 2), the same in pixels of the screen.
        rect: what can be seen, in pixels of the screen.
        pixel: the size of a pixel of the screen on the map.
    """
    inside = (
        (places[:, 0] >= rect.left()) & (places[:, 0] <= rect.right())
        & (places[:, 1] >= rect.top()) & (places[:, 1] <= rect.bottom())
    ).nonzero()[0]  # fmt: skip
    side = _side(len(inside), rect)
    apart = APART * side
    # Cells of the map, not of the screen: as the map moves, the same thumbnails stay.
    cells = np.floor(positions[inside] / (apart * pixel)).astype(np.int64)
    _, first = np.unique(cells, axis=0, return_index=True)
    taken: dict[tuple[int, int], tuple[float, float]] = {}
    found: list[Place] = []
    for i in np.sort(first):
        x, y = places[inside[i]]
        column, row = (int(v) for v in cells[i])
        around = (taken.get((column + dx, row + dy)) for dx in (-1, 0, 1) for dy in (-1, 0, 1))
        if any(o and abs(o[0] - x) < apart and abs(o[1] - y) < apart for o in around):
            continue
        taken[column, row] = x, y
        found.append((int(inside[i]), QRectF(x - side / 2, y - side / 2, side, side)))
        if len(found) == MOST_THUMBNAILS:
            break
    return found


def _side(count: int, rect: QRectF) -> int:
    room = 0.7 * (rect.width() * rect.height() / max(count, 1)) ** 0.5
    return max([SIDES[0], *(side for side in SIDES if side <= room)])


class Thumbnails:
    """Pixmaps of pictures (N, s, s, 3) in the sizes requested."""

    def __init__(self, pixels: Bytes) -> None:
        self._pixels = pixels
        self._made: dict[tuple[int, int], QPixmap] = {}

    def get(self, place: Place) -> QPixmap | None:
        """Return the pixmap for a place, if it has been made."""
        return self._made.get(_key(place))

    def make_some(self, places: Sequence[Place], ratio: float) -> bool:
        """Make at most `AT_ONCE` missing pixmaps; return whether any were missing."""
        missing = [each for each in places if _key(each) not in self._made][:AT_ONCE]
        for each in missing:
            self._made[_key(each)] = self._pixmap(*_key(each), ratio)
        while len(self._made) > 4 * MOST_THUMBNAILS:
            del self._made[next(iter(self._made))]
        return bool(missing)

    def _pixmap(self, number: int, side: int, ratio: float) -> QPixmap:
        pixmap = QPixmap.fromImage(to_image(self._pixels[number])).scaled(
            round(side * ratio), round(side * ratio),
            Qt.AspectRatioMode.IgnoreAspectRatio, Qt.TransformationMode.SmoothTransformation,
        )  # fmt: skip
        pixmap.setDevicePixelRatio(ratio)
        return pixmap


def _key(place: Place) -> tuple[int, int]:
    return place[0], int(place[1].width())
