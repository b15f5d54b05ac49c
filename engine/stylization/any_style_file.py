"""The file of a network for any style: half-precision safetensors with a card in its metadata."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor

from engine.errors import BadInput
from engine.networks.contents import Contents
from engine.stylization.any_style import AnyStyle
from engine.stylization.network_file import card_of, write_network

ARCHITECTURE = "any_style"
T = TypeVar("T", bound=AnyStyle)


@dataclass(frozen=True)
class AnyStyleCard:
    """What is known about such a network."""

    licence: str = ""
    judge: str = ""
    """The network whose activations the losses compare."""
    losses: dict[str, float] = field(default_factory=dict)
    """The weights of the loss terms."""
    paintings: dict[str, str] = field(default_factory=dict)
    """SHA-256 of the pictures whose styles it learned from, by name."""
    kept_out: tuple[str, ...] = ()
    """Pictures of the same folder that it never saw."""
    photos: str = ""
    """SHA-256 of the archive of photos."""
    steps: int = 0
    minutes: float = 0.0
    """Minutes of computing."""
    notes: str = ""


def write_any_style(network: AnyStyle, path: Path, card: AnyStyleCard) -> None:
    """Write the weights in float16, with their card, next to the destination and then renamed.

    Raises `BadInput` if the file cannot be written.
    """
    tensors = {name: tensor.half() for name, tensor in network.state_dict().items()}
    write_network(network, path, ARCHITECTURE, {**asdict(card), "found": _found(card)}, tensors)


def any_style(contents: Contents, path: Path) -> AnyStyle | None:
    """Return the network for any style in a file that this program wrote, or None for other files.

    Raises `BadInput` for one that is damaged or from a later version.
    """
    card = card_of(contents, ARCHITECTURE, path)
    if card is None:
        return None
    network = filled(AnyStyle, contents.groups[0].tensors, path)
    network.tell(card)
    return network


def filled(make: Callable[[], T], tensors: Mapping[str, object], path: Path) -> T:
    """Return a network with a file's tensors, in float32. Raises `BadInput` if some do not fit."""
    with torch.device("meta"):
        wanted = make().state_dict()
    state = {}
    for name, tensor in wanted.items():
        given = tensors.get(name)
        if not isinstance(given, Tensor) or given.shape != tensor.shape:
            raise BadInput(f"{path} is damaged: {name} is missing or has another size")
        state[name] = given.float()
    network = make()
    network.load_state_dict(state)
    return network.to(memory_format=torch.channels_last)


def _found(card: AnyStyleCard) -> str:
    return (
        f"a network for any painting, trained on {len(card.paintings)} paintings; pictures are prepared "
        "inside it"
    )
