"""What all kinds of training share: a network that paints, and the losses of its pictures."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from engine.objectives.priors import total_variation
from engine.objectives.style import Statistics
from engine.stylization.network import StyleNetwork
from engine.stylization.painter import Painter
from engine.training import any_style_losses as losses
from engine.training.styles.paintings import Judge, Painting, stacked
from engine.training.styles.photos import Photos
from engine.training.styles.settings import StyleTraining

RANGE = 10.0
NOISY_SHARE = 4
"""Of this many photos one is painted with noise as well."""


@dataclass(frozen=True)
class Moment:
    """The point a training has reached, on which the random choices of a step depend."""

    step: int
    side: int
    batch: int


@dataclass
class Material:
    """What is learned from."""

    settings: StyleTraining
    judge: Judge
    paintings: list[Painting]
    photos: Photos
    base: Painter | None = None
    """The network that styles are added to, and the SHA-256 of its file."""
    base_sha256: str = ""


class Lesson(nn.Module, ABC):
    """A network in training. Its parameters that require a gradient are learned."""

    content_layer = losses.CONTENT_LAYER
    grows = False
    """Whether it ends with pictures of twice the side."""
    made_by = "learned from"
    """Completes "the network was …" before the paintings' names."""
    base = licence = ""
    """Of the network that it begins with, if it does not begin anew: SHA-256, and what it says."""

    def __init__(self, material: Material) -> None:
        """Begin, with `material` at hand."""
        super().__init__()
        self.material = material
        self._seen: dict[int, list[list[Statistics]]] = {}

    @abstractmethod
    def painted(self, photos: Tensor, styles: list[int]) -> Tensor:
        """Return photos (N, 3, H, W) painted, each in its style; values may lie outside [0, 1]."""

    @abstractmethod
    def result(self) -> StyleNetwork:
        """Return a network of its own that paints what has been learned."""

    @abstractmethod
    def write(self, network: Any, path: Path, facts: Mapping[str, Any]) -> None:
        """Write what `result` gave, with `facts` in its card. Raises `BadInput`."""

    def learned(self) -> list[nn.Parameter]:
        """Return what is learned."""
        return [p for p in self.parameters() if p.requires_grad and p.numel()]

    def styles(self, moment: Moment) -> list[int]:
        """Return which painting each photo of a step is painted after."""
        chance = torch.Generator().manual_seed(
            step_number(self.material.settings.seed, moment.step)
        )
        drawn = torch.randint(len(self.material.paintings), (moment.batch,), generator=chance)
        return [int(k) for k in drawn]

    def wanted(self, side: int) -> list[list[Statistics]]:
        """Return the statistics of each painting for pictures of this side."""
        if side not in self._seen:
            judge, paintings = self.material.judge, self.material.paintings
            self._seen = {side: [judge.statistics(p.picture, side) for p in paintings]}
        return self._seen[side]

    def terms(self, moment: Moment) -> dict[str, Tensor]:
        """Return the weighted losses of a step."""
        settings, judge = self.material.settings, self.material.judge
        drawn = self.material.photos.draw(moment.batch, moment.side, moment.step, settings.seed)
        photos, styles = drawn.to(judge.device), self.styles(moment)
        with torch.no_grad():
            before = judge.features(photos)[self.content_layer]
        made = self.painted(photos, styles).float()
        own = judge.features(made)
        statistics = losses.statistics(own)
        wanted = stacked(self.wanted(moment.side), styles)
        terms = {
            "content": settings.content_weight
            * losses.content_loss(own[self.content_layer], before),
            "style": settings.style_weight * losses.gram_loss(statistics, wanted)
            + settings.style_weight / 5 * losses.moment_loss(statistics, wanted),
            "smoothness": settings.smoothness * total_variation(made) / made.numel(),
            "range": RANGE * losses.range_loss(made),
        }
        if settings.steadiness:
            some = -(-moment.batch // NOISY_SHARE)
            chance = torch.Generator().manual_seed(step_number(settings.seed, moment.step))
            noisy = self.painted(losses.speckled(photos[:some], chance), styles[:some])
            change = (noisy.float() - made[:some].detach()).square().mean()
            terms["steadiness"] = settings.steadiness * change
        return terms


def step_number(seed: int, step: int) -> int:
    """Return the seed of a step's generator."""
    return (seed * 1_000_003 + step) % 2**63
