"""Outputs, kept apart from everything that a run reads."""

import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from engine.errors import BadInput
from engine.files import split_frame
from engine.image_formats import SUFFIXES, WRITTEN

PICTURES = frozenset(WRITTEN)
"""Suffixes of the files that the program writes as pictures."""


@dataclass(frozen=True)
class Output:
    """A file that will or may be written."""

    path: Path
    role: str = ""
    """What it is, if nobody has named it: "the figure", say."""


@dataclass(frozen=True)
class Sources:
    """What is read: files, folders with everything below them, and folders on their own."""

    files: tuple[Path, ...] = ()
    trees: tuple[Path, ...] = ()
    folders: tuple[Path, ...] = ()

    def __add__(self, other: "Sources") -> "Sources":
        """Return the sources of both."""
        return Sources(
            self.files + other.files, self.trees + other.trees, self.folders + other.folders
        )


def keep_apart(outputs: Sequence[Output | Path], sources: Sources) -> None:
    """Check that nothing that is read is overwritten, and no file is written twice.

    One file may have many names: other spellings, links and, on some disks, other capitals. A
    picture written into a folder that is read would count as one of its pictures the next time.

    Raises:
        BadInput: says which output has to go elsewhere.
    """
    seen: dict[str, Path] = {}
    for output in (o if isinstance(o, Output) else Output(o) for o in outputs):
        _keep_apart_from_files(output, sources.files)
        for folder in sources.trees:
            _keep_out(output, folder, below=True)
        for folder in sources.folders:
            _keep_out(output, folder, below=False)
        real = os.path.realpath(output.path).casefold()
        if real in seen:
            raise BadInput(
                f"{output.path} would be written twice: choose a different path for one of them."
            )
        seen[real] = output.path


def _keep_apart_from_files(output: Output, files: Iterable[Path]) -> None:
    for file in (split_frame(file)[0] for file in files):
        if _same_file(output.path, file):
            what = "pictures" if file.suffix.lower() in SUFFIXES else "files"
            raise BadInput(_sentence(output, f"is one of the {what} to work from"))


def _keep_out(output: Output, folder: Path, below: bool) -> None:
    path = output.path
    if path.suffix.lower() not in PICTURES:
        return
    inside = _inside(path, folder, below)
    if inside and not path.name.startswith("."):
        raise BadInput(
            _sentence(output, f"lies in {folder}, and would be read as one of its pictures")
        )
    with suppress(OSError):
        if path.exists() and any(_same_file(path, each) for each in _files(folder, below)):
            raise BadInput(_sentence(output, f"is one of the pictures in {folder}"))


def _sentence(output: Output, wrong: str) -> str:
    if output.role:
        return f"{output.path}, {output.role}, {wrong}: choose another path for the output."
    return f"{output.path} {wrong}: choose another path."


def _same_file(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except (OSError, ValueError):  # one of them is not there
        return os.path.realpath(one) == os.path.realpath(other)


def _inside(path: Path, folder: Path, below: bool) -> bool:
    """Whether a file would lie in a folder, under whatever name the folder goes."""
    parent = Path(os.path.realpath(path)).parent
    above = [parent, *parent.parents] if below else [parent]
    return any(_same_file(each, folder) for each in above)


def _files(folder: Path, below: bool) -> Iterable[Path]:
    if not below:
        yield from folder.iterdir()
        return
    for parent, _, names in os.walk(folder):
        for name in names:
            if Path(name).suffix.lower() in SUFFIXES:
                yield Path(parent, name)
