"""The figure of a black-box attack: how many are fooled after how many queries, and some of them."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from engine.techniques.workshop_black_box.attackers import Attacker
from engine.workshop.digits import SIDE
from engine.workshop.plot import GREEN, INK, ORANGE, Axes, Canvas

SHOWN = 8
"""How many digits are side by side: the first ones that the victim reads rightly."""
TICKS = 4
"""Into how many parts the axis of queries is divided."""


@dataclass
class Measured:
    """What was measured last; in a checkpoint, as it is not measured after every step."""

    numbers: dict[str, float] = field(default_factory=dict)
    queries: list[float] = field(default_factory=list)
    shares: list[float] = field(default_factory=list)
    """Of the digits that fool the victim, after each number of queries."""


def picture(
    attacker: Attacker, measured: Measured, size: float, under_way: bool, side: int
) -> Tensor:
    """Return the figure (3, side, side), float32 in [0, 1] on the CPU.

    Args:
        attacker: attacks; its victim gives the words.
        measured: gives the curve and the lines.
        size: the largest change.
        under_way: whether the attack has begun; before that, the victim learns.
        side: in pixels.
    """
    canvas = Canvas(side, side)
    unit = canvas.type_size or max(side // 40, 1)
    left, cell = round(5.2 * unit), max(int((side - 6.4 * unit) / SHOWN), 1)
    rows_top = side - round(1.9 * unit) - 3 * cell
    axes_box = (left, 4.4 * unit, left + SHOWN * cell, rows_top - 3.6 * unit)
    _curve(canvas, axes_box, attacker, measured, unit)
    numbers = measured.numbers
    known = numbers.get("victim's accuracy", 0)
    words = f"the victim learns: it reads {known:.0%} of the test digits rightly"
    if under_way:
        words = f"{numbers['fooled']:.0%} of the test digits fool the victim, with ε = {size:g}"
    canvas.text(words, left, 1.6 * unit, (0, 0.5))
    _digits(canvas, attacker, size if under_way else 0.0, (left, rows_top, cell), unit)
    return canvas.picture()


def _curve(
    canvas: Canvas,
    box: tuple[float, float, float, float],
    attacker: Attacker,
    measured: Measured,
    unit: int,
) -> None:
    most = _round_limit(max(measured.queries, default=1))
    axes = Axes(canvas, box, (0, most), (0, 1))
    axes.grid([most * i / TICKS for i in range(TICKS + 1)], (0, 0.5, 1))
    for name, colour in (("white box", INK), ("noise", GREEN)):
        if name in measured.numbers:
            height = torch.full((2,), measured.numbers[name])
            axes.curve(torch.tensor([0.0, most]), height, colour, 2.5)
    if measured.queries:
        x, y = torch.tensor(measured.queries), torch.tensor(measured.shares)
        axes.curve(x, y, ORANGE, 3)
        if attacker.marked:
            axes.points(torch.stack([x, y], 1), ORANGE, 8)
    axes.frame()
    axes.legend([("black box", ORANGE), ("white box", INK), ("noise", GREEN)])
    canvas.text(attacker.counted, box[2], box[3] + 2.2 * unit, (1, 0.5))


def _digits(
    canvas: Canvas, attacker: Attacker, size: float, place: tuple[int, int, int], unit: int
) -> None:
    """Draw digits, their changes and what they have become, and the victim's words for both."""
    left, top, cell = place
    victim, gap = attacker.victim, max(cell // 12, 1)
    with torch.no_grad():
        shown = victim.good.nonzero()[:SHOWN, 0]
        before = victim.tests[shown]
        after = attacker.attacked(size)[shown] if size else before
        words = [victim(each).argmax(1).tolist() for each in (before, after)]
    change = (after - before) / (2 * size) + 0.5 if size else torch.full_like(before, 0.5)
    for row, (name, tiles) in enumerate((("digit", before), ("change", change), ("sent", after))):
        canvas.text(name, left - 0.6 * unit, top + (row + 0.5) * cell, (1, 0.5))
        for column, tile in enumerate(tiles):
            at = left + column * cell, top + row * cell
            canvas.tile(tile.view(SIDE, SIDE), *at, max(cell - gap, 1))
    canvas.text("seen as", left - 0.6 * unit, top + 3 * cell + 0.7 * unit, (1, 0.5), INK)
    for column, (one, other) in enumerate(zip(*words, strict=True)):
        centre = left + (column + 0.5) * cell - gap / 2
        colour = INK if one == other else ORANGE
        said = f"{one}" if one == other else f"{one} → {other}"
        canvas.text(said, centre, top + 3 * cell + 0.7 * unit, (0.5, 0.5), colour)


def _round_limit(most: float) -> float:
    """Return the smallest of 1, 2, 4, 10, 20, … that is not below `most`: limits that seldom change."""
    limits = (digit * 10**power for power in range(7) for digit in (1, 2, 4))
    return float(next((limit for limit in limits if limit >= most), 10**7))
