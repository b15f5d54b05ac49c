"""Figures: where every tile and every word lands, and that no tile changes."""

import numpy as np
import pytest
import torch
from PIL import ImageFont

from engine.errors import Diverged
from engine.figure import Tile, contact_sheet, rows, strip

WHITE, DARK = 1.0, 0.09


def tile(height, width, caption="", seed=0):
    """A tile whose values are all below 0.9 and differ, so that it is found in a figure."""
    random = torch.Generator().manual_seed(seed * 1000 + height * 31 + width)
    return Tile(0.1 + 0.8 * torch.rand(3, height, width, generator=random), caption)


def place(figure, tile):
    """Return y, x of the one place where `tile` stands bit for bit."""
    wanted = tile.picture.permute(1, 2, 0).numpy()
    h, w = wanted.shape[:2]
    ys, xs = np.nonzero((figure.rgb == wanted[0, 0]).all(-1))
    found = [
        (int(y), int(x))
        for y, x in zip(ys, xs, strict=True)
        if np.array_equal(figure.rgb[y : y + h, x : x + w], wanted)
    ]
    assert len(found) == 1, found
    return found[0]


def without(figure, tiles, background=WHITE):
    """Return where the figure is not background, the tiles taken away: (H, W) bool."""
    left = (figure.rgb != np.float32(background)).any(-1)
    for t in tiles:
        y, x = place(figure, t)
        left[y : y + t.picture.shape[1], x : x + t.picture.shape[2]] = False
    return left


def extent(mask):
    """Return top, bottom, left, right of what is set in a mask, ends excluded."""
    ys, xs = np.nonzero(mask)
    return int(ys.min()), int(ys.max()) + 1, int(xs.min()), int(xs.max()) + 1


# ---------------------------------------------------------------- contact sheets


def test_tiles_stand_in_reading_order_in_a_grid():
    tiles = [tile(20, 30, seed=i) for i in range(5)]
    figure = contact_sheet(tiles, 3)
    # No captions: type of the smallest size, 12, is also the margin and the gap.
    assert (figure.height, figure.width) == (12 + 2 * (20 + 12), 12 + 3 * (30 + 12))
    expected = [(12 + 32 * (i // 3), 12 + 42 * (i % 3)) for i in range(5)]
    assert [place(figure, t) for t in tiles] == expected
    assert not without(figure, tiles).any()


@pytest.mark.parametrize(("count", "columns"), [(1, 1), (2, 2), (4, 2), (5, 3), (9, 3), (10, 4)])
def test_columns_follow_from_the_number_of_tiles(count, columns):
    tiles = [tile(10, 10, seed=i) for i in range(count)]
    figure = contact_sheet(tiles)
    assert len({place(figure, t)[1] for t in tiles}) == columns
    assert figure.width == 12 + columns * 22


def test_more_columns_than_tiles_leave_no_empty_space():
    assert contact_sheet([tile(10, 10)], 8).width == 12 + 22


def test_tiles_of_different_sizes_are_centred_and_stand_on_one_line():
    tiles = [tile(40, 30), tile(10, 50), tile(20, 90), tile(30, 20)]
    figure = contact_sheet(tiles, 2)
    columns = 90, 50
    assert figure.width == 12 + 90 + 12 + 50 + 12
    assert figure.height == 12 + 40 + 12 + 30 + 12
    left = 12 + (columns[0] - 30) // 2, 12 + 90 + 12
    assert place(figure, tiles[0]) == (12, left[0])
    assert place(figure, tiles[1]) == (12 + 30, left[1])
    assert place(figure, tiles[2]) == (12 + 40 + 12 + 10, 12)
    assert place(figure, tiles[3]) == (12 + 40 + 12, 12 + 90 + 12 + 15)


def test_the_type_and_the_gaps_grow_with_the_tiles():
    assert contact_sheet([tile(540, 540)]).width == 540 + 2 * 30
    assert contact_sheet([tile(1800, 10), tile(1800, 1800)], 2).height == 1800 + 2 * 60


def test_captions_stand_below_their_tiles_and_within_their_columns():
    tiles = [tile(60, 120, "first"), tile(40, 130, "second one"), tile(60, 100)]
    figure = contact_sheet(tiles, 3)
    words = without(figure, tiles)
    assert not words[: 12 + 60].any()
    bounds = [12, 12 + 120, 12 + 120 + 12, 12 + 120 + 12 + 130]
    for left, right in (bounds[:2], bounds[2:]):
        _, _, first, last = extent(words[:, left:right])
        assert abs((first + last) - (right - left)) <= 4  # centred, as far as letters are
    assert words[:, 12:132].sum() > 50
    assert not words[:, bounds[3] :].any()  # the third has no caption
    words[:, 12:132] = words[:, 144:274] = False
    assert not words.any()


def test_a_small_tile_has_room_for_words():
    few = tile(8, 8, "daisy")
    figure = contact_sheet([few])
    assert figure.width == 7 * 12 + 2 * 12
    _, _, left, right = extent(without(figure, [few]))
    assert right - left >= ImageFont.load_default(12).getlength("daisy") - 3


def test_a_long_caption_wraps_and_ends_after_four_lines():
    def lines(caption):
        one = tile(50, 100, caption)
        words = without(contact_sheet([one]), [one])[12 + 50 :]
        filled = words.any(1)
        assert not words[:, :12].any()
        assert not words[:, -12:].any()
        return int((filled[1:] & ~filled[:-1]).sum())

    # Letters without descenders or dots: each line is one run of rows.
    assert lines("name") == 1
    assert lines("name name name name") == 2
    assert lines("name " * 10) == 4
    assert lines("name " * 200) == 4
    assert lines("a\nb\nc") == 3
    assert lines("a\nb\nc\nd\ne") == 4
    assert lines("name" * 50) == 1


def test_what_is_cut_off_ends_in_an_ellipsis():
    tiles = [tile(50, 100, "m" * 50), tile(50, 100, "m" * 50 + "n"), tile(50, 100, "mm")]
    long, longer, short = (contact_sheet([t]).rgb[62:] for t in tiles)
    assert np.array_equal(long, longer)
    dots = (long[:, :, 0] < 1).any(0).nonzero()[0][-1]
    end = long[:, dots - 6 : dots + 1, 0] < 0.9
    low = extent(end)
    assert low[1] - low[0] <= 3  # dots are low; an m would be higher
    assert (short < 1).any()


def test_a_title_stands_above_in_the_middle():
    tiles = [tile(60, 200), tile(60, 200, seed=1)]
    figure = contact_sheet(tiles, 2, "Title")
    words = without(figure, tiles)
    y = place(figure, tiles[0])[0]
    top, bottom, left, right = extent(words)
    assert 12 <= top < bottom <= y - 6
    assert abs((left + right) - figure.width) <= 4
    assert y > 12 + 18


def test_a_title_wider_than_a_single_tile_widens_the_figure():
    only = tile(4, 4)
    figure = contact_sheet([only], title="A title")
    assert figure.width == 2 * 7 * 12 + 2 * 12
    assert place(figure, only)[1] == 12 + (2 * 7 * 12 - 4) // 2
    _, _, left, right = extent(without(figure, [only]))
    assert right - left > 0.9 * ImageFont.load_default(18).getlength("A title")


def test_dark_figures_have_light_words():
    one = tile(40, 120, "words")
    figure = contact_sheet([one], dark=True)
    words = figure.rgb[without(figure, [one], DARK)]
    assert words.min() > DARK
    assert words.max() > 0.8
    light = contact_sheet([one])
    words = light.rgb[without(light, [one])]
    assert words.max() < 1
    assert words.min() < 0.2


# ---------------------------------------------------------------- strips


def test_signs_stand_between_the_tiles_at_half_height():
    tiles = [tile(80, 60), tile(80, 60, seed=1), tile(80, 60, seed=2)]
    figure = strip(tiles, ["+", "="])
    words = without(figure, tiles)
    places = [place(figure, t) for t in tiles]
    assert [y for y, _ in places] == [12, 12, 12]
    for a, b in ((0, 1), (1, 2)):
        left, right = places[a][1] + 60, places[b][1]
        assert right - left > 2 * 12
        top, bottom, first, last = extent(words[:, left:right])
        assert abs((top + bottom) / 2 - 52) <= 5
        assert first >= 12
        assert last <= right - left - 12
        words[:, left:right] = False
    assert not words.any()


def test_a_strip_without_signs_is_one_line():
    tiles = [tile(20, 20, seed=i) for i in range(5)]
    figure = strip(tiles)
    assert [place(figure, t) for t in tiles] == [(12, 12 + 32 * i) for i in range(5)]


@pytest.mark.parametrize("signs", [["+"], ["+", "=", "="]])
def test_a_wrong_number_of_signs_is_refused(signs):
    with pytest.raises(ValueError, match="3 tiles have 2 gaps"):
        strip([tile(8, 8)] * 3, signs)


# ---------------------------------------------------------------- rows


def test_labels_stand_to_the_left_of_their_rows():
    lines = [[tile(50, 50, seed=i) for i in range(3)], [tile(90, 40, seed=7)], []]
    figure = rows([("relu1_1", lines[0]), ("relu5_1 deep", lines[1]), ("none", lines[2])])
    tiles = [t for line in lines for t in line]
    words = without(figure, tiles)
    y0, x0 = place(figure, tiles[0])
    y1, _ = place(figure, tiles[3])
    assert [place(figure, t) for t in lines[0]] == [(y0, x0 + 62 * i) for i in range(3)]
    assert (y0, y1) == (12, 12 + 50 + 12)
    assert not words[:, x0 - 12 :].any()
    for top, bottom in ((y0, y0 + 50), (y1, y1 + 90)):
        first, last, _, right = extent(words[top:bottom])
        assert abs((first + last) - (bottom - top)) <= 8
        assert x0 - 12 - 3 <= right <= x0 - 12  # ends at the gap
    assert words[y1 + 90 + 12 :].any()  # an empty row keeps its label


def test_labels_higher_than_a_row_keep_to_their_row():
    lines = [[tile(6, 30)], [tile(6, 30, seed=1)]]
    figure = rows([("a\nb\nc", lines[0]), ("d", lines[1])])
    words = without(figure, [lines[0][0], lines[1][0]])
    second = place(figure, lines[1][0])[0]
    assert second >= 12 + 3 * 15 + 12
    assert extent(words)[0] >= place(figure, lines[0][0])[0]
    filled = words.any(1)
    assert int((filled[1:] & ~filled[:-1]).sum()) == 4


# ---------------------------------------------------------------- all


@pytest.mark.parametrize(
    "text",
    [
        "Zürich – 40 × ε",
        "神奈川沖浪裏 שלום مرحبا",
        "👩‍👩‍👧🏳️‍🌈",
        "\ud800 lone",
        "a\x00b\tc\u202ed\u2028e",
        "e\u0301\u0301\u0301",
        "\u0301",
        "\n\n",
        "   ",
        "\U0010ffff\ufdd0",
        "%s {0} \\n",
    ],
)
def test_no_text_is_too_strange(text):
    one, two = tile(40, 60, text), tile(40, 60, text, seed=1)
    contact_sheet([one], title=text)
    strip([one, two], [text])
    figure = rows([(text, [one, two])])
    place(figure, one)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Zürich Ångström", "Zurich Angstrom"),
        ("40 × ε − 2", "40 x epsilon - 2"),
        ("Σ ≤ x²", "sigma <= x2"),
        ("smørrebrød", "smorrebrod"),
        ("a\tb\u202e\u200d", "a b"),
    ],
)
def test_what_the_font_lacks_is_spelt_with_what_it_has(text, shown):
    picture = torch.rand(3, 40, 200)
    strange, plain = (contact_sheet([Tile(picture, words)]).rgb for words in (text, shown))
    assert np.array_equal(strange, plain)
    assert (strange[52:] < 0.5).any()


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1), (2000, 3)])
def test_one_tile_of_any_shape(shape):
    one = tile(*shape, "caption")
    for figure in (contact_sheet([one], title="T"), strip([one], title="T"), rows([("L", [one])])):
        place(figure, one)


def test_values_beyond_the_range_are_clipped_and_half_precision_is_taken():
    picture = torch.tensor([-0.5, 0.25, 1.5]).view(3, 1, 1).expand(3, 4, 5).half()
    figure = contact_sheet([Tile(picture)])
    assert np.array_equal(figure.rgb[12:16, 12:17], np.full((4, 5, 3), [0, 0.25, 1], np.float32))


@pytest.mark.parametrize("make", [contact_sheet, strip, rows])
def test_an_empty_figure_is_refused(make):
    with pytest.raises(ValueError, match="at least one tile"):
        make([])


def test_rows_without_tiles_are_refused():
    with pytest.raises(ValueError, match="at least one tile"):
        rows([("a", []), ("b", [])])


@pytest.mark.parametrize("columns", [0, -2])
def test_a_sheet_without_columns_is_refused(columns):
    with pytest.raises(ValueError, match="at least 1 column"):
        contact_sheet([tile(8, 8)], columns)


def test_broken_pictures_are_refused():
    with pytest.raises(ValueError, match=r"not \(3, H, W\)"):
        contact_sheet([Tile(torch.rand(1, 8, 8))])
    with pytest.raises(Diverged):
        contact_sheet([Tile(torch.full((3, 8, 8), float("nan")))])
