"""When a run under way is to be kept: now and then, and never for more than a share of its time."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

SECONDS = 30.0
"""Least number of seconds between two times that a run is kept."""
SHARE = 0.02
"""Share of the run's time that keeping it may take."""


class KeepTimes:
    """Asked after each iteration whether it is time."""

    def __init__(self, every: float | None = None) -> None:
        """Begin: the first time comes after `every` seconds, as does each later one; None: `SECONDS`."""
        self.every = SECONDS if every is None else every
        self._due = time.monotonic() + self.every

    def due(self) -> bool:
        """Whether it is time."""
        return time.monotonic() >= self._due

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Keep the run inside the block; how long that takes determines the next time."""
        began = time.monotonic()
        try:
            yield
        finally:
            ended = time.monotonic()
            self._due = ended + max(self.every, (ended - began) / SHARE)
