"""How the run's pictures are finished: worked out behind the window, shown as it changes."""

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
from gui.run.newest import Newest
from gui.studio import Studio

if TYPE_CHECKING:
    from gui.flow.showing import Showable, Showing

Source = Callable[[int], tuple[Finisher, Picture | None] | None]
"""Takes an iteration; returns what finishes the run's pictures, and that one in full precision if
there is one; None: there is no run."""


class Finishing(QObject):
    """Shows pictures of a run as they are finished now, and again when that changes."""

    def __init__(
        self, studio: Studio, showing: "Showing", background: Background, source: Source,
        parent: QObject | None = None,
    ) -> None:  # fmt: skip
        super().__init__(parent)
        self.studio, self.showing, self.source = studio, showing, source
        self._newest = Newest(background, self._on_finished, self._on_failed, self)
        self._size: QSize | None = None
        studio.changed.connect(self._on_job)

    @property
    def busy(self) -> bool:
        """Whether a picture is being finished."""
        return self._newest.busy

    def put(self, showable: "Showable", size: QSize | None) -> None:
        """Show a picture that a run has made, finished."""
        self._size = size
        finish, raw = self.studio.job.finish, showable.raw
        found = self.source(showable.iteration)
        if finish == Finish() or found is None or raw is None:
            self._newest.forget()
            self.showing.put(replace(showable, image=raw or showable.image), size)
            return
        self.showing.current = showable  # what would be saved now
        finisher, exact = found
        self._newest.ask(partial(_finished, showable, exact or raw, finisher, finish))

    @Slot()
    def refresh(self) -> None:
        """Finish the picture on the canvas anew."""
        current = self.showing.current
        if current is not None and current.raw is not None:
            self.put(current, self._size)

    def _on_finished(self, showable: "Showable") -> None:
        current = self.showing.current
        if current is not None and current.raw is showable.raw:  # else another is shown by now
            self.showing.put(showable, self._size)

    def _on_failed(self, error: BaseException) -> None:
        raise error

    @Slot(object, object)
    def _on_job(self, before: Job, after: Job) -> None:
        if before.finish != after.finish:
            self.refresh()


def _finished(
    showable: "Showable", source: Picture | QImage, finisher: Finisher, finish: Finish
) -> "Showable":
    picture = source if isinstance(source, Picture) else picture_of(source)
    pixels = to_bytes8(finisher(as_made(picture), finish))
    if picture.alpha is not None:
        alpha = np.rint(picture.alpha * np.float32(255)).astype(np.uint8)
        pixels = np.dstack((pixels, alpha))
    return replace(showable, image=to_image(pixels))


def finished_picture(picture: Picture, photo: Picture | None, finish: Finish) -> Picture:
    """Return a picture as it is finished, with all that came along."""
    if finish == Finish():
        return picture
    return replace(picture, rgb=from_tensor(Finisher(photo)(as_made(picture), finish)).rgb)
