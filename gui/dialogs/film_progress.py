"""The bar of a film that is being written."""

import threading

from PySide6.QtCore import QObject, Signal, Slot
from PySide6.QtWidgets import QProgressDialog, QWidget

PATIENCE_MS = 500
"""A film that is written sooner needs no bar."""


class FilmProgress(QObject):
    """Shows how far a film is, and hears whether it is to be given up."""

    moved = Signal(int)
    """How many frames are done; any thread may emit it."""

    def __init__(self, title: str, text: str, count: int, window: QWidget) -> None:
        super().__init__(window)
        self.cancelled = threading.Event()
        self.bar = bar = QProgressDialog(text, self.tr("Cancel"), 0, count, window)
        bar.setObjectName("filmProgress")
        bar.setWindowTitle(title)
        bar.setMinimumDuration(PATIENCE_MS)
        bar.setAutoReset(False)
        bar.setAutoClose(False)
        bar.setValue(0)
        bar.canceled.connect(self._on_cancel)
        self.moved.connect(bar.setValue)

    @Slot()
    def _on_cancel(self) -> None:
        self.cancelled.set()

    def end(self) -> None:
        """Let the bar go: the film is written, or is not to be."""
        self.bar.canceled.disconnect(self._on_cancel)  # closing it is no wish
        self.bar.close()
        self.bar.deleteLater()
        self.deleteLater()
