"""The queue as the window knows it: changed and listed off the GUI thread, run in a thread of its own.

Other programs may share the file: what is shown is what it holds.
"""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, Qt, QThread, QTimer, Signal, Slot

from engine.errors import PareidoliaError
from engine.places import data_folder
from engine.work.cluster.address import SchedulerAddress
from engine.work.job_files import Wanted
from engine.work.queue import Queue
from gui.background import Background
from gui.run.queue_changes import Listing, added, changed, checked, listing
from gui.run.queue_worker import QueueWorker
from gui.run.turn import Turn
from gui.wording import worded

LIST_MS = 200
"""The shortest time between two readings of the list."""


def queue_file() -> Path:
    """Return the file of the window's queue."""
    return data_folder() / "queue.sqlite"


class QueueController(QObject):
    """The waiting jobs, and the thread that runs them while the window has no run of its own."""

    listed = Signal(object)
    """`Listing`."""
    added = Signal(object)
    """`Addition`."""
    failed = Signal(str)
    """One sentence."""
    stopped = Signal(str)
    """Why no more jobs are run until the user resumes the queue."""
    workers_seen = Signal(object)
    """The workers on other computers: a list of `WorkerState`."""

    _work_asked = Signal()

    def __init__(self, turn: Turn, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.path, self.turn = queue_file(), turn
        self.held = False
        """Whether the whole queue is paused and no job is started."""
        self.scheduler: SchedulerAddress | None = None
        """The scheduler whose workers make the pictures; None: this computer."""
        self._background = Background(self, threads=1)  # one: changes stay in order
        self._thread: QThread | None = None
        self._worker: QueueWorker | None = None
        self._working = self._closing = False
        self._known: dict[int, int] = {}
        """The thumbnails that have been shown."""
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(LIST_MS)
        self._soon.timeout.connect(self._list)

    def begin(self) -> None:
        """Show what the last session left, and go on with it."""
        if self.path.exists():
            self._submit(partial(checked, self.path))
        elif self.scheduler is not None:
            self._work()

    def set_scheduler(self, scheduler: SchedulerAddress | None) -> None:
        """Have pictures made by a scheduler's workers, or on this computer, from now on."""
        self.scheduler = scheduler
        if self._worker is not None:
            self._worker.scheduler = scheduler
        if not self._working:
            self._list()
            if scheduler is not None and not self.held and not self._closing:
                self._work()

    @property
    def busy(self) -> bool:
        """Whether a job of the queue is running, or the queue is being changed."""
        return (self._working and self.scheduler is None) or self._background.busy

    # -- the user's requests --------------------------------------------------------------

    def add(self, make: Callable[[], Sequence[Wanted]], folder: Path) -> None:
        """Append the jobs that `make` returns; their pictures go into `folder`.

        `make` is called in another thread: it may read files.
        """
        self._submit(partial(added, self.path, make, folder), self.added.emit)

    def remove(self, numbers: Sequence[int]) -> None:
        """Remove jobs."""
        self._change(lambda queue: queue.remove(numbers))

    def retry(self, numbers: Sequence[int]) -> None:
        """Let failed and finished jobs wait to be run again."""
        self._change(lambda queue: queue.retry(numbers))

    def pause(self, numbers: Sequence[int]) -> None:
        """Pause single jobs."""
        self._change(lambda queue: queue.pause(numbers))

    def resume(self, numbers: Sequence[int]) -> None:
        """Resume paused jobs."""
        self._change(lambda queue: queue.resume(numbers))

    def arrange(self, numbers: Sequence[int]) -> None:
        """Bring the jobs into another order."""
        self._change(lambda queue: queue.arrange(numbers))

    def hold(self, on: bool) -> None:
        """Pause the whole queue after the current iteration, or resume it."""
        self.held = on
        self.turn.hold(on)
        if self._worker is not None:
            self._worker.held = on
        if not on:
            self._list()
            if self.scheduler is not None and not self._working and not self._closing:
                self._work()

    def close(self, patience_ms: int) -> bool:
        """End the thread after the current iteration; False: it has not ended yet, call again."""
        if not self._closing:
            self._closing = True
            self._soon.stop()
            self.turn.close()
            self._background.close()
        if self._thread is None:
            return True
        self._thread.quit()
        return bool(self._thread.wait(patience_ms))

    # -- internals ------------------------------------------------------------------------

    def _change(self, change: Callable[[Queue], None]) -> None:
        self._submit(partial(changed, self.path, change))

    def _submit(
        self, work: Callable[[], object], done: Callable[[object], None] | None = None
    ) -> None:
        if self._closing:
            return

        def on_done(result: object) -> None:
            if done is not None:
                done(result)
            self._list()

        self._background.submit(work, on_done, self._on_failed, keep=True)

    @Slot()
    def _list(self) -> None:
        if not self._closing and self.path.exists():
            read = partial(listing, self.path, dict(self._known))
            self._background.submit(read, self._on_listed, self._on_failed)

    def _on_listed(self, listing: Listing) -> None:
        self._known = {job.id: job.drawn for job in listing.jobs}
        self.listed.emit(listing)
        if not self._working and not self.held and any(j.state == "waiting" for j in listing.jobs):
            self._work()

    def _work(self) -> None:
        if self._thread is None:
            self._thread = QThread(self)
            self._thread.setObjectName("queue")
            self._worker = QueueWorker(self.path, self.turn)
            self._worker.moveToThread(self._thread)
            self._work_asked.connect(self._worker.work, Qt.ConnectionType.QueuedConnection)
            self._worker.changed.connect(self._on_changed)
            self._worker.ended.connect(self._on_ended)
            self._worker.failed.connect(self._on_work_failed)
            self._worker.seen.connect(self.workers_seen)
            self._thread.start()
        assert self._worker is not None
        self._worker.scheduler, self._worker.held = self.scheduler, self.held
        self._working = True
        self._work_asked.emit()

    @Slot()
    def _on_changed(self) -> None:
        if not self._soon.isActive() and not self._closing:
            self._soon.start()

    @Slot()
    def _on_ended(self) -> None:
        self._working = False
        self._on_changed()
        # Another scheduler may have been set since; nothing waits there.
        if self.scheduler is not None and not self.held and not self._closing:
            self._work()

    @Slot(str)
    def _on_work_failed(self, sentence: str) -> None:
        self.held = True  # until the user resumes it
        self.turn.hold(True)
        if self._worker is not None:
            self._worker.held = True
        self.stopped.emit(sentence)
        self.failed.emit(sentence)

    def _on_failed(self, error: BaseException) -> None:
        if not isinstance(error, (PareidoliaError, OSError)):
            raise error
        self.failed.emit(worded(error))
