"""Regions of a picture: what is seen of each, and where each counts on a layer's grid.

Guides of Gatys et al. 2017, "Controlling Perceptual Factors in Neural Style Transfer": activations
are weighted by how far inside a region they lie, so that its statistics are its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from engine.image import Picture
from engine.networks.network import Network
from engine.objectives.coverage import Coverage
from engine.regions import Region, mask_values

LEAST_LEFT = 0.25
"""How much of a region erosion leaves: statistics of fewer places would not be those of its style."""
STEPS = 65535
"""Masks are rounded to this many steps, so that resampling keeps what is wholly inside so."""


def mask_of(region: Region, size: tuple[int, int]) -> Tensor:
    """Return an opened region's mask, (1, 1, H, W) in [0, 1], at a picture's `size` (height, width)."""
    assert isinstance(region.mask, Picture)
    mask = torch.tensor(mask_values(region.mask))[None, None]
    if tuple(mask.shape[2:]) != tuple(size):
        mask = F.interpolate(mask, size, mode="bilinear", align_corners=False, antialias=True)
    return mask.clamp(0, 1).mul_(STEPS).round_().div_(STEPS)


def partition(masks: Sequence[Tensor], like: Tensor) -> list[Tensor]:
    """Return how much is seen of the ground and of each mask laid on it, later ones on top.

    All are shaped as `like`, and sum to 1 at every place.
    """
    seen = [torch.ones_like(like)]
    for mask in masks:
        seen = [*(below * (1 - mask) for below in seen), mask]
    return seen


def eroded(mask: Tensor, reach: int) -> Tensor:
    """Return the least of a mask (1, 1, H, W) within `reach` pixels, across and down, of each place.

    Beyond the picture there is nothing that would count.
    """
    window = 2 * reach + 1
    outside = F.max_pool2d(1 - mask, (window, 1), 1, (reach, 0))
    return 1 - F.max_pool2d(outside, (1, window), 1, (0, reach))


class PartCoverage(Coverage):
    """A coverage that is 0 in much of the picture: sums leave out rows and columns without any."""

    def __init__(self, alpha: Tensor) -> None:
        """Take opacities as `Coverage` does."""
        super().__init__(alpha)
        self._boxes: dict[tuple[int, int], tuple[slice, slice]] = {}

    def scaled(self, maps: Tensor) -> Tensor:
        """Return maps (N, C, h, w) of the part alone, for means of products of two over it."""
        rows, columns, weights = self._part(maps)
        return maps[..., rows, columns] * weights.sqrt().to(maps.dtype)

    def mean(self, maps: Tensor) -> Tensor:
        """Return the weighted mean over positions, (N, C), of maps (N, C, H, W)."""
        rows, columns, weights = self._part(maps)
        return (maps[..., rows, columns].to(weights.dtype) * weights).mean((2, 3))

    def _part(self, maps: Tensor) -> tuple[slice, slice, Tensor]:
        """Return rows and columns with something in them, and weights of mean 1 there."""
        weights = self.weights(maps)
        size = (maps.shape[-2], maps.shape[-1])
        box = self._boxes.get(size)
        if box is None:
            there = weights[0, 0] > 0
            box = self._boxes[size] = _extent(there.any(1)), _extent(there.any(0))
        rows, columns = box
        part = weights[..., rows, columns]
        return rows, columns, part * (part.shape[-2] * part.shape[-1] / (size[0] * size[1]))


def _extent(there: Tensor) -> slice:
    places = there.nonzero().flatten().tolist() or [0]
    return slice(places[0], places[-1] + 1)


class Guide:
    """Where a region counts, on the grid of any layer."""

    def __init__(self, network: Network, inside: Tensor, edges: str = "simple") -> None:
        """Take how far inside each place is, (1, 1, H, W), and how that comes to a layer's grid.

        `edges`: "simple": resized; "inside": so that what counts sees nothing but the region, as
        far as a quarter of the region's area does.
        """
        self.inside, self._edges, self._network = inside, edges, network
        self._coverages: dict[int, PartCoverage] = {}

    @property
    def here(self) -> Coverage:
        """The coverage of the picture's own pixels."""
        return self._at(0)

    def of(self, layer: str) -> Coverage:
        """Return the coverage by which a layer's activations are weighted."""
        reach = 0
        if self._edges == "inside":
            field = self._network.calls()[self._network.resolve(layer)].receptive_field
            reach = min((field or 1) // 2, max(self.inside.shape))
        return self._at(reach)

    def _at(self, reach: int) -> PartCoverage:
        found = self._coverages.get(reach)
        if found is None:
            found = self._coverages[reach] = PartCoverage(self._far_inside(reach))
        return found

    def _far_inside(self, reach: int) -> Tensor:
        least = LEAST_LEFT * float(self.inside.sum())
        while reach:
            left = eroded(self.inside, reach)
            if float(left.sum()) >= least:
                return left
            reach //= 2
        return self.inside


@dataclass(frozen=True)
class Work:
    """Where a technique without styles is at work: in its regions or, if all are kept, around them."""

    where: Tensor
    """(1, 1, H, W) in [0, 1]."""
    strength: Tensor
    """The same times the regions' weights."""

    @classmethod
    def of(cls, regions: Sequence[Region], size: tuple[int, int]) -> "Work | None":
        """Return it for a picture's `size` (height, width); None: everywhere alike."""
        only_kept = all(region.kept for region in regions)
        seen = partition([mask_of(region, size) for region in regions], torch.ones(1, 1, *size))
        weights = [float(only_kept), *(0.0 if r.kept else r.weight for r in regions)]
        where, strength = torch.zeros_like(seen[0]), torch.zeros_like(seen[0])
        for part, weight in zip(seen, weights, strict=True):
            where += part * bool(weight)
            strength += part * weight
        where = where.clamp_(0, 1)
        return None if bool((strength == 1).all()) else cls(where, strength)
