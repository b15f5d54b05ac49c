"""Chairs seen from all around: which views may be learned, their pictures, and how these are changed."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from engine.workshop.chairs import Chair, render

ELEVATIONS = (20.0, 40.0)
"""How high the viewer stands, in degrees."""
EVERY, SECOND = 4, 2
"""Of each fourth azimuth, beginning with this one, and of every other chair, nothing may be seen."""
MOST_TURN, MOST_SHIFT, MOST_ZOOM = 15.0, 0.12, 0.2
"""Limits of changes: degrees, parts of the side, and logarithm of the size."""
DIMMEST = 0.15
"""Least part of red, green or blue of a random colour."""


@dataclass(frozen=True)
class View:
    """A chair's number, from 0, and where it is seen from, as numbers of elevation and azimuth."""

    chair: int
    elevation: int
    azimuth: int


class Views:
    """Pictures of chairs from evenly spaced azimuths. Each is drawn when it is first needed."""

    def __init__(
        self, chairs: Sequence[Chair], azimuths: int, side: int, device: torch.device
    ) -> None:
        """Take `azimuths` views per turn, a multiple of 4, of `side` pixels, from each elevation."""
        self.chairs, self.azimuths, self.side, self.device = chairs, azimuths, side, device
        self.step = 360 / azimuths
        """Degrees between two azimuths."""
        self.colours = torch.tensor([chair.colour for chair in chairs], device=device)
        """The chairs' own colours (chairs, 3), in [0, 1]."""
        count = len(chairs) * len(ELEVATIONS) * azimuths
        self._kept = torch.empty(count, 2, side, side, dtype=torch.uint8)
        self._drawn = torch.zeros(count, dtype=torch.bool)
        self._between: dict[tuple[int, float, float], Tensor] = {}
        every = torch.arange(count)
        unseen = ~self._seen(every)
        self.seen, self.unseen = every[~unseen], every[unseen]
        """Numbers of the views that may be learned, and of those that may not."""

    def number(self, view: View) -> int:
        """Return the number of a view; azimuths go round."""
        row = view.chair * len(ELEVATIONS) + view.elevation
        return row * self.azimuths + view.azimuth % self.azimuths

    def view(self, number: int) -> View:
        """Return the view of a number."""
        row, azimuth = divmod(number, self.azimuths)
        chair, elevation = divmod(row, len(ELEVATIONS))
        return View(chair, elevation, azimuth)

    def _seen(self, numbers: Tensor) -> Tensor:
        chairs = numbers // (self.azimuths * len(ELEVATIONS))
        azimuths = numbers % self.azimuths
        return ~((chairs % 2 == 0) & (azimuths % EVERY == SECOND))

    def is_seen(self, chair: int, azimuth: float) -> bool:
        """Tell whether a chair may be learned from this azimuth, in degrees."""
        step = azimuth / self.step
        number = self.number(View(chair, 0, round(step)))
        return math.isclose(step, round(step)) and bool(self._seen(torch.tensor(number)))

    def angles(self, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """Return azimuths and elevations (N,) of views, in degrees, on the device."""
        rows, azimuths = numbers // self.azimuths, numbers % self.azimuths
        elevations = torch.tensor(ELEVATIONS)[rows % len(ELEVATIONS)]
        return (azimuths * self.step).to(self.device), elevations.to(self.device)

    def chairs_of(self, numbers: Tensor) -> Tensor:
        """Return which chairs views (N,) show, on the device."""
        return (numbers // (self.azimuths * len(ELEVATIONS))).to(self.device)

    def pictures(self, numbers: Tensor) -> Tensor:
        """Return light and mask (N, 2, side, side) of views (N,), float32 in [0, 1] on the device."""
        for number in numbers[~self._drawn[numbers]].tolist():
            view = self.view(number)
            azimuth, elevation = view.azimuth * self.step, ELEVATIONS[view.elevation]
            self._kept[number] = self._render(view.chair, azimuth, elevation)
            self._drawn[number] = True
        return self._kept[numbers].to(self.device).float() / 255

    def between(self, chair: int, azimuth: float, elevation: float) -> Tensor:
        """Return light and mask (2, side, side) from any side, in degrees."""
        place = (chair, azimuth % 360, elevation)
        if place not in self._between:
            if len(self._between) >= 500:
                self._between.clear()
            self._between[place] = self._render(*place)
        return self._between[place].to(self.device).float() / 255

    def _render(self, chair: int, azimuth: float, elevation: float) -> Tensor:
        drawn = render(self.chairs[chair].boxes, azimuth, elevation, self.side)
        both = [torch.from_numpy(part.copy()) for part in drawn]
        return (torch.stack(both) * 255).round().to(torch.uint8)

    def neighbours(self, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """Return the views of the same chairs from the azimuths before and after."""
        azimuths = numbers % self.azimuths
        first = numbers - azimuths
        return first + (azimuths - 1) % self.azimuths, first + (azimuths + 1) % self.azimuths


@dataclass(frozen=True)
class Looks:
    """In which colours and where chairs are, (N, ...) each."""

    colours: Tensor
    """Red, green and blue (N, 3) in [0, 1]."""
    turns: Tensor
    """Counterclockwise in the picture, in degrees (N,)."""
    shifts: Tensor
    """To the right and upwards (N, 2), in parts of the side."""
    zooms: Tensor
    """How many times as large (N,)."""

    def numbers(self) -> Tensor:
        """Return them for a net: (N, 7), each within [-1, 1] if it is within its limits."""
        parts = (
            self.colours * 2 - 1,
            self.turns[:, None] / MOST_TURN,
            self.shifts / MOST_SHIFT,
            self.zooms.log()[:, None] / MOST_ZOOM,
        )
        return torch.cat(parts, 1)


def plain(colours: Tensor) -> Looks:
    """Return the looks of chairs in `colours` (N, 3) that are where they were rendered."""
    none = torch.zeros_like(colours[:, 0])
    return Looks(colours, none, torch.zeros_like(colours[:, :2]), torch.ones_like(none))


def random_looks(count: int, generator: torch.Generator, device: torch.device) -> Looks:
    """Draw colours and places, evenly within their limits."""
    even = torch.rand(count, 7, generator=generator).to(device)
    colours = DIMMEST + (1 - DIMMEST) * even[:, :3]
    turn, across, up, zoom = (even[:, 3:] * 2 - 1).unbind(1)
    shifts = torch.stack([across, up], 1) * MOST_SHIFT
    return Looks(colours, turn * MOST_TURN, shifts, (zoom * MOST_ZOOM).exp())


def moved(pictures: Tensor, looks: Looks) -> Tensor:
    """Return pictures (N, C, side, side) turned, shifted and zoomed; outside of them is black."""
    turned, size = torch.deg2rad(looks.turns), looks.zooms
    cosine, sine = turned.cos() / size, turned.sin() / size
    # In grid_sample's coordinates, from -1 to 1 and downwards; from the result back to the source.
    x, y = looks.shifts[:, 0] * 2, -looks.shifts[:, 1] * 2
    rows = (
        torch.stack([cosine, -sine, -(cosine * x - sine * y)], 1),
        torch.stack([sine, cosine, -(sine * x + cosine * y)], 1),
    )
    grid = F.affine_grid(torch.stack(rows, 1), list(pictures.shape), align_corners=False)
    return F.grid_sample(pictures, grid, align_corners=False)


def targets(pictures: Tensor, looks: Looks) -> tuple[Tensor, Tensor]:
    """Return colours (N, 3, side, side) and masks (N, 1, side, side) of light and masks (N, 2, ...)."""
    light, masks = moved(pictures, looks).split(1, 1)
    return light * looks.colours[:, :, None, None], masks


def shown(colours: Tensor, masks: Tensor) -> Tensor:
    """Return pictures (N, 3, side, side) in [0, 1] on white ground, which masks leave free."""
    return (colours + 1 - masks.clamp(0, 1)).clamp(0, 1)
