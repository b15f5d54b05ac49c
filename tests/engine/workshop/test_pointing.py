"""The pointing game: certain cases, and its chance level with random maps."""

import torch

from engine.workshop.pointing import pointed
from engine.workshop.scenes import draw_scenes
from engine.workshop.sentences import SCENES


def test_a_map_points_to_its_highest_place() -> None:
    maps = torch.zeros(3, 8, 8)
    maps[0, 2, 5] = maps[1, 2, 5] = 1.0
    masks = torch.zeros(3, 64, 64, dtype=torch.bool)
    masks[:, 16:24, 40:48] = True
    masks[1] = ~masks[1]
    assert pointed(maps, masks).tolist() == [True, False, False]


def test_an_empty_map_points_nowhere() -> None:
    assert not pointed(torch.zeros(1, 8, 8), torch.ones(1, 64, 64, dtype=torch.bool)).any()


def test_random_maps_hit_as_often_as_the_masks_are_large() -> None:
    """Chance is the share of the picture that an object covers: less than a tenth here."""
    generator = torch.Generator().manual_seed(1)
    numbers = torch.randint(SCENES, (2000,), generator=generator)
    masks = draw_scenes(numbers, generator).masks()[:, 0]
    hits = pointed(torch.rand(2000, 8, 8, generator=generator), masks).float().mean()
    area = masks.float().mean()
    assert abs(float(hits - area)) < 0.02
    assert 0.05 < float(hits) < 0.1


def test_a_cell_at_the_edge_stands_for_its_middle() -> None:
    maps = torch.zeros(1, 8, 8)
    maps[0, 0, 7] = 1
    masks = torch.zeros(1, 64, 64, dtype=torch.bool)
    masks[0, 3:6, 59:62] = True
    assert pointed(maps, masks).all()
    masks[0, 3:6, 59:62] = False
    masks[0, 0, 63] = True
    assert not pointed(maps, masks).any()
