"""Chairs of boxes, and their pictures from any side: data that are drawn, not downloaded.

They stand in for the rendered chairs that A. Dosovitskiy, J. Springenberg, T. Brox, "Learning to
Generate Chairs with Convolutional Neural Networks", 2015, trained on.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt
import torch

Floats = npt.NDArray[np.float64]
Place = tuple[float, float, float]

HALF = 0.66
"""Half of the height and width that a picture shows; no chair reaches out of it from any side."""
SAMPLES = 2
"""Rays for each pixel, down and across."""
AMBIENT, LIGHT = 0.3, (-0.45, 0.55, 0.7)
"""Light from everywhere, and where the rest comes from: left of, above and behind the viewer."""
NUMBERS = 24
"""Random numbers that a chair takes."""


@dataclass(frozen=True)
class Box:
    """An upright box."""

    centre: Place
    """To the right, to the back, upwards."""
    half: Place
    """Half of its width, depth and height."""
    tone: float = 1.0
    """Its lightness, from 0 to 1."""


@dataclass(frozen=True)
class Chair:
    """A chair, centred at the origin."""

    boxes: tuple[Box, ...]
    colour: tuple[float, float, float]
    """Red, green and blue in [0, 1], by which the light is multiplied."""


def render(
    boxes: tuple[Box, ...], azimuth: float, elevation: float, side: int
) -> tuple[Floats, Floats]:
    """Draw boxes as seen from far away: by parallel rays, each cut by the slabs of each box.

    Args:
        boxes: in any order.
        azimuth: where the viewer stands, in degrees; 0: in front, 90: on the right.
        elevation: how high, in degrees; 0: level, 90: straight above.
        side: of the picture, in pixels.

    Returns:
        The light that comes from each pixel's boxes, times the part of it that they cover, and that
        part; both (side, side) in [0, 1].
    """
    turned, raised = np.radians(azimuth % 360), np.radians(elevation)
    right = np.array([np.cos(turned), np.sin(turned), 0])
    forward = np.array([-np.sin(turned), np.cos(turned), 0])
    up = np.sin(raised) * forward + np.array([0, 0, np.cos(raised)])
    viewer = -np.cos(raised) * forward + np.array([0, 0, np.sin(raised)])
    viewer = np.where(np.abs(viewer) < 1e-12, 1e-12, viewer)  # no ray lies within a face
    towards = np.array(LIGHT) / np.linalg.norm(LIGHT)
    light = towards @ np.stack([right, up, viewer])
    # A ray meets at most one face for each axis from outside: that on the viewer's side.
    lit = AMBIENT + (1 - AMBIENT) * np.maximum(np.sign(viewer) * light, 0)

    fine = side * SAMPLES
    places = ((np.arange(fine) + 0.5) / fine * 2 - 1) * HALF
    nearest = np.full((fine, fine), -np.inf)
    shade = np.zeros((fine, fine))
    for box in boxes:
        centre, half = np.array(box.centre), np.array(box.half)
        columns = _within(places, right @ centre, np.abs(right) @ half)
        rows = _within(places, up @ centre, np.abs(up) @ half)
        # Where a ray enters and leaves each of the three slabs, counted from the viewer's far side.
        middle = [
            (up[k] * places[rows][:, None] + (right[k] * places[columns] - centre[k])) / -viewer[k]
            for k in range(3)
        ]
        reach = np.abs(half / viewer)
        leaves = np.stack([at + out for at, out in zip(middle, reach, strict=True)])
        enters = [at - out for at, out in zip(middle, reach, strict=True)]
        depth, face = leaves.min(0), leaves.argmin(0)
        area = nearest[rows, columns]
        hit = np.maximum(np.maximum(enters[0], enters[1]), enters[2]) < depth
        hit &= depth > area
        area[hit] = depth[hit]
        shade[rows, columns][hit] = box.tone * lit[face[hit]]
    light_there = _pixels(shade, side)
    return light_there, _pixels((nearest > -np.inf).astype(float), side)


def _within(places: Floats, centre: float, reach: float) -> slice:
    """Return which of the places, in order, a box can cover."""
    low, high = np.searchsorted(places, (centre - reach, centre + reach))
    return slice(int(low), int(high))


def _pixels(fine: Floats, side: int) -> Floats:
    """Return the means over the rays of each pixel, upside down: pictures begin at the top."""
    means: Floats = fine.reshape(side, SAMPLES, side, SAMPLES).mean((1, 3))
    return means[::-1]


def draw_chairs(count: int, generator: torch.Generator) -> list[Chair]:
    """Draw chairs with legs, a foot or panels, backs of a board, bars or slats, with or without arms."""
    numbers = torch.rand(count, NUMBERS, generator=generator, dtype=torch.float64)
    return [_chair(iter(row)) for row in numbers.tolist()]


def _chair(random: Iterator[float]) -> Chair:
    def between(low: float, high: float) -> float:
        return low + (high - low) * next(random)

    def one_of(count: int) -> int:
        return int(next(random) * count)

    wide, deep, tall = between(0.19, 0.27), between(0.18, 0.25), between(0.36, 0.46)
    thick, wood, cloth = between(0.015, 0.045), between(0.55, 0.8), between(0.85, 1)
    leg = between(0.015, 0.03)
    boxes = [Box((0, 0, tall - thick), (wide, deep, thick), cloth)]
    below = tall - 2 * thick
    boxes += _stand(one_of(3), wide, deep, below, leg, wood, next(random))
    boxes += _back(one_of(3), wide, deep, tall, between(0.3, 0.55), leg, wood, cloth, next(random))
    if next(random) < 0.4:
        boxes += _arms(wide, deep, tall, between(0.14, 0.22), leg, wood)
    bottom = min(box.centre[2] - box.half[2] for box in boxes)
    top = max(box.centre[2] + box.half[2] for box in boxes)
    raised = (bottom + top) / 2
    centred = (
        Box((box.centre[0], box.centre[1], box.centre[2] - raised), box.half, box.tone)
        for box in boxes
    )
    hue, strength = next(random), between(0.3, 0.75)
    return Chair(tuple(centred), coloured(hue, strength))


def coloured(hue: float, strength: float) -> tuple[float, float, float]:
    """Return the bright colour of a hue (0 to 1, round the circle); strength 0: white, 1: pure."""
    waves = (0.5 + 0.5 * np.cos(2 * np.pi * (hue - k / 3)) for k in range(3))
    red, green, blue = (float(1 - strength * (1 - wave)) for wave in waves)
    return red, green, blue


def _stand(
    kind: int, wide: float, deep: float, below: float, leg: float, wood: float, more: float
) -> list[Box]:
    x, y, half = wide - leg, deep - leg, below / 2
    if kind == 0:  # four legs, with bars between them
        boxes = [Box((a * x, b * y, half), (leg, leg, half), wood) for a, b in _CORNERS]
        if more < 0.5:
            bar = (leg / 2, y, leg / 2)
            boxes += [Box((a * x, 0, (0.3 + more) * below), bar, wood) for a in (-1, 1)]
        return boxes
    if kind == 1:  # a column on a cross
        flat = leg * 0.8
        return [
            Box((0, 0, half), (1.4 * leg, 1.4 * leg, half), wood),
            Box((0, 0, flat), (0.95 * wide, 1.3 * leg, flat), wood),
            Box((0, 0, flat), (1.3 * leg, 0.95 * deep, flat), wood),
        ]
    inset = (0.75 + 0.25 * more) * x  # two panels and a board between them
    boxes = [Box((a * inset, 0, half), (leg, 0.9 * deep, half), wood) for a in (-1, 1)]
    return [*boxes, Box((0, 0, below * (0.4 + 0.3 * more)), (inset, 0.3 * deep, leg), wood)]


def _back(
    kind: int, wide: float, deep: float, tall: float, high: float, leg: float, wood: float,
    cloth: float, more: float,
) -> list[Box]:  # fmt: skip
    y, half = deep - leg, high / 2
    if kind == 0:  # a board, wholly or partly
        part = 0.6 + 0.4 * more
        board = Box((0, y, tall + high * (1 - part / 2)), (wide, leg, half * part), cloth)
        posts = [
            Box((a * 0.6 * wide, y, tall + half), (leg, 0.8 * leg, half), wood) for a in (-1, 1)
        ]
        return [board, *posts]
    x = wide - leg
    posts = [Box((a * x, y, tall + half), (leg, leg, half), wood) for a in (-1, 1)]
    count = 2 + int(more * 3)
    if kind == 1:  # bars across
        across = (wide, 0.7 * leg, 0.3 * high / count)
        return posts + [
            Box((0, y, tall + high * (k + 0.7) / count), across, cloth) for k in range(count)
        ]
    rail = Box((0, y, tall + high), (wide, leg, 1.5 * leg), cloth)  # slats below a rail
    slats = [
        Box((x * (2 * (k + 1) / (count + 1) - 1), y, tall + half), (0.8 * leg, 0.6 * leg, half), wood)
        for k in range(count)
    ]  # fmt: skip
    return [*posts, rail, *slats]


def _arms(wide: float, deep: float, tall: float, high: float, leg: float, wood: float) -> list[Box]:
    x, post = wide - leg, (leg, leg, high / 2)
    rests = [Box((a * x, 0, tall + high), (1.3 * leg, deep, 0.8 * leg), wood) for a in (-1, 1)]
    return rests + [Box((a * x, -deep + leg, tall + high / 2), post, wood) for a in (-1, 1)]


_CORNERS = tuple(product((-1, 1), (-1, 1)))
