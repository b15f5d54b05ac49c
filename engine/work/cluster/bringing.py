"""Networks on their way to workers that lack them, and the jobs that wait for that."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from engine.work.cluster.connection import Connection
from engine.work.cluster.networks import network_of
from engine.work.cluster.sending import SentJob


class Bringing:
    """Brings networks to workers, one file after the other, each once."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._threads = ThreadPoolExecutor(1, "networks")
        self._brought: dict[tuple[str, str], Future[None]] = {}
        """What is being sent: to which worker, which network."""
        self._waiting: dict[str, tuple[SentJob, tuple[str, str]]] = {}
        """Jobs that wait for their network, by key."""

    def close(self) -> None:
        """Stop what was begun."""
        for future in self._brought.values():
            future.cancel()
        self._threads.shutdown()

    @property
    def waiting(self) -> dict[str, SentJob]:
        """Jobs that wait for their network, by key."""
        return {key: sent for key, (sent, _) in self._waiting.items()}

    def bring(self, sent: SentJob, worker: str) -> None:
        """Bring a worker the network that it lacks for a job, which waits meanwhile.

        Raises `PareidoliaError` when the network is not here any more.
        """
        network, path = network_of(sent.recipe)
        which = worker, network.key
        if which not in self._brought:
            self._brought[which] = self._threads.submit(
                self.connection.bring, network, path, worker
            )
            self._brought[which].add_done_callback(lambda _: self.connection.woken.set())
        self._waiting[sent.key] = sent, which

    def drop(self, key: str) -> SentJob:
        """Stop a job's waiting; return it."""
        return self._waiting.pop(key)[0]

    def arrived(self) -> Iterator[tuple[SentJob, str, BaseException | None]]:
        """Yield the jobs that need not wait any more, each with its worker and any error.

        Those that are not drawn from this go on waiting.
        """
        for key, (sent, which) in list(self._waiting.items()):
            bringing = self._brought.get(which)
            if bringing is not None and not bringing.done():
                continue
            del self._waiting[key]
            error = None if bringing is None else bringing.exception()
            if error is not None:
                self._brought.pop(which, None)
            yield sent, which[0], error
        if not self._waiting:
            self._brought = {w: f for w, f in self._brought.items() if not f.done()}
