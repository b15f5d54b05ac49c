"""A queue processed by a cluster: no more is sent than its workers will soon begin.

The queue's file remembers what was sent. Whoever opens it again finds what has been finished
meanwhile at the scheduler; what is lost there is sent again.
"""

import hashlib
import os
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from engine.errors import Message, PareidoliaError
from engine.files import replacing
from engine.work.cluster.bringing import Bringing
from engine.work.cluster.connection import ClusterWorker, Connection
from engine.work.cluster.parcel import Returned, unpack_returned
from engine.work.cluster.sending import Sender, SentJob
from engine.work.making import figure, partial
from engine.work.naming import forget_partial
from engine.work.queue import MOST_DEATHS, Queue, QueuedJob

AHEAD = 2
"""Jobs that are sent for each device: one to run, and one that can begin at once."""
LOOK_SECONDS = 0.5
"""Seconds between two looks at what a person has done to the queue."""
MOST_LOSSES = 5
"""How often a job may be lost without a reason before it is set aside."""


@dataclass(frozen=True)
class WorkerState:
    """A worker as a person sees it."""

    name: str
    device: str
    title: str
    """Title of the job that it works on; empty if it works on none of this queue."""
    iteration: int
    total: int
    """0 while not known."""


class RemoteError(Exception):
    """An unexpected error on another machine; its traceback is a note of it."""


def topic_of(queue: Path) -> str:
    """Return what all keys of a queue begin with, at any scheduler."""
    text = f"{uuid.getnode()} {os.path.realpath(queue)}"
    return f"pareidolia-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


class ClusterRun:
    """Has the jobs of a queue made by others; for one thread, which calls `step`."""

    def __init__(
        self,
        queue: Queue,
        claimant: str,
        connection: Connection,
        *,
        retries: int = 0,
        worded: Callable[[str | Message | PareidoliaError], str] = str,
        explained: Callable[[Exception], str] = str,
        changed: Callable[[QueuedJob], None] = lambda job: None,
        thumbnails: float | None = None,
    ) -> None:
        """Work on `queue` under a name from `Queue.claimant`; the rest as for `Worker`."""
        self.queue, self.claimant, self.connection = queue, claimant, connection
        self.retries, self.worded, self.explained = retries, worded, explained
        self.changed = changed
        self.workers: list[ClusterWorker] = []
        """Who was there at the last step, and what each did."""
        self.holding = False
        """Whether no more is to be sent."""
        self._bringing = Bringing(connection)
        self._looked = 0.0
        self._sender = Sender(
            queue, claimant, connection, thumbnails=thumbnails, failed=self._fail, changed=changed
        )
        self._sent = self._sender.sent

    def close(self) -> None:
        """Stop what was begun; jobs that were sent stay where they are."""
        self._bringing.close()

    def __enter__(self) -> "ClusterRun":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def busy(self) -> bool:
        """Whether anything is under way."""
        return bool(self._sent or self._bringing.waiting or self._sender.waits_for_device)

    def working(self) -> list[WorkerState]:
        """Return who was there at the last step, and what each does."""
        titles = {key: sent.job.title for key, sent in self._sent.items()}
        return [
            WorkerState(w.name, w.device, titles.get(w.key, ""), w.iteration, w.total)
            for w in self.workers
        ]

    def step(self) -> bool:
        """Send, look, fetch; return whether anything is under way or waits.

        Raises `BadInput` when the queue cannot be used, `SchedulerLost` when nobody answers any more.
        """
        if self.connection.lost():
            return True
        try:
            return self._step()
        except ConnectionError:
            return True  # lost just now: what was under way is looked for when it is there again

    def _step(self) -> bool:
        self.workers = self.connection.workers()
        self._bury()
        self._look()
        self._fetch()
        self._arrived()
        if not self.holding:
            room = AHEAD * len(self.workers) - len(self._sent) - len(self._bringing.waiting)
            self._sender.send(room, {worker.device for worker in self.workers})
        return self.busy or (not self.holding and self.queue.waits())

    def leave(self) -> int:
        """Take back jobs that nobody has begun; return how many go on, to be fetched another time."""
        begun = self.connection.begun()
        idle = [key for key in self._sent if key not in begun and not self._sent[key].future.done()]
        for sent in [self._sent.pop(key) for key in idle]:
            self.connection.end(sent.key, sent.future)
            self.queue.sent(sent.job, self.claimant, "")
        return len(self._sent)

    # -- looking --------------------------------------------------------------------------

    def _bury(self) -> None:
        """Count for each job the workers that it has killed; set aside one that has killed too many."""
        for key in self.connection.deaths():
            sent = self._sent.get(key)
            if sent is not None and self.queue.died(sent.job, self.claimant) >= MOST_DEATHS:
                self._set_aside(self._sent.pop(key))

    def _set_aside(self, sent: SentJob) -> None:
        self.connection.end(sent.key, sent.future)
        said = (
            f"{MOST_DEATHS} workers ended during this job, perhaps for lack of memory: choose a"
            " smaller size, or retry this job alone"
        )
        self.queue.fail(sent.job, self.claimant, said)
        self.changed(sent.job)

    def _look(self) -> None:
        """Tell the queue how far jobs are; give up what a person has paused or removed."""
        now = time.monotonic()
        if now - self._looked < LOOK_SECONDS:
            return
        self._looked = now
        begun = {worker.key: worker for worker in self.workers if worker.key}
        states = self.queue.states(self.claimant)
        for key, sent in list(self._sent.items()):
            if states.get(sent.job.id) != "running":
                self._give_up(self._sent.pop(key))
            elif worker := begun.get(key):
                small = self.connection.thumbnail(worker)
                self.queue.report(sent.job, self.claimant, worker.iteration, worker.total, small)
                self.changed(sent.job)
        for key, sent in self._bringing.waiting.items():
            if states.get(sent.job.id) != "running":
                self._give_up(self._bringing.drop(key))

    def _give_up(self, sent: SentJob) -> None:
        self.connection.end(sent.key, sent.future)
        self.queue.sent(sent.job, self.claimant, "")
        self.queue.release(sent.job, self.claimant)
        self.changed(sent.job)

    # -- fetching -------------------------------------------------------------------------

    def _fetch(self) -> None:
        for key, sent in list(self._sent.items()):
            if not sent.future.done():
                continue
            if self.connection.lost():
                return
            try:
                data = (
                    None if sent.future.status != "finished" else self.connection.fetch(sent.future)
                )
                if data is None and sent.future.status == "finished":
                    continue
            except Exception:
                data = None  # lost since, or an error of Dask's own: see below
            del self._sent[key]
            if data is None:
                self._lost(sent)
                continue
            try:
                self._take(sent, unpack_returned(data))
            except PareidoliaError as error:
                self._fail(sent.job, error)
            self.changed(sent.job)

    def _lost(self, sent: SentJob) -> None:
        """Send a job again whose result will never arrive, unless that has happened too often."""
        sent.losses += 1
        if sent.future.status in ("cancelled", "lost"):  # perhaps with the connection only
            try:
                again = self.connection.adopt(sent.key)
            except ConnectionError:
                self.queue.release(sent.job, self.claimant)
                raise
            if again is not None:
                self._sent[sent.key] = replace(sent, future=again)
                return
        if sent.losses < MOST_LOSSES:
            self._sender.again(sent)
            return
        error = sent.future.exception(timeout=1) if sent.future.status == "error" else None
        self.connection.forget([sent.key])
        said = (
            f"the cluster could not do it ({error!r})" if error else "the cluster lost it too often"
        )
        self.queue.fail(sent.job, self.claimant, said, 1, self.retries)

    def _take(self, sent: SentJob, returned: Returned) -> None:
        job = sent.job
        if returned.state == "missing":
            self._bringing.bring(sent, returned.worker)
            return
        if returned.state == "stopped":  # by whoever had it before: it begins anew
            self._sender.again(sent)
            return
        if returned.state != "done":
            self._keep(job.output, returned)
            self._forget(sent)
            if returned.traceback:
                self.queue.fail(job, self.claimant, self._unexpected(returned), 1, self.retries)
            else:
                self._failed(job, returned.failure, returned.exit_code)
            return
        self._keep(job.output, returned)
        forget_partial(job.output, returned.recipe, job.open_precision)
        figures = dict(returned.figures, output=str(job.output))
        if "figure" in figures:
            figures["figure"] = str(figure(job.output))
        if returned.note:
            figures["note"] = self.worded(returned.note)
        self.queue.finish(job, self.claimant, figures, returned.files.get("thumbnail"))
        self._forget(sent)

    def _keep(self, output: Path, returned: Returned) -> None:
        """Write what came; the picture last, so that if it is there, all that belongs to it is, too."""
        places = {"partial": partial(output), "figure": figure(output), "picture": output}
        for name, path in places.items():
            if name in returned.files:
                with replacing(path) as file:
                    file.write(returned.files[name])

    def _forget(self, sent: SentJob) -> None:
        self.connection.forget([sent.key])
        sent.future.release()

    def _unexpected(self, returned: Returned) -> str:
        try:
            error = RemoteError(self.worded(returned.failure))
            error.add_note(returned.traceback)
            raise error
        except RemoteError as raised:
            return self.explained(raised)

    def _fail(self, job: QueuedJob, error: PareidoliaError) -> None:
        self._failed(job, error, error.exit_code)

    def _failed(self, job: QueuedJob, said: Message | PareidoliaError, code: int) -> None:
        self.queue.fail(job, self.claimant, self.worded(said), code, self.retries)

    # -- networks -------------------------------------------------------------------------

    def _arrived(self) -> None:
        """Send jobs again whose network has arrived."""
        for sent, worker, error in self._bringing.arrived():
            if error is not None:
                sent.losses += 1
            if isinstance(error, PareidoliaError) and sent.losses >= MOST_LOSSES:
                self.connection.forget([sent.key])
                self._fail(sent.job, error)
                self.changed(sent.job)
                continue
            self._sender.again(sent, worker)
