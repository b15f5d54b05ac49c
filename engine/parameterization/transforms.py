"""Views of a picture for the network: shifted, zoomed, rotated, cropped.

What excites a unit in all of them is not an accident of single pixels (Olah, Mordvintsev, Schubert
2017). A view is one resampling of the picture to the network's input size and one rotation, made of
matrix products and Fourier transforms, whose gradients are the same in every run, even on a GPU.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

REFERENCE = 224
"""Side of the pictures that shifts and padding are given for; both grow with the picture."""
GRAY = 0.5
"""The shade of what lies outside the picture."""
ANGLES = 10
"""Steps of the rotation to either side; five more draws in 26 leave the picture upright."""


@dataclass(frozen=True)
class View:
    """Which part of a square picture is seen: a square window, rotated."""

    y: float
    """Centre in pixels from the upper border."""
    x: float
    side: float
    """The side, in pixels of the picture."""
    angle: float = 0.0
    """Degrees by which the picture is turned counter-clockwise."""


@dataclass(frozen=True)
class Transforms:
    """How much views may vary; 0 switches a part off."""

    pad: float = 12.0
    """Grey border around the picture, in pixels of 224."""
    jitter: float = 8.0
    """Range of the first random shift, in pixels of 224."""
    last_jitter: float = 4.0
    """Range of the random shift after rotation, in pixels of 224."""
    zoom: float = 0.1
    """Largest enlargement and reduction."""
    rotation: float = 10.0
    """Largest angle in degrees."""
    closest: float = 1.0
    """Fraction of the picture's side that the closest view spans."""
    farthest: float = 1.0
    """Fraction of the picture's side that the farthest view spans."""

    def draw(self, side: int, generator: torch.Generator) -> View:
        """Return a random view of a picture of `side` pixels.

        Whatever is switched off, the same number of random numbers is drawn, so that one part does
        not change what the others draw.
        """
        draws = torch.rand(8, generator=generator, dtype=torch.float64).tolist()
        unit = side / REFERENCE
        share = self.closest * (self.farthest / self.closest) ** draws[0]
        zoom = 1 + self.zoom * (2 * draws[1] - 1)
        border = (2 * self.pad - self.jitter - self.last_jitter) * unit
        window = (side * share + max(border, 0.0)) / zoom
        room = side * (1 - share)
        reach = (self.jitter, self.jitter, self.last_jitter, self.last_jitter)
        moves = [r * unit * (d - 0.5) for r, d in zip(reach, draws[2:6], strict=True)]
        step = int(draws[6] * (2 * ANGLES + 6)) - ANGLES
        angle = self.rotation * step / ANGLES if step <= ANGLES else 0.0
        across = torch.rand(2, generator=generator, dtype=torch.float64).tolist()
        return View(
            side / 2 + room * (across[0] - 0.5) + moves[0] + moves[2],
            side / 2 + room * (across[1] - 0.5) + moves[1] + moves[3],
            window,
            angle,
        )


def seen(picture: Tensor, view: View, size: int) -> Tensor:
    """Return the `view` of (N, 3, H, W) as (N, 3, `size`, `size`); low-passed where it shrinks."""
    height, width = picture.shape[-2:]
    step = view.side / size
    # The window is enlarged by what the rotation moves in from outside.
    margin = 0
    if view.angle:
        margin = math.ceil(size * abs(math.sin(math.radians(view.angle))) / 2) + 1
    count = size + 2 * margin
    rows = resampling(height, count, view.y - count * step / 2, step).to(picture)
    columns = resampling(width, count, view.x - count * step / 2, step).to(picture)
    x = rows @ (picture - GRAY) @ columns.mT
    if view.angle:
        x = rotated(x, view.angle)[..., margin : margin + size, margin : margin + size]
    return x + GRAY


def resampling(length: int, count: int, start: float, step: float) -> Tensor:
    """Return the matrix (count, length) that samples a line of `length` pixels, float64.

    Sample i lies at start + (i + ½) step, pixel j at j + ½. Triangles of one pixel interpolate
    linearly, of one step where that is longer; what they cover outside the line counts as 0.
    """
    width = max(step, 1.0)
    centres = start + (torch.arange(count, dtype=torch.float64) + 0.5) * step
    reach = math.ceil(width) + 1
    offsets = torch.arange(-reach, reach + 1, dtype=torch.float64)
    pixels = centres.floor()[:, None] + offsets
    weights = (1 - (pixels + 0.5 - centres[:, None]).abs() / width).clamp_min(0)
    weights = weights / weights.sum(1, keepdim=True)
    inside = (pixels >= 0) & (pixels < length)
    matrix = torch.zeros(count, length, dtype=torch.float64)
    matrix.scatter_add_(1, pixels.clamp(0, length - 1).long(), weights * inside)
    return matrix


def rotated(picture: Tensor, angle: float) -> Tensor:
    """Return (N, C, H, W) turned counter-clockwise by `angle` degrees about its centre.

    By three shears, each a shift of rows or columns by a phase of their Fourier transform: nothing
    is blurred. What leaves at one border comes in at the other.
    """
    radians = math.radians(angle)
    slant, lift = math.tan(radians / 2), -math.sin(radians)
    x = _sheared(picture, slant)
    x = _sheared(x.mT, lift).mT
    return _sheared(x, slant)


def _sheared(x: Tensor, slope: float) -> Tensor:
    """Return (..., H, W) with each row moved right by `slope` times its distance below the middle."""
    height, width = x.shape[-2:]
    shifts = slope * (torch.arange(height, dtype=torch.float64) - (height - 1) / 2)
    f = torch.fft.rfftfreq(width, dtype=torch.float64)
    turns = (-2 * math.pi * shifts[:, None] * f).to(x)
    if width % 2 == 0:
        # The highest frequency of an even length has no phase: a shift of it would not be real.
        turns = torch.cat([turns[:, :-1], torch.zeros_like(turns[:, :1])], 1)
    spectrum = torch.fft.rfft(x, dim=-1) * torch.polar(torch.ones_like(turns), turns)
    return torch.fft.irfft(spectrum, n=width, dim=-1)
