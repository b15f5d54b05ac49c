"""Films: a run's frames, saved as a video or a folder."""

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, Signal, Slot
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QDialog, QWidget

from engine.errors import Cancelled, PareidoliaError
from engine.film import Change, assemble
from engine.finish import Finish, Finisher, of_film_frame
from engine.image import Picture
from gui.background import Background
from gui.dialogs.file_dialogs import file_to_save
from gui.dialogs.film_progress import FilmProgress
from gui.dialogs.open_sources import apart
from gui.dialogs.saving import Unsaved, offer_again
from gui.flow.files import FilesFlow
from gui.flow.help import bind_help
from gui.flow.running import RunFlow
from gui.run.film_frames import FilmFrames
from gui.wording import worded

log = logging.getLogger("pareidolia.films")


class FilmFlow(QObject):
    """Saves the film of the run on the canvas, even while it is still growing."""

    said = Signal(str)
    failed = Signal(str)

    def __init__(
        self, running: RunFlow, files: FilesFlow, background: Background, window: QWidget
    ) -> None:
        super().__init__(window)
        self.running, self.files = running, files
        self.background, self.window = background, window
        self.progress: FilmProgress | None = None
        """The progress bar of the film being written."""
        self._film_frames: FilmFrames | None = None
        self._action: QAction | None = None
        running.controller.points.connect(self._refresh)
        running.finished.connect(self._on_finished)

    def bind(self, action: QAction) -> None:
        """Keep the action enabled exactly while there is a film to save."""
        self._action = action
        self._refresh()

    def close(self) -> None:
        """Let go of the film, so that its files are deleted."""
        self._film_frames = None
        if self.running.record is not None:
            self.running.record.film_frames = None

    @Slot()
    def _refresh(self) -> None:
        film_frames = self.running.film_frames
        if film_frames is not self._film_frames:
            if (
                self._film_frames
            ):  # deletes the last run's files, unless a film is being made from them
                self.background.submit([self._film_frames].clear)
            self._film_frames = film_frames
        if self._action is not None:
            self._action.setEnabled(bool(film_frames) and self.progress is None)

    @Slot()
    def _on_finished(self) -> None:
        self._refresh()
        if self._film_frames is not None and self._film_frames.problem:
            self.failed.emit(self._film_frames.problem)

    @Slot()
    def save(self) -> None:
        """Ask for the kind of film and where to save it, then write it."""
        from gui.dialogs.film import FilmDialog

        film_frames = self.running.film_frames
        if not film_frames:
            return
        dialog = FilmDialog(film_frames, self.window)
        bind_help(dialog, "window.md#films")
        accepted = dialog.exec() == QDialog.DialogCode.Accepted
        suffix, rate = dialog.suffix, dialog.rate.value()
        dialog.deleteLater()
        if not accepted:
            return
        self._ask(film_frames, suffix, rate, self.files.suggestion(suffix))

    def _ask(self, film_frames: FilmFrames, suffix: str, rate: float, name: str) -> None:
        title, kinds = self.tr("Save film"), f"*{suffix}" if suffix else self.tr("A new folder (*)")
        answer = file_to_save(self.window, "film", title, name, kinds)
        if answer is not None:
            again = partial(self._ask, film_frames, suffix, rate, str(answer[0]))
            unsaved = partial(offer_again, self.window, title, again=again)
            self.write(answer[0], rate, film_frames, unsaved)

    def write(
        self,
        path: Path,
        rate: float,
        film_frames: FilmFrames | None = None,
        unsaved: Unsaved | None = None,
    ) -> None:
        """Write the frames so far, `rate` a second, as a video (by suffix) or into a folder."""
        film_frames = film_frames or self.running.film_frames
        if not film_frames or self.progress is not None:
            return
        files, change = film_frames.files(), self._change(film_frames.first)
        title, text = self.tr("Save film"), self.tr("Writing {0}").format(path.name)
        self.progress = progress = FilmProgress(title, text, len(files), self.window)
        work = partial(
            _assemble, film_frames, files, path, rate, progress.moved.emit,
            progress.cancelled.is_set, change,
        )  # fmt: skip
        failed = partial(self._on_failed, unsaved)
        self.background.submit(apart(path, work), self._on_saved, failed, keep=True)
        self._refresh()

    def _change(self, first: int) -> Change | None:
        """Return what finishes the frames as on the canvas; they are kept unfinished.

        `first`: the number of the first one in the film.
        """
        finish, job = self.running.finish(), self.running.job
        if finish == Finish() or job is None:
            return None
        content = job.inputs.content
        finisher = Finisher(content if isinstance(content, Picture) else None)
        return lambda frame, number: finisher(frame, of_film_frame(finish, number + first - 1))

    def _end(self) -> None:
        if self.progress is not None:
            self.progress.end()
            self.progress = None
        self._refresh()

    def _on_saved(self, path: Path) -> None:
        self._end()
        log.info("saved %s", path)
        self.said.emit(self.tr("Saved {0}").format(path))

    def _on_failed(self, unsaved: Unsaved | None, error: BaseException) -> None:
        self._end()
        if isinstance(error, Cancelled):
            self.said.emit(self.tr("No film was written."))
        elif isinstance(error, (PareidoliaError, OSError)):
            self.failed.emit(worded(error))
            if unsaved is not None:
                unsaved(worded(error))
        else:
            raise error


def _assemble(
    _film_frames: FilmFrames, files: list[Path], path: Path, rate: float, moved: Callable[[int], None],
    cancelled: Callable[[], bool], change: Change | None,
) -> Path:  # fmt: skip
    """Write the film; holding the reel keeps its files until it is done."""
    return assemble(files, path, rate, moved, cancelled, change)
