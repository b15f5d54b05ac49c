"""Projects on their way between files and the window, read and written off the GUI thread."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from engine.errors import PareidoliaError
from engine.files import replacing, unfinished_folder
from engine.job import Job
from engine.places import data_folder
from engine.task import Labels
from engine.work.losses import LossHistory
from engine.work.project_file import pack, unpack
from engine.work.project_folder import ProjectFolder
from engine.work.project_schema import Project, Variant
from engine.work.recovery import LeftOver, Slot, claim, new_slot
from gui.run.history import Moment
from gui.run.variant_entry import VariantEntry, entry_of, variant_of
from gui.run.variants import put_variant
from gui.run.worker import RunResult
from gui.session import with_paths

SHOWN, BRANCHED, LABELS, REGIONS = "shown", "branched", "labels", "regions"
"""What the window stores in a project, to find it again."""


@dataclass(frozen=True)
class OpenedProject:
    """A project as the window takes it over."""

    slot: Slot
    project: Project
    job: Job | None
    entries: list[VariantEntry]
    problems: list[str]
    """Sentences about variants that cannot be shown but stay in the project."""


@dataclass(frozen=True)
class Unwritten:
    """A variant that the project's folder does not hold yet."""

    entry: VariantEntry
    variant: Variant
    result: RunResult
    moments: Sequence[Moment] = ()
    losses: LossHistory | None = None


@dataclass(frozen=True)
class ProjectState:
    """Everything that is written when a project is saved."""

    job: Job
    window: Mapping[str, Any]
    unwritten: Sequence[Unwritten] = field(default_factory=tuple)


def opened_file(path: Path) -> OpenedProject:
    """Open a project's file in a new slot. Raises `BadInput`."""
    slot = new_slot()
    try:
        unpack(path, slot.folder)
        return opened_slot(slot)
    except BaseException:
        slot.discard()
        raise


def claimed(left: LeftOver) -> OpenedProject:
    """Take over work that was left. Raises `BadInput`, and then leaves it as it is."""
    slot = claim(left)
    try:
        return opened_slot(slot)
    except BaseException:
        slot.release()
        raise


def opened_slot(slot: Slot) -> OpenedProject:
    """Read a slot's project. Raises `BadInput` if it holds no readable job."""
    folder, project = slot.folder, slot.folder.read()
    entries: dict[str, VariantEntry] = {}
    problems: list[str] = []
    labels = project.window.get(LABELS)
    for variant in project.variants:
        try:
            job = _outside(slot.folder.job(variant.id), slot.path)
        except PareidoliaError as error:
            problems.append(str(error))
            continue
        entry = entry_of(variant, job, folder.thumbnail(variant.id))
        entry.parent = entries.get(variant.parent or "")
        entry.labels = _labels(labels, variant.id)
        entries[variant.id] = entry
    present = None if project.job is None else _outside(folder.job(), slot.path)
    return OpenedProject(slot, project, present, list(entries.values()), problems)


def _labels(values: Any, id: str) -> Labels | None:
    """Return the names of the pictures on a variant's sheet, if the project has them."""
    found = values.get(id) if isinstance(values, Mapping) else None
    if not isinstance(found, list) or not found or not isinstance(found[0], int) or found[0] < 1:
        return None
    return Labels(tuple(str(text) for text in found[1:]), found[0])


def _outside(job: Job, slot: Path) -> Job:
    """Return a job that refers to no picture in a slot, which is deleted when the window closes.

    Pictures that exist nowhere else are copied into the program's own folder.
    """

    def kept(source: Any) -> Any:
        path = Path(source)
        if path.parent != slot / "inputs":
            return source
        name = f"{path.stem[:16]}{path.suffix}"
        target = data_folder() / "pictures" / name
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            with path.open("rb") as file, replacing(target) as copy:
                shutil.copyfileobj(file, copy)
        return str(target)

    return replace(job, inputs=with_paths(job).inputs.changed(kept))


def write_state(state: ProjectState, folder: ProjectFolder) -> None:
    """Write the job into the project's folder. Raises `BadInput`."""
    for each in state.unwritten:
        if each.entry.unwritten is not None:
            put_variant(folder, each.variant, each.result, each.moments, each.losses)
    folder.write_job(state.job)
    folder.write_window(state.window)


def save_project(path: Path, state: ProjectState, inside: bool, folder: ProjectFolder) -> Path:
    """Write a project's folder, and then its file; return its path. Raises `BadInput`.

    `inside`: whether the input pictures go into the file too.
    """
    write_state(state, folder)
    return pack(folder, path, inside)


def save_apart(
    path: Path, state: ProjectState, inside: bool, folder: ProjectFolder | None
) -> Path:  # fmt: skip
    """Write a project's file, if its folder cannot be written, from a folder beside the file.

    Raises `BadInput` or OSError.
    """
    with unfinished_folder(path.parent) as beside:
        if folder is not None and folder.path.is_dir():
            shutil.copytree(folder.path, beside, dirs_exist_ok=True, ignore=_dot_files)
        other = ProjectFolder(beside)
        write_state(state, other)
        return pack(other, path, inside)


def _dot_files(_folder: str, names: list[str]) -> list[str]:
    return [name for name in names if name.startswith(".")]


def unwritten(
    entries: Sequence[VariantEntry], moments: Mapping[str, Sequence[Moment]]
) -> list[Unwritten]:
    """Return the variants whose pictures are only in memory. `moments`: of their timelines, by id."""
    return [
        Unwritten(
            e, variant_of(e, e.finish), e.unwritten, moments.get(e.id, ()), e.unwritten_losses
        )
        for e in entries if e.unwritten is not None
    ]  # fmt: skip
