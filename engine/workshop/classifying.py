"""Nets that read handwritten digits: their data, what they minimize, and how often they are right."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from engine.workshop.digits import load_digits
from engine.workshop.training import noted_gradient

TRAINING = 1000
"""How many of the 1,797 digits are learned from; the others are for tests."""

Classifier = Callable[[Tensor], Tensor]
"""Maps points (N, dimensions) to logits (N, classes)."""


class Split(NamedTuple):
    """Digits to learn from and digits to be tested on."""

    pictures: Tensor
    """(1000, 64), float32 in [0, 1]."""
    digits: Tensor
    """(1000,)."""
    test_pictures: Tensor
    """(797, 64)."""
    test_digits: Tensor
    """(797,)."""


def split_digits() -> Split:
    """Return the handwritten digits, on the CPU, in the order of their source."""
    pictures, digits = load_digits()
    return Split(pictures[:TRAINING], digits[:TRAINING], pictures[TRAINING:], digits[TRAINING:])


def learning_slope(
    net: Callable[[Tensor, Tensor], Tensor], parameters: Tensor, points: Tensor, labels: Tensor
) -> tuple[Tensor, float]:
    """Return the gradient of the mean cross-entropy in nats with respect to `parameters`, and that.

    Args:
        net: maps parameters (count,) and points to logits, as `nets.Net` does.
        parameters: (count,).
        points: (N, dimensions).
        labels: the right classes (N,).
    """
    noted: list[float] = []
    slope = noted_gradient(lambda at: F.cross_entropy(net(at, points), labels), noted, parameters)
    return slope, noted[0]


@torch.no_grad()
def right(classifier: Classifier, points: Tensor, labels: Tensor) -> Tensor:
    """Return at which points (N, dimensions) the largest logit is the label's: (N,), true or false."""
    return classifier(points).argmax(1) == labels


def accuracy(classifier: Classifier, points: Tensor, labels: Tensor) -> float:
    """Return the share of points at which the classifier is right."""
    return float(right(classifier, points, labels).float().mean())


@torch.no_grad()
def agreement(one: Classifier, other: Classifier, points: Tensor) -> float:
    """Return the share of points to which two classifiers give the same class."""
    return float((one(points).argmax(1) == other(points).argmax(1)).float().mean())
