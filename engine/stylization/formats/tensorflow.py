"""Folders of TensorFlow.js: a description in JSON, and the numbers in files beside it."""

import json
from collections.abc import Iterator, Mapping
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from engine.errors import BadInput
from engine.networks.card import BYTES, Preprocessing
from engine.stylization.formats import magenta
from engine.stylization.formats.half import Half, told
from engine.stylization.layers import Line
from engine.stylization.network import StyleNetwork
from engine.stylization.painter import Plan, filled

MODEL, OLD_MODEL, CHECKPOINT = "model.json", "weights_manifest.json", "manifest.json"
"""The files that describe a network, in older versions its numbers alone, and a checkpoint of
deeplearn.js."""
LARGEST = 64 << 20
"""Most bytes of a description."""
LARGEST_NUMBERS = 1 << 30
"""Most bytes of the numbers."""
KINDS = {
    "float32": "<f4",
    "int32": "<i4",
    "bool": "u1",
    "uint8": "u1",
    "uint16": "<u2",
    "float16": "<f2",
}

HALF_BYTES = Preprocessing("RGB", 255.0, (127.5,) * 3, (1.0,) * 3)
"""The preprocessing that turns RGB into bytes around their middle."""


def is_tensorflow(path: Path) -> bool:
    """Return whether a path is such a description, or a folder that holds one."""
    names = (MODEL, OLD_MODEL, CHECKPOINT)
    if path.is_dir():
        return any((path / name).is_file() for name in names)
    return path.name in names


def read_tensorflow(path: Path) -> StyleNetwork | Half:
    """Return the network in a folder of TensorFlow.js, or the half of one.

    Raises `BadInput` for damaged files and for other networks.
    """
    if path.is_dir():
        path = next(path / n for n in (MODEL, OLD_MODEL, CHECKPOINT) if (path / n).is_file())
    said = _json(path)
    try:
        if path.name == CHECKPOINT:
            return _checkpoint(path, _variables(path, said))
        groups = said if path.name == OLD_MODEL else said.get("weightsManifest")
        if not isinstance(groups, list):
            raise BadInput(f"{path} describes no network of TensorFlow.js: it names no weights")
        arrays = {name: array for group in groups for name, array in _group(path, group)}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BadInput(f"{path} is damaged, or no description of TensorFlow.js") from error
    tensors = {name: _as_here(name, array) for name, array in arrays.items()}
    border = "reflect" if _mirrors(path, said) else "zero"
    found = magenta.half(tensors, border, path, "TensorFlow.js")
    if found is None:
        raise BadInput(
            f"{path} is a TensorFlow.js network, but not a style network of a known kind: known are "
            "Magenta's and ml5's"
        )
    return found


def _json(path: Path) -> Any:
    try:
        if path.stat().st_size > LARGEST:
            raise BadInput(f"{path} is too large for the description of a network")
        return json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{path} is damaged: it is not JSON") from error


def _bytes(path: Path, names: list[str]) -> bytes:
    """Return what is in files beside `path`, one after the other."""
    parts = []
    for name in names:
        file = path.parent / name
        if Path(name).name != name or not file.is_file():
            raise BadInput(f"{path} keeps its weights in {name}, which is not beside it")
        if file.stat().st_size > LARGEST_NUMBERS:
            raise BadInput(f"{file} is too large for the weights of a style network")
        parts.append(file.read_bytes())
    return b"".join(parts)


def _group(path: Path, group: Mapping[str, Any]) -> "Iterator[tuple[str, np.ndarray[Any, Any]]]":
    """Yield the arrays of some files that belong together."""
    data, place = _bytes(path, group["paths"]), 0
    for entry in group["weights"]:
        packed = entry.get("quantization")
        kind = np.dtype(KINDS[packed["dtype"] if packed else entry["dtype"]])
        length = prod(entry["shape"]) * kind.itemsize
        if place + length > len(data):
            raise BadInput(f"{path}: the files of its weights are cut off; get them again")
        array = np.frombuffer(data, kind, prod(entry["shape"]), place).reshape(entry["shape"])
        if packed and "scale" in packed:
            array = array.astype("f4") * packed["scale"] + packed["min"]
        place += length
        yield entry["name"], array.astype("f4")


def _as_here(name: str, array: "np.ndarray[Any, Any]") -> Tensor:
    """Return a convolution's weights with the dimensions in PyTorch's order."""
    tensor = torch.from_numpy(array)
    if tensor.dim() != 4:
        return tensor
    order = (2, 3, 0, 1) if name.endswith("depthwise_weights") else (3, 2, 0, 1)
    return tensor.permute(order).contiguous()


def _mirrors(path: Path, said: Any) -> bool:
    """Return whether the network mirrors borders, which some conversions replaced by zeros."""
    if path.name == MODEL:
        nodes = (said.get("modelTopology") or {}).get("node", [])
        return any(node.get("op") == "MirrorPad" for node in nodes)
    graphs = sorted(path.parent.glob("*.pb"))
    return any(b"MirrorPad" in file.read_bytes() for file in graphs[:4])


# -- ml5 -----------------------------------------------------------------------------------------

EPSILON = 1e-3


def _variables(path: Path, said: Any) -> list[Tensor]:
    """Return a checkpoint's variables in order: of each layer its weights, shifts and scales."""
    tensors = []
    for i in range(len(said)):
        entry = said.get(f"Variable_{i}" if i else "Variable")
        if entry is None:
            break
        data, shape = _bytes(path, [entry["filename"]]), entry["shape"]
        if len(data) != 4 * prod(shape):
            raise BadInput(f"{path.parent / entry['filename']} is cut off; get it again")
        tensors.append(torch.from_numpy(np.frombuffer(data, "<f4").reshape(shape).copy()))
    return tensors


def _checkpoint(path: Path, tensors: list[Tensor]) -> StyleNetwork:
    """Return the network of fast-style-transfer, as ml5 has it, in a checkpoint of deeplearn.js."""
    blocks, rest = divmod(len(tensors) - 18, 6)
    if rest or blocks < 1 or any(t.dim() != 4 for t in tensors[::3]):
        raise BadInput(
            f"{path} is a checkpoint of TensorFlow.js, but none of ml5's style networks: these have "
            "the variables Variable to Variable_47"
        )
    layers = iter(zip(tensors[::3], tensors[1::3], tensors[2::3], strict=True))
    numbers: list[Tensor] = []

    def take(stride: int = 1) -> list[Line]:
        weight, shift, scale = next(layers)
        weight = weight.permute(3, 2, 0, 1).contiguous()
        numbers.extend((weight, scale, shift))
        outputs, inputs, size = weight.shape[:3]
        line = ("conv", inputs, outputs, size, stride, "same", 1, False)
        return [line, ("norm", outputs, EPSILON)]

    def double() -> list[Line]:
        weight, shift, scale = next(layers)
        weight = weight.permute(3, 2, 0, 1).contiguous()  # from rows, columns, out, in
        numbers.extend((weight, scale, shift))
        inputs, outputs, size = weight.shape[:3]
        cut = size - 2  # so that twice the size remains
        line = ("transposed", inputs, outputs, size, 2, cut // 2, cut - cut // 2, False)
        return [line, ("norm", outputs, EPSILON), ("relu",)]

    lines: list[Line] = []
    for stride in (1, 2, 2):
        lines += [*take(stride), ("relu",)]
    lines += [("residual", [*take(), ("relu",), *take()]) for _ in range(blocks)]
    lines += [*double(), *double(), *take(), ("tanh", 150.0)]
    plan = Plan(tuple(lines), BYTES, HALF_BYTES, (path.parent.name,))
    what = "a network for one style, as ml5 has it (fast-style-transfer, TensorFlow.js)"
    return told(filled(plan, numbers, path), what, "research only (fast-style-transfer)")
