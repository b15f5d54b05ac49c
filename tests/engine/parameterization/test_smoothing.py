"""Gaussian blur beside scipy's."""

import math

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from engine.parameterization.smoothing import gaussian_blur


def picture(*shape):
    return torch.from_numpy(np.random.default_rng(0).random(shape))


def by_scipy(x, sigma, **options):
    return torch.from_numpy(
        gaussian_filter(x.numpy(), (0, 0, sigma, sigma), mode="nearest", **options)
    )


@pytest.mark.parametrize("sigma", [1.0, 2.0, 3.0])
def test_the_same_as_scipy_truncated_at_three_sigma(sigma):
    x = picture(2, 3, 17, 25)
    expected = by_scipy(x, sigma, truncate=3.0)
    torch.testing.assert_close(gaussian_blur(x, sigma), expected, rtol=1e-10, atol=1e-12)
    single = gaussian_blur(x.float(), sigma)
    assert single.dtype == torch.float32
    torch.testing.assert_close(single, expected.float(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("sigma", [0.1, 0.4, 0.75, 1.4, 8.0])  # the last: wider than the picture
def test_the_same_as_scipy_for_any_width(sigma):
    x = picture(1, 3, 17, 25)
    expected = by_scipy(x, sigma, radius=math.ceil(3 * sigma))
    torch.testing.assert_close(gaussian_blur(x, sigma), expected, rtol=1e-10, atol=1e-12)


def test_a_point_becomes_a_gaussian():
    x = torch.zeros(1, 1, 41, 41, dtype=torch.float64)
    x[..., 20, 20] = 1
    y = gaussian_blur(x, 2.0)[0, 0]
    assert y.sum().item() == pytest.approx(1)
    offsets = torch.arange(41, dtype=torch.float64) - 20
    assert (y.sum(0) * offsets**2).sum().item() == pytest.approx(4, rel=0.03)
    assert torch.equal(y, y.T)


def test_no_blur_at_zero():
    x = picture(1, 3, 5, 5)
    assert torch.equal(gaussian_blur(x, 0.0), x)


def test_flat_pictures_stay_flat_and_colours_apart():
    x = torch.zeros(1, 3, 9, 9)
    x[:, 1] = 0.5
    torch.testing.assert_close(gaussian_blur(x, 1.5), x)
