"""Files written whole or not at all: beside their place first, then renamed."""

import json
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from engine.errors import BadInput

if TYPE_CHECKING:
    import numpy.typing as npt


def check_place(path: Path) -> Path:
    """Return the file that would be written: what a link points to, not the link.

    Raises `BadInput` that says why nothing can be written there.
    """
    if "\0" in str(path):
        raise BadInput(f"{str(path)!r} cannot be written: a path has no null character.")
    target = Path(os.path.realpath(path))
    try:
        if target.is_dir():
            raise BadInput(f"{path} is a folder: give the path of a file.")
        if not target.parent.is_dir():
            raise BadInput(f"{path} cannot be written: the folder {target.parent} does not exist.")
        if target.exists() and not os.access(target, os.W_OK):
            raise BadInput(f"{path} is write-protected: choose another path.")
    except OSError as error:  # an overlong name, say
        raise BadInput(
            f"{path} cannot be written ({error.strerror}): choose another path."
        ) from error
    return target


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """Open a new file beside a path; it takes the path's place only if all goes well.

    Raises `BadInput` when it cannot be written; an existing file then stays what it was.
    """
    target = check_place(path)
    beside = target.with_name(f".{secrets.token_hex(8)}.part")
    try:
        with beside.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            shutil.copymode(target, beside)
        beside.replace(target)
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise BadInput(f"{path} cannot be written ({reason}): choose another path.") from error
    finally:
        with suppress(OSError):  # it never came to be: its folder cannot even be entered
            beside.unlink(missing_ok=True)


def keep_apart(outputs: Sequence[Path], sources: Sequence[Path]) -> None:
    """Refuse, by `BadInput`, to write over one of the sources, or two things into one file."""
    for i, output in enumerate(outputs):
        real = Path(os.path.realpath(output))
        for source in sources:
            if output.exists() and source.exists() and output.samefile(source):
                raise BadInput(
                    f"{output} is one of the pictures to work from: choose another path."
                )
        if real in (Path(os.path.realpath(other)) for other in outputs[:i]):
            raise BadInput(f"{output} would be written twice: choose another path for one of them.")


def read_json(text: str | bytes) -> Any:
    """Return the values in JSON that a person may have edited.

    Raises `ValueError` for what is no JSON, and for a name that stands twice in one object, of
    which the last would win silently.
    """
    return json.loads(text, object_pairs_hook=_each_once)


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"{twice!r} stands there twice")
    return values


def write_json(path: Path, values: Any) -> Path:
    """Write plain values as JSON (UTF-8); return the path. Raises what `replacing` raises."""
    with replacing(path) as file:
        file.write(json.dumps(values, ensure_ascii=False, indent=1).encode())
    return path


def write_npz(path: Path, arrays: "Mapping[str, npt.ArrayLike]") -> Path:
    """Write named arrays as compressed NumPy file; return the path.

    Raises what `replacing` raises.
    """
    import numpy as np

    with replacing(path) as file:
        np.savez_compressed(file, **{n: np.asarray(a) for n, a in arrays.items()})  # type: ignore[arg-type]
    return path
