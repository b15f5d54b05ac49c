"""Gram matrices and the Wasserstein distance, against numpy, scipy and known Gaussians."""

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm

from engine import objectives
from engine.objectives.content import scaled_difference
from engine.objectives.style import (
    COVARIANCE_FLOOR,
    PUBLISHED_FLOOR,
    GramLoss,
    Statistics,
    WassersteinLoss,
    gram_matrix,
    symmetric_power,
)


def gradient_of(function, x):
    x = x.detach().clone().requires_grad_(True)
    (gradient,) = torch.autograd.grad(function(x), x)
    return gradient


def gram_by_loops(f):
    n, channels, height, width = f.shape
    gram = np.zeros((n, channels, channels))
    for i, a, b in np.ndindex(n, channels, channels):
        gram[i, a, b] = (f[i, a] * f[i, b]).sum() / (height * width)
    return gram


def gaussian(mean, covariance, side=12, seed=0):
    """Return activations (1, C, side, side) that have exactly this mean and covariance."""
    x = np.random.default_rng(seed).normal(size=(len(mean), side * side))
    x -= x.mean(1, keepdims=True)
    x = np.linalg.solve(np.linalg.cholesky(x @ x.T / x.shape[1]), x)
    x = np.linalg.cholesky(covariance) @ x + np.asarray(mean)[:, None]
    return torch.from_numpy(x).reshape(1, len(mean), side, side)


def wasserstein_by_scipy(f, target, floor=COVARIANCE_FLOOR, absolute=False):
    """W2² per channel of two Gaussians, the floor added to both covariances.

    The floor is relative to the target's mean second moment, or absolute.
    """

    def moments(features):
        rows = features[0].reshape(features.shape[1], -1).numpy()
        return rows.mean(1), rows @ rows.T / rows.shape[1]

    (mean, second), (target_mean, target_second) = moments(f), moments(target)
    channels = len(mean)
    eps = floor * (1 if absolute else np.diag(target_second).mean()) * np.eye(channels)
    covariance = second - np.outer(mean, mean) + eps
    target_covariance = target_second - np.outer(target_mean, target_mean) + eps
    root = sqrtm(target_covariance)
    cross = sqrtm(root @ covariance @ root)
    assert np.abs(np.imag(cross)).max() < 1e-8
    bures = np.trace(covariance + target_covariance - 2 * np.real(cross))
    return (((mean - target_mean) ** 2).sum() + bures) / channels


# ---------------------------------------------------------------- Gram


def test_gram_matrix_by_hand():
    f = torch.tensor([[[[1.0, 2.0]], [[3.0, -1.0]]]])
    assert torch.equal(gram_matrix(f), torch.tensor([[[2.5, 0.5], [0.5, 5.0]]]))
    assert objectives.gram_matrix is gram_matrix


def test_gram_matrix_of_a_batch_in_both_precisions(features):
    f = features(3, 5, 6, 7)
    expected = torch.from_numpy(gram_by_loops(f.numpy()))
    assert gram_matrix(f).dtype == torch.float64
    torch.testing.assert_close(gram_matrix(f), expected, rtol=1e-12, atol=1e-12)
    assert gram_matrix(f.float()).dtype == torch.float32
    torch.testing.assert_close(gram_matrix(f.float()), expected.float(), rtol=1e-5, atol=1e-6)


def test_gram_matrix_does_not_care_how_memory_is_laid_out(features):
    f = features(2, 4, 5, 6)
    last = f.to(memory_format=torch.channels_last)
    assert last.stride() != f.stride()
    torch.testing.assert_close(gram_matrix(last), gram_matrix(f), rtol=1e-13, atol=1e-13)
    torch.testing.assert_close(
        gradient_of(lambda x: gram_matrix(x)[0, 0, 1], last),
        gradient_of(lambda x: gram_matrix(x)[0, 0, 1], f),
    )


def test_gram_loss_by_hand():
    target = Statistics.of(torch.tensor([[[[1.0, 1.0]], [[0.0, 0.0]]]]))
    f = torch.tensor([[[[1.0, 2.0]], [[3.0, -1.0]]]])  # Gram minus target: 1.5, 0.5, 0.5, 5
    assert GramLoss(target)(f).item() == pytest.approx((2.25 + 0.25 + 0.25 + 25) / 4)
    assert GramLoss(target, normalised=True)(f).item() == pytest.approx(27.75 / 7.5)


@pytest.mark.parametrize("normalised", [False, True])
def test_gradient_of_the_gram_loss(normalised, features, right_derivative):
    loss = GramLoss(Statistics.of(features(1, 3, 5, 5, seed=3)), normalised)
    right_derivative(loss, features(1, 3, 4, 4, seed=4) + 0.1)
    assert loss(features(1, 3, 5, 5, seed=3)) == 0


def test_gradient_of_the_gram_loss_in_closed_form(features):
    f, target = features(1, 4, 5, 6, seed=1), Statistics.of(features(1, 4, 5, 6, seed=2))
    rows = f[0].flatten(1).numpy()
    difference = rows @ rows.T / 30 - target.second[0].numpy()
    expected = 4 / (16 * 30) * difference @ rows
    gradient = gradient_of(GramLoss(target), f)
    np.testing.assert_allclose(gradient[0].flatten(1).numpy(), expected, rtol=1e-10, atol=1e-12)


# ---------------------------------------------------------------- half precision


@pytest.mark.parametrize(
    ("kind", "tolerance"),
    # normalised: signs of near differences flip, and the two terms of its gradient partly cancel
    [("gram", 0.03), ("normalised gram", 0.1), ("wasserstein", 0.05)],
)
def test_half_precision_losses_are_close(kind, tolerance, features):
    make = {
        "gram": GramLoss,
        "normalised gram": lambda t: GramLoss(t, normalised=True),
        "wasserstein": WassersteinLoss,
    }[kind]
    f, style = features(1, 32, 70, 70, seed=1), features(1, 32, 70, 70, seed=2) ** 1.2
    exact = make(Statistics.of(style))
    rough = make(Statistics.of(style.bfloat16()))
    assert rough(f.bfloat16()).item() == pytest.approx(exact(f).item(), rel=0.03)
    expected = gradient_of(exact, f)
    gradient = gradient_of(rough, f.bfloat16())
    assert gradient.dtype == torch.bfloat16
    assert (gradient.double() - expected).norm() < tolerance * expected.norm()


# ---------------------------------------------------------------- statistics


def test_statistics_of_blended_styles_are_those_of_both_pictures_together(features):
    a, b = features(1, 4, 6, 6, seed=1), features(1, 4, 6, 6, seed=2)
    blended = Statistics.blend([Statistics.of(a), Statistics.of(b)], [5.0, 5.0])
    both = Statistics.of(torch.cat([a, b], dim=2))
    torch.testing.assert_close(blended.mean, both.mean)
    torch.testing.assert_close(blended.second, both.second)
    uneven = Statistics.blend([Statistics.of(a), Statistics.of(b)], [0.5, 0.25])
    thrice = Statistics.of(torch.cat([a, a, b], dim=2))
    torch.testing.assert_close(uneven.mean, thrice.mean)
    torch.testing.assert_close(uneven.second, thrice.second)


def test_symmetric_power_against_scipy():
    x = np.random.default_rng(1).normal(size=(6, 6))
    matrix = x @ x.T
    root = symmetric_power(torch.from_numpy(matrix), 0.5).numpy()
    np.testing.assert_allclose(root, np.real(sqrtm(matrix)), rtol=1e-8, atol=1e-9)
    inverse = symmetric_power(torch.from_numpy(matrix), -1.0).numpy()
    np.testing.assert_allclose(inverse @ matrix, np.eye(6), atol=1e-8)


# ---------------------------------------------------------------- Wasserstein


def test_wasserstein_distance_against_scipy(features):
    for channels, seed in ((2, 1), (5, 2), (16, 3)):
        f, target = features(1, channels, 9, 8, seed=seed), features(1, channels, 7, 7, seed=9)
        loss = WassersteinLoss(Statistics.of(target))
        assert loss(f).item() == pytest.approx(wasserstein_by_scipy(f, target), rel=1e-8)


def test_wasserstein_loss_of_the_published_formula(features):
    # Fewer positions than channels: what is added to the diagonal counts in many directions.
    f, target = 0.1 * features(1, 12, 3, 2, seed=1), 0.1 * features(1, 12, 2, 4, seed=2)
    for floor in (PUBLISHED_FLOOR, 0.02):
        loss = WassersteinLoss(Statistics.of(target), floor=floor)
        expected = wasserstein_by_scipy(f, target, floor, absolute=True)
        assert loss(f).item() == pytest.approx(expected, rel=1e-6)
    relative = WassersteinLoss(Statistics.of(target))
    published = WassersteinLoss(Statistics.of(target), floor=PUBLISHED_FLOOR)
    assert relative(f).item() != pytest.approx(published(f).item(), rel=1e-4)


def test_wasserstein_distance_of_known_gaussians():
    # Commuting covariances: the distance is that of the standard deviations.
    means = np.array([[1.0, 2.0, 3.0], [1.5, 2.0, 2.0]])
    deviations = np.array([[1.0, 2.0, 0.5], [3.0, 1.0, 0.5]])
    f, target = (
        gaussian(m, np.diag(d**2), seed=i)
        for i, (m, d) in enumerate(zip(means, deviations, strict=True))
    )
    expected = ((means[0] - means[1]) ** 2).sum() + ((deviations[0] - deviations[1]) ** 2).sum()
    loss = WassersteinLoss(Statistics.of(target))
    assert loss(f).item() == pytest.approx(expected / 3, rel=5e-3)  # the floor moves it a little
    floor = COVARIANCE_FLOOR * (means[1] ** 2 + deviations[1] ** 2).mean()
    widened = np.sqrt(deviations**2 + floor)
    exact = ((means[0] - means[1]) ** 2).sum() + ((widened[0] - widened[1]) ** 2).sum()
    assert loss(f).item() == pytest.approx(exact / 3, rel=1e-9)


def test_wasserstein_distance_of_shifted_features_is_the_shift(features):
    f = features(1, 4, 8, 8)
    shift = torch.tensor([1.0, -2.0, 0.5, 0.0], dtype=torch.float64).view(1, 4, 1, 1)
    loss = WassersteinLoss(Statistics.of(f))
    assert loss(f + shift).item() == pytest.approx(5.25 / 4, rel=1e-9)
    assert abs(loss(f).item()) < 1e-12


@pytest.mark.parametrize("positions", [(5, 5), (2, 2)])
def test_gradient_of_the_wasserstein_distance(positions, features, right_derivative):
    # (2, 2): fewer positions than channels, a covariance without full rank
    loss = WassersteinLoss(Statistics.of(features(1, 6, 6, 6, seed=3)))
    right_derivative(loss, features(1, 6, *positions, seed=4) + 0.1)


def test_gradient_of_the_wasserstein_distance_of_a_batch(features, right_derivative):
    loss = WassersteinLoss(Statistics.of(features(1, 3, 6, 6, seed=3)))
    f = features(2, 3, 3, 3, seed=4)
    assert loss(f).item() == pytest.approx((loss(f[:1]).item() + loss(f[1:]).item()) / 2, rel=1e-12)
    right_derivative(loss, f)


def test_gradient_of_the_wasserstein_distance_of_commuting_gaussians():
    # d/dσ of (σ - σ*)² for features σ z: the gradient is 2 (σ - σ*) z / (C P), without floor
    z = gaussian([0.0, 0.0], np.eye(2))
    loss = WassersteinLoss(Statistics.of(z))
    gradient = gradient_of(loss, 3 * z)
    floor = COVARIANCE_FLOOR
    slope = 1 - np.sqrt((1 + floor) / (9 + floor))
    expected = 2 * slope * 3 * z / z.numel()
    torch.testing.assert_close(gradient, expected, rtol=1e-9, atol=1e-12)


def test_single_precision_suffices_without_full_rank(features):
    scale = torch.logspace(-1.5, 1.5, 64, dtype=torch.float64).view(1, 64, 1, 1)
    f, target = scale * features(1, 64, 5, 5, seed=1), scale * features(1, 64, 6, 6, seed=2)
    exact, single = (WassersteinLoss(Statistics.of(t)) for t in (target, target.float()))
    assert single(f.float()).dtype == torch.float32
    assert single(f.float()).item() == pytest.approx(exact(f).item(), rel=1e-4)
    expected = gradient_of(exact, f)
    difference = gradient_of(single, f.float()).double() - expected
    assert difference.norm() < 1e-3 * expected.norm()


def test_descent_reaches_the_style(features):
    target = Statistics.of(features(1, 3, 8, 8, seed=1))
    loss, x = WassersteinLoss(target), features(1, 3, 8, 8, seed=2)
    first = loss(x).item()
    for _ in range(60):
        x -= x.numel() / 4 * gradient_of(loss, x)
    assert loss(x).item() < 1e-4 * first
    torch.testing.assert_close(Statistics.of(x).mean, target.mean, rtol=0.02, atol=0.02)
    torch.testing.assert_close(Statistics.of(x).second, target.second, rtol=0.02, atol=0.02)


def test_dead_features_have_a_finite_gradient():
    dead = torch.zeros(1, 4, 5, 5)
    loss = WassersteinLoss(Statistics.of(dead))
    assert abs(loss(dead).item()) < 1e-6
    assert torch.isfinite(gradient_of(loss, dead)).all()
    assert torch.isfinite(gradient_of(loss, dead + 1)).all()


def test_normalised_gram_loss_is_the_scaled_difference(features):
    f, target = features(1, 4, 5, 5, seed=1), Statistics.of(features(1, 4, 5, 5, seed=2))
    expected = scaled_difference(gram_matrix(f), target.second)
    assert GramLoss(target, normalised=True)(f) == expected
