"""Random views: each part by itself, its numbers by hand, scipy and torch; gradients by differences."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.ndimage import rotate
from torch.nn import functional as F

from engine.parameterization.smoothing import gaussian_blur
from engine.parameterization.transforms import GRAY, Transforms, View, resampling, rotated, seen

STILL = Transforms(0, 0, 0, 0, 0, 1, 1)


def picture(height, width, seed=0):
    values = np.random.default_rng(seed).random((2, 3, height, width))
    return torch.from_numpy(values)


def draws(transforms, side=224, count=400):
    generator = torch.Generator().manual_seed(0)
    return [transforms.draw(side, generator) for _ in range(count)]


# ---------------------------------------------------------------- what is drawn


def test_with_everything_off_the_view_is_the_whole_picture():
    assert set(draws(STILL, 100, 5)) == {View(50, 50, 100, 0)}


def test_shifts_stay_in_their_range_and_grow_with_the_picture():
    for side in (224, 448):
        found = draws(replace(STILL, jitter=8), side)
        offsets = np.array([[v.y, v.x] for v in found]) - side / 2
        reach = 4 * side / 224
        assert np.abs(offsets).max() <= reach
        assert offsets.max(0) == pytest.approx([reach, reach], rel=0.05)
        assert offsets.min(0) == pytest.approx([-reach, -reach], rel=0.05)
        assert abs(np.corrcoef(offsets.T)[0, 1]) < 0.2
        assert {v.side for v in found} == {side}


def test_the_border_is_what_the_published_crops_leave():
    # Padded by 12 on both sides, cropped by 8 and by 4: 12 pixels more than the picture.
    (view,) = draws(replace(STILL, pad=12, jitter=8, last_jitter=4), 224, 1)
    assert view.side == pytest.approx(236)


def test_zoom_and_closeness_make_the_window_smaller():
    sides = [224 / v.side for v in draws(replace(STILL, zoom=0.1))]
    assert 0.9 <= min(sides) < 0.91
    assert 1.09 < max(sides) <= 1.1
    found = draws(replace(STILL, closest=0.25, farthest=0.5))
    sides = [v.side / 224 for v in found]
    assert 0.25 <= min(sides) < 0.26
    assert 0.49 < max(sides) <= 0.5
    for view in found:  # windows lie inside of the picture
        for centre in (view.y, view.x):
            assert view.side / 2 - 1e-9 <= centre <= 224 - view.side / 2 + 1e-9
    assert np.ptp([v.y for v in found]) > 0.6 * 224


def test_angles_are_whole_steps_and_more_often_none():
    angles = [v.angle for v in draws(replace(STILL, rotation=10), count=5200)]
    assert set(angles) == set(range(-10, 11))
    counts = {a: angles.count(a) for a in set(angles)}
    assert counts[0] == pytest.approx(1200, abs=110)
    assert counts[7] == pytest.approx(200, abs=60)


def test_one_part_does_not_change_what_another_draws():
    shifted = draws(replace(STILL, jitter=8))
    both = draws(replace(STILL, jitter=8, zoom=0.1, rotation=10))
    assert [(v.y, v.x) for v in shifted] == [(v.y, v.x) for v in both]


# ---------------------------------------------------------------- what is seen


def test_the_whole_picture_at_its_own_size_is_untouched():
    x = picture(16, 16)
    torch.testing.assert_close(seen(x, View(8, 8, 16), 16), x, rtol=0, atol=1e-12)


def test_a_window_of_whole_pixels_is_cut_out_and_gray_outside():
    x = picture(16, 16)
    torch.testing.assert_close(seen(x, View(6, 10, 8), 8), x[..., 2:10, 6:14], rtol=0, atol=1e-12)
    beyond = seen(x, View(0, 8, 16), 16)
    torch.testing.assert_close(beyond[..., 8:, :], x[..., :8, :], rtol=0, atol=1e-12)
    assert bool(torch.isclose(beyond[..., :8, :], torch.tensor(GRAY, dtype=x.dtype)).all())


@pytest.mark.parametrize("size", [8, 11, 16, 31, 48])
def test_inside_it_is_resampled_as_torch_does(size):
    x = picture(32, 32)
    ours = seen(x, View(16, 16, 32), size)
    theirs = F.interpolate(x, size=(size, size), mode="bilinear", antialias=True)
    inner = slice(2, -2)  # at the border torch repeats the picture, here lies gray
    torch.testing.assert_close(
        ours[..., inner, inner], theirs[..., inner, inner], rtol=0, atol=1e-6
    )


def test_weights_of_a_sample_worked_out_by_hand():
    # Samples two pixels apart: triangles of two pixels to either side.
    matrix = resampling(6, 2, 1.0, 2.0)
    expected = [[1 / 8, 3 / 8, 3 / 8, 1 / 8, 0, 0], [0, 0, 1 / 8, 3 / 8, 3 / 8, 1 / 8]]
    np.testing.assert_allclose(matrix.numpy(), expected, atol=1e-12)
    # A quarter pixel to the right of pixel 0, and one centred on the border.
    matrix = resampling(3, 1, 0.25, 1.0)
    np.testing.assert_allclose(matrix.numpy(), [[0.75, 0.25, 0]], atol=1e-12)
    matrix = resampling(3, 1, -0.5, 1.0)
    np.testing.assert_allclose(matrix.numpy(), [[0.5, 0, 0]], atol=1e-12)


@pytest.mark.parametrize("angle", [10, -7, 3])
def test_turned_as_scipy_turns(angle):
    # Gray at the border: an edge there would ring in the one and not in the other.
    smooth = gaussian_blur(picture(64, 64), 3.0) - GRAY
    hill = torch.hann_window(64, periodic=False, dtype=smooth.dtype)
    smooth = GRAY + 8 * smooth * hill[:, None] * hill
    assert smooth.std() > 0.05
    ours = seen(smooth, View(32, 32, 64, angle), 64)[0, 0]
    theirs = rotate(smooth[0, 0].numpy(), angle, reshape=False, order=5, cval=GRAY)
    np.testing.assert_allclose(ours.numpy(), theirs, atol=1e-3)


def test_what_is_turned_in_from_outside_is_gray():
    white = torch.ones(1, 3, 100, 100, dtype=torch.float64)
    corner = seen(white, View(50, 50, 100, 10), 100)[0, 0]
    # By 10 degrees the corner's pixels come from 8 pixels outside.
    assert corner[1, 1] == pytest.approx(GRAY, abs=0.08)
    assert corner[50, 50] == pytest.approx(1, abs=0.02)


def test_turning_there_and_back():
    smooth = gaussian_blur(picture(48, 47), 2.0)
    torch.testing.assert_close(rotated(rotated(smooth, 9.0), -9.0), smooth, rtol=0, atol=1e-6)


def test_the_gradient_is_right():
    x = picture(7, 7)[:1].requires_grad_()
    weights = picture(5, 5, seed=1)[:1]
    view = View(3.3, 3.9, 6.1, 8)
    assert torch.autograd.gradcheck(lambda v: (seen(v, view, 5) * weights).sum(), (x,))
