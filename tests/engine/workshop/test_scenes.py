"""Rendered scenes: what the sentence says is what is in the picture."""

import math

import pytest
import torch

from engine.workshop.scenes import PAINTS, RADII, SIDE, Scenes, draw_scenes, pairs_of
from engine.workshop.sentences import COLOURS, RELATIONS, SCENES, SHAPES, scene


@pytest.fixture(scope="module")
def scenes() -> Scenes:
    """Every sentence."""
    return draw_scenes(torch.arange(SCENES), torch.Generator().manual_seed(1))


def test_objects_neither_touch_nor_reach_the_edge(scenes: Scenes) -> None:
    grown = torch.nn.functional.max_pool2d(scenes.masks().float(), 3, 1, 1)
    assert float((grown[:, 0] * grown[:, 1]).max()) == 0
    masks = scenes.masks()
    for edge in (masks[..., 0], masks[..., -1], masks[..., 0, :], masks[..., -1, :]):
        assert not edge.any()


def test_areas_are_those_of_the_shapes(scenes: Scenes) -> None:
    """Circles by pi r², squares by their side, triangles by half of base times height."""
    covered = scenes.covers().sum((2, 3))
    for size, radius in enumerate(RADII):
        # Apex where both sides meet (x = 0), base where they meet the base line.
        high = (0.46 / 0.447 + 0.72) * radius
        wide = 2 * (0.46 + 0.447 * 0.72) / 0.894 * radius
        wanted = math.pi * radius**2, (2 * 0.86 * radius) ** 2, wide * high / 2
        for shape, area in enumerate(wanted):
            chosen = covered[
                (scenes.things[..., 0] == size) & (scenes.things[..., 2] == shape)
            ]  # fmt: skip
            assert float(chosen.mean()) == pytest.approx(area, rel=0.03), SHAPES[shape]
            assert float(chosen.std()) < 0.03 * area


def test_masks_lie_where_the_relation_says(scenes: Scenes) -> None:
    line = torch.arange(SIDE) + 0.5
    masks = scenes.masks().float()
    total = masks.sum((2, 3))
    x = (masks.sum(2) * line).sum(2) / total
    y = (masks.sum(3) * line).sum(2) / total
    right, down = x[:, 1] - x[:, 0], y[:, 1] - y[:, 0]
    sideways = scenes.numbers % 2 == RELATIONS.index("left of")
    assert (right[sideways] > 1.2 * down[sideways].abs()).all()
    assert (down[~sideways] > 1.2 * right[~sideways].abs()).all()


def test_each_mask_has_the_colour_of_its_words(scenes: Scenes) -> None:
    few = scenes[torch.arange(0, SCENES, 7)]
    pictures, covers = few.pictures(), few.covers()
    assert pictures.shape == (len(few), 3, SIDE, SIDE)
    assert 0 <= float(pictures.min()) <= float(pictures.max()) <= 1
    paints = torch.tensor(PAINTS)
    for i, number in enumerate(few.numbers.tolist()):
        for which, thing in enumerate((scene(number).first, scene(number).second)):
            colour = pictures[i][:, covers[i, which] == 1].mean(1)
            nearest = torch.cosine_similarity(paints, colour[None]).argmax()
            assert COLOURS[nearest] == COLOURS[thing.colour]
        ground = pictures[i][:, covers[i].sum(0) == 0]
        assert torch.equal(ground, few.grounds[i].expand_as(ground))


def test_a_recoloured_object_leaves_all_else_as_it_was(scenes: Scenes) -> None:
    few = scenes[torch.arange(0, SCENES, 11)]
    colours = (few.things[:, 1, 1] + 1) % len(COLOURS)
    other = few.recoloured(1, colours)
    before, after = few.pictures(), other.pictures()
    changed = (before - after).abs().amax(1) > 0
    assert torch.equal(changed, few.covers()[:, 1] > 0)
    for old, new, colour in zip(few.numbers.tolist(), other.numbers.tolist(), colours, strict=True):
        one, two = scene(old), scene(new)
        assert (one.first, one.relation) == (two.first, two.relation)
        assert two.second.words == (*one.second.words[:2], COLOURS[colour], one.second.words[3])


def test_a_pair_is_every_scene_with_both_in_either_order() -> None:
    red_circle, blue_square = (0, 0), (2, 1)
    found = pairs_of(red_circle, blue_square)
    wanted = [
        {"red circle", "blue square"} == {" ".join(t.words[2:]) for t in (s.first, s.second)}
        for s in map(scene, range(SCENES))
    ]
    assert found.tolist() == wanted
    assert int(found.sum()) == 2 * 2 * 2 * 2


def test_the_same_numbers_draw_the_same_scenes() -> None:
    drawn = [
        draw_scenes(torch.arange(9), torch.Generator().manual_seed(seed)).pictures()
        for seed in (1, 1, 2)
    ]
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
