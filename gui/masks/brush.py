"""A round brush: discs with a hard or soft rim, set close together along a smooth path.

Within a stroke the strongest disc counts at each pixel, so its edge stays as soft as the brush,
however slowly the hand moves.
"""

import math
from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gui.masks.mask import Mask, Rect, bounds, divided

Bytes = npt.NDArray[np.uint8]
Point = tuple[float, float]
SMALLEST = 0.5
"""Radius in pixels of the mask: less would leave gaps."""
FINE, MIDDLE = 32.0, 128.0
"""Up to these radii a disc is placed to a quarter of a pixel, to half a pixel; above, to a pixel."""
LEAST_PRESSURE = 0.1
"""The share of its size that the lightest touch of a pen leaves to the brush."""
PRESSURES = 32
"""Degrees of pressure: discs of each size are drawn once."""
KEPT_BYTES = 16 << 20
"""Of discs."""


@dataclass(frozen=True)
class Brush:
    """A brush."""

    radius: float
    """In pixels of the mask."""
    hardness: float
    """From 0, soft from the middle on, to 1, a disc with an edge."""
    erases: bool = False


class Discs:
    """Discs that have been drawn, kept to be used again."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[float, float, float, float], Bytes] = OrderedDict()

    def get(self, radius: float, hardness: float, dx: float, dy: float) -> Bytes:
        """Return the disc whose middle lies (dx, dy), below 1, right of and below a pixel's corner.

        Its own array's middle pixel begins at that corner.
        """
        key = radius, hardness, dx, dy
        found = self._kept.get(key)
        if found is None:
            found = self._kept[key] = drawn(radius, hardness, dx, dy)
            while len(self._kept) > 1 and sum(d.nbytes for d in self._kept.values()) > KEPT_BYTES:
                self._kept.popitem(last=False)
        self._kept.move_to_end(key)
        return found


def reach(radius: float) -> int:
    """Return how many pixels a disc extends from the pixel that its middle is in."""
    return math.ceil(radius + 1)


def drawn(radius: float, hardness: float, dx: float, dy: float) -> Bytes:
    """Draw a disc: opaque up to `hardness` of its radius, from there falling to nothing at the rim.

    The fall is a smoothstep. It is at least a pixel wide, half of it inside the radius and half
    outside: so a hard disc covers pi r².
    """
    far = reach(radius)
    if not dx and not dy:  # a quarter of it is all of it
        side = np.arange(far + 1, dtype=np.float32) + np.float32(0.5)
        away = np.hypot(side[None, :], side[:, None])
    else:
        side = np.arange(-far, far + 1, dtype=np.float32) + np.float32(0.5)
        away = np.hypot(side[None, :] - np.float32(dx), side[:, None] - np.float32(dy))
    inner = min(hardness * radius, radius - 0.5)
    outer = max(radius, inner + 1)
    t = np.clip((np.float32(outer) - away) / np.float32(outer - inner), 0, 1)
    disc = np.rint(255 * t * t * (3 - 2 * t)).astype(np.uint8)
    if not dx and not dy:
        mirrored = [*range(far - 1, -1, -1), *range(far + 1)]
        disc = disc[mirrored][:, mirrored]
    return disc


class Stroke:
    """A stroke in progress: the mask follows it, and only around what was added last."""

    def __init__(self, mask: Mask, brush: Brush, discs: Discs | None = None) -> None:
        self.mask, self.brush = mask, brush
        self._discs = discs or Discs()
        self._before = mask.pixels.copy()
        self._cover = np.zeros_like(mask.pixels)
        self._points: list[tuple[Point, float]] = []
        self._left = 0.0
        """Pixels until the next disc."""
        self.dirty: Rect | None = None
        """Everything that the stroke may have changed."""

    @property
    def last(self) -> Point:
        """The point that was painted to last."""
        return self._points[-1][0]

    def to(self, point: Point, pressure: float = 1.0) -> Rect | None:
        """Paint on to a point in pixels of the mask; return what may have changed, None: nothing.

        The path is a curve through the middles between the points, which reaches the last of them
        only by `end`.
        """
        self._points.append((point, pressure))
        points = self._points[-3:]
        if len(points) == 1:
            return self._finish([self._disc(point, pressure)])
        middle = _middle(points[-2], points[-1])
        if len(points) == 2:
            return self._finish(self._line(points[0], middle))
        return self._finish(self._curve(_middle(points[0], points[1]), points[1], middle))

    def straight_to(self, point: Point, pressure: float = 1.0) -> Rect | None:
        """Paint a straight line to a point."""
        last = self._points[-1]
        self._points = [(point, pressure)]
        return self._finish(self._line(last, (point, pressure)))

    def end(self) -> Rect | None:
        """Paint what is left to the last point."""
        if len(self._points) < 2:
            return None
        last = self._points[-1]
        return self._finish(self._line(_middle(self._points[-2], last), last))

    def cancel(self) -> Rect | None:
        """Put the mask back to how it was before the stroke."""
        self.mask.pixels[:] = self._before
        return self.dirty

    # -- the path -------------------------------------------------------------------------

    def _curve(
        self, start: tuple[Point, float], control: tuple[Point, float], end: tuple[Point, float]
    ) -> list[Rect]:
        """Paint a quadratic Bézier curve, as lines that are too short to be seen as such."""
        far = math.dist(start[0], control[0]) + math.dist(control[0], end[0])
        parts = max(1, min(64, math.ceil(far / 4)))
        found, last = [], start
        for n in range(1, parts + 1):
            t = n / parts
            a, b, c = (1 - t) ** 2, 2 * t * (1 - t), t * t
            here = (
                a * start[0][0] + b * control[0][0] + c * end[0][0],
                a * start[0][1] + b * control[0][1] + c * end[0][1],
            )
            there = here, a * start[1] + b * control[1] + c * end[1]
            found += self._line(last, there)
            last = there
        return found

    def _line(self, start: tuple[Point, float], end: tuple[Point, float]) -> list[Rect]:
        """Set discs along a line, so close that their outlines deviate by an eighth of a pixel."""
        (x0, y0), before = start
        (x1, y1), after = end
        length, done, found = math.dist(start[0], end[0]), self._left, []
        while done <= length and length > 0:
            t = done / length
            pressure = before + t * (after - before)
            found.append(self._disc((x0 + t * (x1 - x0), y0 + t * (y1 - y0)), pressure))
            done += math.sqrt(max(1.0, self._radius(pressure)))
        self._left = max(0.0, done - length)
        return found

    def _radius(self, pressure: float) -> float:
        if pressure >= 1:
            return max(SMALLEST, self.brush.radius)
        step = round(min(max(pressure, 0.0), 1.0) * PRESSURES) / PRESSURES
        return max(SMALLEST, self.brush.radius * (LEAST_PRESSURE + (1 - LEAST_PRESSURE) * step))

    # -- pixels ---------------------------------------------------------------------------

    def _disc(self, point: Point, pressure: float) -> Rect:
        """Let the stroke cover a disc; return where, perhaps outside the mask."""
        radius = self._radius(pressure)
        parts = 4 if radius <= FINE else 2 if radius <= MIDDLE else 1
        x, y = (round(value * parts) / parts for value in point)
        column, row = math.floor(x), math.floor(y)
        disc = self._discs.get(radius, self.brush.hardness, x - column, y - row)
        far = reach(radius)
        whole = Rect(column - far, row - far, column + far + 1, row + far + 1)
        inside = whole.within(self._cover.shape)
        if inside is not None:
            left, top = inside.left - whole.left, inside.top - whole.top
            part = disc[top : top + inside.height, left : left + inside.width]
            view = self._cover[inside.rows, inside.columns]
            np.maximum(view, part, out=view)
        return whole

    def _finish(self, rects: list[Rect]) -> Rect | None:
        """Bring the mask up to date where discs were set."""
        dirty = bounds(rects)
        dirty = None if dirty is None else dirty.within(self._cover.shape)
        if dirty is None:
            return None
        place = dirty.rows, dirty.columns
        before = self._before[place].astype(np.uint16)
        cover = self._cover[place].astype(np.uint16)
        there = 255 - cover if self.brush.erases else 255 - before
        mixed = before * there if self.brush.erases else 255 * before + cover * there
        self.mask.pixels[place] = divided(mixed)
        self.dirty = bounds([dirty] if self.dirty is None else [self.dirty, dirty])
        return dirty


def _middle(one: tuple[Point, float], other: tuple[Point, float]) -> tuple[Point, float]:
    (x0, y0), before = one
    (x1, y1), after = other
    return ((x0 + x1) / 2, (y0 + y1) / 2), (before + after) / 2
