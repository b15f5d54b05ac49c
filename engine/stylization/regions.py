"""Regions of a photo painted in one pass: at each place its own mixture of styles, or the photo.

Where a network's style is scales and shifts of its channels, these are mixed place by place
(Dumoulin, Shlens, Kudlur 2017, "A Learned Representation for Artistic Style"), so that one style
passes into the other within the picture, rather than one picture into another.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from engine.image import Picture, open_picture
from engine.objectives.regions import mask_of, partition
from engine.regions import Region, check_region

OfNetwork = tuple[tuple[int, float], ...]
"""Styles of a network's own, by number, with weights."""
RegionStyle = Picture | OfNetwork | None
"""A region's own style; None: the usual ones."""


@dataclass(frozen=True)
class Places:
    """Where each style is painted, and how far painting covers the photo."""

    styles: tuple[RegionStyle, ...]
    shares: Tensor
    """(1, styles, H, W): each style's share at each place; they sum to 1."""
    cover: Tensor | None
    """(1, 1, H, W) in [0, 1]: 0 is the photo; None: it is painted everywhere."""

    @classmethod
    def of(
        cls,
        regions: Sequence[Region],
        like: Tensor,
        has_usual: bool,
        takes_paintings: bool,
        of_network: Callable[[str], OfNetwork],
    ) -> "Places":
        """Divide a photo `like` (1, 3, H, W) by opened regions.

        Args:
            regions: later ones lie on top.
            like: the photo.
            has_usual: whether there are usual styles; without, what is in no region is the photo.
            takes_paintings: whether the networks do; those that do not paint around regions that
                are all kept, as they always have a style.
            of_network: returns a network's own styles from their names.
        """
        size = (like.shape[2], like.shape[3])
        ground = has_usual or (not takes_paintings and all(region.kept for region in regions))
        seen = partition([mask_of(region, size) for region in regions], torch.ones(1, 1, *size))
        each: list[tuple[RegionStyle, float]] = [(None, float(ground))]
        for region in regions:
            own: RegionStyle = None
            if region.kept:
                pass
            elif takes_paintings:
                assert region.style is None or isinstance(region.style, Picture)
                own = region.style
            elif region.network_style:
                own = of_network(region.network_style)
            each.append((own, 0.0 if region.kept else min(region.weight, 1.0)))
        cover = torch.zeros(1, 1, *size)
        areas: dict[OfNetwork | int, tuple[RegionStyle, Tensor]] = {}
        for (style, weight), where in zip(each, seen, strict=True):
            cover += weight * where
            if weight and bool(where.any()):
                key = style if isinstance(style, tuple) else id(style)
                areas[key] = (style, where + areas[key][1] if key in areas else where)
        if not areas:
            areas[0] = (each[-1][0] if not has_usual else None, torch.ones(1, 1, *size))
        shares = torch.cat([where for _, where in areas.values()], 1)
        total = shares.sum(1, keepdim=True)
        # Where nothing is painted, all have the same share: what lies there is not seen.
        shares = torch.where(total > 0, shares / total.clamp_min(1e-12), 1 / shares.shape[1])
        covered = None if bool((cover == 1).all()) else cover.clamp_(0, 1).to(like)
        return cls(tuple(style for style, _ in areas.values()), shares.to(like), covered)

    def held(self, painted: Tensor, photo: Tensor) -> Tensor:
        """Return a painted picture (1, 3, H, W) with the photo wherever it is to be seen."""
        if self.cover is None:
            return painted
        cover = at_size(self.cover, painted)
        return torch.lerp(photo.to(painted), painted, cover.to(painted))


def at_size(maps: Tensor, like: Tensor) -> Tensor:
    """Return maps (1, K, H, W) at the height and width of `like`."""
    if maps.shape[2:] == like.shape[2:]:
        return maps
    size = (like.shape[2], like.shape[3])
    return F.interpolate(maps, size, mode="bilinear", align_corners=False, antialias=True)


def spread(numbers: Tensor, shares: Tensor | None, like: Tensor) -> Tensor:
    """Return what K styles' numbers for channels (K, C) are at each place of maps `like`.

    (1, C, H, W) for `shares` (1, K, height, width) of the same picture; without, `numbers` as they
    are.
    """
    if shares is None:
        return numbers
    return torch.einsum("nkhw,kc->nchw", at_size(shares, like).to(numbers), numbers)


def opened_regions(regions: Sequence[Region], photo: Any) -> list[Region]:
    """Return regions with their pictures opened. Raises `BadInput`; `photo` is a `Picture`, if known."""
    found = []
    for number, region in enumerate(regions, 1):
        mask, style = region.mask, region.style
        opened = Region(
            open_picture(mask) if isinstance(mask, (str, Path)) else mask,
            open_picture(style) if isinstance(style, (str, Path)) else style,
            region.weight,
            region.kept,
            region.network_style,
        )
        check_region(opened, number, photo)
        found.append(opened)
    return found
