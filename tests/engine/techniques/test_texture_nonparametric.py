"""Textures from a sample's pixels: against slow searches written out pixel by pixel."""

import numpy as np
import pytest
import torch
from scipy.ndimage import correlate1d

from engine.errors import BadInput
from engine.techniques.texture_synthesis.efros_leung import efros_leung
from engine.techniques.texture_synthesis.neighbourhoods import TABLE_BYTES, Level, check_table
from engine.techniques.texture_synthesis.wei_levoy import wei_levoy


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def noise(height, width, seed=5):
    return torch.rand(3, height, width, generator=seeded(seed))


def growth(texture):
    """Return pixels done, pixels in all and the picture, at first and after each step."""
    found = [(texture.done, texture.total, texture.picture())]
    while texture.done < texture.total:
        texture.grow()
        found.append((texture.done, texture.total, texture.picture()))
    return found


def last(texture):
    return growth(texture)[-1][2]


def pattern(values):
    """Return three channels that differ, made of whole-number `values` (H, W)."""
    values = values.float() / values.max()
    return torch.stack([values, 1 - values, values.square()])


def grid(height, width):
    return torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")


PATTERNS = {
    "columns": lambda y, x: x % 4,
    "rows": lambda y, x: y % 3,
    "diagonal": lambda y, x: (x + y) % 4,
    "checkerboard of 1": lambda y, x: (x + y) % 2,
    "checkerboard of 2": lambda y, x: (x // 2 + y // 2) % 2,
}


def colours(picture):
    return {tuple(c) for c in picture.flatten(1).T.tolist()}


# ---------------------------------------------------------------- Efros, Leung


def one_by_one(sample, size, window, generator, error):
    """Efros and Leung's loop in float64, with the same draws in the same order."""
    source = sample.double().numpy()
    h, w = source.shape[1:]
    H, W = size
    r = window // 2
    weight = np.array(
        [
            [np.exp(-0.5 * (y * y + x * x) / (window / 6.4) ** 2) for x in range(-r, r + 1)]
            for y in range(-r, r + 1)
        ]
    )
    out, known = np.zeros((3, H, W)), np.zeros((H, W), bool)
    sy = int(torch.randint(h - 2, (), generator=generator))
    sx = int(torch.randint(w - 2, (), generator=generator))
    top, left = (H - 3) // 2, (W - 3) // 2
    out[:, top : top + 3, left : left + 3] = source[:, sy : sy + 3, sx : sx + 3]
    known[top : top + 3, left : left + 3] = True

    def around(y, x, reach):
        for dy in range(-reach, reach + 1):
            for dx in range(-reach, reach + 1):
                if 0 <= y + dy < H and 0 <= x + dx < W and known[y + dy, x + dx]:
                    yield dy, dx

    while not known.all():
        front = [
            (y, x) for y in range(H) for x in range(W) if not known[y, x] and any(around(y, x, 1))
        ]
        counts = [len(list(around(y, x, r))) for y, x in front]
        shuffled = torch.randperm(len(front), generator=generator).tolist()
        order = sorted(shuffled, key=lambda i: -counts[i])
        draws = torch.rand(len(front), generator=generator, dtype=torch.float64)
        for draw, i in zip(draws.tolist(), order, strict=True):
            y, x = front[i]
            offsets = list(around(y, x, r))
            found = []
            for cy in range(r, h - r):
                for cx in range(r, w - r):
                    total = sum(
                        weight[dy + r, dx + r]
                        * ((source[:, cy + dy, cx + dx] - out[:, y + dy, x + dx]) ** 2).sum()
                        for dy, dx in offsets
                    )
                    share = sum(weight[dy + r, dx + r] for dy, dx in offsets)
                    found.append((total / share, cy, cx))
            best = min(found)[0]
            good = [c for c in found if c[0] <= best * (1 + error)]
            _, cy, cx = good[int(draw * len(good))]
            out[:, y, x] = source[:, cy, cx]
            known[y, x] = True
    return out


@pytest.mark.parametrize(("error", "seed"), [(0.0, 1), (0.1, 2), (0.6, 3)])
def test_every_pixel_is_the_one_that_filling_one_by_one_chooses(error, seed):
    sample = noise(9, 8)
    got = last(efros_leung(sample, (11, 14), 5, seeded(seed), error))
    expected = one_by_one(sample, (11, 14), 5, seeded(seed), error)
    assert np.array_equal(got.numpy(), expected.astype(np.float32))


@pytest.mark.parametrize("name", PATTERNS)
@pytest.mark.parametrize("seed", [0, 1])
def test_a_regular_pattern_is_continued_without_a_fault(name, seed):
    sample = pattern(PATTERNS[name](*grid(13, 15)))
    got = last(efros_leung(sample, (26, 31), 7, seeded(seed)))
    y, x = grid(26, 31)
    shifts = [pattern(PATTERNS[name](y + a, x + b)) for a in range(12) for b in range(4)]
    assert any(torch.equal(got, shifted) for shifted in shifts)


@pytest.mark.parametrize("method", ["efros", "wei"])
@pytest.mark.parametrize(
    ("sample", "size"), [((20, 17), (23, 30)), ((5, 30), (16, 16)), ((2, 2), (7, 9))]
)
def test_every_colour_comes_from_the_sample(method, sample, size):
    texture = noise(*sample)
    frames = (
        efros_leung(texture, size, 9, seeded())
        if method == "efros"
        else wei_levoy(texture, size, 9, 3, seeded())
    )
    got = last(frames)
    assert got.shape == (3, *size)
    assert colours(got) <= colours(texture)
    assert len(colours(got)) > 2


def test_the_tolerance_chooses_evenly_among_all_that_it_allows():
    # Eight equal surroundings, eight centres: all are equally right for the first pixels.
    sample = torch.full((3, 3, 24), 0.5)
    sample[0, 1, 1::3] = torch.linspace(0, 1, 8)
    counts = np.zeros(8)
    for seed in range(40):
        got = last(efros_leung(sample, (3, 30), 3, seeded(seed), error=1e9))
        levels = [round(v * 7) for v in got[0, 1].tolist() if v in sample[0, 1, 1::3].tolist()]
        counts += np.bincount(levels, minlength=8)
    assert counts.sum() > 200
    # 7 degrees of freedom; seeds are fixed, the level is 1 in 1,000.
    assert ((counts - counts.mean()) ** 2 / counts.mean()).sum() < 24.3


def test_a_tolerance_of_zero_copies_where_one_window_alone_fits():
    sample = noise(20, 20)
    got = last(efros_leung(sample, (15, 15), 9, seeded(4), error=0.0))
    places = {c: i for i, c in enumerate(map(tuple, sample.flatten(1).T.tolist()))}
    place = torch.tensor([places[tuple(c)] for c in got.flatten(1).T.tolist()]).view(15, 15)
    right = (place[:, 1:] == place[:, :-1] + 1).float().mean()
    assert right > 0.75  # by chance 1 in 400 neighbours would follow each other


def test_the_seed_is_a_piece_of_the_sample_in_the_middle():
    sample = noise(12, 12)
    done, total, first = growth(efros_leung(sample, (15, 21), 5, seeded(9)))[0]
    assert (done, total) == (9, 15 * 21)
    pieces = sample.unfold(1, 3, 1).unfold(2, 3, 1)
    assert (pieces == first[:, None, None, 6:9, 9:12]).all(-1).all(-1).all(0).any()
    first[:, 6:9, 9:12] = 0.5
    assert (first == 0.5).all()


# ---------------------------------------------------------------- Wei, Levoy


def blurred_half(picture):
    """The next level: a Gaussian of 1 pixel, cut at 3, border repeated, every second pixel."""
    kernel = np.exp(-0.5 * np.arange(-3, 4) ** 2)
    kernel /= kernel.sum()
    for axis in (1, 2):
        picture = correlate1d(picture, kernel, axis=axis, mode="nearest")
    return picture[:, ::2, ::2]


def in_reading_order(sample, size, n, levels, generator):
    """Wei and Levoy's loop in float64: every neighbourhood compared with every other."""
    sources = [sample.double().numpy()]
    for _ in range(levels - 1):
        sources.append(blurred_half(sources[-1]))
    coarse = None
    r, half = n // 2, n // 4
    near = [(dy, dx) for dy in range(-r, 0) for dx in range(-r, r + 1)]
    near += [(0, dx) for dx in range(-r, 0)]
    for level in range(levels)[::-1]:
        source = sources[level]
        h, w = source.shape[1:]
        H, W = (-(-side // 2**level) for side in size)
        drawn = torch.randint(h * w, (H * W,), generator=generator).numpy()
        out = source.reshape(3, -1)[:, drawn].reshape(3, H, W)
        for y in range(H):
            for x in range(W):
                found = []
                for cy in range(r, h):
                    for cx in range(r, w - r):
                        total = sum(
                            (
                                (source[:, cy + dy, cx + dx] - out[:, (y + dy) % H, (x + dx) % W])
                                ** 2
                            ).sum()
                            for dy, dx in near
                        )
                        if coarse is not None:
                            above = sources[level + 1]
                            ch, cw = above.shape[1:]
                            py, px = cy // 2, cx // 2
                            if not (half <= py < ch - half and half <= px < cw - half):
                                continue
                            CH, CW = coarse.shape[1:]
                            total += sum(
                                (
                                    (
                                        above[:, py + dy, px + dx]
                                        - coarse[:, (y // 2 + dy) % CH, (x // 2 + dx) % CW]
                                    )
                                    ** 2
                                ).sum()
                                for dy in range(-half, half + 1)
                                for dx in range(-half, half + 1)
                            )
                        found.append((total, cy, cx))
                _, cy, cx = min(found)
                out[:, y, x] = source[:, cy, cx]
        coarse = out
    return coarse


@pytest.mark.parametrize(("levels", "size"), [(1, (9, 11)), (2, (10, 8)), (2, (7, 9))])
def test_every_pixel_is_the_one_that_comparing_all_chooses(levels, size):
    sample = noise(12, 13)
    got = last(wei_levoy(sample, size, 5, levels, seeded(2)))
    expected = in_reading_order(sample, size, 5, levels, seeded(2))
    assert np.allclose(got.numpy(), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", PATTERNS)
def test_rows_of_a_regular_pattern_are_followed_by_the_right_ones(name):
    period = 12
    sample = pattern(PATTERNS[name](*grid(14, 15)))
    right = pattern(PATTERNS[name](*grid(period, 2 * period)))
    picture = noise(period, 2 * period)
    picture[:, :4] = right[:, :4]
    # The pixels to the left of the first ones are those at the other end of the row.
    picture[:, :, -4:] = right[:, :, -4:]
    level = Level(sample, None, (9, 9))
    for y in range(4, period):
        level.fill_row(picture, None, y)
    assert torch.equal(picture, right)


def test_the_search_is_exact_where_all_features_lie_in_a_few_dimensions():
    # The bound's last component is a root of rounding there, and must not rule out the best.
    ramp = torch.linspace(0, 1, 40)
    sample = (ramp[None] * torch.linspace(0.5, 1, 30)[:, None]).expand(3, -1, -1).contiguous()
    level = Level(sample, None, (5, 5))
    for i in range(0, len(level.table), 7):
        query = level.table[i] + 1e-3 * torch.randn(
            level.table.shape[1], generator=seeded(i), dtype=torch.float64
        )
        distances = (level.table - query).square().sum(1)
        assert distances[level._nearest(query)] == distances.min()


def test_levels_smaller_than_the_neighbourhood_are_left_out():
    sample = noise(24, 24)  # levels of 24, 12 and 6
    deep = [f[1] for f in growth(wei_levoy(sample, (16, 16), 7, 9, seeded()))]
    assert set(deep) == {16 * 16 + 8 * 8}


# ---------------------------------------------------------------- both

BOTH = {
    "efros": lambda sample, size, seed=0: efros_leung(sample, size, 7, seeded(seed)),
    "wei": lambda sample, size, seed=0: wei_levoy(sample, size, 7, 2, seeded(seed)),
}


@pytest.fixture(params=BOTH)
def method(request):
    return BOTH[request.param]


def test_the_generator_decides_all(method):
    sample = noise(16, 16)
    assert torch.equal(last(method(sample, (14, 14), 3)), last(method(sample, (14, 14), 3)))
    assert not torch.equal(last(method(sample, (14, 14), 3)), last(method(sample, (14, 14), 4)))


@pytest.mark.parametrize("shape", [(1, 1), (1, 6), (6, 1), (2, 2), (3, 3), (12, 12)])
def test_a_flat_sample_gives_a_flat_picture(method, shape):
    colour = torch.tensor([0.2, 0.4, 0.9])[:, None, None]
    got = last(method(colour.expand(3, *shape).contiguous(), (10, 9)))
    assert torch.equal(got, colour.expand(3, 10, 9))


@pytest.mark.parametrize("size", [(1, 1), (1, 5), (2, 2), (4, 3)])
def test_a_picture_smaller_than_the_window(method, size):
    sample = noise(12, 12)
    got = last(method(sample, size))
    assert got.shape == (3, *size)
    assert colours(got) <= colours(sample)


def test_progress_counts_up_to_all_and_keeps_what_it_gave(method):
    sample = noise(16, 16)
    frames, copies = [], []
    for frame in growth(method(sample, (12, 10))):
        frames.append(frame)
        copies.append(frame[2].clone())
    counts = [done for done, _, _ in frames]
    assert counts == sorted(set(counts))
    assert len(counts) > 10
    assert {total for _, total, _ in frames} == {counts[-1]}
    for (_, _, picture), copy in zip(frames, copies, strict=True):
        assert picture.shape == (3, 12, 10)
        assert picture.dtype == torch.float32
        assert picture.min() >= 0
        assert picture.max() <= 1
        assert torch.equal(picture, copy)


def test_the_sample_is_left_as_it_was(method):
    sample = noise(12, 12)
    before = sample.clone()
    last(method(sample, (10, 10)))
    assert torch.equal(sample, before)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda s: efros_leung(s, (8, 8), 8, seeded()), "window is 8 pixels wide; .* odd"),
        (lambda s: efros_leung(s, (8, 8), -1, seeded()), "window is -1"),
        (lambda s: efros_leung(s, (0, 8), 5, seeded()), "size is 8 x 0"),
        (lambda s: efros_leung(s, (8, 8), 5, seeded(), -0.1), "tolerance is -0.1"),
        (lambda s: efros_leung(s, (8, 8), 5, seeded(), float("nan")), "tolerance is nan"),
        (lambda s: wei_levoy(s, (8, 8), 4, 2, seeded()), "neighbourhood is 4 pixels wide"),
        (lambda s: wei_levoy(s, (8, 8), 5, 0, seeded()), "0 levels"),
        (lambda s: wei_levoy(s, (8, 0), 5, 1, seeded()), "size is 0 x 8"),
    ],
)
def test_bad_settings_are_refused_before_the_first_step(call, words):
    with pytest.raises(BadInput, match=words):
        call(noise(10, 10))


def test_a_sample_that_is_no_picture_is_a_programming_error(method):
    with pytest.raises(ValueError, match=r"\(1, 8, 8\), not \(3, H, W\)"):
        method(torch.rand(1, 8, 8), (8, 8))


def test_a_table_too_large_for_memory_is_refused_with_its_size():
    check_table(TABLE_BYTES)
    with pytest.raises(BadInput, match=r"would take 1\.5 GiB of memory; take a smaller sample"):
        check_table(TABLE_BYTES * 3 // 2)
    with pytest.raises(BadInput, match="GiB"):
        efros_leung(torch.zeros(3, 1024, 1024), (8, 8), 15, seeded())
