"""Nets that make pictures from small maps, as functions of one vector of parameters.

Up-convolutions: zero-filled unpooling and a convolution of 5 x 5 (A. Dosovitskiy, J. Springenberg,
T. Brox, "Learning to Generate Chairs with Convolutional Neural Networks", 2015).
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from engine.workshop.nets import ACTIVATIONS

KERNEL, HEAD = 5, 3
"""Sides of the kernels of an up-convolution and of the last layer."""
FAINT = 0.1
"""How strong the last layer begins, where sqrt(3) would pass on what it is given."""


def up_convolution(maps: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Double the side of maps: each value moves to the corner of 2 x 2, then a convolution.

    A transposed convolution is exactly that, with the kernel turned by 180°, but does not multiply
    by the zeros.

    Args:
        maps: (N, inputs, h, w).
        weight: (inputs, outputs, 5, 5).
        bias: (outputs,).

    Returns:
        (N, outputs, 2 h, 2 w).
    """
    return F.conv_transpose2d(maps, weight, bias, stride=2, padding=2, output_padding=1)


class UpNet:
    """Maps (N, channels[0], h, w) to (N, outputs, 2^k h, 2^k w): k up-convolutions and a last layer."""

    def __init__(self, channels: Sequence[int], outputs: int, hidden: str) -> None:
        """Describe a net whose maps are `channels`, with an activation after each up-convolution.

        `hidden` is a key of `ACTIVATIONS`. The last layer is a convolution of 3 x 3.
        """
        self.channels, self.outputs = tuple(channels), outputs
        self._hidden = ACTIVATIONS[hidden]
        self._shapes: list[tuple[int, ...]] = []
        for wide, out in zip(self.channels, self.channels[1:], strict=False):
            self._shapes += [(wide, out, KERNEL, KERNEL), (out,)]
        self._shapes += [(outputs, self.channels[-1], HEAD, HEAD), (outputs,)]
        self._sizes = [math.prod(shape) for shape in self._shapes]

    @property
    def count(self) -> int:
        """How many parameters there are."""
        return sum(self._sizes)

    def start(self, generator: torch.Generator) -> Tensor:
        """Draw parameters (count,), float32 on the CPU, so that all layers are equally strong.

        Biases are 0, weights even between ± sqrt(6 / inputs) (K. He et al., "Delving Deep into
        Rectifiers", 2015), where a quarter of an up-convolution's inputs is not filled with zeros;
        those of the last layer are much smaller, so that pictures begin nearly empty.
        """
        parts = []
        *_, last, _ = self._shapes
        for shape in self._shapes:
            if len(shape) == 1:
                parts.append(torch.zeros(shape))
                continue
            inputs = shape[0] * KERNEL**2 / 4 if shape != last else shape[1] * HEAD**2
            even = torch.rand(shape, generator=generator) * 2 - 1
            strength = math.sqrt(6) if shape != last else FAINT
            parts.append(even.flatten() * strength / math.sqrt(inputs))
        return torch.cat(parts)

    def __call__(self, parameters: Tensor, maps: Tensor) -> Tensor:
        """Return the outputs for `maps` (N, channels[0], h, w) and `parameters` (count,)."""
        *ups, weight, bias = (
            part.view(shape)
            for part, shape in zip(parameters.split(self._sizes), self._shapes, strict=True)
        )
        # On a CPU, convolutions of few channels are about twice as fast if those lie side by side.
        x = maps.contiguous(memory_format=torch.channels_last)
        for up, own in zip(ups[::2], ups[1::2], strict=True):
            x = self._hidden(up_convolution(x, up, own))
        return F.conv2d(x, weight, bias, padding=HEAD // 2)
