"""A variant as the window shows it, and as a project holds it."""

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from PySide6.QtGui import QImage

from engine.finish import Finish, Finisher, as_made, finish_values
from engine.image import from_tensor
from engine.job import Job
from engine.task import Labels
from engine.work.losses import LossHistory
from engine.work.project_schema import Variant
from gui.pictures import image_of
from gui.pixels import picture_of
from gui.run.worker import RunResult


@dataclass(eq=False)
class VariantEntry:
    """A variant as the window shows it."""

    name: str
    job: Job
    """As in its recipe; its pictures are given by path and checksum only."""
    total: int
    labels: Labels | None
    finish: Finish
    """How it is finished; follows what the user changes while it is shown."""
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    parent: "VariantEntry | None" = None
    branched_at: int = 0
    """The iteration of the parent that it started from."""
    iteration: int = 0
    seconds: float = 0.0
    complete: bool = False
    note: str = ""
    starred: bool = False
    when: float = field(default_factory=time.time)
    size: tuple[int, int] = (0, 0)
    """Width and height; 0: unknown until it is read."""
    thumbnail: QImage = field(default_factory=QImage)
    """Of the result as it is finished; null until made."""
    small: "VariantThumbnail | None" = None
    """The pictures that the thumbnail is made from."""
    running: bool = False
    reached: int = 0
    """How far the run is, if further than what is kept of it."""
    has_checkpoint: bool = False
    """Whether the run can be continued from where it stopped."""
    in_folder: bool = False
    """Whether the project's folder holds the picture."""
    unwritten: RunResult | None = None
    """The picture, until the folder holds it."""
    unwritten_losses: LossHistory | None = None
    """What is kept with it."""
    recipe: Mapping[str, Any] = field(default_factory=dict)
    """The job's recipe as it is written; the finish is filled in then."""
    written_moments: frozenset[int] = frozenset()
    """The iterations whose moments the folder holds."""

    @property
    def has_picture(self) -> bool:
        """Whether there is a picture to show."""
        return self.in_folder or self.unwritten is not None


@dataclass(frozen=True, eq=False)
class VariantThumbnail:
    """A result and the photo that it was made from, at thumbnail size, before finishing.

    Kept as bytes: a session may make hundreds.
    """

    picture: QImage
    photo: QImage | None

    def finished(self, finish: Finish) -> QImage:
        """Return the thumbnail of the result, finished like this."""
        if finish == Finish():
            return self.picture
        photo = None if self.photo is None else picture_of(self.photo)
        picture = picture_of(self.picture)
        finished = Finisher(photo)(as_made(picture), finish)
        return image_of(replace(picture, rgb=from_tensor(finished).rgb))


def variant_of(entry: VariantEntry, finish: Finish) -> Variant:
    """Return a variant as a project records it."""
    recipe = {name: value for name, value in entry.recipe.items() if name != "finish"}
    if finish != Finish():
        values, first = finish_values(finish)
        version = max(int(recipe.get("format", 1)), 2 if first else 3)  # as in `Job.recipe`
        recipe |= {"finish": values, "format": version}
    parent = None if entry.parent is None else entry.parent.id
    return Variant(
        entry.id, recipe, parent, entry.branched_at, entry.name, entry.note, entry.starred,
        entry.iteration, entry.total, entry.seconds, entry.complete, entry.when,
    )  # fmt: skip


def said_of(entry: VariantEntry, variant: Variant) -> Variant:
    """Return a variant with its current name, note, star and finish."""
    return replace(
        variant, name=entry.name, note=entry.note, starred=entry.starred,
        parent=None if entry.parent is None else entry.parent.id, branched_at=entry.branched_at,
    )  # fmt: skip


def entry_of(variant: Variant, job: Job, thumbnail: bytes | None) -> VariantEntry:
    """Return a variant of an opened project, still without its parent."""
    image = QImage.fromData(thumbnail) if thumbnail else QImage()
    return VariantEntry(
        variant.name or job.technique.title, job, variant.total, None, job.finish, variant.id,
        branched_at=variant.branched_at, iteration=variant.iteration, seconds=variant.seconds,
        complete=variant.complete, note=variant.note, starred=variant.starred, when=variant.when,
        thumbnail=image, has_checkpoint=variant.has_checkpoint, in_folder=variant.has_result,
        recipe=variant.recipe, written_moments=frozenset(variant.moments),
    )  # fmt: skip
