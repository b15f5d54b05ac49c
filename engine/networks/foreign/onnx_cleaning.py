"""Simplifying an ONNX graph to the floating-point operations on the picture.

Constants are folded, what inference does not need is dropped, and integers become the real numbers
that they stand for: of quantization there remain the limits, since exporters let them do a ReLU's
work. Roundings are not repeated; they have no useful gradient.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from engine.networks.foreign.onnx_weights import REAL, Weights

Array = Any

SKIPPED = {"Identity", "Dropout"}
FOLDED_LIMIT = 1 << 28
"""Numbers of a constant that is computed."""


class UnsupportedOnnxNode(Exception):
    """Something without a counterpart here; the message names it."""


@dataclass
class Clean:
    """A graph as nodes and constants."""

    nodes: list[Any]
    constants: dict[str, Array]
    source: str
    output: str
    quantized: int = 0
    """Nodes that computed with integers."""
    ending: str = ""
    """Softmax or Sigmoid that was taken off."""
    range: tuple[float, float] | None = None
    """Least and largest value that a quantized network lets its picture have."""


def clean(model: Any, weights: Weights) -> Clean:
    """Return the simplified graph of a model and its large constants. Raises `UnsupportedOnnxNode`."""
    graph = model.graph
    constants = {
        t.name: weights.arrays[t.name] if t.name in weights.arrays else _tensor(t)
        for t in graph.initializer
    }
    inputs = [i.name for i in graph.input if i.name not in constants]
    pictures = [i for i in graph.input if i.name in inputs and _rank(i) in (0, 4)]
    if len(inputs) != 1 or not pictures:
        raise UnsupportedOnnxNode(f"{len(inputs)} inputs instead of one picture")
    cleaning = _Cleaning(constants, {"": ""}, weights)
    opset = next((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), 0)
    for node in graph.node:
        cleaning.take(node, opset)
    output = cleaning.names.get(graph.output[0].name, graph.output[0].name)
    limits = cleaning.limits.get(inputs[0])
    made = Clean(cleaning.nodes, constants, inputs[0], output, cleaning.quantized, range=limits)
    _without_ending(made)
    return made


def _rank(value: Any) -> int:
    return len(value.type.tensor_type.shape.dim)


@dataclass
class _Cleaning:
    constants: dict[str, Array]
    names: dict[str, str]
    """Values that turned out to be other values."""
    weights: Weights
    nodes: list[Any] = field(default_factory=list)
    sizes: set[str] = field(default_factory=set)
    """Values that are computed from the sizes of others: whole numbers."""
    quantized: int = 0
    limits: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Values that are quantized: the least and largest that they can have."""

    def take(self, node: Any, opset: int) -> None:
        """Keep, fold or replace a node."""
        inputs = [self.names.get(name, name) for name in node.input]
        del node.input[:]
        node.input.extend(inputs)
        kind, output = node.op_type, node.output[0]
        if kind == "Constant":
            known = self.weights.arrays.get(output)
            self.constants[output] = _constant(node) if known is None else known
        elif kind in SKIPPED:
            self.names[output] = inputs[0]
        elif kind in QUANTIZED:
            self.quantized += 1
            QUANTIZED[kind](self, node)
        elif inputs and all(name in self.constants for name in inputs if name):
            self._fold(node, opset)
        elif kind == "Cast" and _attribute(node, "to", 1) in REAL and inputs[0] not in self.sizes:
            self.names[output] = inputs[0]
        else:
            if node.domain not in ("", "ai.onnx"):
                raise UnsupportedOnnxNode(f"the operation {node.domain}.{kind}")
            real = kind == "Cast" and _attribute(node, "to", 1) in REAL
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
                raise UnsupportedOnnxNode("a constant that is too large")
            value = next((helper.get_attribute_value(a) for a in node.attribute), None)
            filled = _tensor(value).reshape(-1)[0] if value is not None else np.float32(0)
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
            raise UnsupportedOnnxNode("a constant that is too large")
        self.constants.update(zip(node.output, map(np.asarray, found), strict=True))

    # -- integers ----------------------------------------------------------------------------------

    def constant(self, name: str, default: Any = 0) -> Array:
        if not name:
            return np.asarray(default)
        if name not in self.constants:
            raise UnsupportedOnnxNode("quantization whose scale depends on the picture")
        return self.constants[name]

    def real(self, values: Array, scale: Array, zero: Array, axis: int) -> Array:
        """Return what integers stand for; scale and zero point may be one for each of `axis`."""
        if np.ndim(scale) == 1 and np.size(scale) > 1:
            shape = [-1 if i == axis % values.ndim else 1 for i in range(values.ndim)]
            scale, zero = (
                np.reshape(scale, shape),
                np.reshape(zero, shape) if zero.size > 1 else zero,
            )
        shifted = values.astype("f4") - np.asarray(zero, "f4").reshape(np.shape(zero) or ())
        return (shifted * np.asarray(scale, "f4")).astype("f4")

    def add(self, kind: str, inputs: list[str], output: str, like: Any, **attributes: Any) -> None:
        from onnx import helper

        name = f"{like.name or kind}"
        made = helper.make_node(kind, inputs, [output], name=name, **attributes)
        made.metadata_props.extend(like.metadata_props)
        self.nodes.append(made)

    def store(self, name: str, values: Array) -> str:
        self.constants[name] = values
        return name

    def limited(self, source: str, output: str, scale: Array, zero: Array, node: Any) -> None:
        """Let `output` be `source` within what the quantized type can say."""
        if np.size(scale) != 1:
            self.names[output] = source
            return
        kind = np.iinfo(np.asarray(zero).dtype if np.asarray(zero).dtype.kind in "iu" else np.uint8)
        s, z = float(np.reshape(scale, -1)[0]), float(np.reshape(zero, -1)[0])
        limits = (kind.min - z) * s, (kind.max - z) * s
        self.limits[source] = limits
        low, high = (
            self.store(f"{output}/{word}", np.float32(value))
            for word, value in zip(("low", "high"), limits, strict=True)
        )
        self.add("Clip", [source, low, high], output, node)


def _quantize(c: _Cleaning, node: Any) -> None:
    source, scale = node.input[0], c.constant(node.input[1])
    zero = c.constant(node.input[2] if len(node.input) > 2 else "", np.uint8(0))
    if source in c.constants:
        raise UnsupportedOnnxNode("weights that are quantized when the network runs")
    c.limited(source, node.output[0], scale, zero, node)


def _dequantize(c: _Cleaning, node: Any) -> None:
    source, output = node.input[0], node.output[0]
    if source not in c.constants:
        c.names[output] = source
        return
    scale = c.constant(node.input[1])
    zero = c.constant(node.input[2] if len(node.input) > 2 else "")
    axis = _attribute(node, "axis", 1)
    c.constants[output] = c.real(c.constants[source], scale, zero, axis)


def _dynamic(c: _Cleaning, node: Any) -> None:
    """DynamicQuantizeLinear: the picture's own range; as if it were 1 for each step."""
    quantized, scale, zero = node.output
    c.names[quantized] = node.input[0]
    c.store(scale, np.float32(1))
    c.store(zero, np.uint8(0))


def _integer(kind: str, axis: int) -> Callable[[_Cleaning, Any], None]:
    def make(c: _Cleaning, node: Any) -> None:
        weight = node.input[1]
        zero = c.constant(node.input[3] if len(node.input) > 3 else "")
        values = c.real(c.constant(weight), np.float32(1), zero, axis)
        made = c.store(f"{node.output[0]}/weight", values)
        c.add(kind, [node.input[0], made], node.output[0], node, **_attributes(node))

    return make


def _qlinear_conv(c: _Cleaning, node: Any) -> None:
    x, xs, _, w, ws, wz, ys, yz, *bias = node.input
    output = node.output[0]
    weight = c.real(c.constant(w), c.constant(ws), c.constant(wz), 0)
    inputs = [x, c.store(f"{output}/weight", weight)]
    if bias and bias[0]:
        scale = np.reshape(c.constant(xs), -1) * np.reshape(c.constant(ws), -1)
        values = (c.constant(bias[0]) * scale).astype("f4")
        inputs.append(c.store(f"{output}/bias", values))
    c.add("Conv", inputs, f"{output}/free", node, **_attributes(node))
    c.limited(f"{output}/free", output, c.constant(ys), c.constant(yz), node)


def _qlinear_matmul(c: _Cleaning, node: Any) -> None:
    a, _, _, b, bs, bz, ys, yz = node.input
    output = node.output[0]
    weight = c.real(c.constant(b), c.constant(bs), c.constant(bz), 1)
    c.add("MatMul", [a, c.store(f"{output}/weight", weight)], f"{output}/free", node)
    c.limited(f"{output}/free", output, c.constant(ys), c.constant(yz), node)


def _qgemm(c: _Cleaning, node: Any) -> None:
    """Return onnxruntime's Gemm of integers as one of numbers."""
    a, a_scale, _, b, b_scale, b_zero, *rest = node.input
    bias, ys, yz = [*rest, "", "", ""][:3]
    output = node.output[0]
    attributes = _attributes(node)
    columns = 0 if attributes.get("transB") else 1
    weight = c.real(c.constant(b), c.constant(b_scale), c.constant(b_zero), columns)
    inputs = [a, c.store(f"{output}/weight", weight)]
    if bias:
        scale = np.reshape(c.constant(a_scale), -1) * np.reshape(c.constant(b_scale), -1)
        inputs.append(c.store(f"{output}/bias", (c.constant(bias) * scale).astype("f4")))
    free = f"{output}/free" if ys else output
    c.add("Gemm", inputs, free, node, **attributes)
    if ys:
        c.limited(free, output, c.constant(ys), c.constant(yz), node)


def _qlinear_pair(kind: str) -> Callable[[_Cleaning, Any], None]:
    """Onnxruntime's QLinearAdd and QLinearMul."""

    def make(c: _Cleaning, node: Any) -> None:
        a, a_scale, a_zero, b, b_scale, b_zero, ys, yz = node.input
        output = node.output[0]
        parts = []
        for name, scale, zero in ((a, a_scale, a_zero), (b, b_scale, b_zero)):
            if name in c.constants:
                values = c.real(c.constants[name], c.constant(scale), c.constant(zero), 0)
                name = c.store(f"{output}/{name}", values)
            parts.append(name)
        c.add(kind, parts, f"{output}/free", node)
        c.limited(f"{output}/free", output, c.constant(ys), c.constant(yz), node)

    return make


def _qlinear_pool(c: _Cleaning, node: Any) -> None:
    if _attribute(node, "channels_last", 0):
        raise UnsupportedOnnxNode("a quantized mean over channels-last maps")
    c.add("GlobalAveragePool", [node.input[0]], node.output[0], node)


def _qlinear_concat(c: _Cleaning, node: Any) -> None:
    ys, yz, *rest = node.input
    output = node.output[0]
    c.add("Concat", list(rest[::3]), f"{output}/free", node, axis=_attribute(node, "axis", 1))
    c.limited(f"{output}/free", output, c.constant(ys), c.constant(yz), node)


QUANTIZED: dict[str, Callable[[_Cleaning, Any], None]] = {
    "QuantizeLinear": _quantize,
    "DequantizeLinear": _dequantize,
    "DynamicQuantizeLinear": _dynamic,
    "ConvInteger": _integer("Conv", 0),
    "MatMulInteger": _integer("MatMul", 1),
    "QLinearConv": _qlinear_conv,
    "QLinearMatMul": _qlinear_matmul,
    "QGemm": _qgemm,
    "QLinearAdd": _qlinear_pair("Add"),
    "QLinearMul": _qlinear_pair("Mul"),
    "QLinearGlobalAveragePool": _qlinear_pool,
    "QLinearConcat": _qlinear_concat,
}


def _without_ending(made: Clean) -> None:
    """Take off the softmax (or sigmoid) at the end: scores are read before it."""
    last = next((n for n in reversed(made.nodes) if made.output in n.output), None)
    while last is not None and last.op_type in ("Clip", "Reshape", "Flatten"):
        # Quantized probabilities are limited once more; zoo files reshape them.
        before = next((n for n in made.nodes if last.input[0] in n.output), None)
        if before is None or before.op_type not in ("Softmax", "Sigmoid", "Clip"):
            return
        last = before
    if last is not None and last.op_type in ("Softmax", "LogSoftmax", "Sigmoid"):
        made.ending, made.output = last.op_type, last.input[0]


def _attribute(node: Any, name: str, default: Any) -> Any:
    return _attributes(node).get(name, default)


def _attributes(node: Any) -> dict[str, Any]:
    from onnx import helper

    return {a.name: helper.get_attribute_value(a) for a in node.attribute}


def _constant(node: Any) -> Array:
    from onnx import helper

    (attribute,) = node.attribute
    value = helper.get_attribute_value(attribute)
    if attribute.name == "value":
        return _tensor(value)
    kind = {"value_float": "f4", "value_floats": "f4", "value_int": "i8", "value_ints": "i8"}
    if attribute.name not in kind:
        raise UnsupportedOnnxNode(f"a constant of the kind {attribute.name}")
    return np.asarray(value, kind[attribute.name])


def _tensor(value: Any) -> Array:
    from onnx import numpy_helper

    return numpy_helper.to_array(value)
