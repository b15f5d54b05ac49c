"""Textures grown pixel by pixel from a sample, with no network.

A. Efros, T. Leung, "Texture Synthesis by Non-parametric Sampling", ICCV 1999.
"""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from engine.checkpoint import State
from engine.errors import BadInput
from engine.techniques.texture_synthesis.neighbourhoods import check_table
from engine.techniques.texture_synthesis.pixel_texture import (
    OPAQUE,
    PixelTexture,
    checked,
    fitting,
    visible,
    windows,
)

ROUNDING = 2e-6
"""Mean squared differences this close are equal: a third of a step of 8 bits, root mean square."""
UNKNOWN = 0.5
"""The grey that shows where there is no pixel yet."""


def efros_leung(
    sample: Tensor,
    size: tuple[int, int],
    window: int,
    generator: torch.Generator,
    error: float = 0.1,
    alpha: Tensor | None = None,
) -> PixelTexture:
    """Grow a texture pixel by pixel around a random 3 x 3 piece of `sample` (3, h, w) in [0, 1].

    Each pass takes all empty pixels that touch filled ones, those with most filled pixels in their
    window first, ties in random order. A pixel's window is compared with all windows that lie
    wholly in the sample: mean squared difference over the known pixels, weighted by a Gaussian. One
    of the windows within (1 + `error`) of the best (and `ROUNDING`), drawn evenly, gives the pixel
    at its centre.

    Pixels that lie in no common window cannot influence each other, so they are searched for
    together; the picture is the same as if the list were filled one by one.

    Args:
        sample: the texture; a window larger than it is cut to the odd sides that fit.
        size: height, width of the picture.
        window: side of the neighbourhoods, odd; should span the texture's largest regular feature.
        generator: draws the seed's place, the order within ties and the choices.
        error: how much worse than the best a candidate may be; 0 copies, large values blur order.
        alpha: opacities (h, w) of the sample; only windows whose pixels are all at least half
            opaque count.

    Raises:
        BadInput: the window is even, a side below 1, `error` negative, the table of windows would
            be larger than a gibibyte, or no window of the sample is visible.
    """
    sample = checked(sample, size, window, "window")
    if not error >= 0:
        raise BadInput(f"the error tolerance is {error:g}; it is 0 or more, such as 0.1")
    return _Grower(sample, size, window, generator, error, alpha)


class _Grower:
    """The windows of a sample, and the picture that grows from them."""

    def __init__(
        self,
        sample: Tensor,
        size: tuple[int, int],
        window: int,
        generator: torch.Generator,
        error: float,
        alpha: Tensor | None,
    ) -> None:
        self.sample, self.size, self.error = sample, size, error
        self.generator = generator
        self.seen = None if alpha is None else alpha >= OPAQUE
        self.window = fitting(window, sample)
        (rows, columns), (height, width) = self.window, self.size
        self.reach = rows // 2, columns // 2
        # float32 halves the time; about the mean the squares are small enough for it.
        self.mean = sample.mean((1, 2))[:, None]
        found = windows(sample - self.mean[..., None], self.window)
        count = found.shape[1] * found.shape[2]
        check_table(count * 4 * rows * columns * 4)
        patches = found.permute(1, 2, 0, 3, 4).reshape(count, 3, rows * columns)
        squares = patches.square().sum(1, keepdim=True)
        self.table = torch.cat([patches, squares], 1).flatten(1)
        self.centres = windows(sample, self.window)[..., self.reach[0], self.reach[1]].flatten(1)
        if self.seen is not None:
            seen = visible(self.seen, self.window).flatten()
            self.table, self.centres = self.table[seen], self.centres[:, seen]
        self.falloff = _gaussian_window(self.window)
        # The picture has a margin that stays unknown.
        padded = height + 2 * self.reach[0], width + 2 * self.reach[1]
        self.padded = torch.full((3, *padded), UNKNOWN)
        self.known = torch.zeros(1, *padded)
        self.total = height * width
        self.done = self._plant()
        self._pass: list[Tensor] = []
        """The pixels at the border of what is filled: rows, columns, draws, and their turns."""
        self._turn = self._turns = 0

    def inner(self, padded: Tensor) -> Tensor:
        """Return what lies within the margin, sharing memory."""
        (down, right), (height, width) = self.reach, self.size
        return padded[:, down : down + height, right : right + width]

    def picture(self) -> Tensor:
        """Return the picture so far."""
        return self.inner(self.padded).clone()

    def grow(self) -> None:
        """Choose a group of pixels together."""
        if self._turn == self._turns:
            ys, xs = self._front()
            draws = torch.rand(len(ys), generator=self.generator, dtype=torch.float64)
            self._pass = [ys, xs, draws, _turns(ys, xs, self.reach, self.size)]
            self._turn, self._turns = 0, int(self._pass[-1].max())
        self._turn += 1
        *listed, turns = self._pass
        group = turns == self._turn
        self._fill(*(each[group] for each in listed))
        self.done += int(group.sum())

    def state(self) -> State:
        """Return the pixels, and how far the current pass has come."""
        return {
            "picture": self.padded, "known": self.known, "done": self.done, "pass": self._pass,
            "turn": self._turn, "turns": self._turns,
        }  # fmt: skip

    def take_up(self, state: State) -> None:
        """Go on from there."""
        self.padded, self.known = state["picture"].cpu(), state["known"].cpu()
        self._pass = [each.cpu() for each in state["pass"]]
        self.done, self._turn, self._turns = state["done"], state["turn"], state["turns"]

    def _plant(self) -> int:
        """Copy a random 3 x 3 piece of the sample to the middle."""
        height, width = self.sample.shape[1:]
        rows, columns = min(3, height, self.size[0]), min(3, width, self.size[1])
        if self.seen is None:
            y = int(torch.randint(height - rows + 1, (), generator=self.generator))
            x = int(torch.randint(width - columns + 1, (), generator=self.generator))
        else:
            places = visible(self.seen, (rows, columns)).nonzero()
            y, x = places[int(torch.randint(len(places), (), generator=self.generator))].tolist()
        top, left = (self.size[0] - rows) // 2, (self.size[1] - columns) // 2
        place = slice(top, top + rows), slice(left, left + columns)
        self.inner(self.padded)[:, *place] = self.sample[:, y : y + rows, x : x + columns]
        self.inner(self.known)[:, *place] = 1
        return rows * columns

    def _front(self) -> tuple[Tensor, Tensor]:
        """Return rows and columns of the empty pixels that touch filled ones, in filling order."""
        known = self.inner(self.known)
        touched = F.max_pool2d(known, 3, stride=1, padding=1)
        ys, xs = ((touched - known)[0] > 0).nonzero(as_tuple=True)
        counts = F.conv2d(self.known[None], torch.ones(1, 1, *self.window))[0, 0, ys, xs]
        shuffled = torch.randperm(len(ys), generator=self.generator)
        order = shuffled[counts[shuffled].round().argsort(descending=True, stable=True)]
        return ys[order], xs[order]

    def _fill(self, ys: Tensor, xs: Tensor, draws: Tensor) -> None:
        """Choose the pixels at `ys`, `xs`, none of which lies in another's window."""
        weights = windows(self.known, self.window)[0, ys, xs].flatten(1) * self.falloff
        weights = weights / weights.sum(1, keepdim=True).clamp(min=ROUNDING)
        around = windows(self.padded, self.window)[:, ys, xs].flatten(2).movedim(0, 1) - self.mean
        # |a - b|² = a² - 2ab + b², so that one matrix product compares all with all.
        query = torch.cat([-2 * weights[:, None] * around, weights[:, None]], 1).flatten(1)
        own = (weights * around.square().sum(1)).sum(1, keepdim=True)
        distances = (query @ self.table.T + own).clamp(min=0)
        limits = distances.amin(1, keepdim=True) * (1 + self.error) + ROUNDING
        good, candidates = (distances <= limits).nonzero(as_tuple=True)
        counts = good.bincount(minlength=len(ys))
        chosen = candidates[counts.cumsum(0) - counts + (draws * counts).long()]
        self.inner(self.padded)[:, ys, xs] = self.centres[:, chosen]
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


def _gaussian_window(window: tuple[int, int]) -> Tensor:
    """Return the weights of a window, row by row; sigma is the longer side over 6.4, as published."""
    sigma = max(window) / 6.4
    sides = [(torch.arange(n) - n // 2) / sigma for n in window]
    return torch.exp(-0.5 * (sides[0][:, None].square() + sides[1][None].square())).flatten()
