"""The results of this session: shown again, compared, saved, used, removed."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, Signal, Slot
from PySide6.QtGui import QImage

from engine.errors import BadInput
from engine.finish import Finisher
from engine.image import Picture, save_picture
from engine.job import Job, enlarged
from engine.places import data_folder
from gui.dialogs.enlarge import EnlargeDialog
from gui.flow.finish import finished_picture
from gui.flow.shown_run import RunRecord
from gui.pictures import image_of
from gui.run.results import StoredResult, photo_of, read
from gui.session import with_paths
from gui.wording import worded

if TYPE_CHECKING:
    from gui.main_window import MainWindow

Whole = tuple[RunRecord, QImage]
"""A result read again, and its image before it is finished."""


class ResultsFlow(QObject):
    """Connects the strip of results with canvas, files and job."""

    failed = Signal(str)

    def __init__(self, window: "MainWindow") -> None:
        super().__init__(window)
        self.window, self.panel = window, window.results_panel
        self.results = window.running.results
        self.results.changed.connect(self._on_changed)
        self.results.redrawn.connect(self.panel.show_thumbnail)
        self.results.failed.connect(self.failed)
        self.panel.show_requested.connect(self.show)
        self.panel.compare_requested.connect(self.compare)
        self.panel.save_requested.connect(self.save)
        self.panel.use_requested.connect(self.use)
        self.panel.larger_requested.connect(self.larger)
        self.panel.removed.connect(self._on_removed)
        window.studio.changed.connect(self._on_job)
        self._show_uses()

    @Slot()
    def _on_changed(self) -> None:
        self.panel.show_entries(self.results.entries)
        count = len(self.results.entries)
        title = self.tr("Results ({0})").format(count) if count else self.tr("Results")
        self.window.docks["results"].setWindowTitle(title)

    @Slot(object, object)
    def _on_job(self, before: Job, after: Job) -> None:
        if type(before.technique) is not type(after.technique):
            self._show_uses()

    def _show_uses(self) -> None:
        takes = {
            {"styles": "style"}.get(role, role) for role in self.window.studio.technique.inputs
        }
        self.panel.show_uses([r for r in ("content", "style", "guide", "start") if r in takes])

    # -- what a person asks for -----------------------------------------------------------

    @Slot(object)
    def show(self, kept: StoredResult) -> None:
        """Show a result again, as it was finished."""
        self._read(kept, self._on_shown)

    @Slot(object)
    def save(self, kept: StoredResult) -> None:
        """Ask where to, then write a result with its recipe."""
        self._read(kept, self._on_save)

    @Slot(object, object)
    def compare(self, one: StoredResult, other: StoredResult) -> None:
        """Show two results on the two sides of the divider."""
        self.window.background.submit(
            partial(_pair, one, other), partial(self._on_pair, one, other), self._on_failed
        )

    @Slot(object, str)
    def use(self, kept: StoredResult, role: str) -> None:
        """Take a result, as it was finished, into the next run."""
        self._read(kept, partial(self._on_use, role))

    @Slot()
    def larger_shown(self) -> None:
        """The same for the result on the canvas."""
        record = self.window.running.record
        if record is not None and record.kept is not None:
            self.larger(record.kept)

    @Slot(object)
    def larger(self, kept: StoredResult) -> None:
        """Ask for the size of the same picture, larger, and run it."""
        self.window.background.submit(
            partial(_to_enlarge, kept), partial(self._on_larger, kept), self._on_failed
        )

    def _on_larger(self, kept: StoredResult, found: tuple[Whole, Path]) -> None:
        opened, file = found
        result = opened[0].result
        assert result is not None
        self._on_shown(opened)
        job = replace(with_paths(result.job), finish=kept.finish)
        assert job.size is not None  # decided when it ran
        how = self.tr("The same settings and the same seed, at another size.")
        if job.technique.goes_on:
            how = self.tr(
                "Continues from this result, enlarged, so the composition stays the same."
            )
        dialog = EnlargeDialog(
            job.size, lambda side: enlarged(job, side, str(file)), how, self.window.controller,
            self.window,
        )  # fmt: skip
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.wanted.connect(self.window.running.run)
        dialog.rejected.connect(self.window.running.wait_for_forecast)
        dialog.show()

    @Slot(list)
    def _on_removed(self, entries: list[StoredResult]) -> None:
        for kept in entries:
            self.results.remove(kept)

    # -- what has been read ---------------------------------------------------------------

    def _read(self, kept: StoredResult, done: Callable[[Whole], None]) -> None:
        self.window.background.submit(partial(whole, kept), done, self._on_failed)

    def _on_shown(self, found: Whole) -> None:
        self.window.running.take_up(*found)
        if found[0].kept is not None:
            self.panel.select(found[0].kept)

    def _on_save(self, found: Whole) -> None:
        self._on_shown(found)
        self.window.files.save_picture()

    def _on_pair(self, one: StoredResult, other: StoredResult, found: tuple[QImage, Whole]) -> None:
        before, after = found
        self.window.running.take_up(*after)
        names = tuple(f"{kept.number}. {kept.title}" for kept in (one, other))
        self.window.canvas_content.compare_with_image(before, (names[0], names[1]))

    def _on_use(self, role: str, found: Whole) -> None:
        self._on_shown(found)
        if role == "start":
            self.window.files.branch()
        else:
            current = self.window.canvas_content.current
            if current is not None:
                self.window.files.use_image(role, current.image)

    def _on_failed(self, error: BaseException) -> None:
        if not isinstance(error, (BadInput, OSError)):
            raise error
        self.failed.emit(worded(error))


def whole(kept: StoredResult) -> Whole:
    """Read a result with all that its run's record holds. Raises `BadInput` or OSError."""
    result = read(kept)
    record = RunRecord(
        result.job, list(result.job.changes), result, labels=kept.labels,
        finisher=Finisher(photo_of(result)), kept=kept,
    )  # fmt: skip
    return record, image_of(result.picture)


def _to_enlarge(kept: StoredResult) -> tuple[Whole, Path]:
    """Read a result; keep it as a picture that a run can begin with."""
    found = whole(kept)
    assert found[0].result is not None
    return found, kept_picture(found[0].result.picture)


def kept_picture(picture: Picture) -> Path:
    """Write a picture into the program's own folder with 16 bits, once for the same pixels."""
    folder = data_folder() / "pictures"
    folder.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256(picture.rgb.tobytes()).hexdigest()[:16]
    path = folder / f"{digest}-16.png"
    if not path.exists():
        save_picture(replace(picture, exif=None, alpha=None), path, bits=16)
    return path


def _pair(one: StoredResult, other: StoredResult) -> tuple[QImage, Whole]:
    first = read(one)
    return image_of(finished_picture(first.picture, photo_of(first), one.finish)), whole(other)
