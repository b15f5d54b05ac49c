"""The project: new, opened and saved; nothing unsaved is discarded without asking."""

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal, Slot
from PySide6.QtWidgets import QMessageBox

from engine.errors import PareidoliaError
from engine.image_formats import WRITTEN
from engine.job import Job
from engine.project import ENDING
from gui.dialogs.file_dialogs import file_to_open
from gui.flow.project_saving import Once, ProjectSaving, Then
from gui.flow.project_state import (
    BRANCHED,
    LABELS,
    REGIONS,
    SHOWN,
    OpenedProject,
    ProjectState,
    opened_file,
    unwritten,
    write_state,
)
from gui.panels.editors import commit_typed
from gui.studio import first_job
from gui.wording import worded

if TYPE_CHECKING:
    from gui.main_window import MainWindow

LATER_MS = 2000
"""Milliseconds from a change to its writing; changes in between are included."""
SHOWN_MS = 10_000
"""Milliseconds after which a project counts as shown without a crash."""
log = logging.getLogger("pareidolia.project")


class ProjectFlow(QObject):
    """Knows the project's file, and whether it holds everything."""

    said = Signal(str)
    failed = Signal(str)
    changed = Signal()
    """There is another project, or whether the file holds everything has changed."""

    def __init__(self, window: "MainWindow") -> None:
        super().__init__(window)
        self.window = window
        self.studio, self.running, self.controller = (
            window.studio,
            window.running,
            window.controller,
        )
        self.variants, self.writer = window.variants, window.project_writer
        self.path: Path | None = None
        """The project's file, if it has one."""
        self._saved_job = self.studio.job
        self._edits = self._saved_edits = 0
        """Counts changes to variants."""
        self._box: QMessageBox | None = None
        self._decided = False
        """Whether unsaved work has been given up, or left for the next start to find."""
        self._put_aside = False
        self._failing = ""
        self._timer = _timer(self, LATER_MS, self.write_job)
        self._shown_timer = _timer(self, SHOWN_MS, self._on_shown_for_a_while)
        self.studio.changed.connect(self._on_job)
        self.studio.filled.connect(self._on_filled)
        self.variants.edited.connect(self._on_edited)
        self.saving = ProjectSaving(self)
        self._show()

    # -- saved or not ---------------------------------------------------------------------

    @property
    def modified(self) -> bool:
        """Whether there is anything that the project's file does not hold."""
        return self._edits != self._saved_edits or self.studio.job != self._saved_job

    @property
    def name(self) -> str:
        """The project's name."""
        return self.path.stem if self.path is not None else self.tr("Untitled")

    def _show(self) -> None:
        name = self.name.replace("[*]", "[*][*]")
        self.window.setWindowTitle(f"{name}[*] — Pareidolia")
        self.window.setWindowModified(self.modified)
        self.changed.emit()

    @Slot(object, object)
    def _on_job(self, _before: Job, _after: Job) -> None:
        self.window.setWindowModified(self.modified)
        self._write_soon()

    @Slot(object, object)
    def _on_filled(self, before: Job, after: Job) -> None:
        """What the program fills in by itself does not count as a change."""
        if self._saved_job == before:
            self._saved_job = after
            self.window.setWindowModified(self.modified)

    @Slot()
    def _on_edited(self) -> None:
        self._edits += 1
        self.window.setWindowModified(True)
        self._write_soon()

    def _write_soon(self) -> None:
        if not self._timer.isActive() and not self._decided:
            self._timer.start()

    @Slot()
    def write_job(self) -> None:
        """Keep the job where the next start finds it after a crash."""
        self._timer.stop()
        if self.modified:
            work = partial(write_state, self._state(with_pictures=False))
            self.writer.submit(work, self._on_job_written, self._on_job_failed, key="job")

    def _on_job_written(self, _nothing: None) -> None:
        self._failing = ""

    def _on_job_failed(self, error: BaseException) -> None:
        if not isinstance(error, (PareidoliaError, OSError)):
            raise error
        if worded(error) != self._failing:  # once is enough
            self._failing = worded(error)
            text = self.tr("Your work cannot be protected against a crash: {0}")
            self.failed.emit(text.format(self._failing))

    def _state(self, with_pictures: bool = True) -> ProjectState:
        record = self.running.record
        entries = self.variants.entries
        sheets = {
            e.id: [e.labels.columns, *e.labels.texts] for e in entries if e.labels is not None
        }
        window = {
            SHOWN: record.entry.id if record is not None and record.entry is not None else None,
            BRANCHED: self.running.branching.to_values(),
            LABELS: sheets,
            REGIONS: self.window.regions_flow.looks_to_values(),
        }
        left = unwritten(entries, self.running.moments_by_variant()) if with_pictures else []
        return ProjectState(self.studio.job, window, left)

    # -- new, open ------------------------------------------------------------------------

    @Slot()
    def new(self) -> None:
        """Start a new project."""
        if self.may_leave(self.new):
            self._when_settled(partial(self._take, None))

    @Slot()
    def open(self) -> None:
        """Ask for a project, or a picture or file that carries a recipe."""
        filters = self.tr("Projects and pictures {0}").format(
            f"(*{ENDING} *.json {' '.join(f'*{suffix}' for suffix in WRITTEN)})"
        )
        path = file_to_open(self.window, "project", self.tr("Open"), filters)
        if path is not None:
            self.open_path(str(path))

    @Slot(str)
    def open_path(self, path: str) -> None:
        """Open a project in place of the current one; a recipe is added to the current one."""
        if Path(path).suffix.lower() != ENDING:
            self.window.files.read_recipe(Path(path))
        elif self.may_leave(partial(self.open_path, path)):
            work = partial(opened_file, Path(path))
            self.window.background.submit(work, self._on_opened, self._on_not_opened)

    def _on_opened(self, opened: OpenedProject) -> None:
        path = opened.project.file
        self._when_settled(partial(self._take, opened))
        if path is not None:
            self.window.session.remember_file(path)
            self.said.emit(self.tr("Opened {0}").format(path))

    def _on_not_opened(self, error: BaseException) -> None:
        self.stay()
        self.fail(error)

    def stay(self) -> None:
        """Note that no other project was opened: this one is kept, and asked about, as before."""
        self._decided = False
        self._write_soon()

    def restore(self, opened: OpenedProject) -> None:
        """Restore work that a crashed program left."""
        self._when_settled(partial(self._take, opened))

    def _take(self, opened: OpenedProject | None) -> None:
        """Show another project in place of the current one, which has been saved or given up."""
        self._timer.stop()
        before = self.writer.change_slot(None if opened is None else opened.slot)
        if before is not None:
            self.window.background.submit(before.discard, None, self.fail, keep=True)
        entries = [] if opened is None else opened.entries
        self.variants.show(entries)
        project = None if opened is None else opened.project
        job = first_job() if opened is None else opened.job
        if job is None:
            job = entries[-1].job if entries else first_job()
        self.running.branching.from_values({} if project is None else project.window.get(BRANCHED))
        self.running.forget()
        self.studio.load(job)
        self.window.regions_flow.looks_from_values(
            None if project is None else project.window.get(REGIONS)
        )
        self._timer.stop()
        file = None if project is None else project.file
        self.path = None if file is None else Path(file)
        self._decided, self._saved_job, self._saved_edits = False, self.studio.job, self._edits
        if project is not None:
            self._edits += project.unsaved
            shown = next((e for e in entries if e.id == project.window.get(SHOWN)), None)
            last = shown or max(entries, key=lambda entry: entry.when, default=None)
            if last is not None:
                self.window.variants_flow.show(last)
            self._shown_timer.start()
        for problem in [] if opened is None else opened.problems:
            self.failed.emit(problem)
        self._show()

    @Slot()
    def _on_shown_for_a_while(self) -> None:
        slot = self.writer.slot
        if slot is not None:
            self.window.background.submit(slot.shown, None, self.fail)

    # -- save -----------------------------------------------------------------------------

    @Slot()
    def save(self) -> None:
        """Write the project's file; if it has none, ask where to save it."""
        self.saving.save()

    @Slot()
    def save_as(self) -> None:
        """Ask where to save, then write the project's file."""
        self.saving.save_as()

    def write(self, path: Path, then: Then | None = None) -> None:
        """Write the project into a file, with what a current run has made; then call `then`."""
        self.saving.write(path, then)

    def to_write(self) -> tuple[ProjectState, int]:
        """Return all that is to be written now, and the state of the variants that it holds."""
        self.variants.write_edits()
        self._timer.stop()
        return self._state(), self._edits

    def written(self, state: ProjectState, edits: int, then: Then | None, path: Path) -> None:
        """Note that the file holds that state; then call `then`."""
        self.path, self._saved_job, self._saved_edits = path, state.job, edits
        self.window.session.remember_file(str(path))
        self.window.regions_flow.used(state.job)
        log.info("saved %s", path)
        self._show()
        self.said.emit(self.tr("Saved {0}").format(path))
        if then is not None:
            then()

    def fail(self, error: BaseException) -> None:
        """Say what went wrong."""
        if not isinstance(error, (PareidoliaError, OSError)):
            raise error
        self.failed.emit(worded(error))

    # -- leaving --------------------------------------------------------------------------

    def may_leave(self, then: Then) -> bool:
        """Return whether nothing would be lost; otherwise ask, and call `then` after the answer."""
        commit_typed()
        if self._decided or not (self.modified or self.controller.active):
            return True
        if self._box is None:
            kinds = QMessageBox.StandardButton
            box = QMessageBox(
                QMessageBox.Icon.Question, self.tr("Project"),
                self.tr("{0} has unsaved changes.").format(self.name),
                kinds.Save | kinds.Discard | kinds.Cancel, self.window,
            )  # fmt: skip
            if self.controller.active:
                box.setInformativeText(
                    self.tr(
                        "The run is stopped. If you save, it can be continued later where it left off."
                    )
                )
            box.setObjectName("projectUnsaved")
            box.setDefaultButton(kinds.Save)
            box.finished.connect(partial(self._on_decision, then))
            self._box = box
            box.open()
        return False

    def _on_decision(self, then: Then, button: int) -> None:
        box, self._box = self._box, None
        assert box is not None
        box.deleteLater()
        if button == QMessageBox.StandardButton.Discard:
            self._when_stopped(partial(self._leave, then))
        elif button == QMessageBox.StandardButton.Save:
            self._when_stopped(partial(self.saving.save, partial(self._leave, then)))

    def _leave(self, then: Then) -> None:
        self._decided = True
        self._timer.stop()
        then()

    def _when_stopped(self, act: Then) -> None:
        """Do something once no run is active."""
        if not self.controller.active:
            act()
            return
        self.controller.ended.connect(Once(act, self).act)
        self.controller.stop()

    def _when_settled(self, act: Then) -> None:
        """Do something once nothing is being written."""
        if not self.writer.busy:
            act()
        else:
            self.writer.settled.connect(Once(act, self).act)

    def put_aside(self) -> None:
        """Leave unsaved work to the next start, for an exit that leaves no time for questions."""
        if self._box is not None:
            self._box.reject()
        self._put_aside = not self._decided and (self.modified or self.controller.active)
        if self._put_aside:
            self.write_job()
        self._decided = True

    def close(self) -> bool:
        """Release the project's folder, once no run is active; False: call again a little later."""
        if self._put_aside:
            self.variants.write_edits()
        if self.writer.busy:
            return False
        self._timer.stop()
        self._shown_timer.stop()
        slot = self.writer.close()
        if slot is not None:
            end = slot.release if self._put_aside else slot.discard
            self.window.background.submit(end, None, self.fail, keep=True)
        return True


def _timer(parent: QObject, interval: int, act: Callable[[], object]) -> QTimer:
    timer = QTimer(parent)
    timer.setSingleShot(True)
    timer.setInterval(interval)
    timer.timeout.connect(act)
    return timer
