"""What DeepDream makes larger, against numpy and finite differences."""

import numpy as np
import pytest
import torch

from engine.objectives.dream import (
    guided_objective,
    mean_activation_objective,
    squares_objective,
)


def gradient_of(function, x):
    x = x.detach().clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad(function(x), x)
    return gradient


def guided_by_loops(x, guide):
    channels = x.shape[0]
    x, guide = x.reshape(channels, -1), guide.reshape(channels, -1)
    best = [max(float(a @ b) for b in guide.T) for a in x.T]
    return sum(best) / len(best) / channels


def test_by_hand():
    f = torch.tensor([[[[1.0, 2.0]], [[3.0, -4.0]]]])
    assert mean_activation_objective(f) == 0.5
    assert squares_objective(f).item() == pytest.approx((1 + 4 + 9 + 16) / 8)
    assert mean_activation_objective(f, [1]) == -0.5
    assert squares_objective(f, [0]).item() == pytest.approx(5 / 4)
    # best matches: (1, 3) with (0, 2): 6; (2, -4) with (1, -1): 6
    guide = torch.tensor([[[[0.0], [1.0]], [[2.0], [-1.0]]]])
    assert guided_objective(f, guide).item() == pytest.approx(12 / 4)


def test_guided_by_loops(features):
    f, guide = features(1, 5, 6, 7, seed=1), features(1, 5, 3, 4, seed=2) - 0.4
    expected = guided_by_loops(f[0].numpy(), guide[0].numpy())
    assert guided_objective(f, guide).item() == pytest.approx(expected, rel=1e-12)
    some = guided_by_loops(f[0, [4, 1]].numpy(), guide[0, [4, 1]].numpy())
    assert guided_objective(f, guide, [4, 1]).item() == pytest.approx(some, rel=1e-12)


def test_guided_in_parts_of_the_picture(features):
    # more than 4,096 positions are matched in parts
    f, guide = features(1, 3, 70, 71, seed=1), features(1, 3, 4, 4, seed=2) - 0.4
    expected = guided_by_loops(f[0].numpy(), guide[0].numpy())
    assert guided_objective(f, guide).item() == pytest.approx(expected, rel=1e-12)


def test_the_gradient_towards_a_guide_is_its_best_match():
    f = torch.tensor([[[[1.0, 2.0]], [[3.0, -4.0]]]])
    guide = torch.tensor([[[[0.0], [1.0]], [[2.0], [-1.0]]]])
    gradient = gradient_of(lambda x: guided_objective(x, guide), f)
    assert torch.equal(gradient, torch.tensor([[[[0.0, 1.0]], [[2.0, -1.0]]]]) / 4)


def test_the_gradient_of_squares_is_the_activation(features):
    f = features(1, 4, 5, 6)
    torch.testing.assert_close(gradient_of(squares_objective, f), f / f.numel())
    assert torch.equal(gradient_of(squares_objective, 0 * f), 0 * f)


@pytest.mark.parametrize("channels", [(), (2,), (0, 3)])
def test_gradients(channels, features, right_derivative):
    f, guide = features(1, 4, 4, 5, seed=1) + 0.1, features(1, 4, 3, 3, seed=2) - 0.4
    right_derivative(lambda x: mean_activation_objective(x, channels), f)
    right_derivative(lambda x: squares_objective(x, channels), f)
    right_derivative(lambda x: guided_objective(x, guide, channels), f)
    if channels:
        untouched = [c for c in range(4) if c not in channels]
        gradient = gradient_of(lambda x: squares_objective(x, channels), f)
        assert not gradient[:, untouched].any()
        assert gradient[:, list(channels)].any()


def test_half_precision_is_close(features):
    f, guide = features(1, 32, 60, 60, seed=1), features(1, 32, 20, 20, seed=2)
    for objective in (
        mean_activation_objective,
        squares_objective,
        lambda x: guided_objective(x, guide.to(x.dtype)),
    ):
        value = objective(f.bfloat16())
        assert value.dtype == torch.float32
        assert value.item() == pytest.approx(objective(f).item(), rel=3e-3)
    expected = gradient_of(squares_objective, f)
    gradient = gradient_of(squares_objective, f.bfloat16()).double()
    assert (gradient - expected).norm() < 1e-2 * expected.norm()


def test_half_precision_adds_up_over_large_layers():
    ones = torch.ones(1, 16, 256, 256, dtype=torch.bfloat16)
    assert mean_activation_objective(ones) == 1
    assert squares_objective(ones).item() == pytest.approx(0.5, rel=1e-5)


def test_large_layers_count_no_more_than_small_ones():
    f = torch.from_numpy(np.full((1, 7, 9, 11), 3.0))
    assert mean_activation_objective(f).item() == 3
    assert squares_objective(f).item() == pytest.approx(4.5)
