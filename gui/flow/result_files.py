"""The files of a result: its picture with the recipe, or its figure."""

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication

from engine.errors import BadInput, PareidoliaError
from engine.export import Export
from engine.export_files import export_picture
from engine.image import Picture, open_picture
from engine.job import Job, carried, prepare
from engine.reduced import open_for, side_needed
from gui.flow.finish import finished_picture
from gui.run.referenced import is_reference
from gui.run.worker import RunResult

if TYPE_CHECKING:
    from engine.networks.network import Network


def photo_for(picture: Picture, job: Job) -> Picture | None:
    """Return a job's photo, large enough for a picture made from it, if it still exists.

    Raises `BadInput` if its file can no longer be read.
    """
    content = job.inputs.content
    if isinstance(content, str):
        content = open_for(content, side_needed(job.technique, max(picture.width, picture.height)))
    return content if isinstance(content, Picture) and not is_reference(content) else None


def complete(picture: Picture, photo: Picture | None, job: Job) -> Picture:
    """Return a picture, finished; a moment taken from the screen gets the photo's EXIF data."""
    picture = finished_picture(picture, photo, job.finish)
    like = carried(replace(job, inputs=replace(job.inputs, content=photo)))
    if like is not None and picture.exif is None and picture.alpha is None:
        alpha = None
        if like.alpha is not None:
            alpha = like.resized(size=(picture.width, picture.height)).alpha
        picture = replace(picture, exif=like.exif, alpha=alpha)
    return picture


def write_with_recipe(picture: Picture, path: Path, job: Job, bits: int = 8) -> Path:
    """Write a picture, finished and with its recipe, keeping the usual data of the photo."""
    picture = complete(picture, photo_for(picture, job), job)
    return export_picture(picture, path, Export(bits=str(bits)), job.recipe(), photo_file(job))


def photo_file(job: Job) -> Path | None:
    """Return the path of a job's photo."""
    content = job.inputs.content
    path = content.path if isinstance(content, Picture) else content
    return None if path is None else Path(path)


def written_and_told(picture: Picture, path: Path, job: Job, bits: int) -> tuple[Path, str]:
    """Write a picture as `write_with_recipe` does; return its path and any verdict on the file.

    Some formats lose the details that fool a network.
    """
    path = write_with_recipe(picture, path, job, bits)
    if job.technique.has_verdict:
        with suppress(PareidoliaError):  # the picture is saved; only the sentence is missing
            return path, job.technique.verdict(prepare(job), open_picture(path)).words
    return path, ""


def made_figure(result: RunResult, network: "Network | None" = None) -> Picture:
    """Return the figure that explains a result; if its network is not given, it is loaded again."""
    job = result.job
    if not job.technique.has_figure:
        raise BadInput(
            QCoreApplication.translate("Writing", "{0} makes no figure").format(job.technique.title)
        )
    return job.technique.figure(prepare(job, network), result.picture.tensor())
