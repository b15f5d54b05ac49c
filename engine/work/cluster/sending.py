"""Jobs of a queue on their way to a scheduler: claimed, packed with all that they read, and sent."""

import secrets
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from engine.errors import BadInput, PareidoliaError
from engine.work.cluster.connection import Connection
from engine.work.cluster.networks import network_of
from engine.work.cluster.parcel import pack, parcel_of
from engine.work.naming import is_complete, is_made
from engine.work.queue import Queue, QueuedJob

WITHOUT_SECONDS = 30.0
"""Seconds for a worker to appear that has the device a job needs."""


@dataclass
class SentJob:
    """A job at the scheduler."""

    job: QueuedJob
    recipe: dict[str, Any]
    key: str
    future: Any
    losses: int = 0


class Sender:
    """Sends the jobs of a queue, and knows which are at the scheduler.

    `send` and `again` raise `ConnectionError`; the jobs concerned then wait again.
    """

    def __init__(
        self,
        queue: Queue,
        claimant: str,
        connection: Connection,
        *,
        thumbnails: float | None,
        failed: Callable[[QueuedJob, PareidoliaError], None],
        changed: Callable[[QueuedJob], None],
    ) -> None:
        """Send for a claimant of `queue`.

        Args:
            queue: this thread's own.
            claimant: whose claims they are.
            connection: to the scheduler.
            thumbnails: seconds between two small pictures of a running job; None: only of the result.
            failed: told of a job that cannot be sent, and why.
            changed: told of each job that was claimed.
        """
        self.queue, self.claimant, self.connection = queue, claimant, connection
        self.thumbnails, self._failed, self._changed = thumbnails, failed, changed
        self.sent: dict[str, SentJob] = {}
        """What is at the scheduler, by key."""
        self._next: tuple[QueuedJob, float] | None = None
        """A job whose device no worker has, and since when."""
        self._there: set[str] | None = None
        """Keys of jobs that the scheduler held at the start; None: not asked yet."""

    @property
    def waits_for_device(self) -> bool:
        """Whether a claimed job needs a device that no worker has."""
        return self._next is not None

    def send(self, room: int, devices: Collection[str]) -> None:
        """Claim and send up to `room` jobs for the `devices` that are there."""
        batch: dict[str, tuple[bytes, str]] = {}
        chosen: dict[str, SentJob] = {}
        if self._there is None:
            self._there = self._tidied()
        try:
            for _ in range(room):
                job = self._claimed(devices)
                if job is None:
                    break
                try:
                    self._prepare(job, batch, chosen)
                except PareidoliaError as error:
                    self._failed(job, error)
                except ConnectionError:
                    self.queue.release(job, self.claimant)
                    raise
                self._changed(job)
            for key, future in self.connection.send(batch, {}).items():
                chosen[key].future = future
                self.sent[key] = chosen[key]
        except ConnectionError:
            for sent in chosen.values():
                self.queue.release(sent.job, self.claimant)
            raise

    def again(self, sent: SentJob, near: str = "") -> None:
        """Send a job again, under a new key; rather to the worker at the address `near`."""
        self.connection.forget([sent.key])
        try:
            data = self._packed(sent.job, sent.recipe)
        except PareidoliaError as error:
            self._failed(sent.job, error)
            return
        key = self._key()
        self.queue.sent(sent.job, self.claimant, key)
        there = any(worker.address == near for worker in self.connection.workers())
        preferred = {key: near} if there else {}
        try:
            futures = self.connection.send({key: (data, sent.recipe["device"])}, preferred)
        except ConnectionError:
            self.queue.release(sent.job, self.claimant)
            raise
        self.sent[key] = SentJob(sent.job, sent.recipe, key, futures[key], sent.losses)

    # -- within ---------------------------------------------------------------------------

    def _tidied(self) -> set[str]:
        """Return what the scheduler holds of this queue; what the queue does not know is forgotten."""
        there = self.connection.published()
        known = set(self.queue.keys_sent())
        self.connection.forget(there - known)
        return there & known

    def _claimed(self, devices: Collection[str]) -> QueuedJob | None:
        if self._next is None:
            job = self.queue.claim(self.claimant)
            if job is None:
                return None
            self._next = job, time.monotonic()
        job, since = self._next
        device = self.queue.recipe(job.id)["device"]
        if device in ("auto", "cpu") or device in devices:
            self._next = None
            return job
        if time.monotonic() - since > WITHOUT_SECONDS:
            self._next = None
            said = f"no worker of the cluster has {device}: start one on a machine that has"
            self._failed(job, BadInput(said))
        return None

    def _prepare(
        self, job: QueuedJob, batch: dict[str, tuple[bytes, str]], chosen: dict[str, SentJob]
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
        if key in (self._there or ()) and (future := self.connection.adopt(key)) is not None:
            self.sent[key] = SentJob(job, recipe, key, future)
            return
        data = self._packed(job, recipe)
        key = self._key()
        self.queue.sent(job, self.claimant, key)  # before: what nobody remembers cannot be fetched
        batch[key] = data, recipe["device"]
        chosen[key] = SentJob(job, recipe, key, None)

    def _packed(self, job: QueuedJob, recipe: dict[str, Any]) -> bytes:
        network, _path = network_of(recipe)
        topic, often = self.connection.topic, self.thumbnails
        return pack(parcel_of(recipe, job.bits, job.output, network, topic, often, job.export))

    def _key(self) -> str:
        return f"{self.connection.topic}-{secrets.token_hex(8)}"
