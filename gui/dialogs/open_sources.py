"""The files that windows currently read, so that saving never overwrites them."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar, runtime_checkable

from PySide6.QtWidgets import QApplication

from engine.outputs import Sources, keep_apart

T = TypeVar("T")


@runtime_checkable
class HasSources(Protocol):
    """A window that knows which files it reads."""

    def sources(self) -> Sources:
        """Return the files that the window reads."""
        ...


def sources() -> Sources:
    """Return the files that all windows of the program read."""
    found = Sources()
    for window in QApplication.topLevelWidgets():
        if isinstance(window, HasSources):
            found += window.sources()
    return found


def apart(
    path: Path, work: Callable[[], T], folder: Path | None = None, own: Path | None = None
) -> Callable[[], T]:
    """Return `work`, which writes `path`, preceded by a check that no window reads that file.

    Args:
        path: the file to write.
        work: raises `BadInput` if it cannot; so does the function returned.
        folder: its pictures are being read, so `path` must not be inside it.
        own: a file that may be overwritten, though it was read.
    """
    read = sources()
    files = tuple(file for file in read.files if file != own)
    return partial(_apart, path, Sources(files, (folder,) if folder else ()), work)


def _apart(path: Path, read: Sources, work: Callable[[], T]) -> T:
    keep_apart([path], read)
    return work()
