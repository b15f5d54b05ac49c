"""Effective receptive fields, against the kernels of linear networks, and finite differences."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from engine.errors import BadInput
from engine.inspection.effective_field import effective_field
from engine.networks.card import Card, Preprocessing
from engine.networks.network import Network
from tests.engine.hooks import hooks_of

PLAIN = Preprocessing(mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))


def boxes(count, channels=2, size=3, stride=1, padding=1):
    """Convolutions whose weights are all one: each adds up a square of pixels."""
    parts = []
    for number in range(count):
        given = channels if number else 3
        made = nn.Conv2d(given, channels, size, stride, padding, bias=False).double()
        nn.init.constant_(made.weight, 1 / given)
        parts.append(made)
    return network_of(nn.Sequential(*parts))


def network_of(module):
    return Network(module, Card("some", "Some", "some", preprocessing=PLAIN))


def kernel(count, size=3):
    row = np.ones(1)
    for _ in range(count):
        row = np.convolve(row, np.ones(size))
    return np.outer(row, row)


def picture(*size):
    return torch.rand(3, *size, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8])
def test_a_stack_of_box_filters_has_their_product(count):
    found = effective_field(boxes(count), picture(25, 31), str(count - 1), 1, (12, 14))
    expected = np.zeros((25, 31))
    side = 2 * count + 1
    expected[12 - count : 13 + count, 14 - count : 15 + count] = kernel(count) / 3
    # Of the mean colour: three equal gradients of a third, sqrt(3) of it long.
    assert np.allclose(found.map.numpy(), expected * np.sqrt(3), rtol=1e-13, atol=0)
    assert found.theoretical == (12 - count, 14 - count, 13 + count, 15 + count)
    reach = by_hand(kernel(count), 0.95)
    assert found.box == (12 - reach, 14 - reach, 13 + reach, 15 + reach)
    falling = np.sort(kernel(count).ravel())[::-1].cumsum()
    assert found.area == int(np.argmax(falling >= 0.95 * falling[-1] * (1 - 1e-12))) + 1
    assert found.area <= (2 * reach + 1) ** 2 <= side**2


def by_hand(weights, share):
    """How far from the middle of a square the share is reached."""
    middle = len(weights) // 2
    for reach in range(middle + 1):
        part = weights[middle - reach : middle + reach + 1, middle - reach : middle + reach + 1]
        if part.sum() >= share * weights.sum() * (1 - 1e-12):
            return reach
    raise AssertionError


def test_figures_worked_out_by_hand():
    """Two box filters: 1 2 3 2 1 along each side, 81 in all, of which 49 lie in the middle nine."""
    network = boxes(2)
    for share, reach, area in [(1.0, 2, 25), (49 / 81, 1, 9), (50 / 81, 2, 10), (9 / 81, 0, 1)]:
        found = effective_field(network, picture(20, 20), "1", 0, (10, 10), share)
        assert found.box == (10 - reach, 10 - reach, 11 + reach, 11 + reach), share
        assert found.area <= area
    # 9, four of 6, four of 4: 49 needs nine; the next larger are threes.
    assert effective_field(network, picture(20, 20), "1", 0, (10, 10), 49 / 81).area == 9
    assert effective_field(network, picture(20, 20), "1", 0, (10, 10), 50 / 81).area == 10
    assert effective_field(network, picture(20, 20), "1", 0, (10, 10), 9 / 81).area == 1


def test_fields_grow_with_the_root_of_depth():
    """Luo et al., theorem 1: n equal layers, standard deviation proportional to sqrt(n)."""
    for count in (4, 9, 16):
        found = effective_field(boxes(count), picture(51, 51), str(count - 1), 0)
        row = found.map.sum(0) / found.map.sum()
        place = torch.arange(51.0, dtype=torch.float64) - 25
        assert float((row * place**2).sum()) == pytest.approx(count * 2 / 3, rel=1e-12)


def test_even_windows_have_their_middle_between_pixels():
    network = boxes(1, size=4, stride=2, padding=0)
    found = effective_field(network, picture(20, 20), "0", 0, (3, 5), 0.25)
    assert found.theoretical == (6, 10, 10, 14)
    assert found.box == (7, 11, 9, 13)
    assert found.area == 4
    assert effective_field(network, picture(20, 20), "0", 0, (3, 5), 0.26).box == (6, 10, 10, 14)


def test_at_the_border_the_middle_stays_that_of_the_whole_field():
    found = effective_field(boxes(2), picture(20, 22), "1", 0, (0, 21), 0.5)
    assert found.theoretical == (0, 19, 3, 22)
    # There are no units beyond the border: 2 2 1 both ways, 25 in all, 16 in the corner of four.
    assert found.box == (0, 20, 2, 22)
    assert effective_field(boxes(2), picture(20, 22), "1", 0, (0, 21), 0.16).box == (0, 21, 1, 22)


def test_without_a_channel_it_is_the_sum_of_all():
    network = boxes(1)
    with torch.no_grad():
        network.module[0].weight[1] *= 4
    one, other, both = (
        effective_field(network, picture(9, 9), "0", channel, (4, 4)).map
        for channel in (0, 1, None)
    )
    assert torch.allclose(other, 4 * one, rtol=1e-14)
    assert torch.allclose(both, 5 * one, rtol=1e-14)
    assert torch.equal(both, effective_field(network, picture(9, 9), "0").map)


def test_it_is_the_slope_of_the_unit(network):
    twin = network.at("cpu", torch.float64)
    rgb = picture(40, 48)
    found = effective_field(twin, rgb, "relu3_1", 7, (5, 6))
    at = np.unravel_index(int(found.map.argmax()), found.map.shape)
    step, slopes = 1e-6, []
    for colour in range(3):
        moved = []
        for sign in (1, -1):
            other = rgb.clone()
            other[colour, *at] += sign * step
            moved.append(float(twin.taps(other, ["relu3_1"])["relu3_1"][0, 7, 5, 6]))
        slopes.append((moved[0] - moved[1]) / (2 * step))
    assert np.linalg.norm(slopes) == pytest.approx(float(found.map.max()), rel=1e-4)
    assert found.map.max() > 0
    top, left, bottom, right = found.theoretical
    outside = found.map.clone()
    outside[top:bottom, left:right] = 0
    assert outside.max() == 0
    # Much less matters than could.
    assert 0 < found.area < 0.9 * (bottom - top) * (right - left)


def test_of_several_pictures_it_is_the_mean(network):
    some = torch.rand(2, 3, 40, 40, generator=torch.Generator().manual_seed(2))
    together = effective_field(network, some, "relu3_1", 3)
    alone = [effective_field(network, one, "relu3_1", 3).map for one in some]
    assert not torch.equal(alone[0], alone[1])
    assert torch.allclose(together.map, (alone[0] + alone[1]) / 2, rtol=1e-4, atol=1e-7)


def test_a_unit_that_is_off_answers_to_nothing():
    network = network_of(nn.Sequential(nn.Conv2d(3, 1, 3), nn.ReLU()))
    with torch.no_grad():
        network.module[0].weight.fill_(1)
        network.module[0].bias.fill_(-100)
    found = effective_field(network, torch.rand(3, 9, 9), "1", 0, (2, 3))
    assert (float(found.map.max()), found.box, found.area) == (0, None, 0)
    assert found.theoretical == (2, 3, 5, 6)
    # Before the ReLU it still has a slope.
    assert effective_field(network, torch.rand(3, 9, 9), "0", 0, (2, 3)).box == (2, 3, 5, 6)


def test_vectors_see_everything():
    module = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2))
    found = effective_field(network_of(module.double()), picture(6, 10), "2", 1)
    assert found.position is None
    assert found.theoretical == (0, 0, 6, 10)
    weights = module[2].weight[1].norm() / 60
    assert torch.allclose(found.map, weights.expand(6, 10), rtol=1e-12)
    assert found.area == 57
    assert found.box == (0, 0, 6, 10)


def test_the_network_and_the_picture_stay(network):
    rgb = torch.rand(3, 32, 32)
    before = rgb.clone()
    hooks = hooks_of(network.module)
    with torch.inference_mode():
        inside = effective_field(network.twin(), rgb, "conv3_1", 1, (2, 2))
    outside = effective_field(network, rgb, "conv3_1", 1, (2, 2))
    assert torch.equal(inside.map, outside.map)
    assert inside.box == outside.box
    assert torch.equal(rgb, before)
    assert not outside.map.requires_grad
    assert hooks_of(network.module) == hooks
    assert all(p.grad is None for p in network.module.parameters())


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"layer": "nothing"}, "no layer 'nothing'"),
        ({"channel": 5000}, "conv3_1 has no channel 5000; its channels are 0 to"),
        ({"channel": -1}, "no channel -1"),
        ({"position": (8, 0)}, "no unit at row 8, column 0; its map has 8 rows and 8 columns"),
        ({"position": (0, -1)}, "no unit at row 0, column -1"),
        ({"share": 0}, "share must be above 0"),
        ({"share": 1.5}, "share must be above 0 and at most 1, not 1.5"),
        ({"picture": torch.zeros(3, 32, 32, dtype=torch.uint8)}, "a picture is float"),
        ({"picture": torch.zeros(32, 32)}, "a picture is float"),
        ({"layer": "relu5_1", "picture": torch.zeros(3, 8, 8)}, "8x8 pixels as far as relu5_1"),
    ],
)
def test_what_cannot_be(network, change, says):
    good = {"picture": torch.zeros(3, 32, 32), "layer": "conv3_1", "channel": 0}
    with pytest.raises(BadInput, match=says):
        effective_field(network, **(good | change))


def test_vectors_and_tokens_have_no_position():
    flat = network_of(nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2)))
    with pytest.raises(BadInput, match="2 gives vectors, which have no position"):
        effective_field(flat, torch.rand(3, 4, 4), "2", 0, (0, 0))
    pooled = nn.Conv2d(3, 3, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Unflatten(1, (1, 3))
    tokens = network_of(nn.Sequential(*pooled))
    with pytest.raises(BadInput, match="3 gives tokens"):
        effective_field(copy.copy(tokens), torch.rand(3, 4, 4), "3", 0)
