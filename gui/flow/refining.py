"""A stylization in one pass refined: style transfer that starts from its picture."""

import hashlib
from dataclasses import replace
from functools import partial

from PySide6.QtCore import QObject, Signal, Slot

from engine import settings
from engine.errors import PareidoliaError
from engine.image import Picture
from engine.job import Job
from engine.techniques.style_transfer import StyleTransfer
from engine.techniques.stylize import Stylize
from gui.background import Background
from gui.flow.following import CARRIED, FollowFlow
from gui.flow.running import RunFlow
from gui.flow.shown_run import RunRecord
from gui.flow.variants import kept_picture
from gui.session import with_paths
from gui.wording import worded

USUAL = "Fast preview"
"""The preset to use if style transfer has not been set up yet: most of the work is done already."""


class RefineFlow(QObject):
    """Sets up and starts the refinement of the result on the canvas, as one undo step."""

    said = Signal(str)
    failed = Signal(str)

    def __init__(
        self, running: RunFlow, follow: FollowFlow, background: Background, parent: QObject
    ) -> None:
        super().__init__(parent)
        self.running, self.follow, self.background = running, follow, background

    @property
    def possible(self) -> bool:
        """Whether the run on the canvas left something to refine."""
        result = self.running.result
        idle = not self.running.controller.active
        return idle and result is not None and isinstance(result.job.technique, Stylize)

    @Slot()
    def refine(self) -> None:
        """Start style transfer from the result on the canvas."""
        record = self.running.record
        if not self.possible or record is None or record.result is None:
            self.said.emit(self.tr("There is no stylization in one pass to refine."))
            return
        self.follow.keep()  # the refined picture becomes its child
        work = partial(_in_file, record.result.picture)
        self.background.submit(work, partial(self._on_kept, record), self._on_failed)

    def _on_kept(self, record: RunRecord, found: tuple[str, str]) -> None:
        path, digest = found
        result = record.result
        if result is None or self.running.controller.active:
            return
        if record.entry is not None:
            self.running.branching.note(digest, record.entry, result.iteration)
        job, studio = with_paths(result.job), self.running.studio
        left = studio.left().get(StyleTransfer.command)
        studio.edit(
            self.tr("Refine by optimization"),
            technique=refinement(job, left[0] if left is not None else None),
            inputs=replace(job.inputs, start=path),
            size=job.size,
        )
        self.running.start()

    def _on_failed(self, error: BaseException) -> None:
        if not isinstance(error, (PareidoliaError, OSError)):
            raise error
        self.failed.emit(worded(error))


def refinement(job: Job, left: object = None) -> StyleTransfer:
    """Return the style transfer that refines a result: with its last settings, started from a picture."""
    technique = left
    if not isinstance(technique, StyleTransfer):
        technique = settings.make(StyleTransfer, StyleTransfer.presets[USUAL])
    carried = {name: getattr(job.technique, other) for name, other in CARRIED.items()}
    return replace(technique, **carried).begun_with_picture()


def _in_file(picture: Picture) -> tuple[str, str]:
    """Write a picture where a run can start from it; return its path and checksum."""
    file = kept_picture(picture)
    return str(file), hashlib.sha256(file.read_bytes()).hexdigest()
