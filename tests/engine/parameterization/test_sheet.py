"""Contact sheets: where the pictures and gaps lie."""

import pytest
import torch

from engine.parameterization.sheet import sheet, sheet_size, tiles_of


def test_one_picture_is_its_own_sheet():
    x = torch.rand(1, 3, 4, 5)
    assert torch.equal(sheet(x), x[0])


@pytest.mark.parametrize(
    ("n", "columns", "gap", "expected"),
    [(1, None, 2, (4, 5)), (2, None, 2, (4, 12)), (3, None, 2, (10, 12)), (5, None, 1, (9, 17)),
     (4, 4, 2, (4, 26)), (3, 1, 0, (12, 5))],
)  # fmt: skip
def test_sizes(n, columns, gap, expected):
    assert sheet_size(n, (4, 5), columns, gap) == expected
    assert tuple(sheet(torch.zeros(n, 3, 4, 5), columns, gap).shape) == (3, *expected)


def test_pictures_row_by_row_with_gray_between():
    x = torch.stack([torch.full((3, 2, 2), value) for value in (0.1, 0.2, 0.3)])
    whole = sheet(x, gap=1)[0].tolist()
    a, b, c, g = (pytest.approx(v) for v in (0.1, 0.2, 0.3, 0.5))
    assert whole == [
        [a, a, g, b, b], [a, a, g, b, b], [g, g, g, g, g], [c, c, g, g, g], [c, c, g, g, g],
    ]  # fmt: skip


def test_tiles_are_cut_out_where_they_lie():
    whole = torch.tensor([[1, 1, 0, 2, 2, 0, 3, 3], [0] * 8, [4, 4, 0, 5, 5, 0, 9, 9]]).float()
    found = tiles_of(whole.expand(3, 3, 8), 5, columns=3, gap=1)
    assert tuple(found.shape) == (5, 3, 1, 2)
    assert [set(tile.flatten().tolist()) for tile in found] == [{1}, {2}, {3}, {4}, {5}]


@pytest.mark.parametrize(
    ("n", "columns", "gap"), [(1, None, 2), (5, None, 2), (6, 2, 0), (4, 4, 3)]
)
def test_tiles_of_a_sheet_are_its_pictures(n, columns, gap):
    x = torch.rand(n, 3, 4, 5)
    assert torch.equal(tiles_of(sheet(x, columns, gap), n, columns, gap), x)


@pytest.mark.parametrize("size", [(9, 12), (10, 13), (1, 1)])
def test_no_sheet_of_so_many(size):
    with pytest.raises(ValueError, match="4 pictures"):
        tiles_of(torch.zeros(3, *size), 4)
