"""How both nets withstand attacks: accuracy at several sizes, and where single digits fall."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from engine.techniques.workshop_defence.pair import NAMES, Pair
from engine.workshop.attacks import Falls, falls, fgsm
from engine.workshop.classifying import Classifier, accuracy

PARTS = 4
"""Sizes of attack up to the training's; there are as many again beyond it."""
QUICK = 200
"""How many test digits are attacked while the nets learn; at the end, all 797 are."""
SHOWN = 8
"""How many of them the figure shows: the first ones."""


@dataclass
class Robustness:
    """What was measured last; in a checkpoint, as it is not measured after every step."""

    numbers: dict[str, float] = field(default_factory=dict)
    sizes: list[float] = field(default_factory=list)
    """Of the attacks, from 0 to twice the training's."""
    robust: list[list[float]] = field(default_factory=list)
    """For each net, its accuracy under PGD of each size."""
    single: list[list[float]] = field(default_factory=list)
    """The same under FGSM."""
    fallen: list[list[float]] = field(default_factory=list)
    """For each net, the size at which each shown digit falls; -1 if it withstands all."""
    words: list[list[int]] = field(default_factory=list)
    """For each net, as what it sees them then."""
    points: Tensor = field(default_factory=lambda: torch.zeros(len(NAMES), SHOWN, 64))
    """For each net, the digits as they are then."""


def measure(pair: Pair, result: Robustness, count: int) -> None:
    """Attack the first `count` test digits, for both nets, and note it in `result`."""
    settings = pair.task.technique
    sizes = [settings.epsilon * part / PARTS for part in range(1, 2 * PARTS + 1)]
    digits, answers, starts = pair.tests[:count], pair.answers[:count], pair.starts[:, :count]
    found = [falls(net, digits, answers, sizes, settings.test_steps, starts) for net in pair.nets]
    result.sizes = [0.0, *sizes]
    result.robust = [each.accuracies.tolist() for each in found]
    result.single = [
        [accuracy(net, fgsm(net, digits, answers, size), answers) for size in result.sizes]
        for net in pair.nets
    ]
    result.points = torch.stack([each.points[:SHOWN] for each in found])
    result.fallen = [_fallen(each, result.sizes) for each in found]
    result.words = [_words(net, each) for net, each in zip(pair.nets, found, strict=True)]
    result.numbers = {}
    for number, name in enumerate(NAMES):
        result.numbers[f"clean accuracy, {name}"] = result.robust[number][0]
        result.numbers[f"PGD accuracy, {name}"] = result.robust[number][PARTS]
        result.numbers[f"FGSM accuracy, {name}"] = result.single[number][PARTS]


def _fallen(found: Falls, sizes: list[float]) -> list[float]:
    known = [*sizes, -1.0]
    return [known[index] for index in found.index[:SHOWN].tolist()]


@torch.no_grad()
def _words(net: Classifier, found: Falls) -> list[int]:
    words: list[int] = net(found.points[:SHOWN]).argmax(1).tolist()
    return words
