"""What a unit sees of the picture: how windows and joints widen it.

Receptive fields follow Araujo, Norris, Sim 2019 ("Computing Receptive Fields of Convolutional Neural
Networks"): a window of k (dilated) pixels at stride s adds (k - 1) * jump, then jump *= s.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from engine.networks.layouts import MIXING

WINDOWS = {
    torch.conv2d: 3,  # position of `stride`; kernel comes from the weight
    torch.max_pool2d: 2,
    F.max_pool2d: 2,
    F.avg_pool2d: 2,
    F.lp_pool2d: 3,
}
EVERYTHING = {
    F.adaptive_avg_pool2d,
    F.adaptive_max_pool2d,
    F.instance_norm,
    F.multi_head_attention_forward,
    Tensor.mean,
    torch.mean,
}
WHOLE = 10**9
"""Receptive field of a layer that sees the whole picture whatever its size."""


@dataclass(frozen=True)
class Reach:
    """What a unit sees: side of the window and distance to the next unit's, (vertical, across)."""

    size: tuple[int, int] = (1, 1)
    jump: tuple[int, int] = (1, 1)

    def through(self, kernel: Iterable[int], stride: Iterable[int]) -> "Reach":
        """Return the reach after a window of `kernel` (dilated) pixels at `stride`."""
        size = [n + (k - 1) * j for n, k, j in zip(self.size, kernel, self.jump, strict=True)]
        jump = [s * j for s, j in zip(stride, self.jump, strict=True)]
        return Reach((size[0], size[1]), (jump[0], jump[1]))

    def united(self, other: "Reach") -> "Reach":
        """Return the larger of both in each direction."""
        a, b = self, other
        size = (max(a.size[0], b.size[0]), max(a.size[1], b.size[1]))
        return Reach(size, (max(a.jump[0], b.jump[0]), max(a.jump[1], b.jump[1])))

    @property
    def side(self) -> int | None:
        """Side of the square of pixels; None for the whole picture."""
        return max(self.size) if max(self.size) < WHOLE else None


def joins_positions(func: Any, given: Sequence[Tensor]) -> bool:
    """Return whether a unit of what `func` makes sees all positions of the tensors `given`.

    Those come from the picture; a product of two is attention. (Within windows it joins only those
    positions, but counts as joining all.) A linear layer joins positions only after flattening;
    otherwise channels, like a 1x1 convolution.
    """
    if func in MIXING:
        return len(given) > 1
    return func in EVERYTHING or (func is F.linear and given[0].dim() == 2)


def window(
    func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return the dilated kernel and the stride of a convolution or pooling call."""
    at = WINDOWS[func]
    if func is torch.conv2d:
        kernel = pair((args[1] if len(args) > 1 else kwargs["weight"]).shape[-2:])
        stride = args[at] if len(args) > at else kwargs.get("stride", 1)
        dilation = args[5] if len(args) > 5 else kwargs.get("dilation", 1)
    else:
        kernel = pair(args[at - 1] if len(args) >= at else kwargs["kernel_size"])
        stride = (args[at] if len(args) > at else kwargs.get("stride")) or kernel
        dilation = kwargs.get("dilation", 1)
    vertical, across = pair(dilation)
    return ((kernel[0] - 1) * vertical + 1, (kernel[1] - 1) * across + 1), pair(stride)


def pair(value: int | Iterable[int]) -> tuple[int, int]:
    """Return what PyTorch makes of one number or two: (vertical, across)."""
    both = (value, value) if isinstance(value, int) else tuple(value)
    return int(both[0]), int(both[-1])
