"""Short work off the GUI thread: opening pictures, reading folders, loading networks.

Results come back as ordinary calls in the GUI thread. A function connected to a worker's signal
would run in the worker (measured), so everything passes one slot of a QObject that lives here.

The threads are Python's. A QThreadPool would delete a QRunnable, and all that it refers to, in the
worker; here, what a piece of work refers to is released in the GUI thread, where its Qt objects live.
"""

import contextlib
import itertools
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import QObject, Signal, Slot

Done = Callable[[Any], None]
Failed = Callable[[BaseException], None]


@dataclass
class BackgroundTask:
    """One piece of submitted work."""

    number: int
    work: Callable[[], Any]
    cancelled: threading.Event
    done: Done | None
    failed: Failed | None
    kept: bool = False
    """Whether it is carried out even when the window closes, as the writing of a file is."""

    def cancel(self) -> None:
        """Forget the result; the work may look at `cancelled` and end early."""
        self.cancelled.set()


class Background(QObject):
    """Runs functions on a few threads of its own; lives in the GUI thread."""

    _finished = Signal(int, object, object)

    def __init__(self, parent: QObject | None = None, threads: int = 4) -> None:
        super().__init__(parent)
        self.threads = threads
        """The most pieces of work that are done at a time."""
        self._pool = self._new_pool()
        self._numbers = itertools.count()
        self._waiting: dict[int, BackgroundTask] = {}
        self._finished.connect(self._deliver)

    def submit(
        self, work: Callable[[], Any], done: Done | None = None, failed: Failed | None = None,
        keep: bool = False,
    ) -> BackgroundTask:  # fmt: skip
        """Run `work` elsewhere, then `done(result)` or `failed(error)` in the GUI thread.

        With `keep` it is carried out even if the window closes in the meantime.
        """
        ticket = BackgroundTask(next(self._numbers), work, threading.Event(), done, failed, keep)
        self._waiting[ticket.number] = ticket
        self._pool.submit(self._run, ticket.number)
        return ticket

    @property
    def busy(self) -> bool:
        """Whether the result of any submitted work has yet to be delivered."""
        return bool(self._waiting)

    def close(self) -> None:
        """Cancel everything but work submitted with `keep`, and wait for the threads to end."""
        for ticket in self._waiting.values():
            if not ticket.kept:
                ticket.cancel()  # work that has not begun never will
        self._pool.shutdown()
        self._pool = self._new_pool()  # has no threads until there is work again
        self._waiting.clear()

    def _new_pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self.threads, "background")

    def _run(self, number: int) -> None:
        result, error = None, None
        ticket = self._waiting[number]
        if not ticket.cancelled.is_set():
            try:
                result = ticket.work()
            except BaseException as raised:  # every error is shown in the GUI thread
                error = raised
        del ticket  # the last reference is then in the GUI thread
        with contextlib.suppress(RuntimeError):  # the program has ended since
            self._finished.emit(number, result, error)

    @Slot(int, object, object)
    def _deliver(self, number: int, result: object, error: object) -> None:
        ticket = self._waiting.pop(number, None)
        if ticket is None or ticket.cancelled.is_set():
            return
        if isinstance(error, BaseException):
            if ticket.failed is None:
                raise error  # the last-resort dialog shows it
            ticket.failed(error)
        elif ticket.done is not None:
            ticket.done(result)
