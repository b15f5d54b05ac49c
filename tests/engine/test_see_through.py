"""What a network is shown of a picture that is transparent in places."""

import numpy as np
import pytest
import torch

from engine import colour
from engine.errors import BadInput
from engine.image import Picture, from_tensor, open_picture, save_picture
from engine.job import Inputs, Job, carried, opened
from engine.networks.square import middle_square
from engine.techniques import TECHNIQUES


def rgb(seed, height=40, width=56):
    return np.random.default_rng(seed).random((height, width, 3), dtype=np.float32)


def hole(height=40, width=56):
    """Opacities of a picture with a hole, and with a soft edge."""
    alpha = np.ones((height, width), np.float32)
    alpha[8:30, 10:41] = 0
    alpha[:, -4:] = [0.75, 0.5, 0.25, 0.1]
    return alpha


def pair(alpha, seeds=(1, 2)):
    """Two pictures that differ only where nothing is to be seen."""
    visible = rgb(0, *alpha.shape)
    return [
        Picture(np.where(alpha[..., None] > 0, visible, rgb(seed, *alpha.shape)), alpha)
        for seed in seeds
    ]


@pytest.mark.parametrize("side", [17, 56, 130])
def test_colours_that_nobody_sees_decide_nothing(side):
    one, other = pair(hole())
    assert not np.array_equal(one.rgb, other.rgb)
    assert torch.equal(one.tensor(), other.tensor())
    if side != 56:  # resampled; else the very colours of the file are kept
        assert np.array_equal(one.resized(side).rgb, other.resized(side).rgb)
    assert torch.equal(one.resized(side).tensor(), other.resized(side).tensor())
    assert torch.equal(middle_square(one, 24), middle_square(other, 24))


def test_what_is_opaque_stays_as_it_is():
    one, _ = pair(hole())
    assert np.array_equal(one.shown[hole() == 1], one.rgb[hole() == 1])
    whole = Picture(rgb(0), np.ones((40, 56), np.float32))
    assert np.array_equal(whole.tensor(), Picture(rgb(0)).tensor())
    assert np.array_equal(whole.resized(31).rgb, Picture(rgb(0)).resized(31).rgb)


def test_a_hole_in_one_colour_is_of_that_colour():
    flat = np.full((37, 53, 3), (0.2, 0.6, 0.9), np.float32)
    alpha = hole(37, 53)
    painted = np.where(alpha[..., None] > 0, flat, rgb(3, 37, 53))
    np.testing.assert_allclose(Picture(painted, alpha).shown, flat, atol=1e-6)
    np.testing.assert_allclose(Picture(painted, alpha).resized(20).tensor()[2], 0.9, atol=1e-5)


def test_partial_opacity_weighs_partly():
    """In a pixel alone among opaque ones of one colour, by hand: a c + (1 - a) s."""
    around, own = np.float32(0.25), np.float32(1.0)
    for opacity in (0.0, 1 / 255, 0.5, 0.9):
        colours = np.full((16, 16, 3), around)
        colours[7, 9] = own
        alpha = np.ones((16, 16), np.float32)
        alpha[7, 9] = opacity
        shown = Picture(colours, alpha).shown
        # its surroundings are the mean of the nearest squares, where it has its own small part
        least = opacity * own + (1 - opacity) * around
        assert least - 1e-6 <= shown[7, 9, 0] <= least + 0.2 * opacity


def test_the_nearest_visible_colour_goes_before_those_further_away():
    colours = np.zeros((32, 64, 3), np.float32)
    colours[:, :20], colours[:, 44:] = (1, 0, 0), (0, 0, 1)
    alpha = np.zeros((32, 64), np.float32)
    alpha[:, :20] = alpha[:, 44:] = 1
    shown = Picture(colours, alpha).shown
    assert (shown[:, 22, 0] > 0.8).all() and (shown[:, 41, 2] > 0.8).all()
    assert abs(shown[16, 31, 0] - 0.5) < 0.2


def test_where_nothing_is_visible_there_is_gray():
    nothing = Picture(rgb(1), np.zeros((40, 56), np.float32))
    assert (nothing.shown == 0.5).all()


def test_a_run_refuses_a_picture_in_which_there_is_nothing_to_see(tmp_path):
    nothing = Picture(rgb(1), np.zeros((40, 56), np.float32))
    path = save_picture(nothing, tmp_path / "nothing.png")
    with pytest.raises(BadInput, match=r"nothing\.png is completely transparent"):
        opened(Job(TECHNIQUES["deep-dream"](), Inputs(path)))


def test_the_result_carries_the_transparency_of_the_photo_that_it_repaints(tmp_path):
    path = save_picture(pair(hole())[0], tmp_path / "cut.png")
    content = open_picture(path)
    for command, kept in (("deep-dream", True), ("style-transfer", True), ("adversarial", True),
                          ("texture-synthesis", False), ("feature-inversion", False)):  # fmt: skip
        like = carried(Job(TECHNIQUES[command](), Inputs(content)))
        alpha = from_tensor(torch.rand(3, 40, 56), like).alpha
        assert (alpha is not None) == kept
        if kept:
            np.testing.assert_array_equal(alpha, content.alpha)


def test_colours_are_matched_by_what_is_visible():
    """Against the same matching of the visible rectangles alone, and by hand in float64."""
    one, _ = pair(hole())
    picture, target = torch.rand(1, 3, 20, 30), one.tensor()[None]
    seen = torch.zeros(1, 1, 40, 56)
    seen[..., :, :9] = 1
    matched = colour.match_colours(picture, target, target_seen=seen)
    cropped = colour.match_colours(picture, target[..., :9])
    torch.testing.assert_close(matched, cropped, atol=1e-6, rtol=0)
    weighted = colour.match_colours(target, target.flip(1), 1.0, seen, seen)
    part = colour.match_colours(target[..., :9], target[..., :9].flip(1))
    torch.testing.assert_close(weighted[..., :9], part, atol=1e-6, rtol=0)
    luma = colour.matched_luminance(target, picture, seen)[..., :9]
    mean, deviation = float(colour.luminance(picture).mean()), colour.luminance(picture).std()
    assert float(luma.mean()) == pytest.approx(mean, abs=1e-5)
    assert float(luma.std()) == pytest.approx(float(deviation), rel=2e-3)


@pytest.mark.parametrize("side", [20, 33])
def test_a_large_picture_that_is_reduced_while_it_is_opened_shows_nothing_hidden(tmp_path, side):
    alpha = np.tile(hole(), (4, 4))
    files = [save_picture(picture, tmp_path / f"{i}.png") for i, picture in enumerate(pair(alpha))]
    one, other = (open_picture(file, long_side=side) for file in files)
    assert one.full_size == (224, 160)
    assert np.array_equal(one.rgb, other.rgb)
    whole = open_picture(files[0]).resized(size=(one.width, one.height))
    np.testing.assert_allclose(one.tensor(), whole.tensor(), atol=0.06)
