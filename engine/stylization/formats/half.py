"""Networks that come in two files: one that reads paintings, one that paints."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from engine.networks.describing import formula
from engine.stylization.layers import Line
from engine.stylization.painter import Painter

Role = str
"""What a file does: "reads" paintings, or "paints"."""


@dataclass(frozen=True)
class Half:
    """One of the two files."""

    family: str
    """Halves of the same family belong together."""
    role: Role
    path: Path
    lines: tuple[Line, ...]
    numbers: list[Tensor]
    """The tensors of the lines, in their order."""
    what: str
    """In words, with an article: "AdaIN's decoder"."""
    wanted: str
    """What the other file is, and its usual name, in words."""
    join: "Callable[[Half, Half], Painter]"
    """Returns the network of the half that paints and the one that reads."""
    quantized: bool = False
    """Whether its numbers were integers."""


def told(network: Painter, what: str, licence: str = "") -> Painter:
    """Return the network with a sentence on what it was found to be and how pictures are prepared."""
    network.found = f"{what}; pictures are prepared as {formula(network.plan.takes)}"
    network.licence = licence
    return network
