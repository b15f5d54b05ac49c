"""Style as a distribution of features: Gram matrices, or Gaussians compared by optimal transport.

Gram: Gatys, Ecker, Bethge 2015 ("A Neural Algorithm of Artistic Style"), divided by H W.
Wasserstein: the squared 2-Wasserstein distance between the Gaussians with the features' mean and
covariance, first used for style by Mroueh 2019 ("Wasserstein Style Transfer").
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from engine.objectives.content import scaled_difference
from engine.objectives.coverage import Coverage
from engine.objectives.moments import (
    double,
    moments,
    passing_moments,
    passing_second_moments,
    second_moments,
)

COVARIANCE_FLOOR = 1e-3
"""Added to the diagonal of covariances, relative to the style's mean second moment: keeps square
roots differentiable in directions that a picture or a style does not use (with fewer positions than
channels, there always are some)."""
PUBLISHED_FLOOR = 1e-4
"""The same in the published formula (Crowson's style transfer), whatever the size of features."""


def gram_matrix(features: Tensor) -> Tensor:
    """Return the Gram matrices (N, C, C) of activations (N, C, H, W), divided by H W.

    float64 in, float64 out; anything else gives float32.
    """
    return second_moments(features)


@dataclass(frozen=True)
class Statistics:
    """What is remembered of a style at one layer: mean (N, C) and second raw moments (N, C, C)."""

    mean: Tensor
    second: Tensor

    @classmethod
    def of(cls, features: Tensor, coverage: Coverage | None = None) -> "Statistics":
        """Return the statistics of activations (N, C, H, W), weighted by how visible their places are."""
        return cls(*(moments(features) if coverage is None else _seen_moments(features, coverage)))

    @classmethod
    def blend(cls, parts: Sequence["Statistics"], weights: Sequence[float]) -> "Statistics":
        """Return the weighted mean of several styles' raw moments (which, unlike covariances, mix)."""
        total = sum(weights)
        shares = [w / total for w in weights]
        mean = torch.stack([s * p.mean for p, s in zip(parts, shares, strict=True)]).sum(0)
        second = torch.stack([s * p.second for p, s in zip(parts, shares, strict=True)]).sum(0)
        return cls(mean, second)


def _seen_moments(features: Tensor, coverage: Coverage) -> tuple[Tensor, Tensor]:
    """Return the weighted mean (N, C) and mean of f fᵀ (N, C, C), as `moments` does."""
    return coverage.mean(features), moments(coverage.scaled(features))[1]


class GramLoss:
    """Distance of Gram matrices: squared Frobenius norm, or its gradient-normalized form.

    The plain formula is the sum over entries of (G - G*)²; a layer of 512 channels then has 64
    times the entries of one of 64, which the customary 1 / C² evens out (Gatys' 1 / (4 N²)), as the
    mean over entries does here.
    """

    def __init__(
        self, target: Statistics, normalised: bool = False, coverage: Coverage | None = None
    ) -> None:
        """Compare with `target`; `normalised` divides by the sum of absolute differences.

        `coverage` is that of the picture whose activations are compared.
        """
        self.target = target.second
        self.normalised, self.coverage = normalised, coverage

    def __call__(self, features: Tensor) -> Tensor:
        """Return the scalar loss of activations (N, C, H, W)."""
        return self.passing(features)[1]

    def passing(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return the activations, for what comes after them (see `passing_moments`), and the loss."""
        if self.coverage is None:
            onward, gram = passing_second_moments(features)
        else:
            onward, gram = features, second_moments(self.coverage.scaled(features))
        return onward, self.of_moments(None, gram)

    def of_moments(self, mean: Tensor | None, second: Tensor) -> Tensor:
        """Return the loss of activations with these second moments (N, C, C); the mean is not used."""
        del mean
        if self.normalised:
            return scaled_difference(second, self.target)
        return (second - self.target).square().mean()


class WassersteinLoss:
    """mean((μ - μ*)²) + tr(S + S* - 2 (A S A)^½) / C with A = S*^½: W₂² of Gaussians, per channel.

    Eigenvalues of A S A span the square of the range of S, more than float32 holds (measured: in
    float32, the loss of VGG-19's relu5_1 at 128 px climbs), so the decomposition is in float64.
    """

    def __init__(
        self, target: Statistics, coverage: Coverage | None = None, floor: float | None = None
    ) -> None:
        """Precompute the target's covariance and its square root.

        `coverage` is that of the picture whose activations are compared; `floor` is added to the
        diagonal of covariances (None: `COVARIANCE_FLOOR`, relative to the target).
        """
        self.coverage = coverage
        self.mean = target.mean
        if floor is None:
            size = float(target.second.diagonal(dim1=-2, dim2=-1).mean())
            floor = COVARIANCE_FLOOR * max(size, 1e-12)
        self.floor = floor
        covariance = self._covariance(target.mean, target.second)
        self.trace = covariance.diagonal(dim1=-2, dim2=-1).sum(-1)
        self.root = symmetric_power(double(covariance), 0.5).to(covariance)

    def __call__(self, features: Tensor) -> Tensor:
        """Return the scalar loss of activations (N, C, H, W)."""
        return self.passing(features)[1]

    def passing(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return the activations, for what comes after them (see `passing_moments`), and the loss."""
        if self.coverage is None:
            onward, mean, second = passing_moments(features)
        else:
            onward, (mean, second) = features, _seen_moments(features, self.coverage)
        return onward, self.of_moments(mean, second)

    def of_moments(self, mean: Tensor, second: Tensor) -> Tensor:
        """Return the loss of activations with this mean (N, C) and these second moments (N, C, C)."""
        covariance = self._covariance(mean, second)
        means = (mean - self.mean).square().mean(-1)
        trace = covariance.diagonal(dim1=-2, dim2=-1).sum(-1) + self.trace
        fidelity: Tensor = _RootFidelity.apply(covariance, self.root)
        return (means + (trace - 2 * fidelity) / mean.shape[-1]).mean()

    def _covariance(self, mean: Tensor, second: Tensor) -> Tensor:
        identity = torch.eye(mean.shape[-1], dtype=mean.dtype, device=mean.device)
        return second - mean.unsqueeze(-1) * mean.unsqueeze(-2) + self.floor * identity


class _RootFidelity(torch.autograd.Function):
    """tr((A S A)^½) with its closed-form gradient ½ A (A S A)^-½ A: one eigendecomposition."""

    @staticmethod
    def forward(ctx: Any, covariance: Tensor, root: Tensor) -> Tensor:
        precise = double(root)
        product = precise @ double(covariance) @ precise
        values, vectors = torch.linalg.eigh((product + product.mT) / 2)
        values = values.clamp_min(1e-12 * values[..., -1:].clamp_min(1e-30))
        ctx.save_for_backward(precise, values, vectors)
        return values.sqrt().sum(-1).to(covariance)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        root, values, vectors = ctx.saved_tensors
        half = root @ vectors * values.pow(-0.25).unsqueeze(-2)
        gradient = (half @ half.mT).to(gradients[0])
        return 0.5 * gradients[0][..., None, None] * gradient, None


def symmetric_power(matrix: Tensor, exponent: float) -> Tensor:
    """Return a symmetric positive matrix (…, C, C) to a power; eigenvalues below 0 count as 0."""
    values, vectors = torch.linalg.eigh(matrix)
    powers = values.clamp_min(1e-30).pow(exponent)
    return (vectors * powers.unsqueeze(-2)) @ vectors.mT
