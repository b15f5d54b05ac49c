"""The run whose pictures are in the timeline and on the canvas, and what can be made from them."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from PySide6.QtCore import QObject

from engine.finish import Finish, Finisher
from engine.image import Picture
from engine.job import Job
from engine.task import Labels
from engine.work.losses import LossHistory
from gui.flow.canvas_content import CanvasContent
from gui.pixels import picture_of
from gui.run.film_frames import FilmFrames
from gui.run.history import Moment
from gui.run.variant_entry import VariantEntry
from gui.run.worker import RunResult
from gui.session import path_of


@dataclass
class RunRecord:
    """What is known of a run: its job, its changes, its result."""

    job: Job
    changes: list[tuple[int, Mapping[str, Any]]] = field(default_factory=list)
    result: RunResult | None = None
    film_frames: FilmFrames | None = None
    labels: Labels | None = None
    finisher: Finisher | None = None
    entry: VariantEntry | None = None
    """The variant that it makes or has made."""
    moments: list[Moment] | None = None
    """The moments of its timeline, as read; None: they are in the controller's history."""
    total: int = 0
    losses: LossHistory = field(default_factory=LossHistory)
    """From its beginning, even if it was continued."""


class ShownRun(QObject):
    """Keeps the record of the run shown, and makes recipes and pictures from it."""

    def __init__(self, canvas_content: CanvasContent, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.canvas_content = canvas_content
        self.record: RunRecord | None = None
        """The run whose pictures are in the timeline and on the canvas."""

    @property
    def result(self) -> RunResult | None:
        """The result of the run on the canvas; None while it is active."""
        return self.record.result if self.record else None

    @property
    def job(self) -> Job | None:
        """The job of the run on the canvas."""
        return self.record.job if self.record else None

    @property
    def film_frames(self) -> FilmFrames | None:
        """The film of the run on the canvas so far."""
        return self.record.film_frames if self.record else None

    @property
    def changes(self) -> list[tuple[int, Mapping[str, Any]]]:
        """The live changes of the run on the canvas."""
        return self.record.changes if self.record else []

    def recipe_job(self, iteration: int) -> Job | None:
        """Return the job whose recipe makes the picture of `iteration` of the last run."""
        if self.result is not None and self.result.iteration == iteration:
            return replace(self.result.job, finish=self.finish())
        if self.job is None:
            return None
        done = self.result.job if self.result is not None else self.job
        changes = tuple(c for c in self.changes if c[0] < iteration)
        return replace(done, changes=changes, stop_after=iteration, finish=self.finish())

    def finish(self) -> Finish:
        """Return how results are finished now."""
        return Finish()

    def finisher_of(self, iteration: int) -> tuple[Finisher, Picture | None] | None:
        """Return what finishes the run's pictures, and the picture of `iteration` in full precision."""
        record = self.record
        if record is None or record.finisher is None:
            return None
        result = record.result
        exact = result is not None and result.iteration == iteration
        return record.finisher, result.picture if result is not None and exact else None

    def picture(self) -> Picture | None:
        """Return the picture on the canvas, unfinished, in full precision if available."""
        current = self.canvas_content.current
        if current is None or current.kind not in ("frame", "moment"):
            return None
        if self.result is not None and current.iteration == self.result.iteration:
            return self.result.picture
        # Its file gets the photo's own transparency, of which the screen has only 8 bits.
        return replace(picture_of(current.raw or current.image), alpha=None)

    def content_path(self) -> str | None:
        """Return the path of the photo that the last run worked on."""
        return path_of(self.job.inputs.content) if self.job else None
