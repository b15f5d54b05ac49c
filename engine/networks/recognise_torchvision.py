"""Torchvision's classifiers, known by the names and shapes of their tensors."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cached_property
from math import isqrt
from typing import Any

from engine.networks.fingerprints import IGNORED, Shapes, fingerprint, torchvision_table
from engine.networks.own_head import read_head
from engine.networks.recognised import Recognised

RENAMES = (
    # DenseNet files from before names with dots were forbidden.
    (re.compile(r"(denselayer\d+\.(?:norm|relu|conv))\.([12]\.\w+)$"), r"\1\2"),
    # Vision transformers from before their MLP became a Sequential.
    (re.compile(r"\.mlp\.linear_1\."), ".mlp.0."),
    (re.compile(r"\.mlp\.linear_2\."), ".mlp.3."),
)
"""Names that torchvision used to write -> names that it writes now."""


def torchvision_names(names: Iterable[str]) -> dict[str, str]:
    """Return the file's names -> torchvision's current names, without what only training uses."""
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


TOKENS = "encoder.pos_embedding"
"""A vision transformer's: one row for each square patch of the picture, and one for the class."""


class _File:
    """The tensors of a file by torchvision's names, made comparable to torchvision's own."""

    def __init__(self, shapes: Shapes) -> None:
        self.mapping = torchvision_names(shapes)
        self.shapes = {ours: shapes[theirs] for theirs, ours in self.mapping.items()}
        self.tops: dict[str, list[str]] = {}
        for name in self.shapes:
            self.tops.setdefault(name.partition(".")[0], []).append(name)
        self._prints: dict[tuple[Any, ...], str] = {}

    def channels(self, row: Mapping[str, Any]) -> int:
        """Return how many channels the first convolution takes; 0 when there is none."""
        shape = self.shapes.get(row["stem"], ())
        return shape[1] if len(shape) == 4 else 0

    @cached_property
    def side(self) -> int:
        """Return the picture size that a vision transformer's positions are for; 0 for others."""
        tokens, patch = self.shapes.get(TOKENS, ()), self.shapes.get("conv_proj.weight", ())
        if len(tokens) != 3 or len(patch) != 4:
            return 0
        side = isqrt(max(0, tokens[1] - 1))
        return side * patch[2] if side * side + 1 == tokens[1] else 0

    def names(self, row: Mapping[str, Any]) -> list[str]:
        """Return the tensors that may belong to a network of that row."""
        return [name for top in row["tops"] for name in self.tops.get(top, ())]

    def fingerprint(self, row: Mapping[str, Any], without: str = "") -> str:
        """Return the fingerprint of the tensors that may belong to the row's network.

        Grey pictures instead of coloured ones, and other picture sizes, make no difference.
        `without` leaves out a module.
        """
        key = (tuple(row["tops"]), row["stem"], tuple(row["head"]), row["input_size"], without)
        if key not in self._prints:
            shapes = {n: self.shapes[n] for n in self.names(row)}
            if without:
                shapes = {n: s for n, s in shapes.items() if not n.startswith(f"{without}.")}
            if row["stem"] in shapes:
                stem = shapes[row["stem"]]
                shapes[row["stem"]] = (stem[0], 3, *stem[2:])
            if self.side:
                _, _, width = shapes[TOKENS]
                patch = shapes["conv_proj.weight"][2]
                shapes[TOKENS] = (1, (row["input_size"] // patch) ** 2 + 1, width)
            self._prints[key] = fingerprint(shapes, () if without else row["head"])
        return self._prints[key]


def recognise_torchvision(shapes: Shapes) -> Recognised | None:
    """Return which of torchvision's classifiers the tensors belong to.

    It may be whole, have a custom head or none, or be only the features.
    """
    file = _File(shapes)
    body = None
    for architecture, row in torchvision_table()["models"].items():
        if not file.channels(row):
            continue
        last = row["head"][0].rpartition(".")[0]
        if file.fingerprint(row) == row["prints"]["whole"]:
            classes = file.shapes[row["head"][0]][0]
            return _found(file, row, Recognised(architecture, "whole", classes, last_layer=last))
        body = body or _other_head(file, architecture, row) or _features(file, architecture, row)
    return body


def _other_head(file: _File, architecture: str, row: Mapping[str, Any]) -> Recognised | None:
    """The network with other layers, or none, in place of its last ones."""
    for slot, facts in row["slots"].items():
        if file.fingerprint(row, slot) != facts["print"]:
            continue
        inside = {
            n.removeprefix(f"{slot}."): n for n in file.names(row) if n.startswith(f"{slot}.")
        }
        head = read_head({n: file.shapes[name] for n, name in inside.items()}, facts["input"])
        if head:
            found = Recognised(architecture, "whole", head[-1].outputs, last_layer=slot, head=head)
        elif inside or (slot == next(iter(row["slots"])) and "body" in row["prints"]):
            theirs = tuple(t for t, ours in file.mapping.items() if ours in inside.values())
            found = Recognised(architecture, "body", last_layer=slot, unread=theirs)
        else:
            continue  # nothing of the classifier is there: only features
        return _found(file, row, found)
    return None


def _features(file: _File, architecture: str, row: Mapping[str, Any]) -> Recognised | None:
    wanted = row["prints"].get("features")
    if wanted is None:
        return None
    inner = _File({n: s for n, s in file.shapes.items() if n.startswith("features.")})
    if inner.fingerprint(row) != wanted:
        return None
    return _found(inner, row, Recognised(architecture, "features"))


def _found(file: _File, row: Mapping[str, Any], found: Recognised) -> Recognised:
    """Complete what was found with what the tensors tell about the pictures, and with their names."""
    names = set(file.names(row))
    slot = f"{found.last_layer}."
    mapping = {}
    for theirs, ours in file.mapping.items():
        if ours not in names or (found.part == "body" and ours.startswith(slot)):
            continue
        if found.head and ours.startswith(slot):
            path, _, kind = ours.removeprefix(slot).rpartition(".")
            ours = ".".join(filter(None, (found.last_layer, path.replace(".", "_"), kind)))
        mapping[theirs] = ours
    side = file.side if file.side != row["input_size"] else 0
    return replace(found, mapping=mapping, channels=file.channels(row), input_size=side)
