"""Projects on the command line: keeping a run in one, continuing a run, and its jobs."""

import json
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from cli.guard import say
from cli.options import export_of
from cli.running import finish, run_job
from cli.wording import program, worded
from engine.errors import BadInput, PareidoliaError
from engine.files import check_writable, unfinished_folder
from engine.job import Job
from engine.outputs import Sources
from engine.project import read_job
from engine.work.keeping import RunKeeper
from engine.work.project_archive import is_project
from engine.work.project_file import check_ending, unpack
from engine.work.project_folder import ProjectFolder, Variant
from engine.work.project_schema import Project, variant_called
from engine.work.recovery import LeftOver, claim, left_in, left_over, slots_folder


def resume(options: Any) -> int:
    """Carry out the command `resume`; return the exit code. Raises `PareidoliaError`s."""
    if options.list:
        return _list_left(options.json)
    if (options.project is None) != options.recovered:
        raise BadInput("resume takes a project, or --recovered instead (see resume --help)")
    path: Path = options.project or _newest_left()
    with _opened(path, options.output is not None) as (folder, file):
        variant = _unfinished(folder.read(), path, options.variant)
        job = replace(folder.opened_job(variant.id), stop_after=None)
        keeper = RunKeeper(folder, variant, file)
        with _output(options.output, folder) as output:
            code, figures = run_job(
                job, output, quiet=options.quiet, bits=options.bits if options.output else 16,
                read=Sources((path,)), export=export_of(options),
                checkpoint=partial(folder.checkpoint, variant.id), keep=keeper,
            )  # fmt: skip
    if options.output is None and figures:
        figures["output"] = str(path)
    tell_kept(keeper, path, bool(figures) and code != 0)
    if keeper.problem is not None and options.output is None:
        code = code or BadInput.exit_code
    return finish(code, figures, options.json)


@contextmanager
def _output(chosen: Path | None, folder: ProjectFolder) -> Iterator[Path]:
    """Give the picture's path; if none was chosen, the picture is kept only in the project."""
    if chosen is not None:
        yield chosen
        return
    with _working_folder(folder.path) as made:
        yield made / "result.png"


# -- work that a window left -------------------------------------------------------------------


def _list_left(as_json: bool) -> int:
    """Print a line for each piece of work in `recovery` that no window has open."""
    for left in left_over():
        run = _resumable(left)
        when = datetime.fromtimestamp(left.when).astimezone().isoformat(" ", "minutes")
        if as_json:
            print(json.dumps({
                "path": str(left.path), "name": left.name, "when": left.when,
                "iteration": 0 if run is None else run.iteration,
                "total": 0 if run is None else run.total, "resumable": run is not None,
                "problem": left.problem,
            }))  # fmt: skip
            continue
        state = left.problem or "nothing to continue"
        if run is not None:
            state = f"iteration {run.iteration} of {run.total}"
        print(f"{left.path}: {left.name or 'Untitled'}, {when[:16]}, {state}")
    return 0


def _newest_left() -> Path:
    """Return the newest work with a run to continue. Raises `BadInput` if there is none."""
    for left in left_over():
        if _resumable(left) is not None:
            return left.path
    raise BadInput(
        f"there is no unfinished run in {slots_folder()}, apart from those that a window has open: "
        "give a project file"
    )


def _resumable(left: LeftOver) -> Variant | None:
    """Return the run that would be continued; None: there is none."""
    try:
        return _unfinished(ProjectFolder(left.path).read(), left.path, None)
    except BadInput:
        return None


@contextmanager
def _opened_folder(path: Path) -> Iterator[tuple[ProjectFolder, None]]:
    """Work in a project's folder itself; while a killed window's is in use, nobody else may claim it."""
    if not (path / "project.json").is_file():
        raise BadInput(f"{path} holds no project: give a project file (.pareidolia), or its folder")
    if path.absolute().parent.resolve() != slots_folder().resolve():
        yield ProjectFolder(path), None
        return
    slot = claim(left_in(path))
    try:
        yield slot.folder, None
        slot.shown()
    finally:
        slot.release()  # the next window offers it, with what has been made


@contextmanager
def kept_in(path: Path, job: Job) -> Iterator[RunKeeper]:
    """Give what keeps a run of `job` in a project file, which is created or gets a new variant."""
    check_ending(path)
    check_writable(path)
    with _working_folder(path.absolute().parent) as made:
        folder = ProjectFolder(made)
        if path.exists():
            unpack(path, folder)
        folder.write_job(job)
        yield RunKeeper(folder, Variant(secrets.token_hex(4), {}), path)


def tell_kept(keeper: RunKeeper, path: Path, stopped: bool) -> None:
    """Say how a stopped run can be continued, or why it cannot."""
    if keeper.problem is not None:
        say(f"the run is not kept in {path}: {worded(keeper.problem)}")
    elif stopped:
        say(f"continue it with: {program()} resume {path}")


def job_in(path: Path, name: str | None) -> Job:
    """Return the job of a project, a variant or a picture's recipe, with its pictures opened."""
    if not is_project(path):
        if name is not None:
            raise BadInput(f"--variant is for project files (.pareidolia), and {path} is not one")
        return read_job(path)
    with tempfile.TemporaryDirectory(prefix="pareidolia-") as made:
        folder = ProjectFolder(Path(made))
        project = unpack(path, folder, ("inputs",))
        return folder.opened_job(None if name is None else variant_called(project, name).id)


@contextmanager
def _opened(path: Path, elsewhere: bool) -> Iterator[tuple[ProjectFolder, Path | None]]:
    """Open a project for changes; give its folder, and its file if that can be written.

    `elsewhere`: whether the picture is also written elsewhere, so that the file need not be writable.
    """
    if path.is_dir():
        with _opened_folder(path) as opened:
            yield opened
        return
    if not is_project(path):
        raise BadInput(
            f"{path} is not a project file (.pareidolia): only these keep what a run needs"
        )
    try:
        check_writable(path)
    except PareidoliaError as error:
        if not elsewhere:
            raise BadInput(error, "; or give -o, and the project stays as it is") from error
        say(f"{path} cannot be written: it stays as it is")
        with tempfile.TemporaryDirectory(prefix="pareidolia-") as made:
            folder = ProjectFolder(Path(made))
            unpack(path, folder)
            yield folder, None
        return
    with _working_folder(path.absolute().parent) as made:
        folder = ProjectFolder(made)
        unpack(path, folder)
        yield folder, path


@contextmanager
def _working_folder(parent: Path) -> Iterator[Path]:
    """Make a folder beside a project, on a disk that has room; the next start tidies it up."""
    try:
        with unfinished_folder(parent) as made:
            yield made
    except OSError as error:
        raise BadInput(f"{parent} cannot be written ({error.strerror})") from error


def _unfinished(project: Project, path: Path, name: str | None) -> Variant:
    """Return the variant to continue. Raises `BadInput` that says why there is none."""
    if name is not None:
        variant = variant_called(project, name)
        if variant.complete:
            raise BadInput(
                f"the variant {name!r} of {path} is finished: there is nothing to continue"
            )
        if not variant.has_checkpoint:
            raise BadInput(
                f"the variant {name!r} of {path} has no checkpoint: make it again with render --variant"
            )
        return variant
    if not project.variants:
        raise BadInput(f"no run has been started in {path} yet: make its job with render")
    open_ones = [each for each in project.variants if not each.complete]
    if not open_ones:
        raise BadInput(f"all runs in {path} are finished: there is nothing to continue")
    resumable = [each for each in open_ones if each.has_checkpoint]
    if not resumable:
        raise BadInput(f"no run in {path} has a checkpoint: make one again with render --variant")
    return max(resumable, key=lambda each: each.when)
