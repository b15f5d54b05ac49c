"""Chairs of boxes: silhouettes compared with closed forms and with rays that are walked along."""

import numpy as np
import pytest
import torch

from engine.workshop.chairs import HALF, SAMPLES, Box, coloured, draw_chairs, render

BOX = Box((0.03, -0.02, 0.01), (0.31, 0.17, 0.23), 0.8)
SIDE = 64


def area(mask: np.ndarray) -> float:
    return float(mask.sum()) * (2 * HALF / SIDE) ** 2


def shadow(box: Box, azimuth: float, elevation: float) -> float:
    """The area of a box's parallel projection: of each pair of faces, as far as it is turned to us."""
    turned, raised = np.radians(azimuth), np.radians(elevation)
    viewer = (
        np.cos(raised) * np.sin(turned), -np.cos(raised) * np.cos(turned), np.sin(raised)
    )  # fmt: skip
    x, y, z = (2 * half for half in box.half)
    faces = (y * z, x * z, x * y)
    return float(sum(abs(part) * face for part, face in zip(viewer, faces, strict=True)))


@pytest.mark.parametrize(
    ("azimuth", "elevation", "expected"),
    [
        (0, 0, 0.62 * 0.46), (180, 0, 0.62 * 0.46), (90, 0, 0.34 * 0.46), (270, 0, 0.34 * 0.46),
        (0, 90, 0.62 * 0.34), (90, 90, 0.62 * 0.34),
    ],
)  # fmt: skip
def test_along_an_axis_a_box_is_a_rectangle(
    azimuth: float, elevation: float, expected: float
) -> None:
    _, mask = render((BOX,), azimuth, elevation, SIDE)
    assert area(mask) == pytest.approx(expected, rel=0.04)
    assert shadow(BOX, azimuth, elevation) == pytest.approx(expected)
    rows, columns = np.nonzero(mask)
    assert (mask[rows.min() + 1 : rows.max(), columns.min() + 1 : columns.max()] == 1).all()


@pytest.mark.parametrize("azimuth", [17, 130, 222, 301])
@pytest.mark.parametrize("elevation", [0, 20, 40, 75])
def test_from_anywhere_a_box_covers_the_area_of_its_projection(
    azimuth: float, elevation: float
) -> None:
    _, mask = render((BOX,), azimuth, elevation, SIDE)
    assert area(mask) == pytest.approx(shadow(BOX, azimuth, elevation), rel=0.02)


def test_a_full_turn_gives_the_same_picture() -> None:
    (chair,) = draw_chairs(1, torch.Generator().manual_seed(1))
    for azimuth in (0, 33.75, 300):
        first, turned = (render(chair.boxes, a, 20, 48) for a in (azimuth, azimuth + 360))
        for one, other in zip(first, turned, strict=True):
            assert np.array_equal(one, other)
    other = render(chair.boxes, 180, 20, 48)[0]
    assert not np.array_equal(other, render(chair.boxes, 0, 20, 48)[0])


def test_azimuth_goes_round_to_the_right_and_elevation_up() -> None:
    """A post at the right moves to the front, hence into the middle, as the viewer walks there."""
    post = (Box((0.4, 0, 0), (0.02, 0.02, 0.02)),)

    def place(azimuth: float, elevation: float) -> tuple[float, float]:
        _, mask = render(post, azimuth, elevation, SIDE)
        rows, columns = np.indices(mask.shape)
        middle = (SIDE - 1) / 2
        down = float((rows * mask).sum() / mask.sum()) - middle
        right = float((columns * mask).sum() / mask.sum()) - middle
        return right * 2 * HALF / SIDE, -down * 2 * HALF / SIDE

    assert place(0, 0) == pytest.approx((0.4, 0), abs=0.01)
    assert place(90, 0) == pytest.approx((0, 0), abs=0.01)
    assert place(180, 0) == pytest.approx((-0.4, 0), abs=0.01)
    assert place(90, 30) == pytest.approx((0, -0.2), abs=0.01), "what is near is below"
    assert place(270, 30) == pytest.approx((0, 0.2), abs=0.01)


def test_what_is_nearer_hides_what_is_behind_in_any_order() -> None:
    near, far = (Box((0, y, 0), (0.2, 0.05, 0.2), tone) for y, tone in ((-0.3, 0.4), (0.3, 1.0)))
    alone = render((near,), 0, 0, SIDE)
    for boxes in ((near, far), (far, near)):
        for one, other in zip(render(boxes, 0, 0, SIDE), alone, strict=True):
            assert np.array_equal(one, other)
    behind = render((near, far), 180, 0, SIDE)[0]
    assert behind.max() == pytest.approx(alone[0].max() / 0.4)


def test_three_visible_faces_have_three_shades() -> None:
    light, mask = render((BOX,), 30, 25, SIDE)
    shades = {round(float(value), 6) for value in light[mask == 1]}
    whole = [s for s in shades if np.isclose(light[mask == 1], s).sum() > 30]
    assert len(whole) == 3


def test_a_chair_is_what_rays_meet_that_are_walked_along() -> None:
    (chair,) = draw_chairs(1, torch.Generator().manual_seed(7))
    azimuth, elevation, side = 25.0, 20.0, 32
    turned, raised = np.radians(azimuth), np.radians(elevation)
    right = np.array([np.cos(turned), np.sin(turned), 0])
    viewer = np.array([
        np.cos(raised) * np.sin(turned), -np.cos(raised) * np.cos(turned), np.sin(raised)
    ])  # fmt: skip
    up = np.cross(viewer, right)
    count = side * SAMPLES
    at = ((np.arange(count) + 0.5) / count * 2 - 1) * HALF
    origins = at[None, :, None] * right + at[::-1][:, None, None] * up
    met = np.zeros((count, count), bool)
    for distance in np.linspace(-1, 1, 801):
        points = origins + distance * viewer
        for box in chair.boxes:
            met |= (np.abs(points - np.array(box.centre)) < np.array(box.half)).all(-1)
    expected = met.reshape(side, SAMPLES, side, SAMPLES).mean((1, 3))
    _, mask = render(chair.boxes, azimuth, elevation, side)
    assert (mask >= expected).all(), "steps may pass a corner, but invent nothing"
    assert np.abs(mask - expected).mean() < 0.002 < 0.1 < expected.mean()


def test_masks_and_light_are_within_their_limits() -> None:
    for chair in draw_chairs(20, torch.Generator().manual_seed(2)):
        light, mask = render(chair.boxes, 40, 20, 32)
        assert light.shape == mask.shape == (32, 32)
        assert set(np.unique(mask)) <= {0, 0.25, 0.5, 0.75, 1}
        assert (light >= 0).all() and (light <= mask).all()
        assert (light[mask > 0] > 0).all()
        assert 0.05 < mask.mean() < 0.5


def test_no_chair_reaches_the_edge_from_any_side() -> None:
    for chair in draw_chairs(60, torch.Generator().manual_seed(3)):
        for azimuth in (0, 40, 130, 220, 315):
            for elevation in (20, 40):
                _, mask = render(chair.boxes, azimuth, elevation, 24)
                assert not (
                    mask[0].any() or mask[-1].any() or mask[:, 0].any() or mask[:, -1].any()
                )


def test_chairs_are_symmetric_so_their_outlines_are_mirrored() -> None:
    for chair in draw_chairs(8, torch.Generator().manual_seed(4)):
        one, other = (render(chair.boxes, azimuth, 20, 64)[1] for azimuth in (50, -50))
        assert np.abs(one - other[:, ::-1]).mean() < 0.001


def test_a_seed_gives_the_same_chairs_and_they_differ() -> None:
    chairs = draw_chairs(30, torch.Generator().manual_seed(5))
    assert chairs == draw_chairs(30, torch.Generator().manual_seed(5))
    assert chairs[:10] == draw_chairs(10, torch.Generator().manual_seed(5))
    assert chairs != draw_chairs(30, torch.Generator().manual_seed(6))
    assert len(set(chairs)) == 30
    counts = {len(chair.boxes) for chair in chairs}
    assert 5 <= min(counts) < max(counts) <= 17


def test_colours_go_round() -> None:
    assert coloured(0.0, 1.0) == pytest.approx((1, 0.25, 0.25))
    assert coloured(1.0, 0.5) == pytest.approx(coloured(0.0, 0.5))
    assert coloured(0.4, 0.0) == (1, 1, 1)
