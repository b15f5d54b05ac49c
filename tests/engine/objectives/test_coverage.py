"""Statistics weighted by how visible each place is, against sums by hand in float64."""

import numpy as np
import pytest
import torch

from engine.image import Picture
from engine.objectives.content import ContentLoss
from engine.objectives.coverage import Coverage
from engine.objectives.style import GramLoss, Statistics, WassersteinLoss


def alpha_of(height, width, seed=3):
    alpha = np.random.default_rng(seed).random((height, width))
    alpha[: height // 2, : width // 3] = 0
    return torch.from_numpy(alpha).float()[None, None]


def test_moments_are_sums_weighted_by_the_opacity_of_each_place(features):
    """The grid has half the rows and a third of the columns: means of 2 x 3 opacities."""
    f, alpha = features(2, 4, 6, 5, seed=1), alpha_of(12, 15)
    found = Statistics.of(f, Coverage(alpha))
    on_grid = alpha[0, 0].double().reshape(6, 2, 5, 3).mean((1, 3))
    second, mean, total = torch.zeros(2, 4, 4).double(), torch.zeros(2, 4).double(), 0.0
    for y in range(6):
        for x in range(5):
            w, v = float(on_grid[y, x]), f[:, :, y, x]
            second += w * v[:, :, None] * v[:, None, :]
            mean += w * v
            total += w
    torch.testing.assert_close(found.second, second / total, rtol=1e-6, atol=0)
    torch.testing.assert_close(found.mean, mean / total, rtol=1e-6, atol=0)


def test_of_a_rectangle_that_is_visible_they_are_those_of_the_rectangle(features):
    f, alpha = features(1, 5, 16, 20, seed=2), torch.zeros(1, 1, 32, 40)
    alpha[..., 8:24, 4:30] = 1
    found, part = Statistics.of(f, Coverage(alpha)), f[..., 4:12, 2:15].flatten(2)[0]
    torch.testing.assert_close(found.second[0], part @ part.T / part.shape[1], rtol=1e-6, atol=0)
    torch.testing.assert_close(found.mean[0], part.mean(1), rtol=1e-6, atol=0)


def test_the_network_s_features_of_a_cut_out_are_those_of_the_rectangle(features):
    """A convolution's places that see only visible pixels: those of the photo, uncut."""
    photo = np.random.default_rng(5).random((24, 24, 3), dtype=np.float32)
    alpha = np.zeros((24, 24), np.float32)
    alpha[4:20, 6:22] = 1
    kernel = torch.randn(7, 3, 3, 3, generator=torch.Generator().manual_seed(1)).double()

    def maps(picture):
        return torch.conv2d(picture.tensor()[None].double(), kernel, padding=1).relu()

    inner = torch.zeros(1, 1, 24, 24)
    inner[..., 5:19, 7:21] = 1  # without the places whose kernel reaches beyond the edge
    cut = Statistics.of(maps(Picture(photo, alpha)), Coverage(inner))
    part = maps(Picture(photo))[0, :, 5:19, 7:21].flatten(1)
    torch.testing.assert_close(cut.second[0], part @ part.T / part.shape[1], rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("make", [GramLoss, WassersteinLoss])
def test_losses_see_only_what_is_visible(features, differences, make):
    target, f = Statistics.of(features(1, 3, 4, 4, seed=3)), features(1, 3, 5, 6, seed=4)
    alpha = torch.ones(1, 1, 5, 6)
    alpha[..., 2:, :3] = 0
    loss = make(target, coverage=Coverage(alpha))
    hidden = torch.where(alpha.bool(), f, 10 * features(1, 3, 5, 6, seed=9))
    assert loss(hidden) == loss(f)
    x = (f + 0.1).requires_grad_(True)
    onward, value = loss.passing(x)
    (gradient,) = torch.autograd.grad(value, x)
    assert onward is x
    assert not gradient[..., 2:, :3].any()
    np.testing.assert_allclose(gradient, differences(loss, f + 0.1), rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("normalised", [False, True])
def test_content_is_compared_where_it_is_visible(features, normalised):
    f, target = features(1, 3, 4, 6, seed=1), features(1, 3, 4, 6, seed=2)
    alpha = torch.zeros(1, 1, 4, 6)
    alpha[..., :3] = 1
    seen = ContentLoss(target, normalised, Coverage(alpha))(f)
    part = ContentLoss(target[..., :3], normalised)(f[..., :3])
    # Twice the weight on half the places: once as large by the mean; by the other form, whose
    # denominator has no square, as the root of 2.
    assert float(seen) == pytest.approx(float(part) * (2**0.5 if normalised else 1), rel=1e-6)


def test_an_opaque_picture_needs_no_weights():
    colours = np.zeros((4, 5, 3), np.float32)
    assert Coverage.of(Picture(colours)) is None
    assert Coverage.of(Picture(colours, np.ones((4, 5), np.float32))) is None
    assert Coverage.of(Picture(colours, np.eye(4, 5, dtype=np.float32))) is not None


def test_visible_places_are_those_at_least_half_as_visible_as_any(features):
    f, alpha = features(1, 3, 2, 2), torch.tensor([[[[0.8, 0.3], [0.5, 0.0]]]])
    assert torch.equal(Coverage(alpha).visible(f), f.flatten(2)[..., [0, 2]].unsqueeze(2))
