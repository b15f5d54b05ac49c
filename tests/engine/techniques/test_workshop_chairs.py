"""Chairs: what is learned and measured, figures that are switched, going on, bad settings."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from engine.errors import BadInput, Diverged
from engine.job import Inputs, Job, run
from engine.networks.network import Network
from engine.task import Frame, Task
from engine.techniques.workshop_chairs import Chairs
from engine.techniques.workshop_chairs.figures import FIGURES
from engine.techniques.workshop_chairs.learner import Learner
from engine.workshop.chair_views import plain
from tests.engine.continuing import check_goes_on

TaskMaker = Callable[..., Task[Chairs]]
SMALL: dict[str, Any] = {"chairs": 4, "views": 8, "side": "32", "width": 8, "batch": 4}


def small(**settings: Any) -> Chairs:
    return Chairs(**{**SMALL, "iterations": 3, **settings})


def frames_of(task: TaskMaker, settings: Chairs, seed: int = 0) -> list[Frame]:
    return list(settings.frames(task(settings, seed=seed, content=None, size=64)))


def learner_of(task: TaskMaker, settings: Chairs) -> Learner:
    return Learner(task(settings, content=None, size=64))


@pytest.mark.slow
def test_views_that_were_never_seen_are_drawn_better_than_from_their_neighbours(
    task: TaskMaker,
) -> None:
    settings = Chairs(chairs=2, views=16, side="32", width=48, batch=16, iterations=200)
    frames = frames_of(task, settings)
    first, last = frames[0].losses, frames[-1].losses
    assert last["colour loss"] < 0.2 * first["colour loss"]
    assert last["mask loss"] < 0.3 * first["mask loss"]
    assert last["PSNR"] > last["PSNR of the nearest view"] > first["PSNR"]
    assert last["mask IoU"] > 0.6 > first["mask IoU"]
    assert 0.4 < last["sharpness"] < 1.2


def test_losses_are_those_of_the_formula(task: TaskMaker) -> None:
    """Sums over colours, means over pixels, before the step."""
    learner = learner_of(task, small())
    before, generator = learner.adam.variable.clone(), learner.task.generator.get_state()
    got = learner.step(0.0)
    learner.task.generator.set_state(generator)
    numbers = learner.views.seen[
        torch.randint(len(learner.views.seen), (4,), generator=learner.task.generator)
    ]
    own = learner.views.colours[learner.views.chairs_of(numbers)]
    light, mask = (part.numpy() for part in learner.views.pictures(numbers).split(1, 1))
    colours, masks = learner.net(before, learner.inputs(numbers, plain(own)))
    errors = colours.numpy() - light * own.numpy()[:, :, None, None]
    assert got[0] == pytest.approx(float((errors**2).sum(1).mean()), rel=1e-4)
    assert got[1] == pytest.approx(float(((masks.numpy() - mask) ** 2).mean()), rel=1e-4)
    assert not torch.equal(before, learner.adam.variable)


def test_lines_to_beat_are_those_of_the_pictures_beside(task: TaskMaker) -> None:
    learner = learner_of(task, small())
    views, errors = learner.views, []
    for number in views.unseen.tolist():
        view, pictures = views.view(number), []
        for azimuth in (view.azimuth, view.azimuth - 1, view.azimuth + 1):
            light, mask = views.pictures(
                torch.tensor([views.number(replace(view, azimuth=azimuth))])
            )[0].numpy()
            colour = np.array(views.chairs[view.chair].colour)[:, None, None]
            pictures.append(light * colour + 1 - mask)
        truth, before, after = pictures
        each = [((made - truth) ** 2).mean() for made in (before, after, (before + after) / 2)]
        errors.append((min(each[:2]), each[2]))
    nearest, blend = (-10 * math.log10(value) for value in np.mean(errors, 0))
    assert learner.without_network(views.unseen) == pytest.approx((nearest, blend), abs=1e-3)
    assert (learner.nearest, learner.blend) == pytest.approx((nearest, blend), abs=1e-3)
    assert blend > nearest


def test_only_seen_views_are_learned(task: TaskMaker) -> None:
    """Nothing that is drawn at an unseen view changes what is learned."""
    settings = small(iterations=4)
    expected = frames_of(task, settings)[-1].losses
    made = task(settings, content=None, size=64)
    learner = Learner(made)
    learner.views._kept[learner.views.unseen] = 255
    learned = [learner.step(0.25 * k) for k in range(4)][-1]
    assert learned == (expected["colour loss"], expected["mask loss"])


def test_the_learning_rate_is_halved_three_times(task: TaskMaker) -> None:
    learner, rates = learner_of(task, small(learning_rate=0.008)), []
    for part in (0.0, 0.5, 0.51, 0.71, 0.86, 1.0):
        learner.step(part)
        rates.append(learner.adam.learning_rate)
    assert rates == [0.008, 0.008, 0.004, 0.002, 0.001, 0.001]


def test_unseen_views_are_measured_at_times(task: TaskMaker) -> None:
    frames = frames_of(task, small(iterations=27))
    values = [frame.losses["PSNR"] for frame in frames]
    assert len(set(values[:24])) == len(set(values[24:26])) == 1
    assert len(set(values)) == 3
    assert set(frames[0].losses) == {
        "colour loss", "mask loss", "PSNR", "PSNR of the nearest view", "PSNR of the blend",
        "mask IoU", "sharpness",
    }  # fmt: skip
    assert {f.losses["PSNR of the blend"] for f in frames} == {
        frames[0].losses["PSNR of the blend"]
    }


def test_augmentation_changes_what_is_learned(task: TaskMaker) -> None:
    with_it, without = (
        frames_of(task, small(augmentation=augmentation))[-1].losses
        for augmentation in (True, False)
    )
    assert with_it["colour loss"] != without["colour loss"]
    assert with_it["PSNR of the blend"] == without["PSNR of the blend"], "measured alike"


@pytest.mark.parametrize("side", [1, 7, 48, 301])
@pytest.mark.parametrize("figure", FIGURES)
def test_the_picture_has_the_size_that_was_asked_for(
    task: TaskMaker, figure: str, side: int
) -> None:
    settings = small(iterations=1, show=figure)
    made = task(settings, content=None, size=side)
    assert settings.stages(made)[-1].size == (side, side)
    *_, frame = settings.frames(made)
    assert frame.stage == figure
    assert frame.picture.shape == (3, side, side)
    assert 0 <= float(frame.picture.min()) <= float(frame.picture.max()) <= 1
    assert torch.equal(frame.picture, frame.render()), "drawing changes nothing"


def test_figures_are_switched_while_it_learns(tiny: Network) -> None:
    technique = small(iterations=8)
    changes = (
        (2, {"show": "morph"}), (4, {"show": "unit", "unit": 128}),
        (6, {"show": "transforms", "chair": 200, "azimuth": 360.0}),
    )  # fmt: skip
    job = Job(technique, size=48, device="cpu", precision="fp32", changes=changes)
    frames = [(f.stage, f.losses, f.picture.clone()) for f in run(job, tiny)]
    assert [stage for stage, *_ in frames[::2]] == ["views", "morph", "unit", "transforms"]
    plainly = Job(technique, size=48, device="cpu", precision="fp32")
    for (_, losses, _), frame in zip(frames, run(plainly, tiny), strict=True):
        assert losses == frame.losses, "what is shown does not change what is learned"
    assert not torch.equal(frames[1][2], frames[2][2])


def test_a_morph_begins_with_one_chair_and_ends_with_the_other(
    task: TaskMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    learner = learner_of(task, small(show="morph", chair=2, other_chair=3, azimuth=45.0))
    learner.losses(learner.step(0.0), True)
    drawn: list[torch.Tensor] = []
    draw = learner.draw
    monkeypatch.setattr(learner, "draw", lambda told: drawn.append(told.ids) or draw(told))
    FIGURES["morph"](learner, 64)
    (ids,) = drawn
    rows = ids.view(6, 7, 4)
    assert torch.equal(rows[:, 0], torch.eye(4)[1].expand(6, 4))
    assert torch.equal(rows[:, -1], torch.eye(4)[2].expand(6, 4))
    assert torch.allclose(rows.sum(-1), torch.ones(6, 7))
    assert torch.allclose(rows[:, 3], torch.tensor([0, 0.5, 0.5, 0]).expand(6, 4))


def test_a_unit_that_is_turned_up_changes_the_chairs_and_one_at_its_value_does_not(
    task: TaskMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    learner = learner_of(task, small(show="unit"))
    learner.losses(learner.step(0.0), True)
    layers = learner.net.first(learner.adam.variable, torch.eye(4))
    which = int(layers.mean(0).argmax())
    learner.task.technique = replace(learner.task.technique, unit=which + 1)
    given: list[torch.Tensor] = []
    rest = learner.net.rest
    monkeypatch.setattr(
        learner.net, "rest", lambda p, first, *told: given.append(first) or rest(p, first, *told)
    )
    FIGURES["unit"](learner, 64)
    first = given[0].view(6, 7, 128)
    assert torch.equal(first[:4, 0], layers)
    usual = float(layers[:, which].mean())
    assert first[0, 1:, which].tolist() == pytest.approx([usual * n for n in (0, 2, 4, 6, 8, 10)])
    others = [n for n in range(128) if n != which]
    assert torch.equal(first[:, :, others], first[:, :1, others].expand(6, 7, 127))


def test_what_was_never_seen_is_framed(task: TaskMaker) -> None:
    """Of chair 1, the left-out view and those between; of chair 2, only those between."""
    learner = learner_of(task, small(other_chair=2))
    learner.losses(learner.step(0.0), True)
    picture = FIGURES["views"](learner, 400)
    orange = (picture - torch.tensor([213, 94, 0])[:, None, None] / 255).abs().amax(0) < 0.02
    above, below = (part.sum(1).max() for part in orange.split(200))
    assert float(below / above) == pytest.approx(4 / 5, abs=0.03)


@pytest.mark.parametrize("settings", [{}, {"augmentation": True, "show": "transforms"}])
def test_it_goes_on_bit_for_bit_also_when_steered(tiny: Network, settings: dict[str, Any]) -> None:
    technique = small(iterations=8, **settings)
    wishes = {
        3: lambda s: s.change(replace(technique, show="morph", batch=3)),
        5: lambda s: s.change(replace(technique, augmentation=True, learning_rate=0.01)),
    }
    job = Job(technique, Inputs(), size=48, device="cpu", precision="fp32")
    assert len(check_goes_on(job, tiny, (1, 3, 6), wishes)) == 8


def test_a_seed_gives_one_run(task: TaskMaker) -> None:
    losses = [frames_of(task, small(), seed)[-1].losses for seed in (1, 1, 2)]
    assert losses[0] == losses[1] != losses[2]


def test_azimuths_that_cannot_be_left_out_evenly_are_refused(task: TaskMaker) -> None:
    settings = small(views=10)
    for attempt in (settings.stages, lambda made: list(settings.frames(made))):
        with pytest.raises(BadInput, match=r"views=.* is 10; it must be a multiple of 4"):
            attempt(task(settings, content=None, size=64))


def test_a_rate_that_is_far_too_high_says_so(task: TaskMaker) -> None:
    settings = small(learning_rate=0.1, iterations=3)
    made = task(settings, content=None, size=64)
    learner = settings.frames(made)
    next(learner)
    made.technique = replace(settings, learning_rate=1e20)
    with pytest.raises(Diverged, match="loss became"):
        list(learner)


def test_a_run_stops_between_two_iterations(tiny: Network) -> None:
    job = Job(small(iterations=1000), size=48, device="cpu", precision="fp32")
    frames = run(job, tiny)
    assert [next(frames).iteration for _ in range(3)] == [1, 2, 3]
    frames.close()  # type: ignore[attr-defined]
    assert next(frames, None) is None
