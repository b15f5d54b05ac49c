"""Plots: what is drawn where, at any size."""

import pytest
import torch

from engine.workshop.plot import BLUE, INK, ORANGE, PAPER, Axes, Canvas


def colour(picture: torch.Tensor, x: int, y: int) -> tuple[int, ...]:
    return tuple((picture[:, y, x] * 255).round().int().tolist())


@pytest.fixture
def axes() -> Axes:
    return Axes(Canvas(200, 200), (20, 20, 180, 180), (-1, 1), (0, 1))


def test_a_canvas_is_empty_paper(axes: Axes) -> None:
    picture = axes.canvas.picture()
    assert picture.shape == (3, 200, 200)
    assert picture.dtype == torch.float32
    assert torch.equal(picture, torch.ones(3, 200, 200))


def test_a_curve_goes_through_its_points(axes: Axes) -> None:
    axes.curve(torch.tensor([-1.0, 1.0]), torch.tensor([0.25, 0.25]), BLUE, 10)
    picture = axes.canvas.picture()
    assert colour(picture, 100, 140) == BLUE
    assert colour(picture, 100, 120) == PAPER
    assert colour(picture, 10, 140) == PAPER


def test_what_is_too_high_is_drawn_at_the_edge(axes: Axes) -> None:
    axes.curve(torch.tensor([-1.0, 1.0]), torch.tensor([7.0, 7.0]), BLUE, 10)
    picture = axes.canvas.picture()
    assert colour(picture, 100, 20) == BLUE
    assert colour(picture, 100, 10) == PAPER


def test_an_area_reaches_down_to_0(axes: Axes) -> None:
    axes.area(torch.tensor([-1.0, 1.0]), torch.tensor([0.5, 0.5]), ORANGE)
    picture = axes.canvas.picture()
    assert colour(picture, 100, 150) not in (PAPER, ORANGE)
    assert colour(picture, 100, 150)[0] > colour(picture, 100, 150)[2]
    assert colour(picture, 100, 60) == PAPER


def test_points_outside_are_left_out(axes: Axes) -> None:
    axes.points(torch.tensor([[0.0, 0.5], [3.0, 0.9]]), INK, 20)
    picture = axes.canvas.picture()
    assert colour(picture, 100, 100) == INK
    assert (picture[:, :, 170:] == 1).all()


def test_heat_goes_from_low_by_white_to_high_with_rows_from_the_bottom(axes: Axes) -> None:
    values = torch.tensor([0.0, 0.5, 1.0])[:, None].expand(3, 3)
    axes.heat(values, ORANGE, BLUE)
    picture = axes.canvas.picture()
    assert colour(picture, 100, 178) == ORANGE
    assert min(colour(picture, 100, 100)) > 250  # a pixel beside the middle
    assert colour(picture, 100, 22) == BLUE


def test_a_tile_shows_each_value_as_a_block() -> None:
    canvas = Canvas(20, 20)
    canvas.tile(torch.tensor([[0.0, 1.0], [0.5, 0.0]]), 4, 6, 8)
    picture = canvas.picture()
    assert [colour(picture, x, y)[0] for x, y in ((4, 6), (11, 6), (5, 12), (9, 12))] == [
        0, 255, 128, 0,
    ]  # fmt: skip


@pytest.mark.parametrize("side", [1, 2, 60, 400])
def test_words_are_left_out_where_they_could_not_be_read(side: int) -> None:
    canvas = Canvas(side, side)
    wide = canvas.text("D = 1", side / 2, side / 2, (0.5, 0.5))
    assert bool(wide) == (side == 400)
    assert bool((canvas.picture() < 1).any()) == (side == 400)


def test_a_contour_lies_where_the_values_are_0(axes: Axes) -> None:
    """Rows from the bottom: 0 at a quarter of the height."""
    values = torch.linspace(-0.25, 0.75, 21)[:, None].expand(21, 5)
    axes.contour(values, INK, 10)
    picture = axes.canvas.picture()
    assert colour(picture, 60, 140) == colour(picture, 150, 140) == INK
    assert colour(picture, 60, 60) == PAPER


def test_bars_are_as_high_as_their_numbers(axes: Axes) -> None:
    axes.bars([("a", 0.25, "", BLUE), ("b", 7.0, "", ORANGE), ("c", 0.0, "", INK)])
    picture = axes.canvas.picture()
    assert colour(picture, 46, 145) == BLUE
    assert colour(picture, 46, 135) == PAPER
    assert colour(picture, 100, 25) == ORANGE, "what is too high ends at the edge"
    assert colour(picture, 100, 15) == PAPER
    assert colour(picture, 153, 170) == PAPER


def test_a_tile_may_have_colours() -> None:
    canvas = Canvas(20, 20)
    canvas.tile(torch.tensor([1.0, 0.0, 0.5])[:, None, None].expand(3, 2, 2), 4, 6, 8)
    assert colour(canvas.picture(), 8, 10) == (255, 0, 128)
