"""Colour maps, against matplotlib, and how numbers are put on them."""

import numpy as np
import pytest
import torch

from engine.colour_map import COLOUR_MAPS, colour_map, colourised, display_range

SEQUENTIAL = [name for name in COLOUR_MAPS if name != "signed"]


def test_the_names() -> None:
    assert {"viridis", "magma", "inferno", "plasma", "cividis", "gray", "signed", "jet"} == {
        *COLOUR_MAPS
    }


@pytest.mark.parametrize("name", SEQUENTIAL)
def test_sequential_maps_are_matplotlibs(name: str) -> None:
    matplotlib = pytest.importorskip("matplotlib")
    theirs = matplotlib.colormaps[name](np.arange(256))[:, :3] * 255
    ours = colour_map(name)
    assert ours.dtype == np.uint8
    assert np.abs(ours - theirs).max() <= 2


def lightness(colours: np.ndarray) -> np.ndarray:
    """Return CIE L* of sRGB colours (K, 3)."""
    c = colours / 255
    linear = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
    y = linear @ [0.2126, 0.7152, 0.0722]
    return np.where(y > 216 / 24389, 116 * np.cbrt(y) - 16, y * 24389 / 27)


def test_signed_is_blue_white_red_and_as_dark_on_both_sides() -> None:
    colours = colour_map("signed")
    assert (colours[[127, 128]] == 255).all()
    assert colours[0].argmax() == 2
    assert colours[255].argmax() == 0
    light = lightness(colours.astype(float))
    assert (np.diff(light[:128]) > 0).all()
    assert (np.diff(light[128:]) < 0).all()
    assert np.abs(light - light[::-1]).max() < 5


def test_a_table_can_be_changed_without_changing_the_map() -> None:
    colour_map("gray")[:] = 9
    assert colour_map("gray")[0].tolist() == [0, 0, 0]


def test_unknown_names_are_explained() -> None:
    for call in (lambda: colour_map("rainbow"), lambda: colourised(np.zeros((1, 1)), "rainbow")):
        with pytest.raises(ValueError, match=r"'rainbow'; there are viridis, .*signed"):
            call()


# -- numbers into colours ---------------------------------------------------------------------


def gray_of(values: list[float], **limits: float) -> list[int]:
    colours = colourised(np.array([values], dtype=float), "gray", **limits)
    assert colours.dtype == np.uint8
    assert colours.shape == (1, len(values), 3)
    assert (colours == colours[..., :1]).all()
    return colours[0, :, 0].tolist()


def test_the_least_gets_the_lowest_colour_and_the_greatest_the_highest() -> None:
    assert gray_of([-2, 0, 2, 3]) == [0, 102, 204, 255]


def test_given_limits_cut() -> None:
    assert gray_of([-5, 0, 1, 2, 9], low=0, high=2) == [0, 0, 128, 255, 255]
    assert gray_of([-5, 0, 5], low=0) == [0, 0, 255]
    assert gray_of([-5, 0, 5], high=0) == [0, 255, 255]
    assert gray_of([3, 4], high=2) == [255, 255]
    assert gray_of([3, 4], low=5) == [0, 0]


def test_what_is_no_number_harms_nobody() -> None:
    nan, inf = float("nan"), float("inf")
    assert gray_of([nan, 1, 2, inf, -inf]) == [0, 0, 255, 255, 0]
    assert gray_of([nan, nan]) == [0, 0]
    assert gray_of([inf, -inf, nan], low=0, high=1) == [255, 0, 0]


@pytest.mark.parametrize("constant", [0, 7, -3])
def test_a_constant_gets_the_lowest_colour(constant: float) -> None:
    assert gray_of([constant, constant]) == [0, 0]


def test_zero_is_white_on_the_signed_map() -> None:
    white, table = [255, 255, 255], colour_map("signed")
    colours = colourised(np.array([[-1.0, 0, 4, float("nan")]]), "signed")[0]
    assert colours[1].tolist() == colours[3].tolist() == white
    assert (colours[2] == table[255]).all()
    assert (colours[0] == table[96]).all()
    assert (colourised(np.zeros((2, 2)), "signed") == 255).all()
    given = colourised(np.array([[-9.0, 0, 1]]), "signed", high=2)[0]
    assert (given[0] == table[0]).all()
    assert given[1].tolist() == white
    assert (colourised(np.array([[-9.0, 0]]), "signed", low=-2)[0, 0] == table[0]).all()


def test_values_in_between_keep_their_order() -> None:
    values = np.linspace(0, 1, 256)[None]
    assert (colourised(values, "viridis")[0] == colour_map("viridis")).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_tensors_are_taken(dtype: torch.dtype) -> None:
    values = torch.tensor([[0.0, 1.0, 2.0]], dtype=dtype, requires_grad=True)
    assert colourised(values, "gray")[0, :, 0].tolist() == [0, 128, 255]


@pytest.mark.parametrize(
    ("values", "limits", "says"),
    [
        (np.zeros((2, 2, 3)), {}, r"\(H, W\), not \(2, 2, 3\)"),
        (np.zeros((2, 2)), {"low": 2, "high": 1}, "the lower first, not 2 and 1"),
        (np.zeros((2, 2)), {"low": float("nan")}, "two numbers"),
        (np.zeros((2, 2)), {"high": float("inf")}, "two numbers"),
    ],
)
def test_wrong_values_are_explained(
    values: np.ndarray, limits: dict[str, float], says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        colourised(values, "gray", **limits)


# -- limits -----------------------------------------------------------------------------------


def test_outliers_do_not_stretch_the_range() -> None:
    values = np.linspace(0, 1, 1000).reshape(20, 50)
    values[0, 0] = 1e6
    low, high = display_range(values)
    assert low == 0
    assert 0.99 < high <= 1
    assert display_range(values, 100) == (0, 1e6)


def test_signed_values_get_a_symmetric_range() -> None:
    assert display_range(torch.tensor([[-1.0, 3.0]]), 100) == (-3, 3)
    assert display_range(np.array([[-4.0, 3.0]]), 100) == (-4, 4)


def test_ranges_of_almost_nothing() -> None:
    spike = np.zeros((100, 100))
    assert display_range(spike) == (0, 0)
    spike[3, 3] = 2
    assert display_range(spike) == (0, 2)
    nan, inf = float("nan"), float("inf")
    assert display_range(np.array([[nan, inf, 1.0]])) == (0, 1)
    assert display_range(np.array([[nan]])) == (0, 0)


@pytest.mark.parametrize("percentile", [0, -1, 101, float("nan")])
def test_a_percentile_that_is_none(percentile: float) -> None:
    with pytest.raises(ValueError, match="percentile must be"):
        display_range(np.ones((2, 2)), percentile)
