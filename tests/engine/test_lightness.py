"""OKLab is Ottosson's; sharpening and grain touch lightness alone, as much as they say."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from engine.lightness import from_oklab, grained, sharpened, to_oklab

Doubles = NDArray[np.float64]

XYZ = np.array(
    [
        [0.4123907993, 0.3575843394, 0.1804807884],
        [0.2126390059, 0.7151686788, 0.0721923154],
        [0.0193308187, 0.1191947798, 0.9505321522],
    ]
)
"""Linear sRGB to CIE XYZ (IEC 61966-2-1)."""
CONES = np.array(
    [
        [0.8189330101, 0.3618667424, -0.1288597137],
        [0.0329845436, 0.9293118715, 0.0361456387],
        [0.0482003018, 0.2643662691, 0.6338517070],
    ]
)
"""XYZ to cones, and cones to Lab: the other way in Ottosson's article than the engine's."""
LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


def by_xyz(rgb: Doubles) -> Doubles:
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return np.cbrt(linear @ XYZ.T @ CONES.T) @ LAB.T


@pytest.fixture
def picture() -> torch.Tensor:
    source = torch.Generator().manual_seed(1)
    return torch.rand(2, 3, 40, 60, generator=source)


def test_the_article_s_way_through_xyz_gives_the_same(picture: torch.Tensor) -> None:
    found = to_oklab(picture).permute(0, 2, 3, 1).numpy()
    wanted = by_xyz(picture.permute(0, 2, 3, 1).numpy().astype(np.float64))
    np.testing.assert_allclose(found, wanted, atol=2e-4)  # sRGB's matrix has its own rounding


@pytest.mark.parametrize(
    ("rgb", "lab"),
    [
        ((0, 0, 0), (0, 0, 0)),
        ((1, 1, 1), (1, 0, 0)),
        ((1, 0, 0), (0.62796, 0.22486, 0.12585)),
        ((0, 1, 0), (0.86644, -0.23389, 0.17950)),
        ((0, 0, 1), (0.45201, -0.03246, -0.31153)),
    ],
)
def test_published_colours(rgb: tuple[float, ...], lab: tuple[float, ...]) -> None:
    found = to_oklab(torch.tensor(rgb, dtype=torch.float32).view(1, 3, 1, 1)).flatten()
    np.testing.assert_allclose(found.numpy(), lab, atol=2e-5)


def test_there_and_back(picture: torch.Tensor) -> None:
    np.testing.assert_allclose(from_oklab(to_oklab(picture)), picture, atol=2e-5)
    tall = torch.rand(1, 3, 600, 2)  # more than one band of rows
    np.testing.assert_allclose(from_oklab(to_oklab(tall)), tall, atol=2e-5)


@pytest.mark.parametrize("radius", [0.6, 3.0])
def test_sharpening_is_an_unsharp_mask_on_lightness(picture: torch.Tensor, radius: float) -> None:
    lab = to_oklab(picture)
    found = sharpened(lab, 1.5, radius)
    assert torch.equal(found[:, 1:], lab[:, 1:]), "colours stay"
    for before, after in zip(lab[:, 0].double().numpy(), found[:, 0].numpy(), strict=True):
        blurred = gaussian_filter(before, radius, mode="reflect", truncate=6)
        np.testing.assert_allclose(after, before + 1.5 * (before - blurred), atol=2e-3)


def test_what_is_even_stays_even_when_sharpened() -> None:
    lab = torch.full((1, 3, 20, 30), 0.4)
    np.testing.assert_allclose(sharpened(lab, 3.0, 5.0), lab, atol=1e-5)


def gray(lightness: float, side: int = 128) -> torch.Tensor:
    lab = torch.zeros(1, 3, side, side)
    lab[:, 0] = lightness
    return lab


@pytest.mark.parametrize(("lightness", "share"), [(0.5, 1.0), (0.1, 0.36), (0.9, 0.36), (1.0, 0)])
def test_grain_has_mean_0_and_the_spread_that_is_asked_for(lightness: float, share: float) -> None:
    found = grained(gray(lightness), 0.05, 1.2, seed=3)
    assert not found[:, 1:].any(), "it has no colour"
    moved = found[:, 0].double() - lightness
    assert float(moved.mean()) == pytest.approx(0, abs=1e-6)
    assert float(moved.std(correction=0)) == pytest.approx(0.05 * share, abs=1e-5)


def correlation(field: Doubles, lag: int) -> float:
    return float((field[:, lag:] * field[:, :-lag]).mean() / (field**2).mean())


def test_grain_is_as_coarse_as_it_is_asked_for() -> None:
    """White noise blurred with a Gaussian of σ is correlated by exp(-d²/4σ²)."""
    for size in (1.0, 2.0):
        field = (grained(gray(0.5, 512), 0.05, size, seed=1)[0, 0] - 0.5).double().numpy()
        for lag in (1, 2, 4):
            wanted = np.exp(-(lag**2) / (4 * size**2))
            assert correlation(field, lag) == pytest.approx(wanted, abs=0.03)


def test_the_seed_decides_the_grain() -> None:
    one, same, other = (grained(gray(0.5), 0.05, 1.0, seed) for seed in (1, 1, 2))
    assert torch.equal(one, same)
    both = np.corrcoef((one[0, 0] - 0.5).flatten(), (other[0, 0] - 0.5).flatten())
    assert abs(both[0, 1]) < 0.05
