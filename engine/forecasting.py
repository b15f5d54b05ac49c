"""How long a job will take and how much memory, known before it runs."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from engine.device import available_memory, peak_memory, reset_peak_memory
from engine.errors import Cancelled
from engine.job import Job, prepare
from engine.memory import check_fits, explained, remembered
from engine.networks.network import Network
from engine.task import Stage, Task

LEAST_ITERATIONS = 3
"""One to warm up, two to measure."""
MOST_ITERATIONS = 25
LONG_ENOUGH = 0.5
"""Seconds; quick iterations are measured for this long, less where errors of many parts even out."""


@dataclass(frozen=True)
class Forecast:
    """What a run will take."""

    seconds: float
    memory: int
    """Bytes at the peak: of the card's memory on a GPU, else of the whole process."""
    available: int
    """Bytes that could be taken in all."""

    @property
    def fits(self) -> bool:
        """Whether there is memory enough."""
        return self.memory <= self.available


@dataclass(frozen=True)
class _Measured:
    set_up: float
    """Seconds before the first iteration."""
    each: float
    """Seconds per iteration."""
    iterations: int


def forecast(
    job: Job, network: Network | None = None, cancelled: Callable[[], bool] = lambda: False
) -> Forecast:
    """Run a few iterations at the smallest and the largest size and add up the plan.

    Set-up and iterations grow as a + b * pixels between the two; the memory is that of the
    largest size. A technique whose steps take longer in some parts of a run than in others says so
    by a method `parts`, which returns a task for each; then all are measured. Nothing is kept of
    the probe's pictures. Raises what `run` raises, and `Cancelled` at the next iteration once
    `cancelled` returns True.
    """
    task = prepare(job, network)
    check_fits(task)
    split = getattr(task.technique, "parts", None)
    parts: list[Task] = [task] if split is None else split(task)
    with explained(task):
        stage = parts[0].technique.stages(parts[0])[0]
        _probe(parts[0], stage, cancelled, 1)  # what only a program's first run pays for
        found = [_measured(part, cancelled, LONG_ENOUGH / len(parts) ** 0.5) for part in parts]
    seconds = sum(seconds for seconds, _ in found)
    return Forecast(seconds, max(memory for _, memory in found), _in_all(task))


def _measured(task: Task, cancelled: Callable[[], bool], enough: float) -> tuple[float, int]:
    """Return the seconds and the memory of a run whose iterations differ by their size alone."""
    plan = task.technique.stages(task)
    smallest, largest = _pixels(plan[0]), _pixels(plan[-1])
    reset_peak_memory(task.device)
    at_largest = _probe(task, plan[-1], cancelled, enough=enough)
    memory = peak_memory(task.device)
    at_smallest = at_largest
    if smallest < largest:
        at_smallest = _probe(task, plan[0], cancelled, enough=enough)
    memory += remembered(task, largest, already=at_largest.iterations - 1)

    def seconds(stage: Stage) -> float:
        share = (_pixels(stage) - smallest) / max(largest - smallest, 1)
        set_up = at_smallest.set_up + share * (at_largest.set_up - at_smallest.set_up)
        each = at_smallest.each + share * (at_largest.each - at_smallest.each)
        return set_up + stage.iterations * each

    return sum(seconds(stage) for stage in plan), memory


def _probe(
    task: Task,
    stage: Stage,
    cancelled: Callable[[], bool],
    most: int = MOST_ITERATIONS,
    enough: float = LONG_ENOUGH,
) -> _Measured:
    """Run iterations at the stage's size until their time is known."""
    alone = replace(
        task,
        technique=task.technique.at_one_size(most),
        size=max(stage.size),
        generator=task.generator.clone_state(),
    )
    began = time.perf_counter()
    moments = []
    for _ in alone.technique.frames(alone):
        moments.append(time.perf_counter())
        if cancelled():
            raise Cancelled("the forecast was given up")
        if len(moments) >= LEAST_ITERATIONS and moments[-1] - moments[0] >= enough:
            break
    each = (moments[-1] - moments[0]) / max(len(moments) - 1, 1)
    return _Measured(max(moments[0] - began - each, 0.0), each, len(moments))


def _pixels(stage: Stage) -> int:
    return stage.size[0] * stage.size[1]


def _in_all(task: Task) -> int:
    """Return what the run may take in all, counted as `peak_memory` counts."""
    import psutil
    import torch

    if task.device.type == "cuda":
        own = torch.cuda.memory_allocated(task.device)
    else:
        own = psutil.Process().memory_info().rss
    return available_memory(task.device) + own
