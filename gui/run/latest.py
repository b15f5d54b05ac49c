"""Work of which only the newest request counts, such as live maps or following the pointer."""

from collections.abc import Callable, Generator
from contextlib import closing
from functools import partial
from typing import Any

from PySide6.QtCore import QObject, Qt, Signal, Slot

from gui.background import Background, BackgroundTask, Done, Failed

Work = Callable[[], Any]
"""Returns its result, or a generator that yields states on the way and returns the result; it may be
closed between two states."""


class LatestOnly(QObject):
    """Does one piece of work at a time; of those that arrive in the meantime, only the last."""

    _grown = Signal(object)

    def __init__(
        self, background: Background, done: Done, failed: Failed, parent: QObject | None = None,
        grown: Done | None = None,
    ) -> None:  # fmt: skip
        """`done`, `failed`, `grown` are called in the GUI thread, as with `Background.submit`.

        `grown` gets what a generator yields, except None; `done` gets what it returns or, if it was
        stopped, what it yielded last.
        """
        super().__init__(parent)
        self._background, self._done, self._failed = background, done, failed
        self._on_grown = grown
        self._waiting: Work | None = None
        self._task: BackgroundTask | None = None
        self._under_way = False
        self._wanted = False
        self.given_up = False
        """Whether a running generator is to end at its next state; any thread may read it."""
        self._grown.connect(self._tell_growth, Qt.ConnectionType.QueuedConnection)

    @property
    def busy(self) -> bool:
        """Whether any work is running or waiting."""
        return self._under_way

    @property
    def awaited(self) -> bool:
        """Whether a result is still to be reported."""
        return self._waiting is not None or (self._under_way and self._wanted)

    def ask(self, work: Work) -> None:
        """Do this as soon as the current piece of work has ended."""
        self._waiting = work
        if not self._under_way:
            self._next()

    def forget(self) -> None:
        """Drop what waits, and the result of what is running."""
        self._waiting, self._wanted = None, False

    def cancel(self) -> None:
        """Drop everything, and have a running generator end at its next state."""
        self.given_up = True
        self.forget()

    def _next(self) -> None:
        if self._waiting is not None:
            work, self._waiting = self._waiting, None
            self._under_way = self._wanted = True
            self.given_up, self._task = False, None
            self._task = self._background.submit(
                partial(self._carry_out, work), self._on_done, self._on_failed
            )

    def _carry_out(self, work: Work) -> Any:
        """Return the result of the work; runs in another thread."""
        result = work()
        return self._last_state(result) if isinstance(result, Generator) else result

    def _last_state(self, states: Generator[Any, None, Any]) -> Any:
        last = None
        with closing(states):
            while not (self.given_up or self._closing):
                try:
                    state = next(states)
                except StopIteration as end:
                    return end.value
                if state is not None:
                    last = state
                    self._grown.emit(state)
        return last

    @property
    def _closing(self) -> bool:
        """Whether the window waits for all workers to end; any thread may read it."""
        return self._task is not None and self._task.cancelled.is_set()

    @Slot(object)
    def _tell_growth(self, state: object) -> None:
        if self._wanted and not self.given_up and self._on_grown is not None:
            self._on_grown(state)

    def _on_done(self, result: Any) -> None:
        wanted = self._ended()
        if wanted:
            self._done(result)

    def _on_failed(self, error: BaseException) -> None:
        wanted = self._ended()
        if wanted:
            self._failed(error)

    def _ended(self) -> bool:
        """Start what waits; return whether the result is still wanted."""
        wanted, self._under_way = self._wanted, False
        self._next()
        return wanted
