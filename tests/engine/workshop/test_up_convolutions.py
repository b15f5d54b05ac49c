"""Up-convolutions as functions of a vector, compared with unpooling and with PyTorch's own modules."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from engine.workshop.up_convolutions import FAINT, UpNet, up_convolution


@pytest.mark.parametrize("size", [(4, 4), (3, 5), (1, 2)])
def test_it_is_unpooling_with_zeros_and_a_convolution(size: tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(1)
    maps = torch.randn(2, 3, *size, generator=generator, dtype=torch.float64)
    weight = torch.randn(3, 6, 5, 5, generator=generator, dtype=torch.float64)
    bias = torch.randn(6, generator=generator, dtype=torch.float64)
    unpooled = torch.zeros(2, 3, 2 * size[0], 2 * size[1], dtype=torch.float64)
    unpooled[:, :, ::2, ::2] = maps
    kernel = weight.transpose(0, 1).flip(2, 3)
    expected = F.conv2d(unpooled, kernel, bias, padding=2)
    got = up_convolution(maps, weight, bias)
    assert got.shape == (2, 6, 2 * size[0], 2 * size[1])
    assert torch.allclose(got, expected, rtol=0, atol=1e-12)


def test_a_net_is_the_same_as_modules() -> None:
    net = UpNet((8, 6, 5), 4, "leaky relu")
    parameters = net.start(torch.Generator().manual_seed(1))
    assert parameters.shape == (net.count,) == (8 * 6 * 25 + 6 + 6 * 5 * 25 + 5 + 5 * 4 * 9 + 4,)
    module = nn.Sequential(
        nn.ConvTranspose2d(8, 6, 5, 2, 2, 1), nn.LeakyReLU(0.2),
        nn.ConvTranspose2d(6, 5, 5, 2, 2, 1), nn.LeakyReLU(0.2), nn.Conv2d(5, 4, 3, padding=1),
    )  # fmt: skip
    parameters = parameters + 0.1  # biases, too
    nn.utils.vector_to_parameters(parameters, module.parameters())
    maps = torch.randn(3, 8, 4, 4, generator=torch.Generator().manual_seed(2))
    got = net(parameters, maps)
    assert got.shape == (3, 4, 16, 16)
    assert torch.allclose(got, module(maps), atol=1e-4)
    at = parameters.clone().requires_grad_()
    (found,) = torch.autograd.grad(net(at, maps).square().mean(), at)
    module(maps).square().mean().backward()
    expected = torch.cat([p.grad.flatten() for p in module.parameters()])  # type: ignore[union-attr]
    assert torch.allclose(found, expected, rtol=1e-3, atol=1e-3 * float(expected.abs().max()))


def test_a_signal_is_kept_by_many_layers_and_faint_after_the_last() -> None:
    net = UpNet((64, 64, 64, 64, 64), 3, "relu")
    parameters = net.start(torch.Generator().manual_seed(1))
    noise = torch.randn(4, 64, 4, 4, generator=torch.Generator().manual_seed(2)).relu()
    ratio = float(net(parameters, noise).square().mean() / noise.square().mean())
    assert 0.3 < ratio / (FAINT**2 / 3) < 3
    assert torch.equal(parameters, net.start(torch.Generator().manual_seed(1)))
