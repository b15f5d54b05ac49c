"""Saving a project: where, with what a current run has made, and what to do if that fails."""

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Slot

from engine.errors import PareidoliaError
from engine.project import ENDING
from engine.work.project_folder import ProjectFolder
from gui.dialogs.file_dialogs import file_to_save
from gui.dialogs.open_sources import apart
from gui.dialogs.saving import Unsaved, offer_again
from gui.flow.project_state import ProjectState, save_apart, save_project
from gui.panels.editors import commit_typed
from gui.run.controller import State
from gui.wording import worded

if TYPE_CHECKING:
    from gui.flow.project import ProjectFlow

log = logging.getLogger("pareidolia.project")
Then = Callable[[], object]


class ProjectSaving(QObject):
    """Writes the project's file in the background."""

    def __init__(self, project: "ProjectFlow") -> None:
        super().__init__(project)
        self.project, self.window = project, project.window

    def save_as(self) -> None:
        """Ask where to save, then write the project's file."""
        commit_typed()
        self._ask(None, self._suggestion())

    def save(self, then: Then | None = None) -> None:
        """Write the project's file, asking where if it has none; then call `then`."""
        commit_typed()
        if self.project.path is None:
            self._ask(then, self._suggestion())
        else:
            self.write(self.project.path, then)

    def _suggestion(self) -> str:
        if self.project.path is not None:
            return str(self.project.path)
        return self.window.files.suggestion(ENDING)

    def _ask(self, then: Then | None, name: str) -> None:
        title, kinds = self.tr("Save project"), self.tr("Projects {0}").format(f"(*{ENDING})")
        answer = file_to_save(self.window, "project", title, name, kinds, own=self.project.path)
        if answer is not None:
            self.write(answer[0], then)

    def write(self, path: Path, then: Then | None = None) -> None:
        """Write the project into a file, with what a current run has made; then call `then`."""
        self._when_kept(partial(self._write, path, then))

    def _when_kept(self, act: Then) -> None:
        """Do something once what a current run has made so far has been kept."""
        if self.window.controller.state in (State.IDLE, State.PREPARING):
            act()
            return
        once = Once(act, self)
        self.window.controller.kept.connect(once.act)
        self.window.controller.ended.connect(once.act)
        self.window.controller.keep()

    def _write(self, path: Path, then: Then | None) -> None:
        state, edits = self.project.to_write()
        inside = self.window.session.preferences.pictures_in_projects
        written = partial(self.project.written, state, edits, then)
        unsaved = partial(
            offer_again, self.window, self.tr("Save project"),
            again=partial(self._ask, then, str(path)),
        )  # fmt: skip
        failed = partial(self._on_not_written, path, state, inside, written, unsaved)
        check = apart(path, _nothing, own=self.project.path)  # now, as it asks the windows
        self.window.project_writer.submit(
            partial(_checked, check, path, state, inside), written, failed
        )

    def _on_not_written(
        self, path: Path, state: ProjectState, inside: bool, written: Callable[[Path], None],
        unsaved: Unsaved, error: BaseException,
    ) -> None:  # fmt: skip
        """Try without the project's folder, which may be what cannot be written."""
        if not isinstance(error, (PareidoliaError, OSError)):
            raise error
        log.warning("%s", worded(error))
        folder = self.window.project_writer.folder
        beside = partial(save_apart, path, state, inside, folder)
        work = apart(path, beside, own=self.project.path)
        failed = partial(self._on_unsaved, unsaved)
        self.window.background.submit(work, written, failed, keep=True)

    def _on_unsaved(self, unsaved: Unsaved, error: BaseException) -> None:
        self.project.fail(error)
        unsaved(worded(error))


def _nothing() -> None:
    """A file is about to be written."""


def _checked(
    check: Callable[[], None], path: Path, state: ProjectState, inside: bool, folder: ProjectFolder
) -> Path:  # fmt: skip
    check()
    return save_project(path, state, inside, folder)


class Once(QObject):
    """Does something at the first of several signals."""

    def __init__(self, act: Then, parent: QObject) -> None:
        super().__init__(parent)
        self._act: Then | None = act

    @Slot()
    def act(self) -> None:
        """Do it, unless it has been done already."""
        act, self._act = self._act, None
        if act is not None:
            self.deleteLater()
            act()
