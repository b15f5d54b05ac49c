"""Learning one painting better: the scales and shifts of the network for any style, and nothing else.

Dumoulin, Shlens, Kudlur 2017, "A Learned Representation for Artistic Style": a network learns a new
style by these numbers alone. It begins with those that the shipped network reads in the painting.
"""

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from engine.networks.checksums import sha256
from engine.stylization.any_style import AnyStyle
from engine.stylization.finding import SHIPPED, find_style_network
from engine.stylization.learned_style import LearnedStyle, write_learned
from engine.stylization.opening import open_style_network
from engine.training.styles.lesson import Lesson, Material


class Learn(Lesson):
    """The numbers of one style."""

    def __init__(self, material: Material) -> None:
        """Begin with what the shipped network reads in the painting. Raises `WeightsMissing`."""
        super().__init__(material)
        device, painting = material.judge.device, material.paintings[0]
        path = find_style_network(SHIPPED)
        shipped = open_style_network(path)
        assert isinstance(shipped, AnyStyle)
        self.base, self.licence = sha256(path), shipped.licence
        begun = LearnedStyle.of(shipped.to(device), painting.picture.to(device), painting.name)
        self.network = begun.requires_grad_(False).to(device)
        # In units of each layer's own scales, which differ up to tenfold between layers.
        self.register_buffer("unit", _units(begun.affines(begun.style())))
        self.unit: Tensor
        self.change = nn.Parameter(torch.zeros_like(begun.change))

    def painted(self, photos: Tensor, styles: list[int]) -> Tensor:
        """Return the photos painted."""
        return self.network.paint(
            photos, torch.cat([self.network.code, self.change * self.unit], 1)
        )

    def write(self, network: LearnedStyle, path: Path, facts: Mapping[str, Any]) -> None:
        """Write the network. Raises `BadInput`."""
        write_learned(network, path, facts)

    def result(self) -> LearnedStyle:
        """Return the network with the numbers as they are now."""
        network = copy.deepcopy(self.network)
        network.change.copy_(self.change.detach() * self.unit)
        return network


def _units(affines: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
    """Return the root mean square of each layer's scales, at the places of its scales and shifts."""
    parts = []
    for gamma, beta in affines:
        unit = gamma.detach().square().mean().sqrt()
        parts += [unit.expand_as(gamma), unit.expand_as(beta)]
    return torch.cat(parts, 1)
