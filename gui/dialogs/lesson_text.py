"""Texts on a lesson's screen: as large as fits, and cut to what can be seen."""

import math
from functools import lru_cache

from PySide6.QtCore import QRect, QSize, Qt
from PySide6.QtGui import QColor, QFont, QFontMetrics, QPainter

SMALLEST = 0.55
"""A text too long for its place may be reduced to this fraction of its size."""
LEAST = 9
"""Height of the smallest font, in pixels."""
WRAP = Qt.TextFlag.TextWordWrap


def seen(text: str, size: QSize, font: QFont) -> str:
    """Return as much of a text as could fit into a place of that size, in the narrowest letters.

    A lesson may hold a hundred thousand letters, which would take a tenth of a second to measure.
    """
    metrics = QFontMetrics(font)
    lines = size.height() // max(1, metrics.lineSpacing()) + 2
    letters = lines * (size.width() // max(1, metrics.horizontalAdvance("i")) + 1)
    kept = text[: max(0, letters)]
    return "\n".join(kept.split("\n", lines)[:lines])


def height_of(text: str, font: QFont, width: int, most: int) -> int:
    """Return the height of a text in lines of this width, at most `most`."""
    if not text.strip():
        return 0
    text = seen(text, QSize(width, most), font)
    bounds = QFontMetrics(font).boundingRect(QRect(0, 0, width, 100_000), int(WRAP), text)
    return min(bounds.height() + 2, most)


@lru_cache(maxsize=256)
def fitted(text: str, width: int, height: int, font: str, align: int) -> tuple[str, QFont]:
    """Return the part of a text that can be seen in a place, and the largest font in which it fits.

    Args:
        text: of any length.
        width: of the place.
        height: of the place.
        font: as `QFont.toString` writes it.
        align: flags for painting, except wrapping.
    """
    found = QFont()
    found.fromString(font)
    high = found.pixelSize()
    low = min(high, max(LEAST, math.floor(SMALLEST * high)))
    found.setPixelSize(low)
    part = seen(text, QSize(width, height), found)
    place, flags = QRect(0, 0, width, height), align | int(WRAP)
    while low < high:
        middle = (low + high + 1) // 2
        found.setPixelSize(middle)
        bounds = QFontMetrics(found).boundingRect(place, flags, part)
        fits = bounds.height() <= height and bounds.width() <= width
        low, high = (middle, high) if fits else (low, middle - 1)
    found.setPixelSize(low)
    return part, found


def draw_text(
    painter: QPainter, place: QRect, text: str, font: QFont, colour: QColor,
    align: Qt.AlignmentFlag,
) -> None:  # fmt: skip
    """Draw a text in its place, smaller if it would not fit."""
    if not text.strip() or place.height() <= 0:
        return
    part, font = fitted(text, place.width(), place.height(), font.toString(), int(align))
    painter.save()
    painter.setClipRect(place)
    painter.setFont(font)
    painter.setPen(colour)
    painter.drawText(place, int(align) | int(WRAP), part)
    painter.restore()
