"""Boxes against the pixels that really have an influence: where a gradient is not zero."""

import copy

import pytest
import torch
from torch import nn

from engine.errors import BadInput
from engine.inspection.receptive_field import fields
from engine.networks.card import Card
from engine.networks.network import Network


class Branches(nn.Module):
    """Windows of every kind; two branches of different width and place meet."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 4, (5, 3), stride=2, padding=(2, 0))
        self.wide = nn.Conv2d(4, 4, 3, padding=2, dilation=2)
        self.narrow = nn.Conv2d(4, 4, 1)
        self.pool = nn.AvgPool2d(3, 2, padding=1)
        self.last = nn.Conv2d(4, 4, 2)
        self.head = nn.AdaptiveAvgPool2d(1)

    def forward(self, x):
        x = self.first(nn.functional.pad(x, (1, 0, 2, 0)))
        return self.head(self.last(self.pool(self.wide(x) + self.narrow(x)))).flatten(1)


def positive(module):
    """Sums of positive numbers do not cancel: what a unit sees, changes it."""
    module = copy.deepcopy(module)
    for name, parameter in module.named_parameters():
        parameter.data.fill_(0 if name.endswith("bias") else 1 / parameter[0].numel())
    return module


def seen(network, layer, unit, size):
    picture = torch.full((1, 3, *size), 0.5, requires_grad=True)
    taps = network.taps(picture, [layer], pooling="average")
    taps[layer][0, 0, unit[0], unit[1]].backward()
    rows, columns = picture.grad[0].sum(0).nonzero().unbind(1)
    return int(rows.min()), int(columns.min()), int(rows.max()) + 1, int(columns.max()) + 1


def network_of(module, like):
    card = copy.copy(like.card)
    assert isinstance(card, Card)
    made = Network(module, card)
    # No mean is taken off: inputs stay positive.
    made._shift = [0.0, 0.0, 0.0]
    return made


@pytest.mark.parametrize("layer", ["first", "wide", "narrow", "pool", "last"])
def test_windows_of_every_kind(network, layer):
    toy = network_of(positive(Branches()), network)
    size = (62, 57)
    field = fields(toy, [layer], size)[layer]
    height, width = toy.taps(torch.rand(1, 3, *size), [layer])[layer].shape[2:]
    # Away from the border, where holes of dilated windows and left-out pixels narrow what is seen.
    for unit in [(height // 2, width // 2), (height // 2 + 1, width // 2 - 1)]:
        assert field.box(unit, size) == seen(toy, layer, unit, size), unit


@pytest.mark.parametrize("layer", ["relu1_2", "pool2", "relu3_1"])
def test_the_network_that_ships(network, layer):
    like_it = network_of(positive(network.module), network)
    size = (72, 80)
    field = fields(like_it, [layer], size)[layer]
    for unit in [(0, 0), (7, 11), (17, 19)]:
        assert field.box(unit, size) == seen(like_it, layer, unit, size), unit


def test_size_and_step_are_those_that_the_layer_tree_knows(network):
    found = fields(network, ["conv4_2", "avgpool"], (128, 128))
    side = {layer.name: layer.receptive_field for layer in network.layers()}["conv4_2"]
    assert (found["conv4_2"].across.size, found["conv4_2"].across.jump) == (side, 8) == (84, 8)
    assert found["avgpool"].box((0, 0), (128, 96)) == (0, 0, 128, 96)


def test_too_small_a_picture(network):
    with pytest.raises(BadInput, match="8x8 pixels as far as relu5_1"):
        fields(network, ["relu5_1"], (8, 8))
