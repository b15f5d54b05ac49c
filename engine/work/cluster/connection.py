"""A client of a Dask scheduler: who works there, jobs sent and fetched, networks brought along.

A job is a task whose function is given by its name (`on_worker.MAKE`) and whose argument is bytes.
A task is also published under its own key: it, or its result, stays at the scheduler while this
program is away.
"""

import operator
import pkgutil
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from engine.errors import BadInput, PareidoliaError
from engine.work.cluster import on_worker
from engine.work.cluster.address import SchedulerAddress, check_dask, quiet_dask
from engine.work.cluster.networks import SentNetwork, parts_of

CONNECT_SECONDS = 10.0
"""Seconds for a scheduler to answer, at first and whenever it is gone; then it is given up."""
LOOK_SECONDS = 1.0
"""Seconds between two looks at who works there."""
FETCH_SECONDS = 20.0
"""Seconds for a result to arrive before other things are attended to again."""
DEVICE = "pareidolia"
"""The resource of which a worker offers one for each of its devices, and a job takes one."""


@dataclass(frozen=True)
class ClusterWorker:
    """A worker, and what it does."""

    address: str
    name: str
    device: str
    """cpu, cuda or mps."""
    key: str = ""
    """The key of the job that it works on, if it is one of ours."""
    iteration: int = 0
    total: int = 0
    """0 while not known."""


class SchedulerLost(PareidoliaError):
    """The scheduler has not answered for a while."""


class Connection:
    """A connected client; for one thread. Closed by `close` or a `with` statement.

    Raises `BadInput` when nobody answers, or something other than a scheduler does.
    """

    def __init__(self, where: SchedulerAddress, topic: str) -> None:
        """Connect. This client's keys and messages begin with `topic`."""
        check_dask()
        quiet_dask()
        security = where.security()
        from distributed import Client

        self.where, self.topic = where, topic
        self.woken = threading.Event()
        """Set when something has happened."""
        self._reports: dict[str, tuple[str, int, int]] = {}
        """What each worker said last: key, iteration, total."""
        self._thumbnails: dict[str, tuple[str, bytes]] = {}
        """The newest small picture of each worker, until it is asked for, and its job's key."""
        self._deaths: list[str] = []
        self._lock = threading.Lock()
        self._workers: list[ClusterWorker] = []
        self._looked = 0.0
        try:
            self._client = Client(
                where.address, security=security, timeout=CONNECT_SECONDS, set_as_default=False,
                direct_to_workers=False, name="pareidolia",
            )  # fmt: skip
        except Exception as error:  # Dask's, tornado's and the system's own ways
            raise BadInput(_no_answer(where, error)) from None
        self._client.subscribe_topic(topic, self._on_report)
        self._client.subscribe_topic("all", self._on_event)

    def close(self) -> None:
        """Let go of the scheduler; what was published stays there."""
        with suppress(Exception):
            for topic in (self.topic, "all"):
                # Else the scheduler tries to tell this client that it has gone, and complains.
                self._client.unsubscribe_topic(topic)
            self._client.close(timeout=3)

    def __enter__(self) -> "Connection":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def lost(self) -> bool:
        """Whether there is no connection now. Raises `SchedulerLost` when that lasts too long."""
        if self._client.status == "closed":
            raise SchedulerLost(
                f"the scheduler at {self.where.address} does not answer any more: when it does,"
                " start again to go on"
            )
        return bool(self._client.status != "running")

    def wait(self, seconds: float) -> None:
        """Wait until something has happened, but at most for `seconds`."""
        self.woken.wait(seconds)
        self.woken.clear()

    # -- who works there ------------------------------------------------------------------

    def workers(self) -> list[ClusterWorker]:
        """Return who works there, by name."""
        now = time.monotonic()
        if now - self._looked >= LOOK_SECONDS:
            self._looked = now
            with suppress(Exception):  # lost: the last ones known
                found = self._client.scheduler_info()["workers"]
                self._workers = sorted(
                    (
                        _worker(address, known)
                        for address, known in found.items()
                        if known.get("resources", {}).get(DEVICE)
                    ),
                    key=lambda worker: worker.name,
                )
        with self._lock:
            reports = dict(self._reports)
        return [_doing(worker, reports.get(worker.address)) for worker in self._workers]

    def begun(self) -> dict[str, ClusterWorker]:
        """Return whoever works on one of our jobs, by its key."""
        return {worker.key: worker for worker in self.workers() if worker.key}

    def thumbnail(self, worker: ClusterWorker) -> bytes | None:
        """Return the newest small picture (JPEG) of what a worker makes; None if no new one has come."""
        with self._lock:
            key, data = self._thumbnails.pop(worker.address, ("", None))
        return data if key == worker.key else None

    def deaths(self) -> list[str]:
        """Return the keys of jobs whose worker has died since this was last asked."""
        with self._lock:
            found, self._deaths = self._deaths, []
        return found

    def _on_report(self, event: tuple[float, Any]) -> None:
        said = event[1]
        with self._lock:
            self._reports[said["worker"]] = said["key"], said["iteration"], said["total"]
            if "thumbnail" in said:
                self._thumbnails[said["worker"]] = said["key"], said["thumbnail"]
        self.woken.set()

    def _on_event(self, event: tuple[float, Any]) -> None:
        said = event[1]
        if not isinstance(said, dict) or said.get("action") != "remove-worker":
            return
        with self._lock:
            known = self._reports.pop(said["worker"], None)
            self._thumbnails.pop(said["worker"], None)
            had = [key for key in said["processing-tasks"] if str(key).startswith(self.topic)]
            if not said.get("expected"):
                # Of the jobs that it was given, only one had begun.
                self._deaths += [known[0]] if known and known[0] in had else had
        self.woken.set()

    # -- jobs -----------------------------------------------------------------------------

    def published(self) -> set[str]:
        """Return the keys of our jobs that the scheduler holds. Raises `ConnectionError`."""
        with _asking():
            names = map(str, self._client.list_datasets())
        return {name for name in names if name.startswith(self.topic)}

    def send(
        self, jobs: Mapping[str, tuple[bytes, str]], preferred: Mapping[str, str]
    ) -> dict[str, Any]:
        """Send jobs; return their futures. Raises `ConnectionError`.

        Args:
            jobs: bytes and device, by key.
            preferred: for some of them, the worker that should rather get it, by key.
        """
        from dask.task_spec import Task

        futures = {}
        with _asking():
            for key, (data, device) in jobs.items():
                resources = {DEVICE: 1}
                if device in ("cuda", "mps"):
                    resources[f"{DEVICE}-{device}"] = 1
                rather: dict[str, Any] = {}
                if key in preferred:
                    rather = {"workers": [preferred[key]], "allow_other_workers": True}
                # The name is looked up on the worker: the scheduler would have to import a function.
                future = self._client.submit(
                    operator.call, Task(None, pkgutil.resolve_name, on_worker.MAKE), data,
                    key=key, resources=resources, pure=False, **rather,
                )  # fmt: skip
                futures[key] = self._watched(future)
            if futures:
                self._client.publish_dataset(**futures, override=True)
        return futures

    def adopt(self, key: str) -> Any:
        """Return the future of a job that the scheduler holds; None if it no longer does.

        Raises `ConnectionError`.
        """
        with _asking():
            found = self._client.get_dataset(key, default=None)
        return None if found is None else self._watched(found)

    def _watched(self, future: Any) -> Any:
        future.add_done_callback(lambda _: self.woken.set())
        return future

    def fetch(self, future: Any) -> Any:
        """Return the bytes of a job's result; None if they have not arrived yet."""
        try:
            return future.result(timeout=FETCH_SECONDS)
        except TimeoutError:
            return None

    def forget(self, keys: Iterable[str]) -> None:
        """Let the scheduler forget jobs and their results."""
        for key in keys:
            with suppress(Exception):  # lost: then it is found and forgotten another time
                self._client.unpublish_dataset(key)
            with self._lock:
                self._reports = {a: said for a, said in self._reports.items() if said[0] != key}

    def end(self, key: str, future: Any) -> None:
        """Take a job back; a worker that is on it stops after its current iteration."""
        doing = [worker.address for worker in self.workers() if worker.key == key]
        self.forget([key])
        with suppress(Exception):
            future.cancel()
            if doing:
                self._client.run(on_worker.end, key, workers=doing, on_error="ignore")

    # -- networks -------------------------------------------------------------------------

    def bring(self, sent: SentNetwork, path: Path, address: str) -> None:
        """Send a network's file to a worker. Raises `PareidoliaError`."""
        number = 0
        for data in parts_of(path):
            self._part(sent, number, data, address)
            number += 1
        self._part(sent, number, b"", address)

    def _part(self, sent: SentNetwork, number: int, data: bytes, address: str) -> None:
        try:
            answers = self._client.run(
                on_worker.receive, sent.plain(), number, data, workers=[address]
            )
        except Exception as error:
            raise PareidoliaError(
                f"{sent.file} could not be sent to a worker ({error!r}): it may have ended"
            ) from error
        said = "".join(map(str, answers.values()))
        if said:
            raise PareidoliaError(f"{sent.file} could not be sent to a worker: {said}")


@contextmanager
def _asking() -> Iterator[None]:
    """Turn whatever Dask raises when it cannot reach its scheduler into `ConnectionError`."""
    try:
        yield
    except Exception as error:
        raise ConnectionError(f"the scheduler does not answer ({error!r})") from error


def _worker(address: str, known: Mapping[str, Any]) -> ClusterWorker:
    offers = known["resources"]
    device = next((d for d in ("cuda", "mps") if offers.get(f"{DEVICE}-{d}")), "cpu")
    return ClusterWorker(address, str(known["name"]), device)


def _doing(worker: ClusterWorker, report: tuple[str, int, int] | None) -> ClusterWorker:
    if report is None:
        return worker
    key, iteration, total = report
    return replace(worker, key=key, iteration=iteration, total=total)


def _no_answer(where: SchedulerAddress, error: Exception) -> str:
    protected = " with these certificates" if where.encrypted else ""
    reason = str(error.__cause__ or error) or type(error).__name__
    if "ssl" in reason.lower() or "certificate" in reason.lower():
        return (
            f"the scheduler at {where.address} is not trusted, or does not trust these certificates"
        )
    return (
        f"no scheduler answers at {where.address}{protected}: start one there (dask scheduler), or"
        " check the address"
    )
