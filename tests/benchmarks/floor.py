"""What the machine could do: the rate of its convolutions, and the time that a network's take.

An iteration runs every convolution forwards and once more backwards to its input: the same number
of multiplications, at 2 FLOP each. Losses, pools and memory traffic between layers come on top, so
this is a floor that no implementation on the same convolution kernels gets below.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F

from engine.device import name_of
from engine.networks.network import Network
from tests.benchmarks.table import Row


@dataclass(frozen=True)
class Convolution:
    """A convolution with its numbers: channels in and out, kernel side, output height and width."""

    inputs: int
    outputs: int
    kernel: int
    height: int
    width: int

    @property
    def gflop(self) -> float:
        area = self.height * self.width
        return 2e-9 * self.kernel**2 * self.inputs * self.outputs * area


VGG_SHAPES = tuple(
    Convolution(width, width, 3, side, side)
    for width, side in ((64, 512), (128, 256), (256, 128), (512, 64))
)


def synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


@torch.inference_mode()
def seconds(shape: Convolution, device: torch.device, dtype: torch.dtype, times: int) -> float:
    """Return the least seconds of a forward pass, channels last: what others on the cores do not add."""

    def tensor(*sizes: int) -> torch.Tensor:
        made = torch.rand(*sizes, device=device).to(dtype)
        return made.to(memory_format=torch.channels_last)

    x = tensor(1, shape.inputs, shape.height, shape.width)
    weight = tensor(shape.outputs, shape.inputs, shape.kernel, shape.kernel)
    measured = []
    for _ in range(times + 2):
        synchronize(device)
        began = time.perf_counter()
        F.conv2d(x, weight, padding=shape.kernel // 2)
        synchronize(device)
        measured.append(time.perf_counter() - began)
    return min(measured[2:])


def convolutions(network: Network, side: int, deepest: str) -> list[Convolution]:
    """Return the network's convolutions at or before `deepest` for a square picture."""
    found = []
    for call in network.calls((side, side)).values():
        module = network.module.get_submodule(call.name.split("#")[0])
        if isinstance(module, nn.Conv2d):
            _, outputs, height, width = call.shape
            inputs = module.in_channels // module.groups
            found.append(Convolution(inputs, outputs, module.kernel_size[0], height, width))
        if call.name == network.resolve(deepest):
            break
    return found


@dataclass(frozen=True)
class Floor:
    """The convolutions of one iteration: their arithmetic, and the time that they take here."""

    gflop: float
    seconds: float


def floor(network: Network, side: int, deepest: str, times: int) -> Floor:
    """Measure the convolutions of an iteration, forwards and backwards to the picture."""
    layers = convolutions(network, side, deepest)
    each = {c: seconds(c, network.device, network.dtype, times) for c in dict.fromkeys(layers)}
    return Floor(2 * sum(c.gflop for c in layers), 2 * sum(each[c] for c in layers))


def rate_rows(device: torch.device, dtype: torch.dtype, times: int) -> Iterator[Row]:
    """Yield the rate of VGG's convolutions, each shape counted alike."""
    each = {c: seconds(c, device, dtype, times) for c in VGG_SHAPES}
    shapes = {f"{c.outputs}@{c.width}": c.gflop / s for c, s in each.items()}
    rate = sum(c.gflop for c in VGG_SHAPES) / sum(each.values())
    note = ", ".join(f"{name} {value:,.0f}" for name, value in shapes.items())
    yield Row(
        f"3x3 convolutions, {name_of(dtype)}", rate, "GFLOP/s", note=note, details={"rates": shapes}
    )
