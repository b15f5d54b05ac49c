"""How a layer's output lies in memory, and how it is seen from outside: maps always as (N, C, H, W)."""

from dataclasses import dataclass

import torch
from torch import Tensor

FIRST = ("n", "c", "h", "w")
LAST = ("n", "h", "w", "c")
TOKENS = ("n", "t", "c")
TURNED = ("n", "c", "t")
SPLIT = {FIRST: ("n", "c", "h", "y", "w", "x"), LAST: ("n", "h", "y", "w", "x", "c")}
"""Maps cut into rectangles: h and w count these, y and x the places within one."""
MERGED = {"hy": "h", "wx": "w"}
"""What pairs of axes become when merged; beside channels, in any order, they are channels."""


@dataclass(frozen=True)
class Layout:
    """The order of axes of a layer's output in memory."""

    axes: tuple[str, ...] | None = None
    """`FIRST`, `LAST`, `TOKENS` or another order of these; None if unknown."""
    grid: tuple[int, int] | None = None
    """For tokens: the rows and columns of patches that they stand for."""
    before: int = 0
    """For tokens: how many come before those of the patches (a class token)."""

    def spoken(self, output: Tensor) -> Tensor:
        """Return `output` as it is seen from outside: maps, and tokens of patches, as (N, C, H, W).

        Other tokens stay (N, T, C); four axes that are not a map (tokens in windows) are merged
        into that.
        """
        if output.dim() == 3 and self.grid is not None and self.axes in (TOKENS, TURNED):
            height, width = self.grid
            tokens = output if self.axes == TOKENS else output.mT
            patches = tokens[:, self.before : self.before + height * width]
            return patches.mT.unflatten(2, self.grid)
        if output.dim() != 4 or self.axes == FIRST:
            return output
        if self.axes is None:
            return output.flatten(1, 2)
        return output.permute([self.axes.index(axis) for axis in FIRST])

    def unspoken(self, spoken: Tensor, output: Tensor) -> Tensor:
        """Return `spoken`, which may have been changed since, in the layout of `output`.

        Tokens that stand for no patch are taken from `output`.
        """
        if output.dim() == 3 and self.grid is not None and self.axes in (TOKENS, TURNED):
            tokens = output if self.axes == TOKENS else output.mT
            patches = spoken.flatten(2).mT
            behind = self.before + patches.shape[1]
            tokens = torch.cat([tokens[:, : self.before], patches, tokens[:, behind:]], 1)
            return tokens if self.axes == TOKENS else tokens.mT
        if output.dim() != 4 or self.axes == FIRST:
            return spoken
        if self.axes is None:
            return spoken.view_as(output)
        return spoken.permute([FIRST.index(axis) for axis in self.axes])
