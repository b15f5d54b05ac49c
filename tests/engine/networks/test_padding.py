"""Padding of every convolution, against tiled pictures and numpy's padding."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from engine.networks.rewiring import Rewired

NUMPY = {"circular": "wrap", "replicate": "edge"}


@pytest.fixture
def random():
    return torch.Generator().manual_seed(5)


def numbers(random, *shape):
    return torch.randn(*shape, generator=random, dtype=torch.float64)


@pytest.mark.parametrize("mode", ["circular", "replicate"])
@pytest.mark.parametrize("padding", [1, (2, 0), (0, 3)])
def test_a_convolution_pads_as_numpy_does(mode, padding, random):
    x, weight = numbers(random, 2, 3, 6, 5), numbers(random, 4, 3, 3, 3)
    bias = numbers(random, 4)
    with Rewired("max", mode):
        found = F.conv2d(x, weight, bias, padding=padding)
    down, right = (padding, padding) if isinstance(padding, int) else padding
    around = np.pad(x.numpy(), ((0, 0), (0, 0), (down, down), (right, right)), NUMPY[mode])
    expected = F.conv2d(torch.from_numpy(around), weight, bias)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


def test_stride_dilation_and_groups_stay(random):
    x, weight = numbers(random, 1, 4, 9, 9), numbers(random, 4, 2, 3, 3)
    options = {"stride": 2, "dilation": 2, "groups": 2}
    with Rewired("max", "circular"):
        found = F.conv2d(x, weight, None, padding=2, **options)
    around = torch.from_numpy(np.pad(x.numpy(), ((0, 0), (0, 0), (2, 2), (2, 2)), "wrap"))
    torch.testing.assert_close(found, F.conv2d(around, weight, None, **options))


def test_a_network_on_a_torus_is_one_on_a_tiled_picture(random):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2)
        module = nn.Sequential(
            nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(4, 4, 5, padding=2), nn.ReLU(), nn.Conv2d(4, 2, 3, padding=1),
        ).double()  # fmt: skip
    x = numbers(random, 1, 3, 16, 16)
    with Rewired("max", "circular"):
        found = module(x)
    middle = module(x.repeat(1, 1, 3, 3))[..., 8:16, 8:16]
    torch.testing.assert_close(found, middle)
    assert not torch.allclose(module(x), middle)  # zeros, once it is over


def test_maps_smaller_than_the_reach_go_around_again(random):
    x, weight = numbers(random, 1, 1, 1, 2), numbers(random, 1, 1, 7, 7)
    with Rewired("max", "circular"):
        found = F.conv2d(x, weight, padding=3)
    around = torch.from_numpy(np.pad(x.numpy(), ((0, 0), (0, 0), (3, 3), (3, 3)), "wrap"))
    torch.testing.assert_close(found, F.conv2d(around, weight))


def test_other_calls_are_left_alone(random):
    x, weight = numbers(random, 1, 1, 6, 6), numbers(random, 1, 1, 3, 3)
    with Rewired("max", "circular"):
        assert torch.equal(F.conv2d(x, weight), F.conv2d(x, weight, padding="valid"))
        pooled = F.avg_pool2d(x, 3, padding=1)
    assert torch.equal(pooled, F.avg_pool2d(x, 3, padding=1))
