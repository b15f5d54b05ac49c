"""Styles to train with: crops of paintings at many scales, recoloured, and patterns made by formula.

To a network fifteen paintings are fifteen points; what lies between has to be made up.
"""

import colorsys
import math
import random
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from engine import colour
from engine.errors import BadInput
from engine.named_files import digest_of
from engine.training.pictures import PictureSet, to_batch

SHORTEST, LONGEST = 128, 724
"""Pixels of a painting's short side when a crop is cut out of it."""
MADE, PHOTOS = 0.3, 0.1
"""Shares of crops that are patterns made by formula, and photos."""
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff")


@dataclass(frozen=True)
class Paintings:
    """What is learned from."""

    pictures: dict[str, Image.Image]
    """By file name without suffix."""
    digests: dict[str, str]
    """SHA-256 of the same files."""
    kept_out: tuple[str, ...]
    """Names of those that were left out."""


def read_paintings(folder: Path, without: list[str] | None) -> Paintings:
    """Read the paintings of a folder, except those named in `without`.

    None keeps out three, evenly spread over the names in order, of a folder of six or more. Raises
    `BadInput` where there are none, or none of a name in `without`.
    """
    files = {f.stem: f for f in sorted(folder.iterdir()) if f.suffix.lower() in SUFFIXES}
    names = list(files)
    if without is None:
        without = [names[len(names) * k // 6] for k in (1, 3, 5)] if len(names) >= 6 else []
    unknown = [name for name in without if name not in files]
    if unknown:
        raise BadInput(f"{folder} holds no painting called {unknown[0]}; it has {', '.join(names)}")
    pictures = {}
    for name in names:
        if name not in without:
            picture = Image.open(files[name]).convert("RGB")
            smaller = 2 * LONGEST / min(picture.size)
            if smaller < 1:
                width, height = (round(length * smaller) for length in picture.size)
                picture = picture.resize((width, height), Image.Resampling.LANCZOS)
            pictures[name] = picture
    if not pictures:
        raise BadInput(f"{folder} holds no paintings ({', '.join(SUFFIXES)}) to learn from")
    return Paintings(pictures, {n: digest_of(str(files[n])) for n in pictures}, tuple(without))


class StyleCrops:
    """An endless stream of square style pictures."""

    def __init__(self, paintings: list[Image.Image], photos: PictureSet, seed: int) -> None:
        """Draw from paintings and photos with `seed`."""
        self.paintings, self.photos = paintings, photos
        self.rng = random.Random(seed)

    def draw(self, n: int, side: int) -> Tensor:
        """Return `n` style pictures (n, 3, side, side) in [0, 1]."""
        return torch.cat([self._one(side) for _ in range(n)])

    def _one(self, side: int) -> Tensor:
        kind = self.rng.random()
        if kind < MADE:
            picture = self._recoloured(to_batch([pattern(side, self.rng)]))
        elif kind < MADE + PHOTOS:
            photo = self.photos.pictures[self.rng.randrange(len(self.photos.pictures))]
            picture = to_batch([self._cropped(photo, side)])
        else:
            picture = self._recoloured(to_batch([self._painting(side)]))
        return picture

    def _painting(self, side: int) -> Image.Image:
        return self._cropped(self.rng.choice(self.paintings), side)

    def _cropped(self, picture: Image.Image, side: int) -> Image.Image:
        """Return a square of `side` pixels of the picture at a random size, turned at random."""
        rng, short = self.rng, min(picture.size)
        longest = max(SHORTEST, min(LONGEST, 1.5 * short))
        scaled = math.exp(rng.uniform(math.log(SHORTEST), math.log(longest)))
        w = min(side * short / scaled, short)
        x, y = (rng.uniform(0, length - w) for length in picture.size)
        crop = picture.resize((side, side), Image.Resampling.LANCZOS, (x, y, x + w, y + w))
        if rng.random() < 0.5:
            crop = crop.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        turns = (
            Image.Transpose.ROTATE_90,
            Image.Transpose.ROTATE_180,
            Image.Transpose.ROTATE_270,
        )
        return crop.transpose(rng.choice(turns)) if rng.random() < 0.5 else crop

    def _recoloured(self, picture: Tensor) -> Tensor:
        """Return a picture (1, 3, H, W) with its colours as they are, exchanged, or another's."""
        rng = self.rng
        if rng.random() < 0.5:
            picture = picture[:, rng.sample(range(3), 3)]
        if rng.random() < 0.25:
            other = to_batch([self._painting(64)])
            picture = colour.match_colours(picture, other)
        if rng.random() < 0.7:
            picture = turned_hue(picture, rng.uniform(-0.4, 0.4))
            grey = colour.luminance(picture)
            picture = grey + (picture - grey) * rng.uniform(0.3, 1.7)
            picture = picture.clamp(0, 1).pow(math.exp(rng.uniform(-0.5, 0.5)))
        return picture.clamp(0, 1)


def turned_hue(picture: Tensor, angle: float) -> Tensor:
    """Return (N, 3, H, W) turned about the grey axis by `angle` in turns of a circle."""
    c, s = math.cos(2 * math.pi * angle), math.sin(2 * math.pi * angle) / math.sqrt(3)
    a, b = (1 - c) / 3 - s, (1 - c) / 3 + s
    d = c + (1 - c) / 3
    turn = picture.new_tensor([[d, a, b], [b, d, a], [a, b, d]])
    return torch.einsum("ij,njhw->nihw", turn, picture).clamp(0, 1)


# -- patterns ----------------------------------------------------------------------------


def pattern(side: int, rng: random.Random) -> Image.Image:
    """Return a square pattern by one of the formulas, in a palette of few colours."""
    palette = _palette(rng)
    kind = rng.choice((dead_leaves, voronoi, hatching, dots, grain))
    picture = kind(side, palette, rng)
    if rng.random() < 0.4:  # as if printed on paper
        noise = np.random.default_rng(rng.getrandbits(32)).normal(0, 8, (side, side, 1))
        picture = Image.fromarray((np.asarray(picture) + noise).clip(0, 255).astype(np.uint8))
    return picture


Palette = list[tuple[int, int, int]]


def _palette(rng: random.Random) -> Palette:
    hue, colours = rng.random(), rng.randrange(3, 8)
    spread = rng.choice((0.05, 0.15, 0.5))
    found = []
    for _ in range(colours):
        parts = colorsys.hsv_to_rgb(
            (hue + rng.gauss(0, spread)) % 1, rng.uniform(0.1, 1), rng.uniform(0.05, 1) ** 0.7
        )
        found.append((round(255 * parts[0]), round(255 * parts[1]), round(255 * parts[2])))
    return found


def dead_leaves(side: int, palette: Palette, rng: random.Random) -> Image.Image:
    """Return discs that cover each other, many small and few large ones."""
    image = Image.new("RGB", (side, side), rng.choice(palette))
    draw = ImageDraw.Draw(image)
    smallest = rng.uniform(2, 8)
    for _ in range(400):
        r = min(smallest / max(rng.random(), 0.02) ** 0.7, side / 3)
        x, y = rng.uniform(-r, side + r), rng.uniform(-r, side + r)
        draw.ellipse((x - r, y - r, x + r, y + r), fill=rng.choice(palette))
    return image


def voronoi(side: int, palette: Palette, rng: random.Random) -> Image.Image:
    """Return cells around random places, with or without an outline: a mosaic, leaded glass."""
    count = rng.randrange(15, 150)
    places = np.array([[rng.uniform(0, side), rng.uniform(0, side)] for _ in range(count)])
    y, x = np.mgrid[:side, :side]
    distance = np.hypot(x[..., None] - places[:, 0], y[..., None] - places[:, 1])
    nearest = np.partition(distance, 1, axis=2)
    colours = np.array([rng.choice(palette) for _ in range(count)], np.uint8)
    image = colours[distance.argmin(2)]
    if rng.random() < 0.6:
        image[nearest[..., 1] - nearest[..., 0] < rng.uniform(1, 4)] = rng.choice(palette)
    return Image.fromarray(image)


def hatching(side: int, palette: Palette, rng: random.Random) -> Image.Image:
    """Return short strokes whose direction turns slowly over the picture."""
    image = Image.new("RGB", (side, side), rng.choice(palette))
    draw = ImageDraw.Draw(image)
    length, width = rng.uniform(5, 30), rng.randrange(1, 6)
    first, bend = rng.uniform(0, math.pi), rng.uniform(-0.03, 0.03)
    for _ in range(round(3 * side * side / (length * width))):
        x, y = rng.uniform(-length, side + length), rng.uniform(-length, side + length)
        angle = first + bend * (x + 0.7 * y) + rng.gauss(0, 0.15)
        dx, dy = math.cos(angle) * length / 2, math.sin(angle) * length / 2
        draw.line((x - dx, y - dy, x + dx, y + dy), fill=rng.choice(palette), width=width)
    return image


def dots(side: int, palette: Palette, rng: random.Random) -> Image.Image:
    """Return touches of colour close beside each other, as pointillists set them."""
    image = Image.new("RGB", (side, side), rng.choice(palette))
    draw = ImageDraw.Draw(image)
    pitch = rng.uniform(4, 14)
    for y in np.arange(0, side + pitch, pitch):
        for x in np.arange(0, side + pitch, pitch):
            r = pitch * rng.uniform(0.3, 0.65)
            px, py = x + rng.gauss(0, pitch / 5), y + rng.gauss(0, pitch / 5)
            draw.ellipse((px - r, py - r, px + r, py + r), fill=rng.choice(palette))
    return image


def grain(side: int, palette: Palette, rng: random.Random) -> Image.Image:
    """Return bent bands, as in wood or marble."""
    y, x = np.mgrid[:side, :side].astype(np.float64)
    angle, period = rng.uniform(0, math.pi), rng.uniform(5, 40)
    along = x * math.cos(angle) + y * math.sin(angle)
    across = y * math.cos(angle) - x * math.sin(angle)
    for _ in range(3):
        wave = rng.uniform(15, 90)
        along += rng.uniform(1, 8) * np.sin(2 * math.pi * across / wave + rng.uniform(0, 6))
        across += rng.uniform(1, 8) * np.sin(2 * math.pi * along / (2 * wave))
    phase = (along / period) % len(palette)
    colours = np.array([*palette, palette[0]], np.float64)
    low = phase.astype(int)
    share = phase - low
    if rng.random() < 0.5:
        share = share > 0.5
    share = share[..., None]
    return Image.fromarray((colours[low] * (1 - share) + colours[low + 1] * share).astype(np.uint8))
