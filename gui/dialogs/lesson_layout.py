"""The layout of a lesson's step on the screen."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from PySide6.QtCore import QBuffer, QByteArray, QIODevice, QRect, QSize
from PySide6.QtGui import QFont, QFontMetrics, QImageReader

from engine.lesson import Step
from gui.dialogs.lesson_text import height_of

TITLE, TEXT, CAPTION, PROMPT, FOOTER = 0.05, 0.032, 0.026, 0.04, 0.024
"""Heights of the fonts, as fractions of the screen's."""
FontOf = Callable[[float], QFont]


@dataclass(frozen=True)
class StepLayout:
    """The layout of a step, in the widget's coordinates."""

    title: QRect
    cells: tuple[QRect, ...]
    """One for each picture, without its caption."""
    caption_height: int
    text: QRect
    footer: QRect


def scene_of(step: Step, revealed: bool, rect: QRect, font: FontOf) -> StepLayout:
    """Return the layout of a step in `rect`, with its maps or without."""
    margin = max(8, rect.height() // 36)
    inside = rect.adjusted(margin, margin, -margin, -margin)
    footer = QFontMetrics(font(FOOTER)).height()
    bottom = inside.bottom() - footer - margin // 2
    top = inside.top()
    height = height_of(step.title, font(TITLE), inside.width(), round(0.14 * rect.height()))
    title = QRect(inside.left(), top, inside.width(), height)
    if height:
        top += height + margin // 2
    words = height_of(step.text, font(TEXT), inside.width(), round(0.26 * rect.height()))
    if not revealed:
        words += QFontMetrics(font(PROMPT)).height() + margin // 2
    text = QRect(inside.left(), bottom - words, inside.width(), words)
    area = QRect(inside.left(), top, inside.width(), text.top() - top - margin // 2)
    captions = 3 * QFontMetrics(font(CAPTION)).lineSpacing() if revealed and step.figures else 0
    pictures = pictures_of(step, revealed)
    size = size_of(pictures[0])
    cells = cells_of(len(pictures), size.width() / size.height(), area, captions, margin)
    line = QRect(inside.left(), inside.bottom() - footer, inside.width(), footer)
    return StepLayout(title, cells, captions, text, line)


def pictures_of(step: Step, revealed: bool) -> list[bytes]:
    """Return the files of the pictures that a step shows."""
    return [step.picture, *(f.picture for f in step.figures)] if revealed else [step.picture]


def size_of(data: bytes) -> QSize:
    """Return the size in a picture file's header; the file is not decoded."""
    buffer = QBuffer()
    buffer.setData(QByteArray(data))
    buffer.open(QIODevice.OpenModeFlag.ReadOnly)
    size = QImageReader(buffer).size()
    return size if size.isValid() and not size.isEmpty() else QSize(1, 1)


def cells_of(
    count: int, aspect: float, area: QRect, captions: int, gap: int
) -> tuple[QRect, ...]:  # fmt: skip
    """Return places for pictures of one aspect (width / height), as large as the area allows."""

    def cell(columns: int) -> tuple[float, float, float]:
        rows = math.ceil(count / columns)
        width = (area.width() - gap * (columns - 1)) / columns
        height = (area.height() - gap * (rows - 1)) / rows - captions
        return min(width, height * aspect), width, height

    columns = max(range(1, count + 1), key=lambda n: cell(n)[0])
    _, width, height = cell(columns)
    width, height = max(1, int(width)), max(1, int(height))
    found = []
    for place in range(count):
        row, column = divmod(place, columns)
        left = area.left() + column * (width + gap)
        in_row = min(columns, count - row * columns)  # the last row is centred
        left += (columns - in_row) * (width + gap) // 2
        found.append(QRect(left, area.top() + row * (height + captions + gap), width, height))
    return tuple(found)
