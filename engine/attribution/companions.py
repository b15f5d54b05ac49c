"""Zeiler and Fergus's companions of an occlusion map: the target's probability, the likely class.

Their figure 7 (d) and (e): one number for each position of the square. A pixel shows the position
whose centre is nearest, so every position becomes a block, a larger one at the borders, which no
centre reaches. Spreading the numbers over all pixels that the square covers, as is done with the
drop, would mix many positions; and classes have no mean.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from torch import Tensor

from engine.attribution.heat import Heat, LegendLine
from engine.attribution.occluding import Occluded
from engine.attribution.registry import Method
from engine.attribution.square import SHOWN
from engine.colour_map import Bytes, colourised
from engine.networks.classes import percent

Grid = npt.NDArray[np.float32]
Words = Callable[[str], str]
"""Returns words of this module in another language, with the same placeholders {0}."""

PALETTE = (
    ("blue", (0x00, 0x72, 0xB2)), ("orange", (0xE6, 0x9F, 0x00)), ("green", (0x00, 0x9E, 0x73)),
    ("purple", (0xCC, 0x79, 0xA7)), ("yellow", (0xF0, 0xE4, 0x42)), ("red", (0xD5, 0x5E, 0x00)),
)  # fmt: skip
"""Colours that the colour-blind, too, can tell apart (Okabe and Ito 2008)."""
OTHERS = ("gray", (0x55, 0x55, 0x55))
"""The colour of all classes beyond those."""


@dataclass(frozen=True)
class PlaceMap(Heat):
    """A number for each position of the square, in blocks."""

    grid: Grid
    """(rows, columns)"""
    words: Words = field(default=str, kw_only=True)

    def seen(self, threshold: float) -> npt.NDArray[np.bool_] | None:
        """Return (H, W): what is known and is shown at that threshold; None for all of it."""
        shown = self.beyond(threshold)
        return None if shown.all() else shown


@dataclass(frozen=True)
class ChanceMap(PlaceMap):
    """The target's probability with the square at each position; NaN where not yet known."""

    @property
    def title(self) -> str:
        """The title that people see."""
        return self.words("{0} probability").format(self.method.title)

    def said(self, value: float) -> str:
        """Return a probability in words."""
        return "" if np.isnan(value) else f"{self.title} {percent(value)}"

    @property
    def range(self) -> str:
        """The lowest and the highest known probability."""
        known = self.grid[~np.isnan(self.grid)]
        least = percent(float(known.min(initial=1.0)))
        return self.words("{0} to {1}").format(least, percent(self.reach))

    @property
    def key(self) -> str:
        """The range in words, and where the scale begins."""
        return self.words("{0}, colours from 0 up").format(self.range)

    @property
    def reach(self) -> float:
        """The highest known probability; the scale begins at 0."""
        return float(np.nanmax(self.grid, initial=0.0))

    def coloured(self, colours: str, reach: float | None = None) -> Bytes:
        """Return (H, W, 3) bytes, in `colours` from 0 up."""
        limit = max(self.reach if reach is None else reach, 1e-12)
        return colourised(self.values, colours, 0.0, limit)

    def beyond(self, threshold: float, reach: float | None = None) -> npt.NDArray[np.bool_]:
        """Return (H, W): where it is known and at least `threshold` times the reach."""
        return self.values >= threshold * (self.reach if reach is None else reach)


@dataclass(frozen=True)
class ClassMap(PlaceMap):
    """The most likely class with the square at each position; -1 where not yet known."""

    names: Mapping[int, str]
    """The names of the classes in it."""
    order: tuple[str, ...]
    """Names of classes by the colours of `PALETTE`; those beyond it are alike."""

    @property
    def title(self) -> str:
        """The title that people see."""
        return self.words("{0} most likely class").format(self.method.title)

    def said(self, value: float) -> str:
        """Return a class's name."""
        return "" if value < 0 else f"{self.title}: {self.names[int(value)]}"

    @property
    def legend(self) -> tuple[LegendLine, ...]:
        """The classes with their colours; last, in one line, those that have no colour of their own."""
        places = _counted(self.grid, self.names)
        total = max(places.total(), 1)
        lines = []
        for name, (word, colour) in zip(self.order, PALETTE, strict=False):
            if count := places.pop(name, 0):
                lines.append(LegendLine(name, colour, self.words(word), count / total))
        if places:
            name, *more = places
            if more:
                name = self.words("{0} other classes").format(len(places))
            share = places.total() / total
            lines.append(LegendLine(name, OTHERS[1], self.words(OTHERS[0]), share))
        return tuple(lines)

    @property
    def key(self) -> str:
        """The legend in words."""
        return ", ".join(f"{line.colour_name}: {line}" for line in self.legend)

    @property
    def reach(self) -> float:
        """0: classes have no magnitude."""
        return 0.0

    def coloured(self, colours: str, reach: float | None = None) -> Bytes:
        """Return (H, W, 3) bytes: each class in its own colour, whatever the arguments."""
        pixels = np.empty((*self.values.shape, 3), np.uint8)
        pixels[:] = OTHERS[1]
        chosen = {name: colour for name, (_, colour) in zip(self.order, PALETTE, strict=False)}
        for number, name in self.names.items():
            if name in chosen:
                pixels[self.values == number] = chosen[name]
        return pixels

    def beyond(self, threshold: float, reach: float | None = None) -> npt.NDArray[np.bool_]:
        """Return (H, W): where it is known."""
        return self.values >= 0


def heats(
    method: Method, found: Occluded, names: Sequence[str], words: Words = str
) -> dict[str, Heat]:
    """Return the maps of the first picture by their names in `SHOWN`; for a unit, the drop alone.

    Args:
        method: occlusion.
        found: what is known so far.
        names: those of the network's classes.
        words: translates the maps' explanations; by default nothing is translated.
    """
    drop = Heat.of(method, found.map()[0].float())
    return dict(zip(SHOWN, (drop, *companions_of(method, found, names, words)), strict=False))


def companions_of(
    method: Method, found: Occluded, names: Sequence[str], words: Words = str
) -> tuple[ChanceMap, ClassMap] | tuple[()]:
    """Return both companions of the first picture; none for a unit. Arguments as in `heats`."""
    if bool((found.label < 0).all()):
        return ()
    down, across = (_nearest(axis) for axis in found.covers)
    chance, label = (
        grid[0].numpy().astype(np.float32) for grid in (found.probability, found.label)
    )
    named = {int(number): names[int(number)] for number in np.unique(label[label >= 0])}
    order = ranked([(label, named)])
    return (
        ChanceMap(method, chance[down[:, None], across], chance, words=words),
        ClassMap(method, label[down[:, None], across], label, named, order, words=words),
    )


def ranked(maps: Iterable[tuple[Grid, Mapping[int, str]]]) -> tuple[str, ...]:
    """Return the names of the classes in maps, those with the most positions first.

    Names, since a number means different classes in different networks. Ties keep the order of the
    maps and, within a map, that of the class numbers.

    Args:
        maps: each a grid of class numbers, with the names of its network's classes.
    """
    places: Counter[str] = Counter()
    for grid, names in maps:
        places.update(_counted(grid, names))
    return tuple(name for name, _ in places.most_common())


def _counted(label: Grid, names: Mapping[int, str]) -> Counter[str]:
    """Return at how many positions each class is the most likely one, in the order of their numbers."""
    numbers, counts = np.unique(label[label >= 0], return_counts=True)
    places: Counter[str] = Counter()
    for number, count in zip(numbers.tolist(), counts.tolist(), strict=True):
        places[names[int(number)]] += count
    return places


def _nearest(covers: Tensor) -> npt.NDArray[np.intp]:
    """Return (side,): the window nearest to each pixel along a side; `covers` is (count, side)."""
    along = covers.numpy()
    pixels = np.arange(along.shape[1])
    middles = along @ pixels / along.sum(1)
    return np.abs(pixels - middles[:, None]).argmin(0)
