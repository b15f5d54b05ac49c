"""The layers of ONNX networks that are ours: what the library copies, cannot tap or lays out otherwise.

Weights are copied once, from where they lie in their file.
"""

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from engine.networks.contents import nothing
from engine.networks.foreign import layers
from engine.networks.foreign.onnx_weights import REAL
from engine.networks.formats.mapped import copied

Array = Any
Release = Callable[[], None]
"""Gives back the memory of what was read from a file."""


def taken(values: Array, release: Release) -> Tensor:
    """Return real numbers as a tensor of float32 that lies in no file."""
    values = np.asarray(values)
    if not values.flags.c_contiguous or not values.flags.writeable:
        values = values.copy()
    if values.flags.owndata:  # what was computed here: nobody else changes it
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
    """Whole numbers, which stay on the CPU, as real ones, which are where the network is."""

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
            else:  # which PyTorch has no slices for
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
    """Another shape, in whose beginning the 1 of the exporter's example becomes the batch."""

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
            if -1 in shape[1:] and not len(picture):  # of nothing, PyTorch cannot tell the rest
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
    """Whole numbers from a start to below an end, on the CPU."""

    def forward(self, start: Any, end: Any, step: Any) -> Tensor:
        """Return them."""
        return torch.arange(int(start), int(end), int(step))


class WithConstants(nn.Module):
    """An operation some of whose inputs are constants.

    Real numbers go where the module goes; whole ones (shapes, axes, places) stay on the CPU and keep
    their values even in a copy without memory.
    """

    def __init__(self, operation: nn.Module, constants: Sequence[Any], release: Release) -> None:
        """`constants` has None where an input comes from another layer."""
        super().__init__()
        self.operation = operation
        self._whole: list[Tensor | None] = []
        self._real: list[str] = []
        for place, value in enumerate(constants):
            real = _is_real(value)
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
        """Return the output of that number."""
        return outputs[self.place]


class Product(nn.Module):
    """The product of two matrices, or of stacks of them."""

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Return the product."""
        return torch.matmul(first, second)


class ChannelsLast(nn.Module):
    """(N, C, H, W) to the (N, H, W, C) that the network was written for."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the turned view."""
        return x.permute(0, 2, 3, 1)


class Scores(nn.Module):
    """Scores as (N, classes), without empty dimensions."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the flattened scores."""
        return x.flatten(1)


def _is_real(values: Any) -> bool:
    return values is not None and np.asarray(values).dtype.kind == "f"


def own(node: Any, constants: Mapping[str, Array], release: Release) -> nn.Module | None:
    """Return our module for operations that are ours, else None."""
    from onnx import numpy_helper

    kind = node.op_type
    attributes = {a.name: a for a in node.attribute}
    moving = [n for n in node.input if n and n not in constants]
    if kind in ("Conv", "Gemm", "MatMul") and moving:
        return _weighted(node, constants, release)
    if kind == "LayerNormalization" and len(node.output) == 1:
        return _layer_norm(node, constants, attributes, release)
    if kind == "Relu":
        return nn.ReLU()
    if kind == "Shape":
        return Sizes(*(attributes[word].i for word in ("start", "end") if word in attributes))
    if kind == "Cast" and attributes["to"].i in REAL:
        return Real()
    if kind == "Reshape" and len(node.input) > 1 and node.input[1] in constants:
        shape = np.asarray(constants[node.input[1]]).tolist()
        del node.input[1:]
        return Reshaped(shape, not ("allowzero" in attributes and attributes["allowzero"].i))
    if kind == "ConstantOfShape":
        filling = attributes.get("value")
        return Filled(np.float32(0) if filling is None else numpy_helper.to_array(filling.t))
    if kind == "Range" and not any(_is_real(constants.get(n)) for n in node.input):
        return Counted()
    if kind == "Slice" and len(node.input) > 2:
        return Sliced()
    if kind == "Gather":
        return Gathered(attributes["axis"].i if "axis" in attributes else 0)
    if kind == "GlobalAveragePool":
        return nn.AdaptiveAvgPool2d(1)
    if kind == "Concat":
        return Joined(attributes["axis"].i)
    if kind in ("Add", "Sum", "Mul", "Sub") and len(moving) == len(node.input) > 1:
        words = {"Add": "add", "Sum": "add", "Mul": "multiply", "Sub": "subtract"}
        return layers.Combine(words[kind])
    if kind == "MaxPool" and len(node.output) == 1:
        return _max_pool(attributes)
    if kind == "Flatten":
        return nn.Flatten(attributes["axis"].i if "axis" in attributes else 1)
    if kind == "Clip":
        return _clip(node, constants, attributes)
    return None


def _weighted(node: Any, constants: Mapping[str, Array], release: Release) -> nn.Module | None:
    """Return a convolution or a linear layer, if its weights are constant and its picture is not."""
    picture, weight, *rest = node.input
    bias = rest[0] if rest else ""
    if node.op_type == "MatMul" and (
        picture in constants or np.ndim(constants.get(weight, np.empty((0, 0)))) != 2
    ):
        return Product()
    if picture in constants or weight not in constants or (bias and bias not in constants):
        return None
    numbers = taken(constants[weight], release)
    added = taken(constants[bias], release) if bias else None
    if node.op_type == "Conv":
        return _convolution(node, numbers, added)
    factors = {a.name: a for a in node.attribute}
    if node.op_type == "Gemm":
        if "transA" in factors and factors["transA"].i:
            return None
        if "alpha" in factors and factors["alpha"].f != 1:
            numbers = numbers * factors["alpha"].f
        if "beta" in factors and factors["beta"].f != 1 and added is not None:
            added = added * factors["beta"].f
    turned = "transB" in factors and factors["transB"].i
    return linear(numbers if turned else numbers.T, added)


def linear(weight: Tensor, bias: Tensor | None) -> nn.Linear:
    """Return a linear layer with a weight (outputs, inputs)."""
    made = nn.Linear(weight.shape[1], weight.shape[0], bias is not None, device="meta")
    made.weight = nn.Parameter(weight, False)
    if bias is not None:
        made.bias = nn.Parameter(bias, False)
    return made


def _convolution(node: Any, weight: Tensor, bias: Tensor | None) -> nn.Module:
    """Return the convolution, behind a layer that pads where PyTorch's own padding cannot say it."""
    from onnx2pytorch.convert.attribute import extract_attributes
    from onnx2pytorch.operations import AutoPad

    settings = extract_attributes(node)
    kernel = settings.pop("kernel_size", tuple(weight.shape[2:]))
    groups, auto = settings.pop("groups", 1), settings.pop("auto_pad", "")
    padding = settings.pop("padding", 0)
    before = padding if isinstance(padding, nn.Module) else None
    if auto.startswith("SAME"):
        stride, dilation = settings.get("stride", 1), settings.get("dilation", 1)
        before = AutoPad(kernel, stride, dilation, mode=auto)
    kind = {3: nn.Conv1d, 4: nn.Conv2d, 5: nn.Conv3d}[weight.dim()]
    made = kind(
        weight.shape[1] * groups,
        weight.shape[0],
        kernel,
        groups=groups,
        padding=0 if before is not None or auto else padding,
        bias=bias is not None,
        device="meta",
        **settings,
    )
    made.weight = nn.Parameter(weight, False)
    if bias is not None:
        made.bias = nn.Parameter(bias, False)
    return made if before is None else nn.Sequential(before, made)


def _layer_norm(
    node: Any, constants: Mapping[str, Array], attributes: Any, release: Release
) -> nn.Module | None:
    """Return PyTorch's own norm of the last axis, if its numbers are constant."""
    last = "axis" not in attributes or attributes["axis"].i == -1
    picture, *names = (name for name in node.input if name)
    if not last or picture in constants or not constants.keys() >= set(names):
        return None
    weight, *bias = (taken(constants[name], release) for name in names)
    del node.input[1:]
    eps = attributes["epsilon"].f if "epsilon" in attributes else 1e-5
    made = nn.LayerNorm(weight.shape, eps, bias=bool(bias), device="meta")
    made.weight = nn.Parameter(weight, False)
    if bias:
        made.bias = nn.Parameter(bias[0], False)
    return made


def _max_pool(attributes: Any) -> nn.Module | None:
    """Return PyTorch's own pool where it can say what ONNX asks for."""
    kernel = tuple(attributes["kernel_shape"].ints)
    pads = tuple(attributes["pads"].ints) if "pads" in attributes else (0, 0, 0, 0)
    auto = attributes["auto_pad"].s if "auto_pad" in attributes else b"NOTSET"
    even = (
        len(kernel) == 2
        and pads[:2] == pads[2:]
        and all(2 * p <= k for p, k in zip(pads, kernel, strict=False))
    )
    if not even or auto != b"NOTSET" or "storage_order" in attributes:
        return None
    stride = tuple(attributes["strides"].ints) if "strides" in attributes else 1
    dilation = tuple(attributes["dilations"].ints) if "dilations" in attributes else 1
    ceil = "ceil_mode" in attributes and bool(attributes["ceil_mode"].i)
    return nn.MaxPool2d(kernel, stride, pads[:2], dilation, ceil_mode=ceil)


def _clip(node: Any, constants: Mapping[str, Array], attributes: Any) -> nn.Module | None:
    limits = []
    for place, word, open_end in ((1, "min", -np.inf), (2, "max", np.inf)):
        name = node.input[place] if len(node.input) > place else ""
        if name and name not in constants:
            return None
        value = float(constants[name]) if name else open_end
        limits.append(attributes[word].f if word in attributes else value)
    del node.input[1:]
    if limits == [0, np.inf]:
        return nn.ReLU()
    return nn.ReLU6() if limits == [0, 6] else nn.Hardtanh(limits[0], limits[1])
