"""Toy densities: closed forms against numbers, samples against the forms."""

import math

import pytest
import torch

from engine.workshop.densities import EIGHT, TWO_BUMPS, Mixture, gaussian, ring


def test_a_gaussian_has_its_density_in_any_dimension() -> None:
    point = torch.tensor([[0.4, -1.0, 2.0]], dtype=torch.float64)
    expected = 1.0
    for x, mean in zip(point[0].tolist(), (0.0, 1.0, 1.5), strict=True):
        expected *= math.exp(-(((x - mean) / 0.7) ** 2) / 2) / (0.7 * math.sqrt(2 * math.pi))
    found = gaussian(point, (0.0, 1.0, 1.5), 0.7)
    assert float(found) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("x", [-2.0, 0.3, 1.5])
def test_two_bumps_are_half_a_gaussian_each(x: float) -> None:
    def bump(mean: float, deviation: float) -> float:
        height = 1 / (deviation * math.sqrt(2 * math.pi))
        return height * math.exp(-((x - mean) ** 2) / (2 * deviation**2))

    found = TWO_BUMPS.density(torch.tensor([[x]], dtype=torch.float64))
    assert float(found) == pytest.approx((bump(-2, 0.5) + bump(1.5, 0.7)) / 2, rel=1e-12)


def test_samples_have_the_mean_and_the_variance_of_the_mixture() -> None:
    points = TWO_BUMPS.sample(100_000, torch.Generator().manual_seed(1))
    mean = (-2 + 1.5) / 2
    variance = (0.5**2 + 2.0**2 + 0.7**2 + 1.5**2) / 2 - mean**2
    assert points.shape == (100_000, 1)
    assert float(points.mean()) == pytest.approx(mean, abs=0.02)
    assert float(points.var()) == pytest.approx(variance, rel=0.02)


def test_samples_depend_on_the_seed_alone() -> None:
    first, second = (EIGHT.sample(9, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(first, second)
    assert not torch.equal(first, EIGHT.sample(9, torch.Generator().manual_seed(4)))


def test_eight_gaussians_have_eight_places() -> None:
    centres = torch.tensor(EIGHT.centres, dtype=torch.float64)
    assert centres.shape == (8, 2)
    distances = torch.cdist(centres, centres) + torch.eye(8) * 9
    # Neighbours are a chord of an eighth of the circle apart, the first and the last too.
    chord = 2 * 2.0 * math.sin(math.pi / 8)
    assert torch.allclose(distances.amin(1), torch.full((8,), chord, dtype=torch.float64))
    assert torch.allclose(centres.norm(dim=1), torch.full((8,), 2.0, dtype=torch.float64))


def test_the_ring_is_drawn_from_evenly() -> None:
    density = ring(3, 5.0, 0.2)
    points = density.sample(9_000, torch.Generator().manual_seed(2))
    nearest = torch.cdist(points, torch.tensor(density.centres)).argmin(1)
    assert (nearest.bincount(minlength=3) - 3_000).abs().max() < 200


def test_a_density_integrates_to_one() -> None:
    x = torch.linspace(-12, 12, 4_801, dtype=torch.float64)[:, None]
    mixture = Mixture(((0.0,), (3.0,), (-1.0,)), (0.3, 1.0, 0.6))
    assert float(mixture.density(x).sum() * 0.005) == pytest.approx(1.0, abs=1e-9)
