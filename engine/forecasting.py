"""How long a job will take and how much memory, known before it runs."""

import time
from dataclasses import dataclass, replace

from engine.device import available_memory, peak_memory, reset_peak_memory
from engine.errors import OutOfMemory
from engine.job import Job, prepare
from engine.networks.network import Network
from engine.parameterization.scales import fit
from engine.task import Stage, Task

PROBE_ITERATIONS = 3
"""One to warm up, two to measure."""


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


def forecast(job: Job, network: Network | None = None) -> Forecast:
    """Run a few iterations at the smallest and the largest size and add up the plan.

    Set-up and iterations grow as a + b * pixels between the two; the memory is that of the
    largest size. Nothing is kept of the probe's pictures. Raises what `run` raises.
    """
    task = prepare(job, network)
    check_fits(task)
    plan = task.technique.stages(task)
    smallest, largest = _pixels(plan[0]), _pixels(plan[-1])
    reset_peak_memory(task.device)
    at_largest = _probe(task, plan[-1])
    memory = peak_memory(task.device)
    at_smallest = _probe(task, plan[0]) if smallest < largest else at_largest

    def between(stage: Stage, which: int) -> float:
        share = (_pixels(stage) - smallest) / max(largest - smallest, 1)
        return at_smallest[which] + share * (at_largest[which] - at_smallest[which])

    seconds = sum(between(s, 0) + s.iterations * between(s, 1) for s in plan)
    return Forecast(seconds, memory, _in_all(task))


def _probe(task: Task, stage: Stage) -> tuple[float, float]:
    """Return the seconds for set-up and for one iteration at the stage's size."""
    alone = replace(
        task,
        technique=task.technique.at_one_size(PROBE_ITERATIONS),
        size=max(stage.size),
        generator=task.generator.clone_state(),
    )
    began = time.perf_counter()
    moments = [time.perf_counter() for _ in task.technique.frames(alone)]
    each = (moments[-1] - moments[0]) / (len(moments) - 1)
    return max(moments[0] - began - each, 0.0), each


def _pixels(stage: Stage) -> int:
    return stage.size[0] * stage.size[1]


def _in_all(task: Task) -> int:
    """Return what the run may take in all, counted as `peak_memory` counts."""
    import psutil

    own = 0 if task.device.type == "cuda" else psutil.Process().memory_info().rss
    return available_memory(task.device) + own


def check_fits(task: Task) -> None:
    """Raise `OutOfMemory` where the activations alone exceed what is free.

    Without this a Linux machine would kill the program rather than let an allocation fail.
    """
    fitting = size_that_fits(task)
    if fitting < task.size:
        raise OutOfMemory(
            f"{task.network.card.name} at {task.size} pixels needs more memory than is free on "
            f"{task.device.type}; --size {fitting} would fit"
        )


def size_that_fits(task: Task) -> int:
    """Return the largest long side, at most the task's, whose activations fit into free memory."""
    picture = task.content or (task.styles[0][0] if task.styles else None)
    shape = (picture.height, picture.width) if picture is not None else (1, 1)
    probe = 256
    size = fit(shape, probe, least=32)
    calls = task.network.calls(size)
    width = task.network.dtype.itemsize
    elements = sum(_product(c.shape) for c in calls.values() if "." not in c.name or c.kind != "Sequential")
    per_pixel = elements * width / (size[0] * size[1])
    free = available_memory(task.device)
    pixels = 0.9 * free / per_pixel
    ratio = (size[0] * size[1]) / probe**2
    fitting = int((pixels / ratio) ** 0.5)
    return min(task.size, max(fitting // 16 * 16, 16))


def _product(shape: tuple[int, ...]) -> int:
    result = 1
    for n in shape:
        result *= n
    return result
