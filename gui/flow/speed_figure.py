"""The figure of one pass against optimization, measured on this machine."""

import tempfile
import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, Signal, Slot
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QWidget

from engine.errors import Cancelled, PareidoliaError
from engine.image import Picture, open_picture
from engine.job import Job
from engine.techniques.stylize import Stylize
from gui.background import Background
from gui.dialogs.figure import FigureWindow
from gui.dialogs.film_progress import FilmProgress
from gui.flow.files import FilesFlow
from gui.flow.running import RunFlow
from gui.pictures import image_of
from gui.pixels import levels_of
from gui.wording import worded

SECONDS = 30
"""For each of the two optimizations."""
SIDE = 512
"""Longest side at which they are compared, in pixels: they should have come far by then."""

Made = tuple[Picture, tuple[QImage, ...], str]


class SpeedFigureFlow(QObject):
    """Measures how long optimization takes to get as far as the stylization on the canvas."""

    said = Signal(str)
    failed = Signal(str)

    def __init__(
        self, running: RunFlow, files: FilesFlow, background: Background, window: QWidget
    ) -> None:
        super().__init__(window)
        self.running, self.files = running, files
        self.background, self.window = background, window
        self.progress: FilmProgress | None = None
        """The progress bar of the measurement under way."""

    @property
    def possible(self) -> bool:
        """Whether there is a stylization in one pass to compare with, and nothing is measured yet."""
        result = self.running.result
        idle = not self.running.controller.active and self.progress is None
        return idle and result is not None and isinstance(result.job.technique, Stylize)

    @Slot()
    def show(self) -> None:
        """Measure, then open the figure."""
        result = self.running.result
        if result is None or not self.possible:
            self.said.emit(self.tr("There is no stylization in one pass to compare with."))
            return
        title = self.tr("One pass against optimization")
        text = self.tr("Optimizing the same loss, {0} s with Adam and {0} s with L-BFGS").format(
            SECONDS
        )
        self.progress = progress = FilmProgress(title, text, 2 * SECONDS, self.window)
        job = replace(result.job, size=min(result.job.size or SIDE, SIDE))
        work = partial(_made, job, progress.moved.emit, progress.cancelled)
        self.background.submit(work, partial(self._on_made, result.job), self._on_failed)

    def close(self) -> None:
        """End the measurement: the window closes."""
        if self.progress is not None:
            self.progress.cancelled.set()

    def _end(self) -> None:
        if self.progress is not None:
            self.progress.end()
            self.progress = None

    def _on_made(self, job: Job, made: Made) -> None:
        self._end()
        figure, levels, words = made
        self.said.emit(words)
        title = self.tr("One pass against optimization")
        window = FigureWindow(figure, levels, title, self.window)
        window.save_requested.connect(partial(self._on_save, job))
        window.show()

    def _on_save(self, job: Job, figure: Picture) -> None:
        self.files.save_figure_of(job, lambda: figure)

    def _on_failed(self, error: BaseException) -> None:
        self._end()
        if isinstance(error, Cancelled):
            self.said.emit(self.tr("No figure was made."))
        elif isinstance(error, (PareidoliaError, OSError)):
            self.failed.emit(worded(error))
        else:
            raise error


def _made(job: Job, moved: Callable[[int], None], cancelled: threading.Event) -> Made:
    """Measure and draw. Raises `Cancelled`."""
    from engine.work.speed_comparison import compare, training_minutes, usual_judges
    from engine.work.speed_figure import check_figure, draw, in_words

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "figure.png")
        check_figure(path)
        done: dict[str, float] = {}

        def shown(name: str, seconds: float) -> None:
            done[name] = min(seconds, SECONDS)
            moved(round(sum(done.values())))

        assert isinstance(job.technique, Stylize)
        minutes = training_minutes(job.technique.style_network)
        found = compare(job, usual_judges(job), SECONDS, minutes, cancelled.is_set, shown)
        if cancelled.is_set():
            raise Cancelled
        draw(found, path)
        figure = open_picture(path)
    return figure, levels_of(image_of(figure)), in_words(found)
