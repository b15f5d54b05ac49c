"""Modules for ONNX operations that PyTorch or the library lack, or that could not be tapped."""

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from engine.networks.contents import nothing
from engine.networks.formats.mapped import copied

Array = Any
Release = Callable[[], None]
"""Releases the memory of what was read from a file."""


def taken(values: Array, release: Release) -> Tensor:
    """Return real numbers as a float32 tensor that does not lie in a file."""
    values = np.asarray(values)
    if not values.flags.c_contiguous or not values.flags.writeable:
        values = values.copy()
    if values.flags.owndata:  # computed here: nobody else changes it
        return torch.from_numpy(values).float()
    return copied(torch.from_numpy(values), torch.float32, release)


class Sizes(nn.Module):
    """The sizes of a tensor, or some of them, as numbers on the CPU wherever the tensor is."""

    def __init__(self, start: int = 0, end: int | None = None) -> None:
        super().__init__()
        self.part = slice(start, end)

    def forward(self, x: Tensor) -> Tensor:
        """Return (dimensions,) as int64."""
        return torch.tensor(tuple(x.shape)[self.part], dtype=torch.int64)


class Real(nn.Module):
    """Whole numbers, which stay on the CPU, turned into real ones, which are where the network is."""

    here: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("here", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        """Return the same numbers."""
        return x.to(self.here)


class Joined(nn.Module):
    """Tensors concatenated along one axis."""

    def __init__(self, axis: int) -> None:
        super().__init__()
        self.axis = axis

    def forward(self, *parts: Tensor) -> Tensor:
        """Return the joined tensor."""
        return torch.cat(parts, self.axis)


class Sliced(nn.Module):
    """A slice of a tensor between indices that may be computed, in either direction."""

    def forward(
        self, x: Tensor, starts: Any, ends: Any, axes: Any = None, steps: Any = None
    ) -> Tensor:
        """Return the part."""
        along = range(len(starts)) if axes is None else [int(n) for n in axes]
        strides = [1] * len(starts) if steps is None else [int(n) for n in steps]
        parts = [slice(None)] * x.dim()
        for axis, start, end, step in zip(along, starts, ends, strides, strict=True):
            first, behind, _ = slice(int(start), int(end), step).indices(x.shape[axis])
            if step > 0:
                parts[axis] = slice(first, behind, step)
            else:  # PyTorch has no backward slices
                places = torch.arange(first, behind, step, device=x.device)
                x = x.index_select(axis, places)
        return x[tuple(parts)]


class Gathered(nn.Module):
    """The parts of a tensor at places along one axis."""

    def __init__(self, axis: int) -> None:
        super().__init__()
        self.axis = axis

    def forward(self, x: Tensor, places: Tensor) -> Tensor:
        """Return the parts, in the shape of `places`."""
        return x[(slice(None),) * (self.axis % x.dim()) + (places.long(),)]


class Reshaped(nn.Module):
    """Another shape, whose leading 1, from the exporter's example, becomes the batch."""

    def __init__(self, shape: Sequence[int], zeros_copy: bool) -> None:
        """`zeros_copy`: 0 stands for the length that the tensor has there."""
        super().__init__()
        self.shape, self.zeros_copy = tuple(shape), zeros_copy

    def forward(self, x: Tensor, picture: Tensor) -> Tensor:
        """Return the same numbers in the new shape; `picture` is what the network was given."""
        shape = list(self.shape)
        if self.zeros_copy:
            shape = [n or x.shape[place] for place, n in enumerate(shape)]
        if len(shape) > 1 and shape[0] == 1 and len(x) == len(picture):
            shape[0] = len(picture)
            if -1 in shape[1:] and not len(picture):  # with an empty batch, PyTorch cannot infer it
                rest = prod(x.shape[1:]) // -prod(shape[1:])
                shape = [rest if n == -1 else n for n in shape]
        return x.reshape(shape)


class Filled(nn.Module):
    """A tensor full of one number, in a shape that is computed."""

    def __init__(self, value: Array) -> None:
        super().__init__()
        self.value = WithConstants(nn.Identity(), [np.reshape(value, -1)[:1]], nothing)

    def forward(self, shape: Tensor) -> Tensor:
        """Return the tensor: whole numbers on the CPU, real ones where the module is."""
        filled: Tensor = self.value().expand(tuple(int(n) for n in shape))
        return filled


class Counted(nn.Module):
    """Whole numbers from a start up to, but not including, an end, on the CPU."""

    def forward(self, start: Any, end: Any, step: Any) -> Tensor:
        """Return them."""
        return torch.arange(int(start), int(end), int(step))


class WithConstants(nn.Module):
    """An operation some of whose inputs are constants.

    Real numbers go where the module goes; whole ones (shapes, axes, places) stay on the CPU and keep
    their values even in a copy without memory.
    """

    def __init__(self, operation: nn.Module, constants: Sequence[Any], release: Release) -> None:
        """`constants` has None for an input that comes from another layer."""
        super().__init__()
        self.operation = operation
        self._whole: list[Tensor | None] = []
        self._real: list[str] = []
        for place, value in enumerate(constants):
            real = is_real(value)
            whole = None if real or value is None else torch.from_numpy(np.array(value))
            self._real.append(f"constant_{place}" if real else "")
            self._whole.append(whole)
            if real:
                self.register_buffer(f"constant_{place}", taken(value, release))

    def forward(self, *given: Tensor) -> Any:
        """Return what the operation makes of the inputs in their order."""
        rest = iter(given)
        values = []
        for real, whole in zip(self._real, self._whole, strict=True):
            values.append(
                getattr(self, real) if real else whole if whole is not None else next(rest)
            )
        return self.operation(*values)


class FirstOutput(nn.Module):
    """The first of several outputs."""

    def __init__(self, operation: nn.Module) -> None:
        super().__init__()
        self.operation = operation

    def forward(self, *given: Tensor) -> Tensor:
        """Return the first output."""
        given_back = self.operation(*given)
        first: Tensor = given_back[0] if isinstance(given_back, (tuple, list)) else given_back
        return first


class PickOutput(nn.Module):
    """One of several outputs of a layer."""

    def __init__(self, place: int) -> None:
        super().__init__()
        self.place = place

    def forward(self, outputs: Sequence[Tensor]) -> Tensor:
        """Return the output with that number."""
        return outputs[self.place]


class Product(nn.Module):
    """The product of two matrices, or of stacks of them."""

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Return the product."""
        return torch.matmul(first, second)


class ChannelsLast(nn.Module):
    """(N, C, H, W) to the (N, H, W, C) that the network was written for."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the view with its axes permuted."""
        return x.permute(0, 2, 3, 1)


class Scores(nn.Module):
    """Scores as (N, classes), without empty dimensions."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the flattened scores."""
        return x.flatten(1)


def is_real(values: Any) -> bool:
    """Return whether a constant holds real numbers."""
    return values is not None and np.asarray(values).dtype.kind == "f"
