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
from engine.task import Frame, Lighter, Task
from engine.techniques.class_visualization import ClassVisualization
from engine.techniques.langevin import LangevinSampling
from engine.techniques.style_transfer import StyleTransfer
from engine.techniques.texture_synthesis import TextureSynthesis
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
    # Sizes are large here, and nothing is computed at them.
    for module in (memory, forecasting):
        monkeypatch.setattr(module, "available_memory", lambda _device: 2**40)
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
@pytest.mark.parametrize("slow", [1e-4, 1e-2])
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
    for seconds, measured in [(0.001, 25), (0.05, 11), (1.0, 3)]:
        began = clock.now
        forecast(fake_job(iterations=1000, step=clock.taking(partial(constant, seconds))), network)
        assert (clock.now - began) / seconds == pytest.approx(1 + measured, abs=1.1)


def test_parts_that_take_longer_than_others_are_measured_one_by_one(
    network: Network, clock: Clock
) -> None:
    """As the rows of a hierarchy: each iteration of the run's third part takes nine times as long."""
    costs = [0.01, 0.02, 0.09]

    @dataclass(frozen=True)
    class InParts(Fake):
        def parts(self, task: Task) -> list[Task]:
            return [replace(task, technique=self.part(cost)) for cost in costs]

        def part(self, cost: float) -> "InParts":
            step, set_up = clock.taking(lambda _n: cost), clock.taking(lambda _n: 0.05)
            return replace(self, iterations=10, step=step, set_up=set_up)

        def frames(self, task: Task) -> Iterator[Frame]:
            """A part, as the probe asks for it; else all of them."""
            alone = task.technique.step is not quiet_step
            for part in [self] if alone else [self.part(cost) for cost in costs]:
                yield from Fake.frames(part, replace(task, technique=part))

    job = Job(InParts(iterations=30), size=64, device="cpu", precision="fp32")
    assert real_seconds(job, network, clock) == pytest.approx(3 * 0.05 + 10 * sum(costs))
    assert forecast(job, network).seconds == pytest.approx(3 * 0.05 + 10 * sum(costs))


@pytest.mark.parametrize("slow", [1e-4, 2e-3])
@pytest.mark.parametrize("sides", [(), (256, 1024)])
def test_a_costly_size_is_told_from_smaller_ones(
    network: Network, clock: Clock, slow: float, sides: tuple[int, ...]
) -> None:
    """An iteration at 2048 px takes minutes; none is run at more than half of that."""
    forbidden: list[int] = []

    def costs(a: float, b: float) -> Callable[[int], float]:
        def seconds(pixels: int) -> float:
            forbidden.extend([pixels] if pixels > 1024**2 else [])
            return slow * (a + b * pixels)

        return seconds

    job = fake_job(
        2048,
        iterations=90,
        sides=sides,
        step=clock.taking(costs(20.0, 0.02)),
        set_up=clock.taking(costs(50.0, 0.05)),
    )
    began = clock.now
    found = forecast(job, network)
    assert not forbidden
    # Iterations at the smallest size take longer than that where the machine is too slow.
    assert clock.now - began < (2 if slow < 1e-3 else 4) * forecasting.BUDGET
    closed = 0.0
    for side, count in zip((*sides, 2048), [90] if not sides else [30, 30, 30], strict=True):
        closed += slow * (50 + 0.05 * side**2 + count * (20 + 0.02 * side**2))
    assert found.seconds == pytest.approx(closed, rel=0.3)
    assert found.memory > memory.bytes_at(prepare(job, network), 2048)


def test_of_many_views_one_is_measured_and_multiplied(network: Network, clock: Clock) -> None:
    @dataclass(frozen=True)
    class Views(Fake):
        views: int = 1

        def lighter(self, share: float) -> Lighter:
            return Lighter(replace(self, views=1), self.views)

    looked: list[int] = []

    def step(task: Task, size: tuple[int, int], _iteration: int) -> dict[str, float]:
        looked.append(task.technique.views)
        clock.now += task.technique.views * (0.2 + size[0] * size[1] / 1e5)
        return {"total": 1.0}

    job = Job(Views(iterations=30, step=step, views=64), size=200, device="cpu", precision="fp32")
    found = forecast(job, network)
    assert set(looked) == {1}
    assert found.seconds == pytest.approx(30 * 64 * (0.2 + 0.4), rel=0.3)


def test_a_size_that_a_technique_refuses_is_not_measured(network: Network, clock: Clock) -> None:
    sizes: set[int] = set()

    def step(_task: Task, size: tuple[int, int], _iteration: int) -> dict[str, float]:
        if size[0] < 300:
            raise BadInput("too small")
        sizes.add(size[0])
        clock.now += size[0] ** 2 / 1e6
        return {"total": 1.0}

    found = forecast(fake_job(4096, iterations=10, step=step), network)
    assert max(sizes) <= 2048
    assert found.seconds == pytest.approx(10 * 4.096**2, rel=0.3)


def test_one_iteration_that_takes_too_long_is_the_only_one(network: Network, clock: Clock) -> None:
    began = clock.now
    found = forecast(
        fake_job(512, iterations=100, step=clock.taking(partial(constant, 20.0))), network
    )
    assert clock.now - began == 4 * 20.0  # the first run, and one iteration at each size
    assert found.seconds == pytest.approx(100 * 20.0)


def test_chains_and_views_and_a_large_sample_are_made_lighter() -> None:
    ascent = ClassVisualization(views=8).lighter(0.25)
    assert (ascent.technique.views, ascent.times, ascent.together) == (1, 8, 1)
    chains = LangevinSampling(chains=9, samples=4)
    assert (chains.lighter(1.0).technique.chains, chains.lighter(1.0).times) == (1, 9)
    # All chains are measured where that is quick; its samples take no time.
    assert (chains.at_one_size(3).chains, chains.at_one_size(3).samples) == (9, 1)
    texture = TextureSynthesis(sample_size=2000)
    assert texture.lighter(0.1).technique.sample_size == 200
    assert TextureSynthesis().lighter(0.1).technique.sample_size is None


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
    forecasting._probe(task, 1.0, lambda: False, 2)
    assert torch.equal(task.noise(5), prepare(job, network).noise(5))
    assert task.technique == job.technique


def test_it_raises_what_a_run_raises(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadInput, match="size= is 0"):
        forecast(fake_job(0), network)

    def fail(_task: Task, _size: tuple[int, int], _iteration: int) -> dict[str, float]:
        raise MemoryError

    with pytest.raises(OutOfMemory, match="size=48 would fit"):
        forecast(fake_job(step=fail), network)
    monkeypatch.setattr(memory, "available_memory", lambda _device: memory.UPFRONT)
    ran: list[int] = []

    def step(_task: Task, _size: tuple[int, int], iteration: int) -> dict[str, float]:
        ran.append(iteration)
        return {"total": 1.0}

    with pytest.raises(OutOfMemory, match=r"at 900 pixels .*size=16 would fit"):
        forecast(replace(fake_job(step=step), size=900), network)
    assert not ran


def test_a_forecast_is_given_up_when_asked(network: Network) -> None:
    asked = iter([False, False, True])
    with pytest.raises(Cancelled):
        forecast(fake_job(iterations=50), network, lambda: next(asked))
