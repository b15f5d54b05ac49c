"""Fingerprints of networks: names and shapes of their tensors, and the table of torchvision's."""

import hashlib
import json
import re
from collections.abc import Collection, Mapping
from functools import cache
from pathlib import Path
from typing import Any

Shapes = Mapping[str, tuple[int, ...]]

TABLE_FILE = Path(__file__).with_name("torchvision_table.json")

IGNORED = re.compile(
    r"\.num_batches_tracked$"  # absent from old files, unused in eval mode
    r"|^(aux1|aux2|AuxLogits)\."  # heads that only training uses
)
"""Tensors that say nothing about which network it is."""


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
    """Return fingerprints: the whole network's, the one without its last layer, and its features'."""
    features = {n: s for n, s in shapes.items() if n.startswith("features.")}
    prints = {
        "whole": fingerprint(shapes, head),
        "body": fingerprint({n: s for n, s in shapes.items() if n not in head}),
    }
    if features and features.keys() != shapes.keys() - head:
        prints["features"] = fingerprint(features)
    elif features:
        # Only the last layer is outside `features`: both names mean the same.
        prints["features"] = prints.pop("body")
    return prints
