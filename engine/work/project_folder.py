"""A project in use: a folder, in which everything is on the disk as soon as it is kept.

`project.json` says what there is; beside it lie `inputs/<sha256>.<suffix>`, `results/<id>.png` (16
bits), `thumbnails/<id>.jpg`, `moments/<id>/<iteration>.jpg`, `losses/<id>.safetensors` and
`checkpoints/<id>.safetensors`. Each file is written beside its place, synced and renamed, and
`project.json` last: whenever the program or the power goes, the folder is a whole project. Input
pictures are copied by content, so that the project needs none of the places where they were.
"""

import json
import re
import shutil
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from engine.errors import BadInput
from engine.files import read_plain, replacing, split_frame
from engine.image import Picture, open_picture, save_picture
from engine.job import Inputs, Job
from engine.named_files import find_picture
from engine.recipe_values import Source
from engine.work import losses
from engine.work.job_files import long_side
from engine.work.losses import LossHistory
from engine.work.project_inputs import ProjectInputs, paths_by_digest, with_paths
from engine.work.project_schema import (
    ID,
    MAX_BYTES,
    MOST_MOMENTS,
    MOST_VARIANTS,
    Project,
    Variant,
    from_json,
    to_values,
)

__all__ = ["Project", "ProjectFolder", "Variant"]

LARGEST_SMALL = 8 * 2**20
"""Bytes of a thumbnail."""
LARGEST_CHECKPOINT = 64 * 2**30
SUFFIXES = {
    "results": ".png", "thumbnails": ".jpg", "losses": ".safetensors", "checkpoints": ".safetensors",
}  # fmt: skip
"""Folders with a file for each variant, and what its name ends in."""
PARTS = ("inputs", "moments", *SUFFIXES)
"""The folders in a project."""
_MOMENT = re.compile(r"([0-9]{1,10})\.jpg")
PHOTO = "photo"


class ProjectFolder:
    """A project's folder. One for each folder in a program; its methods may be called by any thread.

    All of them raise `BadInput` with a sentence when the folder cannot be read or written. Nothing
    that was kept before is lost then.
    """

    def __init__(self, path: Path) -> None:
        """Work on a folder that exists; it may be empty."""
        self.path = path
        self._lock = threading.RLock()
        self._inputs = ProjectInputs(path / "inputs")

    # -- what is there ---------------------------------------------------------------------

    def read(self) -> Project:
        """Return what the folder holds; of an empty one, an empty project."""
        with self._lock:
            project = self._said()
            return replace(project, variants=tuple(self._with_files(v) for v in project.variants))

    def job(self, id: str | None = None) -> Job:
        """Return the present job, or that of a variant, with its pictures named by path.

        A picture is named where it was if it is still the same there, else in this folder. One that is in
        neither is looked for near the project's file, and is named where it was if that fails too.
        """
        recipe = self.recipe(id)
        by_photo = recipe.get("size") == PHOTO
        job = Job.from_recipe({**recipe, "size": 1} if by_photo else recipe, self._near(), _by_path)
        return replace(job, size=None) if by_photo else job

    def recipe(self, id: str | None = None) -> dict[str, Any]:
        """Return the recipe of the present job or of a variant, with pictures named as `job` does.

        `Job.from_recipe` opens them and sees that they are still the same.
        """
        with self._lock:
            project = self._said()
            if id is not None:
                kept = project.variant(id).recipe
            elif project.job is not None:
                kept = project.job
            else:
                raise BadInput(f"the project {project.file or self.path} has no job yet")
            near = self._near(project)
            return with_paths(kept, lambda reference: self._inputs.found(reference, near))

    def opened_job(self, id: str | None = None) -> Job:
        """Return the same job with its pictures opened, which needs this folder no more.

        Also raises `BadInput` when a picture is in none of these places or is another one now.
        """
        with self._lock:
            recipe, project = self.recipe(id), self._said()
            known = paths_by_digest(project)
            if recipe.get("size") == PHOTO:
                recipe["size"] = long_side(recipe["inputs"]["content"])

            def found(
                reference: Mapping[str, Any], near: Path | None, side: int, square: bool
            ) -> Source:
                path, digest = reference["path"], reference["sha256"]
                if path is not None and self._inputs.is_inside(Path(path)) and digest not in known:
                    return open_picture(path)  # whole, as it was when it was no file
                return find_picture(reference, near, side, square)

            job = Job.from_recipe(recipe, self._near(project), found)

        def named(source: Source | None) -> Source | None:
            if isinstance(source, Picture) and source.path is not None:
                file, _ = split_frame(source.path)
                if self._inputs.is_inside(file):
                    was = known.get(source.sha256)
                    return replace(source, path=None if was is None else Path(was))
            return source

        i = job.inputs
        styles = tuple((named(style) or style, weight) for style, weight in i.styles)
        inputs = Inputs(named(i.content), styles, named(i.guide), named(i.start))
        return replace(job, inputs=inputs)

    def result(self, id: str) -> Picture:
        """Return the last picture of a variant."""
        with self._reading("result of a variant"):
            return open_picture(self._file("results", id))

    def thumbnail(self, id: str) -> bytes | None:
        """Return the small picture of a variant, a JPEG file; None: there is none."""
        return self._bytes(self._file("thumbnails", id), LARGEST_SMALL)

    def moments(self, id: str) -> dict[int, Path]:
        """Return where the small pictures of a variant's timeline lie, JPEG files, by iteration."""
        with self._reading("moments of a variant"):
            folder = self._part("moments") / _checked(id)
            return {number: folder / f"{number}.jpg" for number in _iterations(folder)}

    def losses(self, id: str) -> LossHistory:
        """Return the losses of a variant's run from its beginning, as far as they were kept."""
        data = self._bytes(self._file("losses", id), losses.LARGEST)
        return LossHistory() if data is None else losses.from_bytes(data)

    def checkpoint(self, id: str) -> bytes | None:
        """Return the checkpoint of a variant, as it was put; None: there is none."""
        return self._bytes(self._file("checkpoints", id), LARGEST_CHECKPOINT)

    # -- keeping ---------------------------------------------------------------------------

    def recipe_of(self, job: Job) -> dict[str, Any]:
        """Return the recipe of a job, and copy its pictures into this folder.

        A picture that cannot be read is only named. One that never was a file is written here, in
        16 bits.
        """
        with self._lock, self._writing("inputs"):
            known = paths_by_digest(self._said())

            def one(source: Source | None) -> dict[str, Any] | None:
                return None if source is None else self._inputs.take_in(source, known)

            i = job.inputs
            inputs = {
                "content": one(i.content),
                "styles": [{**(one(p) or {}), "weight": weight} for p, weight in i.styles],
                "guide": one(i.guide),
                "start": one(i.start),
            }
            bare = replace(job, inputs=Inputs(), size=1 if job.size is None else job.size)
            recipe = {**bare.recipe(), "inputs": inputs}
            if job.size is None:
                recipe["size"] = PHOTO
            return dict(json.loads(json.dumps(recipe)))  # as it will be read again

    def take_in(self, recipe: Mapping[str, Any]) -> dict[str, Any]:
        """Copy the pictures that a recipe names, and that are still the same, into this folder.

        Returns the recipe with every picture named where it was, outside of this folder.
        """
        with self._lock, self._writing("inputs"):
            return self._inputs.named_outside(recipe, paths_by_digest(self._said()))

    def write_job(self, job: Job) -> None:
        """Keep the present job, and its pictures."""
        with self._lock:
            recipe = self.recipe_of(job)
            project = self._said()
            if recipe != project.job:
                self._write(replace(project, job=recipe, unsaved=True))

    def write_window(self, values: Mapping[str, Any]) -> None:
        """Keep what the window wants to find again: plain values."""
        with self._lock:
            project = self._said()
            if values != project.window:
                self._write(replace(project, window=dict(values)))

    def saved_as(self, file: Path | None) -> None:
        """Note that the project is now the same as its file; None: it has no file."""
        with self._lock:
            path = None if file is None else str(file.absolute())
            self._write(replace(self._said(), file=path, unsaved=False))

    def put(
        self,
        variant: Variant,
        picture: Picture | None = None,
        thumbnail: bytes | None = None,
        moments: Mapping[int, bytes | None] | None = None,
        checkpoint: bytes | None = None,
        history: LossHistory | None = None,
    ) -> None:
        """Keep a variant: a new one, or what has become of one that is there.

        What is None stays as it is. A complete variant's old checkpoint is of no use and goes.

        Args:
            variant: what is said of it; its `when` is set to now if it is 0.
            picture: its last picture, which gets the variant's recipe.
            thumbnail: of it, a JPEG file.
            moments: all moments of its timeline by iteration, JPEG files; one that is None is there
                already, and those that are missing go.
            checkpoint: where it can go on from.
            history: all losses of its run.
        """
        id = _checked(variant.id)
        with self._lock:
            project = self._said()
            there = {each.id for each in project.variants}
            if id not in there and len(there) >= MOST_VARIANTS:
                raise BadInput(f"a project keeps {MOST_VARIANTS} variants: delete some first")
            if variant.parent is not None and variant.parent not in there - {id}:
                raise BadInput(f"the project has no variant {variant.parent!r} to start from")
            if moments is not None and len(moments) > MOST_MOMENTS:
                raise BadInput(
                    f"a variant keeps {MOST_MOMENTS} moments, and these are {len(moments)}"
                )
            variant = replace(
                variant,
                recipe=self.take_in(variant.recipe),
                when=variant.when or time.time(),
            )
            if checkpoint is not None:
                self._put("checkpoints", id, checkpoint)
            if picture is not None:
                with self._writing("results"):
                    file = self._file("results", id)
                    save_picture(picture, file, recipe=variant.recipe, bits=16)
            if thumbnail is not None:
                self._put("thumbnails", id, thumbnail)
            if history is not None:
                self._put("losses", id, losses.to_bytes(history))
            if moments is not None:
                self._put_moments(id, moments)
            self._write(replace(project, variants=_with(project, variant), unsaved=True))
            if variant.complete and checkpoint is None:
                with suppress(OSError):
                    self._file("checkpoints", id).unlink(missing_ok=True)

    def remove(self, id: str) -> None:
        """Delete a variant; those that were started from it hang on the one that it hung on."""
        with self._lock:
            project = self._said()
            gone = project.variant(_checked(id))
            left = tuple(
                replace(each, parent=gone.parent, branched_at=gone.branched_at)
                if each.parent == id
                else each
                for each in project.variants
                if each.id != id
            )
            self._write(replace(project, variants=left, unsaved=True))
            for part in SUFFIXES:
                with suppress(OSError):
                    self._file(part, id).unlink(missing_ok=True)
            shutil.rmtree(self._part("moments") / id, ignore_errors=True)

    @contextmanager
    def unchanged(self) -> Iterator[None]:
        """Keep other threads from changing anything inside the block."""
        with self._lock:
            yield

    # -- files -----------------------------------------------------------------------------

    def _said(self) -> Project:
        path = self.path / "project.json"
        try:
            return from_json(read_plain(path, MAX_BYTES), str(path))
        except FileNotFoundError as error:
            if not self.path.is_dir():
                raise BadInput(f"the project's folder {self.path} is gone") from error
            return Project()
        except OSError as error:
            raise BadInput(f"{path} cannot be read ({error.strerror})") from error

    def write(self, project: Project) -> None:
        """Keep what is said of the project as a whole; `put` and the others are for its parts."""
        with self._lock:
            self._write(project)

    def _write(self, project: Project) -> None:
        text = json.dumps(to_values(project), indent=1).encode()
        if len(text) > MAX_BYTES:
            raise BadInput(f"the project would say more than {MAX_BYTES >> 20} MiB of its variants")
        with self._writing(), replacing(self.path / "project.json") as file:
            file.write(text)

    def _part(self, part: str) -> Path:
        return self.path / part

    def _file(self, part: str, id: str) -> Path:
        return self._part(part) / f"{_checked(id)}{SUFFIXES[part]}"

    def _put(self, part: str, id: str, data: bytes) -> None:
        with self._writing(part), replacing(self._file(part, id)) as file:
            file.write(data)

    def _put_moments(self, id: str, moments: Mapping[int, bytes | None]) -> None:
        with self._writing("moments"):
            folder = self._part("moments") / id
            folder.mkdir(exist_ok=True)
            for number, data in moments.items():
                if data is not None:
                    with replacing(folder / f"{int(number)}.jpg") as file:
                        file.write(data)
            for number in _iterations(folder):
                if number not in moments:
                    (folder / f"{number}.jpg").unlink(missing_ok=True)

    @contextmanager
    def _writing(self, part: str = "inputs") -> Iterator[None]:
        """Say of the folder, and not of its files, which nobody has chosen, why it cannot be written."""
        try:
            if part != "inputs":  # it is made for the first of them
                self._part(part).mkdir(exist_ok=True)
            yield
        except (OSError, BadInput) as error:
            cause = error.__cause__ if isinstance(error, BadInput) else error
            if not isinstance(cause, OSError):
                raise
            raise BadInput(
                f"the project's folder {self.path} cannot be written ({_why(cause)})"
            ) from cause

    @contextmanager
    def _reading(self, what: str) -> Iterator[None]:
        with self._lock:
            try:
                yield
            except OSError as error:
                raise BadInput(
                    f"the {what} in {self.path} cannot be read ({_why(error)})"
                ) from error

    def _bytes(self, path: Path, limit: int) -> bytes | None:
        with self._reading(path.parent.name):
            try:
                return read_plain(
                    path, min(limit, path.stat().st_size)
                )  # it takes the limit's memory
            except FileNotFoundError:
                return None

    def _with_files(self, variant: Variant) -> Variant:
        id = variant.id
        return replace(
            variant,
            has_result=self._file("results", id).is_file(),
            has_checkpoint=self._file("checkpoints", id).is_file(),
            moments=tuple(_iterations(self._part("moments") / id)),
        )

    def _near(self, project: Project | None = None) -> Path | None:
        """Return the folder of the project's file, near which its pictures may have moved."""
        file = (project or self._said()).file
        return None if file is None else Path(file).parent


def _with(project: Project, variant: Variant) -> tuple[Variant, ...]:
    """Return a project's variants with a new or changed one."""
    if any(each.id == variant.id for each in project.variants):
        return tuple(variant if each.id == variant.id else each for each in project.variants)
    return (*project.variants, variant)


def _checked(id: str) -> str:
    if not ID.fullmatch(id):
        raise BadInput(f"{id!r} is not the id of a variant")
    return id


def _iterations(folder: Path) -> list[int]:
    try:
        names = [_MOMENT.fullmatch(path.name) for path in folder.iterdir()]
    except OSError:
        return []
    return sorted(int(match[1]) for match in names if match)


def _by_path(
    reference: Mapping[str, Any], _folder: Path | None, _side: int, _square: bool
) -> Source:
    if reference["path"] is None:
        raise BadInput(
            "a picture of this project was never a file, and is not in it: open another one"
        )
    return str(reference["path"])


def _why(error: OSError) -> str:
    return error.strerror or str(error)
