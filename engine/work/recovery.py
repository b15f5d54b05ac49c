"""Work that outlives a crash: each window's project is a folder of its own, which the next start finds.

A lock on a file in it, which the system releases with the program, however that ends, tells a
folder in use from one left over. A counter says how often opening it ended the program before a
person saw anything: such a folder is offered with a warning.
"""

import secrets
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from engine.errors import BadInput, PareidoliaError
from engine.files import write_json
from engine.places import data_folder
from engine.work.job_files import title_of
from engine.work.project_folder import ProjectFolder
from engine.work.project_schema import Project

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

SUSPECT = 2
"""After this many crashes while it was opened, a slot is offered with a warning."""
_LOCK, _STARTS = ".lock", ".starts"


class Slot:
    """A folder for the project of one window, which nobody else opens while it is in use."""

    def __init__(self, path: Path, lock: IO[bytes]) -> None:
        """Hold the folder at `path`, whose lock is held by `lock`; `new_slot` and `claim` make slots."""
        self.path = path
        self.folder = ProjectFolder(path)
        self._lock = lock

    def shown(self) -> None:
        """Say that what is in it has been shown for a while: it does not crash the program."""
        with suppress(OSError):
            (self.path / _STARTS).unlink(missing_ok=True)

    def release(self) -> None:
        """Leave the folder as it is, for whoever claims it next."""
        self._lock.close()

    def discard(self) -> None:
        """Delete the folder, when it is saved or not wanted."""
        try:
            with _alone():
                _delete(self.path)
        finally:
            self._lock.close()


@dataclass(frozen=True)
class LeftOver:
    """A slot whose program ended without discarding it."""

    path: Path
    name: str
    """Its title: its file's name, or what its newest run or job makes."""
    when: float
    """When something was last kept, in seconds since 1970 (UTC)."""
    thumbnail: bytes | None
    """The small picture of its newest variant, a JPEG file."""
    crashes: int
    """How often the program has crashed while it was being opened."""
    unsaved: bool
    """Whether it holds more than its file."""
    problem: str
    """Why it cannot be opened, in a sentence; empty if it can."""

    @property
    def suspect(self) -> bool:
        """Whether it should be offered with a warning."""
        return self.crashes >= SUSPECT


def slots_folder() -> Path:
    """Return where the slots are."""
    return data_folder() / "recovery"


def new_slot() -> Slot:
    """Make an empty slot. Raises `BadInput`."""
    with _alone():
        path = slots_folder() / secrets.token_hex(8)
        path.mkdir(mode=0o700)
        lock = _locked(path)
        if lock is None:
            raise BadInput(
                f"{path} cannot be locked: set PAREIDOLIA_HOME to a folder on a local disk"
            )
        return Slot(path, lock)


def left_over() -> list[LeftOver]:
    """Return the slots that no running program holds, the newest first.

    Empty ones, of programs that ended before there was anything to keep, are deleted.
    """
    found = []
    with suppress(BadInput), _alone():
        for path in sorted(slots_folder().iterdir()):
            if not path.is_dir() or path.is_symlink():
                continue
            lock = _locked(path)
            if lock is None:
                continue
            with lock:
                if (path / "project.json").is_file():
                    found.append(path)
                else:
                    _delete(path)
    return sorted(map(_look, found), key=lambda each: -each.when)


def left_in(path: Path) -> LeftOver:
    """Return what a slot holds, whether or not a running program holds it."""
    return _look(path)


def claim(one: LeftOver) -> Slot:
    """Take over a slot that was left; until `Slot.shown`, it counts as one that may crash the program.

    Raises `BadInput` when it is gone, or another window has it.
    """
    with _alone():
        if not one.path.is_dir():
            raise BadInput(f"the work in {one.path} is gone: another window has discarded it")
        lock = _locked(one.path)
        if lock is None:
            raise BadInput(f"the work in {one.path} is open in another window")
        try:
            write_json(one.path / _STARTS, _crashes(one.path) + 1)
        except BaseException:
            lock.close()
            raise
        return Slot(one.path, lock)


def discard(one: LeftOver) -> None:
    """Delete a slot that was left. Raises `BadInput` when another window has it."""
    with _alone():
        if one.path.is_dir():
            lock = _locked(one.path)
            if lock is None:
                raise BadInput(f"the work in {one.path} is open in another window")
            with lock:
                _delete(one.path)


def _look(path: Path) -> LeftOver:
    folder = ProjectFolder(path)
    problem, project, thumbnail = "", Project(), None
    try:
        project = folder.read()
        newest = max(project.variants, key=lambda each: each.when, default=None)
        thumbnail = None if newest is None else folder.thumbnail(newest.id)
    except PareidoliaError as error:
        problem = str(error)
    try:
        when = (path / "project.json").stat().st_mtime
    except OSError:
        when = 0.0
    return LeftOver(path, _name(project), when, thumbnail, _crashes(path), project.unsaved, problem)


def _name(project: Project) -> str:
    if project.file is not None:
        return Path(project.file).stem
    newest = max(project.variants, key=lambda each: each.when, default=None)
    recipe = project.job if newest is None else newest.recipe
    return "" if recipe is None else title_of(recipe)


def _crashes(path: Path) -> int:
    try:
        with (path / _STARTS).open("rb") as file:
            return min(int(file.read(20)), 1_000_000)
    except (OSError, ValueError):
        return 0


def _delete(path: Path) -> None:
    """Delete a slot; if cut short, it is left without a project, and goes the next time."""
    with suppress(OSError):
        (path / "project.json").unlink(missing_ok=True)
    shutil.rmtree(path, ignore_errors=True)


@contextmanager
def _alone() -> Iterator[None]:
    """Keep all other programs from making, claiming and looking for slots. Held only briefly."""
    folder = slots_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / _LOCK).open("ab")
    except OSError as error:
        raise BadInput(
            f"{folder} cannot be used ({error.strerror}): nothing can be kept there against a crash"
        ) from error
    with file:
        with suppress(OSError):
            if sys.platform == "win32":
                msvcrt.locking(file.fileno(), msvcrt.LK_LOCK, 1)
            else:
                fcntl.flock(file, fcntl.LOCK_EX)
        try:
            yield
        except OSError as error:
            raise BadInput(f"{folder} cannot be used ({error.strerror})") from error


def _locked(path: Path) -> IO[bytes] | None:
    """Lock a slot until the file that is returned is closed; None: somebody else holds it."""
    file = (path / _LOCK).open("ab")
    try:
        if sys.platform == "win32":
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        return None
    return file
