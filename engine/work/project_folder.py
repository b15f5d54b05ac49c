"""A project in use: a folder, in which everything is on the disk as soon as it is kept.

`project.json` lists the contents; beside it lie `inputs/<sha256>.<suffix>`, `results/<id>.png` (16
bits), `thumbnails/<id>.jpg`, `moments/<id>/<iteration>.jpg`, `losses/<id>.safetensors` and
`checkpoints/<id>.safetensors`. Each file is written next to its destination, synced and renamed,
and `project.json` last: whenever the program or the power fails, the folder is a complete project.
Input pictures are copied by content, so that the project does not depend on where they were.
"""

import json
import shutil
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from engine.errors import BadInput
from engine.files import split_frame
from engine.image import Picture, open_picture, save_picture
from engine.job import Inputs, Job, with_inputs
from engine.named_files import find_picture
from engine.recipe_values import Source
from engine.work import losses
from engine.work.job_files import long_side
from engine.work.losses import LossHistory
from engine.work.project_inputs import paths_by_digest, with_paths
from engine.work.project_parts import (
    SUFFIXES,
    ProjectParts,
    checked_id,
)
from engine.work.project_schema import (
    MOST_MOMENTS,
    MOST_VARIANTS,
    Project,
    Variant,
)

__all__ = ["Project", "ProjectFolder", "Variant"]

PHOTO = "photo"


class ProjectFolder(ProjectParts):
    """A project's folder. One for each folder in a program; its methods may be called by any thread.

    All of them raise `BadInput` with a sentence when the folder cannot be read or written. Nothing
    that was kept before is lost then.
    """

    # -- what is there ---------------------------------------------------------------------

    def job(self, id: str | None = None) -> Job:
        """Return the current job, or that of a variant, with its pictures named by path.

        A picture is named where it was if it is still the same there, else in this folder. One that
        is in neither is looked for near the project's file, and is named where it was if that fails
        too.
        """
        recipe = self.recipe(id)
        by_photo = recipe.get("size") == PHOTO
        job = Job.from_recipe({**recipe, "size": 1} if by_photo else recipe, self._near(), _by_path)
        return replace(job, size=None) if by_photo else job

    def recipe(self, id: str | None = None) -> dict[str, Any]:
        """Return the recipe of the current job or of a variant, with pictures named as `job` does.

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
        """Return the same job with its pictures opened, which no longer needs this folder.

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

        def named(source: Source) -> Source:
            if isinstance(source, Picture) and source.path is not None:
                file, _ = split_frame(source.path)
                if self._inputs.is_inside(file):
                    was = known.get(source.sha256)
                    return replace(source, path=None if was is None else Path(was))
            return source

        return replace(job, inputs=job.inputs.changed(named))

    # -- keeping ---------------------------------------------------------------------------

    def recipe_of(self, job: Job) -> dict[str, Any]:
        """Return the recipe of a job, and copy its pictures into this folder.

        A picture that cannot be read is only named. One that never was a file is written here, in
        16 bits.
        """
        with self._lock, self._writing("inputs"):
            known = paths_by_digest(self._said())
            inputs = job.inputs.described(lambda source: self._inputs.take_in(source, known))
            bare = replace(job, inputs=Inputs(), size=1 if job.size is None else job.size)
            recipe = with_inputs(bare.recipe(), inputs)
            if job.size is None:
                recipe["size"] = PHOTO
            return dict(json.loads(json.dumps(recipe)))  # as it will be read again

    def take_in(self, recipe: Mapping[str, Any]) -> dict[str, Any]:
        """Copy the pictures that a recipe names, and that are still the same, into this folder.

        Returns the recipe with every picture named where it was, outside this folder.
        """
        with self._lock, self._writing("inputs"):
            return self._inputs.named_outside(recipe, paths_by_digest(self._said()))

    def write_job(self, job: Job) -> None:
        """Keep the current job, and its pictures."""
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
        """Keep a variant: a new one, or a new state of one that is there.

        Whatever is None stays as it is. The old checkpoint of a variant now complete is deleted.

        Args:
            variant: its description; `when` is set to now if it is 0.
            picture: its last picture, which gets the variant's recipe.
            thumbnail: of it, a JPEG file.
            moments: all moments of its timeline by iteration, JPEG files; one that is None is there
                already, and those not mentioned are deleted.
            checkpoint: where it can go on from.
            history: all losses of its run.
        """
        id = checked_id(variant.id)
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
        """Delete a variant; those that were started from it become children of its own parent."""
        with self._lock:
            project = self._said()
            gone = project.variant(checked_id(id))
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

    def _near(self, project: Project | None = None) -> Path | None:
        """Return the folder of the project's file, near which its pictures may have moved."""
        file = (project or self._said()).file
        return None if file is None else Path(file).parent


def _with(project: Project, variant: Variant) -> tuple[Variant, ...]:
    """Return a project's variants with a new or changed one."""
    if any(each.id == variant.id for each in project.variants):
        return tuple(variant if each.id == variant.id else each for each in project.variants)
    return (*project.variants, variant)


def _by_path(
    reference: Mapping[str, Any], _folder: Path | None, _side: int, _square: bool
) -> Source:
    if reference["path"] is None:
        raise BadInput(
            "a picture of this project was never a file, and is not in it: open another one"
        )
    return str(reference["path"])
