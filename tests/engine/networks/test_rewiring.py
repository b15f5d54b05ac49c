"""Other pooling and padding against sums worked out in loops and pictures padded by numpy."""

import math
import threading

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.errors import BadInput
from engine.networks.card import Card, Preprocessing
from engine.networks.network import Network
from engine.networks.rewiring import Rewired

PLAIN = Preprocessing(mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))


def network_of(*layers: nn.Module) -> Network:
    return Network(nn.Sequential(*layers), Card("some", "Some", "some", PLAIN, input_size=32))


def convolution(*args: int, **kwargs: int) -> nn.Conv2d:
    torch.manual_seed(5)
    return nn.Conv2d(*args, **kwargs)  # type: ignore[arg-type]


def picture(*size: int) -> Tensor:
    return torch.rand(*size, generator=torch.Generator().manual_seed(2))


def twice_the_mean(
    values: npt.NDArray[np.float32], kernel: int, stride: int, padding: int, ceil: bool
) -> npt.NDArray[np.float32]:
    """Over what lies inside, window by window; windows begin inside or in the left padding."""
    channels, *sides = values.shape
    rounded = math.ceil if ceil else math.floor
    counts = [rounded((n + 2 * padding - kernel) / stride) + 1 for n in sides]
    counts = [c - ((c - 1) * stride >= n + padding) for c, n in zip(counts, sides, strict=True)]
    result = np.zeros((channels, *counts), np.float32)
    for i in range(counts[0]):
        for k in range(counts[1]):
            top, left = i * stride - padding, k * stride - padding
            window = values[:, max(top, 0) : top + kernel, max(left, 0) : left + kernel]
            result[:, i, k] = 2 * window.mean((1, 2))
    return result


@pytest.mark.parametrize(
    ("kernel", "stride", "padding", "ceil"),
    [(2, 2, 0, False), (3, 2, 0, True), (3, 2, 1, False), (3, 1, 1, False), (3, 2, 1, True)],
)
@pytest.mark.parametrize("size", [(8, 8), (9, 12), (11, 7)])
def test_average_pooling(
    size: tuple[int, int], kernel: int, stride: int, padding: int, ceil: bool
) -> None:
    """Twice the mean, and as many places as max-pooling had."""
    pool = nn.MaxPool2d(kernel, stride, padding, ceil_mode=ceil)
    network = network_of(convolution(3, 4, 1), pool)
    taps = network.taps(picture(3, *size), ["0", "1"], pooling="average")
    expected = twice_the_mean(taps["0"][0].numpy(), kernel, stride, padding, ceil)
    assert np.allclose(taps["1"][0].numpy(), expected, atol=1e-5)
    assert taps["1"].shape == network.taps(picture(3, *size), ["1"])["1"].shape


def test_pools_called_as_functions() -> None:
    class Functional(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.cat([F.max_pool2d(x, 2), torch.max_pool2d(x, 2, 2)], 1)

    network = network_of(convolution(3, 2, 1), Functional())
    taps = network.taps(picture(3, 6, 6), ["0", "1"], pooling="average")
    expected = torch.cat([2 * F.avg_pool2d(taps["0"], 2)] * 2, 1)
    assert torch.allclose(taps["1"], expected)


@pytest.mark.parametrize(("mode", "numpy_s"), [("replicate", "edge"), ("circular", "wrap")])
@pytest.mark.parametrize("stride", [1, 2])
def test_padding_of_the_first_convolution_alone(mode: str, numpy_s: str, stride: int) -> None:
    first = convolution(3, 4, 5, stride=stride, padding=2)
    second = convolution(4, 2, 3, padding=1)
    network = network_of(first, nn.ReLU(inplace=True), second)
    x = picture(1, 3, 9, 11)
    taps = network.taps(x, ["0", "2"], padding=mode)
    margins = ((0, 0), (0, 0), (2, 2), (2, 2))
    padded = torch.from_numpy(np.pad(x.numpy(), margins, mode=numpy_s))  # type: ignore[call-overload]
    expected = F.conv2d(padded, first.weight, first.bias, stride)
    assert torch.allclose(taps["0"], expected, atol=1e-5)
    deeper = F.conv2d(expected.relu(), second.weight, second.bias, padding=1)
    assert torch.allclose(taps["2"], deeper, atol=1e-5)
    plain = network.taps(x, ["0"])["0"]
    assert torch.allclose(plain[..., 2:-2, 2:-2], expected[..., 2:-2, 2:-2], atol=1e-5)
    assert not torch.allclose(plain[..., 0, :], expected[..., 0, :], atol=1e-3)


def test_a_constant_picture_has_no_border_when_replicated() -> None:
    network = network_of(convolution(3, 4, 3, padding=1))
    flat = network.taps(torch.full((3, 6, 6), 0.4), ["0"], padding="replicate")["0"]
    assert torch.allclose(flat, flat[..., :1, :1].expand_as(flat), atol=1e-6)
    zeros = network.taps(torch.full((3, 6, 6), 0.4), ["0"])["0"]
    assert not torch.allclose(zeros, zeros[..., :1, :1].expand_as(zeros), atol=1e-2)


def test_one_pixel_can_be_continued() -> None:
    network = network_of(convolution(3, 4, 3, padding=1))
    tap = network.taps(torch.full((3, 1, 1), 0.4), ["0"], padding="replicate")["0"]
    inner = network.taps(torch.full((3, 3, 3), 0.4), ["0"])["0"][..., 1:2, 1:2]
    assert torch.allclose(tap, inner, atol=1e-6)


def test_half_precision_copies_are_padded_too() -> None:
    network = network_of(convolution(3, 4, 3, padding=1))
    x = torch.full((3, 6, 6), 0.5)
    tap = network.at("cpu", torch.bfloat16).taps(x, ["0"], padding="replicate")["0"]
    exact = network.taps(x, ["0"], padding="replicate")["0"]
    assert torch.allclose(tap.float(), exact, atol=0.02)


def test_the_module_is_not_edited() -> None:
    layers = convolution(3, 4, 3, padding=1), nn.MaxPool2d(2), convolution(4, 2, 1)
    network = network_of(*layers)
    x = picture(1, 3, 8, 8)
    before = network.module(x)
    described = repr(network.module)
    state = {n: t.clone() for n, t in network.module.state_dict().items()}
    rewired = network.taps(x, ["2"], pooling="average", padding="circular")["2"]
    assert repr(network.module) == described
    assert tuple(network.module.children()) == layers
    assert all(torch.equal(network.module.state_dict()[n], t) for n, t in state.items())
    assert torch.equal(network.module(x), before)
    assert not torch.allclose(rewired, before, atol=1e-3)


def test_an_error_inside_ends_it() -> None:
    x = picture(1, 1, 4, 4)
    with pytest.raises(ZeroDivisionError), Rewired("average", "zeros", x):
        assert torch.equal(F.max_pool2d(x, 2), 2 * F.avg_pool2d(x, 2))
        raise ZeroDivisionError
    assert torch.equal(F.max_pool2d(x, 2), x.unfold(2, 2, 2).unfold(3, 2, 2).amax((-1, -2)))


def test_other_threads_are_not_affected() -> None:
    x = picture(1, 1, 4, 4)
    found: list[Tensor] = []
    with Rewired("average", "zeros", x):
        thread = threading.Thread(target=lambda: found.append(F.max_pool2d(x, 2)))
        thread.start()
        thread.join()
        own = F.max_pool2d(x, 2)
    assert torch.equal(found[0], x.unfold(2, 2, 2).unfold(3, 2, 2).amax((-1, -2)))
    assert torch.allclose(own, x.unfold(2, 2, 2).unfold(3, 2, 2).mean((-1, -2)) * 2)


@pytest.mark.parametrize("asked", [{"pooling": "avg"}, {"padding": "mirror"}])
def test_what_there_is_not(asked: dict[str, str]) -> None:
    network = network_of(convolution(3, 4, 3, padding=1))
    with pytest.raises(BadInput, match=r"use max, average; zeros, replicate, circular"):
        network.taps(picture(3, 8, 8), ["0"], **asked)
