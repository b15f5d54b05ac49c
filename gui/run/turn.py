"""Whose turn it is to compute: the window's own run goes before the queue's."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Turn:
    """Lets the window and the queue compute one at a time; any thread may ask."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._windows = 0
        """How many of the window's runs and measurements compute, or wait to."""
        self._queue = False
        """Whether the queue is in the middle of an iteration."""
        self._held = False
        self._closing = False

    @contextmanager
    def of_window(self) -> Iterator[None]:
        """Compute for the window, once the queue's current iteration has ended."""
        with self._condition:
            self._windows += 1
            self._condition.wait_for(lambda: not self._queue)
        try:
            yield
        finally:
            with self._condition:
                self._windows -= 1
                self._condition.notify_all()

    def pass_on(self) -> None:
        """Let whoever waits compute; return when it is the queue's turn again (called by its worker)."""
        with self._condition:
            self._queue = False
            self._condition.notify_all()
            self._condition.wait_for(lambda: self._closing or not (self._windows or self._held))
            self._queue = not self._closing

    def give_up(self) -> None:
        """Say that the queue no longer computes."""
        with self._condition:
            self._queue = False
            self._condition.notify_all()

    def hold(self, on: bool) -> None:
        """Hold the queue after its current iteration, or resume it."""
        with self._condition:
            self._held = on
            self._condition.notify_all()

    def close(self) -> None:
        """Let the queue start nothing more."""
        with self._condition:
            self._closing = True
            self._condition.notify_all()

    @property
    def closing(self) -> bool:
        """Whether the queue has to end after its current iteration."""
        return self._closing
