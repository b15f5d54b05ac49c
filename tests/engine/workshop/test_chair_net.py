"""The generator of chairs, compared with modules and with finite differences."""

import math
from itertools import pairwise

import pytest
import torch
from torch import nn

from engine.workshop.chair_net import ChairNet, Inputs, view_numbers


def inputs(count: int, chairs: int, dtype: torch.dtype = torch.float32) -> Inputs:
    generator = torch.Generator().manual_seed(3)
    ids = torch.rand(count, chairs, generator=generator, dtype=dtype)
    views = torch.randn(count, 4, generator=generator, dtype=dtype)
    return Inputs(ids, views, torch.randn(count, 7, generator=generator, dtype=dtype))


def linear(*widths: int) -> nn.Sequential:
    layers = [(nn.Linear(a, b), nn.ReLU()) for a, b in pairwise(widths)]
    return nn.Sequential(*(layer for pair in layers for layer in pair))


def test_it_is_the_same_as_modules() -> None:
    net = ChairNet(5, 32, 16)
    parameters = net.start(torch.Generator().manual_seed(1))
    which, whence, how = linear(5, 128, 128), linear(4, 128, 128), linear(7, 128, 128)
    joined = linear(384, 512, 512, 256)
    ups = nn.Sequential(
        nn.ConvTranspose2d(16, 8, 5, 2, 2, 1), nn.LeakyReLU(0.2),
        nn.ConvTranspose2d(8, 4, 5, 2, 2, 1), nn.LeakyReLU(0.2),
        nn.ConvTranspose2d(4, 4, 5, 2, 2, 1), nn.LeakyReLU(0.2), nn.Conv2d(4, 4, 3, padding=1),
    )  # fmt: skip
    modules = nn.ModuleList([which, whence, how, joined, ups])
    assert net.count == sum(p.numel() for p in modules.parameters())
    nn.utils.vector_to_parameters(parameters, modules.parameters())
    told = inputs(6, 5)
    streams = which(told.ids), whence(told.views), how(told.looks)
    expected = ups(joined(torch.cat(streams, 1)).view(6, 16, 4, 4))
    colours, masks = net(parameters, told)
    assert colours.shape == (6, 3, 32, 32)
    assert masks.shape == (6, 1, 32, 32)
    assert torch.allclose(torch.cat([colours, masks], 1), expected, atol=1e-4)


@pytest.mark.parametrize("side", [32, 64])
def test_it_can_begin_at_the_first_layer(side: int) -> None:
    net, told = ChairNet(3, side, 8), inputs(2, 3)
    parameters = net.start(torch.Generator().manual_seed(1))
    whole = net(parameters, told)
    first = net.first(parameters, told.ids)
    assert first.shape == (2, 128)
    assert float(first.min()) == 0
    rest = net.rest(parameters, first, told.views, told.looks)
    assert all(torch.equal(one, other) for one, other in zip(whole, rest, strict=True))
    assert whole[0].shape[-1] == side
    other = net.rest(parameters, first + 1, told.views, told.looks)
    assert not torch.allclose(other[0], whole[0])


def test_its_gradient_is_that_of_finite_differences() -> None:
    net, told = ChairNet(3, 32, 8), inputs(2, 3, torch.float64)
    parameters = net.start(torch.Generator().manual_seed(1)).double()

    def loss(at: torch.Tensor) -> torch.Tensor:
        colours, masks = net(at, told)
        return 10 * (colours - 0.3).square().sum(1).mean() + (masks - 0.6).square().mean()

    at = parameters.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(loss(at), at)
    for seed in range(3):
        towards = torch.randn(net.count, generator=torch.Generator().manual_seed(seed)).double()
        small = 1e-9  # so that no rectifier switches on or off on the way
        ends = [float(loss(parameters + sign * small * towards)) for sign in (1, -1)]
        expected = (ends[0] - ends[1]) / (2 * small)
        assert float(gradient @ towards) == pytest.approx(expected, rel=1e-4)


def test_it_begins_about_as_strong_as_what_it_is_told() -> None:
    net = ChairNet(40, 64, 128)
    parameters = net.start(torch.Generator().manual_seed(1))
    told = Inputs(torch.eye(40), inputs(40, 40).views, torch.zeros(40, 7))
    with torch.no_grad():
        colours, _ = net(parameters, told)
    assert 0.01 < float(colours.std()) < 0.5
    assert float((colours[0] - colours[1]).abs().mean()) > 0.001, "chairs differ from the start"


def test_views_go_round() -> None:
    azimuths = torch.tensor([0.0, 360.0, 90.0])
    numbers = view_numbers(azimuths, torch.tensor([0.0, 0.0, 30.0]))
    assert torch.allclose(numbers[0], numbers[1], atol=1e-6)
    assert torch.allclose(numbers[2], torch.tensor([1, 0, 0.5, math.sqrt(3) / 2]), atol=1e-6)
