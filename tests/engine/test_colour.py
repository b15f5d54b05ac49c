"""Colour preservation: luma, colour coordinates and colour distributions, against numpy."""

import numpy as np
import pytest
import torch

from engine.colour import (
    gray,
    luminance,
    match_colours,
    matched_luminance,
    with_luminance_of,
)

# Y, I, Q of NTSC (FCC 1953 rounded to BT.601's luma)
YIQ = np.array([[0.299, 0.587, 0.114], [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]])


def picture(*shape, seed=0, low=0.0, high=1.0):
    values = np.random.default_rng(seed).random(shape, dtype=np.float32)
    return torch.from_numpy(low + (high - low) * values)


def coloured(seed):
    """A picture around gray whose channels depend on each other; nothing near 0 or 1."""
    random = np.random.default_rng(seed)
    basis, _ = np.linalg.qr(random.normal(size=(3, 3)))
    mix = basis * random.uniform(0.06, 0.2, 3)
    colours = 0.5 + random.uniform(-0.05, 0.05, (3, 1)) + mix @ random.uniform(-1, 1, (3, 30 * 40))
    assert 0 < colours.min() < colours.max() < 1
    return torch.from_numpy(colours.astype(np.float32).reshape(1, 3, 30, 40))


def moments(x):
    colours = x.double().permute(1, 0, 2, 3).reshape(3, -1).numpy()
    return colours.mean(1), np.cov(colours, bias=True)


def yiq(x):
    return np.einsum("ij,njhw->nihw", YIQ, x.double().numpy())


# ---------------------------------------------------------------- luma


def test_luma_by_hand():
    x = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 1.0, 1.0]])
    y = luminance(x.view(4, 3, 1, 1))
    torch.testing.assert_close(y.flatten(), torch.tensor([0.299, 0.587, 0.114, 1.0]))
    assert luminance(picture(2, 3, 4, 5)).shape == (2, 1, 4, 5)


def test_gray_keeps_the_luma():
    x = picture(2, 3, 4, 5)
    assert gray(x).shape == x.shape
    assert torch.equal(gray(x)[:, 0], gray(x)[:, 2])
    torch.testing.assert_close(luminance(gray(x)), luminance(x))
    gray(x).add_(1)  # its channels are not one memory


def test_matched_luminance_has_the_contents_mean_and_deviation():
    style, content = picture(1, 3, 20, 30, seed=1), picture(1, 3, 9, 8, seed=2, low=0.3, high=0.5)
    matched = matched_luminance(style, content)
    assert matched.shape == style.shape
    assert torch.equal(matched[:, 0], matched[:, 1])
    y, target = matched[0, 0].double().numpy(), luminance(content).double().numpy()
    assert y.mean() == pytest.approx(target.mean(), abs=1e-6)
    assert y.std(ddof=1) == pytest.approx(target.std(ddof=1), abs=1e-6)
    # the same picture apart from brightness and contrast
    assert np.corrcoef(y.ravel(), luminance(style).numpy().ravel())[0, 1] == pytest.approx(1)


def test_matched_luminance_of_a_flat_style_is_the_contents_mean():
    content = picture(1, 3, 9, 8)
    matched = matched_luminance(torch.full((1, 3, 5, 5), 0.2), content)
    expected = torch.full((1, 3, 5, 5), float(luminance(content).mean()))
    torch.testing.assert_close(matched, expected, atol=0.05, rtol=0)


# ---------------------------------------------------------------- light and dark alone


def test_only_light_and_dark_are_taken_over():
    new = picture(1, 3, 12, 15, seed=1, low=0.4, high=0.6)
    content = picture(1, 3, 12, 15, seed=2, low=0.3, high=0.7)
    result = with_luminance_of(new, content)
    assert 0 < result.min() < result.max() < 1  # nothing was clamped
    np.testing.assert_allclose(yiq(result)[:, 0], yiq(new)[:, 0], atol=1e-6)
    # I and Q up to the rounding of the matrix above, whose rows do not quite add up to 0
    np.testing.assert_allclose(yiq(result)[:, 1:], yiq(content)[:, 1:], atol=1e-4)
    assert np.abs(yiq(result)[:, 1:] - yiq(new)[:, 1:]).max() > 0.1


def test_strength_mixes_the_new_colours_in():
    new = picture(1, 3, 6, 7, seed=1, low=0.4, high=0.6)
    content = picture(1, 3, 6, 7, seed=2, low=0.3, high=0.7)
    assert torch.equal(with_luminance_of(new, content, 0.0), new)
    half = with_luminance_of(new, content, 0.5)
    full = with_luminance_of(new, content, 1.0)
    torch.testing.assert_close(full, with_luminance_of(new, content))
    torch.testing.assert_close(half, (new + full) / 2)
    np.testing.assert_allclose(yiq(half)[:, 0], yiq(new)[:, 0], atol=1e-6)


def test_colours_out_of_range_are_clamped():
    red = torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1)
    white = torch.ones(1, 3, 1, 1)
    assert torch.equal(with_luminance_of(white, red).flatten(), torch.tensor([1.0, 0.701, 0.701]))


# ---------------------------------------------------------------- distributions


@pytest.mark.parametrize("seed", range(5))
def test_matched_colours_have_the_targets_mean_and_covariance(seed):
    x, target = coloured(seed), coloured(100 + seed)
    result = match_colours(x, target)
    assert 0 < result.min() < result.max() < 1  # nothing was clamped
    (mean, covariance), (target_mean, target_covariance) = moments(result), moments(target)
    np.testing.assert_allclose(mean, target_mean, atol=1e-6)
    # up to the ridge of 1e-5 that both covariances get
    np.testing.assert_allclose(covariance, target_covariance, atol=1e-4)
    assert np.abs(moments(x)[1] - target_covariance).max() > 2e-3


def test_the_map_is_linear_and_symmetric_and_positive():
    x, target = coloured(1), coloured(2)
    result = match_colours(x, target)
    flat = x[0].flatten(1).double().numpy()
    design = np.vstack([flat, np.ones(flat.shape[1])]).T
    solution, *_ = np.linalg.lstsq(design, result[0].flatten(1).double().numpy().T, rcond=None)
    transport = solution[:3].T
    np.testing.assert_allclose(design @ solution, result[0].flatten(1).T.numpy(), atol=1e-6)
    np.testing.assert_allclose(transport, transport.T, atol=1e-4)
    assert np.linalg.eigvalsh((transport + transport.T) / 2).min() > 0
    # With symmetry, T Σ T = Σ* has one positive solution: T is Σ* # Σ⁻¹, the geometric mean.
    ridge = 1e-5 * np.eye(3)
    covariance, wanted = moments(x)[1] + ridge, moments(target)[1] + ridge
    np.testing.assert_allclose(transport @ covariance @ transport, wanted, atol=1e-6)


def test_a_picture_matched_with_itself_stays():
    x = coloured(3)
    torch.testing.assert_close(match_colours(x, x), x, atol=1e-5, rtol=0)


def test_diagonal_covariances_scale_each_channel_by_itself():
    random = np.random.default_rng(0)
    z = random.normal(size=(3, 4000))
    z -= z.mean(1, keepdims=True)
    z = np.linalg.solve(np.linalg.cholesky(z @ z.T / 4000), z)
    scale, other = np.array([[0.02], [0.04], [0.05]]), np.array([[0.04], [0.04], [0.02]])
    x, target = 0.5 + scale * z, 0.4 + other * z[::-1]
    as_picture = [
        torch.from_numpy(c.astype(np.float32)).reshape(1, 3, 40, 100) for c in (x, target)
    ]
    result = match_colours(*as_picture)[0].flatten(1).double().numpy()
    factor = np.sqrt((other**2 + 1e-5) / (scale**2 + 1e-5))
    np.testing.assert_allclose(result, 0.4 + factor * (x - 0.5), atol=1e-5)


def test_strength_of_matching():
    x, target = coloured(1), coloured(2)
    assert torch.equal(match_colours(x, target, 0.0), x)
    full = match_colours(x, target, 1.0)
    torch.testing.assert_close(full, match_colours(x, target))
    torch.testing.assert_close(match_colours(x, target, 0.25), torch.lerp(x, full, 0.25))


def test_matching_gray_and_flat_pictures_stays_finite():
    flat, shades = torch.full((1, 3, 8, 8), 0.3), gray(picture(1, 3, 8, 8))
    for x in (flat, shades):
        for target in (flat, shades, coloured(1)):
            result = match_colours(x, target)
            assert torch.isfinite(result).all()
            assert 0 <= result.min() <= result.max() <= 1
    torch.testing.assert_close(match_colours(coloured(1), flat), torch.full((1, 3, 30, 40), 0.3),
                               atol=0.02, rtol=0)  # fmt: skip


def test_results_are_clamped():
    extreme = (picture(1, 3, 16, 16, seed=1) > 0.5).float()
    result = match_colours(picture(1, 3, 16, 16, seed=2), extreme)
    assert result.max() == 1
    assert result.min() == 0
