"""Files written whole or not at all: first next to their destination, then renamed.

What a killed program left unfinished is deleted by the next one that writes there. Files being
written are locked; the system releases the lock when the program ends, however that happens.
"""

import itertools
import json
import os
import re
import secrets
import shutil
import stat
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from engine.errors import BadInput

try:
    import fcntl
except ImportError:  # Windows, where an open file cannot be deleted in the first place
    fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    import numpy.typing as npt

_UNFINISHED = re.compile(r"\.(pareidolia-)?[0-9a-f]{16}\.part")
_swept: set[Path] = set()
"""Folders that this program has searched for what others left."""


def check_place(path: Path) -> Path:
    """Return the file that would be written: what a link points to, not the link.

    Raises `BadInput`, saying why, if nothing can be written there.
    """
    if "\0" in str(path):
        raise BadInput(f"{str(path)!r} cannot be written: a path cannot hold a null character.")
    target = Path(os.path.realpath(path))
    try:
        if target.is_dir():
            raise BadInput(f"{path} is a folder: give the path of a file.")
        if not target.parent.is_dir():
            raise BadInput(f"{path} cannot be written: the folder {target.parent} does not exist.")
        if target.exists() and not target.is_file():
            raise BadInput(f"{path} is not a plain file: choose another path.")
        if target.exists() and not os.access(target, os.W_OK):
            raise BadInput(f"{path} is write-protected: choose another path.")
    except OSError as error:  # an overlong name, say
        raise BadInput(
            f"{path} cannot be written ({error.strerror}): choose another path."
        ) from error
    return target


def check_writable(path: Path) -> None:
    """Check, before hours of work, that a file can be written at `path`. Raises `BadInput` if not."""
    with unfinished(path):
        pass


@contextmanager
def replacing(path: Path | Callable[[], Path]) -> Iterator[IO[bytes]]:
    """Open a new file beside a path; it takes the path's place only if all goes well.

    Args:
        path: where to; or a function that is asked once more when all is written, and must then
            name a file in the same folder as before.

    Raises:
        BadInput: it cannot be written; an existing file then stays unchanged.
    """
    told = path if callable(path) else lambda: path
    with unfinished(told()) as (beside, file):
        yield file
        file.flush()
        os.fsync(file.fileno())
        target = check_place(told())
        if target.exists():
            shutil.copymode(target, beside)
        if fcntl is None:
            file.close()
        beside.replace(target)


@contextmanager
def unfinished(path: Path) -> Iterator[tuple[Path, IO[bytes]]]:
    """Make a file with a unique name beside a path; it is deleted afterwards if still there.

    Raises `BadInput` when none can be written there.
    """
    target = check_place(path)
    beside, file = None, None
    try:
        _sweep_once(target.parent)
        beside, file = _new_file(target.parent)
        yield beside, file
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise BadInput(f"{path} cannot be written ({reason}): choose another path.") from error
    finally:
        if file is not None:
            if fcntl is None:
                file.close()
            with suppress(OSError):  # it never came to be: its folder cannot even be entered
                assert beside is not None
                beside.unlink(missing_ok=True)
            with suppress(OSError):  # a full disk, once more
                file.close()


@contextmanager
def growing(
    path: Path, target: Callable[[], Path], worth_keeping: Callable[[], bool]
) -> Iterator[IO[bytes]]:
    """Open a new file that is of use before it is whole, as `NAME.partial.SUFFIX` beside a path.

    Args:
        path: where it shall be in the end.
        target: asked at the end where it is to be, in the same folder. A file that is there is
            replaced at `path`, and elsewhere gets another number.
        worth_keeping: asked, when an error ends the writing, whether the file stays as it is.

    Raises `BadInput` if it cannot be written; an existing file at `path` then stays unchanged.
    """
    place = check_place(path)
    beside, file = _partial_file(place, path)
    done = False
    try:
        with file:
            yield file
            os.fsync(file.fileno())
        last = check_place(target())
        if last == place and last.exists():
            shutil.copymode(last, beside)
        elif last not in (place, beside) and last.exists():  # an earlier run's, not to be replaced
            last.rename(_free_partial(place))
        beside.replace(last)
        done = True
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise BadInput(f"{path} cannot be written ({reason}): choose another path.") from error
    finally:
        if not (done or worth_keeping()):
            with suppress(OSError):
                beside.unlink(missing_ok=True)


def _partial_file(place: Path, path: Path) -> tuple[Path, IO[bytes]]:
    """Make a file with a name that says it is not whole; not one that is there already."""
    while True:
        beside = _free_partial(place)
        try:
            return beside, beside.open("xb", buffering=0)
        except FileExistsError:  # made by another program meanwhile
            continue
        except OSError as error:
            raise BadInput(
                f"{path} cannot be written ({error.strerror}): choose another path."
            ) from error


def _free_partial(place: Path) -> Path:
    numbers = itertools.chain([""], (f"-{number}" for number in itertools.count(2)))
    names = (place.with_name(f"{place.stem}.partial{end}{place.suffix}") for end in numbers)
    return next(name for name in names if not os.path.lexists(name))


@contextmanager
def unfinished_folder(parent: Path) -> Iterator[Path]:
    """Make an empty folder with a unique name in another one; it is deleted afterwards.

    Raises OSError.
    """
    _sweep_once(parent)
    while True:
        folder = parent / _unfinished_name()
        folder.mkdir(mode=0o700)
        descriptor = None if fcntl is None else os.open(folder, os.O_RDONLY)
        if descriptor is None or not _locked(descriptor) or _is_at(folder, descriptor):
            break
        os.close(descriptor)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if descriptor is not None:
            os.close(descriptor)


def _unfinished_name() -> str:
    return f".pareidolia-{secrets.token_hex(8)}.part"


def _new_file(folder: Path) -> tuple[Path, IO[bytes]]:
    """Make and lock a file that is not in use."""
    while True:
        beside = folder / _unfinished_name()
        file = beside.open("xb")
        if not _locked(file.fileno()) or _is_at(beside, file.fileno()):
            return beside, file
        file.close()  # somebody swept between making and locking


def _locked(descriptor: int) -> bool:
    """Lock an open file or folder against `sweep`; return whether locks work here."""
    if fcntl is not None:
        with suppress(OSError):  # some network file systems know no locks
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            return True
    return False


def _is_at(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except OSError:
        return False


def _sweep_once(folder: Path) -> None:
    if folder not in _swept:
        _swept.add(folder)
        sweep(folder)


def sweep(folder: Path) -> None:
    """Delete what killed programs left unfinished in a folder; files being written stay."""
    with suppress(OSError):
        for name in [e.name for e in os.scandir(folder) if _UNFINISHED.fullmatch(e.name)]:
            with suppress(OSError):
                _remove_if_left(folder / name)


def _remove_if_left(path: Path) -> None:
    if path.is_symlink():
        return
    if fcntl is None:
        path.unlink()  # refused while somebody has it open
        return
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()
    finally:
        os.close(descriptor)


def read_plain(path: Path, limit: int) -> bytes:
    """Return what a plain file holds. Never waits, as reading a pipe or a device could.

    Raises:
        BadInput: it is not a plain file, or is longer than `limit` bytes.
        OSError: it cannot be opened or read.
    """
    try:
        # So as not to wait for a writer, should it be a pipe.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | _BINARY)
    except ValueError as error:
        raise BadInput(
            f"{str(path)!r} cannot be read: a path cannot hold a null character."
        ) from error
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise BadInput(f"{path} is not a plain file: give the path of one.")
        if status.st_size <= limit:
            data = file.read(limit + 1)
            if len(data) <= limit:
                return data
    raise BadInput(f"{path} is larger than {limit >> 20} MiB, more than such a file ever is.")


_BINARY = getattr(os, "O_BINARY", 0)


def read_json(text: str | bytes) -> Any:
    """Return the values in JSON that a person may have edited.

    Raises `ValueError` for anything but JSON, and for a name that occurs twice in one object, where
    the last would silently win.
    """
    return json.loads(text, object_pairs_hook=_each_once)


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise ValueError(f"{name!r} stands there twice")
            seen.add(name)
    return values


def split_frame(path: str | Path) -> tuple[Path, int | None]:
    """Split FILE#NUMBER into the file and the number of the picture that is meant, from 1.

    If a file of that whole name exists, it is meant, and the number is None.
    """
    match = re.fullmatch(r"(.+)#([0-9]{1,9})", str(path), re.DOTALL)
    try:
        if match and not Path(path).exists() and Path(match[1]).is_file():
            return Path(match[1]), int(match[2])
    except (OSError, ValueError):  # not a path at all
        pass
    return Path(path), None


def write_json(path: Path, values: Any) -> Path:
    """Write plain values as JSON (UTF-8); return the path. Raises what `replacing` raises."""
    with replacing(path) as file:
        # A file name in another encoding has bytes that UTF-8 cannot hold; it is read back
        # unchanged.
        file.write(
            json.dumps(values, ensure_ascii=False, indent=1).encode("utf-8", "surrogatepass")
        )
    return path


def write_npz(path: Path, arrays: "Mapping[str, npt.ArrayLike]") -> Path:
    """Write named arrays as a compressed NumPy file; return the path.

    Raises what `replacing` raises.
    """
    import numpy as np

    with replacing(path) as file:
        np.savez_compressed(file, **{n: np.asarray(a) for n, a in arrays.items()})  # type: ignore[arg-type]
    return path
