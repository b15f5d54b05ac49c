"""Folders for files that are deleted when no longer needed."""

import contextlib
import secrets
import shutil
import weakref
from pathlib import Path

from PySide6.QtCore import QLockFile

from engine.places import data_folder

FREE = 1 << 30
"""Bytes to leave free on the disk."""


def scratch_folder(name: str, owner: object) -> Path:
    """Make a folder inside the program's own, beside others of its kind, for as long as `owner` lives.

    It goes with `owner` or with the program. Folders of a program that crashed are deleted by the
    next one. Raises OSError.
    """
    place = data_folder() / name
    place.mkdir(parents=True, exist_ok=True)
    _sweep(place)
    folder = place / secrets.token_hex(8)
    lock = _lock_of(folder)
    lock.tryLock(0)  # first, lest another program take the folder for a leftover
    folder.mkdir()
    weakref.finalize(owner, _remove, folder, lock)
    return folder


def has_room(folder: Path) -> bool:
    """Whether the disk has room for more."""
    return shutil.disk_usage(folder).free >= FREE


def _lock_of(folder: Path) -> QLockFile:
    lock = QLockFile(str(folder.with_suffix(".lock")))
    lock.setStaleLockTime(0)  # a lock is stale when its program is gone, never by its age
    return lock


def _remove(folder: Path, lock: QLockFile) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    lock.unlock()


def _sweep(place: Path) -> None:
    """Delete what a crashed program left."""
    with contextlib.suppress(OSError):
        for folder in place.iterdir():
            if folder.is_dir():
                lock = _lock_of(folder)
                if lock.tryLock(0):
                    _remove(folder, lock)
