"""A project at rest: its folder packed into one file, a zip archive that ends in .pareidolia.

Such a file may come from anybody. It is opened only if every name in it is one that a project has;
nothing is written but into the folder that it is opened in, and nothing there is written over.
"""

import hashlib
import json
import os
import re
import shutil
import stat
import struct
import zipfile
import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

from PIL import Image

from engine.errors import BadInput, PareidoliaError
from engine.files import read_plain, replacing
from engine.image import read_recipe
from engine.image_decoding import opened
from engine.image_formats import SUFFIXES as PICTURES
from engine.project import ENDING
from engine.work.losses import LARGEST as LARGEST_LOSSES
from engine.work.project_folder import (
    LARGEST_CHECKPOINT,
    LARGEST_SMALL,
    PARTS,
    SUFFIXES,
    ProjectFolder,
)
from engine.work.project_inputs import LARGEST_INPUT
from engine.work.project_schema import MAX_BYTES, Project, from_json, references, to_values

MOST_MEMBERS = 100_000
LARGEST_DIRECTORY = 16 * 2**20
"""Bytes of the archive's table of contents, all of which is read at once."""
TIGHTEST = 100
"""So many times as large as it is packed may a file be, beyond `SLACK`: pictures hardly shrink."""
SLACK = 2**20
SPARE = 64 * 2**20
"""Bytes that must stay free on the disk."""
LONGEST_SIDE = 8192
"""Of a thumbnail or moment, in pixels."""
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


def pack(folder: ProjectFolder, path: Path, inputs_inside: bool = True) -> Path:
    """Write a project's folder into a file, whole or not at all; return the path.

    The folder knows then that it is saved, and where. Pictures that nothing in the project names any
    more stay behind.

    Args:
        folder: the project.
        path: where to; ends in .pareidolia.
        inputs_inside: whether the pictures that its jobs start from go along. Without them the project
            is opened only where they are; their paths and contents are known all the same.

    Raises:
        BadInput: it cannot be written; an existing file then stays what it was.
    """
    check_ending(path)
    with folder.unchanged():
        project = folder.read()
        names = sorted(_names(folder, project, inputs_inside))
        if len(names) >= MOST_MEMBERS:
            raise BadInput(
                f"the project has {len(names)} files, and a project file holds {MOST_MEMBERS}: "
                "delete some variants first"
            )
        said = to_values(replace(project, file=None, unsaved=False))
        with replacing(path) as file, zipfile.ZipFile(file, "w") as archive:
            info = zipfile.ZipInfo("project.json")
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, json.dumps(said, indent=1))
            for name in names:
                info = zipfile.ZipInfo(name)  # its time is 1980: the same project, the same file
                with (folder.path / name).open("rb") as source:
                    info.file_size = os.fstat(source.fileno()).st_size
                    with archive.open(info, "w") as member:
                        shutil.copyfileobj(source, member, _BLOCK)
        folder.saved_as(path)
    return path


def check_ending(path: Path) -> None:
    """Refuse, by `BadInput`, a project file whose name does not say that it is one."""
    if path.suffix.lower() != ENDING:
        raise BadInput(f"{path} could not be opened again: end a project's name in {ENDING}")


def unpack(path: Path, folder: ProjectFolder, parts: Collection[str] = PARTS) -> Project:
    """Open a project file in an empty folder; return what is in it.

    Besides .pareidolia it takes what the program wrote before there was that: projects in .json, and
    pictures with recipes. They become a project of one job.

    Args:
        path: the file.
        folder: where it goes.
        parts: what is wanted of it, by the names of its folders.

    Raises:
        BadInput: it is no project, damaged, of a newer version or meant to do harm, or there is no
            room for it. The folder is then as empty as before.
    """
    with folder.unchanged():
        there = [name for name in (*PARTS, "project.json") if os.path.lexists(folder.path / name)]
        if there:
            raise BadInput(
                f"{folder.path} holds a project already ({there[0]}): choose another folder"
            )
        try:
            if is_project(path):
                with _archive(path) as archive:
                    _unpack(path, archive, folder, parts)
            else:
                _take_job(path, folder)
            return folder.read()
        except BaseException:
            for name in PARTS:
                shutil.rmtree(folder.path / name, ignore_errors=True)
            with suppress(OSError):
                (folder.path / "project.json").unlink(missing_ok=True)
            raise


def read_thumbnail(path: Path) -> bytes | None:
    """Return the small picture of the newest variant in a project file, a JPEG file.

    None: it has none, or cannot be read.
    """
    try:
        if not is_project(path):
            return None
        with _archive(path) as archive:
            members = _members(path, archive)
            project = _project(path, archive, members)
            for variant in sorted(project.variants, key=lambda each: -each.when):
                if info := members.get(f"thumbnails/{variant.id}.jpg"):
                    return archive.read(info)
    except PareidoliaError:
        pass
    return None


# -- what goes in --------------------------------------------------------------------------


def _names(folder: ProjectFolder, project: Project, inputs_inside: bool) -> Iterator[str]:
    """Yield the files of a project that something in it names, but for `project.json`."""
    if inputs_inside:
        named = {reference["sha256"] for reference in _pictures(project)}
        for file in _files(folder.path / "inputs"):
            if file.name.split(".")[0] in named:
                yield f"inputs/{file.name}"
    for variant in project.variants:
        id = variant.id
        for name in (f"{part}/{id}{suffix}" for part, suffix in SUFFIXES.items()):
            if (folder.path / name).is_file():
                yield name
        yield from (f"moments/{id}/{number}.jpg" for number in variant.moments)


def _pictures(project: Project) -> Iterator[dict[str, Any]]:
    for variant in project.variants:
        yield from references(variant.recipe)
    if project.job is not None:
        yield from references(project.job)


def _files(folder: Path) -> list[Path]:
    try:
        return [path for path in folder.iterdir() if path.is_file()]
    except OSError:
        return []


# -- what comes out ------------------------------------------------------------------------


def is_project(path: Path) -> bool:
    """Whether a file is a packed project, or should be by its name. Raises `BadInput`: no file."""
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
    """A file that does not give as much at once as a damaged archive would make one ask for."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable

    def read(self, count: int = -1) -> bytes:
        if count > LARGEST_DIRECTORY:
            raise zipfile.BadZipFile(f"{count} bytes at once")
        return self._file.read(LARGEST_DIRECTORY if count < 0 else count)


@contextmanager
def _archive(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open an archive; what goes wrong with it becomes one sentence."""
    try:
        with path.open("rb") as file, zipfile.ZipFile(_Guarded(file)) as archive:
            yield archive
    except (
        zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, RuntimeError,
        ValueError, OverflowError, IndexError,
    ) as error:  # fmt: skip
        raise BadInput(f"{path} is damaged or no project file: open an intact one") from error
    except OSError as error:
        raise BadInput(f"{path} cannot be opened ({_why(error)})") from error


def _members(path: Path, archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
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
        raise BadInput(f"{path} is refused: its files lie one over the other")
    if "project.json" not in found:
        raise BadInput(f"{path} is not a project: it holds no project.json")
    return found


def _project(path: Path, archive: zipfile.ZipFile, members: dict[str, zipfile.ZipInfo]) -> Project:
    with archive.open(members["project.json"]) as file:
        return from_json(file.read(MAX_BYTES), str(path))


def _unpack(
    path: Path, archive: zipfile.ZipFile, folder: ProjectFolder, parts: Collection[str]
) -> None:
    members = _members(path, archive)
    project = _project(path, archive, members)
    wanted = {each["sha256"] for each in _pictures(project)} | {
        each.id for each in project.variants
    }
    chosen = [
        info
        for name, info in members.items()
        if name.split("/")[0] in parts and name.split("/")[1].split(".")[0] in wanted
    ]
    _check_room(path, folder.path, sum(info.file_size for info in chosen))
    for info in chosen:
        target = folder.path / info.filename
        with _into(path, folder.path):
            target.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(info) as source, target.open("xb") as file:
                _copy(path, info.filename, source, file)
        _check_picture(path, target, info.filename)
    folder.write(replace(project, file=str(path.absolute()), unsaved=False))


def _copy(path: Path, name: str, source: IO[bytes], file: IO[bytes]) -> None:
    hashed = hashlib.sha256()
    while block := source.read(_BLOCK):
        hashed.update(block)
        file.write(block)
    if name.startswith("inputs/") and hashed.hexdigest() != name.split("/")[1].split(".")[0]:
        raise BadInput(f"{path} is damaged: {name} is not the picture that it was")
    if not name.startswith("moments/"):  # hundreds, of which none is missed
        file.flush()
        os.fsync(file.fileno())


def _check_picture(path: Path, file: Path, name: str) -> None:
    """See that what should be a picture begins like one, of no more pixels than it may have."""
    try:
        if name.startswith("results/"):
            with opened(file) as (image, _):
                right = image is not None and image.format == "PNG"
        elif name.startswith(("thumbnails/", "moments/")):
            with Image.open(file, formats=("JPEG",)) as image:
                right = max(image.size) <= LONGEST_SIDE
        else:
            return  # an input is what it was; whoever opens it looks at it
    except Exception:  # what decoders raise on damaged files has no common type
        right = False
    if not right:
        raise BadInput(f"{path} is damaged: {name} is not a picture")


def _take_job(path: Path, folder: ProjectFolder) -> None:
    """Open a project in .json, or the recipe of a picture."""
    if path.suffix.lower() in PICTURES:
        recipe = read_recipe(path)
        if recipe is None:
            raise BadInput(f"{path} carries no recipe; only pictures that this program wrote do")
        text = json.dumps(recipe).encode()
    else:
        try:
            text = read_plain(path, MAX_BYTES)
        except OSError as error:
            raise BadInput(f"{path} cannot be read ({_why(error)})") from error
    folder.write(replace(from_json(text, str(path)), file=str(path.absolute())))
    folder.job()  # says what is wrong with it
    recipe = folder.take_in(folder.recipe())  # found near the file, if they have moved with it
    folder.write(replace(folder.read(), job=recipe, file=None))


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
