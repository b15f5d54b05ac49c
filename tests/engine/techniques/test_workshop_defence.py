"""Adversarial training: what it gains and costs, what FGSM hides, steering, going on, the picture."""

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from engine.job import Inputs, Job, run
from engine.networks.network import Network
from engine.task import Frame, Task
from engine.techniques.workshop_defence import AdversarialTraining
from engine.techniques.workshop_defence.pair import BATCH, Pair
from engine.techniques.workshop_defence.robustness import PARTS, SHOWN, Robustness, measure
from engine.workshop.attacks import pgd
from engine.workshop.classifying import accuracy
from tests.engine.continuing import check_goes_on

TaskMaker = Callable[..., Task[AdversarialTraining]]
QUICK = {"test_steps": 3, "restarts": 1, "attack_steps": 2}


def frames_of(
    task: TaskMaker, settings: AdversarialTraining, seed: int = 0, size: int = 64
) -> list[Frame]:
    made = task(settings, seed=seed, content=None, size=size)
    return list(settings.frames(made))


@pytest.mark.slow
def test_training_on_attacked_digits_withstands_attacks_at_a_price(task: TaskMaker) -> None:
    settings = AdversarialTraining(iterations=150, attack_steps=5, test_steps=10, restarts=1)
    last = frames_of(task, settings)[-1].losses
    assert last["PGD accuracy, standard"] < 0.25
    assert last["PGD accuracy, adversarial"] > last["PGD accuracy, standard"] + 0.2
    assert 0.7 < last["clean accuracy, adversarial"] < last["clean accuracy, standard"]
    assert last["clean accuracy, standard"] > 0.85


def test_both_begin_alike_and_an_attack_on_nothing_keeps_them_alike(task: TaskMaker) -> None:
    settings = AdversarialTraining(iterations=3, clean_share=1.0, **QUICK)
    pair = Pair(task(settings, content=None, size=64))
    assert torch.equal(pair.standard.variable, pair.hardened.variable)
    for _ in range(3):
        one, other = pair.learn()
        assert one == other
    assert torch.equal(pair.standard.variable, pair.hardened.variable)
    attacked = Pair(task(replace(settings, clean_share=0.0), content=None, size=64))
    attacked.learn()
    assert not torch.equal(attacked.standard.variable, attacked.hardened.variable)


@pytest.mark.parametrize("attack", ["pgd", "fgsm"])
@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_the_share_of_clean_digits_is_not_attacked(
    task: TaskMaker, attack: str, share: float
) -> None:
    settings = AdversarialTraining(attack=attack, clean_share=share, epsilon=0.2, **QUICK)
    pair = Pair(task(settings, content=None, size=64))
    pictures, digits = pair.pictures[:BATCH], pair.digits[:BATCH]
    moved = pair._attacked(pictures, digits)
    change = (moved - pictures).abs().amax(1)
    assert int((change > 0).sum()) == round(BATCH * (1 - share))
    assert float(change.max()) <= 0.2 + 1e-6
    before, after = (accuracy(pair.nets[1], x, digits) for x in (pictures, moved))
    assert after <= before


def test_the_curves_are_those_of_attacks_made_one_by_one(task: TaskMaker) -> None:
    """At each size, what falls to a single PGD has fallen; without an attack, the clean accuracy."""
    settings = AdversarialTraining(test_steps=10, restarts=1, attack_steps=3)
    pair = Pair(task(settings, content=None, size=64))
    for _ in range(40):
        pair.learn()
    result = Robustness()
    measure(pair, result, 100)
    digits, answers = pair.tests[:100], pair.answers[:100]
    assert result.sizes == pytest.approx([0.15 * i / PARTS for i in range(2 * PARTS + 1)])
    for net, robust, single in zip(pair.nets, result.robust, result.single, strict=True):
        assert robust[0] == single[0] == pytest.approx(accuracy(net, digits, answers))
        assert robust == sorted(robust, reverse=True)
        alone = [
            accuracy(net, pgd(net, digits, answers, size, 10, pair.starts[0, :100]), answers)
            for size in result.sizes
        ]
        assert all(a <= b + 1e-6 for a, b in zip(robust, alone, strict=True))
        assert all(a >= b - 0.03 for a, b in itertools.pairwise(alone))
        assert robust[-1] == pytest.approx(alone[-1], abs=0.1)


def test_shown_digits_fall_where_it_is_said(task: TaskMaker) -> None:
    settings = AdversarialTraining(**QUICK)
    pair = Pair(task(settings, content=None, size=64))
    for _ in range(30):
        pair.learn()
    result = Robustness()
    measure(pair, result, 50)
    shown, answers = pair.tests[:SHOWN], pair.answers[:SHOWN].tolist()
    for number, net in enumerate(pair.nets):
        seen = net(result.points[number]).argmax(1).tolist()
        assert seen == result.words[number]
        for column in range(SHOWN):
            size = result.fallen[number][column]
            change = float((result.points[number, column] - shown[column]).abs().max())
            assert (seen[column] != answers[column]) == (size >= 0)
            assert change <= (result.sizes[-1] if size < 0 else size) + 1e-6


def test_nets_are_tested_in_every_25th_iteration_and_the_last(task: TaskMaker) -> None:
    frames = frames_of(task, AdversarialTraining(iterations=27, **QUICK))
    shares = [frame.losses["clean accuracy, standard"] for frame in frames]
    assert len(set(shares[:24])) == len(set(shares[24:26])) == 1
    assert shares[23] != shares[24] != shares[26]
    assert shares[26] == pytest.approx(round(shares[26] * 797) / 797), "all test digits, at last"


def test_a_seed_gives_one_training(task: TaskMaker) -> None:
    settings = AdversarialTraining(iterations=3, **QUICK)
    losses = [frames_of(task, settings, seed)[-1].losses for seed in (1, 1, 2)]
    assert losses[0] == losses[1] != losses[2]


@pytest.mark.parametrize("side", [1, 7, 48, 301])
def test_the_picture_has_the_size_that_was_asked_for(task: TaskMaker, side: int) -> None:
    settings = AdversarialTraining(iterations=1, **QUICK)
    made = task(settings, content=None, size=side)
    assert settings.stages(made)[-1].size == (side, side)
    *_, frame = settings.frames(made)
    assert frame.picture.shape == (3, side, side)
    assert 0 <= float(frame.picture.min()) <= float(frame.picture.max()) <= 1


@pytest.mark.parametrize("attack", ["pgd", "fgsm"])
def test_it_goes_on_bit_for_bit_also_when_steered(tiny: Network, attack: str) -> None:
    technique = AdversarialTraining(attack=attack, iterations=28, **QUICK)
    wishes: dict[int, Any] = {
        4: lambda s: s.change(replace(technique, epsilon=0.3, clean_share=0.25)),
        26: lambda s: s.change(replace(technique, attack_steps=4, learning_rate=0.01)),
    }
    job = Job(technique, Inputs(), size=48, device="cpu", precision="fp32")
    whole = check_goes_on(job, tiny, (1, 4, 25, 27), wishes)
    assert len(whole) == 28


def test_the_size_of_attack_is_steered_between_two_iterations(tiny: Network) -> None:
    technique = AdversarialTraining(iterations=3, **QUICK)
    job = Job(technique, size=48, device="cpu", precision="fp32")
    steered = replace(job, changes=((2, {"epsilon": 0.4}),))
    plain, other = ([f.losses["loss, adversarial"] for f in run(j, tiny)] for j in (job, steered))
    shown = [f.render.args[1].sizes[PARTS] for f in run(steered, tiny)]  # type: ignore[attr-defined]
    assert shown[-1] == 0.4, "the figure follows at once"
    assert plain[:2] == other[:2]
    assert other[2] > plain[2]


def test_a_run_stops_between_two_iterations(tiny: Network) -> None:
    technique = AdversarialTraining(iterations=1000, **QUICK)
    frames = run(Job(technique, size=48, device="cpu", precision="fp32"), tiny)
    assert [next(frames).iteration for _ in range(3)] == [1, 2, 3]
    frames.close()  # type: ignore[attr-defined]
    assert next(frames, None) is None
