"""Exports the picture on the canvas, alone or beside its photo, or a film of how it came about."""

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal, Slot
from PySide6.QtWidgets import QDialog

from engine import settings
from engine.animation import Bytes, frame_count, write_timeline
from engine.errors import BadInput, Cancelled, PareidoliaError
from engine.export import Export
from engine.export_files import export_picture, films_here, formats_here, pair
from engine.finish import Finish, Finisher, as_made
from engine.image import Picture, to_bytes8
from engine.image_saving import check_target
from engine.job import Job
from engine.project import check_apart
from gui.dialogs.export import ExportDialog
from gui.dialogs.file_dialogs import file_to_save
from gui.dialogs.film_progress import FilmProgress
from gui.dialogs.open_sources import apart
from gui.dialogs.saving import offer_again
from gui.flow.help import bind_help
from gui.flow.result_files import complete, photo_file, photo_for
from gui.panels.editors import commit_typed
from gui.pixels import picture_of
from gui.run.history import Moment
from gui.window_settings import window_settings
from gui.wording import worded

if TYPE_CHECKING:
    from gui.main_window import MainWindow

KEPT = "export"
"""The key of the last export's choices in the window's settings."""
log = logging.getLogger("pareidolia.files")


@dataclass(frozen=True)
class ToExport:
    """What was on the canvas when the export was requested."""

    picture: Picture
    job: Job
    moments: Sequence[Moment]


class ExportFlow(QObject):
    """Asks how and where to export, and writes the file in the background."""

    said = Signal(str)
    failed = Signal(str)

    def __init__(self, window: "MainWindow") -> None:
        super().__init__(window)
        self.window, self.background = window, window.background
        self.progress: FilmProgress | None = None

    @Slot()
    def export(self) -> None:
        """Ask how and where to export what is on the canvas."""
        commit_typed()
        ready = self.window.files.ready()  # now, as a run goes on behind the dialog
        if ready is None:
            self.said.emit(self.tr("There is no result to export yet: press Run."))
            return
        wanted = ToExport(*ready, tuple(self.window.running.moments()))
        dialog = self.dialog_for(wanted)
        bind_help(dialog, "window.md#export")
        accepted, export = dialog.exec() == QDialog.DialogCode.Accepted, dialog.export
        dialog.deleteLater()
        if accepted:
            window_settings().setValue(KEPT, json.dumps(settings.values(export)))
            self._ask(wanted, export, self.window.files.suggestion(export.suffix))

    def dialog_for(self, wanted: ToExport) -> ExportDialog:
        """Return the dialog, with the choices available now."""
        what = ["picture"]
        if wanted.job.inputs.content is not None:
            what.append("pair")
        if len(wanted.moments) > 1:
            what.append("timeline")
        choices = {"what": tuple(what), "format": formats_here(), "film": films_here()}
        return ExportDialog(last_export(), choices, self.window)

    def _ask(self, wanted: ToExport, export: Export, name: str) -> None:
        title = self.tr("Export picture")

        def check(path: Path, _chosen: str) -> None:
            if export.what != "timeline":
                check_target(path, int(export.bits))
            check_apart(path, wanted.job.inputs)

        kinds = f"{export.suffix[1:].upper()} (*{export.suffix})"
        answer = file_to_save(self.window, "picture", title, name, kinds, check)
        if answer is not None:
            self.write(wanted, export, answer[0])

    def write(self, wanted: ToExport, export: Export, path: Path) -> None:
        """Write the file in the background."""
        if export.what == "timeline":
            if self.progress is not None:
                self.failed.emit(self.tr("A film is already being written: wait until it is done."))
                return
            title, text = self.tr("Export picture"), self.tr("Writing {0}").format(path.name)
            self.progress = progress = FilmProgress(title, text, frame_count(export), self.window)
            work: Callable[[], Path] = partial(
                film_of, wanted, export, path, progress.moved.emit, progress.cancelled.is_set
            )
        else:
            work = partial(picture_file, wanted, export, path)

        film = export.what == "timeline"

        def failed(error: BaseException) -> None:
            self._end(film)
            if isinstance(error, Cancelled):
                self.said.emit(self.tr("No film was written."))
                return
            if not isinstance(error, (PareidoliaError, OSError)):
                raise error
            self.failed.emit(worded(error))
            again = partial(self._ask, wanted, export, str(path))
            offer_again(self.window, self.tr("Export picture"), worded(error), again=again)

        written = partial(self._on_written, film)
        self.background.submit(apart(path, work), written, failed, keep=True)

    def _on_written(self, film: bool, path: Path) -> None:
        self._end(film)
        log.info("exported %s", path)
        self.said.emit(self.tr("Exported {0}").format(path))

    def _end(self, film: bool) -> None:
        # A picture may be finished while a film is being written.
        if film and self.progress is not None:
            self.progress.end()
            self.progress = None


def last_export() -> Export:
    """Return the choices of the last export."""
    try:
        return settings.make(Export, json.loads(str(window_settings().value(KEPT) or "{}")))
    except (ValueError, TypeError, AttributeError, RecursionError, BadInput):
        log.warning("how the last picture was exported cannot be read: starting afresh")
        return Export()


def picture_file(wanted: ToExport, export: Export, path: Path) -> Path:
    """Write a picture, or a pair, finished and with its recipe; return its path."""
    photo = photo_for(wanted.picture, wanted.job)
    picture = complete(wanted.picture, photo, wanted.job)
    if export.what == "pair":
        if photo is None:
            raise BadInput(f"{path} was not written: the photo is no longer there.")
        picture = pair(photo, picture, export.gap)
    return export_picture(picture, path, export, wanted.job.recipe(), photo_file(wanted.job))


def film_of(
    wanted: ToExport, export: Export, path: Path, moved: Callable[[int], None],
    cancelled: Callable[[], bool],
) -> Path:  # fmt: skip
    """Write a film of how a picture came about, each moment finished; return its path."""
    finisher = Finisher(photo_for(wanted.picture, wanted.job))
    finish = replace(wanted.job.finish, grain=0.0)  # each frame gets it at the end

    def pixels(moment: Moment) -> Bytes:
        picture = picture_of(moment.image)
        if finish == Finish():
            return to_bytes8(picture.tensor())
        return to_bytes8(finisher(as_made(picture), finish))

    moments = [partial(pixels, moment) for moment in wanted.moments]
    recipe, grain = wanted.job.recipe(), wanted.job.finish
    return write_timeline(moments, path, export, recipe, moved, cancelled, grain)
