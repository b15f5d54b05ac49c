"""The variants of the project: shown, compared, named, starred, used, continued, deleted."""

import hashlib
import logging
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, Signal, Slot
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QMessageBox

from engine.errors import BadInput
from engine.finish import Finisher
from engine.image import Picture, save_picture
from engine.job import Job, enlarged
from engine.places import data_folder
from engine.work.losses import LossHistory
from engine.work.project_folder import ProjectFolder
from gui.dialogs.enlarge import EnlargeDialog
from gui.flow.continuing import settings_of, why_not
from gui.flow.finish import finished_picture
from gui.flow.shown_run import RunRecord
from gui.pictures import image_of
from gui.run.history import Moment
from gui.run.referenced import photo_of
from gui.run.variant_entry import VariantEntry
from gui.run.variants import read
from gui.session import with_paths
from gui.wording import worded

if TYPE_CHECKING:
    from gui.main_window import MainWindow

Whole = tuple[RunRecord, QImage]
"""A variant's run as read back, and its picture before it is finished."""
Continued = tuple[Job, bytes, list[Moment], LossHistory]
"""The job, the checkpoint, and the moments and losses so far."""
log = logging.getLogger("pareidolia.variants")


class VariantsFlow(QObject):
    """Connects the tree of variants with the canvas, timeline, files and job."""

    failed = Signal(str)
    said = Signal(str)

    def __init__(self, window: "MainWindow") -> None:
        super().__init__(window)
        self.window, self.panel = window, window.variants_panel
        self.variants, self.writer = window.variants, window.project_writer
        self._question: QMessageBox | None = None
        self.variants.changed.connect(self._on_changed)
        self.variants.redrawn.connect(self.panel.refresh)
        self.variants.redrawn.connect(self._show_continue)
        self.variants.failed.connect(self.failed)
        self.panel.show_requested.connect(self.show)
        self.panel.compare_requested.connect(self.compare)
        self.panel.save_requested.connect(self.save)
        self.panel.use_requested.connect(self.use)
        self.panel.larger_requested.connect(self.larger)
        self.panel.settings_requested.connect(self.use_settings)
        self.panel.renamed.connect(self.variants.rename)
        self.panel.noted.connect(self.variants.write_note)
        self.panel.starred.connect(self.variants.star)
        self.panel.delete_requested.connect(self.ask_to_delete)
        window.running.turned.connect(self._on_turned)
        window.running.bar.continue_requested.connect(self.go_on)
        window.controller.state_changed.connect(self._show_continue)
        window.studio.changed.connect(self._on_job)
        self._show_uses()
        self._show_continue()

    @Slot()
    def _on_changed(self) -> None:
        self.window.running.branching.watch(self.variants.entries)
        self.panel.show_entries(self.variants.entries)
        count = len(self.variants.entries)
        title = self.tr("Variants ({0})").format(count) if count else self.tr("Variants")
        self.window.docks["variants"].setWindowTitle(title)

    @Slot()
    def _on_turned(self) -> None:
        record = self.window.running.record
        self.panel.mark_shown(record.entry if record is not None else None)
        self._show_continue()

    @Slot(object, object)
    def _on_job(self, before: Job, after: Job) -> None:
        if type(before.technique) is not type(after.technique):
            self._show_uses()
        self._show_continue()

    def _show_uses(self) -> None:
        takes = {
            {"styles": "style"}.get(role, role) for role in self.window.studio.technique.inputs
        }
        self.panel.show_uses([r for r in ("content", "style", "guide", "start") if r in takes])

    # -- the user's requests --------------------------------------------------------------

    @Slot(object)
    def show(self, entry: VariantEntry) -> None:
        """Show a variant again, with its finish."""
        if entry.has_picture and not (entry.running and self.window.controller.active):
            self._read(entry, self._on_shown)
        elif entry.running:
            self.window.running.follow()

    @Slot(object)
    def save(self, entry: VariantEntry) -> None:
        """Ask where to save, then write a variant's picture with its recipe."""
        self._read(entry, self._on_save)

    @Slot(object, object)
    def compare(self, one: VariantEntry, other: VariantEntry) -> None:
        """Show two variants, one on each side of the divider."""
        folder = self.writer.folder
        self.window.background.submit(
            partial(_pair, one, other, folder), partial(self._on_pair, one, other), self._on_failed
        )

    @Slot(object, str)
    def use(self, entry: VariantEntry, role: str) -> None:
        """Use a variant's picture, finished, in the next run."""
        self._read(entry, partial(self._on_use, role))

    @Slot(object)
    def use_settings(self, entry: VariantEntry) -> None:
        """Restore the settings that a variant was made with."""
        text = self.tr("Settings of {0}").format(entry.name)
        self.window.studio.edit(text, **settings_of(entry))

    @Slot()
    def larger_shown(self) -> None:
        """Ask for a larger size of the picture on the canvas, and run it."""
        record = self.window.running.record
        if record is not None and record.entry is not None:
            self.larger(record.entry)

    @Slot(object)
    def larger(self, entry: VariantEntry) -> None:
        """Ask for a larger size of a variant's picture, and run it."""
        self.window.background.submit(
            partial(_to_enlarge, entry, self.writer.folder), partial(self._on_larger, entry),
            self._on_failed,
        )  # fmt: skip

    def _on_larger(self, entry: VariantEntry, found: tuple[Whole, Path, str]) -> None:
        opened, file, digest = found
        result = opened[0].result
        assert result is not None
        self._on_shown(opened)
        self.window.running.branching.note(digest, entry, entry.iteration)
        job = replace(with_paths(result.job), finish=entry.finish)
        assert job.size is not None  # fixed when it ran
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
    def ask_to_delete(self, entries: list[VariantEntry]) -> None:
        """Delete variants if the user confirms: their pictures may be in no other file."""
        if self._question is not None:
            return
        kinds = QMessageBox.StandardButton
        one = self.tr("Delete {0}?").format(entries[0].name)
        text = one if len(entries) == 1 else self.tr("Delete {0} variants?").format(len(entries))
        box = QMessageBox(
            QMessageBox.Icon.Question,
            self.tr("Variants"),
            text,
            kinds.Yes | kinds.Cancel,
            self.window,
        )
        box.setObjectName("deleteVariants")
        box.setInformativeText(
            self.tr("Their pictures and notes will be deleted from this project for good.")
        )
        if len(entries) == 1:
            box.setInformativeText(
                self.tr("Its picture and note will be deleted from this project for good.")
            )
        box.button(kinds.Yes).setText(self.tr("Delete"))
        box.setDefaultButton(kinds.Cancel)
        self._question = box
        box.finished.connect(partial(self._on_answer, entries))
        box.open()

    def _on_answer(self, entries: list[VariantEntry], button: int) -> None:
        box, self._question = self._question, None
        assert box is not None
        box.deleteLater()
        if button == QMessageBox.StandardButton.Yes:
            there = self.variants.entries
            gone = [entry for entry in entries if entry in there and not entry.running]
            self.variants.remove(gone)
            record = self.window.running.record
            if record is not None and record.entry in gone:
                self.window.running.let_go()

    # -- continuing -----------------------------------------------------------------------

    def why_not_continue(self) -> str:
        """Return why the run on the canvas cannot be continued; empty: it can."""
        if self.window.controller.active:
            return self.tr("A run is under way.")
        record = self.window.running.record
        return why_not(record.entry if record is not None else None, self.window.studio.job)

    @Slot()
    def _show_continue(self) -> None:
        record = self.window.running.record
        iteration = record.entry.iteration if record is not None and record.entry is not None else 0
        why = self.why_not_continue()
        self.window.run_bar.show_continue(iteration, why)
        self.window.menus.show_continue(not why)

    @Slot()
    def go_on(self) -> None:
        """Continue the run on the canvas from where it stopped, as if it had never been stopped."""
        why, record = self.why_not_continue(), self.window.running.record
        if why or record is None or record.entry is None:
            self.said.emit(why)
            return
        entry = record.entry
        self.variants.write_edits()
        work = partial(_to_continue, entry)
        self.writer.submit(work, partial(self._on_continue, entry), self._on_failed)

    def _on_continue(self, entry: VariantEntry, found: Continued) -> None:
        if entry in self.variants.entries:
            self.window.running.go_on(entry, *found)

    # -- results of reading ---------------------------------------------------------------

    def _read(self, entry: VariantEntry, done: Callable[[Whole], None]) -> None:
        work = partial(whole, entry, self.writer.folder)
        self.window.background.submit(work, done, self._on_failed)

    def _on_shown(self, found: Whole) -> None:
        self.window.running.take_up(*found)

    def _on_save(self, found: Whole) -> None:
        self._on_shown(found)
        self.window.files.save_picture()

    def _on_pair(self, one: VariantEntry, other: VariantEntry, found: tuple[QImage, Whole]) -> None:
        before, after = found
        self.window.running.take_up(*after)
        self.panel.select((one, other))
        self.window.canvas_content.compare_with_image(before, (one.name, other.name))

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


def whole(entry: VariantEntry, folder: ProjectFolder | None) -> Whole:
    """Read a variant with everything in its run's record. Raises `BadInput` or OSError."""
    result = read(entry, folder)
    record = RunRecord(
        result.job, list(result.job.changes), result, labels=entry.labels,
        finisher=Finisher(photo_of(result)), entry=entry, moments=moments_of(entry, folder),
        total=entry.total, losses=losses_of(entry, folder),
    )  # fmt: skip
    return record, image_of(result.picture)


def moments_of(entry: VariantEntry, folder: ProjectFolder | None) -> list[Moment]:
    """Read the moments of a variant's timeline."""
    if folder is None or not entry.in_folder:
        return []
    found = []
    for iteration, path in folder.moments(entry.id).items():
        image = QImage(str(path))
        if not image.isNull():
            found.append(Moment(iteration, entry.total, "", image))
    return found


def losses_of(entry: VariantEntry, folder: ProjectFolder | None) -> LossHistory:
    """Read the losses of a variant's run from its beginning; none if they cannot be read."""
    if entry.unwritten_losses is not None:
        return entry.unwritten_losses.copy()
    if folder is None or not entry.in_folder:
        return LossHistory()
    try:
        return folder.losses(entry.id)
    except BadInput as error:  # its picture exists all the same
        log.warning("%s: %s", entry.name, error)
        return LossHistory()


def _to_continue(entry: VariantEntry, folder: ProjectFolder) -> Continued:
    """Return what is needed to continue a variant's run."""
    if entry.unwritten is not None and entry.unwritten.checkpoint is not None:
        job, checkpoint = entry.unwritten.job, entry.unwritten.checkpoint
    else:
        kept = folder.checkpoint(entry.id)
        if kept is None:
            raise BadInput(f"{entry.name} left nothing to continue from: press Run")
        job, checkpoint = folder.job(entry.id), kept
    losses = losses_of(entry, folder)
    losses.cut(entry.iteration)
    return replace(job, stop_after=None), checkpoint, moments_of(entry, folder), losses


def _to_enlarge(entry: VariantEntry, folder: ProjectFolder | None) -> tuple[Whole, Path, str]:
    """Read a variant, and keep it as a picture that a run can start from, with its checksum."""
    found = whole(entry, folder)
    assert found[0].result is not None
    file = kept_picture(found[0].result.picture)
    return found, file, hashlib.sha256(file.read_bytes()).hexdigest()


def kept_picture(picture: Picture) -> Path:
    """Write a picture with 16 bits into the program's own folder, once for the same pixels."""
    folder = data_folder() / "pictures"
    folder.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256(picture.rgb.tobytes()).hexdigest()[:16]
    path = folder / f"{digest}-16.png"
    if not path.exists():
        save_picture(replace(picture, exif=None, alpha=None), path, bits=16)
    return path


def _pair(
    one: VariantEntry, other: VariantEntry, folder: ProjectFolder | None
) -> tuple[QImage, Whole]:
    first = read(one, folder)
    finished = finished_picture(first.picture, photo_of(first), one.finish)
    return image_of(finished), whole(other, folder)
