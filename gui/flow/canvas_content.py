"""Which picture is on the canvas: the photo, the newest one of a run or camera, a moment or an input."""

from dataclasses import dataclass

from PySide6.QtCore import QObject, QRectF, QSize, Signal, Slot
from PySide6.QtGui import QImage

from engine.job import Job
from engine.task import Labels
from gui.canvas.canvas import Canvas
from gui.canvas.decoration import Labelled
from gui.flow.finish import FinishFlow
from gui.flow.readiness import missing
from gui.pictures import OpenedPicture, Pictures
from gui.run.history import Moment
from gui.run.mailbox import PreviewImage
from gui.run.worker import RunResult
from gui.session import path_of
from gui.studio import Studio


@dataclass(frozen=True)
class CanvasPicture:
    """A picture on the canvas and where it comes from."""

    kind: str
    """content, frame, moment, input, live, or preview: a foretaste of a result, which is not kept."""
    image: QImage
    iteration: int = 0
    path: str = ""
    raw: QImage | None = None
    """A run's picture before it was finished."""
    label: str = ""
    """The text written on it."""


class CanvasContent(QObject):
    """Puts pictures on the canvas and remembers which one is there."""

    changed = Signal()

    def __init__(
        self, canvas: Canvas, studio: Studio, pictures: Pictures, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self.current: CanvasPicture | None = None
        self.run_active = False
        """While a run is active, the canvas belongs to it: a new photo waits for the next run."""
        self._canvas, self._studio, self._pictures = canvas, studio, pictures
        self.run_content: str | None = None
        """The photo of the run on the canvas, with which its pictures are compared."""
        self.finishing: FinishFlow | None = None
        """Finishes a run's pictures before they are shown."""
        self.run_labels: Labels | None = None
        """Names of the pictures on the run's sheet."""
        self._size: QSize | None = None
        self.original: str | None = None
        self._divided = False
        """Whether before and after were being compared before two results were."""
        self._wants_content = False
        self._wanted_input = ""
        self._before_live: tuple[CanvasPicture | None, QSize, str | None] = (None, QSize(), None)
        """What was shown when a camera or film started: picture, size and the original."""
        pictures.arrived.connect(self._on_arrived)
        studio.changed.connect(self._on_job)
        self.show_content()

    def content(self) -> OpenedPicture | None:
        """Return the content photo, if there is one and the technique uses it."""
        if "content" not in self._studio.technique.inputs:
            return None
        path = path_of(self._studio.job.inputs.content)
        opened = self._pictures.get(path) if path else None
        return opened if opened is not None and not opened.problem else None

    def size_of_result(self) -> QSize | None:
        """Return the size of the next picture; None until the photo has been opened."""
        if "content" not in self._studio.technique.inputs:
            side = self._studio.job.size or 1  # none: the run will report that there is no photo
            return QSize(side, side)
        opened = self.content()
        if opened is None:
            return None
        own = max(opened.width, opened.height)
        scale = (self._studio.job.size or own) / own
        return QSize(max(1, round(opened.width * scale)), max(1, round(opened.height * scale)))

    @Slot()
    def show_content(self) -> None:
        """Show the photo at the size of the result, as soon as it has been opened."""
        self._wants_content = False
        self._show_hint()
        path = path_of(self._studio.job.inputs.content)
        if "content" not in self._studio.technique.inputs:
            self._compare_with(None)
            self._put(None, None)
            return
        self._compare_with(path)
        opened = self.content()
        if opened is not None:
            self._put(
                CanvasPicture("content", opened.image, path=opened.path), self.size_of_result()
            )
        elif path is None:
            self._put(None, None)
        else:
            self._wants_content = True

    def _show_hint(self) -> None:
        """Say on the empty canvas what to do next."""
        if self._studio.technique.needs_content:
            self._canvas.set_hint(self.tr("Drop a photo here, or press Ctrl+I"))
        else:
            lacks = missing(self._studio.job)
            self._canvas.set_hint(lacks or self.tr("Press Run (F5) to make a picture"))

    def _compare_with_content(self) -> None:
        """Take the run's own photo as the original, unless it is that already."""
        if self.original != self.run_content or self._canvas.compare_names is not None:
            self._compare_with(self.run_content)

    def _compare_with(self, path: str | None) -> None:
        """Take a photo as the original; it may still have to be opened."""
        self.original = path
        if self._canvas.compare_names is not None:  # also ends the divider that came with them
            self._canvas.set_compare(self._divided)
        self._canvas.set_compare_names(None)
        opened = self._pictures.get(path) if path else None
        self._canvas.set_original(opened.image if opened and not opened.problem else None)

    def show_frame(self, shown: PreviewImage) -> None:
        """Show the newest picture of the run."""
        height, width = shown.size
        self._wants_content = False
        self._compare_with_content()
        self._size = QSize(width, height)
        self._put_made(CanvasPicture("frame", shown.image, shown.iteration, raw=shown.image))

    def show_result(self, image: QImage, result: RunResult) -> None:
        """Show the result of a run other than the timeline's."""
        self._wants_content = False
        self._compare_with_content()
        self._size = QSize(result.picture.width, result.picture.height)
        self._put_made(CanvasPicture("frame", image, result.iteration, raw=image))

    def show_preview(self, image: QImage, size: QSize, label: str = "") -> None:
        """Show a preview of a result of this size; `label` is written on it."""
        self._wants_content = False
        if self.original != self._content_path() or self._canvas.compare_names is not None:
            self._compare_with(self._content_path())
        self._put(CanvasPicture("preview", image, label=label), size)

    def compare_with_image(self, image: QImage, names: tuple[str, str]) -> None:
        """Let an image be the original, until another run or picture is shown."""
        if self._canvas.compare_names is None:
            self._divided = self._canvas.compare()
        self.original = None
        self._canvas.set_original(image)
        self._canvas.set_compare_names(names)
        self._canvas.set_compare(True)

    def show_moment(self, moment: Moment) -> None:
        """Show a moment of the run's history."""
        self._wants_content = False
        self._compare_with_content()
        self._put_made(CanvasPicture("moment", moment.image, moment.iteration, raw=moment.image))

    def _put_made(self, canvas_picture: CanvasPicture) -> None:
        if self.finishing is None:
            self.put(canvas_picture, self._size)
        else:
            self.finishing.put(canvas_picture, self._size)

    @Slot(str)
    def show_input(self, path: str) -> None:
        """Show one of the input pictures."""
        self._wants_content = False
        opened = self._pictures.get(path)
        if opened is None:
            self._wanted_input = path
        elif not opened.problem:
            size = QSize(opened.width, opened.height)
            self._put(CanvasPicture("input", opened.image, path=path), size)

    def show_opened(self, path: str) -> None:
        """Show a picture whose recipe was opened, beside the photo that it was made from."""
        self._compare_with(self._content_path())
        self.show_input(path)

    def _content_path(self) -> str | None:
        takes = "content" in self._studio.technique.inputs
        return path_of(self._studio.job.inputs.content) if takes else None

    def show_live(self, image: QImage, name: str) -> None:
        """Show the newest picture of a camera or film."""
        if self.current is None or self.current.kind != "live":
            self._before_live = self.current, self._canvas.logical_size(), self.original
            self._wants_content, self._wanted_input = False, ""
            self._compare_with(None)
        self._put(CanvasPicture("live", image, path=name), image.size())

    def end_live(self) -> None:
        """Show again what was shown before the camera or film."""
        if self.current is None or self.current.kind != "live":
            return
        before, size, original = self._before_live
        if before is None or before.kind == "content":
            self.show_content()
        else:
            self._compare_with(original)
            self._put(before, size)

    def put(self, canvas_picture: CanvasPicture, size: QSize | None) -> None:
        """Show a picture of a run, unfinished."""
        self._put(canvas_picture, size)

    def _put(self, canvas_picture: CanvasPicture | None, size: QSize | None) -> None:
        self.current = canvas_picture
        other = canvas_picture is not None and canvas_picture.kind == "frame"
        other = other and size != self._canvas.logical_size()
        self._canvas.set_picture(canvas_picture.image if canvas_picture else None, size)
        made = canvas_picture is not None and canvas_picture.kind in ("frame", "moment")
        labels = places_of(self.run_labels) if made else ()
        if canvas_picture is not None and canvas_picture.label:
            labels = ((QRectF(0, 0, 1, 1), canvas_picture.label),)
        self._canvas.set_labels(labels)
        if other:  # a run at another size: the magnified part is elsewhere now
            self._canvas.fit()
        self._canvas.set_description(self._words(canvas_picture))
        self.changed.emit()

    def _words(self, canvas_picture: CanvasPicture | None) -> str:
        if canvas_picture is None:
            return self.tr("no picture")
        if canvas_picture.kind in ("frame", "moment"):
            return self.tr("the picture after iteration {0}").format(canvas_picture.iteration)
        if canvas_picture.kind == "preview":
            return self.tr("a preview of the result")
        if canvas_picture.kind == "live":
            return self.tr("the live picture of {0}").format(canvas_picture.path)
        return self.tr("the photo {0}").format(canvas_picture.path)

    @Slot(str)
    def _on_arrived(self, path: str) -> None:
        if path == self.original:
            self._compare_with(path)
        content = path_of(self._studio.job.inputs.content)
        if path == content and not self.run_active:
            shown = self.current.kind if self.current is not None else "content"
            if self._wants_content or shown == "content":
                self.show_content()
        if path == self._wanted_input:
            self._wanted_input = ""
            self.show_input(path)

    @Slot(object, object)
    def _on_job(self, before: Job, after: Job) -> None:
        self._show_hint()
        if self.run_active:
            return
        took, takes = ("content" in job.technique.inputs for job in (before, after))
        other = path_of(before.inputs.content) != path_of(after.inputs.content)
        resized = before.size != after.size and self.current and self.current.kind == "content"
        if took != takes or (takes and (other or resized)):
            self.show_content()


def places_of(labels: Labels | None) -> tuple[Labelled, ...]:
    """Return labels with the parts of the picture that they name."""
    if labels is None:
        return ()
    across = labels.columns
    down = -(-len(labels.texts) // across)
    return tuple(
        (QRectF(n % across / across, n // across / down, 1 / across, 1 / down), text)
        for n, text in enumerate(labels.texts)
        if text
    )
