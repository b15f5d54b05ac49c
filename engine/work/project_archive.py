"""What may be in a project's file: such an archive may come from anybody.

It is opened only if every name in it is one that a project has, and nothing in it may be larger than
such a file ever is.
"""

import hashlib
import os
import re
import shutil
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from PIL import Image

from engine.errors import BadInput
from engine.image_decoding import opened
from engine.project import ENDING
from engine.work.losses import LARGEST as LARGEST_LOSSES
from engine.work.project_inputs import LARGEST_INPUT
from engine.work.project_parts import LARGEST_CHECKPOINT, LARGEST_SMALL, PARTS
from engine.work.project_schema import MAX_BYTES, Project, from_json

MOST_MEMBERS = 100_000
LARGEST_DIRECTORY = 16 * 2**20
"""Bytes of the archive's table of contents, all of which is read at once."""
TIGHTEST = 100
"""Highest ratio of a file's size to its packed size, beyond `SLACK`: pictures hardly shrink."""
SLACK = 2**20
SPARE = 64 * 2**20
"""Bytes that must stay free on the disk."""
LONGEST_SIDE = 8192
"""Longest side of a thumbnail or moment, in pixels."""
_ID = "[0-9a-z]{1,32}"
_MEMBERS = {
    r"inputs/[0-9a-f]{64}(\.[0-9a-z]{1,8})?": LARGEST_INPUT,
    rf"results/{_ID}\.png": LARGEST_INPUT,
    rf"thumbnails/{_ID}\.jpg": LARGEST_SMALL,
    rf"moments/{_ID}/[0-9]{{1,10}}\.jpg": LARGEST_SMALL,
    rf"losses/{_ID}\.safetensors": LARGEST_LOSSES,
    rf"checkpoints/{_ID}\.safetensors": LARGEST_CHECKPOINT,
    r"project\.json": MAX_BYTES,
}
"""What there is in a project, and how large it may be."""
_FOLDERS = re.compile(rf"({'|'.join(PARTS)}|moments/{_ID})/")
"""Entries that other zip programs add."""
_BLOCK = 2**20


def is_project(path: Path) -> bool:
    """Whether a file is a packed project, or should be by its name. Raises `BadInput` for no file."""
    try:
        if not path.is_file():
            what = "is a folder" if path.is_dir() else "does not exist"
            raise BadInput(f"{path} {what}: give the path of a project file")
        with path.open("rb") as file:
            head = file.read(4)
    except (OSError, ValueError) as error:
        raise BadInput(f"{path} cannot be read ({_why(error)})") from error
    if not head:
        raise BadInput(f"{path} is empty: it is not a project file")
    return head[:2] == b"PK" or (
        path.suffix.lower() == ENDING and not head.lstrip().startswith(b"{")
    )


class _Guarded:
    """A file read in limited amounts, since a damaged archive may ask for any amount at once."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable

    def read(self, count: int = -1) -> bytes:
        if count > LARGEST_DIRECTORY:
            raise zipfile.BadZipFile(f"{count} bytes at once")
        return self._file.read(LARGEST_DIRECTORY if count < 0 else count)


@contextmanager
def opened_archive(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open an archive; what goes wrong with it becomes one sentence."""
    try:
        with path.open("rb") as file, zipfile.ZipFile(_Guarded(file)) as archive:
            yield archive
    except (
        zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, RuntimeError,
        ValueError, OverflowError, IndexError,
    ) as error:  # fmt: skip
        raise BadInput(f"{path} is damaged or not a project file: open an intact one") from error
    except OSError as error:
        raise BadInput(f"{path} cannot be opened ({_why(error)})") from error


def members_of(path: Path, archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """Return what is in an archive, by name. Raises `BadInput` for what no project holds."""
    found: dict[str, zipfile.ZipInfo] = {}
    if len(archive.infolist()) > MOST_MEMBERS:
        raise BadInput(f"{path} holds more than {MOST_MEMBERS} files, more than a project ever has")
    for info in archive.infolist():
        name = info.filename
        mode = info.external_attr >> 16
        if stat.S_ISLNK(mode):
            raise BadInput(
                f"{path} is refused: it holds a link, {_shown(name)}, as no project does"
            )
        if _FOLDERS.fullmatch(info.orig_filename) and not info.file_size:
            continue
        limit = next((n for pattern, n in _MEMBERS.items() if re.fullmatch(pattern, name)), None)
        if limit is None or info.orig_filename != name:
            raise BadInput(f"{path} is refused: it holds {_shown(name)}, as no project does")
        if name in found:
            raise BadInput(f"{path} is refused: it holds {name} twice")
        if info.flag_bits & 0x1:
            raise BadInput(f"{path} is encrypted: decrypt it with the program that packed it")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise BadInput(
                f"{path} is packed in a way that is not read: save it again as a project"
            )
        tight = info.file_size > TIGHTEST * info.compress_size + SLACK and limit != MAX_BYTES
        if info.file_size > limit or tight:
            raise BadInput(
                f"{path} is refused: {name} would unpack to {info.file_size / 2**20:,.0f} MiB"
            )
        found[name] = info
    packed = sum(info.compress_size for info in found.values())
    if packed > path.stat().st_size:
        raise BadInput(f"{path} is refused: its files overlap")
    if "project.json" not in found:
        raise BadInput(f"{path} is not a project: it holds no project.json")
    return found


def project_in(
    path: Path, archive: zipfile.ZipFile, members: dict[str, zipfile.ZipInfo]
) -> Project:
    """Return what an archive's `project.json` says. Raises `BadInput`."""
    with archive.open(members["project.json"]) as file:
        return from_json(file.read(MAX_BYTES), str(path))


def extract(
    path: Path, archive: zipfile.ZipFile, chosen: Sequence[zipfile.ZipInfo], folder: Path
) -> None:
    """Write some members of an archive into a folder, where none may exist. Raises `BadInput`."""
    _check_room(path, folder, sum(info.file_size for info in chosen))
    for info in chosen:
        target = folder / info.filename
        with _into(path, folder):
            target.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(info) as source, target.open("xb") as file:
                _copy(path, info.filename, source, file)
        _check_picture(path, target, info.filename)


def _copy(path: Path, name: str, source: IO[bytes], file: IO[bytes]) -> None:
    hashed = hashlib.sha256()
    while block := source.read(_BLOCK):
        hashed.update(block)
        file.write(block)
    if name.startswith("inputs/") and hashed.hexdigest() != name.split("/")[1].split(".")[0]:
        raise BadInput(f"{path} is damaged: {name} is not the picture that it was")
    if not name.startswith("moments/"):  # hundreds, and none of them essential
        file.flush()
        os.fsync(file.fileno())


def _check_picture(path: Path, file: Path, name: str) -> None:
    """Check that a picture begins like one, and has no more pixels than it may."""
    try:
        if name.startswith("results/"):
            with opened(file) as (image, _):
                right = image is not None and image.format == "PNG"
        elif name.startswith(("thumbnails/", "moments/")):
            with Image.open(file, formats=("JPEG",)) as image:
                right = max(image.size) <= LONGEST_SIDE
        else:
            return  # an input is stored as it was; whoever opens it checks it
    except Exception:  # what decoders raise on damaged files has no common type
        right = False
    if not right:
        raise BadInput(f"{path} is damaged: {name} is not a picture")


def _check_room(path: Path, folder: Path, needed: int) -> None:
    with _into(path, folder):
        free = shutil.disk_usage(folder).free
    if needed + SPARE > free:
        raise BadInput(
            f"{path} needs {needed / 2**20:,.0f} MiB when it is open, and {free / 2**20:,.0f} MiB are"
            f" free in {folder}: make room there first"
        )


@contextmanager
def _into(path: Path, folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise BadInput(f"{path} cannot be opened in {folder} ({_why(error)})") from error


def _shown(name: str) -> str:
    text = repr(name)
    return text if len(text) <= 80 else f"{text[:77]}…"


def _why(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
