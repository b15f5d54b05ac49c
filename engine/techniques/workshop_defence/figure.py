"""The figure of an adversarial training: accuracy against the size of attack, and where digits fall."""

import torch
from torch import Tensor

from engine.techniques.workshop_defence.pair import NAMES, Pair
from engine.techniques.workshop_defence.robustness import PARTS, SHOWN, Robustness
from engine.workshop.digits import SIDE
from engine.workshop.plot import BLUE, GRID, ORANGE, Axes, Canvas

PALE_ORANGE, PALE_BLUE = (245, 178, 130), (140, 190, 228)
COLOURS = (ORANGE, PALE_ORANGE), (BLUE, PALE_BLUE)
"""For each net: under PGD, and under FGSM."""


def picture(pair: Pair, result: Robustness, side: int) -> Tensor:
    """Return the figure (3, side, side), float32 in [0, 1] on the CPU, of what was measured last."""
    canvas = Canvas(side, side)
    unit = canvas.type_size or max(side // 40, 1)
    left, cell = round(6.6 * unit), max(int((side - 7.8 * unit) / SHOWN), 1)
    line = cell + round(1.5 * unit)
    top = side - 2 * line - cell - round(0.6 * unit)
    right = left + SHOWN * cell
    _curves(canvas, (left, 3.4 * unit, right, top - 3.6 * unit), result, unit)
    _digits(canvas, pair, result, (left, top, cell, line), unit)
    return canvas.picture()


def _curves(
    canvas: Canvas, box: tuple[float, float, float, float], result: Robustness, unit: int
) -> None:
    sizes = torch.tensor(result.sizes)
    axes = Axes(canvas, box, (0, float(sizes[-1])), (0, 1))
    # Rounded as they are written: half of 0.15 is 0.07 or 0.08.
    axes.grid([round(float(size), 3) for size in sizes[::2]], (0, 0.5, 1))
    trained = torch.full((2,), float(sizes[PARTS]))
    axes.curve(trained, torch.tensor([0.0, 1.0]), GRID, 5)
    for (_, pale), single in zip(COLOURS, result.single, strict=True):
        axes.curve(sizes, torch.tensor(single), pale, 2.5)
    for (strong, _), robust in zip(COLOURS, result.robust, strict=True):
        axes.curve(sizes, torch.tensor(robust), strong, 3.5)
    axes.frame()
    left, above, right, below = box
    Axes(canvas, (left, above - 1.3 * unit, right, below), (0, 1), (0, 1)).legend(
        [("standard: PGD", ORANGE), ("FGSM", PALE_ORANGE)]
    )
    axes.legend([("adversarial: PGD", BLUE), ("FGSM", PALE_BLUE)])
    canvas.text("accuracy", right, above - 2.2 * unit, (1, 0.5))
    canvas.text("size of attack", right, below + 2.2 * unit, (1, 0.5))


def _digits(
    canvas: Canvas, pair: Pair, result: Robustness, place: tuple[int, int, int, int], unit: int
) -> None:
    """Draw digits, and below them the smallest attacks that they do not withstand, for each net."""
    left, top, cell, line = place
    gap = max(cell // 12, 1)
    for column, tile in enumerate(pair.tests[:SHOWN]):
        canvas.tile(tile.view(SIDE, SIDE), left + column * cell, top, max(cell - gap, 1))
    canvas.text("digit", left - 0.6 * unit, top + cell / 2, (1, 0.5))
    for number, name in enumerate(NAMES):
        below = top + cell + number * line
        canvas.text(name, left - 0.6 * unit, below + cell / 2, (1, 0.5), COLOURS[number][0])
        canvas.text("falls at", left - 0.6 * unit, below + cell + 0.5 * unit, (1, 0.5))
        for column, tile in enumerate(result.points[number]):
            x = left + column * cell
            canvas.tile(tile.view(SIDE, SIDE), x, below, max(cell - gap, 1))
            size, word = result.fallen[number][column], result.words[number][column]
            said = "stands" if size < 0 else f"{size:.2f}: {word}"
            canvas.text(said, x + (cell - gap) / 2, below + cell + 0.5 * unit, (0.5, 0.5))
