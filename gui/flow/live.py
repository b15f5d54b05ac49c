"""A camera or film on the canvas: classes and maps follow it, and a frame can be kept."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, QTimer, Signal, Slot
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QInputDialog, QLabel, QMainWindow

from engine.errors import BadInput
from gui.dialogs.file_dialogs import file_to_open
from gui.flow.canvas_content import CanvasContent
from gui.flow.input_pictures import InputPicturesFlow
from gui.run.controller import TICK_MS, RunController, State
from gui.run.map_answers import MapsAnswer
from gui.run.maps import MapsController
from gui.run.sources import FrameSource, film_source
from gui.wording import worded

if TYPE_CHECKING:
    from PySide6.QtMultimedia import QCameraDevice

FILMS = "(*.mp4 *.m4v *.mov *.mkv *.webm *.avi *.mpg *.mpeg *.ogv *.gif)"
SAY_EVERY_MS = 1000
NAME_LETTERS = 32


class LiveFlow(QObject):
    """At most one source at a time, and none during a run, to which the canvas then belongs."""

    changed = Signal(bool)
    """Whether a source is live."""
    failed = Signal(str)

    def __init__(
        self, controller: RunController, maps: MapsController, canvas_content: CanvasContent,
        input_pictures: InputPicturesFlow, window: QMainWindow,
    ) -> None:  # fmt: skip
        super().__init__(window)
        self.controller, self.maps = controller, maps
        self.canvas_content, self.input_pictures = canvas_content, input_pictures
        self.window = window
        self._source: FrameSource | None = None
        self.film: Path | None = None
        """The file being played."""
        self.leaving: list[FrameSource] = []
        """Stopped sources whose threads are about to end."""
        self._seen = False
        """Whether a picture of the source has been on the canvas."""
        self.painting: Callable[[QImage], bool] | None = None
        """Takes a picture and later calls `show`, or returns False."""
        self._original: QImage | None = None
        """The source's picture that the one on the canvas was made from."""
        self._pictures = self._answers = 0
        self._counted_from = 0.0
        self.label = QLabel()
        self.label.hide()
        window.statusBar().addPermanentWidget(self.label)
        self._tick = QTimer(self)
        self._tick.setSingleShot(True)
        self._tick.setInterval(TICK_MS)
        self._tick.timeout.connect(self._take)
        self._counter = QTimer(self)
        self._counter.setInterval(SAY_EVERY_MS)
        self._counter.timeout.connect(self._say_rates)
        controller.state_changed.connect(self._on_state)
        canvas_content.changed.connect(self._on_showing)
        maps.answered.connect(self._on_answer)

    @property
    def active(self) -> bool:
        """Whether a source is live."""
        return self._source is not None

    # -- the user's requests --------------------------------------------------------------

    @Slot()
    def camera(self) -> None:
        """Show a camera; if there are several, ask which."""
        from gui.run.cameras import CameraSource, cameras

        try:
            devices = cameras()
        except BadInput as error:
            self.failed.emit(worded(error))
            return
        if not devices:
            self.failed.emit(self.tr("There is no camera: connect one and try again."))
            return
        device = devices[0] if len(devices) == 1 else self._choose(devices)
        if device is not None:
            self.play(CameraSource(device, self))

    def _choose(self, devices: "list[QCameraDevice]") -> "QCameraDevice | None":
        names = [f"{i}  {device.description()}" for i, device in enumerate(devices, 1)]
        title, label = self.tr("Camera"), self.tr("Which camera")
        name, good = QInputDialog.getItem(self.window, title, label, names, 0, False)
        return devices[names.index(name)] if good and name in names else None

    @Slot()
    def choose_film(self) -> None:
        """Ask for a film and play it."""
        title, filters = self.tr("Play video file"), self.tr("Films {0}").format(FILMS)
        path = file_to_open(self.window, "video", title, filters)
        if path is not None:
            self.play_film(path)

    def play_film(self, path: Path) -> None:
        """Play a film in place of a camera."""
        try:
            source = film_source(path, self)
        except BadInput as error:
            self.failed.emit(worded(error))
            return
        self.play(source)
        self.film = path if self._source is source else None

    def play(self, source: FrameSource) -> None:
        """Let the canvas follow a source that has not been started."""
        self._leave()
        if self.controller.active:
            source.deleteLater()
            return
        self._source, self._seen = source, False
        source.frame_ready.connect(self._on_ready)
        source.failed.connect(self._on_failed)
        source.ended.connect(self._on_ended)
        self._pictures = self._answers = 0
        self._counted_from = time.monotonic()
        self._say(self.tr("{0}: starting…").format(self._name()))
        self._counter.start()
        self.maps.live = True
        source.start()
        self.changed.emit(True)

    @Slot()
    def stop(self) -> None:
        """Stop, and show again what was there before."""
        if self.active:
            self._leave()
            self.canvas_content.end_live()

    @Slot()
    def freeze(self) -> None:
        """Stop, and keep the picture on the canvas as the photo to work on."""
        current = self.canvas_content.current
        if self.active and current is not None and current.kind == "live":
            original = self._original or current.image
            self._leave()
            self.input_pictures.drop_image(original)

    def close(self) -> None:
        """Stop, and wait for all threads."""
        self._leave()
        for source in list(self.leaving):
            source.wait()

    def _leave(self) -> None:
        """Stop the source; the canvas stays as it is."""
        source, self._source = self._source, None
        self.film = self._original = None
        if source is None:
            return
        self._tick.stop()
        self._counter.stop()
        self.label.hide()
        self.leaving.append(source)
        source.stop()
        self.maps.live = False
        self.changed.emit(False)

    # -- events ---------------------------------------------------------------------------

    @Slot()
    def _on_ready(self) -> None:
        if self.active and not self._tick.isActive():
            self._tick.start()

    @Slot()
    def _take(self) -> None:
        image = self._source.take() if self._source is not None else None
        if image is not None and not (self.painting is not None and self.painting(image)):
            self.show(image, image)

    def show(self, image: QImage, original: QImage) -> None:
        """Put a picture of the source on the canvas, or what was made from it."""
        if self._source is not None:
            self._seen, self._original = True, original
            self._pictures += 1
            self.canvas_content.show_live(image, self._source.name)

    @Slot()
    def _on_showing(self) -> None:
        """Stop the source when something else is put on the canvas, which would only flash by."""
        current = self.canvas_content.current
        if self._seen and (current is None or current.kind != "live"):
            self._leave()

    @Slot(object)
    def _on_state(self, state: State) -> None:
        if state is not State.IDLE:
            self.stop()

    @Slot(str)
    def _on_failed(self, sentence: str) -> None:
        self.stop()
        self.failed.emit(sentence)

    @Slot()
    def _on_ended(self) -> None:
        for source in [s for s in self.leaving if not s.running]:
            self.leaving.remove(source)
            source.deleteLater()

    @Slot(object)
    def _on_answer(self, answer: MapsAnswer) -> None:
        if not answer.unfinished:
            self._answers += 1

    @Slot()
    def _say_rates(self) -> None:
        now = time.monotonic()
        seconds, self._counted_from = now - self._counted_from, now
        pictures, answers = (n / seconds for n in (self._pictures, self._answers))
        self._pictures = self._answers = 0
        text = self.tr("{0}: {1:.0f} frames/s").format(self._name(), pictures)
        if answers:
            text = self.tr("{0}, analysed {1:.0f}/s").format(text, answers)
        self._say(text)

    def _name(self) -> str:
        name = self._source.name if self._source is not None else ""
        wide = NAME_LETTERS * self.label.fontMetrics().averageCharWidth()
        return self.label.fontMetrics().elidedText(name, Qt.TextElideMode.ElideMiddle, wide)

    def _say(self, text: str) -> None:
        self.label.setText(text)
        self.label.show()
