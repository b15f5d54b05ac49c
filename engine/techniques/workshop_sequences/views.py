"""The pictures of the three tasks."""

from collections.abc import Callable

import torch
from torch import Tensor

from engine.colour_map import colourised
from engine.techniques.workshop_sequences.learning import (
    MOST,
    Aligned,
    Classify,
    Lesson,
    Unaligned,
)
from engine.techniques.workshop_sequences.networks import (
    STOP,
    alignment,
    moments,
    written,
)
from engine.workshop.digits import SIDE
from engine.workshop.plot import BLUE, INK, ORANGE, Axes, Canvas
from engine.workshop.strips import BLANK, SLOT

WRONG_SHOWN = 8
"""Digits taken for others that are shown."""


def picture(lesson: Lesson, side: int) -> Tensor:
    """Return the figure (3, side, side), float32 in [0, 1] on the CPU."""
    canvas = Canvas(side, side)
    unit = canvas.type_size or max(side // 40, 1)
    _DRAWN[type(lesson)](canvas, lesson, unit)
    return canvas.picture()


def _classify(canvas: Canvas, lesson: Classify, unit: float) -> None:
    """Draw a digit, what each of its rows says for each label, and digits taken for others."""
    index = lesson.task.technique.example - 1
    digit, wanted = lesson.rest[0][index].view(SIDE, SIDE), int(lesson.rest[1][index])
    with torch.no_grad():
        said = moments(lesson.parts, digit[None].to(lesson.task.device))[0].cpu()
    share = said.mean(0).softmax(0)
    answer = int(share.argmax())
    error = lesson.held.numbers["error"]
    canvas.text(f"error: {error:.1%} of digits not learned from", unit, 1.2 * unit, (0, 0.5))
    side = max(round(0.36 * canvas.width), 1)
    left, top = round(unit), round(4.2 * unit)
    canvas.text("read row by row", left, top - 0.8 * unit, (0, 0.5))
    canvas.tile(digit, left, top, side)
    # Against the mean label: what all labels share says nothing.
    evidence = said - said.mean(1, keepdim=True)
    right = left + side + 2 * unit
    wide = max(round(canvas.width - right - unit), 1)
    canvas.text("what each row says for each label", right, top - 0.8 * unit, (0, 0.5))
    _signed(canvas, evidence, round(right), top, wide, side)
    axes = Axes(
        canvas, (right, top + side + unit, right + wide, 0.66 * canvas.height), (0, 10), (0, 1)
    )
    for label in range(BLANK):
        colour = INK if label not in (answer, wanted) else BLUE if label == wanted else ORANGE
        edges = torch.tensor([label + 0.15, label + 0.85])
        axes.area(edges, share[label].expand(2), colour)
        place = axes.places(torch.tensor([label + 0.5]), torch.zeros(1))[0]
        x, y = (each / canvas.times for each in place)
        canvas.text(str(label), x, y + 0.3 * unit, (0.5, 0), colour)
    axes.frame()
    canvas.text("mean over rows,", left, top + side + 1.9 * unit, (0, 0.5))
    canvas.text("as a probability", left, top + side + 3.1 * unit, (0, 0.5))
    _mistakes(canvas, lesson, unit)


def _mistakes(canvas: Canvas, lesson: Classify, unit: float) -> None:
    answers, (pictures, digits) = lesson.answers(), lesson.rest
    wrong = (answers != digits).nonzero()[:WRONG_SHOWN, 0].tolist()
    pitch = (canvas.width - unit) / WRONG_SHOWN
    side = max(round(pitch - 0.6 * unit), 1)
    top = 0.66 * canvas.height + 4.6 * unit
    words = "digits taken for others" if wrong else "no digit is taken for another"
    canvas.text(words, unit, top - 0.9 * unit, (0, 0.5))
    for place, number in enumerate(wrong):
        x = round(unit + place * pitch)
        canvas.tile(pictures[number].view(SIDE, SIDE), x, round(top), side)
        y = top + side + 0.8 * unit
        wide = canvas.text(f"{int(answers[number])}", x, y, (0, 0.5), ORANGE)
        canvas.text(f"not {int(digits[number])}", x + wide + 0.4 * unit, y, (0, 0.5))


def _aligned(canvas: Canvas, lesson: Aligned, unit: float) -> None:
    """Draw a strip, the probability of each label at each column, and the error within a digit."""
    settings, examples = lesson.task.technique, lesson.examples
    length, index = settings.length, settings.example - 1
    columns = examples.columns[index, : length * SLOT]
    truth = examples.labels[index, : length * SLOT]
    with torch.no_grad():
        logits = moments(lesson.parts, columns[None].to(lesson.task.device))[0].cpu()
    error = lesson.held.numbers["error"]
    canvas.text(f"error: {error:.1%} of columns", unit, 1.2 * unit, (0, 0.5))
    left, wide = round(3.2 * unit), max(round(canvas.width - 4.4 * unit), 1)
    top = round(2.6 * unit)
    high = _strip(canvas, columns, left, top, wide)
    below = round(top + high + 1.7 * unit)
    cell = wide / len(columns)
    answers = logits.argmax(1)
    # A label over each run of columns that get the same one.
    begin = 0
    for column in range(1, len(columns) + 1):
        if column == len(columns) or answers[column] != answers[begin]:
            label = int(answers[begin])
            right = bool((truth[begin:column] == label).float().mean() >= 0.5)
            if label != BLANK and column - begin > 1:
                x = left + (begin + column) / 2 * cell
                canvas.text(
                    str(label), x, below - 0.8 * unit, (0.5, 0.5), BLUE if right else ORANGE
                )
            begin = column
    rows = max(round(11 * 1.15 * unit), 11)
    _shares(canvas, logits.softmax(1).T, left, below, wide, rows)
    for label in range(BLANK + 1):
        y = below + (label + 0.5) * rows / 11
        canvas.text(str(label) if label < BLANK else "-", left - 0.6 * unit, y, (1, 0.5))
    box = left, below + rows + 3.4 * unit, canvas.width - 1.2 * unit, canvas.height - 2 * unit
    highest = _rounded(max(lesson.held.curve))
    axes = Axes(canvas, box, (1, SIDE), (0, highest))
    axes.grid(range(1, SIDE + 1), (0, highest / 2, highest))
    axes.curve(torch.arange(1.0, SIDE + 1), torch.tensor(lesson.held.curve), BLUE, 3)
    axes.frame()
    axes.legend([("error at each column of a digit, from the left", BLUE)])


def _unaligned(canvas: Canvas, lesson: Unaligned, unit: float) -> None:
    """Draw a strip, what each digit that is written depends on, and how often all is right."""
    settings, examples = lesson.task.technique, lesson.examples
    length, index, turned = settings.length, settings.example - 1, lesson.first.turned
    x = examples.columns[index : index + 1, : length * SLOT].to(lesson.task.device)
    truth = [*examples.digits[index, :length].tolist(), STOP]
    with torch.no_grad():
        found = written(lesson.parts, x, turned, MOST + 2)
    symbols = found[0].tolist()
    count = symbols.index(STOP) + 1 if STOP in symbols else len(symbols)
    found, symbols = found[:, :count], symbols[:count]
    maps = alignment(lesson.parts, x, turned, found)[0].cpu()
    maps = maps / maps.amax(1, keepdim=True).clamp_min(torch.finfo(maps.dtype).tiny)
    numbers = lesson.held.numbers
    canvas.text(
        f"digits depend most on their own columns: {numbers['alignment']:.0%}", unit, 1.2 * unit,
        (0, 0.5),
    )  # fmt: skip
    left, wide = round(4.2 * unit), max(round(canvas.width - 5.4 * unit), 1)
    top = round(2.6 * unit)
    high = _strip(canvas, x[0].cpu(), left, top, wide)
    below = round(top + high + 2 * unit)
    words = "what each written digit depends on"
    canvas.text(words + ", read from the right" * turned, left, below - 0.9 * unit, (0, 0.5))
    rows = max(round(min(1.6 * unit * count, 0.3 * canvas.height)), 1)
    _shares(canvas, maps, left, below, wide, rows)
    for place, symbol in enumerate(symbols):
        right = place < len(truth) and truth[place] == symbol
        y = below + (place + 0.5) * rows / count
        words = "stop" if symbol == STOP else str(symbol)
        canvas.text(words, left - 0.6 * unit, y, (1, 0.5), BLUE if right else ORANGE)
    box = left, below + rows + 3.4 * unit, canvas.width - 1.2 * unit, canvas.height - 2 * unit
    axes = Axes(canvas, box, (1, MOST), (0, 1))
    axes.grid(range(1, MOST + 1), (0, 0.5, 1))
    lengths = torch.arange(1.0, MOST + 1)
    edge = torch.full((2,), lesson.first.longest + 0.5)
    axes.curve(edge, torch.tensor([0.0, 1.0]), INK, 1)
    axes.curve(lengths, torch.tensor(lesson.held.curve), BLUE, 3)
    axes.frame()
    axes.legend([("strips without a fault, by their digits", BLUE), ("longest learned", INK)])


_DRAWN: dict[type[Lesson], Callable[..., None]] = {
    Classify: _classify, Aligned: _aligned, Unaligned: _unaligned
}  # fmt: skip


def _strip(canvas: Canvas, columns: Tensor, left: int, top: int, wide: int) -> int:
    """Draw columns (T, 8) as they stand; return how high they are: at most a fifth of the picture."""
    high = max(min(round(wide * SIDE / len(columns)), canvas.height // 5), 1)
    canvas.tile(columns.T, left, top, wide, high)
    return high


def _shares(canvas: Canvas, values: Tensor, left: int, top: int, wide: int, high: int) -> None:
    """Draw values (rows, columns) from 0, white, to 1, blue."""
    blue = torch.tensor(BLUE)[:, None, None] / 255
    colours = 1 - values.clamp(0, 1)[None] * (1 - blue)
    canvas.tile(0.97 * colours, left, top, wide, high)


def _signed(canvas: Canvas, values: Tensor, left: int, top: int, wide: int, high: int) -> None:
    """Draw values (rows, columns) of either sign: blue, white, red."""
    colours = torch.from_numpy(colourised(values, "signed")).permute(2, 0, 1).float() / 255
    canvas.tile(colours, left, top, wide, high)


def _rounded(most: float) -> float:
    """Return the least of 0.1, 0.2, 0.5 and 1 that is not below `most`."""
    return next(limit for limit in (0.1, 0.2, 0.5, 1.0) if most <= limit)
