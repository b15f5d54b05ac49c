"""Training a network that draws a texture from noise.

Gram matrices as Ulyanov et al. 2016 have them, on the judge's layers. Samples of such a network tend to
look alike; what keeps them apart is the entropy of the textures, estimated by the nearest other one of
the batch (Ulyanov, Vedaldi, Lempitsky 2017, "Improved Texture Networks: Maximizing Quality and Diversity
in Feed-forward Stylization and Texture Synthesis").
"""

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from engine.objectives.priors import total_variation
from engine.stylization.texture_network import TextureNetwork, write_texture
from engine.training import any_style_losses as losses
from engine.training.styles.lesson import RANGE, Lesson, Material, Moment, step_number
from engine.training.styles.paintings import stacked


class Texture(Lesson):
    """A network for one texture."""

    grows = True
    made_by = "trained for the texture of"

    def __init__(self, material: Material) -> None:
        """Begin a new network."""
        super().__init__(material)
        self.network = TextureNetwork()
        self.network.style_names = (material.paintings[0].name,)
        self.network.painting_size = material.settings.painting_size

    def painted(self, photos: Tensor, styles: list[int]) -> Tensor:
        """Return textures in the photos' shape: the first samples."""
        codes = torch.arange(len(photos), device=photos.device).float()[:, None]
        return self.network(photos, codes)

    def terms(self, moment: Moment) -> dict[str, Tensor]:
        """Return the weighted losses of a step."""
        settings, judge = self.material.settings, self.material.judge
        chance = torch.Generator().manual_seed(step_number(settings.seed, moment.step))
        size = (moment.side, moment.side)
        made = self.network.texture(self.network.noise(size, chance, moment.batch)).float()
        statistics = losses.statistics(judge.features(made))
        wanted = stacked(self.wanted(moment.side), [0] * moment.batch)
        terms = {
            "style": settings.style_weight * losses.gram_loss(statistics, wanted)
            + settings.style_weight / 5 * losses.moment_loss(statistics, wanted),
            "smoothness": settings.smoothness * total_variation(made) / made.numel(),
            "range": RANGE * losses.range_loss(made),
        }
        if settings.diversity and moment.batch > 1:
            terms["diversity"] = settings.diversity * likeness(made)
        return terms

    def write(self, network: TextureNetwork, path: Path, facts: Mapping[str, Any]) -> None:
        """Write the network. Raises `BadInput`."""
        write_texture(network, path, facts)

    def result(self) -> TextureNetwork:
        """Return the network as it is now."""
        return copy.deepcopy(self.network).eval().requires_grad_(False)


def likeness(pictures: Tensor) -> Tensor:
    """Return minus the mean log distance of each picture (N, C, H, W) to the nearest other one.

    Distances are root mean squares over pixels and colours; N is at least 2.
    """
    flat = pictures.flatten(1)
    squares = (flat[:, None] - flat[None]).square().mean(2)
    alone = torch.eye(len(flat), dtype=torch.bool, device=flat.device)
    nearest = squares.masked_fill(alone, torch.inf).amin(1)
    return -0.5 * nearest.clamp_min(1e-8).log().mean()
