"""The log, line by line, to read and copy."""

import logging

from PySide6.QtCore import QObject, Qt, Signal, Slot
from PySide6.QtGui import QFontDatabase, QGuiApplication
from PySide6.QtWidgets import QHBoxLayout, QPlainTextEdit, QPushButton, QVBoxLayout, QWidget

MOST_LINES = 5000


class _LogRelay(QObject):
    """Brings lines from any thread to the GUI thread."""

    line = Signal(str)


class _Handler(logging.Handler):
    def __init__(self, relay: _LogRelay) -> None:
        super().__init__(logging.INFO)
        self._relay = relay
        self.setFormatter(logging.Formatter("%(asctime)s  %(message)s", "%H:%M:%S"))

    def emit(self, record: logging.LogRecord) -> None:
        self._relay.line.emit(self.format(record))


class LogPanel(QWidget):
    """Shows what is logged under "pareidolia"."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.view = QPlainTextEdit()
        self.view.setObjectName("logView")
        self.view.setAccessibleName(self.tr("Log"))
        self.view.setReadOnly(True)
        self.view.setMaximumBlockCount(MOST_LINES)
        self.view.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        copy = QPushButton(self.tr("Copy all"))
        clear = QPushButton(self.tr("Clear"))
        copy.clicked.connect(self.copy)
        clear.clicked.connect(self.view.clear)
        line = QHBoxLayout()
        line.addStretch(1)
        line.addWidget(copy)
        line.addWidget(clear)
        column = QVBoxLayout(self)
        column.setContentsMargins(4, 4, 4, 4)
        column.addWidget(self.view)
        column.addLayout(line)
        self._relay = _LogRelay(self)
        self._relay.line.connect(self._on_line, Qt.ConnectionType.QueuedConnection)
        self._handler = _Handler(self._relay)
        self._logger = logging.getLogger("pareidolia")
        self._logger.setLevel(logging.INFO)
        self._logger.addHandler(self._handler)

    def close_log(self) -> None:
        """Stop listening, as the window closes."""
        self._logger.removeHandler(self._handler)

    @Slot()
    def copy(self) -> None:
        """Put the whole log on the clipboard."""
        QGuiApplication.clipboard().setText(self.view.toPlainText())

    @Slot(str)
    def _on_line(self, line: str) -> None:
        self.view.appendPlainText(line)
