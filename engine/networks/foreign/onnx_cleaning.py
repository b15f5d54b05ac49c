"""Simplifying an ONNX graph to the floating-point operations on the picture.

Constants are folded, what inference does not need is dropped, and integers become real numbers.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from engine.networks.foreign.onnx_nodes import attribute, constant, tensor
from engine.networks.foreign.onnx_quantized import QUANTIZED, Rewriting
from engine.networks.foreign.onnx_weights import REAL, Weights
from engine.networks.foreign.unsupported import UnsupportedLayer

Array = Any

SKIPPED = {"Identity", "Dropout"}
FOLDED_LIMIT = 1 << 28
"""Most numbers of a constant that is computed."""


@dataclass
class Clean:
    """A graph as nodes and constants."""

    nodes: list[Any]
    constants: dict[str, Array]
    source: str
    output: str
    quantized: int = 0
    """How many nodes computed with integers."""
    ending: str = ""
    """Softmax or Sigmoid, if one was removed."""
    range: tuple[float, float] | None = None
    """Least and greatest value that a quantized network allows in its picture."""


def clean(model: Any, weights: Weights) -> Clean:
    """Return the simplified graph of a model and its large constants. Raises `UnsupportedLayer`."""
    known = {t.name for t in model.graph.initializer}
    inputs = [i.name for i in model.graph.input if i.name not in known]
    pictures = [i for i in model.graph.input if i.name in inputs and _rank(i) in (0, 4)]
    if len(inputs) != 1 or not pictures:
        raise UnsupportedLayer(f"{len(inputs)} inputs instead of one picture")
    made = simplified(model, weights)
    _without_ending(made)
    return made


def simplified(model: Any, weights: Weights) -> Clean:
    """Return the simplified graph of a model with any inputs, the first of which is its source.

    Raises `UnsupportedLayer`.
    """
    graph = model.graph
    constants = {
        t.name: weights.arrays[t.name] if t.name in weights.arrays else tensor(t)
        for t in graph.initializer
    }
    source = next((i.name for i in graph.input if i.name not in constants), "")
    cleaning = _Cleaning(constants, {"": ""}, weights=weights)
    opset = next((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), 0)
    for node in graph.node:
        cleaning.take(node, opset)
    output = cleaning.names.get(graph.output[0].name, graph.output[0].name)
    limits = cleaning.limits.get(source)
    return Clean(cleaning.nodes, constants, source, output, cleaning.quantized, range=limits)


def _rank(value: Any) -> int:
    return len(value.type.tensor_type.shape.dim)


@dataclass
class _Cleaning(Rewriting):
    weights: Weights = field(default_factory=Weights)
    sizes: set[str] = field(default_factory=set)
    """Values computed from the sizes of others: integers."""
    quantized: int = 0

    def take(self, node: Any, opset: int) -> None:
        """Keep, fold or replace a node."""
        inputs = [self.names.get(name, name) for name in node.input]
        del node.input[:]
        node.input.extend(inputs)
        kind, output = node.op_type, node.output[0]
        if kind == "Constant":
            known = self.weights.arrays.get(output)
            self.constants[output] = constant(node) if known is None else known
        elif kind in SKIPPED:
            self.names[output] = inputs[0]
        elif kind in QUANTIZED:
            self.quantized += 1
            QUANTIZED[kind](self, node)
        elif inputs and all(name in self.constants for name in inputs if name):
            self._fold(node, opset)
        elif kind == "Cast" and attribute(node, "to", 1) in REAL and inputs[0] not in self.sizes:
            self.names[output] = inputs[0]
        else:
            if node.domain not in ("", "ai.onnx"):
                raise UnsupportedLayer(f"the operation {node.domain}.{kind}")
            real = kind == "Cast" and attribute(node, "to", 1) in REAL
            known = all(name in self.sizes or name in self.constants for name in inputs if name)
            if kind == "Shape" or (known and inputs and not real):
                self.sizes.update(node.output)
            self.nodes.append(node)

    def _fold(self, node: Any, opset: int) -> None:
        from onnx import helper
        from onnx.reference import ReferenceEvaluator

        if node.op_type == "ConstantOfShape":
            shape = [int(n) for n in self.constants[node.input[0]]]
            if np.prod(shape, dtype="f8") > FOLDED_LIMIT:
                raise UnsupportedLayer("a constant that is too large")
            value = next((helper.get_attribute_value(a) for a in node.attribute), None)
            filled = tensor(value).reshape(-1)[0] if value is not None else np.float32(0)
            self.constants[node.output[0]] = np.full(shape, filled)
            return
        given = {n: self.constants[n] for n in node.input if n}
        infos = [
            helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(a.dtype), a.shape)
            for n, a in given.items()
        ]
        outputs = [helper.make_empty_tensor_value_info(n) for n in node.output]
        graph = helper.make_graph([node], "constants", infos, outputs)
        imports = [helper.make_opsetid("", opset)]
        found = ReferenceEvaluator(helper.make_model(graph, opset_imports=imports)).run(None, given)
        if any(np.size(a) > FOLDED_LIMIT for a in found):
            raise UnsupportedLayer("a constant that is too large")
        self.constants.update(zip(node.output, map(np.asarray, found), strict=True))


def _without_ending(made: Clean) -> None:
    """Remove the softmax (or sigmoid) at the end: scores are read before it."""
    last = next((n for n in reversed(made.nodes) if made.output in n.output), None)
    while last is not None and last.op_type in ("Clip", "Reshape", "Flatten"):
        # Quantized probabilities are clipped once more; zoo files reshape them.
        before = next((n for n in made.nodes if last.input[0] in n.output), None)
        if before is None or before.op_type not in ("Softmax", "Sigmoid", "Clip"):
            return
        last = before
    if last is not None and last.op_type in ("Softmax", "LogSoftmax", "Sigmoid"):
        made.ending, made.output = last.op_type, last.input[0]
