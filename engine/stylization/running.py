"""Painting a photo of any size: at once, or tile by tile with the moments of the whole picture.

Instance normalization makes each pixel depend on all others: half a frame made grey changes the
other half by a tenth of the range, and tiles painted on their own do not fit together. So a large
picture is painted small first, the moments of that run are noted, and every tile is painted with
them.
"""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from threading import Lock
from typing import Any

import torch
from torch import Tensor, nn

from engine.parameterization.scales import fit, resize_picture
from engine.stylization.adain import Moments
from engine.stylization.any_style import AnyStyle
from engine.stylization.layers import Norm, StyledNorm
from engine.stylization.network import StyleKind, StyleNetwork
from engine.stylization.painter import Painter
from engine.stylization.regions import at_size, spread

WHOLE = 1152 * 1024
"""Most pixels that are painted at once."""
TILE, HALO = 704, 96
"""A tile's side in pixels, and the margin around it that is painted and thrown away: as far as one
pixel influences others in these networks, and a multiple of what they halve sides by."""
SMALL = 512
"""Longer side of the small picture that large ones take their moments from."""

_hooking = Lock()


@dataclass(frozen=True)
class Brush:
    """A network, the style it paints in, and how strongly."""

    network: StyleNetwork
    code: Tensor
    """(1, K), or one for each of `shares`."""
    strength: float = 1.0
    detail: float = 1.0
    """For networks for any style that this program trained; others have no such setting."""
    shares: Tensor | None = None
    """(1, styles, H, W), how much of each style there is at each place of the whole photo, whatever
    its size; they sum to 1. None: there is one style."""

    def __call__(
        self, photo: Tensor, moments: Moments | None = None, shares: Tensor | None = None
    ) -> Tensor:
        """Return photos (N, 3, H, W), RGB in [0, 1], painted at once, clamped to [0, 1].

        `shares`: those of this part of the whole photo, if there are any.
        """
        if isinstance(self.network, AnyStyle):
            return self.network(photo, self.code, self.strength, self.detail, moments, shares)
        code = self.code
        if shares is not None:
            moments, code = moments or Moments(), self.code[:1]
        with normalized_by(self.network, moments, self.code, shares) if moments else nullcontext():
            painted: Tensor = self.network(photo, code, self.strength)
        return painted.clamp(0, 1)

    def needs_tiles(self, size: tuple[int, int]) -> bool:
        """Return whether a picture of this height and width is too large to be painted at once."""
        return size[0] * size[1] > WHOLE and can_be_given_moments(self.network)

    @torch.no_grad()
    def paint(self, photo: Tensor, moments: Moments | None = None) -> Tensor:
        """Return a photo (1, 3, H, W) painted, in tiles if it is large.

        `moments`: those that it is normalized by, if not its own.
        """
        shares = None if self.shares is None else at_size(self.shares, photo)
        tiled = self.needs_tiles((photo.shape[2], photo.shape[3]))
        if not tiled and (shares is None or self.strength == 1):
            return self(photo, moments, shares)
        size = (photo.shape[2], photo.shape[3])
        small = resize_picture(photo, fit(size, min(SMALL, max(size))))
        brush = self
        imported = self.network.kind == StyleKind.ANY and not isinstance(self.network, AnyStyle)
        if imported and self.strength < 1:
            # It mixes in the code of what it paints, which must be the whole photo's.
            own = self.network.encode(small)
            code = torch.lerp(own.expand_as(self.code), self.code, self.strength)
            brush = replace(self, code=code, strength=1.0)
        if not tiled:
            return brush(photo, moments, shares)
        moments = moments or Moments()
        brush(small, moments, None if shares is None else at_size(shares, small))
        return brush.in_tiles(photo, moments.noted, TILE)

    @torch.no_grad()
    def in_tiles(
        self, photo: Tensor, noted: list[tuple[Tensor, Tensor]], side: int = TILE
    ) -> Tensor:
        """Return a photo (1, 3, H, W) painted tile by tile, of `side` pixels, with these moments."""
        made = torch.empty_like(photo)
        shares = None if self.shares is None else at_size(self.shares, photo)
        for top, bottom, above, below in _pieces(photo.shape[2], side):
            for left, right, before, after in _pieces(photo.shape[3], side):
                here = None if shares is None else shares[:, :, above:below, before:after]
                part = self(photo[:, :, above:below, before:after], Moments(noted), here)
                made[:, :, top:bottom, left:right] = part[
                    :, :, top - above : bottom - above, left - before : right - before
                ]
        return made


def _pieces(length: int, side: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield begin and end of each tile, and of what is painted for it."""
    for begin in range(0, length, side):
        end = min(begin + side, length)
        yield begin, end, max(begin - HALO, 0), min(end + HALO, length)


def can_be_given_moments(network: StyleNetwork) -> bool:
    """Return whether all that a network normalizes can be normalized from outside."""
    if isinstance(network, AnyStyle):
        return True
    modules = list(network.modules())
    others = (nn.InstanceNorm2d, nn.GroupNorm, nn.LayerNorm)
    return any(isinstance(m, (Norm, StyledNorm)) for m in modules) and not any(
        isinstance(m, others) for m in modules
    )


@contextmanager
def normalized_by(
    network: StyleNetwork, moments: Moments, codes: Tensor, shares: Tensor | None = None
) -> Iterator[None]:
    """Let the instance normalizations of an imported network take their moments from `moments`.

    With `shares` (1, styles, H, W), scales and shifts are mixed place by place from all `codes`.
    One thread at a time: it is done by hooks, which are gone afterwards.
    """
    parts = network.layers if isinstance(network, Painter) else network
    layers = [m for m in parts.modules() if isinstance(m, (Norm, StyledNorm))]

    def normalize(layer: nn.Module, given: tuple[Any, ...], _: Tensor) -> Tensor:
        x, code = given
        if isinstance(layer, Norm):
            scale, shift = layer.weight[None], layer.bias[None]
            return moments.normalize(x, scale, shift, layer.epsilon)
        assert isinstance(layer, StyledNorm)
        code = code if shares is None else codes
        scale, shift = code[:, layer.start :].split(layer.channels, 1)[:2]
        scale, shift = (spread(numbers, shares, x) for numbers in (scale, shift))
        return moments.normalize(x, scale, shift, layer.epsilon)

    with _hooking if layers else nullcontext():
        handles = [layer.register_forward_hook(normalize) for layer in layers]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()
