"""What is painted around and over the picture, in viewport coordinates."""

from collections.abc import Sequence

from PySide6.QtCore import QPointF, QRect, QRectF, Qt
from PySide6.QtGui import QColor, QFontMetrics, QPainter, QPalette, QPen, QPixmap, QPolygonF

# Middle greys: against them both dark and light parts of a picture stand out, in any theme.
LIGHT_SQUARE, DARK_SQUARE = QColor(153, 153, 153), QColor(102, 102, 102)
SQUARE = 8
INK, PAPER = QColor(0, 0, 0, 190), QColor(255, 255, 255)
Labelled = tuple[QRectF, str]
"""A part of a picture, in fractions of its width and height, and its name, in lines."""
FLAGS = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap


def draw_checkerboard(painter: QPainter, rect: QRectF, visible: QRect) -> None:
    """Draw squares over the visible part of `rect`, starting at its corner."""
    tile = QPixmap(2 * SQUARE, 2 * SQUARE)
    tile.fill(LIGHT_SQUARE)
    with QPainter(tile) as squares:
        squares.fillRect(SQUARE, 0, SQUARE, SQUARE, DARK_SQUARE)
        squares.fillRect(0, SQUARE, SQUARE, SQUARE, DARK_SQUARE)
    part = rect.intersected(QRectF(visible))
    painter.drawTiledPixmap(part, tile, part.topLeft() - rect.topLeft())


def handle_radius(metrics: QFontMetrics) -> float:
    """Return the radius of the divider's handle."""
    return 0.75 * metrics.height()


def draw_divider(painter: QPainter, x: float, top: float, bottom: float) -> None:
    """Draw a vertical line with a round handle: white edged in black, visible on any picture."""
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    for colour, width in ((INK, 4), (PAPER, 2)):
        painter.setPen(QPen(colour, width, Qt.PenStyle.SolidLine, Qt.PenCapStyle.FlatCap))
        painter.drawLine(QPointF(x, top), QPointF(x, bottom))
    radius = handle_radius(painter.fontMetrics())
    middle = QPointF(x, (top + bottom) / 2)
    painter.setPen(QPen(INK, 1.5))
    painter.setBrush(PAPER)
    painter.drawEllipse(middle, radius, radius)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(QColor(40, 40, 40))
    for side in (-1, 1):
        arrow = [(0.72, 0.0), (0.28, -0.36), (0.28, 0.36)]
        points = [middle + QPointF(side * radius * a, radius * b) for a, b in arrow]
        painter.drawPolygon(QPolygonF(points))


def draw_label(painter: QPainter, text: str, visible: QRect, *, right: bool) -> None:
    """Draw white text on a dark plate in the upper left or right corner."""
    metrics = painter.fontMetrics()
    gap = metrics.height() / 2
    width, height = metrics.horizontalAdvance(text) + 2 * gap, 1.5 * metrics.height()
    x = visible.right() - gap - width if right else visible.left() + gap
    plate = QRectF(x, visible.top() + gap, width, height)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(INK)
    painter.drawRoundedRect(plate, gap / 2, gap / 2)
    painter.setPen(PAPER)
    painter.drawText(plate, Qt.AlignmentFlag.AlignCenter, text)


def draw_hint(painter: QPainter, text: str, visible: QRect, palette: QPalette) -> None:
    """Draw text in the middle of a dashed frame, saying what to do while there is no picture."""
    space = painter.fontMetrics().height()
    room = visible.adjusted(2 * space, 2 * space, -2 * space, -2 * space)
    needed = QRectF(painter.boundingRect(QRectF(room), FLAGS, text))
    colour = palette.color(QPalette.ColorRole.WindowText)
    colour.setAlphaF(0.8)
    painter.setPen(colour)
    painter.drawText(QRectF(room), FLAGS, text)
    colour.setAlphaF(0.35)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(QPen(colour, 1.5, Qt.PenStyle.DashLine))
    painter.drawRoundedRect(
        needed.adjusted(-1.5 * space, -1.5 * space, 1.5 * space, 1.5 * space), space / 2, space / 2
    )


def draw_border(painter: QPainter, visible: QRect, colour: QColor, width: int) -> None:
    """Draw a frame just inside the viewport."""
    painter.setRenderHint(QPainter.RenderHint.Antialiasing, False)
    for inset in range(width):
        painter.setPen(colour)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawRect(visible.adjusted(inset, inset, -inset - 1, -inset - 1))


def draw_mark(painter: QPainter, rect: QRectF, *, dashed: bool = False) -> None:
    """Draw a rectangle's outline, white edged in black, visible on any picture."""
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    style = Qt.PenStyle.DashLine if dashed else Qt.PenStyle.SolidLine
    for colour, width, line in ((INK, 3.5, Qt.PenStyle.SolidLine), (PAPER, 1.5, style)):
        pen = QPen(colour, width, line)
        pen.setJoinStyle(Qt.PenJoinStyle.MiterJoin)
        painter.setPen(pen)
        painter.drawRect(rect)


def draw_ring(painter: QPainter, rect: QRectF) -> None:
    """Draw an ellipse's outline, white edged in black, with its middle marked if it is large."""
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setBrush(Qt.BrushStyle.NoBrush)
    middle = rect.center()
    for colour, width in ((INK, 2.5), (PAPER, 1.0)):
        painter.setPen(QPen(colour, width))
        painter.drawEllipse(rect)
        if rect.width() > 24:
            painter.drawLine(middle - QPointF(3, 0), middle + QPointF(3, 0))
            painter.drawLine(middle - QPointF(0, 3), middle + QPointF(0, 3))


def draw_note(painter: QPainter, text: str, visible: QRect) -> None:
    """Draw white text on a dark plate in the lower left corner, wrapped where necessary."""
    gap = painter.fontMetrics().height() / 2
    room = QRectF(visible).adjusted(2 * gap, 2 * gap, -2 * gap, -2 * gap)
    flags = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignBottom | Qt.TextFlag.TextWordWrap
    words = painter.boundingRect(room, flags, text)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(INK)
    painter.drawRoundedRect(words.adjusted(-gap, -gap / 2, gap, gap / 2), gap / 2, gap / 2)
    painter.setPen(PAPER)
    painter.drawText(words, flags, text)


def draw_labels(
    painter: QPainter, labels: Sequence[Labelled], picture: QRectF, visible: QRect
) -> None:
    """Draw white text on a dark plate in the upper left corner of each part of a picture."""
    metrics = painter.fontMetrics()
    gap = metrics.height() / 4
    for part, text in labels:
        left, top = picture.width() * part.left(), picture.height() * part.top()
        size = picture.width() * part.width(), picture.height() * part.height()
        area = QRectF(picture.left() + left, picture.top() + top, *size)
        seen = area.intersected(QRectF(visible))
        room = seen.width() - 4 * gap
        lines = text.split("\n")
        if area.height() < 4 * metrics.height() * len(lines):
            lines = [", ".join(lines)]
        lines = [metrics.elidedText(t, Qt.TextElideMode.ElideRight, int(room)) for t in lines]
        height = metrics.height() * len(lines)
        if room < 3 * metrics.averageCharWidth() or seen.height() < 2 * height:
            continue
        width = max(metrics.horizontalAdvance(line) for line in lines)
        plate = QRectF(seen.left() + gap, seen.top() + gap, width + 2 * gap, height + gap)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(INK)
        painter.drawRoundedRect(plate, gap, gap)
        painter.setPen(PAPER)
        painter.drawText(plate, Qt.AlignmentFlag.AlignCenter, "\n".join(lines))
