"""Jobs that refer to their pictures without holding them: a few bytes instead of many megapixels."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from engine.errors import BadInput
from engine.image import Picture, open_picture
from engine.job import Job
from engine.recipe_values import Source
from gui.run.worker import RunResult


def referenced(job: Job) -> Job:
    """Return the job with its pictures given by path and checksum, without their pixels."""

    def name(source: Source) -> Source:
        if not isinstance(source, Picture):
            return source
        none = np.zeros((1, 1, 3), np.float32)
        return Picture(none, path=source.path, sha256=source.sha256)

    return _with_pictures(job, name)


def is_reference(source: object) -> bool:
    """Whether a picture of a job lacks its pixels."""
    return isinstance(source, Picture) and source.rgb.size == 3


def photo_of(result: RunResult) -> Picture | None:
    """Return the photo that a result was made of, if it is still there."""
    content = result.job.inputs.content
    return content if isinstance(content, Picture) and not is_reference(content) else None


def opened_again(job: Job) -> Job:
    """Return a job of an opened project with its pictures opened, as far as they can be."""

    def found(source: Source) -> Source:
        if isinstance(source, Picture):
            return source
        try:
            return open_picture(source)
        except BadInput:  # the result exists all the same
            return Picture(np.zeros((1, 1, 3), np.float32), path=Path(source))

    return _with_pictures(job, found)


def _with_pictures(job: Job, change: Callable[[Source], Source]) -> Job:
    return replace(job, inputs=job.inputs.changed(change))
