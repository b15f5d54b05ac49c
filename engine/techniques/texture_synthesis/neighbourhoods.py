"""The neighbourhoods of a texture at one level of its pyramid, and the exact search among them."""

import torch
from torch import Tensor

from engine.errors import BadInput

TABLE_BYTES = 2**30
"""The most memory for a table of a sample's neighbourhoods."""
SAME = 1e-12
"""Squared distances below this are rounding: equal neighbourhoods."""
ROOM = 1e-4
"""More than rounding can raise a lower bound: the root of a difference near 0 keeps few digits."""
TOO_LITTLE = (
    "no neighbourhood of the sample is visible as a whole, the rest of it being transparent; take "
    "a smaller neighbourhood, fewer levels or a larger sample"
)
COMPONENTS = 24
"""Principal components that the search compares first."""


def check_table(size: int) -> None:
    """Raise `BadInput` if `size` bytes are more than `TABLE_BYTES`."""
    if size > TABLE_BYTES:
        raise BadInput(
            f"comparing with this sample would take {size / 2**30:.1f} GiB of memory; "
            "take a smaller sample, such as 128 pixels, or a smaller neighbourhood"
        )


class Level:
    """One level of the pyramid: the sample's neighbourhoods and an exact search among them.

    Distances to all are bounded from below by those in a few principal components, with the length
    of the rest as one more; only what the bound does not rule out is compared in full.
    """

    def __init__(
        self,
        sample: Tensor,
        coarser: Tensor | None,
        window: tuple[int, int],
        seen: Tensor | None = None,
        coarser_seen: Tensor | None = None,
    ) -> None:
        """Take the sample (3, h, w) and the next coarser level of it.

        `seen` and `coarser_seen` (h, w) say which of their pixels count, None: all.
        """
        down, right = window[0] // 2, window[1] // 2
        above = [(-y, x) for y in range(down, 0, -1) for x in range(-right, right + 1)]
        self.left = [-x for x in range(1, right + 1)]
        self.near = torch.tensor([*above, *((0, x) for x in self.left)], dtype=torch.long).view(
            -1, 2
        )
        # About half the side: 5 -> 3, 9 -> 5.
        half = (window[0] // 4, window[1] // 4) if coarser is not None else (0, 0)
        square = [
            (y, x) for y in range(-half[0], half[0] + 1) for x in range(-half[1], half[1] + 1)
        ]
        self.far = torch.tensor(square if coarser is not None else [], dtype=torch.long).view(-1, 2)
        height, width = sample.shape[1:]
        rows, columns = torch.arange(down, height), torch.arange(right, width - right)
        if coarser is not None:
            # Above and left the square ends where the rows above do, or before.
            rows = rows[rows // 2 < coarser.shape[1] - half[0]]
            columns = columns[columns // 2 < coarser.shape[2] - half[1]]
        places = torch.cartesian_prod(rows, columns).view(-1, 2)
        if seen is not None:
            places = places[_all_seen(seen, coarser_seen, places, self.near, self.far)]
            if not len(places):
                raise BadInput(TOO_LITTLE)
        check_table(len(places) * 3 * (len(self.near) + len(self.far)) * 8)
        self.colours = sample[:, places[:, 0], places[:, 1]].T
        table = self._features(sample, coarser, places)
        self.mean = table.mean(0)
        self.table = table - self.mean
        vectors = torch.linalg.eigh(self.table.T @ self.table).eigenvectors
        self.basis = vectors[:, -COMPONENTS:]
        self.short = self._shortened(self.table)
        self.lengths = self.short.square().sum(1)

    def _features(self, fine: Tensor, coarse: Tensor | None, places: Tensor) -> Tensor:
        """Return the neighbourhoods of `places` (N, 2), wrapping around: (N, features) float64."""
        parts = [_gathered(fine, places, self.near)]
        if coarse is not None:
            parts.append(_gathered(coarse, places // 2, self.far))
        return torch.cat(parts, 1).double()

    def _shortened(self, features: Tensor) -> Tensor:
        inside = features @ self.basis
        rest = features.square().sum(-1, keepdim=True) - inside.square().sum(-1, keepdim=True)
        return torch.cat([inside, rest.clamp(min=0).sqrt()], -1)

    def fill_row(self, picture: Tensor, coarse: Tensor | None, y: int) -> None:
        """Choose the pixels of row `y` of `picture`, left to right, in place."""
        if not len(self.near):  # nothing to compare with: the sample is 1 or 2 pixels wide and high
            return
        width = picture.shape[2]
        places = torch.stack([torch.full((width,), y), torch.arange(width)], 1)
        queries = self._features(picture, coarse, places) - self.mean
        first, last = 3 * (len(self.near) - len(self.left)), 3 * len(self.near)
        for x in range(width):
            # In this row the pixels to the left have changed since.
            if self.left:
                before = picture[:, y, [(x + step) % width for step in self.left]]
                queries[x, first:last] = before.T.flatten() - self.mean[first:last]
            picture[:, y, x] = self.colours[self._nearest(queries[x])]

    def _nearest(self, query: Tensor) -> int:
        short = self._shortened(query)
        bounds = self.lengths - 2 * (self.short @ short) + short.square().sum()
        first = int(bounds.argmin())
        best = float((self.table[first] - query).square().sum())
        if best <= SAME:
            return first
        left = (bounds <= best + ROOM).nonzero()[:, 0]
        return int(left[(self.table[left] - query).square().sum(1).argmin()])


def _all_seen(
    seen: Tensor, coarser: Tensor | None, places: Tensor, near: Tensor, far: Tensor
) -> Tensor:
    """Return for each of `places` whether it and everything it is compared by are seen."""
    count = seen[places[:, 0], places[:, 1]]
    for mask, at, offsets in ((seen, places, near), (coarser, places // 2, far)):
        if mask is not None and len(offsets):
            found = _gathered(mask[None].float(), at, offsets)
            count = count & (found > 0).all(1)
    return count


def _gathered(picture: Tensor, places: Tensor, offsets: Tensor) -> Tensor:
    """Return the colours of (3, H, W) at `places` + `offsets`, wrapped: (N, offsets x 3)."""
    at = places[:, None] + offsets[None]
    found = picture[:, at[..., 0] % picture.shape[1], at[..., 1] % picture.shape[2]]
    return found.permute(1, 2, 0).flatten(1)
