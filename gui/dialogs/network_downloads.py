"""Downloads of networks: one at a time, the others queued; each can be paused and resumed.

A stopped download may hang in a socket read until the time-out. Nobody waits for it: it ends by itself
on one of the spare threads, and until then a lock for each network keeps a later download off its file.
"""

import contextlib
import enum
import functools
import threading
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from PySide6.QtCore import QCoreApplication, QObject, QTimer, Signal, Slot

from engine.errors import DownloadCancelled, PareidoliaError
from engine.networks.card import Card
from engine.networks.download import download
from gui.background import Background
from gui.dialogs.network_status import part_files
from gui.wording import worded

TIMEOUT = 30.0
"""Seconds without data before a connection counts as broken."""
THREADS = 4
"""One thread downloads; the others are spares for stopped downloads that hang."""
INTERVAL = 100
"""Milliseconds between two looks at the progress."""
RATE_SECONDS = 3.0
"""Seconds over which the speed is averaged."""

_writers: dict[str, threading.Lock] = {}
"""One lock per network, shared by all windows: who writes its file."""


class DownloadState(enum.Enum):
    """What a download is doing."""

    QUEUED = enum.auto()
    RUNNING = enum.auto()
    PAUSED = enum.auto()


@dataclass
class Download:
    """A download that was requested and has not ended."""

    card: Card
    stage: DownloadState = DownloadState.QUEUED
    done: int = 0
    total: int = 0
    """0: unknown."""
    samples: deque[tuple[float, int]] = field(default_factory=deque)

    @property
    def percent(self) -> int:
        """The percentage that has arrived."""
        return min(100, 100 * self.done // self.total) if self.total else 0

    @property
    def rate(self) -> float:
        """Recent speed in bytes per second."""
        if len(self.samples) < 2:
            return 0.0
        (start, first), (end, last) = self.samples[0], self.samples[-1]
        return (last - first) / (end - start) if end > start else 0.0

    def note(self, now: float, done: int, total: int) -> None:
        """Note how far it has come."""
        self.done, self.total = done, total or self.card.bytes
        self.samples.append((now, done))
        while now - self.samples[0][0] > RATE_SECONDS and len(self.samples) > 2:
            self.samples.popleft()


@dataclass(eq=False)
class _Run:
    """One piece of work on a thread: fetching, or deleting what was fetched."""

    card: Card
    writer: threading.Lock
    stop: threading.Event = field(default_factory=threading.Event)
    arrived: tuple[int, int] | None = None
    """Bytes done and in all, left here by the thread and read by a timer. A signal for each piece would
    flood the GUI thread, and skipping some could lose the last."""


class Downloads(QObject):
    """The queue of downloads of one dialog; lives in the GUI thread, as a child of the program.

    It is no child of the dialog, which would wait for hanging threads as it closes; that calls `retire`
    instead.
    """

    changed = Signal(str)
    """The download of this network began, progressed, paused or ended."""
    finished = Signal(str)
    """The weights of this network have arrived."""
    failed = Signal(str, str)
    """Name of the network, one sentence."""
    discarded = Signal(str)
    """What had arrived of this network was deleted."""

    def __init__(self, timeout: float = TIMEOUT) -> None:
        app = QCoreApplication.instance()
        super().__init__(app)
        self._timeout = timeout
        self._background = Background(self, THREADS)
        self._transfers: dict[str, Download] = {}
        self._active: _Run | None = None
        self._outstanding: set[_Run] = set()
        self._retired = False
        self._timer = QTimer(self)
        self._timer.setInterval(INTERVAL)
        self._timer.timeout.connect(self._look)
        if app is not None:
            app.aboutToQuit.connect(self.pause_all)

    def transfer(self, name: str) -> Download | None:
        """Return the unfinished download of a network."""
        return self._transfers.get(name)

    @property
    def running(self) -> str:
        """Name of the network that is being downloaded; empty: none."""
        return self._active.card.name if self._active else ""

    @property
    def busy(self) -> bool:
        """Whether a thread is still working, even for a stopped download."""
        return bool(self._outstanding)

    def start(self, card: Card, partial: int = 0) -> None:
        """Download `card`'s weights when its turn comes, continuing after `partial` bytes."""
        transfer = self._transfers.setdefault(
            card.name, Download(card, DownloadState.PAUSED, partial)
        )
        if transfer.stage is not DownloadState.PAUSED:
            return
        transfer.stage = DownloadState.QUEUED
        transfer.total = transfer.total or card.bytes
        transfer.samples.clear()
        # to the end of the queue
        self._transfers[card.name] = self._transfers.pop(card.name)
        self.changed.emit(card.name)
        self._next()

    @Slot(str)
    def pause(self, name: str) -> None:
        """Stop a download and keep what has arrived."""
        transfer = self._transfers.get(name)
        if transfer is None or transfer.stage is DownloadState.PAUSED:
            return
        self._look()
        transfer.stage = DownloadState.PAUSED
        self._stop(name)
        self.changed.emit(name)
        self._next()

    @Slot()
    def pause_all(self) -> None:
        """Stop everything and keep what has arrived."""
        self._look()
        waiting = [t for t in self._transfers.values() if t.stage is not DownloadState.PAUSED]
        for transfer in waiting:  # all states first, or each pause would start the next one
            transfer.stage = DownloadState.PAUSED
        for transfer in waiting:
            self._stop(transfer.card.name)
            self.changed.emit(transfer.card.name)

    def cancel(self, card: Card) -> None:
        """Stop a download and delete what has arrived."""
        self._transfers.pop(card.name, None)
        self._stop(card.name)
        self.changed.emit(card.name)
        run = self._run(card)
        self._background.submit(
            functools.partial(_discard, run),
            functools.partial(self._discarded, run),
            functools.partial(self._broken, run),
        )
        self._next()

    @Slot()
    def retire(self) -> None:
        """Stop everything; this object is deleted once nothing runs."""
        self._retired = True
        self.blockSignals(True)  # the listeners are going away
        self.pause_all()
        self._end(None)

    # -- work in threads ---------------------------------------------------------------------------

    def _run(self, card: Card) -> _Run:
        run = _Run(card, _writers.setdefault(card.name, threading.Lock()))
        self._outstanding.add(run)
        return run

    def _stop(self, name: str) -> None:
        for run in self._outstanding:
            if run.card.name == name:
                run.stop.set()
        if self._active and self._active.card.name == name:
            self._active = None

    def _next(self) -> None:
        if self._active or self._retired:
            return
        queued = (t for t in self._transfers.values() if t.stage is DownloadState.QUEUED)
        transfer = next(queued, None)
        if transfer is None:
            return
        self._stop(transfer.card.name)  # cancels a deletion of its file that has not begun
        transfer.stage = DownloadState.RUNNING
        self._active = run = self._run(transfer.card)
        self._background.submit(
            functools.partial(self._fetch, run),
            functools.partial(self._ended, run),
            functools.partial(self._broken, run),
        )
        self._timer.start()
        self.changed.emit(transfer.card.name)

    def _fetch(self, run: _Run) -> None:
        """Download; in a thread of its own."""

        def progress(done: int, total: int) -> None:
            run.arrived = (done, total)

        with _writing(run):
            download(run.card, progress, self._timeout, run.stop.is_set)

    @Slot()
    def _look(self) -> None:
        """Take over the progress of the running download."""
        run = self._active
        if run is None:
            self._timer.stop()
            return
        transfer = self._transfers.get(run.card.name)
        if transfer and run.arrived:
            transfer.note(time.monotonic(), *run.arrived)
            self.changed.emit(run.card.name)

    def _ended(self, run: _Run, _: None) -> None:
        # Also if a pause came too late to stop it: the weights are here all the same.
        name = run.card.name
        self._transfers.pop(name, None)
        self._end(run)
        self.changed.emit(name)
        self.finished.emit(name)
        self._next()

    def _broken(self, run: _Run, error: BaseException) -> None:
        name = run.card.name
        current = run is self._active
        self._end(run)
        if current and name in self._transfers:
            self._transfers[name].stage = DownloadState.PAUSED
            if not part_files(run.card)[0].is_file():
                del self._transfers[name]
            self.changed.emit(name)
            self._next()
        if not isinstance(error, PareidoliaError | OSError):
            raise error  # the last-resort dialog shows it
        if not run.stop.is_set():  # what was stopped may fail late; nobody cares any more
            self.failed.emit(name, worded(error))

    def _discarded(self, run: _Run, _: None) -> None:
        self._end(run)
        self.discarded.emit(run.card.name)

    def _end(self, run: _Run | None) -> None:
        if run is not None:
            self._outstanding.discard(run)
            self._active = None if run is self._active else self._active
        if self._retired and not self._outstanding:
            self.deleteLater()


@contextlib.contextmanager
def _writing(run: _Run) -> Iterator[None]:
    """Be the only writer of this network's file; raises `DownloadCancelled` when stopped."""
    while not run.writer.acquire(timeout=INTERVAL / 1000):
        if run.stop.is_set():
            raise DownloadCancelled("stopped before its turn came")
    try:
        if run.stop.is_set():
            raise DownloadCancelled("stopped before its turn came")
        yield
    finally:
        run.writer.release()


def _discard(run: _Run) -> None:
    """Delete what has arrived; in a thread of its own."""
    with _writing(run):
        for file in part_files(run.card):
            file.unlink(missing_ok=True)
