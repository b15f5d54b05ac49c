"""Which views are never seen, their pictures, and how pictures are moved."""

import math

import pytest
import torch

from engine.workshop.chair_views import (
    ELEVATIONS,
    Looks,
    View,
    Views,
    moved,
    plain,
    random_looks,
    shown,
    targets,
)
from engine.workshop.chairs import draw_chairs, render

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def views() -> Views:
    return Views(draw_chairs(5, torch.Generator().manual_seed(1)), 12, 16, CPU)


def looks(turn: float = 0, right: float = 0, up: float = 0, zoom: float = 1) -> Looks:
    return Looks(
        torch.ones(1, 3), torch.tensor([turn]), torch.tensor([[right, up]]), torch.tensor([zoom])
    )


def test_each_fourth_azimuth_of_every_other_chair_is_left_out(views: Views) -> None:
    found = [views.view(number) for number in views.unseen.tolist()]
    assert found == [
        View(chair, elevation, azimuth)
        for chair in (0, 2, 4) for elevation in (0, 1) for azimuth in (2, 6, 10)
    ]  # fmt: skip
    assert sorted([*views.seen.tolist(), *views.unseen.tolist()]) == list(range(5 * 2 * 12))


def test_numbers_and_views_belong_together(views: Views) -> None:
    assert [views.number(views.view(n)) for n in range(120)] == list(range(120))
    assert views.number(View(1, 1, -1)) == views.number(View(1, 1, 11))
    azimuths, elevations = views.angles(torch.tensor([0, 13, 119]))
    assert azimuths.tolist() == [0, 30, 330]
    assert elevations.tolist() == [ELEVATIONS[0], ELEVATIONS[1], ELEVATIONS[1]]
    assert views.chairs_of(torch.tensor([0, 13, 119])).tolist() == [0, 0, 4]


def test_neighbours_of_unseen_views_are_seen(views: Views) -> None:
    seen = set(views.seen.tolist())
    for neighbours in views.neighbours(views.unseen):
        assert set(neighbours.tolist()) <= seen
    before, after = views.neighbours(torch.tensor([0, 11]))
    assert before.tolist() == [11, 10]
    assert after.tolist() == [1, 0]


def test_only_azimuths_of_the_data_are_seen(views: Views) -> None:
    assert [views.is_seen(0, a) for a in (0, 30, 60, 90, 360, 45, 75)] == [
        True, True, False, True, True, False, False,
    ]  # fmt: skip
    assert views.is_seen(1, 60)


def test_pictures_are_what_the_renderer_draws(views: Views) -> None:
    numbers = torch.tensor([7, 50, 7])
    for _ in range(2):  # drawn, then kept
        got = views.pictures(numbers)
        assert got.shape == (3, 2, 16, 16)
        assert torch.equal(got[0], got[2])
        for number, picture in zip(numbers.tolist(), got, strict=True):
            view = views.view(number)
            expected = render(
                views.chairs[view.chair].boxes, view.azimuth * 30, ELEVATIONS[view.elevation], 16
            )
            for part, own in zip(picture, expected, strict=True):
                assert torch.allclose(part, torch.tensor(own.copy()).float(), atol=0.5 / 255 + 1e-6)
    assert torch.equal(views.between(0, 210 + 360, ELEVATIONS[0]), got[0])


def test_pictures_that_are_not_moved_stay_as_they_are(views: Views) -> None:
    pictures = views.pictures(torch.tensor([3]))
    assert torch.allclose(moved(pictures, looks()), pictures, atol=1e-5)


def test_a_shift_by_whole_pixels_moves_them(views: Views) -> None:
    pictures = views.pictures(torch.tensor([3]))
    right = moved(pictures, looks(right=2 / 16))
    assert torch.allclose(right[..., 2:], pictures[..., :-2], atol=1e-5)
    assert float(right[..., :2].abs().max()) < 1e-5
    up = moved(pictures, looks(up=3 / 16))
    assert torch.allclose(up[..., :-3, :], pictures[..., 3:, :], atol=1e-5)


def test_a_quarter_turn_is_counterclockwise(views: Views) -> None:
    pictures = views.pictures(torch.tensor([3]))
    turned = moved(pictures, looks(turn=90))
    assert torch.allclose(turned, torch.rot90(pictures, 1, (2, 3)), atol=1e-4)


def test_a_zoom_enlarges_areas_by_its_square() -> None:
    disk = torch.zeros(1, 1, 64, 64)
    y, x = torch.meshgrid(torch.arange(64.0) - 31.5, torch.arange(64.0) - 31.5, indexing="ij")
    disk[0, 0] = ((x**2 + y**2) < 12**2).float()
    for zoom in (0.8, 1.2):
        ratio = float(moved(disk, looks(zoom=zoom)).sum() / disk.sum())
        assert ratio == pytest.approx(zoom**2, rel=0.02)


def test_shifts_are_not_turned_or_zoomed() -> None:
    dot = torch.zeros(1, 1, 33, 33)
    dot[0, 0, 16, 16] = 1
    away = moved(dot, looks(turn=40, right=4 / 33, up=2 / 33, zoom=1.2))[0, 0]
    assert divmod(int(away.argmax()), 33) == (14, 20)


def test_looks_are_told_as_numbers_within_one() -> None:
    found = random_looks(500, torch.Generator().manual_seed(1), CPU)
    numbers = found.numbers()
    assert numbers.shape == (500, 7)
    assert float(numbers.abs().max()) <= 1 + 1e-6
    assert numbers[:, 3:].std(0).tolist() == pytest.approx([1 / math.sqrt(3)] * 4, rel=0.1)
    assert plain(torch.full((2, 3), 0.5)).numbers().tolist() == [[0.0] * 7] * 2


def test_colours_multiply_the_light_and_the_ground_is_white() -> None:
    light, mask = torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 4, 4)
    light[..., 1:3, 1:3], mask[..., 1:3, 1:3] = 0.5, 1.0
    own = plain(torch.tensor([[1.0, 0.5, 0.2]]))
    colours, masks = targets(torch.cat([light, mask], 1), own)
    picture = shown(colours, masks)
    assert picture[0, :, 1, 1].tolist() == pytest.approx([0.5, 0.25, 0.1])
    assert picture[0, :, 0, 0].tolist() == [1, 1, 1]
    assert shown(colours * 9, masks).max() == 1
