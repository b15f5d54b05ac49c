"""Pictures read from and written to files, with the jobs that made them, in the background."""

import hashlib
import logging
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, Signal, Slot
from PySide6.QtGui import QGuiApplication, QImage
from PySide6.QtWidgets import QApplication, QWidget

from engine.errors import BadInput, PareidoliaError
from engine.image import Picture, save_picture
from engine.image_saving import check_target
from engine.job import Job
from engine.project import check_apart, read_job
from gui.background import Background
from gui.dialogs.file_dialogs import file_to_save
from gui.dialogs.open_sources import apart
from gui.dialogs.saving import Unsaved, offer_again
from gui.flow.canvas_content import CanvasContent, CanvasPicture
from gui.flow.input_pictures import kept
from gui.flow.result_files import made_figure, written_and_told
from gui.flow.running import RunFlow
from gui.panels.editors import commit_typed
from gui.run.variant_entry import VariantEntry
from gui.session import Session, with_paths
from gui.studio import Studio
from gui.wording import worded

FIGURES = "PNG (*.png);;JPEG (*.jpg);;WebP (*.webp);;TIFF (*.tif);;AVIF (*.avif);;JPEG XL (*.jxl)"
PICTURES = f"{FIGURES};;PNG, 16 bit (*.png)"
log = logging.getLogger("pareidolia.files")


class FilesFlow(QObject):
    """Saves, copies and uses pictures; opens recipes."""

    said = Signal(str)
    """A sentence about what was done."""
    failed = Signal(str)

    def __init__(
        self, studio: Studio, session: Session, running: RunFlow, canvas_content: CanvasContent,
        background: Background, window: QWidget,
    ) -> None:  # fmt: skip
        super().__init__(window)
        self.studio, self.session, self.running = studio, session, running
        self.canvas_content, self.background, self.window = canvas_content, background, window

    # -- pictures -------------------------------------------------------------------------

    @Slot()
    def save_picture(self) -> None:
        """Ask where to save, then write the picture on the canvas with the recipe that made it."""
        commit_typed()
        ready = self.ready()  # now, as a run goes on behind the dialog
        if ready is None:
            self.said.emit(self.tr("There is no result to save yet: press Run."))
            return
        self._ask_picture(ready, self.suggestion())

    def _ask_picture(self, ready: tuple[Picture, Job], name: str) -> None:
        job, title = ready[1], self.tr("Save picture")

        def check(path: Path, chosen: str) -> None:
            check_target(path, _bits(chosen))
            check_apart(path, job.inputs)

        answer = file_to_save(self.window, "picture", title, name, PICTURES, check)
        if answer is not None:
            path, chosen = answer
            again = partial(self._ask_picture, ready, str(path))
            unsaved = partial(offer_again, self.window, title, again=again)
            self._write(ready, path, _bits(chosen), unsaved)

    def write_picture(self, path: Path, bits: int = 8) -> None:
        """Write the picture on the canvas."""
        ready = self.ready()
        if ready is not None:
            self._write(ready, path, bits)

    def ready(self) -> tuple[Picture, Job] | None:
        """Return the picture on the canvas and the job that makes it."""
        current, picture = self.canvas_content.current, self.running.picture()
        if current is None or picture is None:
            return None
        job = self.running.recipe_job(current.iteration)
        return None if job is None else (picture, job)

    def _write(
        self, ready: tuple[Picture, Job], path: Path, bits: int, unsaved: Unsaved | None = None
    ) -> None:
        picture, job = ready
        if not self._is_an_input(path, job):
            work = apart(path, partial(written_and_told, picture, path, job, bits))
            failed = partial(self._on_unsaved, unsaved)
            self.background.submit(work, self._on_written, failed, keep=True)

    def _is_an_input(self, path: Path, job: Job) -> bool:
        """Refuse to overwrite a picture of the job, and say so."""
        try:
            check_apart(path, job.inputs)
        except BadInput as error:
            self.failed.emit(worded(error))
            return True
        return False

    @Slot()
    def save_figure(self) -> None:
        """Ask where to save, then write the figure that explains the last result."""
        result = self.running.result
        if result is not None:
            self.save_figure_of(result.job, partial(made_figure, result))

    def save_figure_of(self, job: Job, make: Callable[[], Picture]) -> None:
        """Ask where to save, then write the figure of a job's result, which `make` returns."""
        self._ask_figure(job, make, self.suggestion(".figure.png"))

    def _ask_figure(self, job: Job, make: Callable[[], Picture], name: str) -> None:
        over, title = QApplication.activeWindow() or self.window, self.tr("Save figure")
        answer = file_to_save(over, "figure", title, name, FIGURES, partial(_check_apart, job))
        if answer is not None:
            again = partial(self._ask_figure, job, make, str(answer[0]))
            unsaved = partial(offer_again, over, title, again=again)
            self._write_figure(job, make, answer[0], unsaved)

    def write_figure(self, path: Path) -> None:
        """Write the figure of the last result."""
        result = self.running.result
        if result is not None:
            self._write_figure(result.job, partial(made_figure, result), path)

    def _write_figure(
        self, job: Job, make: Callable[[], Picture], path: Path, unsaved: Unsaved | None = None
    ) -> None:
        if not self._is_an_input(path, job):
            work = apart(path, partial(_written, make, path))
            failed = partial(self._on_unsaved, unsaved)
            self.background.submit(work, self._on_saved, failed, keep=True)

    def suggestion(self, suffix: str = ".png") -> str:
        """Suggest a file name for the picture on the canvas."""
        content = self.running.content_path()
        stem = Path(content).stem if content else "picture"
        job = self.running.job or self.studio.job
        return f"{stem}-{job.technique.command}{suffix}"

    @Slot()
    def copy(self) -> None:
        """Copy the picture on the canvas to the clipboard."""
        current = self.canvas_content.current
        if current is not None:
            QGuiApplication.clipboard().setImage(current.image)
            self.said.emit(self.tr("Picture copied to the clipboard."))

    @Slot()
    def branch(self) -> None:
        """Let the next run start from the picture on the canvas, at full size at once."""
        current = self.canvas_content.current
        if current is None or not {"start", "content"} & set(self.studio.technique.inputs):
            self.said.emit(self.tr("This technique does not start from a picture."))
            return
        done = partial(self._on_branch, self._made_by(current))
        self.background.submit(partial(_kept, current.image), done, self._on_failed)

    def _made_by(self, current: CanvasPicture) -> tuple[VariantEntry, int] | None:
        """Return the variant and the iteration of the picture on the canvas, if a run made it."""
        record = self.running.record
        if current.kind not in ("frame", "moment") or record is None or record.entry is None:
            return None
        return record.entry, current.iteration

    def _on_branch(self, made: tuple[VariantEntry, int] | None, found: tuple[str, str]) -> None:
        path, digest = found
        if made is not None:
            self.running.branching.note(digest, *made)
        technique = self.studio.technique
        if "start" in technique.inputs:
            changed = technique.begun_with_picture()
            inputs = replace(self.studio.job.inputs, start=path)
            self.studio.edit(self.tr("Use as start"), technique=changed, inputs=inputs)
        else:
            self.studio.set_inputs(self.tr("Use as start"), content=path)
        self.said.emit(self.tr("The next run starts from this picture."))
        if made is not None:
            text = self.tr("The next run starts from this picture, as a variant of {0}.")
            self.said.emit(text.format(made[0].name))

    def use_image(self, role: str, image: QImage) -> None:
        """Use the picture on the canvas as content, a style or the guide."""
        current = self.canvas_content.current
        made = None if current is None or current.image is not image else self._made_by(current)
        done = partial(self._on_use, role, made)
        self.background.submit(partial(_kept, image), done, self._on_failed)

    def _on_use(
        self, role: str, made: tuple[VariantEntry, int] | None, found: tuple[str, str]
    ) -> None:  # fmt: skip
        path, digest = found
        if made is not None and role == "content":
            self.running.branching.note(digest, *made)
        if role == "style":
            styles = (*self.studio.job.inputs.styles, (path, 1.0))
            self.studio.set_inputs(self.tr("Use as style"), styles=styles)
        else:
            self.studio.set_inputs(self.tr("Use as {0}").format(role), **{role: path})

    # -- jobs in files --------------------------------------------------------------------

    def read_recipe(self, path: Path) -> None:
        """Set everything up as a recipe says, be it a picture's or a file of its own (.json).

        This can be undone, and nothing is lost if the recipe cannot be read.
        """
        self.background.submit(
            partial(read_job, path), partial(self._on_recipe, path), self._on_failed
        )

    def _on_recipe(self, path: Path, job: Job) -> None:
        self.session.remember_file(str(path))
        self.studio.open(self.tr("Open {0}").format(path.name), with_paths(job))
        if path.suffix.lower() != ".json":
            self.canvas_content.show_opened(str(path))
        self.said.emit(self.tr("Opened {0}").format(path))

    # -- reports --------------------------------------------------------------------------

    def _on_saved(self, path: Path) -> None:
        log.info("saved %s", path)
        self.said.emit(self.tr("Saved {0}").format(path))

    def _on_written(self, written: tuple[Path, str]) -> None:
        path, words = written
        self._on_saved(path)
        if words:
            self.said.emit(self.tr("Saved {0}: {1}").format(path, words))

    def _on_unsaved(self, unsaved: Unsaved | None, error: BaseException) -> None:
        self._on_failed(error)
        if unsaved is not None:
            unsaved(worded(error))

    def _on_failed(self, error: BaseException) -> None:
        if isinstance(error, (PareidoliaError, OSError)):
            self.failed.emit(worded(error))
        else:
            raise error


def _kept(image: QImage) -> tuple[str, str]:
    """Write an image into the program's own folder; return its path and checksum."""
    path = kept(image)
    return path, hashlib.sha256(Path(path).read_bytes()).hexdigest()


def _bits(chosen: str) -> int:
    return 16 if "16" in chosen else 8


def _check_apart(job: Job, path: Path, _chosen: str) -> None:
    check_apart(path, job.inputs)


def _written(make: Callable[[], Picture], path: Path) -> Path:
    return save_picture(make(), path)
