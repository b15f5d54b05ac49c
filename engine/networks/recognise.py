"""Which network a file of weights belongs to, told from the names and shapes of its tensors."""

import hashlib
import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.networks.architectures.names import (
    VGG_BLOCKS,
    caffe_modules,
    caffe_vgg_modules,
    slim_vgg_shapes,
    transformer_names,
)

if TYPE_CHECKING:
    from torch import Tensor

    from engine.networks.building import Part

Shapes = Mapping[str, tuple[int, ...]]

TABLE_FILE = Path(__file__).with_name("torchvision_table.json")

IGNORED = re.compile(
    r"\.num_batches_tracked$"  # absent from old files, unused in eval mode
    r"|^(aux1|aux2|AuxLogits)\."  # heads that only training uses
)
"""Tensors that say nothing about which network it is."""
RUNNING = re.compile(r"\.(running_mean|running_var|num_batches_tracked)$")

RENAMES = (
    # DenseNet files from before names with dots were forbidden.
    (re.compile(r"(denselayer\d+\.(?:norm|relu|conv))\.([12]\.\w+)$"), r"\1\2"),
    # Vision transformers from before their MLP became a Sequential.
    (re.compile(r"\.mlp\.linear_1\."), ".mlp.0."),
    (re.compile(r"\.mlp\.linear_2\."), ".mlp.3."),
)
"""Names that torchvision used to write -> names that it writes now."""


@dataclass(frozen=True)
class Recognised:
    """What a file of weights holds."""

    architecture: str
    """One of ours, or torchvision's name."""
    part: "Part" = "whole"
    num_classes: int = 0
    """0 where there is no classifier."""
    preprocessing: str = ""
    """A key of `card.KNOWN`, or empty: as the architecture's card says."""
    mapping: Mapping[str, str] = field(default_factory=dict)
    """The file's tensor names -> ours; tensors without an entry are not needed."""
    last_layer: str = ""
    """Module that a body lacks."""

    @property
    def complete(self) -> bool:
        """Whether the classifier is there (a style network is always complete)."""
        return self.part == "whole"


@cache
def torchvision_table() -> dict[str, Any]:
    """Return the generated table: `categories` and `models`."""
    table: dict[str, Any] = json.loads(TABLE_FILE.read_text("utf-8"))
    return table


def fingerprint(shapes: Shapes, head: Collection[str] = ()) -> str:
    """Return 16 hex digits for names and shapes; in `head` the number of classes does not count."""
    lines = (
        f"{name} C {shape[1:]}" if name in head else f"{name} {shape}"
        for name, shape in sorted(shapes.items())
        if not IGNORED.search(name)
    )
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def fingerprints(shapes: Shapes, head: Collection[str]) -> dict[str, str]:
    """Return fingerprints of the whole network, without its last layer, and of its features."""
    features = {n: s for n, s in shapes.items() if n.startswith("features.")}
    prints = {
        "whole": fingerprint(shapes, head),
        "body": fingerprint({n: s for n, s in shapes.items() if n not in head}),
    }
    if features and features.keys() != shapes.keys() - head:
        prints["features"] = fingerprint(features)
    elif features:
        # Nothing but the last layer stands outside `features`: one name for both.
        prints["features"] = prints.pop("body")
    return prints


def recognise(state: "Mapping[str, Tensor]") -> Recognised | None:
    """Return what `state` (tensor name -> tensor) holds, or None for an unknown network."""
    found = recognise_shapes({name: tuple(tensor.shape) for name, tensor in state.items()})
    if found and found.architecture in CAFFE_VGG_START and not found.preprocessing:
        known = {ours: state[theirs] for theirs, ours in found.mapping.items()}
        return replace(found, preprocessing=vgg_preprocessing(found.architecture, known))
    return found


def recognise_shapes(shapes: Shapes) -> Recognised | None:
    """Return what a file holds from tensor names and shapes alone (preprocessing of VGG unsure)."""
    families = (_slim_vgg, _googlenet_bvlc, _transformer, _caffe_vgg, _torchvision)
    return next((found for family in families if (found := family(shapes))), None)


def _slim_vgg(shapes: Shapes) -> Recognised | None:
    layers = slim_vgg_shapes()
    body = {f"{name}.{kind}" for name in layers for kind in ("weight", "bias")}
    if any(shapes.get(f"{name}.weight") != shape for name, shape in layers.items()):
        return None
    same = {name: name for name in body}
    classes = shapes.get("classifier.weight", (0,))[0]
    if not classes:
        return Recognised("slim_vgg", "body", mapping=same)
    same |= {f"classifier.{kind}": f"classifier.{kind}" for kind in ("weight", "bias")}
    return Recognised("slim_vgg", "whole", classes, "imagenet", same)


def _googlenet_bvlc(shapes: Shapes) -> Recognised | None:
    """Caffe's names, or our own module names."""
    modules = caffe_modules()
    ours = {name: name for name in modules.values()}
    for names in (modules, ours):
        mapping = {
            f"{theirs}.{kind}": f"{module}.{kind}"
            for theirs, module in names.items()
            for kind in ("weight", "bias")
        }
        body = {n for n, module in mapping.items() if not module.startswith("loss3")}
        if body <= shapes.keys():
            if mapping.keys() <= shapes.keys():
                head = next(n for n, m in mapping.items() if m == "loss3_classifier.weight")
                return Recognised("googlenet_bvlc", "whole", shapes[head][0], "caffe-bvlc", mapping)
            mapping = {n: mapping[n] for n in body}
            return Recognised("googlenet_bvlc", "body", 0, "caffe-bvlc", mapping)
    return None


def _transformer(shapes: Shapes) -> Recognised | None:
    names = {n for n in shapes if not RUNNING.search(n)}
    if names == transformer_names() and shapes["deconv3.conv2d.weight"] == (3, 32, 9, 9):
        return Recognised("transformer_net", "whole", 0, "bytes", {n: n for n in names})
    return None


def _caffe_vgg(shapes: Shapes) -> Recognised | None:
    """Oxford's VGG as Caffe names it, with its classifier or without."""
    layers = {n.removesuffix(".weight") for n in shapes if n.endswith(".weight")}
    for architecture in VGG_BLOCKS:
        modules = caffe_vgg_modules(architecture)
        convolutions = modules.keys() - {"fc6", "fc7", "fc8"}
        if layers not in (modules.keys(), convolutions):
            continue
        mapping = {
            f"{layer}.{kind}": f"{modules[layer]}.{kind}"
            for layer in layers
            for kind in ("weight", "bias")
        }
        found = _torchvision({mapping[n]: shape for n, shape in shapes.items() if n in mapping})
        if found and found.architecture == architecture:
            return replace(found, mapping=mapping, preprocessing="caffe-vgg")
    return None


def _torchvision(shapes: Shapes) -> Recognised | None:
    mapping = torchvision_names(shapes)
    renamed = {ours: shapes[theirs] for theirs, ours in mapping.items()}
    print_of: dict[tuple[str, ...], str] = {}
    for architecture, row in torchvision_table()["models"].items():
        head = tuple(row["head"])
        if head not in print_of:
            print_of[head] = fingerprint(renamed, head)
        for part, wanted in row["prints"].items():
            if print_of[head] == wanted:
                classes = renamed[head[0]][0] if part == "whole" else 0
                last = head[0].rpartition(".")[0]
                return Recognised(architecture, part, classes, "", mapping, last)
    return None


def torchvision_names(names: Iterable[str]) -> dict[str, str]:
    """Return the file's names -> torchvision's present names, without what only training uses."""
    mapping = {}
    for name in names:
        ours = name
        for pattern, replacement in RENAMES:
            ours = pattern.sub(replacement, ours)
        if not IGNORED.search(ours):
            mapping[name] = ours
    if "classifier.1.weight" in mapping and "classifier.4.weight" in mapping:
        mapping |= _caffe_vgg_classifier(mapping)
    return mapping


def _caffe_vgg_classifier(mapping: Mapping[str, str]) -> dict[str, str]:
    """VGG converted from Caffe counts a Flatten in front: linear layers 1, 4, 6 for 0, 3, 6.

    AlexNet's are 1, 4, 6 by right; it has few convolutions.
    """
    if "features.16.weight" not in mapping:
        return {}
    places = {"classifier.1.": "classifier.0.", "classifier.4.": "classifier.3."}
    return {
        theirs: new + ours.removeprefix(old)
        for theirs, ours in mapping.items()
        for old, new in places.items()
        if ours.startswith(old)
    }


CAFFE_VGG_START = {
    "vgg16": ((0.7343, 0.0934, 0.0678, 0.8863), 0.4295),
    "vgg19": ((0.7334, 0.0623, 0.0346, 0.8232), 0.3394),
}
"""Of Oxford's own weights: the first biases, and the first kernel's upper left value for blue."""
CLOSE = 0.03
"""Above what 8-bit storage or a little fine-tuning changes, below any chance agreement."""


def vgg_preprocessing(architecture: str, state: "Mapping[str, Tensor]") -> str:
    """Return the key of `card.KNOWN` for VGG weights, which have the same names wherever trained.

    Oxford's weights (trained with Caffe on BGR 0...255) are known by their first numbers; some
    conversions of them have the colours swapped to RGB. All others are taken for torchvision's.
    """
    biases, blue = CAFFE_VGG_START[architecture]
    weight, bias = state["features.0.weight"], state["features.0.bias"]
    if any(abs(float(b) - c) > CLOSE for b, c in zip(bias[:4], biases, strict=True)):
        return "imagenet"
    distance = [abs(float(weight[0, channel, 0, 0]) - blue) for channel in (0, 2)]
    return "caffe-vgg" if distance[0] <= distance[1] else "caffe-vgg-rgb"
