"""A generator of chairs: which one, seen from where, in which colour and place, to a picture.

A. Dosovitskiy, J. Springenberg, T. Brox, "Learning to Generate Chairs with Convolutional Neural
Networks", 2015: a stream for each input, which join, and up-convolutions.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.workshop.nets import Net
from engine.workshop.up_convolutions import UpNet

STREAM, JOINED = 128, 512
"""Units of each layer of a stream, and of the layers after they have joined."""
SMALLEST = 4
"""Side of the first maps."""
ANGLES, LOOKS = 4, 7
"""Numbers for the view (sine and cosine of both angles), and for colour and place."""
HE = math.sqrt(6)
"""How much wider than PyTorch's linear layers those start that many rectifiers follow (He 2015)."""


@dataclass(frozen=True)
class Inputs:
    """What is to be drawn."""

    ids: Tensor
    """Which chairs (N, chairs): one-hot, or mixed."""
    views: Tensor
    """From where (N, 4)."""
    looks: Tensor
    """In which colour and place (N, 7), each number about within [-1, 1]."""


def view_numbers(azimuths: Tensor, elevations: Tensor) -> Tensor:
    """Return sine and cosine of both angles (N, 4), which are given in degrees (N,)."""
    turned, raised = torch.deg2rad(azimuths), torch.deg2rad(elevations)
    return torch.stack([turned.sin(), turned.cos(), raised.sin(), raised.cos()], 1)


class ChairNet:
    """Maps `Inputs` to colours (N, 3, side, side) and masks (N, 1, side, side)."""

    def __init__(self, chairs: int, side: int, width: int) -> None:
        """Describe a net for pictures of `side` (4 times a power of 2) and `width` first maps.

        Each up-convolution halves how many maps there are.
        """
        ups = (side // SMALLEST).bit_length() - 1
        channels = [max(width >> k, 4) for k in range(ups + 1)]
        self.width, self.side = width, side
        self._nets = (
            Net((chairs, STREAM), "relu", "relu"),
            Net((STREAM, STREAM), "relu", "relu"),
            Net((ANGLES, STREAM, STREAM), "relu", "relu"),
            Net((LOOKS, STREAM, STREAM), "relu", "relu"),
            Net((3 * STREAM, JOINED, JOINED, width * SMALLEST**2), "relu", "relu"),
        )
        self._ups = UpNet(channels, 4, "leaky relu")
        self._sizes = [net.count for net in (*self._nets, self._ups)]

    @property
    def count(self) -> int:
        """How many parameters there are."""
        return sum(self._sizes)

    def start(self, generator: torch.Generator) -> Tensor:
        """Draw parameters (count,), float32 on the CPU."""
        parts = [HE * net.start(generator) for net in self._nets]
        return torch.cat([*parts, self._ups.start(generator)])

    def first(self, parameters: Tensor, ids: Tensor) -> Tensor:
        """Return the first layer (N, 128) of the stream that knows which chair it is (FC1)."""
        return self._nets[0](parameters[: self._sizes[0]], ids)

    def rest(
        self, parameters: Tensor, first: Tensor, views: Tensor, looks: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return colours and masks, given the first layer (N, 128) instead of the chairs."""
        return self._rest(parameters.split(self._sizes)[1:], first, views, looks)

    def __call__(self, parameters: Tensor, inputs: Inputs) -> tuple[Tensor, Tensor]:
        """Return colours and masks: the light from a chair, before black, and where it is."""
        first, *others = parameters.split(self._sizes)  # once: each time adds up a whole gradient
        layer = self._nets[0](first, inputs.ids)
        return self._rest(others, layer, inputs.views, inputs.looks)

    def _rest(
        self, parts: Sequence[Tensor], first: Tensor, views: Tensor, looks: Tensor
    ) -> tuple[Tensor, Tensor]:
        which, whence, how, joined, ups = parts
        streams = (
            self._nets[1](which, first), self._nets[2](whence, views), self._nets[3](how, looks)
        )  # fmt: skip
        maps = self._nets[4](joined, torch.cat(streams, 1))
        drawn = self._ups(ups, maps.view(-1, self.width, SMALLEST, SMALLEST))
        return drawn[:, :3], drawn[:, 3:]
