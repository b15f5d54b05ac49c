"""When a run under way is kept on the disk: now and then, whenever it is held, and on request."""

import threading
import time

EVERY = 30.0
"""Seconds from one keeping to the next, at least."""


class KeepSchedule:
    """Asked by the worker after each iteration; the window says when a keeping has been written."""

    def __init__(self, every: float = EVERY) -> None:
        self.every = every
        self._lock = threading.Lock()
        self._last = time.monotonic()
        self._asked = self._writing = False

    def ask(self) -> None:
        """Have the run kept after the present iteration."""
        with self._lock:
            self._asked = True

    @property
    def asked(self) -> bool:
        """Whether somebody waits for a keeping."""
        return self._asked

    def due(self, held: bool = False) -> bool:
        """Whether to keep the run now; `held`: it is about to wait for the window.

        Nothing is due by time alone while what was kept before is still being written.
        """
        with self._lock:
            late = time.monotonic() - self._last >= self.every
            return self._asked or held or (late and not self._writing)

    def taken(self) -> None:
        """Note that the run is being kept."""
        with self._lock:
            self._asked, self._writing, self._last = False, True, time.monotonic()

    def written(self) -> None:
        """Note that it has been, or could not be."""
        with self._lock:
            self._writing = False
