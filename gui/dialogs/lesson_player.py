"""A lesson full screen: one step at a time, moved by keys, maps revealed when they are asked for."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from PySide6.QtCore import QBuffer, QByteArray, QIODevice, QPoint, QRect, QSize, Qt, Signal, Slot
from PySide6.QtGui import (
    QCloseEvent,
    QColor,
    QFont,
    QFontMetrics,
    QImage,
    QImageReader,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QResizeEvent,
)
from PySide6.QtWidgets import QWidget

from engine.lesson import Lesson, Step
from gui.background import Background, Ticket

BACK, TEXT, FAINT, ACCENT = (QColor(name) for name in ("#101114", "#f4f4f7", "#b4b6c2", "#9db9ff"))
SMALLEST = 0.55
"""To this part of its size a text may be reduced that is too long for its place."""
CENTRE = Qt.AlignmentFlag.AlignHCenter
WRAP = Qt.TextFlag.TextWordWrap
Key = tuple[int, bool]
"""Which step, and whether its maps are shown."""


@dataclass(frozen=True)
class Scene:
    """Where everything of a step lies, in the widget's coordinates."""

    title: QRect
    cells: tuple[QRect, ...]
    """One for each picture, the places of their captions not among them."""
    caption_height: int
    text: QRect
    footer: QRect


class LessonPlayer(QWidget):
    """Shows a lesson; pictures are opened and scaled behind the window, the next ones ahead."""

    closed = Signal(int)
    """The step shown last."""
    moved = Signal()
    """Another step, or its maps, can be seen now."""

    def __init__(
        self, lesson: Lesson, background: Background, start: int = 0, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent, Qt.WindowType.Window)
        self.setObjectName("lessonPlayer")
        self.setWindowTitle(lesson.title or self.tr("Lesson"))
        self.setWindowModality(Qt.WindowModality.ApplicationModal)
        self.setAttribute(Qt.WidgetAttribute.WA_OpaquePaintEvent)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.lesson, self._background = lesson, background
        self.wanted: Key = (start, self._open(start))
        self.shown: Key | None = None
        """What can be seen; differs from `wanted` while pictures are being opened."""
        self._images: dict[Key, list[QImage]] = {}
        self._tickets: dict[Key, Ticket] = {}

    # -- moving ---------------------------------------------------------------------------

    def _open(self, index: int) -> bool:
        step = self.lesson.steps[index]
        return not step.hidden or not step.figures

    @property
    def secret(self) -> bool:
        """Whether the present step has maps that are not revealed yet."""
        return not self.wanted[1]

    def go(self, index: int) -> None:
        """Turn to a step; to none that is not there."""
        if 0 <= index < len(self.lesson.steps) and index != self.wanted[0]:
            self._want((index, self._open(index)))

    @Slot()
    def reveal(self) -> None:
        """Show the maps of this step."""
        if self.secret:
            self._want((self.wanted[0], True))

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Move, reveal, end."""
        index, last, key = self.wanted[0], len(self.lesson.steps) - 1, Qt.Key
        acts: dict[int, Callable[[], object]] = {
            key.Key_Right: partial(self.go, index + 1),
            key.Key_Space: partial(self.go, index + 1),
            key.Key_PageDown: partial(self.go, index + 1),
            key.Key_Left: partial(self.go, index - 1),
            key.Key_PageUp: partial(self.go, index - 1),
            key.Key_Home: partial(self.go, 0),
            key.Key_End: partial(self.go, last),
            key.Key_R: self.reveal,
            key.Key_Return: self.reveal,
            key.Key_Enter: self.reveal,
            key.Key_Escape: self.close,
        }
        act = acts.get(event.key())
        if act is None:
            super().keyPressEvent(event)
        else:
            act()

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """A click or a tap: reveal first, then move on."""
        if event.button() == Qt.MouseButton.LeftButton:
            if self.secret:
                self.reveal()
            else:
                self.go(self.wanted[0] + 1)

    def closeEvent(self, event: QCloseEvent) -> None:
        """Nothing goes on behind a closed player."""
        self._forget()
        self.closed.emit(self.wanted[0])
        super().closeEvent(event)

    # -- pictures -------------------------------------------------------------------------

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Open the pictures anew, at the size that they have now."""
        super().resizeEvent(event)
        self._forget()
        self._images.clear()
        self._want(self.wanted)

    def _forget(self) -> None:
        for ticket in self._tickets.values():
            ticket.cancel()
        self._tickets.clear()

    def _want(self, key: Key) -> None:
        self.wanted = key
        index = key[0]
        ahead = [(index, True)]
        ahead += [(i, self._open(i)) for i in (index + 1, index - 1) if self._is_step(i)]
        near = {key, *ahead}
        self._images = {k: v for k, v in self._images.items() if k in near or k == self.shown}
        for each in (key, *ahead):
            if each not in self._images and each not in self._tickets:
                self._load(each)
        if key in self._images:
            self._show()

    def _is_step(self, index: int) -> bool:
        return 0 <= index < len(self.lesson.steps)

    def _load(self, key: Key) -> None:
        ratio = self.devicePixelRatioF()
        sizes = [cell.size() * ratio for cell in self.scene(key).cells]
        work = partial(opened, pictures_of(self.lesson.steps[key[0]], key[1]), sizes, ratio)
        self._tickets[key] = self._background.submit(work, partial(self._on_opened, key))

    def _on_opened(self, key: Key, images: list[QImage]) -> None:
        self._tickets.pop(key, None)
        self._images[key] = images
        if key == self.wanted:
            self._show()

    def _show(self) -> None:
        self.shown = self.wanted
        step = self.lesson.steps[self.shown[0]]
        self.setAccessibleName(step.title)
        captions = [f.caption for f in step.figures] if self.shown[1] else [self._prompt()]
        self.setAccessibleDescription("\n".join([step.text, *captions]).strip())
        self.update()
        self.moved.emit()

    def _prompt(self) -> str:
        return self.tr("What will the network look at?")

    # -- layout and painting --------------------------------------------------------------

    def _font(self, part: float, bold: bool = False) -> QFont:
        """Return a font whose height is this part of the screen's."""
        font = QFont(self.font())
        font.setPixelSize(max(9, round(part * min(self.height(), 0.7 * self.width()))))
        font.setBold(bold)
        return font

    def scene(self, key: Key) -> Scene:
        """Return where the things of a step lie."""
        step = self.lesson.steps[key[0]]
        margin = max(8, self.height() // 36)
        inside = self.rect().adjusted(margin, margin, -margin, -margin)
        footer = QFontMetrics(self._font(0.024)).height()
        bottom = inside.bottom() - footer - margin // 2
        top = inside.top()
        height = self._height(step.title, self._font(0.05, True), inside.width(), 0.14)
        title = QRect(inside.left(), top, inside.width(), height)
        if height:
            top += height + margin // 2
        words = self._height(step.text, self._font(0.032), inside.width(), 0.26)
        if not key[1]:
            words += QFontMetrics(self._font(0.04)).height() + margin // 2
        text = QRect(inside.left(), bottom - words, inside.width(), words)
        area = QRect(inside.left(), top, inside.width(), text.top() - top - margin // 2)
        captions = 3 * QFontMetrics(self._font(0.026)).lineSpacing() if key[1] else 0
        captions = captions if step.figures else 0
        pictures = pictures_of(step, key[1])
        size = size_of(pictures[0])
        cells = cells_of(len(pictures), size.width() / size.height(), area, captions, margin)
        line = QRect(inside.left(), inside.bottom() - footer, inside.width(), footer)
        return Scene(title, cells, captions, text, line)

    def _height(self, text: str, font: QFont, width: int, most: float) -> int:
        if not text.strip():
            return 0
        bounds = QFontMetrics(font).boundingRect(QRect(0, 0, width, 100_000), int(WRAP), text)
        return min(bounds.height() + 2, round(most * self.height()))

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the step."""
        painter = QPainter(self)
        painter.fillRect(self.rect(), BACK)
        if self.shown is None or self.shown not in self._images:
            return
        index, revealed = self.shown
        step, scene = self.lesson.steps[index], self.scene(self.shown)
        draw_text(painter, scene.title, step.title, self._font(0.05, True), TEXT, CENTRE)
        captions = [self.tr("The picture"), *(f.caption for f in step.figures)]
        captions = captions if scene.caption_height else [""]
        images = self._images[self.shown]
        for cell, image, caption in zip(scene.cells, images, captions, strict=True):
            size = image.deviceIndependentSize().toSize()
            at = QPoint(cell.left() + (cell.width() - size.width()) // 2, cell.top())
            at.setY(cell.top() + (cell.height() - size.height()) // 2)
            painter.drawImage(at, image)
            gap = scene.caption_height // 12
            top, high = at.y() + size.height() + gap, scene.caption_height - gap
            under = QRect(cell.left(), top, cell.width(), high)
            draw_text(painter, under, caption, self._font(0.026), FAINT, CENTRE)
        text = QRect(scene.text)
        if not revealed:
            font = self._font(0.04)
            line = QRect(text.left(), text.top(), text.width(), QFontMetrics(font).height())
            words = self.tr("{0}   Press R").format(self._prompt())
            draw_text(painter, line, words, font, ACCENT, CENTRE)
            text.setTop(text.bottom() + 1 - (text.height() - line.height()))
        draw_text(painter, text, step.text, self._font(0.032), TEXT, CENTRE)
        small = self._font(0.024)
        place = self.tr("{0} / {1}").format(index + 1, len(self.lesson.steps))
        right = QFontMetrics(small).horizontalAdvance(place) + 24
        draw_text(
            painter, scene.footer.adjusted(0, 0, -right, 0), self.lesson.title, small, FAINT,
            Qt.AlignmentFlag.AlignLeft,
        )  # fmt: skip
        draw_text(painter, scene.footer, place, small, FAINT, Qt.AlignmentFlag.AlignRight)


def pictures_of(step: Step, revealed: bool) -> list[bytes]:
    """Return the files of the pictures that can be seen of a step."""
    return [step.picture, *(f.picture for f in step.figures)] if revealed else [step.picture]


def size_of(data: bytes) -> QSize:
    """Return the size that a picture file says; it is not decoded."""
    buffer = QBuffer()
    buffer.setData(QByteArray(data))
    buffer.open(QIODevice.OpenModeFlag.ReadOnly)
    size = QImageReader(buffer).size()
    return size if size.isValid() and not size.isEmpty() else QSize(1, 1)


def cells_of(
    count: int, aspect: float, area: QRect, captions: int, gap: int
) -> tuple[QRect, ...]:  # fmt: skip
    """Return the places of pictures of one aspect (width / height), as large as the area allows."""

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
        in_row = min(columns, count - row * columns)  # the last row lies in the middle
        left += (columns - in_row) * (width + gap) // 2
        found.append(QRect(left, area.top() + row * (height + captions + gap), width, height))
    return tuple(found)


def opened(files: list[bytes], sizes: list[QSize], ratio: float) -> list[QImage]:
    """Open pictures and scale each into its size, given in pixels of the screen."""
    images = []
    for data, size in zip(files, sizes, strict=True):
        image = QImage.fromData(data).scaled(
            size, Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation
        )
        image = image.convertToFormat(QImage.Format.Format_ARGB32_Premultiplied)
        image.setDevicePixelRatio(ratio)
        images.append(image)
    return images


def draw_text(
    painter: QPainter, place: QRect, text: str, font: QFont, colour: QColor,
    align: Qt.AlignmentFlag,
) -> None:  # fmt: skip
    """Draw a text into its place, smaller if it is too long for it."""
    if not text.strip() or place.height() <= 0:
        return
    font, flags, largest = QFont(font), int(align) | int(WRAP), font.pixelSize()
    while font.pixelSize() > max(9, SMALLEST * largest):
        bounds = QFontMetrics(font).boundingRect(place, flags, text)
        if bounds.height() <= place.height() and bounds.width() <= place.width():
            break
        font.setPixelSize(font.pixelSize() - 1)
    painter.save()
    painter.setClipRect(place)
    painter.setFont(font)
    painter.setPen(colour)
    painter.drawText(place, flags, text)
    painter.restore()
