"""One download as a line: progress, speed, and buttons to pause or cancel."""

from PySide6.QtCore import Signal, Slot
from PySide6.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QPushButton, QWidget

from gui.dialogs.network_downloads import Download, DownloadState
from gui.dialogs.network_status import MIB, mib

STEPS = 1000


class DownloadBar(QWidget):
    """Shows a download; its signals carry the network's name."""

    pause_wished = Signal(str)
    resume_wished = Signal(str)
    cancel_wished = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._transfer: Download | None = None
        self._label = QLabel(self)
        self._label.setObjectName("downloadLabel")
        self._bar = QProgressBar(self)
        self._bar.setObjectName("downloadBar")
        self._bar.setAccessibleName(self.tr("Progress of the download"))
        self._hold = QPushButton(self)
        self._hold.setObjectName("holdButton")
        self._cancel = QPushButton(self.tr("&Cancel"), self)
        self._cancel.setObjectName("cancelButton")
        self._cancel.setToolTip(self.tr("Cancel the download and delete what has been downloaded"))
        self._cancel.setAccessibleName(self.tr("Cancel the download"))
        line = QHBoxLayout(self)
        line.setContentsMargins(0, 0, 0, 0)
        line.addWidget(self._label)
        line.addWidget(self._bar, 1)
        line.addWidget(self._hold)
        line.addWidget(self._cancel)
        for button in (self._hold, self._cancel):
            button.setAutoDefault(False)
        # as wide as any number needs, so that the bar does not jump
        self._digits = self.fontMetrics().horizontalAdvance("0")
        self._hold.clicked.connect(self._on_hold)
        self._cancel.clicked.connect(self._on_cancel)
        self.show_transfer(None)

    def show_transfer(self, transfer: Download | None) -> None:
        """Show this download; None hides the line."""
        self._transfer = transfer
        self.setVisible(transfer is not None)
        if transfer is None:
            return
        paused = transfer.stage is DownloadState.PAUSED
        self._label.setText(self._text(transfer))
        self._label.setMinimumWidth(
            max(self._label.minimumWidth(), self._label.sizeHint().width() + self._digits)
        )
        unknown = transfer.stage is DownloadState.RUNNING and not transfer.total
        self._bar.setRange(0, 0 if unknown else STEPS)
        if not unknown:
            self._bar.setValue(STEPS * transfer.done // transfer.total if transfer.total else 0)
        self._hold.setText(self.tr("Re&sume") if paused else self.tr("&Pause"))
        self._hold.setToolTip(
            self.tr("Resume the download")
            if paused
            else self.tr("Pause the download and keep what has been downloaded")
        )

    def _text(self, transfer: Download) -> str:
        name = transfer.card.name
        if transfer.stage is DownloadState.QUEUED:
            return self.tr("{0}: queued").format(name)
        done, total = f"{transfer.done / MIB:.1f}", mib(transfer.total)
        if transfer.stage is DownloadState.PAUSED:
            return self.tr("{0}: paused, {1} of {2}").format(name, done, total)
        if not transfer.samples:
            return self.tr("{0}: connecting…").format(name)
        speed = f"{transfer.rate / MIB:.1f}"
        return self.tr("{0}: {1} of {2}, {3} MiB/s").format(name, done, total, speed)

    @Slot()
    def _on_hold(self) -> None:
        if self._transfer is None:
            return
        paused = self._transfer.stage is DownloadState.PAUSED
        map_settings = self.resume_wished if paused else self.pause_wished
        map_settings.emit(self._transfer.card.name)

    @Slot()
    def _on_cancel(self) -> None:
        if self._transfer is not None:
            self.cancel_wished.emit(self._transfer.card.name)
