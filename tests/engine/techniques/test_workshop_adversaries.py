"""Adversaries: what the curves end at, collapse and cures, steering, going on, the picture."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from engine.errors import Diverged
from engine.job import Inputs, Job, run
from engine.networks.network import Network
from engine.task import Frame, Task
from engine.techniques.workshop_adversaries import Adversaries
from engine.workshop.measures import least_loss
from tests.engine.continuing import check_goes_on

TaskMaker = Callable[..., Task[Adversaries]]
CURES = ("none", "minibatch-deviation", "unrolling", "gradient-penalty")


def frames_of(task: TaskMaker, settings: Adversaries, seed: int = 0) -> list[Frame]:
    made = task(settings, seed=seed, content=None, size=64)
    return list(settings.frames(made))


def test_the_discriminator_becomes_the_best_one(task: TaskMaker) -> None:
    """Its loss falls to the bound and stays above it; the generator does not move."""
    frames = frames_of(task, Adversaries(iterations=500))
    first, last = frames[0].losses, frames[-1].losses
    bounds = {frame.losses["2 log 2 - 2 JS"] for frame in frames}
    assert len(bounds) == 1
    assert bounds.pop() == pytest.approx(1.113, abs=1e-3)
    distances = [frame.losses["mean |D - D*|"] for frame in frames]
    assert min(distances[-100:]) < 0.03 < 0.2 < first["mean |D - D*|"]
    assert all(f.losses["discriminator loss"] > f.losses["2 log 2 - 2 JS"] - 1e-5 for f in frames)
    assert last["discriminator loss"] - last["2 log 2 - 2 JS"] < 0.02


def test_a_generator_far_from_the_data_is_pulled_to_them(task: TaskMaker) -> None:
    settings = Adversaries(
        iterations=60, generator_steps=2, discriminator_steps=3, generator_start=4.0,
        learning_rate=0.02,
    )  # fmt: skip
    frames = frames_of(task, settings)
    bounds = [frame.losses["2 log 2 - 2 JS"] for frame in frames]
    assert bounds[0] < 0.6
    assert bounds[-1] > 0.9
    assert max(bounds) < least_loss(0.0)


@pytest.mark.slow
def test_five_generator_steps_collapse_and_minibatch_deviation_cures(task: TaskMaker) -> None:
    settings = Adversaries(data="gaussians", generator_steps=5, iterations=250)
    collapsed = frames_of(task, settings)[-1].losses
    assert collapsed["modes"] <= 2
    cured = frames_of(task, replace(settings, cure="minibatch-deviation"))[-1].losses
    assert cured["modes"] == 8
    assert cured["within 3 std"] > 0.3 > collapsed["within 3 std"]


def test_samples_are_measured_in_every_tenth_iteration_and_the_last(task: TaskMaker) -> None:
    frames = frames_of(task, Adversaries(data="gaussians", generator_steps=1, iterations=25))
    shares = [frame.losses["within 3 std"] for frame in frames]
    assert len(set(shares[:9])) == len(set(shares[9:19])) == len(set(shares[19:24])) == 1
    assert set(frames[0].losses) == {
        "discriminator loss", "generator loss", "modes", "within 3 std",
    }  # fmt: skip


@pytest.mark.parametrize("data", ["ratio", "gaussians"])
@pytest.mark.parametrize("cure", CURES)
@pytest.mark.parametrize("loss", ["saddle-point", "non-saturating"])
def test_every_combination_runs(task: TaskMaker, data: str, cure: str, loss: str) -> None:
    settings = Adversaries(data=data, cure=cure, loss=loss, generator_steps=2, iterations=2)
    *_, last = frames_of(task, settings)
    assert last.picture.shape == (3, 64, 64)
    assert last.stage == data


@pytest.mark.parametrize("cure", CURES[1:])
def test_a_cure_changes_the_run(task: TaskMaker, cure: str) -> None:
    settings = Adversaries(data="gaussians", generator_steps=2, iterations=3)
    plain = frames_of(task, settings)[-1].losses
    assert frames_of(task, replace(settings, cure=cure))[-1].losses != plain


def test_digits_are_learned_a_little(task: TaskMaker) -> None:
    frames = frames_of(task, Adversaries(data="digits", generator_steps=1, iterations=12))
    assert set(frames[-1].losses) == {"discriminator loss", "generator loss", "digits", "legible"}
    assert frames[-1].losses["discriminator loss"] < frames[0].losses["discriminator loss"]
    assert frames[-1].losses["legible"] < 0.5, "noise is not legible"


def test_a_seed_gives_one_game(task: TaskMaker) -> None:
    settings = Adversaries(data="gaussians", generator_steps=1, iterations=3)
    losses = [frames_of(task, settings, seed)[-1].losses for seed in (1, 1, 2)]
    assert losses[0] == losses[1] != losses[2]


def test_a_rate_that_is_far_too_high_says_so(task: TaskMaker) -> None:
    settings = Adversaries(
        data="gaussians", generator_steps=1, cure="unrolling", penalty=0, learning_rate=1.0,
        iterations=300, unrolled_steps=20,
    )  # fmt: skip
    with pytest.raises(Diverged, match="loss became"):
        frames_of(task, settings)


@pytest.mark.parametrize("side", [1, 7, 48, 301])
@pytest.mark.parametrize("data", ["ratio", "gaussians", "digits"])
def test_the_picture_has_the_size_that_was_asked_for(task: TaskMaker, data: str, side: int) -> None:
    settings = Adversaries(data=data, generator_steps=1, iterations=1)
    made = task(settings, content=None, size=side)
    assert settings.stages(made)[-1].size == (side, side)
    *_, frame = settings.frames(made)
    assert frame.picture.shape == (3, side, side)
    assert 0 <= float(frame.picture.min()) <= float(frame.picture.max()) <= 1


def test_the_picture_shows_the_generated_points_where_they_are(task: TaskMaker) -> None:
    """As orange dots, which move with the generator."""
    settings = Adversaries(data="gaussians", generator_steps=1, iterations=8)
    made = task(settings, content=None, size=400)
    frames = settings.frames(made)
    pictures = [frame.picture for frame in frames if frame.iteration in (1, 8)]

    def orange(picture: torch.Tensor) -> torch.Tensor:
        colour = torch.tensor([213, 94, 0])[:, None, None] / 255
        return (picture - colour).abs().amax(0)[60:] < 0.02

    first, last = orange(pictures[0]), orange(pictures[-1])
    assert first.sum() > 20 and last.sum() > 20
    assert not torch.equal(first, last)


@pytest.mark.parametrize(
    "settings",
    [
        {"data": "ratio"}, {"data": "gaussians", "cure": "unrolling", "unrolled_steps": 2},
        {"data": "gaussians", "cure": "minibatch-deviation"},
        {"data": "ratio", "cure": "gradient-penalty", "loss": "saddle-point"}, {"data": "digits"},
    ],
    ids=lambda settings: " ".join(map(str, settings.values())),
)  # fmt: skip
def test_it_goes_on_bit_for_bit_also_when_steered(tiny: Network, settings: dict[str, Any]) -> None:
    technique = Adversaries(generator_steps=1, iterations=13, **settings)
    wishes = {
        4: lambda s: s.change(replace(technique, generator_steps=3, loss="saddle-point")),
        9: lambda s: s.change(replace(technique, generator_steps=0, learning_rate=0.01)),
    }
    job = Job(technique, Inputs(), size=48, device="cpu", precision="fp32")
    whole = check_goes_on(job, tiny, (1, 4, 10, 12), wishes)
    assert len(whole) == 13


def test_generator_steps_are_steered_between_two_iterations(tiny: Network) -> None:
    """With 0 the generator stands still, so the bound does; with 1 it moves."""
    technique = Adversaries(iterations=6)
    changes = ((3, {"generator_steps": 1}),)
    job = Job(technique, size=48, device="cpu", precision="fp32", changes=changes)
    bounds = [frame.losses["2 log 2 - 2 JS"] for frame in run(job, tiny)]
    assert len(set(bounds[:3])) == 1
    assert len(set(bounds[2:])) == 4


def test_a_run_stops_between_two_iterations(tiny: Network) -> None:
    job = Job(Adversaries(iterations=1000), size=48, device="cpu", precision="fp32")
    frames = run(job, tiny)
    assert [next(frames).iteration for _ in range(3)] == [1, 2, 3]
    frames.close()  # type: ignore[attr-defined]
    assert next(frames, None) is None
