"""Layers that keep little for the way back, against PyTorch's own: the same gradients, fewer bytes."""

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from engine.networks import network as networks
from engine.networks.card import Card, Preprocessing
from engine.networks.low_memory import BLOCK, LowMemory, frugally, sole
from engine.networks.network import Network

PLAIN = Preprocessing(mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
LAYERS: dict[str, Callable[[], nn.Module]] = {
    "convolution": lambda: nn.Conv2d(6, 6, 3, padding=1),
    "wider": lambda: nn.Conv2d(6, 10, 3, padding=1, bias=False),
    "grouped": lambda: nn.Conv2d(6, 4, (3, 5), stride=2, padding=(1, 0), dilation=2, groups=2),
    "padded by name": lambda: nn.Conv2d(6, 6, 3, padding="same"),
    "pool": lambda: nn.MaxPool2d(2),
    "overlapping": lambda: nn.MaxPool2d(3, 2, 1, ceil_mode=True),
    "dilated": lambda: nn.MaxPool2d((2, 3), 1, dilation=2),
    "with places": lambda: nn.MaxPool2d(2, return_indices=True),
    "relu": lambda: nn.ReLU(),
    "in place": lambda: nn.Sequential(nn.Conv2d(6, 6, 1), nn.ReLU(inplace=True)),
    "torch.relu_": lambda: Function(lambda x: torch.relu_(x * 1)),
    "of a view": lambda: Function(lambda x: (x * 1)[:, 2:].relu_() * 2),
    "of one used again": lambda: Function(lambda x: F.relu(x) * torch.relu(x)),
    "a sum's": lambda: Function(lambda x: F.relu(x - 0.1) + F.relu(0.1 - x)),
    "a flattened one's": lambda: Function(lambda x: F.relu(x).flatten(1) @ torch.ones(6 * 154, 3)),
    "turned": lambda: Function(lambda x: F.relu(x).transpose(2, 3).contiguous() * 3),
}


class Function(nn.Module):
    def __init__(self, forward: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.forward = forward  # type: ignore[method-assign]


def numbers(*shape: int, seed: int = 3) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def gradient(module: nn.Module, x: Tensor, mode: Any) -> tuple[Tensor, Tensor]:
    x = x.detach().requires_grad_(True)
    with mode:
        result = module(x)
    result = result[0] if isinstance(result, tuple) else result
    ahead = numbers(*result.shape, seed=4).to(result)
    kept = ahead.clone()
    (found,) = torch.autograd.grad(result, x, ahead)
    assert torch.equal(ahead, kept), "what somebody else holds is not to be changed"
    return result.detach(), found


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("kind", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_gradients_are_pytorchs_to_the_last_bit(
    layer: str, kind: torch.dtype, layout: torch.memory_format
) -> None:
    if layer == "a flattened one's" and kind != torch.float32:
        return
    torch.manual_seed(1)
    module = LAYERS[layer]().requires_grad_(False).to(kind)
    # Many zeros and ties, where ReLUs and pools have to choose as PyTorch does.
    x = (2 * numbers(2, 6, 11, 14)).round().div(2).to(kind).to(memory_format=layout)
    plain, frugal = gradient(module, x, nullcontext()), gradient(module, x, LowMemory(0))
    assert torch.equal(plain[0], frugal[0])
    assert torch.equal(plain[1], frugal[1])


def test_more_numbers_than_a_block() -> None:
    x = numbers(1, 5, 480, 470)
    plain, frugal = (gradient(nn.ReLU(), x, mode) for mode in (nullcontext(), LowMemory(0)))
    assert torch.equal(plain[1], frugal[1])
    assert x.numel() > 2 * BLOCK


def test_weights_that_have_gradients_still_get_them() -> None:
    layer, x = nn.Conv2d(6, 4, 3), numbers(1, 6, 8, 8).requires_grad_(True)
    found = []
    for mode in (nullcontext(), LowMemory(0)):
        with mode:
            layer(x).square().sum().backward()
        found.append((layer.weight.grad, x.grad))
        layer.weight.grad = x.grad = None
    for plain, frugal in zip(*found, strict=True):
        assert plain is not None
        assert frugal is not None
        assert torch.equal(plain, frugal)


def bytes_kept(module: nn.Module, x: Tensor, mode: Any) -> int:
    """What autograd keeps of a run beside the parameters."""
    own = {p.data_ptr() for p in module.parameters()}
    kept: dict[int, int] = {}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    saved = torch.autograd.graph.saved_tensors_hooks(keep, lambda t: t)
    with saved, mode:
        _result = module(x.requires_grad_(True))
    return sum(kept.values())


def test_a_float_network_keeps_a_byte_for_each_relu_and_four_for_each_maximum() -> None:
    module = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(inplace=True),
        nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(inplace=True),
    ).requires_grad_(False)  # fmt: skip
    x = numbers(1, 3, 32, 32)
    relus, maxima = 8 * 32 * 32 * 2 + 16 * 16 * 16, 8 * 16 * 16
    assert bytes_kept(module, x, LowMemory(0)) == relus + 4 * maxima
    assert bytes_kept(module, x, nullcontext()) >= 4 * (relus + maxima + x.numel()) + 8 * maxima
    # Two-byte numbers: what the ReLUs give, and nothing for the pool.
    half = bytes_kept(module.bfloat16(), x.detach().bfloat16(), LowMemory(0))
    assert half == 2 * relus


def test_small_layers_are_left_to_pytorch() -> None:
    module = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU())
    for side, frugal in ((724, False), (727, True)):  # 8 maps of 722 or 725 pixels squared: 2^22
        x = torch.zeros(1, 3, side, side)
        spared = bytes_kept(module, x, LowMemory()) < bytes_kept(module, x, nullcontext())
        assert spared == frugal


def test_only_the_one_holder_of_a_gradient_may_change_it() -> None:
    one = torch.ones(3, 4)
    assert sole(one)
    assert not sole(one[1:])
    assert not sole(one.view(12))
    assert not sole(torch.ones(1).expand(12))
    assert not sole(torch.ones(4, 4)[:, 1:])
    alias = one.detach()
    assert not sole(one)
    del alias
    assert sole(one)


@pytest.mark.parametrize("name", ["resnet18", "squeezenet1_1", "googlenet", "densenet121"])
def test_a_network_with_branches(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision import models

    options = {"aux_logits": False, "init_weights": False} if name == "googlenet" else {}
    torch.manual_seed(6)
    module = models.get_model(name, weights=None, **options)
    loaded = Network(module, Card(name, name, name, PLAIN, input_size=64), ["one", "two"])
    layers = [n for n, call in loaded.calls().items() if len(call.shape) == 4][4::9]
    x = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(7), requires_grad=True)

    def slopes() -> Tensor:
        taps = loaded.taps(x, layers)
        total = torch.stack([tap.float().square().mean() for tap in taps.values()]).sum()
        return torch.autograd.grad(total, x)[0]

    monkeypatch.setattr(networks, "frugally", lambda: LowMemory(0))
    frugal = slopes()
    monkeypatch.setattr(networks, "frugally", nullcontext)
    assert torch.equal(frugal, slopes())
    assert frugal.abs().max() > 0


def test_it_stays_away_where_somebody_else_changes_layers() -> None:
    class Other(TorchFunctionMode):
        def __torch_function__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            return func(*args, **(kwargs or {}))

    assert isinstance(frugally(), LowMemory)
    with Other():
        assert not isinstance(frugally(), LowMemory)
    assert isinstance(frugally(), LowMemory)
