"""ONNX files of networks that paint: only their numbers are taken, since what they compute is known.

The graphs themselves have a fixed size, or compute with integers; without them any size goes.
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


@dataclass(frozen=True)
class Layer:
    """A node that has numbers, and its attributes as far as they matter here."""

    kind: str
    name: str
    """Of its first tensor, as the exporter called it."""
    numbers: tuple[Tensor, ...]
    stride: int = 1


@dataclass(frozen=True)
class Graph:
    """A graph's layers with numbers, and all constants by name: real numbers, integers made so."""

    layers: tuple[Layer, ...]
    constants: dict[str, Tensor]
    kinds: tuple[str, ...]
    """Of all its nodes."""
    integers: bool
    """Whether the file computes with integers."""


def read_onnx(path: Path) -> StyleNetwork | Half:
    """Return the network in an ONNX file, or the half of one.

    Raises `BadInput` for damaged files, for other networks, and without the library `onnx`.
    """
    needs("onnx", "onnx", path)
    graph = read_graph(path)
    found = _one_style(graph, path) or magenta.many_styles(graph.constants, path)
    if found is not None:
        return found
    tensors = {}
    for layer in graph.layers:
        tensors[layer.name] = layer.numbers[0]
        if len(layer.numbers) > 1:
            tensors[f"{layer.name.rpartition('/')[0]}/biases"] = layer.numbers[1]
    half = magenta.half(tensors, "reflect", path, "ONNX", graph.integers)
    if half is None:
        raise NotPainting(
            f"{path} is an ONNX network, but no style network that is known: known are those of the "
            "ONNX zoo (fast_neural_style) and Magenta's"
        )
    return half


def read_graph(path: Path) -> Graph:
    """Return what has numbers in an ONNX file. Raises `BadInput` for damaged ones."""
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
                numbers = tuple(_tensor(made.constants[name]) for name in names)
                stride = int(attributes(node).get("strides", [1])[0])
                name = names[0].removesuffix("_dequant")
                layers.append(Layer(node.op_type, name, numbers, stride))
        constants = {
            n: _tensor(a) for n, a in made.constants.items() if a.dtype.kind == "f" and a.ndim
        }
    except UnsupportedLayer as error:
        raise NotPainting(f"{path} is an ONNX network with {error}; it cannot be used") from error
    except (KeyError, ValueError, TypeError, IndexError, RuntimeError, AttributeError) as error:
        raise NotPainting(f"{path} is an ONNX network that contradicts itself: {error}") from error
    kinds = tuple(node.op_type for node in made.nodes)
    return Graph(tuple(layers), constants, kinds, made.quantized > 0)


def _tensor(array: Any) -> Tensor:
    return torch.from_numpy(array.astype("f4"))


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
    first, second, third = (len(layer.numbers[0]) for layer in convolutions[:3])
    ends = convolutions[0].numbers[0].shape[-1]
    plan = johnson_plan((first, second, third), blocks, ends, path.stem)
    numbers = [tensor for layer in graph.layers for tensor in layer.numbers]
    what = "a network for one style, as in the ONNX zoo (fast_neural_style)"
    return told(filled(plan, numbers, path), what, LICENCE_ZOO)
