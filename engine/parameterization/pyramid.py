"""Pictures as Laplacian pyramids (Burt and Adelson 1983): octaves of detail, each half as large.

A step of the same size in every octave changes coarse shapes as much as fine ones, so low
frequencies more than a step in pixels does; colours vary along those of photographs (see
`fourier`). In Lucid (Olah, Mordvintsev, Schubert 2017) it is the alternative to the spectrum.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from engine.parameterization.fourier import GAIN, START_DEVIATION, coloured, decorrelated

COARSEST = 4
"""Least side of an octave, in pixels."""


class Pyramid:
    """Maps pyramids (N, 3, P) to pictures (N, 3, H, W) in (0, 1) and back.

    P counts the numbers of all octaves, the finest first, each row by row.
    """

    def __init__(
        self,
        size: tuple[int, int],
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        """`size` is (height, width)."""
        self.sizes = [size]
        while min(self.sizes[-1]) >= 2 * COARSEST:
            height, width = self.sizes[-1]
            self.sizes.append((-(-height // 2), -(-width // 2)))
        self.device, self.dtype = torch.device(device), dtype

    @property
    def numbers(self) -> int:
        """How many numbers a plane takes: P."""
        return sum(height * width for height, width in self.sizes)

    def start(self, count: int, noise: Callable[..., Tensor]) -> Tensor:
        """Return `count` pyramids to start from; `noise` makes normal numbers of a shape."""
        return START_DEVIATION * noise(count, 3, self.numbers).to(self.device, self.dtype)

    def picture(self, pyramid: Tensor) -> Tensor:
        """Return the pictures of pyramids, differentiable."""
        octaves = self._octaves(pyramid)
        planes = octaves[-1]
        for octave in reversed(octaves[:-1]):
            planes = _enlarged(planes, octave.shape) + octave
        return torch.sigmoid(coloured(GAIN * planes))

    def pyramid(self, picture: Tensor) -> Tensor:
        """Return pyramids whose pictures are `picture` (N, 3, H, W), as far as it lies in [.01, .99]."""
        logits = torch.logit(picture.to(self.device, self.dtype).clamp(0.01, 0.99))
        planes = decorrelated(logits) / GAIN
        octaves = []
        for size in self.sizes[1:]:
            coarse = F.interpolate(
                planes, size, mode="bilinear", antialias=True, align_corners=False
            )
            octaves.append(planes - _enlarged(coarse, planes.shape))
            planes = coarse
        return torch.cat([octave.flatten(2) for octave in (*octaves, planes)], 2)

    def _octaves(self, pyramid: Tensor) -> list[Tensor]:
        parts = pyramid.split([height * width for height, width in self.sizes], 2)
        return [part.unflatten(2, size) for part, size in zip(parts, self.sizes, strict=True)]


def _enlarged(planes: Tensor, shape: torch.Size) -> Tensor:
    return F.interpolate(planes, shape[2:], mode="bilinear", align_corners=False)
