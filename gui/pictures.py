"""Opened pictures for display: decoded in the background, kept while in use."""

from collections import OrderedDict
from dataclasses import dataclass
from functools import partial

import numpy as np
from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QImage

from engine.errors import PareidoliaError
from engine.files import split_frame
from engine.image import Picture, open_picture
from gui.background import Background
from gui.pixels import to_image
from gui.wording import worded

LARGEST_SHOWN = 2048
"""Long side of what is kept for the screen; the run opens the file itself."""
THUMBNAIL = 256
KEPT = 12


@dataclass(frozen=True)
class OpenedPicture:
    """A picture as it can be shown, or the sentence that says why not."""

    path: str
    image: QImage
    thumbnail: QImage
    width: int
    height: int
    stamp: int
    """When the file was last written: if its content changes, it is opened again."""
    problem: str = ""
    gray: bool = False
    """Whether it has no colours."""
    note: str = ""
    """What the user should know of the file: that it holds more than this picture."""


class Pictures(QObject):
    """Hands out opened pictures; `arrived` says when a requested one is ready."""

    arrived = Signal(str)

    def __init__(self, background: Background, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._background = background
        self._opened: OrderedDict[str, OpenedPicture] = OrderedDict()
        self._asked: set[str] = set()

    def get(self, path: str) -> OpenedPicture | None:
        """Return the picture if it is there; else have it opened and return None."""
        found = self._opened.get(path)
        if found is not None and found.stamp == _stamp(path):
            self._opened.move_to_end(path)
            return found
        if path not in self._asked:
            self._asked.add(path)
            self._background.submit(partial(open_for_screen, path), self._on_opened)
        return found

    def _on_opened(self, opened: OpenedPicture) -> None:
        self._asked.discard(opened.path)
        self._opened[opened.path] = opened
        while len(self._opened) > KEPT:
            self._opened.popitem(last=False)
        self.arrived.emit(opened.path)


def _stamp(path: str) -> int:
    try:
        return split_frame(path)[0].stat().st_mtime_ns
    except (OSError, ValueError):  # a path that cannot be one
        return 0


def open_for_screen(path: str) -> OpenedPicture:
    """Open a picture; never raises for files that are not pictures."""
    stamp = _stamp(path)
    try:
        picture = open_picture(path, long_side=LARGEST_SHOWN)
    except PareidoliaError as error:
        return OpenedPicture(path, QImage(), QImage(), 0, 0, stamp, worded(error))
    image = image_of(picture)
    aspect, smooth = Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation
    thumbnail = image.scaled(THUMBNAIL, THUMBNAIL, aspect, smooth)
    width, height = picture.full_size or (picture.width, picture.height)
    return OpenedPicture(
        path, image, thumbnail, width, height, stamp, gray=picture.gray, note=picture.note
    )


def image_of(picture: Picture) -> QImage:
    """Return a picture as an image for the screen, at most `LARGEST_SHOWN` pixels a side."""
    picture = picture.resized(long_side=LARGEST_SHOWN, enlarge=False)
    channels = 3 if picture.alpha is None else 4
    pixels = np.empty((picture.height, picture.width, channels), np.uint8)
    pixels[..., :3] = np.rint(picture.rgb * np.float32(255))
    if picture.alpha is not None:
        pixels[..., 3] = np.rint(picture.alpha * np.float32(255))
    image = to_image(pixels)
    # a format that is painted without being converted each time
    return image if channels == 4 else image.convertToFormat(QImage.Format.Format_RGB32)
