"""A process that runs the jobs of a batch's queue, and how it is ended."""

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import FrameType

from cli.guard import log_error, say
from cli.interrupting import Ended, end
from cli.wording import worded
from engine.errors import PareidoliaError
from engine.work.queue import Queue
from engine.work.worker import Worker

GRACE_SECONDS = 10.0
"""Seconds that workers have to end after the second request."""


class _Asked:
    """Tells whether the parent process has asked this one to end, or is gone."""

    def __init__(self) -> None:
        self.asked = False
        self.parent = multiprocessing.parent_process()

    def __call__(self) -> bool:
        return self.asked or (self.parent is not None and not self.parent.is_alive())

    def on_signal(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            end(number, frame)
        self.asked = True


def make_jobs(path: str, retries: int, workers: int, keep_every: float) -> None:
    """Run the jobs of a queue until none waits: a worker process's whole life."""
    asked = _Asked()
    # Ctrl-C reaches all processes of the terminal; the parent tells the others.
    for name in ("SIGINT", "SIGHUP", "SIGBREAK"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    signal.signal(signal.SIGTERM, asked.on_signal)
    with suppress(Ended):
        try:
            if workers > 1 and "OMP_NUM_THREADS" not in os.environ:
                _share_cores(workers)
            with Queue(Path(path)) as queue, queue.claimant() as claimant:
                Worker(
                    queue,
                    claimant,
                    asked=asked,
                    retries=retries,
                    worded=worded,
                    explained=explained,
                    keep_every=keep_every,
                ).work()
        except PareidoliaError as error:
            say(worded(error))
            sys.exit(1)


def _share_cores(workers: int) -> None:
    import torch

    from engine.device import cores

    torch.set_num_threads(max(1, cores() // workers))


def explained(error: Exception) -> str:
    """Put an unexpected failure into words."""
    return f"unexpected error ({error!r}); details in {log_error()}"


def ask_to_end(children: Sequence[BaseProcess]) -> None:
    """Ask workers to end after their current iteration."""
    for child in children:
        with suppress(OSError, ValueError):
            child.terminate()


def end_all(children: Sequence[BaseProcess]) -> None:
    """Make sure that no worker is left, whatever has happened."""
    ask_to_end(children)
    until = time.monotonic() + GRACE_SECONDS
    for child in children:
        child.join(max(0.0, until - time.monotonic()))
        if child.is_alive():
            child.kill()
            child.join()
        child.close()
