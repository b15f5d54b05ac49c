"""One slot for the newest picture and a list for numbers: pictures may be dropped, numbers may not.

A signal per iteration would flood a slow window (measured at 1024 px: 28 seconds of drawing after Stop,
3.7 GB). So the worker signals only when the slot was empty, and does not even make a picture while the
slot is full.
"""

import threading
from dataclasses import dataclass

from PySide6.QtGui import QImage

Point = tuple[int, dict[str, float]]
"""Iteration, losses."""


@dataclass(frozen=True)
class PreviewImage:
    """A picture on its way to the screen."""

    run: int
    iteration: int
    total: int
    stage: str
    seconds: float
    image: QImage
    size: tuple[int, int]
    """Height and width of the finished picture; coarser scales are shown stretched to it."""
    made: float
    """When the iterate was ready, by `time.perf_counter`."""


class Mailbox:
    """Filled by the worker, and emptied by the window at its own pace."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._shown: PreviewImage | None = None
        self._points: list[Point] = []
        self._announced = False

    @property
    def has_room(self) -> bool:
        """Whether the last picture has been taken, so that a new one would replace none."""
        return self._shown is None

    def put(self, point: Point, shown: PreviewImage | None = None) -> bool:
        """Leave numbers and perhaps a picture; return whether the window must be told."""
        with self._lock:
            self._points.append(point)
            if shown is not None:
                self._shown = shown
            first, self._announced = not self._announced, True
            return first

    def take(self) -> tuple[PreviewImage | None, list[Point]]:
        """Return the newest picture, if there is a new one, and all numbers since the last call."""
        with self._lock:
            shown, points = self._shown, self._points
            self._shown, self._points, self._announced = None, [], False
            return shown, points
