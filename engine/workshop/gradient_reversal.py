"""Gradient reversal: features by which two domains cannot be told apart.

Y. Ganin et al., "Domain-Adversarial Training of Neural Networks", JMLR 2016.
"""

import math
from typing import Any

import torch
from torch import Tensor

STEEPNESS = 10.0
"""How soon the strength rises: gamma in the paper."""


class _Reversal(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, features: Tensor, strength: float) -> Tensor:
        ctx.strength = strength
        return features.view_as(features)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return -ctx.strength * gradient, None


def reversed_gradient(features: Tensor, strength: float) -> Tensor:
    """Return `features` unchanged; the gradient that comes back is multiplied by -`strength`.

    So whoever makes the features raises the loss that whoever receives them lowers. 0: the maker
    learns nothing of that loss.
    """
    reversed_: Tensor = _Reversal.apply(features, strength)
    return reversed_


def risen(progress: float) -> float:
    """Return 2 / (1 + exp(-10 p)) - 1, the part of the full strength at a part `progress` of a run.

    It is 0 at first, when the domain discriminator knows nothing yet, and .99991 at the end.
    """
    return 2 / (1 + math.exp(-STEEPNESS * progress)) - 1
