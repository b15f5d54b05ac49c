"""Black-box attacks: every answer is counted, no gradient is seen, and what they find is right."""

import itertools

import pytest
import torch
from torch import Tensor

from engine.workshop.black_box import Oracle, Search, augmented, begun, queried, searched
from engine.workshop.nets import Net

NET = Net((9, 20, 4), "tanh")


class Sealed:
    """A victim that counts by itself, and cannot be differentiated: NumPy computes its answers."""

    def __init__(self, seed: int) -> None:
        self.parameters = NET.start(torch.Generator().manual_seed(seed)) * 3
        self.points = 0
        self.differentiable = False

    def __call__(self, points: Tensor) -> Tensor:
        self.points += len(points)
        self.differentiable |= torch.is_grad_enabled() or points.requires_grad
        answers = NET(self.parameters, points.detach().clone())
        return torch.from_numpy(answers.detach().numpy().copy())


def drawn(seed: int, *shape: int) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def prepared(seed: int = 1, count: int = 40) -> tuple[Sealed, Oracle, Search, Tensor, Tensor]:
    victim, points = Sealed(seed), drawn(2, count, 9)
    labels = victim(points).argmax(1)
    victim.points, victim.differentiable = 0, False
    search = begun(points)
    search.order = drawn(3, count, 9).argsort(1)
    return victim, Oracle(), search, points, labels


def test_a_search_counts_each_answer_and_sees_no_gradient() -> None:
    victim, oracle, search, points, labels = prepared()
    queried(search, oracle, victim, points, labels, 0.2, torch.ones(40, dtype=torch.bool))
    assert oracle.queries == victim.points == 40
    assert not search.fooled.any()
    for turn in range(9):
        before, standing = oracle.queries, int((~search.fooled).sum())
        searched(search, oracle, victim, points, labels, 0.2, turn)
        assert oracle.queries == victim.points
        assert standing <= oracle.queries - before <= 2 * standing
    assert not victim.differentiable
    assert 0 < int(search.fooled.sum()) < 40


def test_what_a_search_knows_is_true() -> None:
    victim, oracle, search, points, labels = prepared()
    queried(search, oracle, victim, points, labels, 0.2, torch.ones(40, dtype=torch.bool))
    chances = [search.chances.clone()]
    for turn in range(9):
        searched(search, oracle, victim, points, labels, 0.2, turn)
        chances.append(search.chances.clone())
    moved = search.moved(points, 0.2)
    assert float((moved - points).abs().max()) <= 0.2 + 1e-6
    assert 0 <= float(moved.min()) <= float(moved.max()) <= 1
    answers = victim(moved).softmax(1)
    assert torch.equal(answers.argmax(1) != labels, search.fooled)
    own = answers.gather(1, labels[:, None])[:, 0]
    assert torch.allclose(own, search.chances, atol=1e-6)
    still = ~search.fooled
    assert all((a[still] >= b[still]).all() for a, b in itertools.pairwise(chances))


def test_a_linear_victim_is_searched_to_the_corner_that_is_worst_for_it() -> None:
    """Each number is tried up, then down: one pass finds -sign(w), which FGSM would take at once."""
    weights = torch.tensor([1.0, -2.0, 0.5, -0.25])

    def linear(x: Tensor) -> Tensor:
        return torch.stack([torch.zeros(len(x)), 3 + x @ weights], 1)

    points, labels, oracle = torch.full((1, 4), 0.5), torch.ones(1, dtype=torch.long), Oracle()
    search = begun(points)
    search.order = torch.arange(4)[None]
    queried(search, oracle, linear, points, labels, 0.1, torch.ones(1, dtype=torch.bool))
    for turn in range(4):
        searched(search, oracle, linear, points, labels, 0.1, turn)
    assert search.signs.tolist() == [[-1, 1, -1, 1]]
    assert oracle.queries == 1 + 2 + 1 + 2 + 1
    for turn in range(4):
        searched(search, oracle, linear, points, labels, 0.1, turn)
    assert search.signs.tolist() == [[-1, 1, -1, 1]], "the other ends do not help"
    assert oracle.queries == 7 + 4, "what is there already is not asked again"


def test_what_changes_nothing_is_not_asked() -> None:
    victim, oracle, search, _, _ = prepared(count=1)
    black = torch.zeros(1, 9)
    labels = victim(black).argmax(1)
    victim.points = 0
    queried(search, oracle, victim, black, labels, 0.0, torch.ones(1, dtype=torch.bool))
    searched(search, oracle, victim, black, labels, 0.0, 0)
    assert oracle.queries == victim.points == 1


def test_points_that_were_not_chosen_are_left_alone() -> None:
    victim, oracle, search, points, labels = prepared()
    chosen = torch.arange(40) < 7
    queried(search, oracle, victim, points, labels, 0.3, chosen)
    assert oracle.queries == 7
    for turn in range(9):
        searched(search, oracle, victim, points, labels, 0.3, turn)
    assert search.signs[:7].abs().sum() > 0
    assert search.signs[7:].abs().sum() == 0


def test_labels_are_counted_like_probabilities() -> None:
    victim, oracle, _, points, labels = prepared()
    assert torch.equal(oracle.labels(victim, points), labels)
    answers = oracle.probabilities(victim, points[:3])
    assert torch.allclose(answers.sum(1), torch.ones(3))
    assert oracle.queries == victim.points == 43
    assert not victim.differentiable


@pytest.mark.parametrize("step", [0.1, -0.1])
def test_augmentation_follows_finite_differences_of_the_labels_probability(step: float) -> None:
    parameters = NET.start(torch.Generator().manual_seed(4)).double() * 3
    points = 0.2 + 0.6 * drawn(5, 6, 9).double()
    labels = torch.tensor([0, 1, 2, 3, 0, 1])
    new = augmented(lambda x: NET(parameters, x), points, labels, step)
    rows, aside = torch.arange(6), 1e-6
    for number in range(9):
        shift = torch.zeros(9, dtype=torch.float64)
        shift[number] = aside
        up, down = (
            NET(parameters, points + sign * shift).softmax(1)[rows, labels] for sign in (1, -1)
        )
        expected = points[:, number] + step * (up - down).sign()
        assert torch.allclose(new[:, number], expected, atol=1e-12)


def test_augmentation_stays_within_the_range_and_works_where_the_net_is_sure() -> None:
    parameters = NET.start(torch.Generator().manual_seed(4)) * 40
    points = drawn(5, 6, 9).round()
    labels = NET(parameters, points).argmax(1)
    assert (NET(parameters, points).softmax(1).amax(1) == 1).any(), "F has no gradient there"
    new = augmented(lambda x: NET(parameters, x), points, labels, 0.25)
    assert set(new.unique().tolist()) <= {0.0, 0.25, 0.75, 1.0}
    assert (new != points).any(1).all()
