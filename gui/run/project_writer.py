"""Reads and writes of the project's folder: one after the other, in order, off the GUI thread."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import QObject, Signal

from engine.work.project_folder import ProjectFolder
from engine.work.recovery import Slot, new_slot
from gui.background import Background, Done, Failed

Work = Callable[[ProjectFolder], Any]


@dataclass(frozen=True)
class _Piece:
    work: Work
    done: Done | None
    failed: Failed | None
    key: str


class ProjectWriter(QObject):
    """Owns the folder of the project that the window shows: a slot of its own, made when needed."""

    settled = Signal()
    """Nothing is left to be written."""

    def __init__(self, background: Background, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._background = background
        self._slot: Slot | None = None
        self._waiting: deque[_Piece] = deque()
        self._busy = False
        self._closed = False

    @property
    def busy(self) -> bool:
        """Whether anything is being written or waits to be."""
        return self._busy or bool(self._waiting)

    @property
    def slot(self) -> Slot | None:
        """The slot of the project's folder; None: nothing has been written yet."""
        return self._slot

    @property
    def folder(self) -> ProjectFolder | None:
        """The project's folder; None: nothing has been written yet."""
        return None if self._slot is None else self._slot.folder

    def submit(
        self, work: Work, done: Done | None = None, failed: Failed | None = None, key: str = ""
    ) -> None:
        """Do `work` with the folder after all earlier work; then call back as `Background` does.

        With a key, it replaces a piece of work with the same key that has not begun yet. Once this
        is closed, nothing is done: it would leave a folder that nobody deletes.
        """
        if self._closed:
            return
        piece = _Piece(work, done, failed, key)
        if key:
            for at, other in enumerate(self._waiting):
                if other.key == key:
                    self._waiting[at] = piece
                    return
        self._waiting.append(piece)
        self._next()

    def change_slot(self, slot: Slot | None) -> Slot | None:
        """Write into another slot from now on (None: one yet to be made); return the previous one.

        Nothing may be waiting.
        """
        assert not self.busy
        before, self._slot = self._slot, slot
        return before

    def close(self) -> Slot | None:
        """Take no more work; return the slot, to be released or discarded. Nothing may be waiting."""
        self._closed = True
        return self.change_slot(None)

    def _next(self) -> None:
        if self._busy or not self._waiting:
            return
        piece = self._waiting.popleft()
        self._busy = True

        def work() -> Any:
            if self._slot is None:
                self._slot = new_slot()
            return piece.work(self._slot.folder)

        def done(result: Any) -> None:
            self._ended(piece.done, result)

        def failed(error: BaseException) -> None:
            if piece.failed is None:
                self._ended(None, None)
                raise error
            self._ended(piece.failed, error)

        self._background.submit(work, done, failed, keep=True)

    def _ended(self, tell: Callable[[Any], None] | None, what: Any) -> None:
        self._busy = False
        try:
            if tell is not None:
                tell(what)
        finally:
            self._next()
            if not self.busy:
                self.settled.emit()
