"""Total variation and smoothness, against loops over pixels."""

import math

import numpy as np
import pytest
import torch

from engine import objectives
from engine.objectives.priors import smoothness, total_variation

BETAS = [1.0, 1.5, 2.0, 2.5, 3.0]


def picture(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).random(shape))


def variation_by_loops(x, beta):
    total = 0.0
    *_, height, width = x.shape
    for plane in x.reshape(-1, height, width):
        for i in range(height):
            for j in range(width):
                dx = plane[i, j + 1] - plane[i, j] if j + 1 < width else 0.0
                dy = plane[i + 1, j] - plane[i, j] if i + 1 < height else 0.0
                total += (dx * dx + dy * dy) ** (beta / 2)
    return total


def smoothness_by_loops(x):
    n, colours, height, width = x.shape
    weights = {(0, 1): 1 / 3, (1, 0): 1 / 3, (1, 1): 1 / 12, (1, -1): 1 / 12}
    total = 0.0
    for k, c, i, j in np.ndindex(n, colours, height, width):
        for (down, right), weight in weights.items():
            row, column = min(i + down, height - 1), min(max(j + right, 0), width - 1)
            total += 2 * weight * (x[k, c, row, column] - x[k, c, i, j]) ** 2
    return total / x.size


# ---------------------------------------------------------------- total variation


def test_total_variation_by_hand():
    # differences right: 3, 0 | -4, 0; down: 4, -3 | 0, 0
    x = torch.tensor([[[0.0, 3.0], [4.0, 0.0]]])
    assert total_variation(x) == 9 + 16 + 9 + 16
    assert total_variation(x, beta=1.0).item() == pytest.approx(5 + 3 + 4)
    assert total_variation(x, beta=4.0).item() == pytest.approx(25**2 + 9**2 + 16**2)
    assert objectives.total_variation is total_variation


@pytest.mark.parametrize("beta", BETAS)
@pytest.mark.parametrize("shape", [(3, 5, 4), (2, 3, 4, 6)])
def test_total_variation_by_loops(beta, shape):
    x = picture(*shape)
    expected = variation_by_loops(x.numpy(), beta)
    assert total_variation(x, beta).item() == pytest.approx(expected, rel=1e-12)
    assert total_variation(x.float(), beta).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("beta", BETAS)
def test_gradient_of_total_variation(beta, right_derivative):
    right_derivative(lambda x: total_variation(x, beta), picture(2, 3, 4, 5))


@pytest.mark.parametrize("beta", [0.5, *BETAS])
def test_a_flat_picture_has_no_variation_and_no_slope(beta):
    x = torch.full((3, 64, 64), 0.7, requires_grad=True)
    value = total_variation(x, beta)
    assert value.item() == pytest.approx(0, abs=1e-3)
    value.backward()
    assert torch.equal(x.grad, torch.zeros_like(x))


def test_one_edge_in_a_flat_picture_counts_its_length():
    x = torch.zeros(3, 256, 256)
    x[:, :, 128:] = 1
    assert total_variation(x, beta=1.0).item() == pytest.approx(3 * 256, rel=1e-6)


@pytest.mark.parametrize("step", [1e-12, 1e-6, 1.0])
def test_the_slope_at_small_steps_is_bounded_for_beta_1(step):
    x = torch.zeros(1, 1, 2, dtype=torch.float64)
    x[..., 1] = step
    x.requires_grad_(True)
    total_variation(x, beta=1.0).backward()
    torch.testing.assert_close(x.grad, torch.tensor([[[-1.0, 1.0]]], dtype=torch.float64))


# ---------------------------------------------------------------- smoothness


def test_smoothness_by_hand():
    x = torch.zeros(1, 1, 3, 3)
    x[..., 1, 1] = 1
    # the eight neighbours, each seen once: 2 right, 2 down, 2 and 2 on the diagonals
    assert smoothness(x).item() == pytest.approx(2 * (4 / 3 + 4 / 12) / 9)


def test_smoothness_by_loops():
    x = picture(2, 3, 5, 4)
    assert smoothness(x).item() == pytest.approx(smoothness_by_loops(x.numpy()), rel=1e-12)


def test_smoothness_is_the_squared_gradient_in_every_direction():
    rows, columns = torch.meshgrid(torch.arange(400.0), torch.arange(400.0), indexing="ij")
    for angle in (0.0, 0.4, math.pi / 4, 1.2, math.pi / 2, 2.0):
        slope = math.cos(angle) * columns + math.sin(angle) * rows
        # 2 (1/3 + 1/6) = 1 times the squared gradient; less at the border alone
        assert smoothness(slope[None, None]).item() == pytest.approx(1, rel=6e-3)


def test_gradient_of_smoothness(right_derivative):
    right_derivative(smoothness, picture(1, 3, 4, 5))


def test_smoothness_of_a_flat_picture_is_nothing():
    assert smoothness(torch.full((1, 3, 8, 8), 0.3)) == 0
