"""Integers of ONNX networks become the real numbers that they stand for.

Of quantization only the limits remain, since exporters let them do a ReLU's work. Rounding is not
repeated: it has no useful gradient.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from engine.networks.foreign.onnx_nodes import attribute, attributes
from engine.networks.foreign.unsupported import UnsupportedLayer

Array = Any


@dataclass
class Rewriting:
    """Nodes and constants of a graph as far as it is rewritten."""

    constants: dict[str, Array]
    names: dict[str, str]
    """Values that turned out to be other values."""
    nodes: list[Any] = field(default_factory=list)
    limits: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Quantized values: the least and greatest that they can have."""

    def constant(self, name: str, default: Any = 0) -> Array:
        """Return a constant, or `default` for no name. Raises `UnsupportedLayer` for other values."""
        if not name:
            return np.asarray(default)
        if name not in self.constants:
            raise UnsupportedLayer("quantization whose scale depends on the picture")
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
        """Append a node in place of `like`."""
        from onnx import helper

        name = f"{like.name or kind}"
        made = helper.make_node(kind, inputs, [output], name=name, **attributes)
        made.metadata_props.extend(like.metadata_props)
        self.nodes.append(made)

    def store(self, name: str, values: Array) -> str:
        """Keep a constant; return its name."""
        self.constants[name] = values
        return name

    def limited(self, source: str, output: str, scale: Array, zero: Array, node: Any) -> None:
        """Make `output` be `source`, clipped to the range of the quantized type."""
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


def _quantize(c: Rewriting, node: Any) -> None:
    source, scale = node.input[0], c.constant(node.input[1])
    zero = c.constant(node.input[2] if len(node.input) > 2 else "", np.uint8(0))
    if source in c.constants:
        raise UnsupportedLayer("weights that are quantized when the network runs")
    c.limited(source, node.output[0], scale, zero, node)


def _dequantize(c: Rewriting, node: Any) -> None:
    source, output = node.input[0], node.output[0]
    if source not in c.constants:
        c.names[output] = source
        return
    scale = c.constant(node.input[1])
    zero = c.constant(node.input[2] if len(node.input) > 2 else "")
    axis = attribute(node, "axis", 1)
    c.constants[output] = c.real(c.constants[source], scale, zero, axis)


def _dynamic(c: Rewriting, node: Any) -> None:
    """DynamicQuantizeLinear, whose range is the picture's own: treated as if a step were 1."""
    quantized, scale, zero = node.output
    c.names[quantized] = node.input[0]
    c.store(scale, np.float32(1))
    c.store(zero, np.uint8(0))


def _integer(kind: str, axis: int) -> Callable[[Rewriting, Any], None]:
    def make(c: Rewriting, node: Any) -> None:
        weight = node.input[1]
        zero = c.constant(node.input[3] if len(node.input) > 3 else "")
        values = c.real(c.constant(weight), np.float32(1), zero, axis)
        made = c.store(f"{node.output[0]}/weight", values)
        c.add(kind, [node.input[0], made], node.output[0], node, **attributes(node))

    return make


def _qlinear_conv(c: Rewriting, node: Any) -> None:
    x, xs, _, w, ws, wz, ys, yz, *bias = node.input
    output = node.output[0]
    weight = c.real(c.constant(w), c.constant(ws), c.constant(wz), 0)
    inputs = [x, c.store(f"{output}/weight", weight)]
    if bias and bias[0]:
        scale = np.reshape(c.constant(xs), -1) * np.reshape(c.constant(ws), -1)
        values = (c.constant(bias[0]) * scale).astype("f4")
        inputs.append(c.store(f"{output}/bias", values))
    c.add("Conv", inputs, f"{output}/free", node, **attributes(node))
    c.limited(f"{output}/free", output, c.constant(ys), c.constant(yz), node)


def _qlinear_matmul(c: Rewriting, node: Any) -> None:
    a, _, _, b, bs, bz, ys, yz = node.input
    output = node.output[0]
    weight = c.real(c.constant(b), c.constant(bs), c.constant(bz), 1)
    c.add("MatMul", [a, c.store(f"{output}/weight", weight)], f"{output}/free", node)
    c.limited(f"{output}/free", output, c.constant(ys), c.constant(yz), node)


def _qgemm(c: Rewriting, node: Any) -> None:
    """Replace onnxruntime's Gemm of integers by one of real numbers."""
    a, a_scale, _, b, b_scale, b_zero, *rest = node.input
    bias, ys, yz = [*rest, "", "", ""][:3]
    output = node.output[0]
    said = attributes(node)
    columns = 0 if said.get("transB") else 1
    weight = c.real(c.constant(b), c.constant(b_scale), c.constant(b_zero), columns)
    inputs = [a, c.store(f"{output}/weight", weight)]
    if bias:
        scale = np.reshape(c.constant(a_scale), -1) * np.reshape(c.constant(b_scale), -1)
        inputs.append(c.store(f"{output}/bias", (c.constant(bias) * scale).astype("f4")))
    free = f"{output}/free" if ys else output
    c.add("Gemm", inputs, free, node, **said)
    if ys:
        c.limited(free, output, c.constant(ys), c.constant(yz), node)


def _qlinear_pair(kind: str) -> Callable[[Rewriting, Any], None]:
    """Onnxruntime's QLinearAdd and QLinearMul."""

    def make(c: Rewriting, node: Any) -> None:
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


def _qlinear_pool(c: Rewriting, node: Any) -> None:
    if attribute(node, "channels_last", 0):
        raise UnsupportedLayer("a quantized mean over channels-last maps")
    c.add("GlobalAveragePool", [node.input[0]], node.output[0], node)


def _qlinear_concat(c: Rewriting, node: Any) -> None:
    ys, yz, *rest = node.input
    output = node.output[0]
    c.add("Concat", list(rest[::3]), f"{output}/free", node, axis=attribute(node, "axis", 1))
    c.limited(f"{output}/free", output, c.constant(ys), c.constant(yz), node)


QUANTIZED: dict[str, Callable[[Rewriting, Any], None]] = {
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
