"""From a clean ONNX graph to a `Graph` of modules under the exporter's own names.

The operations are onnx2pytorch's (0.6.0 of August 2026, opset 1 to 26 at 150 operations); how they
are called, named and fed is ours. It was tried against onnx2torch (1.5.15 of August 2024) on twelve
torchvision networks, each written by both of torch 2.15's exporters: onnx2torch, which ends at
opset 18, took none of the 24 files; onnx2pytorch took twelve, and all 24 once constants are folded
(`onnx_cleaning`). Its own model class is not used: it keeps every weight three times over, holds
joins as functions that cannot be tapped, and cannot be run without values.
"""

import ast
import functools
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from engine.networks.foreign import layers
from engine.networks.foreign.graph import Graph, GraphNode
from engine.networks.foreign.onnx_cleaning import Clean, UnsupportedOnnxNode


class _Unfilled(TorchFunctionMode):
    """While active, new layers are not filled with random numbers, which takes long for large ones."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if func in (Tensor.uniform_, Tensor.normal_, nn.init.kaiming_uniform_):
            return args[0] if args else (kwargs or {})["tensor"]
        return func(*args, **(kwargs or {}))


class Sizes(nn.Module):
    """The sizes of a tensor, as numbers on the CPU wherever the tensor is."""

    def forward(self, x: Tensor) -> Tensor:
        """Return (dimensions,) as int64."""
        return torch.tensor(tuple(x.shape))


class Joined(nn.Module):
    """Tensors behind each other along one axis."""

    def __init__(self, axis: int) -> None:
        super().__init__()
        self.axis = axis

    def forward(self, *parts: Tensor) -> Tensor:
        """Return the joined tensor."""
        return torch.cat(parts, self.axis)


class Sliced(nn.Module):
    """A part of a tensor, between places that may be computed; steps go forward only."""

    def forward(
        self, x: Tensor, starts: Any, ends: Any, axes: Any = None, steps: Any = None
    ) -> Tensor:
        """Return the part."""
        along = range(len(starts)) if axes is None else [int(n) for n in axes]
        strides = [1] * len(starts) if steps is None else [int(n) for n in steps]
        parts = [slice(None)] * x.dim()
        for axis, start, end, step in zip(along, starts, ends, strides, strict=True):
            parts[axis] = slice(int(start), int(end), step)
        return x[tuple(parts)]


class WithConstants(nn.Module):
    """An operation some of whose inputs are constants.

    Real numbers go where the module goes; whole ones (shapes, axes, places) stay on the CPU and keep
    their values even in a copy without memory.
    """

    def __init__(self, operation: nn.Module, constants: Sequence[Any]) -> None:
        """`constants` has None where an input comes from another layer."""
        super().__init__()
        self.operation = operation
        self._whole: list[Tensor | None] = []
        self._real: list[str] = []
        for place, value in enumerate(constants):
            tensor = None if value is None else torch.from_numpy(np.array(value))
            real = tensor is not None and tensor.is_floating_point()
            self._real.append(f"constant_{place}" if real else "")
            self._whole.append(None if real else tensor)
            if tensor is not None and real:
                self.register_buffer(f"constant_{place}", tensor.float())

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


class ChannelsLast(nn.Module):
    """(N, C, H, W) to the (N, H, W, C) that the network was written for."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the turned view."""
        return x.permute(0, 2, 3, 1)


class Scores(nn.Module):
    """Scores as (N, classes), whatever empty dimensions stand around them."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the flattened scores."""
        return x.flatten(1)


def build(made: Clean, opset: int, channels_last: bool) -> Graph:
    """Return the network of a clean graph. Raises `UnsupportedOnnxNode` for unknown operations."""
    from onnx import helper, numpy_helper
    from onnx2pytorch.convert.operations import convert_operations

    needed = _needed(made)
    wanted = {name for node in needed for name in node.input if name in made.constants}
    weights = [numpy_helper.from_array(np.asarray(made.constants[n]), n) for n in sorted(wanted)]
    for node in needed:
        _free_the_batch(node, weights, made)
        if node.op_type == "BatchNormalization":
            _only_inference(node)
    graph = helper.make_graph(needed, "network", [], [], weights)
    own = {n.output[0]: _own(n, made) for n in graph.node}
    todo = helper.make_graph(
        [n for n in graph.node if own[n.output[0]] is None], "", [], [], weights
    )
    try:
        with _Unfilled():
            theirs = {key: op for key, _, op in convert_operations(todo, opset, 0, False)}
    except (NotImplementedError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise UnsupportedOnnxNode(f"an operation that cannot be built ({error})") from error
    merged = {n.output[0]: n for n in todo.node}  # some were joined with the next
    steps: list[GraphNode] = []
    source = made.source
    if channels_last:
        steps.append(GraphNode("picture/channels_last", "channels_last", ChannelsLast(), (source,)))
    gone = {n.output[0] for n in graph.node if own[n.output[0]] is None} - merged.keys()
    for node in graph.node:
        key = node.output[0]
        if key in gone and not any(key in o.output for o in merged.values()):
            continue
        node = merged.get(key, node)
        operation = own[key] if own.get(key) is not None else theirs[key]
        steps += _steps(node, operation, made, channels_last)
    ordered = Graph(steps, source, made.output)
    return ordered


def _needed(made: Clean) -> list[Any]:
    wanted, kept = {made.output}, []
    for node in reversed(made.nodes):
        if wanted.intersection(node.output):
            kept.append(node)
            wanted.update(node.input)
    return kept[::-1]


def _steps(node: Any, operation: Any, made: Clean, channels_last: bool) -> list[GraphNode]:
    from onnx2pytorch.constants import MULTIOUTPUT_LAYERS, STANDARD_LAYERS

    if isinstance(operation, functools.partial) or not isinstance(operation, nn.Module):
        raise UnsupportedOnnxNode(f"the operation {node.op_type}")
    inside = list(operation.modules())
    standard = any(isinstance(m, STANDARD_LAYERS) for m in inside)
    names = [n for n in node.input if n]
    moving = [n for n in names if n not in made.constants]
    module: nn.Module = operation
    if len(moving) < len(names) and not standard:
        module = WithConstants(operation, [made.constants.get(n) for n in names])
    first = "picture/channels_last" if channels_last else made.source
    keys = tuple(first if n == made.source else n for n in moving)
    name = layer_name(node)
    several = any(isinstance(m, MULTIOUTPUT_LAYERS) for m in inside)
    if len(node.output) == 1:
        if several:
            module = FirstOutput(module)
        return [GraphNode(node.output[0], name, module, keys)]
    whole = f"{node.output[0]}/all"
    parts = [
        GraphNode(key, f"{name}_{place}", PickOutput(place), (whole,))
        for place, key in enumerate(node.output)
        if key
    ]
    return [GraphNode(whole, name, module, keys), *parts]


def _own(node: Any, made: Clean) -> nn.Module | None:
    """Return our module for operations that are ours already, else None."""
    kind = node.op_type
    attributes = {a.name: a for a in node.attribute}
    moving = [n for n in node.input if n and n not in made.constants]
    if kind == "Relu":
        return nn.ReLU()
    if kind == "Shape" and not attributes:
        return Sizes()
    steps = made.constants.get(node.input[4]) if len(node.input) > 4 else None
    if kind == "Slice" and len(node.input) > 2 and (steps is None or np.min(steps) > 0):
        return Sliced()
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
        return _clip(node, made, attributes)
    return None


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


def _clip(node: Any, made: Clean, attributes: Any) -> nn.Module | None:
    limits = []
    for place, word, open_end in ((1, "min", -np.inf), (2, "max", np.inf)):
        name = node.input[place] if len(node.input) > place else ""
        if name and name not in made.constants:
            return None
        value = float(made.constants[name]) if name else open_end
        limits.append(attributes[word].f if word in attributes else value)
    del node.input[1:]
    if limits == [0, np.inf]:
        return nn.ReLU()
    return nn.ReLU6() if limits == [0, 6] else nn.Hardtanh(limits[0], limits[1])


def _only_inference(node: Any) -> None:
    """Take off what the library does not know and inference does not need."""
    kept = [a for a in node.attribute if a.name in ("epsilon", "momentum")]
    if any(a.name == "training_mode" and a.i for a in node.attribute):
        raise UnsupportedOnnxNode("a batch norm in training mode")
    del node.attribute[:]
    node.attribute.extend(kept)


def _free_the_batch(node: Any, weights: list[Any], made: Clean) -> None:
    """Let a reshape keep the batch as it is, where the exporter wrote the 1 of its example."""
    from onnx import numpy_helper

    if node.op_type != "Reshape" or len(node.input) < 2 or node.input[1] not in made.constants:
        return
    shape = np.array(made.constants[node.input[1]])
    if shape.size > 1 and shape[0] == 1 and all(shape):
        del node.attribute[:]  # `allowzero`: there are none
        name = f"{node.output[0]}/shape"
        shape[0] = 0
        made.constants[name] = shape
        node.input[1] = name
        weights.append(numpy_helper.from_array(shape, name))


def layer_name(node: Any) -> str:
    """Return what to call a node: as the exporter does, without its path marks."""
    scopes = next((p.value for p in node.metadata_props if p.key.endswith("name_scopes")), "")
    if (
        scopes
    ):  # torch's exporter of today: "['', 'layer1', 'layer1.0', 'layer1.0.conv1', 'conv2d']"
        try:
            path = [str(s) for s in ast.literal_eval(scopes)]
        except (ValueError, SyntaxError):
            path = []
        if len(path) > 1:
            own = path[-2] or path[-1]
            return own.replace(".", "/")
    name = node.name or f"{node.op_type}_{node.output[0]}"
    parts = [p for p in name.split("/") if p]
    # torch's exporter of before: "/layer1/layer1.0/conv1/Conv"
    kept = [
        p
        for i, p in enumerate(parts)
        if i + 1 == len(parts) or not parts[i + 1].startswith(p + ".")
    ]
    return re.sub(r"[^\w/+-]", "/", "/".join(kept)) or node.op_type
