"""How far the reading of a folder has come.

Readers are generators: what they have read is kept even if they are closed on the way.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TypeVar

from engine.errors import PareidoliaError

T = TypeVar("T")


@dataclass(frozen=True)
class Progress:
    """Progress of the reading, in files; a total of 0 means unknown."""

    done: int
    total: int
    waits_for: str = ""
    """Who is reading the same folder and has to finish first."""


class FolderNotRead(PareidoliaError):
    """A folder would have to be read, and nobody has asked for that yet."""

    def __init__(self, done: int, total: int) -> None:
        super().__init__(f"{total - done} of {total} pictures have not been read")
        self.done, self.total = done, total


def check_read(done: int, total: int, may_read: bool) -> None:
    """Raise `FolderNotRead` if files are left to be read but may not be."""
    if done < total and not may_read:
        raise FolderNotRead(done, total)


def finished(steps: Generator[Progress | None, None, T], told: Callable[[int, int], object]) -> T:
    """Run a reader to its end, telling how much is done of how much; return its result."""
    while True:
        try:
            step = next(steps)
        except StopIteration as end:
            result: T = end.value
            return result
        if step is not None:
            told(step.done, step.total)
