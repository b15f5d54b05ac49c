"""Layers replayed for their gradient: PyTorch's own, though no activation is computed again."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from engine.networks.replay import Record, bytes_recorded

CHAINS: dict[str, Callable[[], nn.Module]] = {
    "VGG's": lambda: nn.Sequential(
        nn.Conv2d(6, 8, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(2),
        nn.Conv2d(8, 7, 3, padding=1), nn.ReLU(), nn.Dropout(), nn.MaxPool2d(2, 2),
    ),
    "AlexNet's": lambda: nn.Sequential(
        nn.Conv2d(6, 8, 5, stride=2, padding=2, dilation=2), nn.ReLU(), nn.MaxPool2d(3, 2),
        nn.Conv2d(8, 6, 1, groups=2), nn.ReLU(),
    ),
    "wide pools": lambda: nn.Sequential(nn.ReLU(), nn.MaxPool2d(3), nn.MaxPool2d((2, 1))),
    "windows beyond the border": lambda: nn.Sequential(
        nn.ReLU(inplace=True), nn.MaxPool2d(2, ceil_mode=True), nn.MaxPool2d(2, padding=1)
    ),
    "averages": lambda: nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(6, 3, 3), nn.ReLU()),
}  # fmt: skip


def numbers(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("chain", CHAINS)
@pytest.mark.parametrize("kind", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("ahead_layout", [torch.contiguous_format, torch.channels_last])
def test_gradients_are_pytorchs(
    chain: str, kind: torch.dtype, layout: torch.memory_format, ahead_layout: torch.memory_format
) -> None:
    torch.manual_seed(1)
    module = CHAINS[chain]().eval().requires_grad_(False).to(kind)
    # Many zeros and ties, where ReLUs and pools have to choose as PyTorch does.
    x = (2 * numbers(1, 6, 23, 30, seed=3)).round().div(2).to(kind).to(memory_format=layout)
    leaf = x.clone().requires_grad_(True)
    wanted = module(1 * leaf)
    ahead = numbers(*wanted.shape, seed=4).to(kind).to(memory_format=ahead_layout)
    (gradient,) = torch.autograd.grad(wanted, leaf, ahead)

    record, kept = Record(), ahead.clone()
    with torch.no_grad(), record.running(layout):
        assert torch.equal(module(x.clone()), wanted)
    again = x.clone().requires_grad_(True)
    with record.running(layout):
        blank = module(1 * again)
    assert blank.shape == wanted.shape
    (found,) = torch.autograd.grad(blank, again, ahead)
    assert torch.equal(ahead, kept), "what somebody else holds is not to be changed"
    torch.testing.assert_close(found, gradient)


def test_more_signs_than_a_block() -> None:
    x, relu, record = numbers(1, 5, 480, 471, seed=3), nn.ReLU(), Record()
    with torch.no_grad(), record.running(torch.contiguous_format):
        relu(x)
    x.requires_grad_(True)
    with record.running(torch.contiguous_format):
        blank = relu(x)
    (found,) = torch.autograd.grad(blank, x, torch.ones_like(x))
    assert torch.equal(found, (x > 0).float())


def test_a_sign_is_a_bit_and_a_maximum_a_byte() -> None:
    module = CHAINS["VGG's"]().eval()
    record = Record()
    with torch.no_grad(), record.running(torch.channels_last):
        module(numbers(1, 6, 32, 32, seed=3))
    found = sum(
        tensor.nbytes for one in record.kept or () for tensor in vars(one).values()
        if isinstance(tensor, Tensor)
    )  # fmt: skip
    relus, maxima = 8 * 32 * 32 + 7 * 16 * 16, 8 * 16 * 16 + 7 * 8 * 8
    assert found == relus / 8 + maxima
    layers = [(module[1], 8 * 32 * 32), (module[2], 8 * 16 * 16)]
    layers += [(module[4], 7 * 16 * 16), (module[6], 7 * 8 * 8), (module[0], 8 * 32 * 32)]
    assert sum(bytes_recorded(layer, count, packed=True) for layer, count in layers) == found


def test_replayed_convolutions_compute_nothing_ahead() -> None:
    """Maps that nobody could hold in memory are blank."""
    convolution = nn.Conv2d(1, 1 << 20, 1).requires_grad_(False)
    record = Record(kept=[])
    x = torch.zeros(1, 1, 1 << 9, 1 << 9, requires_grad=True)
    with record.running(torch.contiguous_format):
        blank = convolution(x)
    assert blank.shape == (1, 1 << 20, 1 << 9, 1 << 9)
    assert blank.untyped_storage().nbytes() == 4
