"""When a run is kept on disk: at intervals, whenever it is held, and on request."""

import threading
import time

EVERY = 30.0
"""The least number of seconds between two times that a run is kept."""


class KeepSchedule:
    """Decides when to keep a run; the worker asks, and the window says what has been written."""

    def __init__(self, every: float = EVERY) -> None:
        self.every = every
        self._lock = threading.Lock()
        self._last = time.monotonic()
        self._asked = self._writing = False

    def ask(self) -> None:
        """Have the run kept after the current iteration."""
        with self._lock:
            self._asked = True

    @property
    def asked(self) -> bool:
        """Whether somebody has asked for the run to be kept."""
        return self._asked

    def due(self, held: bool = False) -> bool:
        """Whether to keep the run now; `held`: it is about to wait for the window.

        While the last state is still being written, nothing is due by time alone.
        """
        with self._lock:
            late = time.monotonic() - self._last >= self.every
            return self._asked or held or (late and not self._writing)

    def taken(self) -> None:
        """Note that the run is being kept."""
        with self._lock:
            self._asked, self._writing, self._last = False, True, time.monotonic()

    def written(self) -> None:
        """Note that the run has been written, or could not be."""
        with self._lock:
            self._writing = False
