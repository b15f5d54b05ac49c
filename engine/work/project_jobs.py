"""The jobs in a project file, for a batch: its starred variants, or else its present job."""

import os
import re
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from engine.errors import BadInput
from engine.files import split_frame
from engine.places import data_folder
from engine.work.job_files import Wanted, long_side, title_of, wanted_of_recipe
from engine.work.project_file import unpack
from engine.work.project_folder import PHOTO, ProjectFolder
from engine.work.project_inputs import ProjectInputs, with_paths
from engine.work.project_schema import Variant

DAYS = 30
"""Days for which a picture that a batch took out of a project is kept after its last use."""
_NOT_IN_NAMES = re.compile(r'[\x00-\x1f/\\:"<>|?*]')
_LONGEST_NAME = 100


def wanted_of_project(path: Path) -> list[Wanted]:
    """Return the starred variants of a project file; or its present job if none is starred.

    A batch may go on long after: pictures that are only in the project are put into a folder of the
    program's own. Raises `BadInput`.
    """
    with tempfile.TemporaryDirectory(prefix="pareidolia-") as made:
        folder = ProjectFolder(Path(made))
        project = unpack(path, folder, ("inputs",))
        starred: list[Variant | None] = [each for each in project.variants if each.starred]
        return [_wanted(path, folder, each, project.job) for each in starred or [None]]


def _wanted(
    path: Path, folder: ProjectFolder, variant: Variant | None, job: Mapping[str, Any] | None
) -> Wanted:
    recipe = folder.recipe(None if variant is None else variant.id)
    if recipe.get("size") == PHOTO:
        recipe["size"] = long_side(recipe["inputs"]["content"])
    store = _store()

    def outside(reference: Mapping[str, Any]) -> str | None:
        named = reference["path"]
        file, number = split_frame(named or "")
        if file.parent != folder.path / "inputs":
            return named
        store.copy(file, reference["sha256"])
        kept = store.inside(reference["sha256"])
        if kept is None:
            raise BadInput(f"{path} cannot be used: {file.name} in it is not a picture")
        with suppress(OSError):
            os.utime(kept)
        return f"{kept}#{number}" if number else str(kept)

    name = path.stem if variant is None else f"{path.stem}_{variant.name or variant.id}"
    wanted = wanted_of_recipe(path, with_paths(recipe, outside), _file_name(name))
    title = title_of(job or {} if variant is None else variant.recipe)
    return replace(wanted, title=title or wanted.title)


def _file_name(name: str) -> str:
    return _NOT_IN_NAMES.sub("_", name).strip(" .~")[:_LONGEST_NAME] or "project"


def _store() -> ProjectInputs:
    """Return the folder for pictures from projects, without those not needed for a long time."""
    folder = data_folder() / "inputs"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        old = time.time() - DAYS * 86_400
        for file in folder.iterdir():
            if file.stat().st_mtime < old:
                file.unlink(missing_ok=True)
    except OSError as error:
        raise BadInput(f"{folder} cannot be used ({error.strerror})") from error
    return ProjectInputs(folder)
