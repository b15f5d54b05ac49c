"""Convolutions as functions of a vector, compared with PyTorch's own modules."""

import math

import torch
from torch import nn

from engine.workshop.conv_nets import ConvNet


def test_it_is_the_same_as_modules() -> None:
    net = ConvNet((3, 5, 7))
    parameters = net.start(torch.Generator().manual_seed(1))
    module = nn.Sequential(
        nn.Conv2d(3, 5, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(5, 7, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
    )  # fmt: skip
    nn.utils.vector_to_parameters(parameters, module.parameters())
    pictures = torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(2))
    found = net(parameters, pictures)
    assert found.shape == (4, net.features(16)) == (4, 112)
    assert torch.allclose(found, module(pictures), atol=1e-6)


def test_parameters_start_as_those_of_convolutions() -> None:
    net = ConvNet((16, 64))
    parameters = net.start(torch.Generator().manual_seed(1))
    assert parameters.shape == (net.count,) == (16 * 9 * 64 + 64,)
    bound = 1 / math.sqrt(16 * 9)
    assert 0.99 * bound < float(parameters.abs().max()) <= bound
    assert torch.equal(parameters, net.start(torch.Generator().manual_seed(1)))
