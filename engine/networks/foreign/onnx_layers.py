"""From ONNX nodes to PyTorch's modules and ours, if the library's copy weights or cannot be tapped.

Weights are copied only once, from their place in the file.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from torch import Tensor, nn

from engine.networks.foreign import layers
from engine.networks.foreign.onnx_modules import (
    Counted,
    Filled,
    Gathered,
    Joined,
    Product,
    Real,
    Release,
    Reshaped,
    Sizes,
    Sliced,
    is_real,
    taken,
)
from engine.networks.foreign.onnx_weights import REAL

Array = Any


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
    if kind == "Range" and not any(is_real(constants.get(n)) for n in node.input):
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
    """Return the convolution, after a layer that pads if PyTorch's own padding cannot do it."""
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
    """Return PyTorch's own norm of the last axis, if its weights are constant."""
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
    """Return PyTorch's own pool if it can do what ONNX asks for."""
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
