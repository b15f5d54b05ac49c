"""Rectangles of maps: tiles with and without their margins."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

import torch
from torch import Tensor


@dataclass(frozen=True)
class Box:
    """Rows and columns of a map, ends excluded."""

    top: int
    bottom: int
    left: int
    right: int

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.bottom - self.top, self.right - self.left

    def of(self, maps: Tensor) -> Tensor:
        """Return a view of these positions of (N, C, H, W)."""
        return maps[..., self.top : self.bottom, self.left : self.right]

    def inside(self, size: tuple[int, int]) -> "Box":
        """Return those of the positions that are within maps of `size`."""
        return Box(
            max(self.top, 0), min(self.bottom, size[0]), max(self.left, 0), min(self.right, size[1])
        )

    def taken(self, maps: Tensor) -> Tensor:
        """Return these positions of (N, C, H, W), or of a torus where they lie beyond it: a copy."""
        height, width = maps.shape[-2:]
        if self == self.inside((height, width)):
            return self.of(maps)
        rows = torch.arange(self.top, self.bottom, device=maps.device) % height
        columns = torch.arange(self.left, self.right, device=maps.device) % width
        return maps.index_select(-2, rows).index_select(-1, columns)

    def add_to(self, maps: Tensor, own: Tensor) -> None:
        """Add `own` to these positions of (N, C, H, W), or of a torus, in place."""
        height, width = maps.shape[-2:]
        for top, bottom, row in _pieces(self.top, self.bottom, height):
            for left, right, column in _pieces(self.left, self.right, width):
                piece = own[..., row : row + bottom - top, column : column + right - left]
                maps[..., top:bottom, left:right] += piece

    def within(self, other: "Box") -> "Box":
        """Return the same positions as counted from the corner of `other`."""
        return Box(
            self.top - other.top, self.bottom - other.top,
            self.left - other.left, self.right - other.left,
        )  # fmt: skip

    def divided(self, jump: int, ends: tuple[int, int], size: tuple[int, int]) -> "Box":
        """Return the positions, `jump` apart, of a layer of `size` that belong to these.

        Those of the last tile in a row or column, which ends at `ends`, go on to the layer's end.
        """
        bottom = size[0] if self.bottom == ends[0] else self.bottom // jump
        right = size[1] if self.right == ends[1] else self.right // jump
        return Box(self.top // jump, bottom, self.left // jump, right)


def _pieces(begin: int, end: int, length: int) -> Iterator[tuple[int, int, int]]:
    """Yield where a stretch lies on a circle of `length`: begin, end, and how far along the stretch."""
    at = begin
    while at < end:
        here = at % length
        step = min(length - here, end - at)
        yield here, here + step, at - begin
        at += step


@dataclass(frozen=True)
class Place:
    """Where a tile's own positions lie on a layer's maps."""

    box: Box
    """On the whole maps."""
    local: Box
    """On the maps of the tile with its margin."""
    whole: tuple[int, int]
    """Height and width of the whole maps."""

    @property
    def count(self) -> int:
        """How many positions the whole maps have."""
        return self.whole[0] * self.whole[1]

    @property
    def share(self) -> float:
        """Which part of all positions these are."""
        return prod(self.box.size) / self.count
