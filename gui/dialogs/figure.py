"""A figure: the labelled result, to look at closely and to save."""

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal, Slot
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QDialog, QHBoxLayout, QPushButton, QVBoxLayout, QWidget

from engine.image import Picture
from gui.canvas.figure_view import FigureView, zoom_buttons


class FigureWindow(QDialog):
    """Shows a figure in its own window; it zooms like the canvas."""

    save_requested = Signal(object)
    """The figure, a `Picture`."""

    def __init__(
        self, figure: Picture, levels: Sequence[QImage], title: str, parent: QWidget | None = None
    ) -> None:
        """`levels`: the figure as `levels_of` returns it."""
        super().__init__(parent)
        self.setObjectName("figureWindow")
        self.setWindowTitle(title)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowFlag(Qt.WindowType.WindowMaximizeButtonHint)
        self.figure = figure
        self.view = FigureView()
        self.view.show_levels(levels)
        self.view.setAccessibleName(title)
        line = QHBoxLayout()
        for button in zoom_buttons(self.view):
            line.addWidget(button)
        line.addStretch(1)
        self.save = QPushButton(self.tr("&Save…"))
        self.save.setObjectName("saveFigure")
        self.save.setAutoDefault(False)
        self.save.clicked.connect(self._on_save)
        line.addWidget(self.save)
        column = QVBoxLayout(self)
        column.addWidget(self.view, 1)
        column.addLayout(line)
        room = self.screen().availableSize() * 0.8
        margins = column.contentsMargins()
        wanted = levels[0].size().grownBy(margins)
        wanted.setHeight(wanted.height() + self.save.sizeHint().height() + column.spacing() + 8)
        self.resize(wanted.boundedTo(room).expandedTo(self.minimumSizeHint()))

    @Slot()
    def _on_save(self) -> None:
        self.save_requested.emit(self.figure)
