"""A view of a figure, zoomed and panned like the canvas and prepared off the GUI thread."""

from collections.abc import Sequence

from PySide6.QtCore import QCoreApplication
from PySide6.QtGui import QImage, QPainter, QPaintEvent, QPixmap
from PySide6.QtWidgets import QPushButton, QWidget

from gui.canvas import decoration
from gui.canvas.layers import CanvasLayer
from gui.canvas.zoom_view import ZoomView


class FigureView(ZoomView):
    """Shows a figure; the wheel, a double click and keys zoom."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._layer = _Levels()
        self.scene().addItem(self._layer)
        self._hint = ""

    def show_levels(self, levels: Sequence[QImage]) -> None:
        """Show a figure, as `levels_of` returns it, fitted; one of the same size keeps the zoom."""
        other = levels[0].size() != self.logical_size()
        self._layer.set_levels(levels)
        self._layer.set_size(levels[0].size())
        self._set_logical_size(levels[0].size())
        if other:
            self.fit()

    def set_hint(self, text: str) -> None:
        """Say what to do while there is no figure."""
        self._hint = text
        self.setAccessibleDescription(text)
        self.viewport().update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint the figure, or the hint where there is none."""
        super().paintEvent(event)
        if self._hint and not self.has_image():
            with QPainter(self.viewport()) as painter:
                visible = self.viewport().rect()
                decoration.draw_hint(painter, self._hint, visible, self.palette())

    def has_image(self) -> bool:
        """Whether a figure is shown."""
        return self._layer.has_image()


class _Levels(CanvasLayer):
    def set_levels(self, levels: Sequence[QImage]) -> None:
        self.levels = [QPixmap.fromImage(level) for level in levels]
        self.update()


def zoom_buttons(view: ZoomView) -> tuple[QPushButton, ...]:
    """Return buttons to zoom a figure, besides wheel and keys."""
    words = QCoreApplication.translate
    buttons = []
    for text, hint, act in (
        (words("FigureView", "&Fit"), words("FigureView", "All of the figure (key 0)"), view.fit),
        (
            words("FigureView", "&100 %"),
            words("FigureView", "One pixel of the figure per pixel of the screen (key 1)"),
            view.actual_size,
        ),
    ):
        button = QPushButton(text)
        button.setToolTip(hint)
        button.setAutoDefault(False)
        button.clicked.connect(act)
        buttons.append(button)
    return tuple(buttons)
