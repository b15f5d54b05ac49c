"""What background work reports to its panel: its progress, and what it is waiting for."""

from collections.abc import Callable

from engine.errors import PareidoliaError


class FolderNotRead(PareidoliaError):
    """A folder would have to be read, which was not requested in this session."""

    def __init__(self, done: int, total: int) -> None:
        super().__init__(f"{total - done} of {total} pictures have not been read")
        self.done, self.total = done, total


class ProgressReporter:
    """Reports how much is done of how much; callable from any thread."""

    def __init__(
        self, emit: Callable[[int, int, str], None], who: str = "", may_read: bool = True
    ) -> None:
        """`emit` brings done, total and the name of who is waited for to the panel."""
        self._emit = emit
        self.who, self.may_read = who, may_read

    def __call__(self, done: int, total: int) -> None:
        """Tell how far the work is."""
        self._emit(done, total, "")

    def waits(self, who: str, done: int, total: int) -> None:
        """Tell that `who` has to end first, and how far that is."""
        self._emit(done, total, who)

    def check(self, done: int, total: int) -> None:
        """Raise `FolderNotRead` when there are files to read that nobody has asked for."""
        if done < total and not self.may_read:
            raise FolderNotRead(done, total)
