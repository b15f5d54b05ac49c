"""Forecasts against a technique whose times are known, and what a probe leaves untouched."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from engine import forecasting, memory
from engine.device import MIB
from engine.errors import BadInput, Cancelled, OutOfMemory
from engine.forecasting import Forecast, forecast
from engine.image import Picture
from engine.job import Inputs, Job, prepare, run
from engine.networks.loading import load_network
from engine.networks.network import Network
from engine.settings import make
from engine.task import Frame, Task
from engine.techniques.style_transfer import StyleTransfer
from tests.engine.fake_technique import Fake, quiet_step


@pytest.fixture(scope="module")
def network() -> Network:
    return load_network("slim_vgg")


class Clock:
    """Time that passes only when a fake technique says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def taking(self, seconds: Callable[[int], float]) -> Callable[..., dict[str, float]]:
        """A step that takes `seconds` of the number of pixels."""

        def step(_task: Task, size: tuple[int, int], _iteration: int) -> dict[str, float]:
            self.now += seconds(size[0] * size[1])
            return {"total": 1.0}

        return step


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(forecasting, "time", SimpleNamespace(perf_counter=made))
    return made


def fake_job(size: int = 64, **settings: Any) -> Job:
    return Job(Fake(**settings), size=size, device="cpu", precision="fp32")


def constant(seconds: float, _pixels: int) -> float:
    return seconds


def real_seconds(job: Job, network: Network, clock: Clock) -> float:
    began = clock.now
    for _ in run(job, network):
        pass
    return clock.now - began


@pytest.mark.parametrize("sides", [(), (16,), (16, 24, 40)])
@pytest.mark.parametrize("slow", [1e-4, 1.0])
def test_time_that_grows_with_the_pixels_is_told_exactly(
    network: Network, clock: Clock, sides: tuple[int, ...], slow: float
) -> None:
    job = fake_job(
        iterations=40,
        sides=sides,
        step=clock.taking(lambda n: slow * (1.0 + n / 1000)),
        set_up=clock.taking(lambda n: slow * (3.0 + n / 100)),
    )
    assert forecast(job, network).seconds == pytest.approx(real_seconds(job, network, clock))


def test_slow_first_iterations_are_paid_once(network: Network, clock: Clock) -> None:
    """A program's first iteration is slow; at every size the first is a little slow."""
    first: list[bool] = []

    def step(_task: Task, size: tuple[int, int], iteration: int) -> dict[str, float]:
        clock.now += 1.0 if first else 50.0
        first.append(True)
        return {"total": 1.0}

    found = forecast(fake_job(iterations=10, step=step), network)
    assert found.seconds == pytest.approx(10.0)


def test_quick_iterations_are_measured_longer_slow_ones_only_twice(
    network: Network, clock: Clock
) -> None:
    for seconds, measured in [(0.001, 25), (0.05, 11), (20.0, 3)]:
        began = clock.now
        forecast(fake_job(iterations=1000, step=clock.taking(partial(constant, seconds))), network)
        assert (clock.now - began) / seconds == pytest.approx(1 + measured, abs=1.1)


def test_parts_that_take_longer_than_others_are_measured_one_by_one(
    network: Network, clock: Clock
) -> None:
    """As the rows of a hierarchy: each iteration of the run's third part takes nine times as long."""
    costs = [1.0, 2.0, 9.0]

    @dataclass(frozen=True)
    class InParts(Fake):
        def parts(self, task: Task) -> list[Task]:
            return [replace(task, technique=self.part(cost)) for cost in costs]

        def part(self, cost: float) -> "InParts":
            step, set_up = clock.taking(lambda _n: cost), clock.taking(lambda _n: 5.0)
            return replace(self, iterations=10, step=step, set_up=set_up)

        def frames(self, task: Task) -> Iterator[Frame]:
            """A part, as the probe asks for it; else all of them."""
            alone = task.technique.step is not quiet_step
            for part in [self] if alone else [self.part(cost) for cost in costs]:
                yield from Fake.frames(part, replace(task, technique=part))

    job = Job(InParts(iterations=30), size=64, device="cpu", precision="fp32")
    assert real_seconds(job, network, clock) == pytest.approx(3 * 5 + 10 * sum(costs))
    assert forecast(job, network).seconds == pytest.approx(3 * 5 + 10 * sum(costs))


def test_a_single_iteration_can_be_forecast(network: Network, clock: Clock) -> None:
    job = fake_job(iterations=1, step=clock.taking(lambda _n: 2.0))
    assert forecast(job, network).seconds == pytest.approx(2.0)


@pytest.mark.skipif(sys.platform != "linux", reason="only there can the peak be set back")
def test_memory_is_that_of_the_largest_size(network: Network) -> None:
    block = 128 * MIB

    def fill(_task: Task, size: tuple[int, int], _iteration: int) -> dict[str, float]:
        held = bytearray(block if size[0] == 64 else 1)
        return {"total": float(len(held) > 0)}

    small = forecast(fake_job(iterations=3, sides=(16,)), network)
    large = forecast(fake_job(iterations=3, sides=(16,), set_up=fill), network)
    assert 0 < small.memory < small.available
    assert large.memory - small.memory > 0.8 * block


def test_what_lbfgs_will_remember_is_added(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A short probe sees two pairs of steps; the run will keep fifty."""
    monkeypatch.setattr(forecasting, "peak_memory", lambda _device: 10**9)
    picture = Picture(np.random.default_rng(0).random((32, 32, 3), dtype=np.float32))
    values = {"optimizer": "lbfgs", "history": 50, "iterations": 500, "smallest_scale": 65536}
    monkeypatch.setattr(forecasting, "LONG_ENOUGH", 0.0)
    inputs = Inputs(picture, ((picture, 1.0),))
    job = Job(make(StyleTransfer, values), inputs, size=32, device="cpu", precision="fp32")
    assert forecast(job, network).memory == 10**9 + (50 - 2) * 2 * 32 * 32 * 12


def test_fits() -> None:
    assert Forecast(1.0, memory=5, available=5).fits
    assert not Forecast(1.0, memory=6, available=5).fits


def test_a_probe_leaves_the_run_s_random_numbers_alone(network: Network) -> None:
    picture = Picture(np.random.default_rng(0).random((24, 32, 3), dtype=np.float32))
    values = {"iterations": 3, "start": "noise", "smallest_scale": 32}
    inputs = Inputs(picture, ((picture, 1.0),))
    job = Job(make(StyleTransfer, values), inputs, size=40, device="cpu", precision="fp32")
    before = [frame.picture.clone() for frame in run(job, network)]
    state = torch.get_rng_state()
    found = forecast(job, network)
    assert torch.equal(torch.get_rng_state(), state)
    assert found.seconds > 0
    after = [frame.picture.clone() for frame in run(job, network)]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))

    task = prepare(job, network)
    forecasting._probe(task, task.technique.stages(task)[0], lambda: False, 2)
    assert torch.equal(task.noise(5), prepare(job, network).noise(5))
    assert task.technique == job.technique


def test_it_raises_what_a_run_raises(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadInput, match="--size is 0"):
        forecast(fake_job(0), network)

    def fail(_task: Task, _size: tuple[int, int], _iteration: int) -> dict[str, float]:
        raise MemoryError

    with pytest.raises(OutOfMemory, match="--size 48 would fit"):
        forecast(fake_job(step=fail), network)
    monkeypatch.setattr(memory, "available_memory", lambda _device: memory.UPFRONT)
    ran: list[int] = []

    def step(_task: Task, _size: tuple[int, int], iteration: int) -> dict[str, float]:
        ran.append(iteration)
        return {"total": 1.0}

    with pytest.raises(OutOfMemory, match=r"at 900 pixels .*--size 16 would fit"):
        forecast(replace(fake_job(step=step), size=900), network)
    assert not ran


def test_a_forecast_is_given_up_when_asked(network: Network) -> None:
    asked = iter([False, False, True])
    with pytest.raises(Cancelled):
        forecast(fake_job(iterations=50), network, lambda: next(asked))
