"""Attacks on a classifier that only answers: its questions are counted, and no gradient leaves it.

With a substitute: N. Papernot et al., "Practical Black-Box Attacks against Machine Learning", 2016.
By its probabilities: C. Guo et al., "Simple Black-box Adversarial Attacks", 2019.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from engine.workshop.classifying import Classifier


@dataclass
class Oracle:
    """A classifier behind a counter: each point that it is asked about is one query."""

    queries: int = 0

    @torch.no_grad()
    def probabilities(self, classifier: Classifier, points: Tensor) -> Tensor:
        """Return the probabilities (N, classes) at `points` (N, dimensions), for N queries."""
        self.queries += len(points)
        return classifier(points.detach()).softmax(1)

    def labels(self, classifier: Classifier, points: Tensor) -> Tensor:
        """Return the most likely classes (N,) alone, for N queries."""
        return self.probabilities(classifier, points).argmax(1)


def augmented(substitute: Classifier, points: Tensor, labels: Tensor, step: float) -> Tensor:
    """Return x + step * sign(dF_label/dx) within [0, 1]: Jacobian-based augmentation.

    The Jacobian is the substitute's own. F is a probability in the paper; its logarithm has a gradient
    of the same sign, which is not lost where F rounds to 1.

    Args:
        substitute: what the attacker has trained so far.
        points: all that it was trained on, (N, dimensions) in [0, 1].
        labels: what the victim called them (N,).
        step: λ; negative leads away from the label.
    """
    with torch.enable_grad():
        at = points.detach().requires_grad_()
        chances = substitute(at).log_softmax(1).gather(1, labels[:, None])
        (slope,) = torch.autograd.grad(chances.sum(), at)
    return (points + step * slope.sign()).clamp(0, 1)


@dataclass
class Search:
    """A search by probabilities: what each point has become, and what is known of it."""

    signs: Tensor
    """(N, dimensions), each -1, 0 or 1: how the numbers are changed, times the size."""
    chances: Tensor
    """(N,): the probability of the right class, at the last answer."""
    fooled: Tensor
    """(N,), true or false: whether another class was the answer; such a point is left alone."""
    order: Tensor
    """(N, dimensions): in which order each point's numbers are tried."""

    def moved(self, points: Tensor, size: float) -> Tensor:
        """Return what `points` (N, dimensions) have become, within [0, 1]."""
        return (points + size * self.signs).clamp(0, 1)


def begun(points: Tensor) -> Search:
    """Return a search before its first question, in which no point is worked on yet."""
    count = len(points)
    return Search(
        torch.zeros_like(points),
        torch.ones(count, device=points.device),
        torch.ones(count, dtype=torch.bool, device=points.device),
        torch.zeros(points.shape, dtype=torch.long, device=points.device),
    )


def queried(
    search: Search,
    oracle: Oracle,
    victim: Classifier,
    points: Tensor,
    labels: Tensor,
    size: float,
    chosen: Tensor,
) -> None:
    """Ask about the points as they are now: before the first step, or when `size` has changed.

    Args:
        search: learns whether they fool, and how likely their right classes are.
        oracle: counts a query for each of them.
        victim: answers.
        points: all unchanged ones (N, dimensions).
        labels: their right classes (N,).
        size: the largest change of a number.
        chosen: which of them are asked about (N,), true or false.
    """
    answers = oracle.probabilities(victim, search.moved(points, size)[chosen])
    search.chances[chosen] = answers.gather(1, labels[chosen, None])[:, 0]
    search.fooled[chosen] = answers.argmax(1) != labels[chosen]


def searched(
    search: Search,
    oracle: Oracle,
    victim: Classifier,
    points: Tensor,
    labels: Tensor,
    size: float,
    turn: int,
) -> None:
    """Try one number of each point that does not fool yet: up, and if that does not help, down.

    A change is kept if the right class becomes less likely, or is no longer the answer. What would
    change nothing, as a black pixel made darker, is not asked. No number is changed by more than
    `size`: this is SimBA in the basis of pixels, within a ball of L∞. The paper stops when all were
    tried; here they may be tried again, from the changed point.

    Args:
        search: goes on.
        oracle: counts.
        victim: answers.
        points: the unchanged ones (N, dimensions).
        labels: their right classes (N,).
        size: the largest change of a number.
        turn: which place in `search.order` is tried.
    """
    rows = torch.arange(len(points), device=points.device)
    waiting = ~search.fooled
    for sign in (1.0, -1.0):
        number = search.order[:, turn]
        trial = search.signs.clone()
        trial[rows, number] = sign
        before = search.moved(points, size)
        after = (points + size * trial).clamp(0, 1)
        chosen = (waiting & (after != before).any(1)).nonzero()[:, 0]
        if not len(chosen):
            continue
        answers = oracle.probabilities(victim, after[chosen])
        chances = answers.gather(1, labels[chosen, None])[:, 0]
        wrong = answers.argmax(1) != labels[chosen]
        helped = wrong | (chances < search.chances[chosen])
        better = chosen[helped]
        search.signs[better] = trial[better]
        search.chances[better] = chances[helped]
        search.fooled[better] = wrong[helped]
        waiting[better] = False
