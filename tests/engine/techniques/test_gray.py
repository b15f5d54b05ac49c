"""Gray in, gray out, where colours are kept; and what is said where they are not."""

import numpy as np
import pytest
import torch

from engine import colour
from engine.image import Picture, from_tensor, to_bytes8
from engine.techniques import TECHNIQUES


@pytest.fixture
def gray(noise_picture):
    def make(height, width, seed):
        rgb = noise_picture(height, width, seed=seed).rgb
        return Picture(np.repeat(rgb.mean(-1, keepdims=True), 3, -1))

    return make


def spread(picture):
    pixels = to_bytes8(picture).astype(int)
    return int((pixels.max(-1) - pixels.min(-1)).max())


def made(task, pictures_of, content, style, **settings):
    technique = TECHNIQUES["style-transfer"](iterations=6, smallest_scale=32, **settings)
    return pictures_of(task(technique, content=content, styles=[(style, 1.0)]))[-1]


@pytest.mark.parametrize("mode", ["luminance", "match", "luminance-after"])
@pytest.mark.parametrize("start", ["recoloured", "content", "noise"])
def test_from_a_gray_photo_not_a_speck_of_colour(
    task, pictures_of, gray, noise_picture, mode, start
):
    style = noise_picture(36, 40, seed=5)
    frame, picture = made(task, pictures_of, gray(32, 48, 1), style, colour=mode, start=start)
    assert spread(picture) == 0
    assert frame.note == ""


def test_gray_pictures_in_the_painting_s_colours_say_how_gray_is_kept(
    task, pictures_of, gray, noise_picture
):
    photo, style = gray(32, 48, 1), gray(36, 40, 5)
    frame, picture = made(task, pictures_of, photo, style)
    assert str(frame.note).endswith("recolour=gray removes them.")
    assert spread(picture) > 0, "else there would be nothing to say"
    coloured = noise_picture(36, 40, seed=5)
    assert made(task, pictures_of, photo, coloured)[0].note == ""
    assert made(task, pictures_of, noise_picture(32, 48), style)[0].note == ""


@pytest.mark.parametrize("strength", [1.0, 0.25])
def test_the_colours_of_gray_are_gray(gray, noise_picture, strength):
    picture, photo = noise_picture(20, 30, seed=2).tensor()[None], gray(20, 30, 1).tensor()[None]
    for change in (colour.match_colours, colour.with_luminance_of):
        result = change(picture, photo, strength)
        kept = torch.lerp(picture, result, 1.0)
        assert spread(kept) == 0 if strength == 1 else spread(kept) < spread(picture)
    assert from_tensor(colour.match_colours(picture, photo)).rgb.std() == pytest.approx(
        float(photo.std()), rel=0.1
    )


def test_gray_is_what_8_bits_could_not_tell_from_it():
    picture = torch.full((1, 3, 4, 4), 0.5)
    assert colour.is_gray(picture)
    picture[0, 1, 2, 3] += 1 / 255
    assert colour.is_gray(picture)
    picture[0, 1, 2, 3] += 2 / 255
    assert not colour.is_gray(picture)
