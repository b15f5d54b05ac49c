"""Nets as functions of a vector, compared with PyTorch's own modules."""

import math

import pytest
import torch
from torch import nn

from engine.workshop.nets import Joined, Net


def loaded(module: nn.Sequential, parameters: torch.Tensor) -> nn.Sequential:
    nn.utils.vector_to_parameters(parameters, module.parameters())
    return module


@pytest.mark.parametrize(
    ("hidden", "activation"),
    [("tanh", nn.Tanh()), ("relu", nn.ReLU()), ("leaky relu", nn.LeakyReLU(0.2))],
)
def test_a_net_is_the_same_as_modules(hidden: str, activation: nn.Module) -> None:
    net = Net((3, 7, 5, 2), hidden)
    parameters = net.start(torch.Generator().manual_seed(1))
    assert parameters.shape == (net.count,) == (3 * 7 + 7 + 7 * 5 + 5 + 5 * 2 + 2,)
    module = loaded(
        nn.Sequential(
            nn.Linear(3, 7), activation, nn.Linear(7, 5), activation, nn.Linear(5, 2)
        ), parameters,
    )  # fmt: skip
    points = torch.randn(11, 3, generator=torch.Generator().manual_seed(2))
    assert torch.allclose(net(parameters, points), module(points), atol=1e-6)


def test_batch_normalization_is_that_of_modules() -> None:
    net = Net((4, 6, 6, 3), "softplus", "sigmoid", normalized=True)
    parameters = net.start(torch.Generator().manual_seed(1))
    module = nn.Sequential(
        nn.Linear(4, 6, bias=False), nn.BatchNorm1d(6), nn.Softplus(),
        nn.Linear(6, 6, bias=False), nn.BatchNorm1d(6), nn.Softplus(),
        nn.Linear(6, 3), nn.Sigmoid(),
    )  # fmt: skip
    sizes = [24, 6, 6, 36, 6, 6, 18, 3]
    first, bias, gain, second, other_bias, other_gain, *last = parameters.split(sizes)
    own = torch.cat([first, gain, bias, second, other_gain, other_bias, *last])
    points = torch.randn(20, 4, generator=torch.Generator().manual_seed(2))
    assert torch.allclose(net(parameters, points), loaded(module, own)(points), atol=1e-5)
    assert torch.equal(gain, torch.ones(6)) and torch.equal(other_gain, torch.ones(6))


def test_parameters_start_as_those_of_linear_layers() -> None:
    net = Net((100, 400, 1), "tanh")
    parameters = net.start(torch.Generator().manual_seed(1))
    weights = parameters[: 100 * 400]
    assert float(weights.abs().max()) <= 0.1
    assert float(weights.std()) == pytest.approx(0.1 / math.sqrt(3), rel=0.02)
    last = parameters[100 * 400 + 400 :]
    assert float(last.abs().max()) <= 0.05
    assert torch.equal(parameters, net.start(torch.Generator().manual_seed(1)))


def test_what_is_between_layers_sees_hidden_outputs_only() -> None:
    net = Net((3, 7, 5, 2), "tanh")
    parameters = net.start(torch.Generator().manual_seed(1))
    points = torch.randn(6, 3, generator=torch.Generator().manual_seed(2))
    seen: list[torch.Tensor] = []
    found = net(parameters, points, lambda x: (seen.append(x), x)[1])
    assert [each.shape for each in seen] == [(6, 7), (6, 5)]
    assert torch.equal(found, net(parameters, points))
    gone = net(parameters, points, torch.zeros_like)
    assert torch.allclose(gone, parameters[-2:].expand(6, 2)), "only the last bias is left"


def test_joined_nets_have_the_parameters_of_each() -> None:
    nets = Net((2, 3), "none"), Net((3, 5, 1), "tanh")
    joined = Joined(*nets)
    parameters = joined.start(torch.Generator().manual_seed(1))
    generator = torch.Generator().manual_seed(1)
    for part, net in zip(joined.parts(parameters), nets, strict=True):
        assert torch.equal(part, net.start(generator))
    assert joined.count == 9 + 26
