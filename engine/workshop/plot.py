"""Plots as pictures: axes with curves, areas and points on a light ground, and words beside them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from engine.figure import text_of
from engine.workshop.contour import crossings

Colour = tuple[int, int, int]
"""Red, green and blue, 0 to 255."""
BLUE, ORANGE, GREEN, PURPLE = (0, 114, 178), (213, 94, 0), (0, 140, 105), (170, 80, 140)
"""Told apart by colour-blind people too (Okabe & Ito)."""
INK, GREY, GRID, PAPER = (26, 26, 26), (120, 120, 120), (222, 222, 222), (255, 255, 255)
SMALLEST_TYPE = 9
"""Type size in pixels below which there are no words: they could not be read."""
TYPE = 1 / 36
"""The type size over the picture's long side."""
LARGEST_SMOOTHED = 2048
"""Long side in pixels up to which everything is drawn at double size, so that edges are smooth."""


class Canvas:
    """A picture under way."""

    def __init__(self, height: int, width: int) -> None:
        """Begin with empty paper of `height` x `width` pixels."""
        self.height, self.width = height, width
        self.times = 2 if max(height, width) <= LARGEST_SMOOTHED else 1
        """How many times as large everything is drawn."""
        self.image = Image.new("RGB", (width * self.times, height * self.times), PAPER)
        self.draw = ImageDraw.Draw(self.image)
        size = round(max(height, width) * TYPE)
        self.type_size = size if size >= SMALLEST_TYPE else 0
        """In pixels; 0: the picture is too small for words."""
        self._texts: list[tuple[npt.NDArray[np.float32], float, float, Colour]] = []

    def stroke(self, thickness: float) -> int:
        """Return how wide a line of a `thickness` is drawn: 1 is a five-hundredth of the picture."""
        return max(1, round(thickness * max(self.height, self.width) * self.times / 500))

    def text(
        self, words: str, x: float, y: float, anchor: tuple[float, float], colour: Colour = INK
    ) -> int:
        """Write `words` at (x, y) in pixels and return their width.

        `anchor` is the share of their width and height that lies left of and above that place.
        """
        drawn = text_of(words, self.type_size, self.width, 1) if self.type_size else None
        if drawn is None:
            return 0
        high, wide = drawn.shape
        self._texts.append((drawn, x - anchor[0] * wide, y - anchor[1] * high, colour))
        return wide

    def tile(
        self, values: Tensor, left: int, top: int, side: int, height: int | None = None, *,
        smooth: bool = False,
    ) -> None:  # fmt: skip
        """Draw a picture in [0, 1], grey (h, w) or coloured (3, h, w), each value as a block or `smooth`.

        It becomes a square of `side` pixels, or as high as `height` says.
        """
        pixels = (values.clamp(0, 1) * 255).round().to(torch.uint8).cpu()
        pixels = pixels.permute(1, 2, 0) if pixels.dim() == 3 else pixels
        small = Image.fromarray(pixels.contiguous().numpy())
        how = Image.Resampling.BILINEAR if smooth else Image.Resampling.NEAREST
        large = small.resize((side * self.times, (height or side) * self.times), how)
        self.image.paste(large.convert("RGB"), (left * self.times, top * self.times))

    def picture(self) -> Tensor:
        """Return the picture (3, H, W), float32 in [0, 1] on the CPU."""
        image = self.image.reduce(self.times) if self.times > 1 else self.image
        pixels = np.asarray(image, np.float32) / np.float32(255)
        for drawn, x, y, colour in self._texts:
            left, top = max(round(x), 0), max(round(y), 0)
            area = pixels[top : top + drawn.shape[0], left : left + drawn.shape[1]]
            cover = drawn[: area.shape[0], : area.shape[1], None]
            area += cover * (np.array(colour, np.float32) / np.float32(255) - area)
        return torch.from_numpy(pixels).permute(2, 0, 1).contiguous()


@dataclass(frozen=True)
class Axes:
    """A part of a canvas in which numbers have places."""

    canvas: Canvas
    box: tuple[float, float, float, float]
    """Left, top, right and bottom, in pixels of the picture."""
    across: tuple[float, float]
    """The numbers at the left and at the right."""
    up: tuple[float, float]
    """The numbers at the bottom and at the top."""

    def places(self, x: Tensor, y: Tensor) -> list[tuple[float, float]]:
        """Return where the points are drawn; what lies outside of the box is put on its edge."""
        left, top, right, bottom = (side * self.canvas.times for side in self.box)
        part_x = ((x - self.across[0]) / (self.across[1] - self.across[0])).clamp(0, 1)
        part_y = ((y - self.up[0]) / (self.up[1] - self.up[0])).clamp(0, 1)
        xs = (left + part_x * (right - left)).tolist()
        ys = (bottom - part_y * (bottom - top)).tolist()
        return list(zip(xs, ys, strict=True))

    def grid(self, xs: Sequence[float], ys: Sequence[float]) -> None:
        """Draw lines at these numbers, with the numbers beside them."""
        canvas, (left, _, _, bottom) = self.canvas, self.box
        gap = canvas.type_size * 0.4
        for x in xs:
            ends = self.places(torch.tensor([x, x]), torch.tensor(self.up))
            canvas.draw.line(ends, GRID, canvas.stroke(1))
            canvas.text(f"{x:g}", ends[0][0] / canvas.times, bottom + gap, (0.5, 0))
        for y in ys:
            ends = self.places(torch.tensor(self.across), torch.tensor([y, y]))
            canvas.draw.line(ends, GRID, canvas.stroke(1))
            canvas.text(f"{y:g}", left - gap, ends[0][1] / canvas.times, (1, 0.5))

    def area(self, x: Tensor, y: Tensor, colour: Colour) -> None:
        """Fill what lies between a curve and 0, so that what is below shines through."""
        ends = torch.cat([x[:1], x, x[-1:]]), torch.cat([0 * y[:1], y, 0 * y[-1:]])
        mask = Image.new("L", self.canvas.image.size)
        ImageDraw.Draw(mask).polygon(self.places(*ends), fill=90)
        self.canvas.image.paste(colour, mask=mask)

    def curve(self, x: Tensor, y: Tensor, colour: Colour, thickness: float = 2) -> None:
        """Draw a line through points (N,)."""
        width = self.canvas.stroke(thickness)
        self.canvas.draw.line(self.places(x, y), colour, width, joint="curve")

    def points(self, points: Tensor, colour: Colour, thickness: float = 4) -> None:
        """Draw a dot at each of (N, 2) that lies within."""
        low = torch.tensor([self.across[0], self.up[0]])
        high = torch.tensor([self.across[1], self.up[1]])
        inside = points[((points >= low) & (points <= high)).all(1)]
        radius = self.canvas.stroke(thickness) / 2
        for x, y in self.places(inside[:, 0], inside[:, 1]):
            self.canvas.draw.ellipse((x - radius, y - radius, x + radius, y + radius), colour)

    def heat(self, values: Tensor, low: Colour, high: Colour) -> None:
        """Fill the box with values (rows from the bottom, columns) in [0, 1]: `low`, white, `high`."""
        share = values.flip(0)[..., None].clamp(0, 1)
        ends = torch.tensor([low, high], dtype=torch.float32)
        white = torch.tensor(PAPER, dtype=torch.float32)
        colours = torch.where(
            share < 0.5,
            ends[0] + (white - ends[0]) * share * 2,
            white + (ends[1] - white) * (share * 2 - 1),
        )
        left, top, right, bottom = (round(side * self.canvas.times) for side in self.box)
        small = Image.fromarray(colours.round().to(torch.uint8).numpy())
        size = max(right - left, 1), max(bottom - top, 1)
        self.canvas.image.paste(small.resize(size, Image.Resampling.BILINEAR), (left, top))

    def contour(self, values: Tensor, colour: Colour, thickness: float = 2) -> None:
        """Draw the line where values (rows from the bottom, columns), spread over the box, are 0."""
        pieces = crossings(values)
        rows, columns = values.shape
        x = self.across[0] + pieces[..., 0] / (columns - 1) * (self.across[1] - self.across[0])
        y = self.up[0] + pieces[..., 1] / (rows - 1) * (self.up[1] - self.up[0])
        ends = iter(self.places(x.flatten(), y.flatten()))
        for piece in zip(ends, ends, strict=True):
            self.canvas.draw.line(piece, colour, self.canvas.stroke(thickness))

    def bars(self, entries: Sequence[tuple[str, float, str, Colour]]) -> None:
        """Draw a bar for each (name, height, what is written above it, colour), evenly spaced.

        Names stand below the bars, in as many lines as they have.
        """
        canvas, size = self.canvas, self.canvas.type_size
        left, top, right, bottom = self.box
        if bottom <= top or right <= left:
            return  # in a tiny picture there is no room
        wide = (right - left) / max(len(entries), 1)
        for index, (name, height, words, colour) in enumerate(entries):
            middle = left + (index + 0.5) * wide
            share = (height - self.up[0]) / (self.up[1] - self.up[0])
            y = bottom - min(max(share, 0), 1) * (bottom - top)
            box = [
                side * canvas.times
                for side in (middle - 0.3 * wide, y, middle + 0.3 * wide, bottom)
            ]
            canvas.draw.rectangle(box, colour)
            canvas.text(words, middle, y - 0.2 * size, (0.5, 1))
            for line, part in enumerate(name.split("\n")):
                canvas.text(part, middle, bottom + (0.4 + 1.2 * line) * size, (0.5, 0))

    def frame(self) -> None:
        """Draw the edge of the box."""
        left, top, right, bottom = (side * self.canvas.times for side in self.box)
        box = left, top, max(left, right), max(top, bottom)  # in a tiny picture there is no room
        self.canvas.draw.rectangle(box, outline=INK, width=self.canvas.stroke(1))

    def legend(self, entries: Sequence[tuple[str, Colour]]) -> None:
        """Name the colours in a line above the box; one without words shares those of the next."""
        canvas, size = self.canvas, self.canvas.type_size
        x, y = self.box[0], self.box[1] - 0.9 * size
        for words, colour in entries:
            if size:
                swatch = (x, y - 0.3 * size, x + 0.9 * size, y + 0.3 * size)
                canvas.draw.rectangle([side * canvas.times for side in swatch], colour)
            x += 1.3 * size
            x += canvas.text(words, x, y, (0, 0.5)) + 1.2 * size if words else 0
