"""Content losses: values by hand and by numpy, gradients by finite differences."""

import numpy as np
import pytest
import torch

from engine.objectives.content import ContentLoss, scaled_difference


def gradient_of(function, x):
    x = x.detach().clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad(function(x), x)
    return gradient


def test_it_is_the_mean_squared_error_by_hand():
    target = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    moved = torch.tensor([[[[1.0, 0.0], [3.0, 7.0]]]])
    assert ContentLoss(target)(moved) == (0 + 4 + 0 + 9) / 4
    assert torch.equal(
        gradient_of(ContentLoss(target), moved), torch.tensor([[[[0.0, -1.0], [0.0, 1.5]]]])
    )


def test_it_is_zero_and_without_slope_at_the_target(features):
    target = features(2, 3, 4, 5)
    for normalised in (False, True):
        loss = ContentLoss(target, normalised)
        assert loss(target.clone()) == 0
        assert torch.equal(gradient_of(loss, target), torch.zeros_like(target))


@pytest.mark.parametrize("normalised", [False, True])
def test_gradient(normalised, features, right_derivative):
    loss = ContentLoss(features(2, 3, 4, 5, seed=1), normalised)
    right_derivative(loss, features(2, 3, 4, 5, seed=2) + 0.1)
    right_derivative(lambda x: 3.5 * loss(x) ** 2, features(2, 3, 4, 5, seed=2) + 0.1)


def test_the_target_is_remembered_not_watched(features):
    target = features(1, 2, 3, 3).requires_grad_(True)
    assert not ContentLoss(target).target.requires_grad


def test_scaled_difference_by_hand():
    x, target = torch.tensor([3.0, 0.0, 5.0]), torch.tensor([1.0, 1.0, 5.0])
    assert scaled_difference(x, target).item() == pytest.approx((4 + 1) / 3, rel=1e-6)
    # (2 d - L sign d) / sum |d|
    expected = torch.tensor([(4 - 5 / 3) / 3, (-2 + 5 / 3) / 3, 0.0])
    torch.testing.assert_close(gradient_of(lambda t: scaled_difference(t, target), x), expected)


def test_scaled_difference_has_the_right_gradient(features, right_derivative):
    target = features(1, 3, 3, 4, seed=5)
    right_derivative(lambda x: scaled_difference(x, target), features(1, 3, 3, 4, seed=6) + 0.05)


@pytest.mark.parametrize("size", [1e-3, 1.0, 1e4])
def test_scaled_difference_pulls_equally_at_any_scale(size):
    signs = torch.tensor([1.0, -1, 1, 1, -1], dtype=torch.float64)
    gradient = gradient_of(lambda x: scaled_difference(x, torch.zeros_like(x)), size * signs)
    assert gradient.abs().sum().item() == pytest.approx(1, rel=1e-4)
    uneven = torch.from_numpy(np.random.default_rng(3).normal(0, size, 5000))
    gradient = gradient_of(lambda x: scaled_difference(x, torch.zeros_like(x)), uneven)
    # of normal errors L / |d| is sqrt(pi / 2), and E |2 |d| - L| / E |d| a number near 1
    assert gradient.abs().sum().item() == pytest.approx(1.2, abs=0.1)


# normalised: the two terms of its gradient partly cancel
@pytest.mark.parametrize(("normalised", "tolerance"), [(False, 0.01), (True, 0.03)])
def test_half_precision_is_close(normalised, tolerance, features):
    target, x = features(1, 64, 30, 30, seed=1), features(1, 64, 30, 30, seed=2)
    exact = ContentLoss(target, normalised)
    rough = ContentLoss(target.bfloat16(), normalised)
    value = rough(x.bfloat16())
    assert value.dtype == torch.float32
    assert value.item() == pytest.approx(exact(x).item(), rel=2e-3)
    expected = gradient_of(exact, x)
    gradient = gradient_of(rough, x.bfloat16())
    assert gradient.dtype == torch.bfloat16
    assert (gradient.double() - expected).norm() < tolerance * expected.norm()


def test_half_precision_adds_up_exactly():
    # 2**20 terms: a sum in bfloat16 would stop growing at 256 of them
    target = torch.zeros(1, 16, 256, 256, dtype=torch.bfloat16)
    assert ContentLoss(target)(torch.full_like(target, 0.5)).item() == pytest.approx(0.25, rel=1e-5)
