"""How much time and memory a job will take, estimated before it runs."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from engine.device import available_memory, peak_memory, reset_peak_memory
from engine.errors import BadInput, Cancelled, is_out_of_memory
from engine.job import Job, prepare
from engine.memory import check_fits, expected_bytes_at, explained, remembered
from engine.networks.network import Network
from engine.task import Lighter, Stage, Task, Technique

Cancelling = Callable[[], bool]

LEAST_ITERATIONS = 3
"""One to warm up, two to measure."""
MOST_ITERATIONS = 25
LONG_ENOUGH = 0.5
"""Seconds for which quick iterations are measured; less where the errors of many parts average
out."""
BUDGET = 5.0
"""Seconds that the measurements of a forecast may take in all, on a usual machine."""
SMALL = 128
"""Long side in pixels at which a first try shows how long a measurement would take."""


@dataclass(frozen=True)
class Forecast:
    """The time and memory of a run."""

    seconds: float
    memory: int
    """Bytes at the peak: of the card's memory on a GPU, otherwise of the whole process."""
    available: int
    """Bytes that are available in all."""

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


@dataclass(frozen=True)
class _Small:
    """What was measured at a fraction of a run's size, with little work per iteration."""

    share: float
    """The measured fraction of the run's long side."""
    measured: _Measured
    lighter: Lighter

    @property
    def at_full_size(self) -> float:
        """Seconds, at most, of the shortest measurement of the run as it is."""
        seconds = self.measured.set_up + LEAST_ITERATIONS * self.measured.each
        return seconds * self.lighter.times / self.share**2


def forecast(
    job: Job, network: Network | None = None, cancelled: Cancelling = lambda: False
) -> Forecast:
    """Run a few iterations at the smallest and the largest size and add up the plan.

    The times of set-up and iterations are taken to be a + b * pixels; the memory is that of the
    largest size. A technique whose steps take longer in some parts of a run than in others has
    several `parts`; then all are measured. Where that might take longer than `BUDGET`, two sizes
    well below are measured instead, of what the technique's `lighter` returns, and the memory is
    estimated. Nothing is kept of the probe's pictures. Raises what `run` raises, and `Cancelled` at
    the next iteration once `cancelled` returns True.
    """
    task = prepare(job, network)
    check_fits(task)
    parts = task.technique.parts(task)
    affordable = BUDGET / len(parts)
    with explained(task):
        # What only a program's first run pays for; where it is long, it may be just that.
        known = _small(parts[0], 1.0, cancelled, 1)
        if known.at_full_size > affordable:
            known = _small(parts[0], known.share, cancelled, 2, budget=affordable)
        enough = LONG_ENOUGH / len(parts) ** 0.5
        if known.at_full_size <= affordable:
            found = [_measured(part, cancelled, enough) for part in parts]
        else:
            found = [_extrapolated(part, cancelled, enough, affordable) for part in parts]
    seconds = sum(seconds for seconds, _ in found)
    return Forecast(seconds, max(memory for _, memory in found), _in_all(task))


def _measured(task: Task[Technique], cancelled: Cancelling, enough: float) -> tuple[float, int]:
    """Return the seconds and the memory of a run whose iterations differ only in size."""
    plan = task.technique.stages(task)
    smallest, largest = _pixels(plan[0]), _pixels(plan[-1])
    reset_peak_memory(task.device)
    at_largest = _probe(task, 1.0, cancelled, enough=enough)
    memory = peak_memory(task.device)
    at_smallest = at_largest
    if smallest < largest:
        share = max(plan[0].size) / max(plan[-1].size)
        at_smallest = _probe(task, share, cancelled, enough=enough)
    memory += remembered(task, largest, already=at_largest.iterations - 1)
    return _added_up(plan, (smallest, at_smallest), (largest, at_largest)), memory


def _extrapolated(
    task: Task[Technique], cancelled: Cancelling, enough: float, affordable: float
) -> tuple[float, int]:
    """Return the same from two sizes below the run's, in about `affordable` seconds."""
    plan = task.technique.stages(task)
    pixels = _pixels(plan[-1])
    enough = min(enough, affordable / 4)
    one = _small(task, 1.0, cancelled, enough=enough, budget=affordable)
    # As large as half the time allows if all of it goes into pixels; or else smaller.
    allowed = affordable / 2 * one.lighter.times / max(one.at_full_size, 1e-9)
    share = min(0.5, allowed**0.5)
    if share < 1.5 * one.share:
        share = one.share / 2
    two = _small(task, share, cancelled, enough=enough, budget=affordable)
    low, high = sorted((one, two), key=lambda small: small.share)
    few = (pixels * low.share**2, low.measured)
    if low.share == high.share:  # nothing smaller is possible: all is taken to grow
        few = (0.0, _Measured(0.0, 0.0, 0))
    many = (pixels * high.share**2, high.measured)
    memory = expected_bytes_at(task, task.size) * one.lighter.together
    return _added_up(plan, few, many, one.lighter.times), _in_use(task) + int(memory)


def _added_up(
    plan: list[Stage],
    small: tuple[float, _Measured],
    large: tuple[float, _Measured],
    times: float = 1.0,
) -> float:
    """Return a plan's seconds from measurements at two sizes; an iteration takes `times` as long."""
    (few, at_few), (many, at_many) = small, large

    def line(pixels: int, low: float, high: float) -> float:
        if pixels > many:  # more pixels are never faster, whatever was measured
            high = max(low, high)
        return max(low + (pixels - few) / max(many - few, 1) * (high - low), 0.0)

    def seconds(stage: Stage) -> float:
        pixels = _pixels(stage)
        set_up = line(pixels, at_few.set_up, at_many.set_up)
        return set_up + stage.iterations * times * line(pixels, at_few.each, at_many.each)

    return sum(seconds(stage) for stage in plan)


def _small(
    task: Task[Technique],
    share: float,
    cancelled: Cancelling,
    most: int = MOST_ITERATIONS,
    enough: float = LONG_ENOUGH,
    budget: float = BUDGET,
) -> _Small:
    """Measure at a share of the run's long side, but no more than `SMALL` for the share 1.

    If the network or technique needs more than that, the next size that it takes is used.
    """
    plan = task.technique.stages(task)
    side = max(plan[-1].size)
    if share == 1.0:
        share = min(1.0, SMALL / side, max(plan[0].size) / side)
    while True:
        lighter = task.technique.lighter(share)
        light = replace(task, technique=lighter.technique)
        try:
            return _Small(share, _probe(light, share, cancelled, most, enough, budget), lighter)
        except (BadInput, RuntimeError) as error:
            if share >= 1.0 or is_out_of_memory(error):
                raise
            share = min(1.0, 2 * share)


def _probe(
    task: Task[Technique],
    share: float,
    cancelled: Cancelling,
    most: int = MOST_ITERATIONS,
    enough: float = LONG_ENOUGH,
    budget: float = BUDGET,
) -> _Measured:
    """Run iterations at a share of the run's long side until their time is known.

    If the first alone takes longer than `budget`, it is the only one, its set-up included.
    """
    alone = replace(
        task,
        technique=task.technique.at_one_size(most),
        size=max(1, round(task.size * share)),
        generator=task.generator.clone_state(),
    )
    began = time.perf_counter()
    moments = []
    for _ in alone.technique.frames(alone):
        moments.append(time.perf_counter())
        if cancelled():
            raise Cancelled("the forecast was given up")
        taken = moments[-1] - moments[0]
        if len(moments) >= LEAST_ITERATIONS and taken >= enough:
            break
        if moments[-1] - began > budget:
            break
    if len(moments) == 1:
        return _Measured(0.0, moments[0] - began, 1)
    each = (moments[-1] - moments[0]) / (len(moments) - 1)
    return _Measured(max(moments[0] - began - each, 0.0), each, len(moments))


def _pixels(stage: Stage) -> int:
    return stage.size[0] * stage.size[1]


def _in_use(task: Task[Technique]) -> int:
    """Return the bytes taken now, counted as `peak_memory` counts."""
    import psutil
    import torch

    if task.device.type == "cuda":
        return int(torch.cuda.memory_allocated(task.device))
    return int(psutil.Process().memory_info().rss)


def _in_all(task: Task[Technique]) -> int:
    """Return what the run may take in all, counted as `peak_memory` counts."""
    return available_memory(task.device) + _in_use(task)
