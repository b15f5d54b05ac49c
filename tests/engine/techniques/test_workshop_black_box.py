"""Black-box attack: what is counted, what fools, steering, going on, the picture."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from engine.job import Inputs, Job, run
from engine.networks.network import Network
from engine.task import Frame, Task
from engine.techniques.workshop_black_box import BlackBox
from engine.techniques.workshop_black_box.attackers import ATTACKERS, SubstituteAttacker
from engine.techniques.workshop_black_box.victim import POOL, Victim, fooled_share
from engine.workshop.classifying import split_digits
from tests.engine.continuing import check_goes_on

TaskMaker = Callable[..., Task[BlackBox]]


def frames_of(task: TaskMaker, settings: BlackBox, seed: int = 0, size: int = 64) -> list[Frame]:
    made = task(settings, seed=seed, content=None, size=size)
    return list(settings.frames(made))


class Watched(Victim):
    """Counts the points that it is shown, and whether a gradient could be taken."""

    shown, differentiable = 0, False

    def __call__(self, points: torch.Tensor) -> torch.Tensor:
        self.shown += len(points)
        self.differentiable |= torch.is_grad_enabled() or points.requires_grad
        return super().__call__(points)

    @property
    def good(self) -> torch.Tensor:
        """Which digits are read rightly: that is measured behind the attacker's back."""
        before = self.shown
        found = super().good
        self.shown = before
        return found


@pytest.mark.parametrize("attack", ["substitute", "score"])
def test_the_victim_is_asked_as_often_as_is_counted_and_without_gradients(
    task: TaskMaker, attack: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = BlackBox(attack=attack, per_class=2, query_rounds=2, iterations=4)
    victim = Watched(task(settings, content=None, size=64))
    for _ in range(80):
        victim.learn()
    attacker = ATTACKERS[attack](victim)
    monkeypatch.setattr(attacker, "share", lambda points: 0.0)  # measured, too
    victim.shown, victim.differentiable = 0, False
    counts = []
    for number in range(settings.attack_steps):
        attacker.step(number)
        assert attacker.oracle.queries == victim.shown
        counts.append(victim.shown)
    assert not victim.differentiable
    if attack == "substitute":
        assert counts == [20] * 4 + [40] * 4 + [80] * 4
    else:
        good = int(victim.good.sum())
        assert 2 * good <= counts[0] <= 3 * good


def test_attacking_by_the_substitute_needs_no_further_answer(task: TaskMaker) -> None:
    victim = Watched(task(BlackBox(), content=None, size=64))
    attacker = SubstituteAttacker(victim)
    attacker.step(0)
    victim.shown = 0
    attacker.attacked(0.2)
    assert victim.shown == 0


def test_the_attackers_digits_are_neither_learned_from_nor_attacked(task: TaskMaker) -> None:
    victim = Victim(task(BlackBox(per_class=15), content=None, size=64))
    split = split_digits()
    assert victim.own.shape == (150, 64)
    pool = {tuple(row) for row in split.test_pictures[:POOL].tolist()}
    assert {tuple(row) for row in victim.own.tolist()} <= pool
    assert torch.equal(victim.pictures, split.pictures)
    assert torch.equal(victim.tests, split.test_pictures[POOL:])
    answers = dict(
        zip(map(tuple, split.test_pictures.tolist()), split.test_digits.tolist(), strict=True)
    )
    counts = torch.tensor([answers[tuple(row)] for row in victim.own.tolist()]).bincount()
    assert counts.tolist() == [15] * 10


def test_only_digits_that_were_read_rightly_can_be_fooled(task: TaskMaker) -> None:
    victim = Victim(task(BlackBox(), content=None, size=64))
    for _ in range(40):
        victim.learn()
    assert 0 < fooled_share(victim, torch.zeros_like(victim.tests)) < 1
    assert fooled_share(victim, victim.tests) == 0
    assert 0.3 < victim.accuracy < 1


@pytest.mark.slow
def test_noise_fools_less_than_a_substitute_and_that_less_than_a_white_box(task: TaskMaker) -> None:
    last = frames_of(task, BlackBox(iterations=60, query_rounds=3, victim_steps=200))[-1].losses
    assert last["queries"] == 800
    assert 2 * last["noise"] < last["fooled"] < last["white box"]
    assert last["agreement"] > 0.7


@pytest.mark.slow
def test_scores_fool_about_as_many_as_a_white_box(task: TaskMaker) -> None:
    settings = BlackBox(attack="score", iterations=70, victim_steps=200)
    frames = frames_of(task, settings)
    shares = [frame.losses["fooled"] for frame in frames[200:]]
    assert shares == sorted(shares), "what fools, goes on fooling"
    last = frames[-1].losses
    assert last["fooled"] == pytest.approx(last["white box"], abs=0.05)
    assert last["queries per digit"] < 1 + 2 * 70
    assert last["noise"] < 0.2 < 0.5 < last["fooled"]


def test_a_change_of_nothing_fools_nobody(task: TaskMaker) -> None:
    for attack in ("substitute", "score"):
        settings = BlackBox(
            attack=attack, epsilon=0.0, query_rounds=0, iterations=3, victim_steps=20
        )
        last = frames_of(task, settings)[-1].losses
        assert last["fooled"] == last["white box"] == last["noise"] == 0.0


def test_the_victim_learns_first(task: TaskMaker) -> None:
    frames = frames_of(task, BlackBox(query_rounds=1, iterations=2, victim_steps=60))
    assert [frame.stage for frame in frames] == ["victim"] * 60 + ["substitute"] * 4
    assert frames[59].losses["victim's accuracy"] > 0.7 > frames[0].losses["victim's accuracy"]
    assert "fooled" not in frames[59].losses
    assert [frame.losses["queries"] for frame in frames[60:]] == [100, 100, 100, 200]


def test_a_seed_gives_one_attack(task: TaskMaker) -> None:
    settings = BlackBox(query_rounds=1, iterations=3, victim_steps=30)
    losses = [frames_of(task, settings, seed)[-1].losses for seed in (1, 1, 2)]
    assert losses[0] == losses[1] != losses[2]


@pytest.mark.parametrize("side", [1, 7, 48, 301])
@pytest.mark.parametrize("attack", ["substitute", "score"])
def test_the_picture_has_the_size_that_was_asked_for(
    task: TaskMaker, attack: str, side: int
) -> None:
    settings = BlackBox(attack=attack, query_rounds=0, iterations=1, victim_steps=1)
    made = task(settings, content=None, size=side)
    assert [stage.size for stage in settings.stages(made)] == [(side, side)] * 2
    for frame in settings.frames(made):
        assert frame.picture.shape == (3, side, side)
        assert 0 <= float(frame.picture.min()) <= float(frame.picture.max()) <= 1


def test_the_curve_is_drawn_where_its_numbers_are(task: TaskMaker) -> None:
    """As orange dots at (queries, share), between the numbers on the axes."""
    settings = BlackBox(query_rounds=1, iterations=20, victim_steps=60)
    *_, frame = frames_of(task, settings, size=400)
    colour = torch.tensor([213, 94, 0])[:, None, None] / 255
    orange = (frame.picture - colour).abs().amax(0) < 0.02
    ink = (frame.picture.amax(0) < 0.7).sum(1)
    edges = (ink > 320).nonzero()[:, 0]  # of the axes, with two lines between them
    top, bottom = int(edges.min()), int(edges.max())
    # The last point: 200 queries are the right end of the axis.
    columns = orange[:bottom, 300:].nonzero()
    last = columns[columns[:, 1] == columns[:, 1].max()][:, 0].float().mean()
    share = (bottom - float(last)) / (bottom - top)
    assert share == pytest.approx(frame.losses["fooled"], abs=0.04)


@pytest.mark.parametrize("attack", ["substitute", "score"])
def test_it_goes_on_bit_for_bit_also_when_steered(tiny: Network, attack: str) -> None:
    technique = BlackBox(attack=attack, per_class=2, query_rounds=2, iterations=5, victim_steps=4)
    wishes: dict[int, Any] = {
        6: lambda s: s.change(replace(technique, epsilon=0.3)),
        8: lambda s: s.change(replace(technique, epsilon=0.3, augmentation=0.4)),
    }
    job = Job(technique, Inputs(), size=48, device="cpu", precision="fp32")
    afters = (1, 4, 5, 7, 8) if attack == "score" else (1, 4, 5, 9, 12, 18)
    whole = check_goes_on(job, tiny, afters, wishes)
    assert len(whole) == (9 if attack == "score" else 19)


def test_a_change_of_size_is_seen_at_once_and_asked_about(tiny: Network) -> None:
    technique = BlackBox(attack="score", iterations=6, victim_steps=60)
    changes = ((63, {"epsilon": 0.5}),)
    job = Job(technique, size=48, device="cpu", precision="fp32", changes=changes)
    losses = [frame.losses for frame in run(job, tiny)]
    assert losses[62]["ε"] == 0.15 and losses[63]["ε"] == 0.5
    assert losses[63]["white box"] > losses[62]["white box"]
    assert losses[63]["noise"] > losses[62]["noise"]
    assert losses[63]["queries"] > losses[62]["queries"] + 400, "each digit is asked about again"
