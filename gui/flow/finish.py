"""How a run's pictures are finished: computed in the background, shown as the settings change."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QObject, QSize, Slot
from PySide6.QtGui import QImage

from engine.finish import Finish, Finisher, as_made
from engine.image import Picture, from_tensor, to_bytes8
from engine.job import Job
from gui.background import Background
from gui.pixels import picture_of, to_image
from gui.run.latest import LatestOnly
from gui.studio import Studio

if TYPE_CHECKING:
    from gui.flow.canvas_content import CanvasContent, CanvasPicture

Source = Callable[[int], tuple[Finisher, Picture | None] | None]
"""Takes an iteration; returns what finishes the run's pictures and, if there is one, that picture in
full precision; None: there is no run."""


class FinishFlow(QObject):
    """Shows a run's pictures with the current finish, and again when that changes."""

    def __init__(
        self, studio: Studio, canvas_content: "CanvasContent", background: Background, source: Source,
        parent: QObject | None = None,
    ) -> None:  # fmt: skip
        super().__init__(parent)
        self.studio, self.canvas_content, self.source = studio, canvas_content, source
        self._newest = LatestOnly(background, self._on_finished, self._on_failed, self)
        self._size: QSize | None = None
        studio.changed.connect(self._on_job)

    @property
    def busy(self) -> bool:
        """Whether a picture is being finished."""
        return self._newest.busy

    def put(self, canvas_picture: "CanvasPicture", size: QSize | None) -> None:
        """Show a run's picture, finished."""
        self._size = size
        finish, raw = self.studio.job.finish, canvas_picture.raw
        found = self.source(canvas_picture.iteration)
        if finish == Finish() or found is None or raw is None:
            self._newest.forget()
            self.canvas_content.put(
                replace(canvas_picture, image=raw or canvas_picture.image), size
            )
            return
        self.canvas_content.current = canvas_picture  # the picture that would be saved now
        finisher, exact = found
        self._newest.ask(partial(_finished, canvas_picture, exact or raw, finisher, finish))

    @Slot()
    def refresh(self) -> None:
        """Finish the picture on the canvas again."""
        current = self.canvas_content.current
        if current is not None and current.raw is not None:
            self.put(current, self._size)

    def _on_finished(self, canvas_picture: "CanvasPicture") -> None:
        current = self.canvas_content.current
        if (
            current is not None and current.raw is canvas_picture.raw
        ):  # otherwise another is shown by now
            self.canvas_content.put(canvas_picture, self._size)

    def _on_failed(self, error: BaseException) -> None:
        raise error

    @Slot(object, object)
    def _on_job(self, before: Job, after: Job) -> None:
        if before.finish != after.finish:
            self.refresh()


def _finished(
    canvas_picture: "CanvasPicture", source: Picture | QImage, finisher: Finisher, finish: Finish
) -> "CanvasPicture":
    picture = source if isinstance(source, Picture) else picture_of(source)
    pixels = to_bytes8(finisher(as_made(picture), finish))
    if picture.alpha is not None:
        alpha = np.rint(picture.alpha * np.float32(255)).astype(np.uint8)
        pixels = np.dstack((pixels, alpha))
    return replace(canvas_picture, image=to_image(pixels))


def finished_picture(picture: Picture, photo: Picture | None, finish: Finish) -> Picture:
    """Return a picture, finished, with everything else unchanged."""
    if finish == Finish():
        return picture
    return replace(picture, rgb=from_tensor(Finisher(photo)(as_made(picture), finish)).rgb)
