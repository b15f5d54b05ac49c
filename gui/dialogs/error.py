"""The last resort: an uncaught error is shown in one sentence, and the program goes on."""

import logging
import sys
import threading
import traceback
from types import TracebackType

from PySide6.QtCore import QObject, Qt, Signal, Slot
from PySide6.QtWidgets import QApplication, QMessageBox, QWidget

log = logging.getLogger("pareidolia")


def error_box(sentence: str, details: str, parent: QWidget | None = None) -> QMessageBox:
    """Return a message box with one sentence, and the details behind a button."""
    box = QMessageBox(parent)
    box.setObjectName("errorDialog")
    box.setIcon(QMessageBox.Icon.Warning)
    box.setWindowTitle(QApplication.translate("Error", "Pareidolia"))
    box.setText(sentence)
    if details:
        box.setDetailedText(details)
    box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    return box


class ExceptionHook(QObject):
    """Replaces `sys.excepthook`; errors of other threads are shown in this one."""

    raised = Signal(str, str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._box: QMessageBox | None = None
        self._before = sys.excepthook
        self._before_threads = threading.excepthook
        self.raised.connect(self._show, Qt.ConnectionType.QueuedConnection)

    def install(self) -> None:
        """Start catching errors."""
        sys.excepthook = self._catch
        threading.excepthook = self._catch_thread

    def uninstall(self) -> None:
        """Restore the hooks."""
        sys.excepthook = self._before
        threading.excepthook = self._before_threads

    def _catch(
        self, kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        if issubclass(kind, KeyboardInterrupt):
            QApplication.quit()
            return
        details = "".join(traceback.format_exception(kind, error, trace))
        sys.stderr.write(details)
        log.error("unexpected error: %s\n%s", error, details)
        sentence = self.tr("Something went wrong: {0}. Your work is safe; you can carry on.")
        self.raised.emit(sentence.format(error or kind.__name__), details)

    def _catch_thread(self, found: threading.ExceptHookArgs) -> None:
        error = found.exc_value or found.exc_type()
        self._catch(found.exc_type, error, found.exc_traceback)

    @Slot(str, str)
    def _show(self, sentence: str, details: str) -> None:
        if self._box is not None:  # one at a time: an error may repeat with every frame
            return
        self._box = error_box(sentence, details, QApplication.activeWindow())
        self._box.finished.connect(self._on_finished)
        self._box.open()

    @Slot()
    def _on_finished(self) -> None:
        self._box = None
