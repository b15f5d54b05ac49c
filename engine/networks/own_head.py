"""Custom heads in place of a network's last layers, inferred from names and shapes.

Names and shapes reveal linear layers, norms and their order, but no layers without weights. Dropout
does nothing here. If the numbering leaves room between linear layers, a ReLU is assumed there, as
nearly all such heads have one.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

Kind = Literal["linear", "conv", "batch norm", "layer norm", "relu", "flatten"]


class HeadLayer(NamedTuple):
    """One layer of a head, in the order in which they are run."""

    name: str
    """Its own name within the head; empty if the head is this layer alone."""
    kind: Kind
    inputs: int = 0
    outputs: int = 0
    bias: bool = True


COUNTERS = "num_batches_tracked"


def read_head(
    shapes: Mapping[str, tuple[int, ...]], given: Sequence[int]
) -> tuple[HeadLayer, ...] | None:
    """Return the layers of a head, or None if names and shapes do not reveal them.

    `shapes`: tensors by their names within the head ("1.weight"); `given`: shape of what comes in,
    without the number of pictures.
    """
    layers: dict[str, dict[str, tuple[int, ...]]] = {}
    for name, shape in shapes.items():
        path, _, kind = name.rpartition(".")
        layers.setdefault(path, {})[kind] = shape
    order = _order(list(layers))
    if not order:
        return None
    flat = len(given) == 3 and given[1:] == [1, 1]
    read = [HeadLayer("flatten", "flatten")] if flat else []
    width, last = given[0], -1
    for place, path in order:
        layer = _layer(path, layers[path], width, given)
        if layer is None:
            return None
        linear = [i for i, known in enumerate(read) if known.kind == "linear"]
        room = place - last > 1
        if linear and room and not any(known.kind == "relu" for known in read[linear[-1] :]):
            read.append(HeadLayer(f"relu{place}", "relu"))
        read.append(layer)
        width, last = layer.outputs, place
    kinds = [known.kind for known in read]
    if kinds[-1] not in ("linear", "conv") or ("conv" in kinds and len(kinds) > 1):
        return None
    return tuple(read)


def _order(paths: Sequence[str]) -> list[tuple[int, str]] | None:
    """Return the place of each layer in a sequence, and its name; None if nothing tells it."""
    if len(paths) <= 1:
        return [(0, path) for path in paths]
    numbered = [re.fullmatch(r"(.*?)(\d+)", path) for path in paths]
    found = [(int(m[2]), path) for m, path in zip(numbered, paths, strict=True) if m]
    stems = {m[1] for m in numbered if m}
    if len(found) < len(paths) or len(stems) > 1 or len({n for n, _ in found}) < len(found):
        return None
    # Places in a Sequential leave room for what has no weights; numbers in names (fc1, fc2) do not.
    step = 1 if stems == {""} or stems.pop().endswith(".") else 2
    return sorted((step * number, path) for number, path in found)


def _layer(
    path: str, tensors: Mapping[str, tuple[int, ...]], width: int, given: Sequence[int]
) -> HeadLayer | None:
    weight, bias = tensors.get("weight", ()), tensors.get("bias")
    kinds = tensors.keys() - {COUNTERS}
    name = path.replace(".", "_")
    if kinds <= {"weight", "bias"} and len(weight) in (2, 4) and weight[1] == width:
        if bias not in (None, weight[:1]):
            return None
        if len(weight) == 2:
            if any(n > 1 for n in given[1:]):
                return None
            return HeadLayer(name, "linear", width, weight[0], bias is not None)
        plain = weight[2:] == (1, 1) and len(given) == 3
        return HeadLayer(name, "conv", width, weight[0], bias is not None) if plain else None
    if weight != (width,) or bias != (width,):
        return None
    if kinds == {"weight", "bias", "running_mean", "running_var"}:
        return HeadLayer(name, "batch norm", width, width)
    return HeadLayer(name, "layer norm", width, width) if kinds == {"weight", "bias"} else None


def has_guess(head: Sequence[HeadLayer]) -> bool:
    """Return whether a ReLU was assumed in the head."""
    return any(layer.kind == "relu" for layer in head)
