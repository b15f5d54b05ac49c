"""Layers of other programs that PyTorch lacks, such as TensorFlow's padding.

All of them take maps as (N, C, H, W), whatever the original program does.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Two = tuple[int, int]


def same_padding(size: Two, kernel: Two, stride: Two, dilation: Two = (1, 1)) -> tuple[int, ...]:
    """Return (left, right, top, bottom) of TensorFlow's SAME: the odd pixel goes right and below."""
    sides: list[int] = []
    for n, k, s, d in zip(size, kernel, stride, dilation, strict=True):
        total = max((-(-n // s) - 1) * s + (k - 1) * d + 1 - n, 0)
        sides = [total // 2, total - total // 2, *sides]
    return tuple(sides)


class SameConv2d(nn.Conv2d):
    """A convolution whose output has the input's size over the stride, rounded up."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the maps for (N, C, H, W)."""
        left, right, top, bottom = _sides(x, self.kernel_size, self.stride, self.dilation)
        even = left == right and top == bottom
        if not even:
            x = F.pad(x, (left, right, top, bottom))
        padding = (top, left) if even else (0, 0)
        return F.conv2d(x, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)


class SameMaxPool2d(nn.Module):
    """A maximum over windows; those at the border see less."""

    def __init__(self, kernel: Two, stride: Two) -> None:
        super().__init__()
        self.kernel_size, self.stride = kernel, stride

    def forward(self, x: Tensor) -> Tensor:
        """Return the maps for (N, C, H, W)."""
        left, right, top, bottom = _sides(x, self.kernel_size, self.stride)
        if left == right and top == bottom:
            return F.max_pool2d(x, self.kernel_size, self.stride, (top, left))
        padded = F.pad(x, (left, right, top, bottom), value=float("-inf"))
        return F.max_pool2d(padded, self.kernel_size, self.stride)


class SameAvgPool2d(nn.Module):
    """A mean over windows, ignoring what lies beyond the border."""

    def __init__(self, kernel: Two, stride: Two) -> None:
        super().__init__()
        self.kernel_size, self.stride = kernel, stride

    def forward(self, x: Tensor) -> Tensor:
        """Return the maps for (N, C, H, W)."""
        left, right, top, bottom = _sides(x, self.kernel_size, self.stride)
        kernel, stride = self.kernel_size, self.stride
        if left == right and top == bottom:
            return F.avg_pool2d(x, kernel, stride, (top, left), count_include_pad=False)
        inside = F.pad(x.new_ones(1, 1, *x.shape[2:]), (left, right, top, bottom))
        padded = F.pad(x, (left, right, top, bottom))
        return F.avg_pool2d(padded, kernel, stride) / F.avg_pool2d(inside, kernel, stride)


def _sides(x: Tensor, kernel: Any, stride: Any, dilation: Any = (1, 1)) -> tuple[int, ...]:
    return same_padding((x.shape[2], x.shape[3]), kernel, stride, dilation)


class Affine(nn.Module):
    """x * scale + shift, with numbers or one of each per channel."""

    scale: Tensor
    shift: Tensor

    def __init__(self, scale: Tensor, shift: Tensor) -> None:
        """Take scalars or vectors over channels."""
        super().__init__()
        self.register_buffer("scale", _channels(scale))
        self.register_buffer("shift", _channels(shift))

    def forward(self, x: Tensor) -> Tensor:
        """Return the changed maps."""
        return x * self.scale + self.shift


def _channels(values: Tensor) -> Tensor:
    return values.float().reshape(1, -1, 1, 1)


class Flatten(nn.Module):
    """Maps to one vector; `channels_last`: in the order height, width, channel."""

    def __init__(self, channels_last: bool) -> None:
        super().__init__()
        self.channels_last = channels_last

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, numbers)."""
        if self.channels_last and x.dim() == 4:
            x = x.permute(0, 2, 3, 1)
        return x.flatten(1)


class Reshape(nn.Module):
    """Another shape, given without the batch and, for maps, as (height, width, channels)."""

    def __init__(self, shape: Sequence[int], channels_last: bool) -> None:
        super().__init__()
        self.shape, self.channels_last = tuple(shape), channels_last

    def forward(self, x: Tensor) -> Tensor:
        """Return the same numbers in the new shape."""
        if self.channels_last and x.dim() == 4:
            x = x.permute(0, 2, 3, 1)
        x = x.reshape(x.shape[0], *self.shape)
        return x.permute(0, 3, 1, 2) if self.channels_last and x.dim() == 4 else x


class GlobalPool(nn.Module):
    """The mean or the maximum of every map."""

    def __init__(self, kind: str, keep: bool = False) -> None:
        """`kind` is "mean" or "max"; `keep` keeps maps of one pixel."""
        super().__init__()
        self.kind, self.keep = kind, keep

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, C), or (N, C, 1, 1)."""
        if self.kind == "max":
            return x.amax((2, 3), keepdim=self.keep)
        return x.mean((2, 3), keepdim=self.keep)


class Concat(nn.Module):
    """Maps concatenated along the channels."""

    def forward(self, *parts: Tensor) -> Tensor:
        """Return (N, sum of channels, …)."""
        return torch.cat(parts, 1)


class Stack(nn.Module):
    """Single maps (N, H, W) to one tensor (N, C, H, W)."""

    def forward(self, *parts: Tensor) -> Tensor:
        """Return the maps as channels."""
        return torch.stack(parts, 1)


class SelectChannel(nn.Module):
    """One map of many."""

    def __init__(self, place: int) -> None:
        super().__init__()
        self.place = place

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, H, W)."""
        return x[:, self.place]


class ReverseChannels(nn.Module):
    """Channels in the opposite order: RGB to BGR."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the reversed channels."""
        return x.flip(1)


class Combine(nn.Module):
    """Sum, product, mean or maximum of tensors, place by place; the sum may be weighted."""

    def __init__(self, kind: str, weights: Sequence[float] = ()) -> None:
        """`kind` is add, subtract, multiply, average, maximum or minimum."""
        super().__init__()
        self.kind, self.weights = kind, tuple(weights)

    def forward(self, *parts: Tensor) -> Tensor:
        """Return one tensor of the parts' common shape."""
        if self.weights and any(w != 1 for w in self.weights):
            parts = tuple(x * w for x, w in zip(parts, self.weights, strict=True))
        result = parts[0]
        for part in parts[1:]:
            result = self._pair(result, part)
        return result / len(parts) if self.kind == "average" else result

    def _pair(self, a: Tensor, b: Tensor) -> Tensor:
        if self.kind in ("add", "average"):
            return a + b
        if self.kind == "subtract":
            return a - b
        if self.kind == "multiply":
            return a * b
        return torch.maximum(a, b) if self.kind == "maximum" else torch.minimum(a, b)


class ClippedReLU(nn.Module):
    """A ReLU clipped at `top`, optionally leaky, optionally with a threshold."""

    def __init__(self, top: float | None, slope: float, threshold: float) -> None:
        super().__init__()
        self.top, self.slope, self.threshold = top, slope, threshold

    def forward(self, x: Tensor) -> Tensor:
        """Return the activations."""
        low = self.slope * (x - self.threshold)
        high = x if self.top is None else x.clamp(max=self.top)
        return torch.where(x >= self.threshold, high, low)
