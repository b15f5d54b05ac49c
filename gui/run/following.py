"""The result of a job, made beside the engine's thread and abandoned once it is stale."""

import threading
import time
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass, replace

from PySide6.QtGui import QImage

from engine.errors import Cancelled
from engine.finish import Finish
from engine.job import Job, frames_of, opened, prepare
from gui.garbage import collect_soon
from gui.run.networks import Networks
from gui.run.turn import Turn
from gui.run.worker import LastFrame, RunRequest, RunResult, become_nice


@dataclass(frozen=True)
class Followed:
    """A picture made for a request."""

    number: int
    """The request's number."""
    job: Job
    """The job as requested."""
    image: QImage
    size: tuple[int, int]
    """Height and width of the result."""
    result: RunResult | None = None
    """None: the picture is not finished yet."""


def followed(
    number: int, job: Job, networks: Networks, turn: Turn, stale: Callable[[], bool],
    useless: Callable[[], bool], threads: int = 0,
) -> Generator[Followed, None, Followed | None]:  # fmt: skip
    """Yield the pictures on the way to a job's result; return the result, or None if it became stale.

    Called in a thread of its own. `stale` is looked at between the layers of the network, from the
    first picture on; before that `useless`: the first one of a slider in motion is painted to its
    end, or there would be none before it rests. Raises what a run raises.
    """
    from engine.stylization.giving_up import given_up_when

    drawn, seen = LastFrame(), threading.Event()
    try:
        with turn.of_window(), given_up_when(lambda: stale() if seen.is_set() else useless()):
            become_nice(threads)
            with closing(_pictures(number, job, networks, drawn)) as pictures:
                for made in pictures:
                    if made.result is not None:
                        return made
                    yield made
                    seen.set()
                    if stale():
                        return None
        return None
    except Cancelled:
        return None
    finally:
        drawn.frame = drawn.task = None
        collect_soon()


def _pictures(
    number: int, wanted: Job, networks: Networks, drawn: LastFrame
) -> Generator[Followed, None, None]:
    from engine.device import choose_device, choose_precision, release_memory

    drawn.began = time.perf_counter()
    job = opened(wanted)
    device = choose_device(job.device)
    dtype = choose_precision(job.precision, device)
    network = networks.get(job.network, job.weights, job.preprocessing).at(device, dtype)
    task = prepare(job, network)
    size = task.technique.stages(task)[-1].size
    drawn.job, drawn.task = job, task
    with closing(frames_of(replace(job, finish=Finish()), task)) as frames:
        for frame in frames:
            drawn.frame = frame
            if frame.iteration == frame.total:
                break
            yield Followed(number, wanted, drawn.image(), size)
    release_memory(device)
    result = drawn.result(RunRequest(0, job), True)
    yield Followed(number, wanted, drawn.image(), size, result)
