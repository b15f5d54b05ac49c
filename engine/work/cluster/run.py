"""A queue worked off by a cluster: no more is sent than its workers soon begin.

The queue's file remembers what was sent. Whoever opens it again finds what has been finished
meanwhile at the scheduler; what is lost there is sent again.
"""

import hashlib
import os
import secrets
import time
import uuid
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from engine.errors import BadInput, Message, PareidoliaError
from engine.files import replacing
from engine.work.cluster.connection import ClusterWorker, Connection
from engine.work.cluster.networks import SentNetwork, network_of
from engine.work.cluster.parcel import Returned, pack, parcel_of, unpack_returned
from engine.work.making import figure, partial
from engine.work.naming import forget_partial, is_complete, is_made
from engine.work.queue import MOST_DEATHS, Queue, QueuedJob

AHEAD = 2
"""Jobs that are sent for each device: one that runs, and one that can begin at once."""
LOOK_SECONDS = 0.5
"""Between two looks at what a person has done to the queue."""
WITHOUT_SECONDS = 30.0
"""For a worker to appear that has the device which a job needs."""
MOST_LOSSES = 5
"""A job that was lost so often without a reason is set aside."""


@dataclass
class _Sent:
    """A job at the scheduler."""

    job: QueuedJob
    recipe: dict[str, Any]
    key: str
    future: Any
    losses: int = 0


@dataclass(frozen=True)
class WorkerState:
    """A worker as a person sees it."""

    name: str
    device: str
    title: str
    """Of the job that it works on; empty: it works on none of this queue."""
    iteration: int
    total: int
    """0: not known yet."""


class RemoteError(Exception):
    """What nobody expected, on another machine; its traceback is a note of it."""


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
    ) -> None:
        """Work on `queue` under a name from `Queue.claimant`; the rest as for `Worker`."""
        self.queue, self.claimant, self.connection = queue, claimant, connection
        self.retries, self.worded, self.explained = retries, worded, explained
        self.changed = changed
        self.workers: list[ClusterWorker] = []
        """Who was there at the last step, and what each did."""
        self.holding = False
        """Whether no more is to be sent."""
        self._sent: dict[str, _Sent] = {}
        self._next: tuple[QueuedJob, float] | None = None
        """A job for whose device there is nobody, and since when."""
        self._bringing = ThreadPoolExecutor(1, "networks")
        self._brought: dict[tuple[str, str], Future[None]] = {}
        """What is being sent: to which worker, which network."""
        self._bounced: dict[str, tuple[_Sent, tuple[str, str]]] = {}
        """Jobs that wait for their network."""
        self._looked = 0.0
        self._there = self._tidied()
        """Keys of jobs that the scheduler held from the beginning."""

    def close(self) -> None:
        """End what was begun; jobs that were sent stay where they are."""
        for future in self._brought.values():
            future.cancel()
        self._bringing.shutdown()

    def __enter__(self) -> "ClusterRun":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def busy(self) -> bool:
        """Whether anything is under way."""
        return bool(self._sent or self._bounced or self._next)

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
        more = self._send() if not self.holding else False
        return more or self.busy

    def leave(self) -> int:
        """Take back what nobody has begun; return how many go on, to be fetched another time."""
        begun = self.connection.begun()
        idle = [key for key in self._sent if key not in begun and not self._sent[key].future.done()]
        for sent in [self._sent.pop(key) for key in idle]:
            self.connection.end(sent.key, sent.future)
            self.queue.sent(sent.job, self.claimant, "")
        return len(self._sent)

    # -- sending --------------------------------------------------------------------------

    def _tidied(self) -> set[str]:
        """Return what the scheduler holds of this queue; what the queue does not know goes."""
        there = self.connection.published()
        known = set(self.queue.keys_sent()) | set(self._sent)
        self.connection.forget(there - known)
        return there & known

    def _room(self) -> int:
        return AHEAD * len(self.workers) - len(self._sent) - len(self._bounced)

    def _send(self) -> bool:
        """Send as much as there is room for; return whether jobs still wait."""
        batch: dict[str, tuple[bytes, str]] = {}
        chosen: dict[str, _Sent] = {}
        try:
            for _ in range(self._room()):
                job = self._claimed()
                if job is None:
                    break
                try:
                    self._prepare(job, batch, chosen)
                except PareidoliaError as error:
                    self._fail(job, error, error.exit_code)
                except ConnectionError:
                    self.queue.release(job, self.claimant)
                    raise
                self.changed(job)
            for key, future in self.connection.send(batch, {}).items():
                chosen[key].future = future
                self._sent[key] = chosen[key]
        except ConnectionError:
            for sent in chosen.values():
                self.queue.release(sent.job, self.claimant)
            raise
        return self.queue.waits()

    def _claimed(self) -> QueuedJob | None:
        if self._next is None:
            job = self.queue.claim(self.claimant)
            if job is None:
                return None
            self._next = job, time.monotonic()
        job, since = self._next
        device = self.queue.recipe(job.id)["device"]
        if device in ("auto", "cpu") or any(w.device == device for w in self.workers):
            self._next = None
            return job
        if time.monotonic() - since > WITHOUT_SECONDS:
            self._next = None
            said = f"no worker of the cluster has {device}: start one on a machine that has"
            self._fail(job, BadInput(said), BadInput.exit_code)
        return None

    def _prepare(
        self, job: QueuedJob, batch: dict[str, tuple[bytes, str]], chosen: dict[str, _Sent]
    ) -> None:
        """Find a job's picture here or at the scheduler, or make it ready to be sent."""
        recipe = self.queue.recipe(job.id)
        if is_made(job.output, recipe, job.bits, job.open_precision):
            if is_complete(job.output, recipe):
                self.queue.finish(job, self.claimant, {"output": str(job.output), "skipped": True})
                return
        elif job.output.exists():
            raise BadInput(
                f"{job.output} already exists and was made differently: move it, or choose another"
                " folder"
            )
        key = self.queue.key_sent(job.id)
        if key in self._there and (future := self.connection.adopt(key)) is not None:
            self._sent[key] = _Sent(job, recipe, key, future)
            return
        data = self._packed(job, recipe)[0]
        key = f"{self.connection.topic}-{secrets.token_hex(8)}"
        self.queue.sent(job, self.claimant, key)  # before: what nobody remembers cannot be fetched
        batch[key] = data, recipe["device"]
        chosen[key] = _Sent(job, recipe, key, None)

    def _packed(self, job: QueuedJob, recipe: dict[str, Any]) -> tuple[bytes, SentNetwork, Path]:
        network, path = network_of(recipe)
        parcel = parcel_of(recipe, job.bits, job.output, network, self.connection.topic)
        return pack(parcel), network, path

    def _again(self, sent: _Sent, near: str = "") -> None:
        """Send a job again, under a new key."""
        self.connection.forget([sent.key])
        try:
            data = self._packed(sent.job, sent.recipe)[0]
        except PareidoliaError as error:
            self._fail(sent.job, error, error.exit_code)
            return
        key = f"{self.connection.topic}-{secrets.token_hex(8)}"
        self.queue.sent(sent.job, self.claimant, key)
        preferred = {key: near} if any(w.address == near for w in self.workers) else {}
        try:
            futures = self.connection.send({key: (data, sent.recipe["device"])}, preferred)
        except ConnectionError:
            self.queue.release(sent.job, self.claimant)
            raise
        self._sent[key] = _Sent(sent.job, sent.recipe, key, futures[key], sent.losses)

    # -- looking --------------------------------------------------------------------------

    def _bury(self) -> None:
        """Count for each job the workers that it has killed, and set aside one that kills them all."""
        for key in self.connection.deaths():
            sent = self._sent.get(key)
            if sent is not None and self.queue.died(sent.job, self.claimant) >= MOST_DEATHS:
                self._set_aside(self._sent.pop(key))

    def _set_aside(self, sent: _Sent) -> None:
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
                self.queue.report(sent.job, self.claimant, worker.iteration, worker.total)
                self.changed(sent.job)
        for key, (sent, _) in list(self._bounced.items()):
            if states.get(sent.job.id) != "running":
                del self._bounced[key]
                self._give_up(sent)

    def _give_up(self, sent: _Sent) -> None:
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
                data = None  # lost meanwhile, or an error of Dask's own: see below
            del self._sent[key]
            if data is None:
                self._lost(sent)
                continue
            try:
                self._take(sent, unpack_returned(data))
            except PareidoliaError as error:
                self._fail(sent.job, error, error.exit_code)
            self.changed(sent.job)

    def _lost(self, sent: _Sent) -> None:
        """Send a job again whose result there will never be, unless that happens too often."""
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
            self._again(sent)
            return
        error = sent.future.exception(timeout=1) if sent.future.status == "error" else None
        self.connection.forget([sent.key])
        said = (
            f"the cluster could not do it ({error!r})" if error else "the cluster lost it too often"
        )
        self.queue.fail(sent.job, self.claimant, said, 1, self.retries)

    def _take(self, sent: _Sent, returned: Returned) -> None:
        job = sent.job
        if returned.state == "missing":
            self._bounce(sent, returned.worker)
            return
        if returned.state == "stopped":  # by whoever had it before: it begins anew
            self._again(sent)
            return
        if returned.state != "done":
            self._keep(job.output, returned)
            self._forget(sent)
            if returned.traceback:
                self.queue.fail(job, self.claimant, self._unexpected(returned), 1, self.retries)
            else:
                self._fail(job, returned.failure, returned.exit_code)
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
        """Write what came; the picture last, so that one that is there has all that belongs to it."""
        places = {"partial": partial(output), "figure": figure(output), "picture": output}
        for name, path in places.items():
            if name in returned.files:
                with replacing(path) as file:
                    file.write(returned.files[name])

    def _forget(self, sent: _Sent) -> None:
        self.connection.forget([sent.key])
        sent.future.release()

    def _unexpected(self, returned: Returned) -> str:
        try:
            error = RemoteError(self.worded(returned.failure))
            error.add_note(returned.traceback)
            raise error
        except RemoteError as raised:
            return self.explained(raised)

    def _fail(self, job: QueuedJob, said: Message | PareidoliaError, code: int) -> None:
        self.queue.fail(job, self.claimant, self.worded(said), code, self.retries)

    # -- networks -------------------------------------------------------------------------

    def _bounce(self, sent: _Sent, worker: str) -> None:
        """Bring a worker the network that it lacks, once, and then send the job again."""
        network, path = network_of(sent.recipe)
        which = worker, network.key
        if which not in self._brought:
            self._brought[which] = self._bringing.submit(
                self.connection.bring, network, path, worker
            )
            self._brought[which].add_done_callback(lambda _: self.connection.woken.set())
        self._bounced[sent.key] = sent, which

    def _arrived(self) -> None:
        """Send jobs again whose network has arrived."""
        for key, (sent, which) in list(self._bounced.items()):
            bringing = self._brought.get(which)
            if bringing is not None and not bringing.done():
                continue
            del self._bounced[key]
            error = None if bringing is None else bringing.exception()
            if error is not None:
                sent.losses += 1
                self._brought.pop(which, None)
            if isinstance(error, PareidoliaError) and sent.losses >= MOST_LOSSES:
                self.connection.forget([sent.key])
                self._fail(sent.job, error, error.exit_code)
                self.changed(sent.job)
                continue
            self._again(sent, which[0])
        if not self._bounced:
            self._brought = {w: f for w, f in self._brought.items() if not f.done()}
