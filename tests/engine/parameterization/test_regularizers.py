"""Regularizing steps on pictures small enough to work out by hand."""

import pytest
import torch
from scipy.ndimage import gaussian_filter

from engine.parameterization.regularizers import (
    blur,
    clip_small_contributions,
    clip_small_norms,
    decay,
)

GRID = torch.tensor(
    [[[3.0, -1.0], [0.0, 2.0]], [[4.0, 0.0], [0.5, -2.0]], [[0.0, 0.0], [0.0, 1.0]]]
)
"""(3, 2, 2): the colours' norms are 5, 1, 0.5 and 3."""


def test_decay_takes_a_share():
    x = torch.tensor([2.0, -4.0])
    decay(x, 0.25)
    assert x.tolist() == [1.5, -3.0]


def test_decay_is_the_step_of_an_l2_penalty():
    x = torch.tensor([2.0, -4.0, 0.5], dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(0.3 * x.square().sum(), x)
    stepped = (x - 0.1 * gradient).detach()
    y = x.detach().clone()
    decay(y, 2 * 0.1 * 0.3)
    torch.testing.assert_close(y, stepped)


def test_blur_works_in_place():
    x = torch.rand(1, 3, 9, 9, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    expected = gaussian_filter(x.numpy(), (0, 0, 1, 1), mode="nearest", truncate=3.0)
    blur(x, 1.0)
    torch.testing.assert_close(x, torch.from_numpy(expected))


@pytest.mark.parametrize(
    ("percent", "kept"),
    [(0, [1, 1, 1, 1]), (25, [1, 1, 0, 1]), (50, [1, 0, 0, 1]), (75, [1, 0, 0, 0])],
)
def test_small_colours_go_each_picture_by_itself(percent, kept):
    x = torch.stack([GRID, 10 * GRID.flip(1)])
    before = x.clone()
    clip_small_norms(x, percent)
    mask = torch.tensor(kept, dtype=x.dtype).view(2, 2)
    assert torch.equal(x, before * torch.stack([mask, mask.flip(0)])[:, None])


def test_small_contributions_go():
    x = GRID[None].clone()
    gradient = torch.ones_like(x)
    gradient[0, :, 0, 0] = torch.tensor([4.0, -3.0, 7.0])  # 3 * 4 - 4 * 3: the colours cancel
    gradient[0, :, 1, 0] = -9.0
    # Contributions 0, 1, 4.5 and 1 in size.
    clip_small_contributions(x, gradient, 25)
    assert x[0, :, 0, 0].tolist() == [0, 0, 0]
    assert torch.equal(x[0, :, 0, 1], GRID[:, 0, 1])
    clip_small_contributions(x, gradient, 75)
    assert torch.equal(x[0, :, 1, 0], GRID[:, 1, 0])
    assert int((x != 0).any(1).sum()) == 1


def test_pixels_of_one_size_are_not_all_taken():
    x = torch.ones(1, 3, 4, 5)
    clip_small_norms(x, 30)
    assert int((x[0, 0] == 0).sum()) == 6
