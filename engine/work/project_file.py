"""A project at rest: its folder packed into one file, a zip archive that ends in .pareidolia.

Such a file may come from anybody (`engine.work.project_archive`): files are written only into the
folder that it is opened in, and none there is overwritten.
"""

import json
import os
import shutil
import zipfile
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from engine.errors import BadInput, PareidoliaError
from engine.files import read_plain, replacing
from engine.image import read_recipe
from engine.image_formats import SUFFIXES as PICTURES
from engine.project import ENDING
from engine.work.project_archive import (
    MOST_MEMBERS,
    extract,
    is_project,
    members_of,
    opened_archive,
    project_in,
)
from engine.work.project_folder import ProjectFolder
from engine.work.project_parts import PARTS, SUFFIXES
from engine.work.project_schema import MAX_BYTES, Project, from_json, references, to_values

_BLOCK = 2**20


def pack(folder: ProjectFolder, path: Path, inputs_inside: bool = True) -> Path:
    """Write a project's folder into a file, whole or not at all; return the path.

    The folder then records that it is saved, and where. Pictures that nothing in the project names
    any more are left out.

    Args:
        folder: the project.
        path: where to; ends in .pareidolia.
        inputs_inside: whether the pictures that its jobs start from go along. Without them the
            project opens only where they are; their paths and checksums are stored all the same.

    Raises:
        BadInput: it cannot be written; an existing file then stays unchanged.
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
                info = zipfile.ZipInfo(name)  # dated 1980: the same project, the same file
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

    Besides .pareidolia it takes what the program wrote before: projects in .json, and pictures with
    recipes. These become a project with one job.

    Args:
        path: the file.
        folder: where it goes.
        parts: what is wanted of it, by the names of its folders.

    Raises:
        BadInput: it is not a project, is damaged, from a newer version or meant to do harm, or
            there is no room for it. The folder is then as empty as before.
    """
    with folder.unchanged():
        there = [name for name in (*PARTS, "project.json") if os.path.lexists(folder.path / name)]
        if there:
            raise BadInput(
                f"{folder.path} holds a project already ({there[0]}): choose another folder"
            )
        try:
            if is_project(path):
                with opened_archive(path) as archive:
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
        with opened_archive(path) as archive:
            members = members_of(path, archive)
            project = project_in(path, archive, members)
            for variant in sorted(project.variants, key=lambda each: -each.when):
                if info := members.get(f"thumbnails/{variant.id}.jpg"):
                    return archive.read(info)
    except PareidoliaError:
        pass
    return None


# -- what goes in --------------------------------------------------------------------------


def _names(folder: ProjectFolder, project: Project, inputs_inside: bool) -> Iterator[str]:
    """Yield the files of a project that something in it names, except `project.json`."""
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


def _unpack(
    path: Path, archive: zipfile.ZipFile, folder: ProjectFolder, parts: Collection[str]
) -> None:
    members = members_of(path, archive)
    project = project_in(path, archive, members)
    wanted = {each["sha256"] for each in _pictures(project)} | {
        each.id for each in project.variants
    }
    chosen = [
        info
        for name, info in members.items()
        if name.split("/")[0] in parts and name.split("/")[1].split(".")[0] in wanted
    ]
    extract(path, archive, chosen, folder.path)
    folder.write(replace(project, file=str(path.absolute()), unsaved=False))


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
    folder.job()  # raises if something is wrong with it
    recipe = folder.take_in(folder.recipe())  # found near the file, if they have moved with it
    folder.write(replace(folder.read(), job=recipe, file=None))


def _why(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
