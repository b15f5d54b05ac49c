"""The usable part of what is dragged here: local files, or an image without a file."""

from PySide6.QtCore import QMimeData, QPointF, Qt, Signal
from PySide6.QtGui import (
    QDragEnterEvent,
    QDragLeaveEvent,
    QDragMoveEvent,
    QDropEvent,
    QImage,
    QPixmap,
)
from PySide6.QtWidgets import QWidget

from gui.canvas.zoom_view import ZoomView


def local_paths(data: QMimeData) -> list[str]:
    """Return the paths of the URLs that are files or folders on this machine."""
    return [url.toLocalFile() for url in data.urls() if url.isLocalFile()]


def bare_image(data: QMimeData) -> QImage | None:
    """Return the image itself, as a browser gives it."""
    image = data.imageData() if data.hasImage() else None
    if isinstance(image, QPixmap):
        image = image.toImage()
    return image if isinstance(image, QImage) and not image.isNull() else None


def accept(event: QDropEvent) -> bool:
    """Accept the event if there is something usable; as a copy, lest the source delete its file."""
    data = event.mimeData()
    usable = bool(local_paths(data)) or data.hasImage()
    if not usable:
        event.ignore()
    elif event.possibleActions() & Qt.DropAction.CopyAction:
        event.setDropAction(Qt.DropAction.CopyAction)
        event.accept()
    else:
        event.acceptProposedAction()
    return usable


class DropView(ZoomView):
    """A view that accepts files and images; a subclass should show `_drag_over` when it paints."""

    dropped = Signal(list)
    image_dropped = Signal(QImage)
    drag_moved = Signal(QPointF)
    """Something usable is held over a place, in pixels of the picture."""
    drag_ended = Signal()
    """It was dropped, or is held elsewhere."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAcceptDrops(True)
        self.viewport().setAcceptDrops(True)
        self._drag_over = False
        self.drop_place = QPointF()
        """Where something was dropped last, in pixels of the picture."""

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Accept and highlight what can be used."""
        self._set_drag_over(accept(event))

    def dragMoveEvent(self, event: QDragMoveEvent) -> None:
        """Accept again: Qt asks at each step."""
        if accept(event):
            self.drag_moved.emit(self._scene_point(event.position()))

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:
        """Remove the highlight."""
        self._set_drag_over(False)

    def dropEvent(self, event: QDropEvent) -> None:
        """Pass on files, or an image without a file."""
        self._set_drag_over(False)
        if not accept(event):
            return
        self.drop_place = self._scene_point(event.position())
        paths = local_paths(event.mimeData())
        image = bare_image(event.mimeData())
        if paths:
            self.dropped.emit(paths)
        elif image is not None:
            self.image_dropped.emit(image)

    def _set_drag_over(self, on: bool) -> None:
        self._drag_over = on
        if not on:
            self.drag_ended.emit()
        self.viewport().update()
