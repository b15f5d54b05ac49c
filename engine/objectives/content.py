"""Content: the activations of one picture, compared position by position (Gatys et al. 2015)."""

from typing import Any

import torch
from torch import Tensor

from engine.objectives.coverage import Coverage

SMALL = 1e-8
"""Added to the sum of absolute differences, which may be zero."""


class ContentLoss:
    """Mean squared error of features, 1 / (C H W) ||F - F*||², or its gradient-normalized form."""

    def __init__(
        self, target: Tensor, normalised: bool = False, coverage: Coverage | None = None
    ) -> None:
        """Compare with activations `target` (N, C, H, W), weighted by how visible their places are."""
        self.coverage = coverage if target.dim() == 4 else None  # a vector has no places
        self.target = self._seen(target.detach())
        self.normalised = normalised

    def _seen(self, features: Tensor) -> Tensor:
        return features if self.coverage is None else self.coverage.scaled(features)

    def __call__(self, features: Tensor) -> Tensor:
        """Return the scalar loss of activations of the target's shape, float32 or float64."""
        features = self._seen(features)
        if self.normalised:
            return scaled_difference(features, self.target)
        result: Tensor = _MeanSquaredError.apply(features, self.target)
        return result


class _MeanSquaredError(torch.autograd.Function):
    """mean((x - t)²): the difference is kept in the activations' precision, the sum in float32."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, target: Tensor) -> Tensor:
        difference = x - target
        ctx.save_for_backward(difference)
        return _sum_of_squares(difference) / difference.numel()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (difference,) = ctx.saved_tensors
        factor = 2 * gradients[0] / difference.numel()
        return difference * factor.to(difference.dtype), None


def _sum_of_squares(x: Tensor) -> Tensor:
    kind = torch.float64 if x.dtype == torch.float64 else torch.float32
    return torch.linalg.vector_norm(x, dtype=kind).square()


def scaled_difference(x: Tensor, target: Tensor, epsilon: float = SMALL) -> Tensor:
    """Return sum(d²) / (sum|d| + ε) for d = x - target: its gradient has an L1 norm of about 1.

    With the denominator differentiated too, the gradient (2 d - L sign d) / sum|d| keeps that size
    whatever the layer's scale is, so layers and losses need no weights tuned to the network.
    """
    kind = torch.float64 if x.dtype == torch.float64 else torch.float32
    d = (x - target).to(kind)
    return d.square().sum() / (d.abs().sum() + epsilon)
