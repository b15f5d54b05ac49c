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
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from engine.networks.contents import nothing
from engine.networks.foreign.graph import Graph, GraphNode
from engine.networks.foreign.onnx_cleaning import Clean
from engine.networks.foreign.onnx_layers import linear, own
from engine.networks.foreign.onnx_modules import (
    ChannelsLast,
    FirstOutput,
    PickOutput,
    Reshaped,
    WithConstants,
    taken,
)
from engine.networks.foreign.unsupported import UnsupportedLayer


class _Unfilled(TorchFunctionMode):
    """While active, new layers are not initialized, which takes long for large ones."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if func in (Tensor.uniform_, Tensor.normal_, nn.init.kaiming_uniform_):
            return args[0] if args else (kwargs or {})["tensor"]
        return func(*args, **(kwargs or {}))


def build(
    made: Clean, opset: int, channels_last: bool, release: Callable[[], None] = nothing
) -> Graph:
    """Return the network of a clean graph, with copies of its weights.

    `release` is called whenever what was read is no longer needed. Raises `UnsupportedLayer` for
    operations that have no counterpart.
    """
    nodes = _needed(made)
    for node in nodes:
        if node.op_type == "BatchNormalization":
            _only_inference(node)
    steps: list[GraphNode] = []
    source = made.source
    if channels_last:
        steps.append(GraphNode("picture/channels_last", "channels_last", ChannelsLast(), (source,)))
    try:
        with _Unfilled():
            operations = []
            for node in nodes:
                ours = own(node, made.constants, release)
                operations.append(_theirs(node, made, opset) if ours is None else ours)
    except (NotImplementedError, KeyError, ValueError, TypeError, AttributeError) as error:
        raise UnsupportedLayer(f"an operation that cannot be built ({error})") from error
    for node, operation in _with_biases(nodes, operations, made):
        steps += _steps(node, operation, made, channels_last, release)
    return Graph(steps, source, made.output)


def _theirs(node: Any, made: Clean, opset: int) -> Any:
    """Return the library's module for a node. It gets one node at a time, since it copies weights."""
    from onnx import helper, numpy_helper
    from onnx2pytorch.convert.operations import convert_operations

    known = [n for n in dict.fromkeys(node.input) if n in made.constants]
    weights = [numpy_helper.from_array(np.asarray(made.constants[n]), n) for n in known]
    graph = helper.make_graph([node], "", [], [], weights)
    ((_, _, operation),) = convert_operations(graph, opset, 0, False)
    return operation


def _with_biases(
    nodes: Sequence[Any], operations: Sequence[Any], made: Clean
) -> Iterator[tuple[Any, Any]]:
    """Yield nodes and modules; a sum after a matrix product becomes the bias of its layer."""
    readers: dict[str, list[Any]] = {made.output: [None]}
    for node in nodes:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    gone = set()
    for node, operation in zip(nodes, operations, strict=True):
        after = readers.get(node.output[0], [])
        if node.op_type == "MatMul" and isinstance(operation, nn.Linear) and len(after) == 1:
            added = after[0]
            bias = [made.constants[n] for n in added.input if n in made.constants] if added else []
            if bias and added.op_type == "Add" and np.shape(bias[0]) == (operation.out_features,):
                operation = linear(operation.weight, taken(bias[0], nothing))
                node.output[0] = added.output[0]
                gone.add(added.output[0])
                yield node, operation
                continue
        if node.output[0] not in gone:
            yield node, operation


def _needed(made: Clean) -> list[Any]:
    wanted, kept = {made.output}, []
    for node in reversed(made.nodes):
        if wanted.intersection(node.output):
            kept.append(node)
            wanted.update(node.input)
    copies = []
    for node in reversed(kept):
        copies.append(type(node)())
        copies[-1].CopyFrom(node)
    return copies


def _steps(
    node: Any, operation: Any, made: Clean, channels_last: bool, release: Callable[[], None]
) -> list[GraphNode]:
    from onnx2pytorch.constants import MULTIOUTPUT_LAYERS, STANDARD_LAYERS

    if isinstance(operation, functools.partial) or not isinstance(operation, nn.Module):
        raise UnsupportedLayer(f"the operation {node.op_type}")
    inside = list(operation.modules())
    standard = any(isinstance(m, STANDARD_LAYERS) for m in inside)
    names = [n for n in node.input if n]
    moving = [n for n in names if n not in made.constants]
    module: nn.Module = operation
    if len(moving) < len(names) and not standard:
        module = WithConstants(operation, [made.constants.get(n) for n in names], release)
    first = "picture/channels_last" if channels_last else made.source
    keys = tuple(first if n == made.source else n for n in moving)
    if isinstance(module, Reshaped):
        keys = (*keys, made.source)
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


def _only_inference(node: Any) -> None:
    """Remove what the library does not know and inference does not need."""
    kept = [a for a in node.attribute if a.name in ("epsilon", "momentum")]
    if any(a.name == "training_mode" and a.i for a in node.attribute):
        raise UnsupportedLayer("a batch norm in training mode")
    del node.attribute[:]
    node.attribute.extend(kept)


def layer_name(node: Any) -> str:
    """Return a node's name: the exporter's, without its path marks."""
    scopes = next((p.value for p in node.metadata_props if p.key.endswith("name_scopes")), "")
    if scopes:  # torch's present exporter: "['', 'layer1', 'layer1.0', 'layer1.0.conv1', 'conv2d']"
        try:
            path = [str(s) for s in ast.literal_eval(scopes)]
        except (ValueError, SyntaxError):
            path = []
        if len(path) > 1 and not path[-2].startswith("_empty_nn_module"):  # no module's
            own = path[-2] or path[-1]
            return own.replace(".", "/")
    name = node.name or f"{node.op_type}_{node.output[0]}"
    parts = [p for p in name.split("/") if p]
    # torch's former exporter: "/layer1/layer1.0/conv1/Conv"
    kept = [
        p
        for i, p in enumerate(parts)
        if i + 1 == len(parts) or not parts[i + 1].startswith(p + ".")
    ]
    return re.sub(r"[^\w/+-]", "/", "/".join(kept)) or node.op_type
