"""The queue as the window knows it: changed and listed off the GUI thread, worked off in its own.

The file is shared with whatever else runs: what is shown is what is in it.
"""

import os
import sys
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, Qt, QThread, QTimer, Signal, Slot
from PySide6.QtGui import QImage

from engine.errors import BadInput, PareidoliaError
from engine.outputs import Sources, keep_apart
from engine.places import data_folder
from engine.work.cluster.address import SchedulerAddress
from engine.work.job_files import Wanted
from engine.work.naming import named
from engine.work.queue import NewJob, Queue, QueuedJob
from engine.work.worker import Worker
from gui.background import Background
from gui.garbage import collect_soon
from gui.run.turn import Turn
from gui.run.worker import NICENESS
from gui.wording import worded

THUMBNAIL_SECONDS = 2.0
"""Between two small pictures of a running job."""
LIST_MS = 200
"""The list is read again at most so often."""
THUMBNAIL_SECONDS_ELSEWHERE = 5.0
"""The same for a job on a cluster: each goes through the scheduler."""
STEP_SECONDS = 0.2
"""Between two looks at what a cluster has done."""
IDLE_SECONDS = 0.5
"""Between two looks whether there is anything for it to do."""


@dataclass
class Listing:
    """What stands in the queue, and the thumbnails that are new."""

    jobs: list[QueuedJob] = field(default_factory=list)
    thumbnails: dict[int, QImage] = field(default_factory=dict)
    said: str = ""


@dataclass(frozen=True)
class Addition:
    """What was put into the queue."""

    added: int
    there: int
    """Pictures that were made before."""
    said: str


def queue_file() -> Path:
    """Return the file of the window's queue."""
    return data_folder() / "queue.sqlite"


class _QueueWorker(QObject):
    """Lives on the queue's thread."""

    changed = Signal()
    ended = Signal()
    failed = Signal(str)
    seen = Signal(object)
    """Who makes pictures elsewhere: a list of `WorkerState`."""

    def __init__(self, path: Path, turn: Turn) -> None:
        super().__init__()
        self.path, self.turn = path, turn
        self.scheduler: SchedulerAddress | None = None
        """Whose workers make the pictures; set from another thread."""
        self.held = False
        """Whether a cluster gets no more jobs; set from another thread."""

    @Slot()
    def work(self) -> None:
        """Work off the queue until nothing waits. Never raises."""
        if sys.platform == "linux":
            with suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS + 1)
        sentence = ""
        try:
            if self.scheduler is not None:
                self._work_elsewhere(self.scheduler)
            else:
                self._work_here()
        except PareidoliaError as error:
            sentence = worded(error)
        except Exception as error:
            sentence = _explained(error)
        finally:
            self.turn.give_up()
        if sentence:
            self.failed.emit(sentence)
        collect_soon()
        self.ended.emit()

    def _work_here(self) -> None:
        with Queue(self.path) as queue, queue.owned(), queue.claimant() as claimant:
            worker = Worker(
                queue, claimant, asked=self._leaves_here, wait=self.turn.pass_on,
                worded=worded, explained=_explained, thumbnails=THUMBNAIL_SECONDS,
                changed=lambda _job: self.changed.emit(),
            )  # fmt: skip
            while worker.make_one():
                collect_soon()

    def _leaves_here(self) -> bool:
        return self.turn.closing or self.scheduler is not None

    def _work_elsewhere(self, where: SchedulerAddress) -> None:
        """Have the jobs made by a cluster, and see who is there, until something else is wanted."""
        from engine.work.cluster.connection import Connection
        from engine.work.cluster.run import ClusterRun, WorkerState, topic_of

        def leaves() -> bool:
            return self.turn.closing or self.scheduler is not where

        with Connection(where, topic_of(self.path)) as connection:
            while not leaves():
                if not connection.lost():
                    there = connection.workers()
                    self.seen.emit([WorkerState(w.name, w.device, "", 0, 0) for w in there])
                if self.held or not self._waits():
                    connection.wait(IDLE_SECONDS)
                    continue
                with (
                    Queue(self.path) as queue,
                    queue.owned(),
                    queue.claimant() as claimant,
                    ClusterRun(
                        queue, claimant, connection, worded=worded, explained=_explained,
                        changed=lambda _job: self.changed.emit(),
                        thumbnails=THUMBNAIL_SECONDS_ELSEWHERE,
                    ) as run,
                ):  # fmt: skip
                    while run.step() and not leaves():
                        self.seen.emit(run.working())
                        run.holding = self.held
                        if self.held and not run.busy:
                            break
                        connection.wait(STEP_SECONDS)
                    if leaves() and not connection.lost():
                        run.leave()
                self.changed.emit()
                collect_soon()

    def _waits(self) -> bool:
        if not self.path.exists():
            return False
        with Queue(self.path) as queue:
            queue.expire()
            return queue.waits()


class QueueController(QObject):
    """Jobs that wait, and the thread that makes them while the window's own run is idle."""

    listed = Signal(object)
    """`Listing`."""
    added = Signal(object)
    """`Addition`."""
    failed = Signal(str)
    """One sentence."""
    stopped = Signal(str)
    """Why nothing more is made until a person lets the queue go on."""
    workers_seen = Signal(object)
    """Who makes pictures elsewhere: a list of `WorkerState`."""

    _work_asked = Signal()

    def __init__(self, turn: Turn, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.path, self.turn = queue_file(), turn
        self.held = False
        """Whether nothing is to be begun: the whole queue is paused."""
        self.scheduler: SchedulerAddress | None = None
        """Whose workers make the pictures; None: this computer."""
        self._background = Background(self, threads=1)  # one: in the order that was asked for
        self._thread: QThread | None = None
        self._worker: _QueueWorker | None = None
        self._working = self._closing = False
        self._known: dict[int, int] = {}
        """Which thumbnails have been shown."""
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(LIST_MS)
        self._soon.timeout.connect(self._list)

    def begin(self) -> None:
        """Show what an earlier sitting has left, and go on with it."""
        if self.path.exists():
            self._submit(partial(_checked, self.path))
        elif self.scheduler is not None:
            self._work()

    def set_scheduler(self, scheduler: SchedulerAddress | None) -> None:
        """Have pictures made by the workers of a scheduler, or on this computer, from now on."""
        self.scheduler = scheduler
        if self._worker is not None:
            self._worker.scheduler = scheduler
        if not self._working:
            self._list()
            if scheduler is not None and not self.held and not self._closing:
                self._work()

    @property
    def busy(self) -> bool:
        """Whether the queue is being worked off, or a change of it is under way."""
        return (self._working and self.scheduler is None) or self._background.busy

    # -- what a person asks for -----------------------------------------------------------

    def add(self, make: Callable[[], Sequence[Wanted]], folder: Path) -> None:
        """Put the jobs that `make` returns at the end; their pictures go into a folder.

        `make` is called in another thread: it may read files.
        """
        self._submit(partial(_add, self.path, make, folder), self.added.emit)

    def remove(self, numbers: Sequence[int]) -> None:
        """Take jobs out."""
        self._change(lambda queue: queue.remove(numbers))

    def retry(self, numbers: Sequence[int]) -> None:
        """Make failed and finished jobs wait again."""
        self._change(lambda queue: queue.retry(numbers))

    def pause(self, numbers: Sequence[int]) -> None:
        """Hold single jobs."""
        self._change(lambda queue: queue.pause(numbers))

    def resume(self, numbers: Sequence[int]) -> None:
        """Let held jobs go on."""
        self._change(lambda queue: queue.resume(numbers))

    def arrange(self, numbers: Sequence[int]) -> None:
        """Bring the jobs into another order."""
        self._change(lambda queue: queue.arrange(numbers))

    def hold(self, on: bool) -> None:
        """Hold all after the present iteration, or let it go on."""
        self.held = on
        self.turn.hold(on)
        if self._worker is not None:
            self._worker.held = on
        if not on:
            self._list()
            if self.scheduler is not None and not self._working and not self._closing:
                self._work()

    def close(self, patience_ms: int) -> bool:
        """End the thread after the present iteration; False: it has not ended yet, ask again."""
        if not self._closing:
            self._closing = True
            self._soon.stop()
            self.turn.close()
            self._background.close()
        if self._thread is None:
            return True
        self._thread.quit()
        return bool(self._thread.wait(patience_ms))

    # -- within ---------------------------------------------------------------------------

    def _change(self, change: Callable[[Queue], None]) -> None:
        self._submit(partial(_changed, self.path, change))

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
            read = partial(_listing, self.path, dict(self._known))
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
            self._worker = _QueueWorker(self.path, self.turn)
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
        # Another scheduler may have been set since, where nothing waits.
        if self.scheduler is not None and not self.held and not self._closing:
            self._work()

    @Slot(str)
    def _on_work_failed(self, sentence: str) -> None:
        self.held = True  # until a person lets it go on
        self.turn.hold(True)
        if self._worker is not None:
            self._worker.held = True
        self.stopped.emit(sentence)
        self.failed.emit(sentence)

    def _on_failed(self, error: BaseException) -> None:
        if not isinstance(error, (PareidoliaError, OSError)):
            raise error
        self.failed.emit(worded(error))


def _explained(error: Exception) -> str:
    traceback.print_exc()
    return f"unexpected error: {error}"


def _checked(path: Path) -> None:
    with Queue(path, check=True) as queue:
        queue.expire()
        said = queue.said
    if said:
        raise BadInput(said)


def _changed(path: Path, change: Callable[[Queue], None]) -> None:
    with Queue(path) as queue:
        change(queue)


def _add(path: Path, make: Callable[[], Sequence[Wanted]], folder: Path) -> Addition:
    wanted = make()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BadInput(f"{folder} cannot be made ({error.strerror})") from error
    with Queue(path, check=True) as queue:
        there = queue.entries()
        places = named(wanted, folder, taken=[j.output for j in there if j.state != "done"])
        new = [
            NewJob(
                each.recipe, place.path.absolute(), each.title, bits=each.bits,
                open_precision=each.open_precision, export=each.export,
            )
            for each, place in zip(wanted, places, strict=True)
            if not place.made
        ]  # fmt: skip
        keep_apart([job.output for job in new], _read(wanted))
        again = {job.output for job in new}  # whose picture somebody has deleted
        queue.remove(job.id for job in there if job.output in again)
        queue.add(new)
        return Addition(len(new), len(wanted) - len(new), queue.said)


def _read(wanted: Sequence[Wanted]) -> Sources:
    files: set[Path] = set()
    for each in wanted:
        inputs: Mapping[str, object] = each.recipe["inputs"]
        for role in ("content", "guide", "start"):
            reference = inputs[role]
            if isinstance(reference, dict):
                files.add(Path(reference["path"]))
    return Sources(tuple(sorted(files)) if len(files) < 200 else ())


def _listing(path: Path, known: Mapping[int, int]) -> Listing:
    with Queue(path) as queue:
        jobs = queue.entries()
        thumbnails = {}
        for job in jobs:
            if job.drawn != known.get(job.id, 0):
                data = queue.thumbnail(job.id)
                image = QImage.fromData(data) if data is not None else QImage()
                if not image.isNull():
                    thumbnails[job.id] = image
    return Listing(jobs, thumbnails)
