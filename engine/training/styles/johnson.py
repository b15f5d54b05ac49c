"""New networks: for one style (Johnson, Alahi, Fei-Fei 2016), and for many.

For many, scale and shift of each normalization are the style's (Dumoulin, Shlens, Kudlur 2017, "A
Learned Representation for Artistic Style"), so that a further style is learned later by these alone.
That each picture is normalized by itself, instead of the batch, is what makes such networks good
(Ulyanov, Vedaldi, Lempitsky 2016, "Instance Normalization: The Missing Ingredient for Fast
Stylization"); both can be had.
"""

import copy
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from engine.stylization.johnson import light_plan
from engine.stylization.layers import Batch, Convolution, Norm, Residual, StyledNorm
from engine.stylization.painter import Painter, Plan, made
from engine.stylization.painter_file import write_painter
from engine.training import any_style_losses as losses
from engine.training.styles.lesson import Lesson, Material
from engine.training.styles.paintings import stacked
from engine.training.styles.settings import USUAL

NORMS = {"instance": "norm", "batch": "batch"}
"""Which kind of layer a setting means."""


class Painting(Lesson):
    """A network made after a plan, trained as a whole."""

    content_layer = "relu3_1"
    grows = True

    def __init__(self, material: Material, plan: Plan) -> None:
        """Begin with random numbers that give grey pictures."""
        super().__init__(material)
        self.network = begun(plan)

    def painted(self, photos: Tensor, styles: list[int]) -> Tensor:
        """Return the photos painted."""
        return self.network.paint(photos, self.network.styles[styles])

    def write(self, network: Painter, path: Path, facts: Mapping[str, Any]) -> None:
        """Write the network. Raises `BadInput`."""
        write_painter(network, path, facts)

    def result(self) -> Painter:
        """Return the network as it is now."""
        return copy.deepcopy(self.network).eval().requires_grad_(False)


class Single(Painting):
    """A network for one style."""

    made_by = "trained for"

    def __init__(self, material: Material) -> None:
        """Begin a new network."""
        settings = material.settings
        names = tuple(p.name for p in material.paintings)
        super().__init__(material, light_plan(NORMS[settings.norm], names, settings.painting_size))


class Many(Painting):
    """A network for several styles."""

    made_by = "trained for"

    def __init__(self, material: Material) -> None:
        """Begin a new network."""
        names = tuple(p.name for p in material.paintings)
        super().__init__(material, light_plan("styled", names, material.settings.painting_size))


class Added(Lesson):
    """Further styles of a network for many: their scales and shifts, and nothing else."""

    content_layer = Painting.content_layer
    made_by = "taught, besides what it knew,"

    def __init__(self, material: Material) -> None:
        """Begin each with the numbers of the network's own style that is nearest to it."""
        super().__init__(material)
        assert material.base is not None
        self.base, self.licence = material.base_sha256, material.base.licence
        self.network = copy.deepcopy(material.base).requires_grad_(False).eval()
        self.network.to(material.judge.device)
        self.added = nn.Parameter(self.network.styles[self._nearest()].clone())

    @torch.no_grad()
    def _nearest(self) -> list[int]:
        """Return which of its own styles comes nearest to each painting, on a few photos."""
        settings, judge = self.material.settings, self.material.judge
        side = settings.side or USUAL["add"].side
        photos = self.material.photos.draw(4, side, 0, settings.seed).to(judge.device)
        errors = []
        for number in range(len(self.network.styles)):
            painted = self.network.paint(photos, self.network.style(number)).clamp(0, 1)
            own = losses.statistics(judge.features(painted))
            errors.append([
                float(losses.gram_loss(own, stacked([wanted], [0] * len(photos))))
                for wanted in self.wanted(side)
            ])  # fmt: skip
        columns = zip(*errors, strict=True)
        return [min(range(len(column)), key=column.__getitem__) for column in columns]

    def painted(self, photos: Tensor, styles: list[int]) -> Tensor:
        """Return the photos painted, each in one of the added styles."""
        return self.network.paint(photos, self.added[styles])

    def write(self, network: Painter, path: Path, facts: Mapping[str, Any]) -> None:
        """Write the network with all of its styles. Raises `BadInput`."""
        write_painter(network, path, facts)

    def result(self) -> Painter:
        """Return the network with its own styles and the added ones."""
        own = self.network
        names = (*own.style_names, *_others(own.style_names, self.material))
        rows = torch.cat([own.styles, self.added.detach()])
        return made(replace(own.plan, style_names=names), {**own.state_dict(), "styles": rows}).to(
            rows.device
        )


def _others(taken: tuple[str, ...], material: Material) -> Iterator[str]:
    """Yield the paintings' names, with a number if another style already has that name."""
    known = {name.casefold() for name in taken}
    for painting in material.paintings:
        name, number = painting.name, 1
        while name.casefold() in known:
            number += 1
            name = f"{painting.name}_{number}"
        known.add(name.casefold())
        yield name


def begun(plan: Plan) -> Painter:
    """Return a network after a plan with random numbers: branches switched off, so that it paints grey.

    He et al. 2015, "Delving Deep into Rectifiers", for what comes before a ReLU.
    """
    network = Painter(plan).to_empty(device="cpu")
    with torch.no_grad():
        network.styles.zero_()
        for module in network.modules():
            if isinstance(module, Convolution):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                if module.bias is not None:  # the last one
                    nn.init.zeros_(module.bias)
                    module.weight.mul_(0.1)
            elif isinstance(module, (Norm, Batch)):
                nn.init.ones_(module.weight)
                nn.init.zeros_(module.bias)
                if isinstance(module, Batch):
                    module.running_mean.zero_()
                    module.running_var.fill_(1)
            elif isinstance(module, StyledNorm):
                network.styles[:, module.start : module.start + module.channels] = 1
        for module in network.modules():
            if isinstance(module, Residual):
                last = module.layers[-1]
                if isinstance(last, StyledNorm):
                    network.styles[:, last.start : last.start + last.channels] = 0
                elif isinstance(last, (Norm, Batch)):
                    nn.init.zeros_(last.weight)
    return network
