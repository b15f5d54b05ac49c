"""White-box attacks against closed forms, and against what they promise: the ball, and the range."""

import itertools

import pytest
import torch
from torch import Tensor

from engine.workshop.attacks import falls, fgsm, loss_slope, pgd, within
from engine.workshop.classifying import accuracy
from engine.workshop.nets import Net

NET = Net((6, 16, 3), "tanh")


def drawn(seed: int, *shape: int) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def classifier(seed: int = 1, scale: float = 3.0) -> "torch.nn.Module":
    """A net of double precision, sharper than at its start."""
    parameters = NET.start(torch.Generator().manual_seed(seed)).double() * scale
    return lambda points: NET(parameters, points)  # type: ignore[return-value]


def test_fgsm_changes_a_linear_logit_by_the_size_times_the_l1_norm_of_its_weights() -> None:
    """Of two classes with logits 0 and w x: d logit = -ε |w|₁ towards the wrong one."""
    weights = torch.tensor([0.5, -2.0, 0.0, 1.5], dtype=torch.float64)
    points = 0.3 + 0.4 * drawn(1, 5, 4)

    def linear(x: Tensor) -> Tensor:
        return torch.stack([torch.zeros(len(x), dtype=x.dtype), x @ weights], 1)

    moved = fgsm(linear, points, torch.ones(5, dtype=torch.long), 0.125)
    change = linear(moved)[:, 1] - linear(points)[:, 1]
    assert torch.allclose(change, torch.full((5,), -0.125 * 4.0, dtype=torch.float64), atol=1e-12)
    best = pgd(linear, points, torch.ones(5, dtype=torch.long), 0.125, 4, torch.zeros(5, 4))
    assert torch.allclose(linear(best), linear(moved), atol=1e-12), "and PGD can do no better"


def test_the_slope_is_that_of_finite_differences() -> None:
    net, points = classifier(), drawn(2, 4, 6)
    labels = torch.tensor([0, 1, 2, 0])
    slope = loss_slope(net, points, labels)
    step = 1e-6
    for number in range(6):
        aside = torch.zeros(6, dtype=torch.float64)
        aside[number] = step
        ends = [
            torch.logsumexp(net(points + sign * aside), 1)
            - net(points + sign * aside)[torch.arange(4), labels]
            for sign in (1, -1)
        ]
        assert torch.allclose(slope[:, number], (ends[0] - ends[1]) / (2 * step), atol=1e-8)


@pytest.mark.parametrize("size", [0.0, 0.03, 0.3, 2.0])
def test_no_attack_leaves_the_ball_or_the_range(size: float) -> None:
    net, points = classifier(), drawn(3, 50, 6).round(decimals=1)
    labels = torch.arange(50) % 3
    start = 2 * drawn(4, 50, 6) - 1
    for moved in (
        fgsm(net, points, labels, size), pgd(net, points, labels, size, 7, start),
        pgd(net, points, labels, size, 1, start),
    ):  # fmt: skip
        assert float((moved - points).abs().max()) <= size + 1e-12
        assert 0 <= float(moved.min()) <= float(moved.max()) <= 1
    assert not size or not torch.equal(pgd(net, points, labels, size, 7, start), points)


def test_within_is_the_nearest_point() -> None:
    points = torch.tensor([[0.9, -0.4, 0.52]])
    assert torch.allclose(
        within(points, torch.full((1, 3), 0.5), 0.1), torch.tensor([[0.6, 0.4, 0.52]])
    )
    assert torch.equal(within(points, torch.ones(1, 3), 9.0), torch.tensor([[0.9, 0.0, 0.52]]))


def test_pgd_is_stronger_than_one_step_and_stronger_with_more_size() -> None:
    net, points = classifier(), drawn(5, 300, 6)
    labels = net(points).argmax(1)
    start = torch.zeros(300, 6)
    single = accuracy(net, fgsm(net, points, labels, 0.2), labels)
    accuracies = [
        accuracy(net, pgd(net, points, labels, size, 20, start), labels)
        for size in (0.0, 0.05, 0.1, 0.2, 0.3)
    ]
    assert accuracies[0] == 1.0
    assert all(a >= b - 0.01 for a, b in itertools.pairwise(accuracies))
    assert accuracies[3] <= single + 0.01
    assert accuracies[-1] < 0.8


def test_points_fall_at_the_distance_of_the_boundary() -> None:
    """Of a linear classifier, a point falls once ε |w|₁ exceeds its logit."""
    weights = torch.tensor([1.0, -3.0], dtype=torch.float64)

    def linear(x: Tensor) -> Tensor:
        return torch.stack([torch.zeros(len(x), dtype=x.dtype), x @ weights + 1], 1)

    # logits 1.0, 0.6, 0.2 and -0.4: distances .25, .15, .05, and wrong from the start
    points = torch.tensor([[0.6, 0.2], [0.5, 0.3], [0.4, 0.4], [0.4, 0.6]], dtype=torch.float64)
    labels = torch.ones(4, dtype=torch.long)
    starts = 2 * drawn(6, 3, 4, 2) - 1
    found = falls(linear, points, labels, [0.04, 0.06, 0.14, 0.16, 0.24], 10, starts)
    assert found.sizes.tolist() == pytest.approx([0, 0.04, 0.06, 0.14, 0.16, 0.24])
    assert found.index.tolist() == [6, 4, 2, 0]
    assert found.accuracies.tolist() == [0.75, 0.75, 0.5, 0.5, 0.25, 0.25]
    assert (linear(found.points).argmax(1) == torch.tensor([1, 0, 0, 0])).all()
    assert torch.equal(found.points[3], points[3]), "what is wrong already is not attacked"
    assert float((found.points - points).abs().max()) <= 0.24 + 1e-12


def test_more_restarts_never_help_the_defender() -> None:
    net, points = classifier(scale=6.0), drawn(7, 200, 6)
    labels = net(points).argmax(1)
    starts = 2 * drawn(8, 4, 200, 6) - 1
    sizes = [0.05, 0.1, 0.2]
    few = falls(net, points, labels, sizes, 5, starts[:1]).accuracies
    many = falls(net, points, labels, sizes, 5, starts).accuracies
    assert float(few[0]) == float(many[0]) == 1.0
    assert float(many[-1]) <= float(few[-1]) < 1
    assert (many[1:] <= many[:-1]).all()
