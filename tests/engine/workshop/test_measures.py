"""D*, the divergence and the modes, against closed forms and sums of the tests' own."""

import math

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from engine.workshop.densities import EIGHT, TWO_BUMPS, gaussian
from engine.workshop.measures import (
    distance_from_optimum,
    expected_loss,
    jensen_shannon,
    least_loss,
    modes_found,
    optimal_discriminator,
    principal_components,
)

STEP = 0.01
X = torch.linspace(-10, 10, 2001, dtype=torch.float64)[:, None]
DATA = TWO_BUMPS.density(X)
GENERATED = gaussian(X, (0.0,), 1.5)


def test_the_optimal_discriminator_of_two_gaussians_is_a_logistic_function() -> None:
    """Of equal deviation s, with means a and b: log of the ratio = (a - b)(x - (a + b) / 2) / s²."""
    data, generated = gaussian(X, (1.0,), 0.8), gaussian(X, (-0.5,), 0.8)
    expected = 1 / (1 + torch.exp(-1.5 * (X[:, 0] - 0.25) / 0.64))
    assert torch.allclose(optimal_discriminator(data, generated), expected, atol=1e-9)


def test_the_optimal_discriminator_of_nothing_is_undecided() -> None:
    nothing = torch.zeros(2)
    assert torch.equal(optimal_discriminator(nothing, nothing), torch.full((2,), 0.5))


def test_the_divergence_of_equal_densities_is_0_of_disjoint_ones_log_2() -> None:
    assert jensen_shannon(DATA, DATA, STEP) == pytest.approx(0, abs=1e-12)
    far = gaussian(X, (-5.0,), 0.2), gaussian(X, (5.0,), 0.2)
    assert jensen_shannon(*far, STEP) == pytest.approx(math.log(2), rel=1e-9)
    assert least_loss(0.0) == pytest.approx(2 * math.log(2))
    assert least_loss(math.log(2)) == pytest.approx(0)


def test_the_divergence_is_that_of_a_sum_without_tensors() -> None:
    def normal(x: float, mean: float, deviation: float) -> float:
        height = deviation * math.sqrt(2 * math.pi)
        return math.exp(-((x - mean) ** 2) / (2 * deviation**2)) / height

    total, step = 0.0, 0.004
    for i in range(5001):
        x = -10 + i * step
        p = (normal(x, -2, 0.5) + normal(x, 1.5, 0.7)) / 2
        q, m = normal(x, 0, 1.5), (p + normal(x, 0, 1.5)) / 2
        total += (p * math.log(p / m) if p > 0 else 0) + q * math.log(q / m)
    found = jensen_shannon(DATA, GENERATED, STEP)
    assert found == pytest.approx(total * step / 2, abs=1e-6)
    assert least_loss(found) == pytest.approx(1.113, abs=5e-4)


def test_the_best_discriminator_has_the_least_loss_and_no_distance() -> None:
    best = optimal_discriminator(DATA, GENERATED)
    logits = torch.logit(best.clamp(1e-12, 1 - 1e-12))
    least = least_loss(jensen_shannon(DATA, GENERATED, STEP))
    assert expected_loss(logits, DATA, GENERATED, STEP) == pytest.approx(least, abs=1e-8)
    assert distance_from_optimum(logits, DATA, GENERATED) < 1e-9
    for worse in (logits + 0.3, logits * 0.5, -logits):
        assert expected_loss(worse, DATA, GENERATED, STEP) > least + 1e-3
        assert distance_from_optimum(worse, DATA, GENERATED) > 0.01


def test_an_undecided_discriminator_loses_2_log_2() -> None:
    nothing = torch.zeros_like(DATA)
    assert expected_loss(nothing, DATA, GENERATED, STEP) == pytest.approx(2 * math.log(2), abs=1e-6)
    expected = (optimal_discriminator(DATA, GENERATED) - 0.5).abs() * (DATA + GENERATED)
    distance = float(expected.sum()) * STEP / 2
    assert distance_from_optimum(nothing, DATA, GENERATED) == pytest.approx(distance, rel=1e-6)


CENTRES = torch.tensor(EIGHT.centres)


def test_the_data_have_all_modes() -> None:
    points = EIGHT.sample(4000, torch.Generator().manual_seed(1))
    modes, within = modes_found(points, CENTRES, 0.1)
    assert modes == 8
    assert within == pytest.approx(1 - math.exp(-4.5), abs=0.005)  # in the plane, of radius 3


def test_a_mode_needs_twenty_of_four_thousand() -> None:
    points = torch.cat([CENTRES[:1].repeat(3962, 1), *(CENTRES[i].repeat(n, 1) for i, n in
                        ((1, 20), (2, 18)))])  # fmt: skip
    assert len(points) == 4000
    assert modes_found(points, CENTRES, 0.1) == (2, 1.0)
    assert modes_found(torch.zeros(4000, 2), CENTRES, 0.1) == (0, 0.0)
    beside = CENTRES + torch.tensor([0.31, 0.0])
    assert modes_found(beside.repeat(500, 1), CENTRES, 0.1) == (0, 0.0)


def test_principal_components_are_scikit_learns_up_to_the_sign() -> None:
    points = torch.randn(50, 6, generator=torch.Generator().manual_seed(1)) * torch.arange(1, 7)
    found = principal_components(points)
    wanted = PCA(2).fit_transform(points.numpy())
    for mine, theirs in zip(found.T, wanted.T, strict=True):
        sign = 1 if float(mine[0]) * theirs[0] > 0 else -1
        assert np.allclose(mine, sign * theirs, atol=1e-3)


def test_a_principal_axis_points_the_same_way_for_mirrored_points() -> None:
    points = torch.randn(50, 6, generator=torch.Generator().manual_seed(1)) * torch.arange(1, 7)
    assert torch.allclose(principal_components(-points), -principal_components(points), atol=1e-4)
