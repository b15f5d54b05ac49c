"""A lesson full screen: one step at a time, keys to move and to reveal the maps."""

from collections.abc import Callable
from functools import partial

from PySide6.QtCore import QEvent, QPoint, QRect, QSize, Qt, Signal, Slot
from PySide6.QtGui import (
    QCloseEvent,
    QColor,
    QFont,
    QFontMetrics,
    QImage,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QResizeEvent,
)
from PySide6.QtWidgets import QWidget

from engine.lesson import Lesson
from gui.background import Background, BackgroundTask
from gui.dialogs.lesson_layout import (
    CAPTION,
    FOOTER,
    PROMPT,
    TEXT,
    TITLE,
    StepLayout,
    pictures_of,
    scene_of,
)
from gui.dialogs.lesson_text import LEAST, draw_text

BACK, INK, FAINT, ACCENT = (QColor(name) for name in ("#101114", "#f4f4f7", "#b4b6c2", "#9db9ff"))
CENTRE = Qt.AlignmentFlag.AlignHCenter
Key = tuple[int, bool]
"""Which step, and whether its maps are shown."""


class LessonPlayer(QWidget):
    """Shows a lesson; pictures are opened and scaled in the background, the next step's in advance."""

    closed = Signal(int)
    """The step shown last."""
    moved = Signal()
    """Another step, or its maps, is on the screen now."""

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
        """What is on the screen; differs from `wanted` while pictures are being opened."""
        self._images: dict[Key, list[QImage]] = {}
        self._scenes: dict[Key, StepLayout] = {}
        self._tickets: dict[Key, BackgroundTask] = {}

    # -- moving ---------------------------------------------------------------------------

    def _open(self, index: int) -> bool:
        step = self.lesson.steps[index]
        return not step.hidden or not step.figures

    @property
    def secret(self) -> bool:
        """Whether the current step has maps that are not revealed yet."""
        return not self.wanted[1]

    def go(self, index: int) -> None:
        """Go to a step, if it exists."""
        if 0 <= index < len(self.lesson.steps) and index != self.wanted[0]:
            self._want((index, self._open(index)))

    @Slot()
    def reveal(self) -> None:
        """Show the maps of the current step."""
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
        """On a click or tap, reveal first, then move on."""
        if event.button() == Qt.MouseButton.LeftButton:
            if self.secret:
                self.reveal()
            else:
                self.go(self.wanted[0] + 1)

    def closeEvent(self, event: QCloseEvent) -> None:
        """Stop all work when the player is closed."""
        self._forget()
        self.closed.emit(self.wanted[0])
        super().closeEvent(event)

    # -- pictures -------------------------------------------------------------------------

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Open the pictures again, at their new size."""
        super().resizeEvent(event)
        self._forget()
        self._images.clear()
        self._scenes.clear()
        self._want(self.wanted)

    def changeEvent(self, event: QEvent) -> None:
        """Lay the texts out again when the font changes."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.FontChange:
            self._scenes.clear()
            self.update()

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

    def _font(self, part: float) -> QFont:
        """Return a font of this fraction of the screen's height; the title's is bold."""
        font = QFont(self.font())
        font.setPixelSize(max(LEAST, round(part * min(self.height(), 0.7 * self.width()))))
        font.setBold(part == TITLE)
        return font

    def scene(self, key: Key) -> StepLayout:
        """Return the layout of a step."""
        if key not in self._scenes:
            step = self.lesson.steps[key[0]]
            self._scenes[key] = scene_of(step, key[1], self.rect(), self._font)
        return self._scenes[key]

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the step."""
        painter = QPainter(self)
        painter.fillRect(self.rect(), BACK)
        if self.shown is None or self.shown not in self._images:
            return
        index, revealed = self.shown
        step, scene = self.lesson.steps[index], self.scene(self.shown)
        draw_text(painter, scene.title, step.title, self._font(TITLE), INK, CENTRE)
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
            draw_text(painter, under, caption, self._font(CAPTION), FAINT, CENTRE)
        text = QRect(scene.text)
        if not revealed:
            font = self._font(PROMPT)
            line = QRect(text.left(), text.top(), text.width(), QFontMetrics(font).height())
            words = self.tr("{0}   Press R").format(self._prompt())
            draw_text(painter, line, words, font, ACCENT, CENTRE)
            text.setTop(text.bottom() + 1 - (text.height() - line.height()))
        draw_text(painter, text, step.text, self._font(TEXT), INK, CENTRE)
        small = self._font(FOOTER)
        place = self.tr("{0} / {1}").format(index + 1, len(self.lesson.steps))
        right = QFontMetrics(small).horizontalAdvance(place) + 24
        draw_text(
            painter, scene.footer.adjusted(0, 0, -right, 0), self.lesson.title, small, FAINT,
            Qt.AlignmentFlag.AlignLeft,
        )  # fmt: skip
        draw_text(painter, scene.footer, place, small, FAINT, Qt.AlignmentFlag.AlignRight)


def opened(files: list[bytes], sizes: list[QSize], ratio: float) -> list[QImage]:
    """Open pictures and scale each to its size, given in pixels of the screen."""
    images = []
    for data, size in zip(files, sizes, strict=True):
        image = QImage.fromData(data).scaled(
            size, Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation
        )
        image = image.convertToFormat(QImage.Format.Format_ARGB32_Premultiplied)
        image.setDevicePixelRatio(ratio)
        images.append(image)
    return images
