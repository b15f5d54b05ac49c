"""Saving from dialogs that may be closed before the file is written."""

import logging
from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from engine.errors import PareidoliaError
from gui.background import Background

log = logging.getLogger("pareidolia.files")


class Saver(QObject):
    """Writes files behind the window; outlives the dialog that asks for it."""

    written = Signal(str)
    """The name of a file."""
    failed = Signal(str)
    """Why it was not."""

    def __init__(self, background: Background) -> None:
        super().__init__(background)
        self._background = background

    def save(self, work: Callable[[], Path]) -> None:
        """Do `work`, which writes a file and returns its path, even if all is closed meanwhile."""
        self._background.submit(work, self._on_written, self._on_failed, keep=True)

    def _on_written(self, path: Path) -> None:
        log.info("saved %s", path)
        self.written.emit(path.name)

    def _on_failed(self, error: BaseException) -> None:
        if not isinstance(error, PareidoliaError):
            raise error
        log.error("%s", error)
        self.failed.emit(str(error))
