"""Textures that noise is turned into, from coarse to fine, with no network.

L.-Y. Wei, M. Levoy, "Fast Texture Synthesis using Tree-structured Vector Quantization", SIGGRAPH 2000
(here with exact search instead of its quantizer).
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from engine.checkpoint import State
from engine.errors import BadInput
from engine.parameterization.smoothing import gaussian_blur
from engine.techniques.texture_synthesis.neighbourhoods import TOO_LITTLE, Level
from engine.techniques.texture_synthesis.pixel_texture import (
    OPAQUE,
    PixelTexture,
    checked,
    fitting,
    windows,
)


def wei_levoy(
    sample: Tensor,
    size: tuple[int, int],
    neighbourhood: int,
    levels: int,
    generator: torch.Generator,
    alpha: Tensor | None = None,
) -> PixelTexture:
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
        alpha: opacities (h, w) of the sample; only what is at least half opaque counts.

    Raises:
        BadInput: the neighbourhood is even, a side or the levels below 1, a table of neighbourhoods
            would be larger than a gibibyte, or no neighbourhood is visible.
    """
    sample = checked(sample, size, neighbourhood, "neighbourhood")
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
    return _Refiner(pyramid, sizes, fitting(neighbourhood, sample), generator, seen)


class _Refiner:
    """The levels of a texture, the coarsest first, and the row that the current one has reached."""

    def __init__(
        self,
        pyramid: list[Tensor],
        sizes: list[tuple[int, int]],
        window: tuple[int, int],
        generator: torch.Generator,
        seen: list[Tensor | None],
    ) -> None:
        self.pyramid, self.sizes, self.window, self.seen = pyramid, sizes, window, seen
        self.generator = generator
        self.total = sum(height * width for height, width in sizes)
        self.done = 0
        self._begin(len(pyramid) - 1, None)

    def _begin(self, index: int, coarse: Tensor | None) -> None:
        """Begin a level with random pixels of the sample's."""
        self._enter(index)
        source, size = self.pyramid[index].flatten(1), self.sizes[index]
        mask = self.seen[index]
        if mask is not None:
            source = source[:, mask.flatten()]
            if not source.numel():
                raise BadInput(TOO_LITTLE)
        noise = torch.randint(source.shape[1], (size[0] * size[1],), generator=self.generator)
        self.level = source[:, noise].view(3, *size)
        self.coarse = coarse
        self.shown = self.level.clone() if coarse is None else _enlarged(coarse, size)
        self.row = 0

    def _enter(self, index: int) -> None:
        """Prepare the search at a level."""
        self.index = index
        below = None if index + 1 == len(self.pyramid) else index + 1
        self.search = Level(
            self.pyramid[index], None if below is None else self.pyramid[below], self.window,
            self.seen[index], None if below is None else self.seen[below],
        )  # fmt: skip

    def grow(self) -> None:
        """Choose a row of pixels."""
        if self.row == self.sizes[self.index][0]:
            self._begin(self.index - 1, self.level)
        self.search.fill_row(self.level, self.coarse, self.row)
        self.shown[:, self.row] = self.level[:, self.row]
        self.row += 1
        self.done += self.sizes[self.index][1]

    def picture(self) -> Tensor:
        """Return the picture so far."""
        return _enlarged(self.shown, self.sizes[0])

    def state(self) -> State:
        """Return the pixels, the current level, and how far that has come."""
        return {
            "index": self.index, "row": self.row, "done": self.done, "level": self.level,
            "coarse": self.coarse, "shown": self.shown,
        }  # fmt: skip

    def take_up(self, state: State) -> None:
        """Go on from there."""
        self._enter(state["index"])
        self.row, self.done = state["row"], state["done"]
        self.level, self.shown = state["level"].cpu(), state["shown"].cpu()
        self.coarse = None if state["coarse"] is None else state["coarse"].cpu()


def _enlarged(picture: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(picture[None], size, mode="nearest-exact")[0].clone()


def _any_visible(seen: Tensor | None, side: int) -> bool:
    if seen is None:
        return True
    return bool(windows(seen[None], (side, side)).all(-1).all(-1).any())
