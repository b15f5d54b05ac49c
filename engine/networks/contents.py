"""What a weight file holds, whichever network it is: the interface to all formats."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from engine.networks.card import Preprocessing

if TYPE_CHECKING:
    from torch import Tensor

AVERAGED = re.compile(r"(^|[._])(n_averaged|ema|swa|averaged?|shadow)($|[._])", re.IGNORECASE)
"""How weights averaged over a training are named."""


class Unusable(NamedTuple):
    """A tensor that is there but cannot be used as a weight: sparse, quantized, without values."""

    shape: tuple[int, ...]
    why: str
    """Completes "fc.weight ...": "is sparse"."""


def nothing() -> None:
    """Do nothing."""


@dataclass(frozen=True)
class Group:
    """Tensors by name that belong together; a checkpoint may hold several such groups."""

    tensors: "Mapping[str, Tensor | Unusable]"
    """On the CPU, in their stored precision; values may stay in the file until used."""
    name: str = ""
    """Where in the file: "state_dict_ema"; empty if the file holds only this group."""
    averaged: bool = False
    """Averaged over the training; networks are usually evaluated with such weights."""
    release: Callable[[], None] = nothing
    """Releases the memory of values that were looked at; they stay in the file."""

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return tensor name -> shape."""
        return {name: tuple(tensor.shape) for name, tensor in self.tensors.items()}


@dataclass(frozen=True)
class Contents:
    """What the reader of a format found: the basis of recognition, cards and messages."""

    kind: str
    """In words: "a PyTorch checkpoint"."""
    groups: tuple[Group, ...]
    """Best first: averaged ones, then the usual places, then all others."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    """What a person should know, each without a capital or a full stop: "x was left out"."""
    preprocessing: Preprocessing | None = None
    """Set if the file (or one beside it) says how pictures are prepared."""
    preprocessing_source: str = ""
    """Who says so: "config.json beside the file"."""
