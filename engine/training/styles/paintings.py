"""What is learned: a painting, and the statistics that the judge finds in it.

Statistics are taken from squares as large as the pictures that are practised on, spread over the whole
painting, for two reasons: the judge pads both alike with zeros at the border, and strokes keep the size
that they have in the painting when pictures grow.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from engine.errors import BadInput
from engine.image import open_picture
from engine.networks import catalogue
from engine.networks import weights as weight_files
from engine.networks.checksums import sha256
from engine.networks.loading import load_network
from engine.objectives.style import Statistics
from engine.parameterization.scales import fit, resize_picture
from engine.training import any_style_losses as losses
from engine.training.objective import normalise

SMALLEST = 32
"""Pixels of a painting's short side at least."""
AT_ONCE = 8


@dataclass(frozen=True)
class Painting:
    """A painting that was opened."""

    name: str
    path: Path
    sha256: str
    picture: Tensor
    """(1, 3, h, w), RGB in [0, 1]."""


def read_painting(path: Path, size: int) -> Painting:
    """Open a painting with a long side of `size` pixels, or as many as it has.

    Raises `BadInput`, also for one that is too small.
    """
    found = open_picture(path, long_side=2 * size)
    if min(found.width, found.height) < SMALLEST:
        raise BadInput(
            f"{path} has {found.width} x {found.height} pixels; a painting to learn from needs at "
            f"least {SMALLEST} on each side"
        )
    own = (found.height, found.width)
    picture = resize_picture(found.tensor()[None], fit(own, min(size, max(own)), least=SMALLEST))
    return Painting(path.stem, path, found.sha256, picture)


class Judge:
    """The network whose activations are compared: the one that ships."""

    NAME = "slim_vgg"

    def __init__(self, device: torch.device) -> None:
        """Load it onto a device. Raises `WeightsMissing`."""
        path = weight_files.find(catalogue.card(self.NAME))
        module = load_network(self.NAME, device=device).module
        assert isinstance(module, nn.Sequential)
        self.module = module.requires_grad_(False)
        self.sha256 = sha256(path)
        self.licence = catalogue.card(self.NAME).licence
        self.device = device

    def features(self, pictures: Tensor) -> dict[str, Tensor]:
        """Return the style layers of pictures (N, 3, H, W), RGB around [0, 1]."""
        return losses.features(self.module, normalise(pictures))

    @torch.no_grad()
    def statistics(self, painting: Tensor, side: int) -> list[Statistics]:
        """Return the statistics of each style layer over a painting (1, 3, h, w), N being 1."""
        squares = squares_of(painting.to(self.device), side)
        parts = [losses.statistics(self.features(part)) for part in squares.split(AT_ONCE)]
        return [
            Statistics(
                torch.cat([s.mean for s in layer]).mean(0, keepdim=True),
                torch.cat([s.second for s in layer]).mean(0, keepdim=True),
            )
            for layer in zip(*parts, strict=True)
        ]


def squares_of(painting: Tensor, side: int) -> Tensor:
    """Return squares (N, 3, side, side) that cover a painting (1, 3, h, w), half over each other.

    Where the painting is not as large, they are as high or as wide as it is.
    """
    height, width = painting.shape[2:]
    return torch.cat([
        painting[:, :, y : y + side, x : x + side]
        for y in _begins(height, side)
        for x in _begins(width, side)
    ])  # fmt: skip


def _begins(length: int, side: int) -> list[int]:
    """Return where pieces of `side` begin that cover a length evenly."""
    room = max(length - side, 0)
    count = math.ceil(2 * room / side) + 1
    return [round(room * k / max(count - 1, 1)) for k in range(count)]


def stacked(styles: list[list[Statistics]], chosen: list[int]) -> list[Statistics]:
    """Return the statistics of the chosen styles, layer by layer, one for each picture."""
    return [
        Statistics(
            torch.cat([styles[k][layer].mean for k in chosen]),
            torch.cat([styles[k][layer].second for k in chosen]),
        )
        for layer in range(len(losses.STYLE_LAYERS))
    ]
