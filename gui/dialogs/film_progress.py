"""The bar of a film that is being written."""

import threading

from PySide6.QtCore import QObject, Signal, Slot
from PySide6.QtWidgets import QProgressDialog, QWidget

PATIENCE_MS = 500
"""Milliseconds; a film written sooner needs no bar."""


class FilmProgress(QObject):
    """Shows how far a film is, and lets the user cancel it."""

    moved = Signal(int)
    """Frames done; any thread may emit it."""

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
        """Close the bar: the film is written or was cancelled."""
        self.bar.canceled.disconnect(self._on_cancel)  # closing is not cancelling
        self.bar.close()
        self.bar.deleteLater()
        self.deleteLater()
