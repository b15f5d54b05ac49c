"""Saving: if writing fails, a message box offers another place."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from PySide6.QtCore import QCoreApplication, QObject, Qt, Signal
from PySide6.QtWidgets import QApplication, QMainWindow, QMessageBox, QWidget

from engine.errors import PareidoliaError
from gui.background import Background
from gui.dialogs.file_dialogs import file_to_save
from gui.wording import worded

log = logging.getLogger("pareidolia.files")

Unsaved = Callable[[str], object]
"""Gets the sentence that says why something could not be written."""


@dataclass(frozen=True)
class SaveDialogOptions:
    """The arguments of `file_to_save`."""

    use: str
    title: str
    name: str
    kinds: str


class Saver(QObject):
    """Writes files in the background; outlives the dialog that asks for it."""

    written = Signal(str)
    """The name of the file that was written."""
    failed = Signal(str)
    """Why the file was not written."""

    def __init__(self, background: Background) -> None:
        super().__init__(background)
        self._background = background

    def ask(
        self,
        parent: QWidget,
        question: SaveDialogOptions,
        work: Callable[[Path], Callable[[], Path]],
    ) -> None:
        """Ask where to save, until the file is written or the user gives up.

        Args:
            parent: the dialog; it may close before everything is written.
            question: what to ask.
            work: gets the path, returns a function that writes the file; called in the GUI thread.
        """
        over = _living(parent)
        if over is None:
            return
        answer = file_to_save(over, question.use, question.title, question.name, question.kinds)
        if answer is not None:
            path = answer[0]
            again = partial(self.ask, parent, replace(question, name=str(path)), work)
            self.save(work(path), partial(offer_again, parent, question.title, again=again))

    def save(self, work: Callable[[], Path], unsaved: Unsaved | None = None) -> None:
        """Do `work`, which writes a file and returns its path, even if every window is closed by then."""
        failed = partial(self._on_failed, unsaved)
        self._background.submit(work, self._on_written, failed, keep=True)

    def _on_written(self, path: Path) -> None:
        log.info("saved %s", path)
        self.written.emit(path.name)

    def _on_failed(self, unsaved: Unsaved | None, error: BaseException) -> None:
        if not isinstance(error, (PareidoliaError, OSError)):
            raise error
        log.error("%s", worded(error))
        self.failed.emit(worded(error))
        if unsaved is not None:
            unsaved(worded(error))


def offer_again(
    parent: QWidget | None, title: str, sentence: str, again: Callable[[], object]
) -> None:
    """Say in a box that something was not saved, and why, and offer another place.

    Args:
        parent: the box's parent; if that is gone, it is the program's window.
        title: of the dialog in which the place was chosen.
        sentence: why it was not saved.
        again: asks for another place for the same thing.
    """
    over = _living(parent)
    if over is None:  # everything is closed, but the log has it
        return
    box = QMessageBox(over)
    box.setObjectName("unsavedDialog")
    box.setIcon(QMessageBox.Icon.Warning)
    box.setWindowTitle(title)
    box.setText(_words("This was not saved."))
    box.setInformativeText(sentence)
    other = box.addButton(_words("Choose another place…"), QMessageBox.ButtonRole.AcceptRole)
    box.addButton(QMessageBox.StandardButton.Cancel)
    box.setDefaultButton(other)
    box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    box.accepted.connect(again)
    box.open()


def _living(parent: QWidget | None) -> QWidget | None:
    """Return the widget if it is still visible, or else a visible window."""
    if any(widget is parent for widget in QApplication.allWidgets()):  # and not deleted
        assert parent is not None
        if parent.isVisible():
            return parent
    mains = [w for w in QApplication.topLevelWidgets() if isinstance(w, QMainWindow)]
    return next((w for w in mains if w.isVisible()), None)


def _words(text: str) -> str:
    return QCoreApplication.translate("Saving", text)
