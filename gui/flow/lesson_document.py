"""A lesson's file: opened, saved and exported; nothing unsaved is discarded without asking."""

import logging
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, Signal, Slot
from PySide6.QtWidgets import QMessageBox, QWidget

from engine.errors import PareidoliaError
from engine.lesson import SUFFIX, Lesson, read_lesson, write_lesson
from engine.lesson_html import export_html
from engine.places import data_folder
from gui.background import Background
from gui.dialogs.file_dialogs import file_to_open, file_to_save
from gui.dialogs.open_sources import apart
from gui.dialogs.saving import Unsaved, offer_again
from gui.flow.files import FilesFlow
from gui.wording import worded

log = logging.getLogger("pareidolia.lessons")


class LessonDocument(QObject):
    """Holds the lesson, and knows whether a file holds it too."""

    opened = Signal()
    """Another lesson has been opened or begun."""
    said = Signal(str)
    failed = Signal(str)

    def __init__(self, files: FilesFlow, background: Background, window: QWidget) -> None:
        super().__init__(window)
        self.files, self.background, self.window = files, background, window
        self.lesson = Lesson("")
        self._saved = self.lesson
        self._path: Path | None = None
        self._awaited: Path | None = None
        self._box: QMessageBox | None = None
        self._then: Callable[[], object] | None = None

    @property
    def changed(self) -> bool:
        """Whether the lesson holds anything that is in no file."""
        return self.lesson is not self._saved

    @property
    def file(self) -> Path | None:
        """The file that the lesson was read from or written to.

        Or the last session's file, while it is being read, or if it is missing now but may be back at
        the next start.
        """
        return self._path or self._awaited

    def set_lesson(self, lesson: Lesson, path: Path | None = None) -> None:
        """Take over a lesson, as read from a file (None: a new one)."""
        self.lesson = self._saved = lesson
        self._path, self._awaited = path, None
        self.opened.emit()

    def may_leave(self, then: Callable[[], object]) -> bool:
        """Return whether nothing would be lost; otherwise ask, and call `then` if the user agrees."""
        if not self.changed:
            return True
        if self._box is None:
            self._then = then
            kinds = QMessageBox.StandardButton
            box = QMessageBox(
                QMessageBox.Icon.Question, self.tr("Lesson"),
                self.tr("The lesson has unsaved changes."),
                kinds.Save | kinds.Discard | kinds.Cancel, self.window,
            )  # fmt: skip
            box.setObjectName("lessonUnsaved")
            box.finished.connect(self._on_decided)
            self._box = box
            box.open()
        return False

    def put_aside(self) -> None:
        """Write a changed lesson into the program's own folder, from where the next start opens it.

        For an exit that leaves no time for questions. The user's own file stays as it is.
        """
        if not self.changed:
            return
        name = f"{_plain(self.lesson.title)}-{time.strftime('%Y%m%d-%H%M%S')}{SUFFIX}"
        path = data_folder() / "lessons" / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._path = write_lesson(self.lesson, path)
        except (PareidoliaError, OSError) as error:
            log.error("the lesson cannot be saved: %s", error)
        self._saved = self.lesson

    @Slot(int)
    def _on_decided(self, button: int) -> None:
        box, self._box = self._box, None
        then, self._then = self._then, None
        assert box is not None and then is not None
        box.deleteLater()
        if button == QMessageBox.StandardButton.Discard:
            self._saved = self.lesson
            then()
        elif button == QMessageBox.StandardButton.Save:
            self._save(then)

    @Slot()
    def new(self) -> None:
        """Begin another lesson."""
        if self.may_leave(self.new):
            self.set_lesson(Lesson(""))

    @Slot()
    def choose(self) -> None:
        """Ask for a lesson to open."""
        if self.may_leave(self.choose):
            title, kinds = self.tr("Open lesson"), self.tr("Lessons (*{0})").format(SUFFIX)
            path = file_to_open(self.window, "lesson", title, kinds)
            if path is not None:
                self.open(path)

    @Slot(str)
    def open_path(self, path: str) -> None:
        """Open a lesson by its path, unless the user wants to keep unsaved changes of the current one."""
        if self.may_leave(partial(self.open_path, path)):
            self.open(Path(path))

    def open(self, path: Path) -> None:
        """Open a lesson; the current one stays if it cannot be read."""
        work = partial(read_lesson, path)
        self.background.submit(work, partial(self._on_opened, path), self._on_failed)

    def _on_opened(self, path: Path, lesson: Lesson) -> None:
        if self.may_leave(
            partial(self._on_opened, path, lesson)
        ):  # a step may have been added in the meantime
            self.set_lesson(lesson, path)
            self.said.emit(self.tr("Opened {0}").format(path))

    def reopen(self, path: Path) -> None:
        """Open the last session's lesson, unless another is begun before it has been read."""
        self._awaited = path
        self.background.submit(
            partial(read_lesson, path), partial(self._on_reopened, self.lesson, path), self._on_gone
        )

    def _on_reopened(self, before: Lesson, path: Path, lesson: Lesson) -> None:
        self._awaited = None
        if self.lesson is before:
            self.set_lesson(lesson, path)

    def _on_gone(self, error: BaseException) -> None:
        if not isinstance(error, (PareidoliaError, OSError)):
            raise error
        if not isinstance(error.__cause__ or error, OSError):  # it exists, but is no lesson
            self._awaited = None
        log.warning("the lesson of the last session is not opened: %s", error)

    @Slot()
    def save(self) -> None:
        """Ask where to save, then write the lesson."""
        self._save(None)

    def _save(self, then: Callable[[], object] | None, name: str = "") -> None:
        title, kinds = self.tr("Save lesson"), self.tr("Lessons (*{0})").format(SUFFIX)
        name = name or self._suggested(SUFFIX)
        answer = file_to_save(self.window, "lesson", title, name, kinds, None, self._path)
        if answer is not None:
            again = partial(self._save, then, str(answer[0]))
            self.write(answer[0], then, partial(offer_again, self.window, title, again=again))

    def _suggested(self, suffix: str) -> str:
        if self._path is not None:
            return str(self._path.with_suffix(suffix))
        return f"{_plain(self.lesson.title)}{suffix}"

    def write(
        self, path: Path, then: Callable[[], object] | None = None, unsaved: Unsaved | None = None
    ) -> None:
        """Write the lesson, then call `then`."""
        lesson = self.lesson
        work = apart(path, partial(write_lesson, lesson, path), own=self._path)
        failed = partial(self._on_unsaved, unsaved)
        self.background.submit(work, partial(self._on_written, lesson, then), failed, keep=True)

    def _on_written(
        self, lesson: Lesson, then: Callable[[], object] | None, path: Path
    ) -> None:  # fmt: skip
        self._saved, self._path = lesson, path
        self.said.emit(self.tr("Saved {0}").format(path))
        if then is not None:
            then()

    @Slot()
    def export(self) -> None:
        """Ask where to save, then write the lesson as a page for browsers."""
        self._export(self.lesson, self._suggested(".html"))

    def _export(self, lesson: Lesson, name: str) -> None:
        title, kinds = self.tr("Export lesson"), self.tr("Web page (*.html)")
        answer = file_to_save(self.window, "page", title, name, kinds)
        if answer is not None:
            again = partial(self._export, lesson, str(answer[0]))
            unsaved = partial(offer_again, self.window, title, again=again)
            self._write_page(lesson, answer[0], unsaved)

    def write_page(self, path: Path) -> None:
        """Write the lesson as one page."""
        self._write_page(self.lesson, path)

    def _write_page(self, lesson: Lesson, path: Path, unsaved: Unsaved | None = None) -> None:
        work = apart(path, partial(export_html, lesson, path))
        failed = partial(self._on_unsaved, unsaved)
        self.background.submit(work, self._on_exported, failed, keep=True)

    def _on_exported(self, path: Path) -> None:
        self.said.emit(self.tr("Exported {0}").format(path))

    def _on_unsaved(self, unsaved: Unsaved | None, error: BaseException) -> None:
        self._on_failed(error)
        if unsaved is not None:
            unsaved(worded(error))

    def _on_failed(self, error: BaseException) -> None:
        if not isinstance(error, (PareidoliaError, OSError)):
            raise error
        self.failed.emit(worded(error))


def _plain(title: str) -> str:
    """Return a title as a file name."""
    return "".join(c if c.isalnum() or c in " -" else "_" for c in title).strip() or "lesson"
