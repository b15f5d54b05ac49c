"""Textures grown from the pixels of a sample, with no network: two classics.

A. Efros, T. Leung, "Texture Synthesis by Non-parametric Sampling", ICCV 1999;
L.-Y. Wei, M. Levoy, "Fast Texture Synthesis using Tree-structured Vector Quantization",
SIGGRAPH 2000 (here with exact search instead of its quantizer).
"""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from engine.errors import BadInput
from engine.parameterization.smoothing import gaussian_blur
from engine.techniques.texture_synthesis.neighbourhoods import TOO_LITTLE, Level, check_table

Progress = Iterator[tuple[int, int, Tensor]]
"""Pixels done, pixels in all, the picture so far: (3, H, W) float32 in [0, 1], a copy."""

ROUNDING = 2e-6
"""Mean squared differences this close are equal: a third of a step of 8 bits, root mean square."""
OPAQUE = 0.5
"""Opacity from which on a pixel of the sample counts."""
UNKNOWN = 0.5
"""The grey that shows where there is no pixel yet."""


def efros_leung(
    sample: Tensor,
    size: tuple[int, int],
    window: int,
    generator: torch.Generator,
    error: float = 0.1,
    alpha: Tensor | None = None,
) -> Progress:
    """Grow a texture pixel by pixel around a random 3 x 3 piece of `sample` (3, h, w) in [0, 1].

    Each pass takes all empty pixels that touch filled ones, those with most filled pixels in their
    window first, ties in random order. A pixel's window is compared with all windows that lie
    wholly in the sample: mean squared difference over the known pixels, weighted by a Gaussian.
    One of the windows within (1 + `error`) of the best (and `ROUNDING`), drawn evenly, gives the
    pixel at its centre.

    Pixels that lie in no common window cannot influence each other, so they are searched for
    together; the picture is the one that filling the list one by one gives.

    Args:
        sample: the texture; a window larger than it is cut to the odd sides that fit.
        size: height, width of the picture.
        window: side of the neighbourhoods, odd; should span the texture's largest regular feature.
        generator: draws the seed's place, the order within ties and the choices.
        error: how much worse than the best a candidate may be; 0 copies, large values blur order.
        alpha: opacities (h, w) of the sample; windows count where every pixel is half opaque.

    Raises:
        BadInput: the window is even, a side below 1, `error` negative, the table of windows would
            be larger than a gibibyte, or no window of the sample is visible.
    """
    sample = _checked(sample, size, window, "window")
    if not error >= 0:
        raise BadInput(f"the error tolerance is {error:g}; it is 0 or more, such as 0.1")
    return _Grower(sample, size, window, error, alpha).frames(generator)


class _Grower:
    """The windows of a sample, and the picture that grows from them."""

    def __init__(
        self,
        sample: Tensor,
        size: tuple[int, int],
        window: int,
        error: float,
        alpha: Tensor | None,
    ) -> None:
        self.sample, self.size, self.error = sample, size, error
        self.seen = None if alpha is None else alpha >= OPAQUE
        self.window = _fitting(window, sample)
        (rows, columns), (height, width) = self.window, self.size
        self.reach = rows // 2, columns // 2
        # float32 halves the time; about the mean the squares are small enough for it.
        self.mean = sample.mean((1, 2))[:, None]
        windows = _windows(sample - self.mean[..., None], self.window)
        count = windows.shape[1] * windows.shape[2]
        check_table(count * 4 * rows * columns * 4)
        patches = windows.permute(1, 2, 0, 3, 4).reshape(count, 3, rows * columns)
        squares = patches.square().sum(1, keepdim=True)
        self.table = torch.cat([patches, squares], 1).flatten(1)
        self.centres = _windows(sample, self.window)[..., self.reach[0], self.reach[1]].flatten(1)
        if self.seen is not None:
            visible = _visible(self.seen, self.window).flatten()
            self.table, self.centres = self.table[visible], self.centres[:, visible]
        self.falloff = _gaussian_window(self.window)
        # The picture has a margin that stays unknown.
        padded = height + 2 * self.reach[0], width + 2 * self.reach[1]
        self.picture = torch.full((3, *padded), UNKNOWN)
        self.known = torch.zeros(1, *padded)

    def inner(self, padded: Tensor) -> Tensor:
        """Return what lies within the margin, sharing memory."""
        (down, right), (height, width) = self.reach, self.size
        return padded[:, down : down + height, right : right + width]

    def frames(self, generator: torch.Generator) -> Progress:
        """Yield after every group of pixels that were chosen together."""
        total = self.size[0] * self.size[1]
        done = self._plant(generator)
        yield done, total, self.inner(self.picture).clone()
        while done < total:
            ys, xs = self._front(generator)
            draws = torch.rand(len(ys), generator=generator, dtype=torch.float64)
            turns = _turns(ys, xs, self.reach, self.size)
            for turn in range(1, int(turns.max()) + 1):
                group = turns == turn
                self._fill(ys[group], xs[group], draws[group])
                done += int(group.sum())
                yield done, total, self.inner(self.picture).clone()

    def _plant(self, generator: torch.Generator) -> int:
        """Copy a random 3 x 3 piece of the sample to the middle."""
        height, width = self.sample.shape[1:]
        rows, columns = min(3, height, self.size[0]), min(3, width, self.size[1])
        if self.seen is None:
            y = int(torch.randint(height - rows + 1, (), generator=generator))
            x = int(torch.randint(width - columns + 1, (), generator=generator))
        else:
            places = _visible(self.seen, (rows, columns)).nonzero()
            y, x = places[int(torch.randint(len(places), (), generator=generator))].tolist()
        top, left = (self.size[0] - rows) // 2, (self.size[1] - columns) // 2
        place = slice(top, top + rows), slice(left, left + columns)
        self.inner(self.picture)[:, *place] = self.sample[:, y : y + rows, x : x + columns]
        self.inner(self.known)[:, *place] = 1
        return rows * columns

    def _front(self, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return rows and columns of the empty pixels that touch filled ones, in filling order."""
        known = self.inner(self.known)
        touched = F.max_pool2d(known, 3, stride=1, padding=1)
        ys, xs = ((touched - known)[0] > 0).nonzero(as_tuple=True)
        counts = F.conv2d(self.known[None], torch.ones(1, 1, *self.window))[0, 0, ys, xs]
        shuffled = torch.randperm(len(ys), generator=generator)
        order = shuffled[counts[shuffled].round().argsort(descending=True, stable=True)]
        return ys[order], xs[order]

    def _fill(self, ys: Tensor, xs: Tensor, draws: Tensor) -> None:
        """Choose the pixels at `ys`, `xs`, none of which lies in another's window."""
        weights = _windows(self.known, self.window)[0, ys, xs].flatten(1) * self.falloff
        weights = weights / weights.sum(1, keepdim=True).clamp(min=ROUNDING)
        around = _windows(self.picture, self.window)[:, ys, xs].flatten(2).movedim(0, 1) - self.mean
        # |a - b|² = a² - 2ab + b², so that one matrix product compares all with all.
        query = torch.cat([-2 * weights[:, None] * around, weights[:, None]], 1).flatten(1)
        own = (weights * around.square().sum(1)).sum(1, keepdim=True)
        distances = (query @ self.table.T + own).clamp(min=0)
        limits = distances.amin(1, keepdim=True) * (1 + self.error) + ROUNDING
        good, candidates = (distances <= limits).nonzero(as_tuple=True)
        counts = good.bincount(minlength=len(ys))
        chosen = candidates[counts.cumsum(0) - counts + (draws * counts).long()]
        self.inner(self.picture)[:, ys, xs] = self.centres[:, chosen]
        self.inner(self.known)[:, ys, xs] = 1


def _turns(ys: Tensor, xs: Tensor, reach: tuple[int, int], size: tuple[int, int]) -> Tensor:
    """Return for each pixel of a list its turn: one after the last earlier one in its window."""
    (down, right), (height, width) = reach, size
    turns = np.zeros((height + 2 * down, width + 2 * right), np.int64)
    found = []
    for y, x in zip(ys.tolist(), xs.tolist(), strict=True):
        turn = turns[y : y + 2 * down + 1, x : x + 2 * right + 1].max() + 1
        turns[y + down, x + right] = turn
        found.append(turn)
    return torch.tensor(np.array(found))


def wei_levoy(
    sample: Tensor,
    size: tuple[int, int],
    neighbourhood: int,
    levels: int,
    generator: torch.Generator,
    alpha: Tensor | None = None,
) -> Progress:
    """Turn noise into a texture that tiles, from coarse to fine and in reading order.

    Each level of a Gaussian pyramid begins as random pixels of the sample's level. Each pixel
    becomes the sample's pixel whose neighbourhood is nearest (exact search): the rows above and the
    pixels to the left of it, and, below the coarsest level, the square of about half that side
    around its place in the next coarser level. The picture wraps around at its borders; in the
    sample (3, h, w) in [0, 1] only neighbourhoods that lie wholly in it count. Where the first rows
    lock onto a regular pattern at different phases, the seams between them stay.

    Args:
        sample: the texture; levels smaller than the neighbourhood are left out, and a neighbourhood
            larger than the sample is cut to the odd sides that fit.
        size: height, width of the picture.
        neighbourhood: side of the neighbourhoods, odd.
        levels: how many levels of the pyramid, 1 being the sample alone.
        generator: draws the noise.
        alpha: opacities (h, w) of the sample; what is at least half opaque counts.

    Raises:
        BadInput: the neighbourhood is even, a side or the levels below 1, a table of
            neighbourhoods would be larger than a gibibyte, or no neighbourhood is visible.
    """
    sample = _checked(sample, size, neighbourhood, "neighbourhood")
    if levels < 1:
        raise BadInput(f"the pyramid has {levels} levels; it needs at least 1")
    pyramid, seen = [sample], [None if alpha is None else alpha >= OPAQUE]
    while len(pyramid) < levels:
        smaller = gaussian_blur(pyramid[-1][None], 1.0)[0, :, ::2, ::2]
        before = seen[-1]
        below = None if before is None else before[::2, ::2]
        if min(smaller.shape[1:]) < neighbourhood or not _any_visible(below, neighbourhood):
            break
        pyramid.append(smaller)
        seen.append(below)
    sizes = [(-(-size[0] // 2**i), -(-size[1] // 2**i)) for i in range(len(pyramid))]
    return _refine(pyramid, sizes, _fitting(neighbourhood, sample), generator, seen)


def _refine(
    pyramid: list[Tensor],
    sizes: list[tuple[int, int]],
    window: tuple[int, int],
    generator: torch.Generator,
    seen: list[Tensor | None],
) -> Progress:
    """Yield after every row of every level, the coarsest level first."""
    total = sum(height * width for height, width in sizes)
    done = 0
    coarse: Tensor | None = None
    for i in range(len(pyramid))[::-1]:
        source, (height, width) = pyramid[i].flatten(1), sizes[i]
        mask = seen[i]
        if mask is not None:
            source = source[:, mask.flatten()]
            if not source.numel():
                raise BadInput(TOO_LITTLE)
        noise = torch.randint(source.shape[1], (height * width,), generator=generator)
        picture = source[:, noise].view(3, height, width)
        below = None if coarse is None else i + 1
        level = Level(
            pyramid[i], None if below is None else pyramid[below], window,
            mask, None if below is None else seen[below],
        )  # fmt: skip
        shown = picture.clone() if coarse is None else _enlarged(coarse, (height, width))
        for y in range(height):
            level.fill_row(picture, coarse, y)
            shown[:, y] = picture[:, y]
            done += width
            yield done, total, _enlarged(shown, sizes[0])
        coarse = picture


def _enlarged(picture: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(picture[None], size, mode="nearest-exact")[0].clone()


def _windows(picture: Tensor, window: tuple[int, int]) -> Tensor:
    """Return all windows of (C, H, W) that lie wholly in it: (C, rows, columns, *window), a view."""
    return picture.unfold(1, window[0], 1).unfold(2, window[1], 1)


def _any_visible(seen: Tensor | None, side: int) -> bool:
    if seen is None:
        return True
    return bool(_windows(seen[None], (side, side)).all(-1).all(-1).any())


def _visible(seen: Tensor, window: tuple[int, int]) -> Tensor:
    """Return which windows of a mask (H, W) are True everywhere; raises `BadInput` for none."""
    found = _windows(seen[None], window)[0].all(-1).all(-1)
    if not found.any():
        raise BadInput(TOO_LITTLE)
    return found


def _gaussian_window(window: tuple[int, int]) -> Tensor:
    """Return the weights of a window, row by row; sigma is the longer side over 6.4, as published."""
    sigma = max(window) / 6.4
    sides = [(torch.arange(n) - n // 2) / sigma for n in window]
    return torch.exp(-0.5 * (sides[0][:, None].square() + sides[1][None].square())).flatten()


def _fitting(side: int, sample: Tensor) -> tuple[int, int]:
    """Return rows and columns of the largest odd window of at most `side` within `sample`."""
    rows, columns = (min(side, n - 1 + n % 2) for n in sample.shape[1:])
    return rows, columns


def _checked(sample: Tensor, size: tuple[int, int], side: int, name: str) -> Tensor:
    if sample.ndim != 3 or len(sample) != 3 or not sample.numel():
        raise ValueError(f"the sample is {tuple(sample.shape)}, not (3, H, W)")
    if min(size) < 1:
        raise BadInput(f"the texture's size is {size[1]} x {size[0]}; each side needs a pixel")
    if side < 1 or side % 2 == 0:
        raise BadInput(f"the {name} is {side} pixels wide; it must be an odd number, such as 11")
    return sample.detach().float().cpu()
