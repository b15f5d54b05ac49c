"""The alpha-norm, by hand, against loops, and its slope."""

import numpy as np
import pytest
import torch

from engine.objectives.priors import alpha_norm


def picture(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).normal(0.0, 0.8, shape))


def test_by_hand():
    x = torch.tensor([[[1.0, -2.0], [0.5, 0.0]]])
    assert alpha_norm(x, 2.0).item() == 1 + 4 + 0.25
    assert alpha_norm(x, 1.0).item() == 3.5
    assert alpha_norm(x, 3.0).item() == 1 + 8 + 0.125
    assert alpha_norm(x).item() == 1 + 64 + 0.5**6  # 6, as in the paper, where none is given


@pytest.mark.parametrize("alpha", [1.0, 2.0, 3.5, 6.0])
@pytest.mark.parametrize("shape", [(3, 4, 5), (2, 3, 3, 4)])
def test_by_loops(alpha, shape):
    x = picture(*shape)
    expected = sum(abs(float(value)) ** alpha for value in x.flatten())
    assert alpha_norm(x, alpha).item() == pytest.approx(expected, rel=1e-12)
    assert alpha_norm(x.float(), alpha).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("alpha", [1.0, 2.0, 3.5, 6.0])
def test_gradient(alpha, right_derivative):
    right_derivative(lambda x: alpha_norm(x, alpha), picture(1, 3, 4, 3))


@pytest.mark.parametrize("alpha", [1.0, 1.5, 2.0, 6.0])
def test_a_gray_picture_has_no_norm_and_no_slope(alpha):
    x = torch.zeros(3, 4, 4, requires_grad=True)
    value = alpha_norm(x, alpha)
    value.backward()
    assert value.item() == 0
    assert torch.equal(x.grad, torch.zeros_like(x))


def test_high_powers_hold_back_the_extremes_alone():
    # two pictures of the same mean square: one even, one with a spike
    even = torch.full((3, 4, 4), 0.5, dtype=torch.float64)
    spike = torch.zeros_like(even)
    spike[0, 0, 0] = np.sqrt(48) / 2
    assert alpha_norm(spike, 2.0).item() == pytest.approx(alpha_norm(even, 2.0).item())
    assert (alpha_norm(spike) / alpha_norm(even)).item() == pytest.approx(48**2)
