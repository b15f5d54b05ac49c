"""ONNX files of networks that paint: only their numbers are taken, since what they compute is known.

The graphs themselves have a fixed size, or compute with integers; without them any size works.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from engine.errors import BadInput
from engine.networks.foreign.extras import needs
from engine.stylization.formats import magenta
from engine.stylization.formats.half import Half, told
from engine.stylization.johnson import johnson_plan
from engine.stylization.network import StyleNetwork
from engine.stylization.painter import filled

LICENCE_ZOO = "BSD-3-Clause, if it is one of the ONNX zoo's"


class NotPainting(BadInput):
    """An ONNX file of another network, or one that cannot be read."""


Array = Any


@dataclass(frozen=True)
class Layer:
    """A node that has numbers, and its attributes as far as they matter here."""

    kind: str
    name: str
    """The name of its first array, from the exporter."""
    arrays: tuple[Array, ...]
    """They may lie in the file until they are used."""
    stride: int = 1

    @property
    def numbers(self) -> tuple[Tensor, ...]:
        """Copies of its arrays."""
        return tuple(as_tensor(array) for array in self.arrays)


@dataclass(frozen=True)
class Graph:
    """A graph's layers with numbers, and all constants by name; integers become real numbers."""

    layers: tuple[Layer, ...]
    constants: dict[str, Array]
    kinds: tuple[str, ...]
    """The kinds of all its nodes."""
    integers: bool
    """Whether the file computes with integers."""


def as_tensor(array: Array) -> Tensor:
    """Return a copy of an array, in float32."""
    return torch.from_numpy(array.astype("f4"))


def read_onnx(path: Path) -> StyleNetwork | Half:
    """Return the network in an ONNX file, or the half of one.

    Raises `BadInput` for damaged files, for other networks, and if the library `onnx` is missing.
    """
    needs("onnx", "onnx", path)
    graph = read_graph(path)
    found = _one_style(graph, path)
    if found is None and magenta.MANY in graph.constants:
        numbers = {n: as_tensor(a) for n, a in graph.constants.items() if a.dtype.kind == "f"}
        found = magenta.many_styles(numbers, path)
    if found is not None:
        return found
    if magenta.HALVES & {layer.name for layer in graph.layers}:
        tensors = {}
        for layer in graph.layers:
            weight, *bias = layer.numbers
            tensors[layer.name] = weight
            if bias:
                tensors[f"{layer.name.rpartition('/')[0]}/biases"] = bias[0]
        half = magenta.half(tensors, "reflect", path, "ONNX", graph.integers)
        if half is not None:
            return half
    raise NotPainting(
        f"{path} is an ONNX network, but not a style network of a known kind: known are those of the "
        "ONNX zoo (fast_neural_style) and Magenta's"
    )


def read_graph(path: Path) -> Graph:
    """Return the layers with numbers of an ONNX file. Raises `BadInput` for damaged ones."""
    from engine.networks.foreign.onnx_cleaning import simplified
    from engine.networks.foreign.onnx_nodes import attributes
    from engine.networks.foreign.onnx_weights import load
    from engine.networks.foreign.unsupported import UnsupportedLayer

    try:
        model, weights = load(path)
    except BadInput as error:
        raise NotPainting(error) from error
    try:
        made = simplified(model, weights)
        layers = []
        for node in made.nodes:
            names = [name for name in node.input[1:] if name in made.constants]
            if node.op_type in ("Conv", "InstanceNormalization") and names:
                arrays = tuple(made.constants[name] for name in names)
                stride = int(attributes(node).get("strides", [1])[0])
                name = names[0].removesuffix("_dequant")
                layers.append(Layer(node.op_type, name, arrays, stride))
    except UnsupportedLayer as error:
        raise NotPainting(f"{path} is an ONNX network with {error}; it cannot be used") from error
    except (KeyError, ValueError, TypeError, IndexError, RuntimeError, AttributeError) as error:
        raise NotPainting(f"{path} is an ONNX network that contradicts itself: {error}") from error
    kinds = tuple(node.op_type for node in made.nodes)
    return Graph(tuple(layers), made.constants, kinds, made.quantized > 0)


def _one_style(graph: Graph, path: Path) -> StyleNetwork | None:
    """Return a network of PyTorch's example program, as the ONNX zoo has it, or None."""
    convolutions = [layer for layer in graph.layers if layer.kind == "Conv"]
    norms = len(graph.layers) - len(convolutions)
    blocks, odd = divmod(len(convolutions) - 6, 2)
    strides = [layer.stride for layer in convolutions]
    if odd or blocks < 1 or norms != len(convolutions) - 1:
        return None
    if strides != [1, 2, 2, *[1] * (len(convolutions) - 3)] or "ConvTranspose" in graph.kinds:
        return None
    first, second, third = (layer.arrays[0].shape[0] for layer in convolutions[:3])
    ends = convolutions[0].arrays[0].shape[-1]
    plan = johnson_plan((first, second, third), blocks, ends, path.stem)
    numbers = [tensor for layer in graph.layers for tensor in layer.numbers]
    what = "a network for one style, as in the ONNX zoo (fast_neural_style)"
    return told(filled(plan, numbers, path), what, LICENCE_ZOO)
