"""From Keras's description of a model to a `Graph`: layers, nested models, and plain arithmetic."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn

from engine.networks.foreign import keras_layers as kl
from engine.networks.foreign import layers
from engine.networks.foreign.graph import Graph, GraphNode, in_order
from engine.networks.foreign.keras_activations import activation_name
from engine.networks.foreign.keras_store import Store, places
from engine.networks.foreign.unsupported import UnsupportedLayer

Entry = Mapping[str, Any]

MODELS = {"Functional", "Model", "Sequential"}
ARITHMETIC = {
    "TrueDivide": "divide", "Divide": "divide", "Multiply": "multiply",
    "Subtract": "subtract", "Add": "add",
    "math.truediv": "divide", "math.divide": "divide", "math.multiply": "multiply",
    "math.subtract": "subtract", "math.add": "add", "__operators__.add": "add",
    "__operators__.sub": "subtract", "__operators__.mul": "multiply",
    "__operators__.truediv": "divide", "nn.bias_add": "add",
}  # fmt: skip
"""Operations between a tensor and numbers, by their names in Keras 3 and Keras 2."""


@dataclass
class Findings:
    """What was noted while a model was built."""

    channels_last: bool = True
    left_out: list[str] = field(default_factory=list)
    own_input: bool = False
    """Whether the model itself scales its pictures."""
    names: list[str] = field(default_factory=list)
    """The names of all layers, including nested ones."""


def build(entries: Sequence[Entry], store: Store, output: str, findings: Findings) -> Graph:
    """Return the network of these layers; `output` names the last one. Raises `UnsupportedLayer`."""
    steps: list[GraphNode] = []
    source = ""
    made: dict[str, nn.Module] = {}
    spots = places([str(e["class_name"]) for e in entries])
    for entry, place in zip(entries, spots, strict=True):
        kind, name = str(entry["class_name"]), name_of(entry)
        findings.names.append(name)
        if kind == "InputLayer":
            if source:
                raise UnsupportedLayer("more than one input")
            source = f"{name}#0"
            continue
        for number, (inputs, constants) in enumerate(_calls(entry)):
            if name not in made:
                made[name] = _module(entry, constants, store, place, findings)
            keys = tuple(inputs)
            if kind.startswith("math.") or kind in ("TFOpLambda", *ARITHMETIC):
                keys = keys[:1] if constants else keys
            steps.append(GraphNode(f"{name}#{number}", name, made[name], keys))
    if not source:
        raise UnsupportedLayer("no input layer")
    try:
        return Graph(in_order(steps, source), source, output)
    except KeyError as error:
        raise UnsupportedLayer(f"a layer {error} that is not there") from None


def name_of(entry: Entry) -> str:
    """Return a layer's name."""
    return str(entry.get("name") or entry["config"]["name"])


def chained(entries: Sequence[Entry]) -> list[Entry]:
    """Return a Sequential's layers with the inputs that follow from their order."""
    if not entries or entries[0]["class_name"] != "InputLayer":
        start = {"class_name": "InputLayer", "name": "input", "config": {"name": "input"}}
        entries = [start, *entries]
    done: list[Entry] = []
    for entry in entries:
        nodes = [[[name_of(done[-1]), 0, 0, {}]]] if done else []
        done.append({**entry, "name": name_of(entry), "inbound_nodes": nodes})
    return done


def model(entry: Entry) -> tuple[list[Entry], str]:
    """Return layers and output (a key) of a model's description. Raises `UnsupportedLayer`."""
    kind, config = str(entry["class_name"]), entry["config"]
    if kind not in MODELS or (isinstance(config, Mapping) and "layers" not in config):
        raise UnsupportedLayer(f"a model of the class {kind}, which is a program of its own")
    listed = config["layers"] if isinstance(config, Mapping) else config
    if kind == "Sequential":
        entries = chained(listed)
        return entries, f"{name_of(entries[-1])}#0"
    outputs = list(_histories(config["output_layers"]))
    if len(outputs) != 1:
        raise UnsupportedLayer("more than one output")
    return list(listed), outputs[0]


def last_activation(entries: Sequence[Entry], output: str) -> tuple[list[Entry], str, str]:
    """Return the layers without the softmax (or sigmoid) that ends them, the output, and its name.

    Scores are read before it: they, not probabilities, tell what counts for a class.
    """
    name = output.partition("#")[0]
    entry = next(e for e in entries if name_of(e) == name)
    kind, config = str(entry["class_name"]), dict(entry["config"])
    ends = {"softmax", "sigmoid"}
    if kind in ("Softmax", "Activation"):
        ending = "softmax" if kind == "Softmax" else activation_name(config.get("activation"))
        if ending in ends:
            ((inputs, _),) = list(_calls(entry))
            return list(entries), inputs[0], ending
    elif kind in ("Dense", "Conv2D"):
        ending = activation_name(config.get("activation"))
        if ending in ends:
            changed = {**entry, "config": {**config, "activation": "linear"}}
            return [changed if e is entry else e for e in entries], output, ending
    return list(entries), output, ""


def layout(entries: Sequence[Entry]) -> bool:
    """Return whether a model keeps channels last, according to the first layer that tells."""
    for entry in _all(entries):
        order = entry["config"].get("data_format") or entry["config"].get("dim_ordering")
        if order and entry["class_name"] != "Flatten":
            return order in ("channels_last", "tf")
    return True


def _all(entries: Sequence[Entry]) -> Iterator[Entry]:
    for entry in entries:
        config = entry["config"]
        if entry["class_name"] in MODELS:
            yield from _all(config["layers"] if isinstance(config, Mapping) else config)
        else:
            yield entry


def _module(
    entry: Entry, constants: list[Any], store: Store, place: str, findings: Findings
) -> nn.Module:
    kind, name, config = str(entry["class_name"]), name_of(entry), entry["config"]
    if kind in MODELS:
        inner, output = model(entry)
        return build(inner, store.below(name, kind, place), output, findings)
    if kind in kl.CODE:
        raise UnsupportedLayer(f"the layer {name}, a {kind}: a program, which is not run")
    if kind == "TFOpLambda":
        kind = str(config.get("function", ""))
    if constants and kind in ARITHMETIC:
        findings.own_input = True
        return _arithmetic(ARITHMETIC[kind], constants[0])
    if kind in ("GetItem", "__operators__.getitem"):
        findings.own_input = True
        return _item(constants[0] if constants else None)
    if kind == "Stack" and config.get("axis") in (-1, 3):
        return layers.Stack()
    if kind in ("Rescaling", "Normalization"):
        findings.own_input = True
    elif kind in kl.NOTHING_TO_DO and kind.startswith(("Random", "AugMix", "CutMix", "MixUp")):
        findings.left_out.append(name)
    arrays = store.arrays(name, kind, config, place)
    try:
        return kl.layer(kind, config, arrays, findings.channels_last)
    except UnsupportedLayer as error:
        raise UnsupportedLayer(f"{error} ({name})") from None


def _arithmetic(kind: str, constant: Any) -> nn.Module:
    values = np.asarray(constant, "f8")
    if values.size not in (1, 3):
        raise UnsupportedLayer("arithmetic with a picture of numbers")
    numbers = torch.from_numpy(values.reshape(-1))
    one, zero = torch.ones(1), torch.zeros(1)
    if kind in ("multiply", "divide"):
        return layers.Affine(1 / numbers if kind == "divide" else numbers, zero)
    return layers.Affine(one, -numbers if kind == "subtract" else numbers)


def _item(wanted: Any) -> nn.Module:
    last = wanted[-1] if isinstance(wanted, (list, tuple)) and wanted else None
    if isinstance(last, int):
        return layers.SelectChannel(last)
    step = last.get("step", last.get("config", {}).get("step")) if isinstance(last, Mapping) else 0
    if step == -1:
        return layers.ReverseChannels()
    raise UnsupportedLayer("a part cut out of a tensor")


# -- inputs of layers -------------------------------------------------------------------------------


def _calls(entry: Entry) -> Iterator[tuple[list[str], list[Any]]]:
    """Yield for each call of a layer the keys of the tensors and the other values it takes."""
    for node in entry.get("inbound_nodes", ()):
        if isinstance(node, Mapping):  # Keras 3
            values = [*node.get("args", ()), *node.get("kwargs", {}).values()]
            keys = list(_histories(node.get("args", ())))
            keys += [k for k in _histories(list(node.get("kwargs", {}).values())) if k not in keys]
            yield keys, [v for v in map(_constant, values) if v is not None]
            continue
        rows = [node] if node and isinstance(node[0], str) else node
        extra = rows[0][3] if len(rows[0]) > 3 else {}
        keys = [f"{row[0]}#{row[1]}" for row in rows]
        if isinstance(extra.get("y"), list) and extra["y"] and isinstance(extra["y"][0], str):
            keys.append(f"{extra['y'][0]}#{extra['y'][1]}")
        given = [extra[k] for k in ("y", "slice_spec", "bias") if k in extra]
        yield keys, [v for v in given if not _is_reference(v)]


def _is_reference(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], str) and len(value) > 2


def _constant(value: Any) -> Any:
    """Return a number or a list of numbers among a call's values; None for tensors and the rest."""
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, (int, float)):
        return value
    if isinstance(value, Mapping) and value.get("class_name") in ("__tensor__", "__numpy__"):
        return value["config"]["value"]
    if isinstance(value, list) and value and not list(_histories(value)):
        return value
    return None


def _histories(value: Any) -> Iterator[str]:
    """Yield the keys of the tensors in nested values, in either of Keras's notations."""
    if isinstance(value, Mapping):
        if value.get("class_name") == "__keras_tensor__":
            name, node, _ = value["config"]["keras_history"]
            yield f"{name}#{node}"
        else:
            for inner in value.values():
                yield from _histories(inner)
    elif isinstance(value, (list, tuple)):
        if len(value) == 3 and isinstance(value[0], str) and isinstance(value[1], int):
            yield f"{value[0]}#{value[1]}"
        else:
            for inner in value:
                yield from _histories(inner)
