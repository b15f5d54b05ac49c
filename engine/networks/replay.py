"""Running layers for a picture's gradient without computing their activations again.

A picture in tiles runs through the network twice: once for its statistics, and once for the gradient,
when these are known. But the gradient does not need what a convolution gives, only where a ReLU let
numbers through and where a pool found its maxima: a bit and a byte. So the first run records these,
and the second replays the layers behind the last one that is compared, on blank activations.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.overrides import TorchFunctionMode

from engine.networks.low_memory import (
    BLOCK,
    POOLS,
    RELUS,
    RELUS_IN_PLACE,
    convolution_gradient,
    in_memory,
    keep_where,
    layout_of,
    sole,
    stand_in,
)
from engine.networks.reach import pair

aten = torch.ops.aten

REPLAYED = (nn.Conv2d, nn.ReLU, nn.MaxPool2d, nn.AvgPool2d, nn.Dropout, nn.Identity)
"""Modules whose gradient needs none of their activations, or little of them."""
Windows = list[Any]
"""Kernel, stride, padding, dilation and ceil mode of a pool."""


@dataclass
class Record:
    """What the gradient of some layers needs, for one tile, in the order in which they ran."""

    kept: list[Any] | None = None
    """None: they have not run yet."""

    def running(self, layout: torch.memory_format) -> TorchFunctionMode:
        """Return a mode in which layers are recorded or, the second time, replayed.

        The first run is one without gradients. `layout` is that of what the layers take.
        """
        if self.kept is None:
            self.kept = []
            return Recording(self.kept)
        return Replaying(iter(self.kept), layout)


def bytes_recorded(module: nn.Module, numbers: int, packed: bool) -> float:
    """Return how many bytes are recorded of a module that gives so many numbers.

    `packed`: whether eight signs share a byte, as on the CPU.
    """
    if isinstance(module, nn.ReLU):
        return numbers / 8 if packed else numbers
    if isinstance(module, nn.MaxPool2d):
        kernel = pair(module.kernel_size)
        window = [kernel, pair(module.stride or kernel), pair(module.padding),
                  pair(module.dilation), module.ceil_mode]  # fmt: skip
        return numbers * (1 if _side(window) else 4)
    return 0.0


class Recording(TorchFunctionMode):
    """While active in this thread, ReLUs and pools are recorded."""

    def __init__(self, kept: list[Any]) -> None:
        """`kept` gets what they leave."""
        super().__init__()
        self._kept = kept

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Record the calls concerned; hand all others on."""
        kwargs = kwargs or {}
        if func in RELUS or func in RELUS_IN_PLACE:
            result = func(*args, **kwargs)
            self._kept.append(_Signs.of(result))
            return result
        if func in POOLS:
            window = _window(*args[1:], **kwargs)
            result, places = aten.max_pool2d_with_indices(args[0], *window)
            self._kept.append(_Places.of(places, args[0].shape[-1], window))
            return result
        return func(*args, **kwargs)


class Replaying(TorchFunctionMode):
    """While active in this thread, layers give blank activations, whose gradients are right."""

    def __init__(self, kept: Iterator[Any], layout: torch.memory_format) -> None:
        """`kept` is what these layers recorded."""
        super().__init__()
        self._kept, self._layout = kept, layout

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Replace the calls concerned; hand all others on."""
        kwargs = kwargs or {}
        if func is torch.conv2d:
            return self._convolved(*args, **kwargs)
        if func in RELUS or func in RELUS_IN_PLACE:
            return _ReplayedReLU.apply(args[0], next(self._kept))
        if func in POOLS:
            window = _window(*args[1:], **kwargs)
            return _ReplayedMaxPool.apply(args[0], next(self._kept), window, self._layout)
        return func(*args, **kwargs)

    def _convolved(
        self,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None = None,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
    ) -> Tensor:
        del bias
        window = [pair(stride), pair(padding), pair(dilation), groups]
        return cast(Tensor, _ReplayedConvolution.apply(x, weight, window, self._layout))


def blank(like: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Return activations of a shape that take no memory, all of them zero."""
    return like.new_zeros(1).as_strided(shape, (0,) * len(shape))


@dataclass(frozen=True)
class _Signs:
    """Where activations are positive."""

    bits: Tensor
    """Eight to a byte on the CPU, else a byte each."""
    shape: torch.Size
    layout: torch.memory_format

    @classmethod
    def of(cls, x: Tensor) -> "_Signs":
        layout = layout_of(x)
        row = in_memory(x)
        if row is None:
            row = cast(Tensor, in_memory(x.contiguous(memory_format=layout)))
        if x.device.type != "cpu":
            return cls(row > 0, x.shape, layout)
        bits = np.empty(-(-row.numel() // 8), np.uint8)
        for begin, part in zip(range(0, len(bits), BLOCK // 8), row.split(BLOCK), strict=True):
            packed = np.packbits((part > 0).numpy())
            bits[begin : begin + len(packed)] = packed
        return cls(torch.from_numpy(bits), x.shape, layout)

    def blocks(self) -> Iterator[Tensor]:
        """Yield which are positive, `BLOCK` of them at a time, in the order of their memory."""
        if self.bits.dtype == torch.bool:
            yield from self.bits.split(BLOCK)
            return
        left = prod(self.shape)
        for part in self.bits.split(BLOCK // 8):
            yield torch.from_numpy(np.unpackbits(part.numpy(), count=min(left, BLOCK)))
            left -= BLOCK


@dataclass(frozen=True)
class _Places:
    """Where the maxima of a pool lie."""

    kept: Tensor
    """Each one's place within its window, a byte; or in the whole, where windows overlap."""
    side: int
    """Of the windows; 0: they overlap."""

    @classmethod
    def of(cls, places: Tensor, width: int, window: Windows) -> "_Places":
        side = _side(window)
        if not side or width < side:
            return cls(places.int(), 0)
        rows = torch.arange(places.shape[-2], device=places.device) * (side * width)
        corners = rows[:, None] + torch.arange(places.shape[-1], device=places.device) * side
        local = (places - corners).int()
        down = torch.zeros_like(local)
        for row in range(1, side):
            down += local >= row * width
        return cls((local + down * (side - width)).to(torch.uint8), side)

    def spread(self, gradient: Tensor, shape: torch.Size) -> Tensor:
        """Return the gradient of what is pooled, of a shape, for windows that do not overlap."""
        found = stand_in(gradient, shape, layout_of(gradient))
        height, width = (length * self.side for length in gradient.shape[2:])
        none = gradient.new_zeros(())
        found[..., height:, :] = 0  # what is pooled may end beyond the last window
        found[..., width:] = 0
        for place in range(self.side**2):
            down, right = divmod(place, self.side)
            part = found[..., down : height : self.side, right : width : self.side]
            torch.where(self.kept == place, gradient, none, out=part)
        return found


def _window(
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Windows:
    del return_indices
    kernel = pair(kernel_size)
    return [kernel, pair(stride or kernel), pair(padding), pair(dilation), ceil_mode]


def _side(window: Windows) -> int:
    """Return the side of windows if they are squares side by side, from the corner on, else 0."""
    kernel, stride, padding, dilation, beyond = window
    alone = kernel == stride and tuple(padding) == (0, 0) and tuple(dilation) == (1, 1)
    return int(kernel[0]) if alone and kernel[0] == kernel[1] <= 16 and not beyond else 0


class _ReplayedConvolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, window: Any, layout: Any) -> Tensor:
        ctx.save_for_backward(weight)
        ctx.window, ctx.shape, ctx.layout = window, x.shape, layout
        stride, padding, dilation, _ = window
        sides = [
            (length + 2 * pad - step * (kernel - 1) - 1) // jump + 1
            for length, kernel, jump, pad, step in zip(
                x.shape[2:], weight.shape[2:], stride, padding, dilation, strict=True
            )
        ]
        return blank(x, (x.shape[0], weight.shape[0], *sides))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        (weight,) = ctx.saved_tensors
        own = convolution_gradient(gradients[0], weight, ctx.window, ctx.shape, ctx.layout)
        return own, None, None, None


class _ReplayedReLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, signs: _Signs) -> Tensor:
        ctx.signs = signs
        return blank(x, tuple(x.shape))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        signs: _Signs = ctx.signs
        gradient = gradients[0]
        if not (sole(gradient) and gradient.is_contiguous(memory_format=signs.layout)):
            gradient = gradient.clone(memory_format=signs.layout)
        keep_where(gradient, signs.blocks())
        return gradient, None


class _ReplayedMaxPool(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, places: _Places, window: Windows, layout: Any) -> Tensor:
        ctx.places, ctx.window, ctx.shape, ctx.layout = places, window, x.shape, layout
        return blank(x, tuple(places.kept.shape))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        places: _Places = ctx.places
        if places.side:
            return places.spread(gradients[0], ctx.shape), None, None, None
        x = stand_in(gradients[0], ctx.shape, ctx.layout)
        own = aten.max_pool2d_with_indices_backward(
            gradients[0], x, *ctx.window, places.kept.long()
        )
        return own, None, None, None
