"""What every network that paints in one pass offers, whoever trained it: styles are codes, which mix."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

import torch
from torch import Tensor, nn

from engine.errors import BadInput


class StyleKind(StrEnum):
    """What a network can paint."""

    ANY = "any"
    """Any painting that it is shown (Huang, Belongie 2017; Ghiasi et al. 2017)."""
    MANY = "many"
    """A number of styles that it was trained for (Dumoulin, Shlens, Kudlur 2017)."""
    SINGLE = "single"
    """One style (Johnson, Alahi, Fei-Fei 2016)."""
    TEXTURE = "texture"
    """One texture, from noise (Ulyanov et al. 2016)."""


class StyleNetwork(nn.Module, ABC):
    """A network that paints photos: RGB in [0, 1] in and out, of any size, whatever it uses inside.

    A style is a code, a tensor (1, K) whose numbers mean something to this network alone. Gradients
    are recorded unless torch is told otherwise; to paint only, use `torch.no_grad()`.
    """

    kind: StyleKind
    style_names: tuple[str, ...] = ()
    """The names of its built-in styles, in order; empty for kinds other than MANY and SINGLE."""
    painting_size: int | None = None
    """Longer side, in pixels, of the paintings in its training; None for any."""
    found: str = ""
    """In a plain sentence, what the file turned out to be and how pictures are prepared for it."""
    licence: str = ""
    """What the makers of the weights allow, if it is known."""
    training_minutes: float = 0.0
    """Minutes of computing that its training took; 0 if unknown."""

    def tell(self, card: Mapping[str, Any]) -> None:
        """Take over what the card in a file of this program says about the network."""
        self.licence, self.found = str(card.get("licence", "")), str(card.get("found", ""))
        minutes = card.get("minutes")
        self.training_minutes = float(minutes) if isinstance(minutes, (int, float)) else 0.0

    def encode(self, painting: Tensor) -> Tensor:
        """Return the code (1, K) of a painting (1, 3, h, w), RGB in [0, 1], of any size.

        Its strokes come out as large as they are in this picture. Raises `BadInput` for networks
        that know only the styles that they were trained for.
        """
        raise BadInput(
            f"this network knows only {self._own()}; for a painting of your own take one for any style"
        )

    def style(self, index: int = 0) -> Tensor:
        """Return the code (1, K) of a built-in style; for a network with one style, K may be 0.

        Raises `BadInput` for numbers that it has no style for.
        """
        raise BadInput("this network has no styles of its own; give it a painting")

    def blend(self, codes: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
        """Return the code of a mixture: the sum of codes times weights, which are scaled to sum to 1.

        Raises `BadInput` for weights that sum to 0.
        """
        total = sum(weights)
        if not codes or not total > 0:
            raise BadInput("the weights of the styles sum to 0; give at least one a weight above 0")
        parts = [code * (weight / total) for code, weight in zip(codes, weights, strict=True)]
        return torch.stack(parts).sum(0)

    @abstractmethod
    def forward(self, photo: Tensor, code: Tensor, strength: float = 1.0) -> Tensor:
        """Return the painted photos, of the photos' shape; values may lie outside [0, 1].

        Args:
            photo: (N, 3, H, W), RGB in [0, 1], of any height and width.
            code: (1, K) for all of them, or (N, K), one for each.
            strength: from 1, the style as the network has it, to 0, where it is gone.
        """

    def _own(self) -> str:
        """Return its styles in words."""
        count = len(self.style_names)
        return "its own style" if count < 2 else f"its own {count} styles"
