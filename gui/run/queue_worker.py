"""The thread that runs the window's queue: by itself, or by sending the jobs to a cluster."""

import os
import sys
import threading
import traceback
from contextlib import suppress
from pathlib import Path

from PySide6.QtCore import QObject, Signal, Slot

from engine.errors import PareidoliaError
from engine.work.cluster.address import SchedulerAddress
from engine.work.queue import Queue
from engine.work.worker import Worker
from gui.garbage import collect_soon
from gui.run.turn import Turn
from gui.run.worker import NICENESS
from gui.wording import worded

THUMBNAIL_SECONDS = 2.0
"""Seconds between two small pictures of a running job."""
THUMBNAIL_SECONDS_ELSEWHERE = 5.0
"""The same for a job on a cluster: each goes through the scheduler."""
STEP_SECONDS = 0.2
"""Seconds between two checks of what a cluster has done."""
IDLE_SECONDS = 0.5
"""Seconds between two checks for anything to send to it."""


class QueueWorker(QObject):
    """Lives on the queue's thread."""

    changed = Signal()
    ended = Signal()
    failed = Signal(str)
    seen = Signal(object)
    """The workers on other computers: a list of `WorkerState`."""

    def __init__(self, path: Path, turn: Turn) -> None:
        super().__init__()
        self.path, self.turn = path, turn
        self.scheduler: SchedulerAddress | None = None
        """The scheduler whose workers make the pictures; set from another thread."""
        self.held = False
        """Whether a cluster gets no more jobs; set from another thread."""

    @Slot()
    def work(self) -> None:
        """Run the queue until nothing waits. Never raises."""
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
        """Have a cluster run the jobs, and watch its workers, until something else is wanted."""
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


def _explained(error: Exception) -> str:
    traceback.print_exc()
    return f"unexpected error: {error}"
