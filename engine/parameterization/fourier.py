"""Pictures as decorrelated Fourier spectra (Olah, Mordvintsev, Schubert 2017).

Low frequencies get larger coefficients, as in photographs, and colours vary along the axes along
which those of photographs do; so a step in this space changes a picture in the way that photographs
differ.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

START_DEVIATION = 0.01
"""Deviation of the spectrum that a run starts from: a nearly grey picture."""
GAIN = 0.25
"""Keeps the colours of a fresh spectrum small enough for the sigmoid to be linear."""

_COLOUR_ROOT = torch.tensor(
    [[0.26, 0.09, 0.02], [0.27, 0.00, -0.05], [0.27, -0.09, 0.03]], dtype=torch.float64
)
"""Square root of the covariance of natural pictures' colours: rows red, green, blue."""
COLOURS = _COLOUR_ROOT / torch.linalg.vector_norm(_COLOUR_ROOT, dim=0).max()
"""From decorrelated axes (brightness, then two of colour) to RGB before the sigmoid."""


class Fourier:
    """Maps spectra (N, 3, H, W // 2 + 1, 2) to pictures (N, 3, H, W) in (0, 1) and back."""

    def __init__(
        self,
        size: tuple[int, int],
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        decay: float = 1.0,
    ) -> None:
        """`size` is (height, width); coefficients are scaled by f^-`decay`."""
        self.size = size
        self.scale = (1 / frequencies(size, floor=1 / max(size)) ** decay).to(device, dtype)

    def start(self, count: int, noise: Callable[..., Tensor]) -> Tensor:
        """Return `count` spectra to start from; `noise` makes normal numbers of a shape."""
        return START_DEVIATION * noise(count, 3, *self.scale.shape, 2).to(self.scale)

    def picture(self, spectrum: Tensor) -> Tensor:
        """Return the pictures of spectra, differentiable."""
        scaled = torch.view_as_complex(spectrum.contiguous()) * self.scale
        planes = GAIN * torch.fft.irfft2(scaled, s=self.size, norm="ortho")
        return torch.sigmoid(coloured(planes))

    def spectrum(self, picture: Tensor) -> Tensor:
        """Return spectra whose pictures are `picture` (N, 3, H, W), as far as it lies in [.01, .99]."""
        logits = torch.logit(picture.to(self.scale).clamp(0.01, 0.99))
        planes = decorrelated(logits) / GAIN
        return torch.view_as_real(torch.fft.rfft2(planes, norm="ortho") / self.scale)


def frequencies(size: tuple[int, int], floor: float = 0.0) -> Tensor:
    """Return the frequencies (H, W // 2 + 1) of a real transform, in cycles per pixel, float64."""
    down = torch.fft.fftfreq(size[0], dtype=torch.float64)
    across = torch.fft.rfftfreq(size[1], dtype=torch.float64)
    return torch.hypot(down[:, None], across[None, :]).clamp_min(floor)


def coloured(planes: Tensor) -> Tensor:
    """Return RGB of (N, 3, H, W) on decorrelated axes; both are unbounded."""
    return torch.einsum("rc,nchw->nrhw", COLOURS.to(planes), planes)


def decorrelated(colours: Tensor) -> Tensor:
    """Return `colours` (N, 3, H, W) on decorrelated axes: the inverse of `coloured`."""
    return torch.einsum("cr,nrhw->nchw", torch.linalg.inv(COLOURS).to(colours), colours)


class Phase:
    """Pictures with a given spectrum of magnitudes; only the phases vary.

    MACO (Fel et al. 2023): high frequencies can then never take over. The magnitudes fall with
    frequency as those of photographs: f^-1.3 up to a tenth of a cycle per pixel, faster above.
    After `phases` they are those of given pictures.
    """

    BEND = 0.1
    SLOPES = (1.3, 2.7)
    GUARD = 1e-5

    def __init__(
        self,
        size: tuple[int, int],
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        """`size` is (height, width)."""
        self.size = size
        f = frequencies(size, floor=1 / max(size))
        low, high = self.SLOPES
        magnitude = f**-low * (f / self.BEND).clamp_min(1) ** (low - high)
        magnitude[0, 0] = 0  # the mean is taken out of the picture anyway
        # Scaled to a picture of deviation about 1, which keeps the guard below it small.
        self.magnitude = (magnitude / math.sqrt(magnitude.square().mean())).to(device, dtype)
        self.middle, self.spread = (torch.full((1, 1, 1, 1), v).to(self.magnitude) for v in (0, 1))
        """Mean and deviation of the angles, for each picture; the deviation is always the same."""
        self.brightness, self.contrast = self.middle, self.spread
        """Mean and deviation of the decorrelated planes, for each picture."""

    def start(self, count: int, noise: Callable[..., Tensor]) -> Tensor:
        """Return `count` arrays of phases (N, 3, H, W // 2 + 1) to start from."""
        return noise(count, 3, *self.magnitude.shape[-2:]).to(self.magnitude)

    def picture(self, phase: Tensor) -> Tensor:
        """Return the pictures (N, 3, H, W) in (0, 1) of phases, differentiable."""
        angle = self.middle + self.spread * self._standard(phase)
        planes = torch.fft.irfft2(torch.polar(*torch.broadcast_tensors(self.magnitude, angle)),
                                  s=self.size, norm="ortho")  # fmt: skip
        return torch.sigmoid(coloured(self.brightness + self.contrast * self._standard(planes)))

    def phases(self, picture: Tensor) -> Tensor:
        """Return phases whose pictures are `picture` (N, 3, H, W), as far as it lies in [.01, .99].

        From now on the magnitudes, contrast and brightness are those of `picture`. No picture may
        be of a single colour: it would have no spectrum for phases to vary.
        """
        logits = torch.logit(picture.to(self.magnitude).clamp(0.01, 0.99))
        planes = decorrelated(logits)
        self.brightness = planes.mean((1, 2, 3), keepdim=True)
        self.contrast = planes.std((1, 2, 3), keepdim=True) + self.GUARD
        spectrum = torch.fft.rfft2(planes - self.brightness, norm="ortho")
        self.magnitude, angle = spectrum.abs(), spectrum.angle()
        self.middle = angle.mean((1, 2, 3), keepdim=True)
        deviation = angle.std((1, 2, 3), keepdim=True)
        self.spread = deviation * (1 + self.GUARD)
        return (angle - self.middle) / deviation

    def _standard(self, x: Tensor) -> Tensor:
        """Return `x` with mean 0 and deviation 1 for each picture."""
        mean = x.mean((1, 2, 3), keepdim=True)
        deviation = x.std((1, 2, 3), keepdim=True)
        return (x - mean) / (deviation + self.GUARD)
