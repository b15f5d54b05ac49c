"""One input picture: a thumbnail, its name, and buttons to change it."""

from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QMimeData, QPoint, QSize, Qt, QUrl, Signal, Slot
from PySide6.QtGui import (
    QDrag,
    QDragEnterEvent,
    QDropEvent,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPixmap,
)
from PySide6.QtWidgets import (
    QApplication,
    QFrame,
    QGridLayout,
    QLabel,
    QSizePolicy,
    QToolButton,
    QWidget,
)

from engine.files import split_frame
from engine.settings import START_PICTURE, Setting
from gui.canvas.drops import local_paths
from gui.panels.editors import NumberEditor
from gui.panels.elided import ElidedLabel
from gui.pictures import OpenedPicture, Pictures
from gui.wording import in_words

THUMB = 64
FIGURES = 4
"""Digits that a weight's box has room for."""
WEIGHT = Setting(
    "style_weight_of_picture", "float", 1.0, "Weight", "How much this style counts in the blend.",
    low=0.01, high=1000.0, log=True,
)  # fmt: skip


@dataclass(frozen=True)
class InputKey:
    """A slot: which input and, for styles, which one."""

    role: str
    index: int = 0


class InputSlot(QFrame):
    """Thumbnail, name, size and buttons of one picture."""

    dropped = Signal(object, list)
    choose_requested = Signal(object)
    removed = Signal(object)
    weight_edited = Signal(int, float)
    show_requested = Signal(str)

    def __init__(self, place: InputKey, pictures: Pictures, parent: QWidget) -> None:
        super().__init__(parent)
        self.place = place
        self.path: str | None = None
        self._pictures = pictures
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self.setAcceptDrops(True)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Minimum)
        self.thumb = _Thumb(self)
        self.title = QLabel(self._title())
        font = self.title.font()
        font.setBold(True)
        self.title.setFont(font)
        self.title.setWordWrap(True)  # useful with large text
        self.name = ElidedLabel(Qt.TextElideMode.ElideMiddle, self)
        self.size_label = QLabel()
        self.size_label.setWordWrap(True)
        self.remove = QToolButton()
        self.remove.setText("✕")
        self.remove.setAutoRaise(True)
        self.remove.setToolTip(self.tr("Remove"))
        self.remove.setAccessibleName(self.tr("Remove {0}").format(self._title()))
        self.remove.clicked.connect(self._on_remove)
        self.weight = NumberEditor(WEIGHT, self)
        self.weight.box.setToolTip(WEIGHT.help)
        self.weight.box.keep_room(FIGURES)
        self.weight.edited.connect(self._on_weight)
        grid = QGridLayout(self)
        grid.setContentsMargins(4, 4, 4, 4)
        grid.setVerticalSpacing(1)
        grid.addWidget(self.thumb, 0, 0, 4, 1)
        grid.addWidget(self.title, 0, 1)
        grid.addWidget(self.remove, 0, 2)
        grid.addWidget(self.name, 1, 1, 1, 2)
        grid.addWidget(self.size_label, 2, 1, 1, 2)
        grid.addWidget(self.weight, 3, 1, 1, 2)
        grid.setColumnStretch(1, 1)
        self.thumb.clicked.connect(self._on_choose)

    def _title(self) -> str:
        words = {
            "content": self.tr("Content"),
            "guide": self.tr("Guide (optional)"),
            "start": in_words(START_PICTURE.label),
            "style": self.tr("Style {0}").format(self.place.index + 1),
        }
        return words[self.place.role]

    def show_picture(self, path: str | None, weight: float | None) -> None:
        """Show the picture, or an empty slot."""
        self.path = path
        self.name.setVisible(path is not None)
        self.weight.setVisible(weight is not None)
        if weight is not None and weight != self.weight.value():
            self.weight.set_value(weight)
        removable = path is not None and self.place.role != "content"
        self.remove.setVisible(removable)
        self.refresh()

    def refresh(self) -> None:
        """Show the thumbnail once it is there."""
        self.thumb.setAccessibleName(self.tr("Choose {0}").format(self._title()))
        if self.path is None:
            self.thumb.show_image(None)
            self.size_label.setText(self.tr("Drop a picture or click"))
            self.setToolTip("")
            return
        opened: OpenedPicture | None = self._pictures.get(self.path)
        self.name.setText(Path(self.path).name)
        self.setToolTip(self.path)
        if opened is None:
            self.size_label.setText(self.tr("opening…"))
        elif opened.problem:
            self.size_label.setText(self.tr("cannot be opened"))
            self.setToolTip(opened.problem)
            self.thumb.show_image(None)
        else:
            self.size_label.setText(f"{opened.width} x {opened.height}")
            self.setToolTip(f"{self.path}\n{opened.note}" if opened.note else self.path)
            self.thumb.show_image(QPixmap.fromImage(opened.thumbnail))

    @Slot()
    def _on_choose(self) -> None:
        self.choose_requested.emit(self.place)

    @Slot()
    def _on_remove(self) -> None:
        self.removed.emit(self.place)

    @Slot(object)
    def _on_weight(self, value: float) -> None:
        self.weight_edited.emit(self.place.index, float(value))

    # -- drag and drop --------------------------------------------------------------------

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Accept local files."""
        if local_paths(event.mimeData()) and event.source() is not self.thumb:
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        """Pass on the dropped files."""
        files = local_paths(event.mimeData())
        if files:
            event.acceptProposedAction()
            self.dropped.emit(self.place, files)

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:
        """Show the picture on the canvas."""
        if self.path:
            self.show_requested.emit(self.path)
        super().mouseDoubleClickEvent(event)


class _Thumb(QToolButton):
    """The small picture: click to choose another, drag it to another slot."""

    def __init__(self, slot: InputSlot) -> None:
        super().__init__(slot)
        self._slot = slot
        self._pressed: QPoint | None = None
        self._image: QPixmap | None = None
        side = THUMB + 8
        self.setFixedSize(QSize(side, side))

    def show_image(self, image: QPixmap | None) -> None:
        """Show a thumbnail or an empty place."""
        self._image = image
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the button, and the picture on it as large as fits."""
        super().paintEvent(event)
        painter = QPainter(self)
        if self._image is None:
            painter.setPen(self.palette().placeholderText().color())
            painter.drawText(self.rect(), Qt.AlignmentFlag.AlignCenter, "+")
            return
        painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
        inner = self.rect().adjusted(4, 4, -4, -4)
        size = self._image.size().scaled(inner.size(), Qt.AspectRatioMode.KeepAspectRatio)
        x = inner.x() + (inner.width() - size.width()) // 2
        y = inner.y() + (inner.height() - size.height()) // 2
        painter.drawPixmap(x, y, max(1, size.width()), max(1, size.height()), self._image)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """Remember where a drag may begin."""
        self._pressed = event.position().toPoint()
        super().mousePressEvent(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        """Start dragging the picture's file."""
        if self._pressed is None or self._slot.path is None:
            return
        far = (event.position().toPoint() - self._pressed).manhattanLength()
        if far < QApplication.startDragDistance():
            return
        self._pressed = None
        self.setDown(False)
        data = QMimeData()
        data.setUrls([QUrl.fromLocalFile(str(split_frame(self._slot.path)[0]))])
        drag = QDrag(self)
        drag.setMimeData(data)
        if self._image is not None:
            drag.setPixmap(self._image.scaled(THUMB, THUMB, Qt.AspectRatioMode.KeepAspectRatio))
        drag.exec(Qt.DropAction.CopyAction)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Remove the picture with Delete."""
        if event.key() in (Qt.Key.Key_Delete, Qt.Key.Key_Backspace) and self._slot.path:
            self._slot.removed.emit(self._slot.place)
        else:
            super().keyPressEvent(event)
