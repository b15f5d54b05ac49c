"""Maps as tiles of a figure: coloured, with a legend, or the reason why a map is missing."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from engine.attribution.companions import ChanceMap, ClassMap, PlaceMap, ranked
from engine.attribution.heat import Heat, LegendLine
from engine.colour import gray
from engine.figure import LARGEST_TYPE, LIGHT, SMALLEST_TYPE, TILE_TO_TYPE, Tile, print_on, text_of
from engine.image import Picture

PAPER, INK = LIGHT
BLANK = 0.85
"""Shade of a tile without a map."""
NOTE_LINES = 6
"""The most lines that a note may have."""

Found = Heat | Tensor | str
"""A map, a picture (3, H, W) as it is, or why there is neither, in one short sentence."""


@dataclass(frozen=True)
class Look:
    """How the maps of a figure look; the same for all of them."""

    photo: Tensor
    """(3, H, W), in the size that all tiles get."""
    colours: str = "viridis"
    over: float = 0.0
    """How strongly maps are laid over the grey photo, 0 to 1; 0: maps alone."""

    @property
    def type_size(self) -> int:
        """Size of the words within tiles, in pixels: about that of the captions."""
        side = float(np.median(self.photo.shape[1:]))
        return round(min(max(side / TILE_TO_TYPE, SMALLEST_TYPE), LARGEST_TYPE))

    def row(
        self, found: Sequence[Found], captions: Sequence[str], sharing: Sequence[str] | None
    ) -> list[Tile]:
        """Return the maps of a method; those with the same name in `sharing` share a scale."""
        reaches: dict[str, float] = {}
        keys = sharing or [str(number) for number in range(len(found))]
        for key, heat in zip(keys, found, strict=True):
            if isinstance(heat, Heat):
                reaches[key] = max(reaches.get(key, 0.0), heat.reach)
        tiles = []
        for heat, caption, key in zip(found, captions, keys, strict=True):
            reach = reaches.get(key)
            if isinstance(heat, Heat) and not isinstance(heat, PlaceMap):
                caption = f"{caption}\n{heat.scale(reach)}"
            tiles.append(self.tile(heat, caption, reach))
        return tiles

    def companion_rows(
        self, chances: Sequence[Found], labels: Sequence[Found], captions: Sequence[str],
        one_scale: bool,
    ) -> list[tuple[str, list[Tile]]]:  # fmt: skip
        """Return both companions of an occlusion; a class has the same colour in all its maps."""
        ranges = [
            f"{caption}\n{heat.range}" if isinstance(heat, ChanceMap) else caption
            for heat, caption in zip(chances, captions, strict=True)
        ]
        order = ranked((heat.grid, heat.names) for heat in labels if isinstance(heat, ClassMap))
        alike = [
            replace(each, order=order) if isinstance(each, ClassMap) else each for each in labels
        ]
        room = max((len(heat.legend) for heat in alike if isinstance(heat, Heat)), default=0)
        told = zip(alike, captions, strict=True)
        return [
            ("probability", self.row(chances, ranges, [""] * len(chances) if one_scale else None)),
            ("most likely class", [self.tile(heat, text, None, room) for heat, text in told]),
        ]

    def tile(self, found: Found, caption: str, reach: float | None, lines: int = 0) -> Tile:
        """Return a map as a tile.

        Args:
            found: the map.
            caption: stands below it.
            reach: what the strongest colour stands for; None: the map's own.
            lines: how many lines of legend to leave room for below the map.
        """
        if isinstance(found, str):
            return Tile(self._below(self.blank(found), (), lines), caption)
        if isinstance(found, Tensor):
            return Tile(self._fitting(found, "bilinear"), caption)
        pixels = torch.from_numpy(found.coloured(self.colours, reach).copy())
        flat = "nearest" if found.legend else "bilinear"
        drawn = self._fitting(pixels.permute(2, 0, 1).float() / 255, flat)
        if self.over:
            drawn = gray(self.photo[None])[0].lerp(drawn, self.over)
        return Tile(self._below(drawn, found.legend, lines), caption)

    def blank(self, words: str) -> Tensor:
        """Return a tile (3, H, W) with words in it instead of a map."""
        height, width = self.photo.shape[1:]
        canvas = np.full((height, width, 3), BLANK, np.float32)
        size = self.type_size
        text = text_of(words, size, max(width - size, 1), max(height // round(size * 1.25), 1))
        if text is not None:
            print_on(canvas, text, (height - text.shape[0]) // 2, (width - text.shape[1]) // 2, INK)
        return torch.from_numpy(canvas).permute(2, 0, 1)

    def _fitting(self, pixels: Tensor, mode: str) -> Tensor:
        if pixels.shape[1:] == self.photo.shape[1:]:
            return pixels
        return F.interpolate(pixels[None], self.photo.shape[1:], mode=mode)[0]

    def _below(self, drawn: Tensor, legend: Sequence[LegendLine], lines: int) -> Tensor:
        """Return a tile with its legend below: a chip of each colour, and what it stands for."""
        if not lines:
            return drawn
        size, width = self.type_size, drawn.shape[2]
        step = round(size * 1.5)
        strip = np.full((size // 2 + lines * step, width, 3), PAPER, np.float32)
        for number, line in enumerate(legend):
            top = size // 2 + number * step
            chip = np.asarray(line.colour, np.float32) / 255
            strip[top : top + size, :size] = chip
            text = text_of(str(line), size, max(width - 2 * size, 1), 1)
            if text is not None:
                print_on(strip, text, top, round(1.5 * size), INK)
        return torch.cat((drawn, torch.from_numpy(strip).permute(2, 0, 1)), 1)


@dataclass
class Notes:
    """Why maps are missing or empty: in full below the figure, once each, and briefly in the tiles."""

    texts: list[str] = field(default_factory=list)

    def number(self, why: str) -> int:
        """Keep a reason; return the number of its note."""
        if why not in self.texts:
            self.texts.append(why)
        return self.texts.index(why) + 1

    def take(self, what: str, why: str) -> str:
        """Keep a reason; return the sentence for the tile of `what`."""
        return f"{what}: no map, see note {self.number(why)}."

    def below(self, figure: Picture, size: int) -> Picture:
        """Return a figure with the notes below."""
        width = figure.width - 2 * size
        written = [
            text_of(f"{number}: {text}", size, max(width, 1), NOTE_LINES)
            for number, text in enumerate(self.texts, 1)
        ]
        strips = [figure.rgb]
        for text in written:
            if text is not None:
                strip = np.full((text.shape[0] + size, figure.width, 3), PAPER, np.float32)
                print_on(strip, text, 0, size, INK)
                strips.append(strip)
        return Picture(np.concatenate(strips))
