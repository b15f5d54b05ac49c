"""Figures for export: unaltered pictures side by side, with captions."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import ceil, sqrt
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from engine.image import Picture, from_tensor

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Tile", "contact_sheet", "rows", "strip"]

Floats = npt.NDArray[np.float32]

SMALLEST_TYPE, LARGEST_TYPE = 12, 60
"""Limits of the captions' type size, in pixels, which follows the tiles' size."""
TILE_TO_TYPE = 18
"""A tile's typical side over its caption's type size."""
PART_OF_HEIGHT = 0.025
"""Type size as a fraction of the pictures' height, in which with the text between them it comes to
about 2 % of the figure's."""
TILE_TO_LARGE_TYPE = 9
"""A tile's typical side over its caption's type size, at least: about 16 letters fit below it."""
NARROWEST = 7
"""Least width of a captioned column in type sizes, so that small tiles have room for words below."""
LINES = 4
"""Most lines of a caption; the rest is cut off with an ellipsis."""
TITLE = 1.5
"""The title's type size over the captions'."""
LIGHT = (1.0, 0.1)
DARK = (0.09, 0.88)
"""Background and ink, shades of grey."""
ELLIPSIS = "…"
SPELT = {"×": "x", "−": "-", "–": "-", "—": "-", "≤": "<=", "≥": ">=", "→": "->", "≈": "~"}
SPELT |= {"ß": "ss", "ø": "o", "Ø": "O", "æ": "ae", "Æ": "Ae", "œ": "oe", "ł": "l", "ı": "i"}
"""What stands in for signs that the font lacks."""


@dataclass(frozen=True, eq=False)
class Tile:
    """One picture of a figure."""

    picture: "Tensor"
    """(3, H, W) in [0, 1], on any device."""
    caption: str = ""
    """Shown below the picture; line breaks are kept, long lines wrapped."""


def contact_sheet(
    tiles: Sequence[Tile], columns: int | None = None, title: str = "", *, dark: bool = False
) -> Picture:
    """Lay tiles out in reading order in a grid.

    Args:
        tiles: of any sizes; each keeps every pixel.
        columns: how many stand side by side; about as many as there are rows if None.
        title: stands above everything.
        dark: whether the background is dark instead of white.

    Raises:
        ValueError: there is no tile, `columns` is below 1, or a picture is not (3, H, W).
        Diverged: a picture holds NaN or infinity.
    """
    if columns is not None and columns < 1:
        raise ValueError("a sheet needs at least 1 column")
    across = min(columns or ceil(sqrt(len(tiles))), len(tiles)) or 1
    lines = [tiles[i : i + across] for i in range(0, len(tiles), across)]
    return _composed(lines, [""] * len(lines), [""] * (across - 1), title, dark)


def strip(
    tiles: Sequence[Tile], signs: Sequence[str] = (), title: str = "", *, dark: bool = False
) -> Picture:
    """Lay tiles out in one line, with signs such as "+" and "=" between them.

    Raises:
        ValueError: there is no tile, or not one sign for each gap (or none at all); and see
            `contact_sheet`.
    """
    gaps = max(len(tiles) - 1, 0)
    if signs and len(signs) != gaps:
        raise ValueError(f"{len(tiles)} tiles have {gaps} gaps between them, not {len(signs)}")
    return _composed([tiles], [""], list(signs) or [""] * gaps, title, dark)


def rows(
    labelled: Sequence[tuple[str, Sequence[Tile]]], title: str = "", *, dark: bool = False
) -> Picture:
    """Lay tiles out in lines, each with its label to the left: a layer's name, a class.

    Raises:
        ValueError: there is no tile; and see `contact_sheet`.
    """
    lines = [tiles for _, tiles in labelled]
    across = max((len(tiles) for tiles in lines), default=0)
    labels = [label for label, _ in labelled]
    return _composed(lines, labels, [""] * max(across - 1, 0), title, dark)


def _type_size(pictures: Sequence[Sequence[Floats]], side: float) -> int:
    """Return the captions' type size for lines of pictures with a typical side.

    It follows the pictures; in a figure of many lines it is larger, so that it can still be read
    when the whole figure fills a screen, as long as some words fit below a picture.
    """
    grid = sum(max((rgb.shape[0] for rgb in line), default=0) for line in pictures)
    from_afar = min(grid * PART_OF_HEIGHT, side / TILE_TO_LARGE_TYPE)
    size = max(side / TILE_TO_TYPE, from_afar, SMALLEST_TYPE)
    return round(min(size, LARGEST_TYPE))


def _composed(
    lines: Sequence[Sequence[Tile]], labels: list[str], signs: list[str], title: str, dark: bool
) -> Picture:
    pictures = [[from_tensor(tile.picture).rgb for tile in line] for line in lines]
    sides = [side for line in pictures for rgb in line for side in rgb.shape[:2]]
    if not sides:
        raise ValueError("a figure needs at least one tile")
    size = _type_size(pictures, float(np.median(sides)))
    gap, near = size, size // 3

    captioned = [any(t.caption for t in line) for line in lines]
    widths = [
        max(
            max(line[i].shape[1], NARROWEST * size * captioned[r])
            for r, line in enumerate(pictures)
            if i < len(line)
        )
        for i in range(len(signs) + 1)
    ]
    drawn_signs = [text_of(sign, round(size * TITLE), 12 * size, 1) for sign in signs]
    gaps = [gap if s is None else s.shape[1] + 2 * gap for s in drawn_signs]
    drawn_labels = [text_of(label, size, 12 * size) for label in labels]
    label_width = max((d.shape[1] + gap for d in drawn_labels if d is not None), default=0)
    grid = label_width + sum(widths) + sum(gaps)
    total = max(grid, 2 * NARROWEST * size) if title else grid
    indent = gap + (total - grid) // 2
    heading = text_of(title, round(size * TITLE), total)

    captions = [
        [text_of(tile.caption, size, widths[i]) for i, tile in enumerate(line)] for line in lines
    ]
    tile_heights = [max((rgb.shape[0] for rgb in line), default=0) for line in pictures]
    text_heights = [
        max((near + d.shape[0] for d in c if d is not None), default=0) for c in captions
    ]
    top = gap if heading is None else heading.shape[0] + 2 * gap
    # A label may be higher than a line of small tiles.
    heights = [
        max(a + b, 0 if d is None else d.shape[0])
        for a, b, d in zip(tile_heights, text_heights, drawn_labels, strict=True)
    ]
    background, ink = DARK if dark else LIGHT
    height = top + sum(heights) + gap * len(heights)
    canvas = np.full((height, total + 2 * gap, 3), background, np.float32)

    if heading is not None:
        print_on(canvas, heading, gap, gap + (total - heading.shape[1]) // 2, ink)
    y = top
    for r, line in enumerate(pictures):
        middle = y + tile_heights[r] // 2
        if (label := drawn_labels[r]) is not None:
            room = max(y, min(middle - label.shape[0] // 2, y + heights[r] - label.shape[0]))
            print_on(canvas, label, room, indent + label_width - gap - label.shape[1], ink)
        x = indent + label_width
        for i, rgb in enumerate(line):
            bottom = y + tile_heights[r]
            left = x + (widths[i] - rgb.shape[1]) // 2
            canvas[bottom - rgb.shape[0] : bottom, left : left + rgb.shape[1]] = rgb
            if (caption := captions[r][i]) is not None:
                print_on(
                    canvas, caption, bottom + near, x + (widths[i] - caption.shape[1]) // 2, ink
                )
            x += widths[i]
            if i < len(line) - 1:
                if (sign := drawn_signs[i]) is not None:
                    print_on(canvas, sign, max(y, middle - sign.shape[0] // 2), x + gap, ink)
                x += gaps[i]
        y += heights[r] + gap
    return Picture(canvas)


def print_on(canvas: Floats, text: Floats, y: int, x: int, ink: float) -> None:
    """Blend `text` (coverage in [0, 1]) into the canvas, in place."""
    y, x = max(y, 0), max(x, 0)
    area = canvas[y : y + text.shape[0], x : x + text.shape[1]]
    area += text[: area.shape[0], : area.shape[1], None] * (ink - area)


@lru_cache(maxsize=16)
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def text_of(text: str, size: int, width: int, most: int = LINES) -> Floats | None:
    """Return the coverage of `text` wrapped to `width` pixels, its lines centred; None if empty."""
    wrapped = _wrapped(_clean(text), size, width, most)
    if not wrapped:
        return None
    font = _font(size)
    step = round(size * 1.25)
    wide = min(max(ceil(font.getlength(line)) for line in wrapped), width)
    image = Image.new("L", (max(wide, 1), step * len(wrapped)))
    draw = ImageDraw.Draw(image)
    for i, line in enumerate(wrapped):
        draw.text(((wide - font.getlength(line)) / 2, i * step), line, fill=255, font=font)
    return np.asarray(image, np.float32) / np.float32(255)


def _clean(text: str) -> str:
    """Return `text` as the font can show it: it has little beyond ASCII.

    Control characters become spaces; letters lose their accents, some signs are spelt out. What is
    still missing (other scripts) stays and shows as boxes.
    """
    text = text.encode("utf-8", "replace").decode("utf-8")  # lone surrogates become "?"
    return "".join(_spelt(c) for c in text)


@lru_cache(maxsize=1024)
def _spelt(character: str) -> str:
    if character == "\n" or _has_glyph(character):
        return character
    if character in SPELT:
        return SPELT[character]
    category = unicodedata.category(character)
    if category in ("Mn", "Me", "Cf"):  # accents on their own, joiners, marks of direction
        return ""
    if not character.isprintable():
        return " "
    name = unicodedata.name(character, "")
    if name.startswith("GREEK") and " LETTER " in name and " WITH " not in name:
        return name.rsplit(" ", 1)[-1].lower()
    plain = unicodedata.normalize("NFKD", character)
    plain = "".join(c for c in plain if not unicodedata.combining(c))
    return plain if plain and all(map(_has_glyph, plain)) else character


def _has_glyph(character: str) -> bool:
    if character.isascii():
        return character.isprintable()
    font = _font(SMALLEST_TYPE)
    mask, missing = font.getmask(character), font.getmask("\uffff")  # U+FFFF is no character
    return (mask.size, bytes(mask)) != (missing.size, bytes(missing))


def _wrapped(text: str, size: int, width: int, most: int) -> list[str]:
    """Break `text` into at most `most` lines of at most `width` pixels, eliding the rest."""
    font = _font(size)
    found: list[str] = []
    for paragraph in text.split("\n"):
        line = ""
        for word in paragraph.split():
            longer = f"{line} {word}" if line else word
            if font.getlength(longer) <= width or not line:
                line = longer
            else:
                found.append(line)
                line = word
        if line:
            found.append(line)
    if len(found) > most:
        found[most - 1 :] = [f"{found[most - 1]} {ELLIPSIS}"]
    return [_elided(line, size, width) for line in found]


def _elided(line: str, size: int, width: int) -> str:
    """Shorten a line that is a single word too long for `width`."""
    font = _font(size)
    if font.getlength(line) <= width:
        return line
    line = line.removesuffix(ELLIPSIS).rstrip()
    while line and font.getlength(line + ELLIPSIS) > width:
        line = line[:-1]
    return line.rstrip() + ELLIPSIS
