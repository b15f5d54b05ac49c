"""The file of a network that paints: safetensors, with its plan and card as metadata."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from safetensors.torch import save
from torch import Tensor

from engine.errors import BadInput
from engine.files import replacing
from engine.networks.card import Preprocessing
from engine.networks.contents import Contents
from engine.networks.style_cards import KEY, said
from engine.stylization.painter import Painter, Plan, made

ARCHITECTURE, FORMAT = "painter", 1


def write_painter(network: Painter, path: Path, facts: Mapping[str, Any] | None = None) -> None:
    """Write a network to a file, next to its destination first and then renamed.

    `facts` are what else its card should say: plain values. Raises `BadInput` if the file cannot be
    written.
    """
    card = {
        **(facts or {}),
        "architecture": ARCHITECTURE,
        "format": FORMAT,
        "kind": network.kind,
        "styles": network.style_names,
        "licence": network.licence,
        "found": network.found,
        "plan": plain(network.plan),
    }
    tensors = {
        name: tensor.detach().float().contiguous().cpu()
        for name, tensor in network.state_dict().items()
    }
    with replacing(path) as file:
        file.write(save(tensors, {KEY: json.dumps(card), "format": "pt"}))


def painter(contents: Contents, path: Path) -> Painter | None:
    """Return the network in a file that `write_painter` wrote, or None for other files.

    Raises `BadInput` for one that is damaged or from a later version.
    """
    card = said(contents.metadata)
    if card.get("architecture") != ARCHITECTURE:
        return None
    if card.get("format") != FORMAT:
        raise BadInput(f"{path} was written by a later version of this program; update it")
    tensors = {n: t for n, t in contents.groups[0].tensors.items() if isinstance(t, Tensor)}
    try:
        network = made(_plan(card["plan"]), tensors, path)
    except (KeyError, TypeError, ValueError, RuntimeError, RecursionError) as error:
        raise BadInput(f"{path} is damaged: it does not say what its network is made of") from error
    network.tell(card)
    return network


def plain(plan: Plan) -> Any:
    """Return a plan in JSON's terms: lists and plain values."""
    return json.loads(json.dumps(asdict(plan)))


def _plan(values: dict[str, Any]) -> Plan:
    """Return the plan that `plain` gave, read from JSON."""
    prepared = {}
    for name in ("takes", "gives"):
        given = dict(values[name])
        for part in ("mean", "std"):
            first, second, third = (float(number) for number in given[part])
            given[part] = (first, second, third)
        prepared[name] = Preprocessing(**given)
    size = values["painting_size"]
    return Plan(
        tuple(values["lines"]),
        prepared["takes"],
        prepared["gives"],
        tuple(str(name) for name in values["style_names"]),
        tuple(values["encoder"]),
        int(values["shared"]),
        None if size is None else int(size),
    )
