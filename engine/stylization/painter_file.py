"""The file of a network that paints: safetensors, with its plan and card as metadata."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import Tensor

from engine.errors import BadInput
from engine.networks.card import Preprocessing
from engine.networks.contents import Contents
from engine.stylization.network_file import card_of, write_network
from engine.stylization.painter import Painter, Plan, made

ARCHITECTURE = "painter"


def write_painter(network: Painter, path: Path, facts: Mapping[str, Any] | None = None) -> None:
    """Write a network to a file, next to its destination first and then renamed.

    `facts` are what else its card should say: plain values. Raises `BadInput` if the file cannot be
    written.
    """
    facts = {**(facts or {}), "plan": plain(network.plan)}
    tensors = {name: tensor.float() for name, tensor in network.state_dict().items()}
    write_network(network, path, ARCHITECTURE, facts, tensors)


def painter(contents: Contents, path: Path) -> Painter | None:
    """Return the network in a file that `write_painter` wrote, or None for other files.

    Raises `BadInput` for one that is damaged or from a later version.
    """
    card = card_of(contents, ARCHITECTURE, path)
    if card is None:
        return None
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
