"""Convolutions from a list of channels, as functions of one vector of parameters."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from engine.workshop.nets import ACTIVATIONS


class ConvNet:
    """Maps pictures (N, channels[0], H, W) to features (N, channels[-1] * parts of the picture).

    Each layer is a convolution of 3 x 3 pixels with an edge of zeros, an activation, and the maximum
    of every 2 x 2 pixels.
    """

    def __init__(self, channels: Sequence[int], hidden: str = "relu") -> None:
        """Describe layers between these numbers of channels; `hidden` is a key of `ACTIVATIONS`."""
        self.channels = tuple(channels)
        self._hidden = ACTIVATIONS[hidden]
        self._shapes: list[tuple[int, ...]] = []
        for before, after in zip(self.channels, self.channels[1:], strict=False):
            self._shapes += [(after, before, 3, 3), (after,)]
        self._sizes = [math.prod(shape) for shape in self._shapes]

    @property
    def count(self) -> int:
        """How many parameters there are."""
        return sum(self._sizes)

    def features(self, side: int) -> int:
        """Return how many features square pictures of `side` pixels have."""
        return self.channels[-1] * (side // 2 ** (len(self.channels) - 1)) ** 2

    def start(self, generator: torch.Generator) -> Tensor:
        """Draw parameters (count,), float32 on the CPU, as PyTorch's convolutions start."""
        parts, inputs = [], 1
        for shape in self._shapes:
            inputs = math.prod(shape[1:]) if len(shape) == 4 else inputs
            even = torch.rand(shape, generator=generator) * 2 - 1
            parts.append(even.flatten() / math.sqrt(inputs))
        return torch.cat(parts)

    def __call__(self, parameters: Tensor, pictures: Tensor) -> Tensor:
        """Return the features of pictures (N, channels[0], H, W) for `parameters` (count,)."""
        parts = iter(
            part.view(shape)
            for part, shape in zip(parameters.split(self._sizes), self._shapes, strict=True)
        )
        x = pictures
        for weight, bias in zip(parts, parts, strict=True):
            x = F.max_pool2d(self._hidden(F.conv2d(x, weight, bias, padding=1)), 2)
        return x.flatten(1)
