"""The two moons against scikit-learn's, and the turning."""

import math

import numpy as np
import pytest
import torch
from sklearn.datasets import make_moons

from engine.workshop import moons
from engine.workshop.moons import turned, two_moons


@pytest.mark.parametrize("count", [300, 7])
def test_without_noise_they_are_scikit_learns(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moons, "DEVIATION", 0.0)
    points, classes = two_moons(count, torch.Generator())
    sizes = (count + 1) // 2, count // 2
    wanted, labels = make_moons(sizes, shuffle=False, noise=None)
    assert np.allclose(points.numpy(), 2 * (wanted - [0.5, 0.25]), atol=1e-5)
    assert np.array_equal(classes.numpy(), labels)


def test_noise_has_its_deviation_and_comes_from_the_generator(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    points, _ = two_moons(20_000, torch.Generator().manual_seed(1))
    again, _ = two_moons(20_000, torch.Generator().manual_seed(1))
    assert torch.equal(points, again)
    monkeypatch.setattr(moons, "DEVIATION", 0.0)
    plain, _ = two_moons(20_000, torch.Generator().manual_seed(1))
    assert float((points - plain).std()) == pytest.approx(0.2, rel=0.02)


def test_turning_is_anticlockwise_and_keeps_distances() -> None:
    points = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
    assert torch.allclose(turned(points, 90), torch.tensor([[0.0, 1.0], [-2.0, 0.0]]), atol=1e-6)
    by_35 = turned(points, 35)
    assert float(by_35[0, 0]) == pytest.approx(math.cos(math.radians(35)))
    assert torch.allclose(by_35.norm(dim=1), points.norm(dim=1))
    assert torch.allclose(turned(by_35, -35), points, atol=1e-6)
