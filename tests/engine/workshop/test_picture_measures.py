"""PSNR, overlap of masks and sharpness, compared with NumPy and with cases that are known."""

import numpy as np
import pytest
import torch

from engine.workshop.picture_measures import (
    intersection_over_union,
    mean_gradient,
    psnr,
    sharpness,
)


def test_psnr_is_that_of_numpy() -> None:
    a, b = torch.rand(2, 4, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    expected = -10 * np.log10(((a.numpy() - b.numpy()) ** 2).mean())
    assert psnr(a, b) == pytest.approx(float(expected), rel=1e-5)
    assert psnr(a, a + 0.1) == pytest.approx(20, abs=1e-4)
    assert psnr(a, a) == pytest.approx(120)


def test_masks_overlap_by_as_much_as_they_share() -> None:
    one, other = torch.zeros(2, 1, 4, 4), torch.zeros(2, 1, 4, 4)
    one[0, 0, :2], other[0, 0, 1:3] = 1, 0.6  # 4 of 12 are shared
    one[1], other[1] = 0.5, 0.9
    assert intersection_over_union(one, other) == pytest.approx((1 / 3 + 1) / 2)
    assert intersection_over_union(one * 0, other * 0) == 1
    assert intersection_over_union(one[:1], one[:1] * 0) == 0


def test_the_gradient_of_a_ramp_is_its_slope() -> None:
    y, x = torch.meshgrid(torch.arange(9.0), torch.arange(9.0), indexing="ij")
    ramp = (0.03 * x + 0.04 * y).expand(2, 3, 9, 9)
    assert mean_gradient(ramp) == pytest.approx(0.05)
    assert sharpness(ramp / 2, ramp) == pytest.approx(0.5)
    assert sharpness(ramp * 0, ramp) == 0
