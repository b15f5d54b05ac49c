"""Work for which only the newest request counts, such as following the pointer."""

from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QObject

from gui.background import Background, Done, Failed


class LatestOnly(QObject):
    """Does one piece of work at a time; of those that arrive meanwhile, only the last."""

    def __init__(
        self, background: Background, done: Done, failed: Failed, parent: QObject | None = None
    ) -> None:
        """`done` and `failed` are called in the GUI thread, as with `Background.submit`."""
        super().__init__(parent)
        self._background, self._done, self._failed = background, done, failed
        self._waiting: Callable[[], Any] | None = None
        self._under_way = False
        self._wanted = False

    @property
    def busy(self) -> bool:
        """Whether anything is under way or waits."""
        return self._under_way

    def ask(self, work: Callable[[], Any]) -> None:
        """Carry this out as soon as the piece under way has ended."""
        self._waiting = work
        if not self._under_way:
            self._next()

    def forget(self) -> None:
        """Drop what waits, and the result of what is under way."""
        self._waiting, self._wanted = None, False

    def _next(self) -> None:
        if self._waiting is not None:
            work, self._waiting = self._waiting, None
            self._under_way = self._wanted = True
            self._background.submit(work, self._on_done, self._on_failed)

    def _on_done(self, result: Any) -> None:
        wanted = self._ended()
        if wanted:
            self._done(result)

    def _on_failed(self, error: BaseException) -> None:
        wanted = self._ended()
        if wanted:
            self._failed(error)

    def _ended(self) -> bool:
        """Begin what waits; return whether the result is still wanted."""
        wanted, self._under_way = self._wanted, False
        self._next()
        return wanted
