"""What the files of this program's own style networks share: a card in the metadata of safetensors."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import save
from torch import Tensor

from engine.errors import BadInput
from engine.files import replacing
from engine.networks.contents import Contents
from engine.networks.style_cards import KEY, said
from engine.stylization.network import StyleNetwork

FORMAT = 1


def write_network(
    network: StyleNetwork,
    path: Path,
    architecture: str,
    facts: Mapping[str, Any],
    tensors: Mapping[str, Tensor],
) -> None:
    """Write a network with its card, whole or not at all.

    Args:
        network: its licence, kind and styles go into the card.
        path: the file to write.
        architecture: what `card_of` recognises the file by.
        facts: the rest of the card, as plain values.
        tensors: its state, in the precision to keep it in.

    Raises `BadInput` if the file cannot be written.
    """
    card = {
        "licence": network.licence,
        "found": network.found,
        **facts,
        "architecture": architecture,
        "format": FORMAT,
        "kind": network.kind,
        "styles": network.style_names,
        "painting_size": network.painting_size,
    }
    there = {name: tensor.detach().contiguous().cpu() for name, tensor in tensors.items()}
    with replacing(path) as file:
        file.write(save(there, {KEY: json.dumps(card), "format": "pt"}))


def card_of(contents: Contents, architecture: str, path: Path) -> dict[str, Any] | None:
    """Return the card of a file of this architecture, or None for other files.

    Raises `BadInput` for one from a later version.
    """
    card = said(contents.metadata)
    if card.get("architecture") != architecture:
        return None
    if card.get("format") != FORMAT:
        raise BadInput(f"{path} was written by a later version of this program; update it")
    return card
