"""Contours lie where an interpolated surface is 0."""

import pytest
import torch

from engine.workshop.contour import crossings


def test_the_contour_of_a_plane_is_its_line() -> None:
    y, x = torch.meshgrid(torch.arange(9.0), torch.arange(7.0), indexing="ij")
    found = crossings(x + 2 * y - 6.3)
    assert len(found) > 5
    ends = found.flatten(0, 1)
    assert float((ends[:, 0] + 2 * ends[:, 1] - 6.3).abs().max()) < 1e-5


def test_the_contour_of_a_circle_is_closed_and_as_long_as_one() -> None:
    y, x = torch.meshgrid(torch.arange(41.0) - 20, torch.arange(41.0) - 20, indexing="ij")
    found = crossings(x.square() + y.square() - 15.5**2)
    assert float((found[:, 0] - found[:, 1]).norm(dim=1).sum()) == pytest.approx(97.4, rel=0.01)
    ends = (found.flatten(0, 1) * 1000).round().tolist()
    assert all(ends.count(end) == 2 for end in ends), "each end belongs to two pieces"


@pytest.mark.parametrize("middle", [1.0, -1.0])
def test_in_a_saddle_the_middle_decides_which_corners_belong_together(middle: float) -> None:
    """The first and third corner are positive: joined, if the sum is; else each cut off alone."""
    values = torch.tensor([[1.0 + middle / 2, -1.0], [-1.0, 1.0]])
    cut_off = {(0.0, 1.0), (1.0, 0.0)} if middle > 0 else {(0.0, 0.0), (1.0, 1.0)}
    corners = torch.tensor([[0.0, 0], [1, 0], [1, 1], [0, 1]])
    pieces = crossings(values)
    assert len(pieces) == 2
    near = {tuple(corners[(corners - p.mean(0)).norm(dim=1).argmin()].tolist()) for p in pieces}
    assert near == cut_off


def test_without_a_change_of_sign_there_is_none() -> None:
    assert crossings(torch.ones(5, 5)).shape == (0, 2, 2)
