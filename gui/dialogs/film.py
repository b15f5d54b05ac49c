"""How to save the film of a run: format and frame rate."""

import importlib.util

from PySide6.QtCore import Slot
from PySide6.QtWidgets import (
    QComboBox,
    QDialog,
    QDialogButtonBox,
    QDoubleSpinBox,
    QFormLayout,
    QLabel,
    QWidget,
)

from gui.run.film_frames import FilmFrames
from gui.run.pace import words

RATE = 24.0
SLOWEST, FASTEST = 0.1, 240.0


class FilmDialog(QDialog):
    """Asks for the format and the frame rate; the path is asked for afterwards."""

    def __init__(self, film_frames: FilmFrames, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("filmDialog")
        self.setWindowTitle(self.tr("Save film"))
        self._count, size = len(film_frames), film_frames.size
        self.kind = QComboBox()
        self.kind.setObjectName("filmKind")
        if importlib.util.find_spec("av") is not None:
            self.kind.addItem(self.tr("Video, MP4"), ".mp4")
            self.kind.addItem(self.tr("Video, Matroska"), ".mkv")
            self.kind.addItem(self.tr("Video, WebM"), ".webm")
        self.kind.addItem(self.tr("Folder of numbered pictures"), "")
        self.rate = QDoubleSpinBox()
        self.rate.setObjectName("filmRate")
        self.rate.setRange(SLOWEST, FASTEST)
        self.rate.setDecimals(1)
        self.rate.setValue(RATE)
        self.rate.setSuffix(self.tr(" a second"))
        self.length = QLabel()
        self.hint = QLabel(self.tr("Video files need the package av: pip install av"))
        self.hint.setVisible(self.kind.count() == 1)
        standard = QDialogButtonBox.StandardButton
        buttons = QDialogButtonBox(standard.Save | standard.Cancel)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        form = QFormLayout(self)
        form.addRow(
            QLabel(self.tr("{0} frames of {1} × {2}").format(len(film_frames), size[1], size[0]))
        )
        if film_frames.first > 1:
            text = self.tr("They start at frame {0}: a project does not keep earlier ones.")
            form.addRow(QLabel(text.format(film_frames.first)))
        form.addRow(self.tr("&As"), self.kind)
        form.addRow(self.tr("&Frames"), self.rate)
        form.addRow(self.tr("Length"), self.length)
        form.addRow(self.hint)
        form.addRow(buttons)
        self.kind.currentIndexChanged.connect(self._show)
        self.rate.valueChanged.connect(self._show)
        self._show()

    @property
    def suffix(self) -> str:
        """The suffix of the film's name; empty: it is a folder."""
        return str(self.kind.currentData())

    @Slot()
    def _show(self) -> None:
        self.rate.setEnabled(bool(self.suffix))
        self.length.setText(words(self._count / self.rate.value()) if self.suffix else "–")
