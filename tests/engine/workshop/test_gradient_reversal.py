"""Gradient reversal: its schedule, and its gradient against the plain one and finite differences."""

import math
from collections.abc import Callable

import pytest
import torch
from torch.nn import functional as F

from engine.workshop.gradient_reversal import reversed_gradient, risen


def loss_of(strength: float | None) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    """Return a domain loss of features and a discriminator's weights; None: without reversal."""
    domains = torch.tensor([1.0, 0, 1, 0, 1], dtype=torch.float64)

    def loss(features: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        seen = features if strength is None else reversed_gradient(features, strength)
        return F.binary_cross_entropy_with_logits(seen @ weights, domains)

    return loss


@pytest.fixture
def given() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    features = torch.randn(5, 3, dtype=torch.float64, generator=generator, requires_grad=True)
    weights = torch.randn(3, dtype=torch.float64, generator=generator, requires_grad=True)
    return features, weights


@pytest.mark.parametrize("strength", [0.0, 0.3, 1.0, 3.0])
def test_features_get_minus_lambda_times_the_gradient_and_the_discriminator_its_own(
    given: tuple[torch.Tensor, torch.Tensor], strength: float
) -> None:
    plain = torch.autograd.grad(loss_of(None)(*given), given)
    turned = torch.autograd.grad(loss_of(strength)(*given), given)
    assert torch.allclose(turned[0], -strength * plain[0], atol=1e-15)
    assert torch.equal(turned[1], plain[1])


def test_the_gradient_is_that_of_finite_differences(
    given: tuple[torch.Tensor, torch.Tensor],
) -> None:
    features, weights = given[0], given[1].detach()
    (turned,) = torch.autograd.grad(loss_of(2.0)(features, weights), features)
    step = 1e-6
    for place in ((0, 0), (2, 1), (4, 2)):
        up, down = features.detach().clone(), features.detach().clone()
        up[place] += step
        down[place] -= step
        slope = (loss_of(2.0)(up, weights) - loss_of(2.0)(down, weights)) / (2 * step)
        assert float(turned[place]) == pytest.approx(-2 * float(slope), abs=1e-9)


def test_forwards_nothing_changes() -> None:
    features = torch.randn(4, 2)
    assert torch.equal(reversed_gradient(features, 5.0), features)


def test_the_strength_rises_as_a_hyperbolic_tangent() -> None:
    """2 / (1 + exp(-10 p)) - 1 = tanh(5 p)."""
    for progress in (0.0, 0.01, 0.1, 0.37, 1.0):
        assert risen(progress) == pytest.approx(math.tanh(5 * progress), abs=1e-15)
    assert risen(0.0) == 0.0
    assert risen(1.0) == pytest.approx(0.99991, abs=1e-6)
