"""Sizes of pyramids, resampling beside Pillow's, and the running mean in closed form."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from engine.parameterization.scales import (
    Average,
    fit,
    pyramid,
    resize,
    resize_picture,
    resize_torus,
)


def picture(*shape, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).random(shape, dtype=np.float32))


def by_pillow(x, size, filter):
    height, width = size
    planes = [Image.fromarray(p).resize((width, height), filter) for p in x[0].numpy()]
    return torch.from_numpy(np.stack([np.array(p) for p in planes]))[None]


# ---------------------------------------------------------------- pyramid


def test_the_recipes_pyramids():
    assert pyramid(512, 128) == [128, 181, 256, 362, 512]
    assert pyramid(1024, 128) == [128, 181, 256, 362, 512, 724, 1024]
    assert pyramid(256, 256) == [256]
    assert pyramid(100, 128) == [100]
    assert pyramid(400, 100, ratio=2.0) == [100, 200, 400]


@given(st.integers(1, 5000), st.integers(16, 5000), st.floats(1.05, 4))
def test_pyramids_end_at_the_size_and_stay_above_the_smallest(end, smallest, ratio):
    sides = pyramid(end, smallest, ratio)
    assert sides[-1] == end
    assert sides[0] >= min(smallest, end)
    assert sides == sorted(sides)
    assert sides[0] / ratio < min(smallest, end) + 1  # and go down as far as they can
    for small, large in pairwise(sides):
        assert abs(large / ratio - small) <= 1  # each is rounded


# ---------------------------------------------------------------- fit


@pytest.mark.parametrize(
    ("size", "long_side", "least", "expected"),
    [
        ((1080, 1920), 512, 1, (288, 512)),
        ((1920, 1080), 512, 1, (512, 288)),
        ((100, 100), 37, 1, (37, 37)),
        ((10, 1000), 50, 1, (1, 50)),
        ((1, 1000), 50, 1, (1, 50)),
        ((10, 1000), 50, 16, (16, 50)),
        ((20, 10), 8, 16, (16, 16)),
        ((3, 2), 300, 1, (300, 200)),
    ],
)
def test_fit(size, long_side, least, expected):
    assert fit(size, long_side, least) == expected


@given(st.integers(1, 9999), st.integers(1, 9999), st.integers(1, 4096))
def test_fit_makes_the_longer_side_exactly_that_long(height, width, side):
    new_height, new_width = fit((height, width), side)
    assert max(new_height, new_width) == side
    assert min(new_height, new_width) >= 1
    assert abs(new_height - height * side / max(height, width)) <= 1
    assert abs(new_width - width * side / max(height, width)) <= 1
    assert fit((height, width), max(height, width)) == (height, width)


# ---------------------------------------------------------------- resize


@pytest.mark.parametrize("size", [(20, 31), (7, 9), (40, 8), (13, 60), (1, 1)])
@pytest.mark.parametrize(
    ("mode", "filter"),
    [("bicubic", Image.Resampling.BICUBIC), ("bilinear", Image.Resampling.BILINEAR)],
)
def test_resize_beside_pillow(size, mode, filter):
    x = picture(1, 3, 20, 30)
    result = resize(x, size, mode)
    assert result.shape == (1, 3, *size)
    torch.testing.assert_close(result, by_pillow(x, size, filter), atol=1e-5, rtol=0)


def test_the_same_size_gives_a_copy():
    x = picture(1, 3, 8, 9)
    same = resize(x, (8, 9))
    assert torch.equal(same, x)
    same.zero_()
    assert x.any()


def test_shrinking_removes_what_is_too_fine_to_show():
    stripes = torch.zeros(1, 3, 64, 64)
    stripes[..., ::2] = 1
    inside = resize(stripes, (16, 16))[..., 2:-2]
    torch.testing.assert_close(inside, torch.full_like(inside, 0.5))


def test_a_picture_stays_in_its_range_when_resized():
    edges = (picture(1, 3, 12, 12) > 0.5).float()
    assert resize(edges, (30, 30)).max() > 1
    assert resize(edges, (30, 30)).min() < 0
    result = resize_picture(edges, (30, 30))
    assert result.max() == 1
    assert result.min() == 0
    assert torch.equal(result, resize(edges, (30, 30)).clamp(0, 1))
    assert torch.equal(edges, edges.round())  # the given one is left alone


# ---------------------------------------------------------------- running mean


@pytest.mark.parametrize("decay", [0.0, 0.5, 0.9, 0.99])
def test_the_running_mean_in_closed_form(decay):
    values = [picture(1, 3, 4, 4, seed=i).double() for i in range(12)]
    average = Average(decay)
    for n, value in enumerate(values, 1):
        average.update(value)
        weights = np.array([decay ** (n - 1 - i) for i in range(n)])
        weights /= weights.sum()
        expected = sum(w * v for w, v in zip(weights, values, strict=False))
        torch.testing.assert_close(average.value(), expected, rtol=1e-9, atol=1e-12)
        assert average.weight == pytest.approx(1 - decay**n)


def test_the_mean_of_one_is_that_one_and_of_equals_each():
    average = Average(0.99)
    for _ in range(50):
        average.update(torch.full((1, 3, 2, 2), 0.7))
        torch.testing.assert_close(average.value(), torch.full((1, 3, 2, 2), 0.7))


def test_the_mean_does_not_follow_a_picture_that_is_changed_later():
    x = picture(1, 3, 2, 2)
    average = Average(0.0)
    average.update(x)
    before = average.value().clone()
    x.zero_()
    assert torch.equal(average.value(), before)


def test_nothing_has_no_mean():
    with pytest.raises(ValueError, match="nothing has been averaged yet"):
        Average(0.9).value()


# ---------------------------------------------------------------- on a torus


def wave(height, width, down, across, phase):
    """Return a wave of whole periods at the middles of pixels."""
    y = (np.arange(height) + 0.5)[:, None] / height
    x = (np.arange(width) + 0.5)[None] / width
    return torch.from_numpy(np.cos(2 * np.pi * (down * y + across * x) + phase))[None, None]


@pytest.mark.parametrize("size", [(21, 30), (13, 12), (9, 15), (32, 33), (10, 12)])
def test_waves_stay_waves_on_a_torus(size):
    for down, across, phase in [(0, 0, 0.3), (1, 0, 0.5), (2, -3, 1.0), (4, 5, 2.0)]:
        found = resize_torus(wave(10, 12, down, across, phase), size)
        expected = wave(*size, down, across, phase)
        if 2 * down >= size[0] or 2 * abs(across) >= size[1]:
            expected = torch.zeros_like(expected)  # more than the size can hold
        torch.testing.assert_close(found, expected, atol=1e-12, rtol=0)


def test_the_fastest_wave_of_an_even_length_grows_with_half_of_its_range():
    found = resize_torus(wave(1, 8, 0, 4, np.pi / 2), (1, 24))  # -1, 1, -1 ... at the samples
    expected = -np.sin(2 * np.pi * 4 * (np.arange(24) + 0.5) / 24)
    np.testing.assert_allclose(found[0, 0, 0], expected, atol=1e-12)
