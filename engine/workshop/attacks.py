"""White-box attacks on classifiers of points in [0, 1], of a largest change by L∞.

FGSM: I. Goodfellow et al., "Explaining and Harnessing Adversarial Examples", 2015. PGD: A. Madry et al.,
"Towards Deep Learning Models Resistant to Adversarial Attacks", 2018. All lead away from the right
class: they climb the cross-entropy J.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from engine.workshop.classifying import Classifier, right

STEP = 2.5
"""PGD's step times the number of steps, over the largest change: it can cross the ball (Madry et al.)."""


def loss_slope(classifier: Classifier, points: Tensor, labels: Tensor) -> Tensor:
    """Return the gradient of each point's cross-entropy with respect to it, (N, dimensions)."""
    with torch.enable_grad():
        at = points.detach().requires_grad_()
        loss = F.cross_entropy(classifier(at), labels, reduction="sum")
        (slope,) = torch.autograd.grad(loss, at)
    return slope


def within(points: Tensor, origin: Tensor, size: float) -> Tensor:
    """Return the nearest points that are at most `size` from `origin` in each number, and in [0, 1]."""
    return torch.minimum(torch.maximum(points, origin - size), origin + size).clamp(0, 1)


def fgsm(classifier: Classifier, points: Tensor, labels: Tensor, size: float) -> Tensor:
    """Return x + size * sign(dJ/dx), within [0, 1]: a single step, as far as is allowed."""
    return (points + size * loss_slope(classifier, points, labels).sign()).clamp(0, 1)


def pgd(
    classifier: Classifier, points: Tensor, labels: Tensor, size: float, steps: int, start: Tensor
) -> Tensor:
    """Return the points after `steps` of length 2.5 size / steps along the sign of dJ/dx.

    After each, they are put back into the ball of `size` about where they were, and into [0, 1].

    Args:
        classifier: what is attacked.
        points: (N, dimensions) in [0, 1].
        labels: the right classes (N,).
        size: the largest change of any number.
        steps: at least 1.
        start: where in the ball to begin, (N, dimensions) in [-1, 1]; 0 is the point itself.
    """
    moved = within(points + size * start, points, size)
    for _ in range(steps):
        slope = loss_slope(classifier, moved, labels)
        moved = within(moved + STEP * size / steps * slope.sign(), points, size)
    return moved


@dataclass
class Falls:
    """At which of several sizes of attack each point was first misread."""

    sizes: Tensor
    """(sizes,), ascending, from 0: no attack."""
    index: Tensor
    """(N,): which of the sizes; as many as there are sizes if the point withstood all."""
    points: Tensor
    """(N, dimensions): each point as it was misread, or after the last attack that it withstood."""

    @property
    def accuracies(self) -> Tensor:
        """Return the share of points (sizes,) that withstand each size. It never rises."""
        return (self.index[:, None] > torch.arange(len(self.sizes)).to(self.index)).float().mean(0)


def falls(
    classifier: Classifier,
    points: Tensor,
    labels: Tensor,
    sizes: Sequence[float],
    steps: int,
    starts: Tensor,
) -> Falls:
    """Attack by PGD from several starts, with larger and larger changes, until each point is misread.

    A change within a small ball is within a larger one too, so that what has fallen is left alone.

    Args:
        classifier: what is attacked.
        points: (N, dimensions) in [0, 1].
        labels: the right classes (N,).
        sizes: ascending; 0 is put in front of them.
        steps: of each PGD.
        starts: (restarts, N, dimensions) in [-1, 1].
    """
    ascending = [0.0, *sizes]
    index = torch.full((len(points),), len(ascending), device=points.device)
    index[~right(classifier, points, labels)] = 0
    last = points.clone()
    for number, size in enumerate(ascending[1:], 1):
        for start in starts:
            standing = (index == len(ascending)).nonzero()[:, 0]
            if not len(standing):
                break
            own = labels[standing]
            moved = pgd(classifier, points[standing], own, size, steps, start[standing])
            last[standing] = moved
            index[standing[~right(classifier, moved, own)]] = number
    return Falls(torch.tensor(ascending), index, last)
