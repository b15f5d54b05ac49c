"""Masks and the brush, against closed forms."""

import io
import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engine.image import Picture, open_picture
from engine.regions import mask_values
from gui.dialogs.grad_cam_mask import above
from gui.masks.brush import LEAST_PRESSURE, Brush, Discs, Stroke, drawn
from gui.masks.files import MaskFiles, is_blank, png, region_of
from gui.masks.mask import (
    LONGEST,
    SHORTEST,
    Mask,
    Rect,
    bounds,
    divided,
    of_alpha,
    of_picture,
    size_for,
)


def noise(height: int, width: int, seed: int = 0) -> Mask:
    return Mask(np.random.default_rng(seed).integers(0, 256, (height, width), dtype=np.uint8))


def area(mask: Mask) -> float:
    return float(mask.pixels.sum()) / 255


# -- the brush --------------------------------------------------------------------------------


@pytest.mark.parametrize("radius", [2.0, 7.3, 40.0, 150.0])
def test_a_hard_disc_covers_pi_r_squared(radius: float) -> None:
    assert drawn(radius, 1.0, 0.3, 0.7).sum() / 255 == pytest.approx(math.pi * radius**2, rel=0.01)


def test_a_soft_disc_has_the_volume_of_its_profile() -> None:
    # Between the radii a and r a smoothstep falls from 1 to 0: in polar coordinates
    # 2 pi times the integral of s(x) x dx, here by fine sums.
    radius, hardness = 60.0, 0.4
    x = np.linspace(0, radius, 200_001)
    t = np.clip((radius - x) / (radius - hardness * radius), 0, 1)
    volume = 2 * math.pi * np.trapezoid(t * t * (3 - 2 * t) * x, x)
    assert drawn(radius, hardness, 0.5, 0.5).sum() / 255 == pytest.approx(volume, rel=0.005)


@pytest.mark.parametrize("hardness", [0.0, 0.5, 1.0])
def test_a_disc_in_the_middle_of_a_pixel_is_symmetric(hardness: float) -> None:
    disc = drawn(11.0, hardness, 0.5, 0.5)
    assert np.array_equal(disc, disc[::-1])
    assert np.array_equal(disc, disc.T)
    assert disc[12, 12] == 255


def test_a_stroke_is_a_stadium_without_gaps() -> None:
    mask, radius = Mask.blank(400, 200), 15.0
    stroke = Stroke(mask, Brush(radius, 1.0))
    for x in (60, 200, 340):
        stroke.to((x, 100.0))
    stroke.end()
    assert area(mask) == pytest.approx(math.pi * radius**2 + 280 * 2 * radius, rel=0.005)
    assert (mask.pixels[87:113, 60:340] == 255).all()
    assert not mask.pixels[:84].any() and not mask.pixels[116:].any()


@pytest.mark.parametrize("hardness", [0.0, 1.0])
def test_a_slow_hand_paints_what_a_fast_one_does(hardness: float) -> None:
    slow, fast = Mask.blank(300, 100), Mask.blank(300, 100)
    for mask, places in ((fast, (50, 250)), (slow, range(50, 251))):
        stroke = Stroke(mask, Brush(20.0, hardness))
        for x in places:
            stroke.to((float(x), 50.0))
        stroke.end()
    # Within a stroke the strongest disc counts, not their sum.
    assert np.abs(slow.pixels.astype(int) - fast.pixels).max() <= 12
    across = slow.pixels[:, 150]
    assert np.array_equal(across, across[::-1]), "the line lies between two rows"


def test_a_stroke_turns_smoothly_and_reaches_its_last_point() -> None:
    mask = Mask.blank(200, 200)
    stroke = Stroke(mask, Brush(3.0, 1.0))
    for point in ((20.0, 180.0), (20.0, 20.0), (180.0, 20.0)):
        stroke.to(point)
    stroke.end()
    assert mask.pixels[20, 180] == 255 and mask.pixels[180, 20] == 255
    assert mask.pixels[20, 20] == 0, "the corner is rounded"
    # The middle of a quadratic Bézier curve: a quarter of the ends, half of the control point.
    x, y = 0.25 * 20 + 0.5 * 20 + 0.25 * 100, 0.25 * 100 + 0.5 * 20 + 0.25 * 20
    assert mask.pixels[round(y), round(x)] == 255


def test_erasing_is_the_opposite_of_painting() -> None:
    painted, erased = Mask.blank(120, 90), Mask(np.full((90, 120), 255, np.uint8))
    for mask, brush in ((painted, Brush(25.0, 0.3)), (erased, Brush(25.0, 0.3, erases=True))):
        stroke = Stroke(mask, brush)
        stroke.to((30.0, 40.0))
        stroke.to((90.0, 50.0))
        stroke.end()
    assert np.array_equal(erased.pixels, 255 - painted.pixels)


def test_pressure_makes_the_brush_larger() -> None:
    sizes = []
    for pressure in (0.0, 0.5, 1.0):
        mask = Mask.blank(200, 200)
        Stroke(mask, Brush(50.0, 1.0)).to((100.0, 100.0), pressure)
        sizes.append(math.sqrt(area(mask) / math.pi))
    wanted = [50 * LEAST_PRESSURE, 50 * (LEAST_PRESSURE + (1 - LEAST_PRESSURE) / 2), 50]
    assert sizes == pytest.approx(wanted, rel=0.03)


def test_nothing_changes_outside_the_rectangles_that_are_reported() -> None:
    mask = noise(300, 400)
    stroke = Stroke(mask, Brush(18.0, 0.5))
    reported: list[Rect] = []
    for point in ((-30.0, 20.0), (50.0, 60.0), (200.0, 150.0), (390.0, 299.0)):
        before = mask.pixels.copy()
        dirty = stroke.to(point)
        changed = mask.pixels != before
        if dirty is None:
            assert not changed.any()
            continue
        reported.append(dirty)
        changed[dirty.rows, dirty.columns] = False
        assert not changed.any()
        assert (dirty.width, dirty.height) < mask.pixels.shape[::-1]
    assert stroke.dirty == bounds(reported)


def test_a_cancelled_stroke_leaves_no_trace() -> None:
    mask = noise(100, 100)
    before = mask.pixels.copy()
    stroke = Stroke(mask, Brush(10.0, 0.0))
    stroke.to((20.0, 20.0))
    stroke.to((80.0, 60.0))
    assert not np.array_equal(mask.pixels, before)
    stroke.cancel()
    assert np.array_equal(mask.pixels, before)


def test_discs_are_drawn_once() -> None:
    discs = Discs()
    assert discs.get(9.0, 0.5, 0.25, 0.5) is discs.get(9.0, 0.5, 0.25, 0.5)
    for number in range(40):
        discs.get(400.0 + number, 1.0, 0.0, 0.0)
    assert sum(disc.nbytes for disc in discs._kept.values()) <= 16 << 20


# -- the whole mask ---------------------------------------------------------------------------


def test_inverting_twice_changes_nothing() -> None:
    mask = noise(31, 47)
    before = mask.pixels.copy()
    mask.invert()
    assert np.array_equal(mask.pixels, 255 - before)
    mask.invert()
    assert np.array_equal(mask.pixels, before)


def test_feathering_keeps_the_area_of_an_inner_region() -> None:
    mask = Mask.blank(200, 200)
    mask.pixels[70:130, 60:140] = 255
    before = area(mask)
    mask.feather(8.0)
    assert area(mask) == pytest.approx(before, rel=0.005)
    # Across a straight edge it is the Gaussian's distribution function.
    profile = mask.pixels[100, 60 - 16 : 60 + 17].astype(float) / 255
    places = np.arange(-16, 17) + 0.5
    wanted = [0.5 * (1 + math.erf(x / (8 * math.sqrt(2)))) for x in places]
    assert profile == pytest.approx(wanted, abs=0.01)


def test_feathering_what_is_all_inside_changes_nothing() -> None:
    mask = Mask(np.full((40, 60), 255, np.uint8))
    mask.feather(9.0)
    assert (mask.pixels == 255).all()


def test_a_division_by_255_rounds_to_the_nearest() -> None:
    every = np.arange(255 * 255 + 1, dtype=np.uint16)
    assert np.array_equal(divided(every.copy()), np.rint(np.arange(255 * 255 + 1) / 255))


def test_masks_have_the_photos_shape_at_a_size_of_their_own() -> None:
    assert size_for(4000, 3000) == (LONGEST, 1536)
    assert size_for(300, 600) == (SHORTEST // 2, SHORTEST)
    assert size_for(1500, 1000) == (1500, 1000)


def test_a_picture_is_the_mask_that_a_run_takes_it_for() -> None:
    values = np.random.default_rng(1).random((20, 30, 3), dtype=np.float32)
    picture = Picture(values)
    assert of_picture(picture).pixels == pytest.approx(mask_values(picture) * 255, abs=0.51)
    alpha = np.linspace(0, 1, 600, dtype=np.float32).reshape(20, 30)
    assert of_alpha(Picture(values, alpha)).pixels == pytest.approx(alpha * 255, abs=0.51)
    assert (of_alpha(picture).pixels == 255).all()


def test_a_map_is_cut_at_its_threshold() -> None:
    ramp = np.tile(np.arange(1, 9, dtype=np.float32) / 8, (6, 1))
    mask = above(ramp, 0.5, (800, 600))
    row = mask.pixels[300]
    assert row[:300].max() == 0 and row[420:].min() == 255
    assert abs(int((row < 128).sum()) - 350) <= 3, (
        "the values' middles are 100 px apart, 4/8 at 350"
    )


# -- files ------------------------------------------------------------------------------------


def test_the_file_is_what_other_readers_read() -> None:
    mask = noise(37, 53)
    with Image.open(io.BytesIO(png(mask.pixels))) as image:
        assert image.mode == "L"
        assert np.array_equal(np.asarray(image), mask.pixels)


def test_every_state_of_a_mask_comes_back_bit_for_bit(own_folders: Path) -> None:
    files, mask, states = MaskFiles(), Mask.blank(64, 48), []
    region = ""
    for step in range(4):
        path = files.write(mask, region)
        region = region_of(path)
        states.append((path, mask.pixels.copy()))
        mask.pixels[step * 10 : step * 10 + 5] = 60 * step + 7
    assert len({path for path, _ in states}) == 4
    assert {region_of(path) for path, _ in states} == {region}
    for path, pixels in states:
        known = files.known(path)
        assert known is not None
        assert np.array_equal(known.pixels, pixels)
        assert np.array_equal(MaskFiles().read(path).pixels, pixels)
        assert open_picture(path).gray
    assert is_blank(states[0][0]) and not is_blank(states[1][0])


def test_only_steps_on_the_way_are_deleted(own_folders: Path) -> None:
    files, mask = MaskFiles(), Mask.blank(8, 8)
    paths = []
    for value in (1, 2, 3, 4):
        mask.fill(value)
        paths.append(files.write(mask, "0123abcd"))
    files.used([paths[1]])
    files.close([paths[3]])
    assert [Path(path).exists() for path in paths] == [False, True, False, True]


def test_other_pictures_are_no_region_of_ours() -> None:
    assert region_of("/somewhere/sky-mask.png") == ""
    assert not is_blank("/somewhere/sky-mask.png") and not is_blank(None)
