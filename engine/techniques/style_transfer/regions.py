"""A style transfer's picture in parts, each with styles of its own, and what is kept of the photo.

Each part is compared with its styles by statistics of its own. Its loss counts by its share of the
area, so that every pixel is pulled as hard as if there were no regions.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.errors import BadInput
from engine.image import Picture
from engine.objectives.coverage import Coverage
from engine.objectives.regions import Guide, mask_of, partition
from engine.regions import Region
from engine.settings import STYLES
from engine.task import Task
from engine.techniques.style_transfer.settings import StyleTransfer

Styles = list[tuple[Tensor, float]]
"""Paintings (1, 3, h, w) with weights."""


@dataclass(frozen=True)
class Part:
    """A part of the picture at one scale, perhaps all of it."""

    factor: float
    """Its share of the area, times its weight."""
    seen: Tensor | None
    """Where it is, (1, 1, H, W) in [0, 1]; None: everywhere."""
    guide: Guide | None
    """Where it counts on layers' grids; None: as the photo is visible."""
    own: Picture | None
    """Its own style; None: the usual ones."""


@dataclass(frozen=True)
class Parts:
    """All parts of the picture at one scale, (height, width)."""

    parts: Sequence[Part]
    kept: Tensor | None
    """How far the photo is kept, (1, 1, H, W) in [0, 1]; None: nowhere."""

    @classmethod
    def of(
        cls, task: Task[StyleTransfer], coverage: Coverage | None, size: tuple[int, int]
    ) -> "Parts":
        """Divide the picture by the task's regions; `coverage` is the photo's."""
        if not task.regions:
            return cls([Part(1.0, None, None, None)], None)
        regions = [Region("", kept=not task.styles), *task.regions]  # the first is the ground
        seen = partition([mask_of(r, size) for r in task.regions], torch.ones(1, 1, *size))
        visible = torch.ones(1, 1, *size) if coverage is None else coverage.at(size).alpha
        whole, parts, kept = visible.sum(), [], torch.zeros(1, 1, *size)
        for region, where in zip(regions, seen, strict=True):
            share = float((where * visible).sum() / whole)
            if region.kept:
                kept += where
            elif bool((where == 1).all()):
                parts.append(Part(region.weight, None, None, _style(region)))
            elif share:
                guide = Guide(task.network, where * visible, task.technique.region_edges)
                part = Part(share * region.weight, where.to(task.device), guide, _style(region))
                parts.append(part)
        return cls(parts, kept.clamp_(0, 1).to(task.device) if kept.any() else None)

    def held(self, picture: Tensor, photo: Tensor) -> Tensor:
        """Return a picture (1, 3, H, W) with what is kept as it is in the photo."""
        return picture if self.kept is None else torch.lerp(picture, photo, self.kept.to(picture))

    def free(self, gradient: Tensor) -> Tensor:
        """Return the gradient with respect to the picture, given the one with respect to what is held."""
        return gradient if self.kept is None else gradient * (1 - self.kept.to(gradient))

    def put_together(self, pictures: Sequence[Tensor], photo: Tensor) -> Tensor:
        """Return each part of one of `pictures`, in order, and the photo where it is kept."""
        if len(pictures) == 1 and self.parts[0].seen is None:
            return pictures[0]
        made = torch.zeros_like(photo) if self.kept is None else photo * self.kept.to(photo)
        for part, picture in zip(self.parts, pictures, strict=True):
            made = made + (picture if part.seen is None else picture * part.seen.to(picture))
        return made.clamp_(0, 1)


def _style(region: Region) -> Picture | None:
    assert region.style is None or isinstance(region.style, Picture)
    return region.style


def check_styles(task: Task[StyleTransfer]) -> None:
    """Refuse, by `BadInput`, a task without a style for some of its parts."""
    if task.styles:
        return
    if all(region.style is None or region.kept for region in task.regions):
        raise BadInput("style transfer needs at least one style; give ", STYLES.mention())
    if lacking := [r for r in task.regions if r.style is None and not r.kept]:
        mask = lacking[0].mask
        name = mask.path if isinstance(mask, Picture) and mask.path else "a region"
        raise BadInput(f"{name} has no style of its own; give it one, or ", STYLES.mention())
