"""Losses of sums over positions, which can be collected tile by tile.

A loss L(S) of sums S over all positions of a layer has the gradient dL/dS times that of each tile's
own part of S. So a first pass over the tiles, without gradients, collects S; the second needs no
other tile: the result is the gradient of the loss of the whole picture, not of each tile's loss.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from engine.networks.boxes import Box, Place
from engine.objectives.content import SMALL, ContentLoss
from engine.objectives.coverage import Coverage
from engine.objectives.moments import moments, steered


class Summed(ABC):
    """A loss of a layer's activations that is a function of sums over their positions."""

    linear = False
    """Whether it is a multiple of its sums, so that `slopes` need no sums."""

    @abstractmethod
    def sums(self, own: Tensor, place: Place) -> tuple[Tensor, ...]:
        """Return the parts of the sums that a tile's own activations (1, C, h, w) add."""

    @abstractmethod
    def value(self, *sums: Tensor) -> Tensor:
        """Return the loss, a scalar, of the sums over all tiles."""

    @abstractmethod
    def whole(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return untiled activations, for what comes after them, and their loss."""

    def __call__(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return the same as `whole`."""
        return self.whole(features)

    def passing(
        self, features: Tensor, place: Place, slopes: Sequence[Tensor]
    ) -> tuple[Tensor, Tensor | None]:
        """Return a tile's activations, and a scalar with the gradient of the loss (None: it is theirs).

        `slopes`: how the loss of the whole picture changes with each of its sums.
        """
        parts = self.sums(place.local.of(features), place)
        terms = [(slope * part).sum() for slope, part in zip(slopes, parts, strict=True)]
        return features, torch.stack(terms).sum()

    def slopes(self, sums: Sequence[Tensor], coefficient: float) -> tuple[Tensor, ...]:
        """Return how `coefficient` times the loss changes with each of its sums."""
        with torch.enable_grad():
            leaves = [s.detach().requires_grad_(True) for s in sums]
            return torch.autograd.grad(coefficient * self.value(*leaves), leaves)


class OfMoments(Protocol):
    """A loss of mean and second moments, such as `GramLoss` and `WassersteinLoss`."""

    def of_moments(self, mean: Tensor, second: Tensor) -> Tensor:
        """Return the loss of activations with this mean (N, C) and these second moments (N, C, C)."""
        ...

    def passing(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return activations, for what comes after, and their loss."""
        ...


class SummedMoments(Summed):
    """A loss of mean and second moments."""

    def __init__(
        self,
        loss: OfMoments,
        scaled: Callable[[Tensor], Tensor],
        coverage: Coverage | None = None,
        *,
        centred: bool = True,
    ) -> None:
        """Take a loss and what is made of its value; `centred`: whether means matter."""
        self._loss, self._scaled = loss, scaled
        self.coverage, self._centred = coverage, centred

    def sums(self, own: Tensor, place: Place) -> tuple[Tensor, ...]:
        """Return the tile's share of the mean (1, C) and of the mean of f fᵀ (1, C, C)."""
        return moments_share(own, place, self.coverage)

    def value(self, *sums: Tensor) -> Tensor:
        """Return the loss of the whole picture's moments."""
        mean, second = sums
        return self._scaled(self._loss.of_moments(mean, second))

    def whole(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return untiled activations and their loss."""
        onward, value = self._loss.passing(features)
        return onward, self._scaled(value)

    def slopes(self, sums: Sequence[Tensor], coefficient: float) -> tuple[Tensor, ...]:
        """Return the gradients with respect to both moments."""
        with torch.enable_grad():
            leaves = [s.detach().requires_grad_(True) for s in sums]
            loss = coefficient * self.value(*leaves)
            first, second = torch.autograd.grad(loss, leaves, allow_unused=True)
        return (torch.zeros_like(leaves[0]) if first is None else first), second

    def passing(
        self, features: Tensor, place: Place, slopes: Sequence[Tensor]
    ) -> tuple[Tensor, Tensor | None]:
        """Let the gradient of the moments join that of what comes after, in place."""
        first, second = slopes
        if self.coverage is not None:
            return super().passing(features, place, slopes)
        box = place.local
        rows, columns = slice(box.top, box.bottom), slice(box.left, box.right)
        of_first = first / place.count if self._centred else None
        return steered(features, rows, columns, of_first, second / place.count), None


def moments_share(
    own: Tensor, place: Place, coverage: Coverage | None = None
) -> tuple[Tensor, Tensor]:
    """Return what a tile's own activations (1, C, h, w) add to the moments of the whole picture."""
    if coverage is None:
        mean, second = moments(own)
        return mean * place.share, second * place.share
    weights = place.box.of(coverage.weights_on(place.whole, own))
    mean = (own.to(weights.dtype) * weights).sum((2, 3)) / place.count
    return mean, moments(own * weights.sqrt().to(own.dtype))[1] * place.share


class SummedDifference(Summed):
    """A content loss, divided by the size of its target if that is wanted."""

    def __init__(self, loss: ContentLoss, size: float = 1.0) -> None:
        """`loss` is of the whole picture's activations."""
        self._loss, self._size = loss, size
        self.linear = not loss.normalised

    def sums(self, own: Tensor, place: Place) -> tuple[Tensor, ...]:
        """Return the sums of squared and, if they matter, of absolute differences."""
        target, coverage = self._loss.target, self._loss.coverage
        precise = torch.float64 if own.dtype == torch.float64 else torch.float32
        if coverage is not None:
            weights = place.box.of(coverage.weights_on(place.whole, own))
            own = own * weights.sqrt().to(own.dtype)
        difference = (own - place.box.of(target)).to(precise)
        squares = difference.square().sum()
        return (squares, difference.abs().sum()) if self._loss.normalised else (squares,)

    def value(self, *sums: Tensor) -> Tensor:
        """Return the loss of all differences."""
        if self._loss.normalised:
            squares, absolutes = sums
            return squares / (absolutes + SMALL) / self._size
        return sums[0] / (self._loss.target.numel() * self._size)

    def whole(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return untiled activations and their loss."""
        return features, self._loss(features) / self._size


class Mixed(Summed):
    """The sum of several losses of the same activations, times their factors."""

    def __init__(self, factors: Sequence[float], losses: Sequence[Summed]) -> None:
        """Add `losses` up; none give zero."""
        self._parts = list(zip(factors, losses, strict=True))
        self._counts: list[int] = []
        self.linear = all(loss.linear for loss in losses)

    def sums(self, own: Tensor, place: Place) -> tuple[Tensor, ...]:
        """Return the sums of all losses, one loss after the other."""
        each = [loss.sums(own, place) for _, loss in self._parts]
        self._counts = [len(sums) for sums in each]
        return tuple(s for sums in each for s in sums)

    def value(self, *sums: Tensor) -> Tensor:
        """Return the losses' sum."""
        total = torch.zeros(())
        for (factor, loss), own in zip(self._parts, self._shared_out(sums), strict=True):
            total = total.to(own[0].device) + factor * loss.value(*own)
        return total

    def whole(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return untiled activations and their loss."""
        total = torch.zeros((), device=features.device)
        for factor, loss in self._parts:
            features, value = loss.whole(features)
            total = total + factor * value
        return features, total

    def slopes(self, sums: Sequence[Tensor], coefficient: float) -> tuple[Tensor, ...]:
        """Return the gradients with respect to the sums of all losses."""
        return tuple(
            slope
            for (factor, loss), own in zip(self._parts, self._shared_out(sums), strict=True)
            for slope in loss.slopes(own, coefficient * factor)
        )

    def passing(
        self, features: Tensor, place: Place, slopes: Sequence[Tensor]
    ) -> tuple[Tensor, Tensor | None]:
        """Return what all losses in turn make of a tile's activations."""
        total: Tensor | None = None
        for (_, loss), own in zip(self._parts, self._shared_out(slopes), strict=True):
            features, term = loss.passing(features, place, own)
            if term is not None:
                total = term if total is None else total + term
        return features, total

    def _shared_out(self, sums: Sequence[Tensor]) -> list[Sequence[Tensor]]:
        """Return which of the sums are whose."""
        found, begin = [], 0
        for count in self._counts:
            found.append(sums[begin : begin + count])
            begin += count
        return found


def smoothness_share(tile: Tensor, local: Box, count: int) -> Tensor:
    """Return what a tile adds to `priors.smoothness` of a picture of `count` pixels in all.

    `tile` (1, 3, h, w) has a margin of a pixel or more, except where the picture ends; `local` is
    the tile without it.
    """
    x = F.pad(tile, (1, 1, 1, 1), mode="replicate")
    here = local.of(x[..., 1:-1, 1:-1])
    right, down = local.of(x[..., 1:-1, 2:]), local.of(x[..., 2:, 1:-1])
    diagonal, other = local.of(x[..., 2:, 2:]), local.of(x[..., 2:, :-2])
    straight = (right - here).square().sum() + (down - here).square().sum()
    slanting = (diagonal - here).square().sum() + (other - here).square().sum()
    return 2 * (straight / 3 + slanting / 12) / (count * tile.shape[1])
