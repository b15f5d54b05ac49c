"""One painting that the network for any style has been taught: scales and shifts of its own.

The network reads 960 numbers from a painting, its code, and makes of them a scale and a shift for
each normalized channel. A network with conditional instance normalization learns just these for a
new style (Dumoulin, Shlens, Kudlur 2017, "A Learned Representation for Artistic Style"). Their
difference from those that the network makes is kept with it; the network is otherwise unchanged.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor
from torch.nn import functional as F

from engine.errors import BadInput
from engine.networks.contents import Contents
from engine.stylization.any_style import AFFINE, CODE, NORMS, AnyStyle, code_of
from engine.stylization.any_style_file import filled
from engine.stylization.network import StyleKind, StyleNetwork
from engine.stylization.network_file import card_of, write_network

ARCHITECTURE = "learned_style"
PRECISE = ("code", "change")
"""Tensors that are kept in float32; the rest of the file is the network for any style, in float16."""


class LearnedStyle(AnyStyle):
    """A network for any style with the scales and shifts of one painting, its only style.

    A style's code (1, CODE + AFFINE) begins with the painting's own code; then follows what is
    added to scales and shifts: for each layer in `NORMS`, first to the scales, then to the shifts.
    """

    kind = StyleKind.SINGLE

    def __init__(self) -> None:
        """Build it without a style: see `of`."""
        super().__init__()
        self.style_names = ("style",)
        self.register_buffer("code", torch.zeros(1, CODE))
        self.register_buffer("change", torch.zeros(1, AFFINE))
        self.code: Tensor
        self.change: Tensor

    @classmethod
    def of(cls, network: AnyStyle, painting: Tensor, name: str) -> Self:
        """Return a copy of `network` that still paints as it does in the style of `painting`.

        `painting` is (1, 3, h, w), RGB in [0, 1], with strokes of the size that they will have.
        """
        made = cls()
        own = network.state_dict()
        made.load_state_dict({**made.state_dict(), **{n: t.float() for n, t in own.items()}})
        made.style_names = (name,)
        made.painting_size = max(painting.shape[2:])
        with torch.no_grad():
            made.code.copy_(network.encode(painting))
        return made.to(memory_format=torch.channels_last)

    def encode(self, painting: Tensor) -> Tensor:
        """Raise `BadInput`: the network has a style of its own."""
        return StyleNetwork.encode(self, painting)

    def style(self, index: int = 0) -> Tensor:
        """Return the code (1, CODE + AFFINE) of its style. Raises `BadInput` for indices other than 0."""
        if index != 0:
            raise BadInput(f"there is no style {index}; the network has one, number 0")
        return torch.cat([self.code, self.change], 1)

    def code_of(self, moments: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
        """Return the codes of pictures with these moments, with nothing added to scales and shifts."""
        return F.pad(code_of(moments), (0, AFFINE))

    def affines(self, code: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Return each normalized layer's gamma and beta, (N, C) each, for codes (N, CODE + AFFINE)."""
        added = iter(code[:, CODE:].float().split([w for _, w, _ in NORMS for _ in range(2)], 1))
        begun = super().affines(code[:, :CODE])
        return [(gamma + next(added), beta + next(added)) for gamma, beta in begun]


def write_learned(network: LearnedStyle, path: Path, facts: Mapping[str, Any]) -> None:
    """Write a learned style with its card, whole or not at all.

    `facts` are what else the card says: plain values. Raises `BadInput` if the file cannot be
    written.
    """
    tensors = {
        name: tensor.float() if name in PRECISE else tensor.half()
        for name, tensor in network.state_dict().items()
    }
    write_network(network, path, ARCHITECTURE, facts, tensors)


def learned_style(contents: Contents, path: Path) -> LearnedStyle | None:
    """Return the network in a file that `write_learned` wrote, or None for other files.

    Raises `BadInput` for one that is damaged or from a later version.
    """
    card = card_of(contents, ARCHITECTURE, path)
    if card is None:
        return None
    names, size = card.get("styles"), card.get("painting_size")
    if not isinstance(names, list) or len(names) != 1 or not isinstance(size, int):
        raise BadInput(f"{path} is damaged: it does not say which style it has")
    network = filled(LearnedStyle, contents.groups[0].tensors, path).requires_grad_(False)
    network.style_names, network.painting_size = (str(names[0]),), size
    network.tell(card)
    return network
