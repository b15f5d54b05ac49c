"""Objectives of units: worked out by hand, gradients by differences; ReLUs that are redirected."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from engine.objectives.activation import (
    channel_mean,
    class_logit,
    class_margin,
    direction,
    diversity,
    layer_energy,
    neuron,
)
from engine.objectives.relu_redirect import RedirectedReLU

GRID = torch.tensor(
    [[[[1.0, 3.0], [0.0, 4.0]], [[2.0, 2.0], [2.0, -6.0]]],
     [[[5.0, 5.0], [5.0, 5.0]], [[0.0, 8.0], [0.0, 0.0]]]],
    dtype=torch.float64,
)  # fmt: skip
"""Two pictures, two channels, two by two positions."""


def test_values_worked_out_by_hand():
    assert channel_mean(GRID, [0, 1]).tolist() == [2, 2]
    assert channel_mean(GRID, [1, 0]).tolist() == [0, 5]
    assert neuron(GRID, [0, 1], (0, 1)).tolist() == [3, 8]
    assert neuron(GRID, [1, 0], (1, 1)).tolist() == [-6, 5]
    assert layer_energy(GRID).tolist() == pytest.approx([(26 + 48) / 16, (100 + 64) / 16])
    logits = torch.tensor([[1.0, -2.0, 7.0], [4.0, 5.0, 6.0]])
    assert class_logit(logits, [2, 0]).tolist() == [7, 4]
    assert class_margin(logits, [2, 0], 0.5).tolist() == [6.5, 1], "less half of 1 and of 6"
    assert class_margin(logits, [2, 0], 0.0).tolist() == [7, 4]


def test_layers_without_positions_have_one_value_per_channel():
    features = torch.tensor([[1.0, -4.0], [3.0, 2.0]])
    assert channel_mean(features, [1, 0]).tolist() == [-4, 3]
    assert layer_energy(features).tolist() == pytest.approx([17 / 4, 13 / 4])


def test_a_direction_worked_out_by_hand():
    features = torch.tensor([[[[3.0, 0.0, -3.0]], [[4.0, 2.0, -4.0]]]], dtype=torch.float64)
    v = torch.tensor([1.0, 0.0])
    assert direction(features, v).item() == pytest.approx(0)
    # Cosines 3/5, 0 and -3/5; the last two count as 0.1.
    assert direction(features, v, 2.0).item() == pytest.approx((3 * 0.36 - 3 * 0.01) / 3)
    # At one position, 3 along and 4 across: 3 times 0.6 squared.
    assert direction(features[:, :, 0, 0], v, 2.0).item() == pytest.approx(3 * 0.36)


def test_diversity_worked_out_by_hand():
    first = torch.tensor([[[1.0, 2.0]], [[0.0, 0.0]]])
    other = torch.tensor([[[0.0, 0.0]], [[0.0, 7.0]]])
    assert diversity(torch.stack([first, other])).item() == 0
    assert diversity(torch.stack([first, 3 * first])).item() == pytest.approx(1)
    assert diversity(torch.stack([first, first, first])).item() == pytest.approx(2)
    # Two and one of a kind: one pair, counted both ways, over three pictures.
    assert diversity(torch.stack([first, other, first])).item() == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    "objective",
    [
        lambda x: channel_mean(x, [0, 2]).sum(),
        lambda x: neuron(x, [1, 2], (1, 0)).sum(),
        lambda x: layer_energy(x).sum(),
        lambda x: direction(x, torch.tensor([0.5, -1.0, 2.0])).sum(),
        lambda x: direction(x, torch.tensor([0.5, -1.0, 2.0]), 2.0).sum(),
        lambda x: direction(x[:, :, 1, 0], torch.tensor([0.5, -1.0, 2.0]), 2.0).sum(),
        diversity,
        lambda x: class_logit(x.mean((2, 3)), [2, 0]).sum(),
        lambda x: class_margin(x.mean((2, 3)), [2, 0], 0.4).sum(),
    ],
)
def test_gradients(objective, features, right_derivative):
    right_derivative(objective, features(2, 3, 2, 3) + 0.05)


def test_half_precision_is_summed_in_single():
    # 4096 ones and a small one: bfloat16 would lose it in the sum.
    features = torch.ones(1, 1, 64, 65, dtype=torch.bfloat16)
    features[..., -1] = 0.0078125
    value = channel_mean(features, [0])
    assert value.dtype == torch.float32
    assert value.item() == pytest.approx((64 * 64 + 64 * 0.0078125) / (64 * 65), rel=1e-6)


# ---------------------------------------------------------------- ReLUs in the first steps

RELUS = {
    "module": nn.ReLU(),
    "in-place module": nn.ReLU(inplace=True),
    "F.relu": F.relu,
    "F.relu in place": lambda x: F.relu(x, inplace=True),
    "torch.relu": torch.relu,
    "method": lambda x: x.relu(),
    "in-place method": lambda x: x.relu_(),
    "torch.relu_": torch.relu_,
}

INPUT = [[-1.0, -2.0, 3.0], [-1.0, -2.0, -3.0]]
WEIGHTS = [[-5.0, 5.0, 7.0], [-5.0, 5.0, -7.0]]
"""Of a loss: a negative weight wants a larger activation."""


def gradient(relu, weights, redirected=True):
    x = torch.tensor(INPUT, requires_grad=True)
    if redirected:
        with RedirectedReLU():
            y = relu(x * 1)
    else:
        y = relu(x * 1)
    assert y.tolist() == np.maximum(INPUT, 0).tolist()
    return torch.autograd.grad((y * torch.tensor(weights)).sum(), x)[0].tolist()


@pytest.mark.parametrize("relu", RELUS.values(), ids=RELUS)
def test_only_a_picture_without_any_gradient_gets_the_helpful_ones(relu):
    assert gradient(relu, WEIGHTS) == [[0, 0, 7], [-5, 0, -7]]


@pytest.mark.parametrize("relu", RELUS.values(), ids=RELUS)
def test_outside_of_it_relus_are_as_ever(relu):
    assert gradient(relu, WEIGHTS, redirected=False) == [[0, 0, 7], [0, 0, 0]]


def test_a_statement_changes_its_tensor():
    x = torch.tensor(INPUT) * 1
    with RedirectedReLU():
        x.relu_()
    assert x.min() == 0


def test_a_network_whose_unit_is_off_gets_a_way_out():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(inplace=True), nn.Conv2d(4, 4, 3))
    nn.init.constant_(network[2].bias, -10.0)
    x = torch.rand(1, 3, 8, 8, requires_grad=True)

    def slope():
        return torch.autograd.grad(-F.relu(network(x))[:, 1].mean(), x)[0]

    assert slope().abs().max() == 0
    with RedirectedReLU():
        step = slope()
    before, after = network(x)[:, 1].mean(), network(x - 10 * step)[:, 1].mean()
    assert after > before
