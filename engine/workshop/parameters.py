"""Vectors of parameters whose parts have names: nets of several kinds of layers stay one tensor.

So an optimizer and a checkpoint hold one tensor, whatever the net is made of.
"""

import math
from collections.abc import Mapping

import torch
from torch import Tensor

Shapes = Mapping[str, tuple[tuple[int, ...], float]]
"""For each part its shape, and how far from 0 its numbers may be at the start."""
Parts = Mapping[str, Tensor]
"""The parts by their names."""


RELU = math.sqrt(6)
"""The gain that keeps the size of what passes a layer before a ReLU (K. He et al. 2015)."""


class Layout:
    """Where the parts are in the vector: one after the other."""

    def __init__(self, shapes: Shapes) -> None:
        """Lay out parts of these shapes."""
        self.shapes = dict(shapes)
        self._sizes = [math.prod(shape) for shape, _ in self.shapes.values()]

    @property
    def count(self) -> int:
        """How many parameters there are."""
        return sum(self._sizes)

    def start(self, generator: torch.Generator) -> Tensor:
        """Draw parameters (count,), float32 on the CPU: all are even about 0."""
        drawn = [
            (torch.rand(size, generator=generator) * 2 - 1) * reach
            for size, (_, reach) in zip(self._sizes, self.shapes.values(), strict=True)
        ]
        return torch.cat(drawn)

    def parts(self, parameters: Tensor) -> dict[str, Tensor]:
        """Return views of the parts of `parameters` (count,) by their names."""
        split = zip(self.shapes.items(), parameters.split(self._sizes), strict=True)
        return {name: part.view(shape) for (name, (shape, _)), part in split}


def linear_shapes(name: str, inputs: int, outputs: int, gain: float = 1.0) -> Shapes:
    """Return the shapes of a linear layer's weight and bias, `name`.weight and `name`.bias.

    They start within ± 1 / sqrt(inputs) as PyTorch's do, weights within `gain` times that.
    """
    usual = 1 / math.sqrt(inputs)
    return {
        f"{name}.weight": ((outputs, inputs), gain * usual), f"{name}.bias": ((outputs,), usual)
    }  # fmt: skip


def convolution_shapes(
    name: str, inputs: int, outputs: int, side: int, gain: float = 1.0
) -> Shapes:
    """Return the same for a convolution with filters of `side` x `side`."""
    weight, bias = linear_shapes(name, inputs * side**2, outputs, gain).values()
    return {
        f"{name}.weight": ((outputs, inputs, side, side), weight[1]), f"{name}.bias": bias
    }  # fmt: skip
