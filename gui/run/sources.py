"""Live pictures: a source leaves its newest picture in a slot, and the window takes it when it has time.

If a source queued every picture, a slower window would run out of memory. So there is one slot, as in
`gui.run.mailbox`, and pictures not taken in time are dropped.
"""

import importlib.util
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PySide6.QtCore import QCoreApplication, QObject, QSize, Qt, QThread, Signal, Slot
from PySide6.QtGui import QImage, QTransform

from engine.errors import BadInput
from engine.film_reader import decoded
from gui.pixels import to_image
from gui.wording import worded

if TYPE_CHECKING:
    from av import VideoFrame

LONG_SIDE = 1280
"""The longest side of a live picture, in pixels: enough for a screen, and for a run."""
LATE = 0.25
"""A film that lags more seconds than this is played slower rather than in leaps."""
GAP = 2.0
"""A longer gap between two pictures, in seconds, is a fault in the film rather than a pause."""


class NewestFrame:
    """One slot for the newest picture, between a source's thread and the window's."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._image: QImage | None = None
        self._closed = False

    def put(self, image: QImage) -> bool:
        """Leave a picture in place of the one there; return whether the slot was empty."""
        with self._lock:
            if self._closed:
                return False
            first, self._image = self._image is None, image
            return first

    def take(self) -> QImage | None:
        """Return the newest picture if nobody has taken it yet."""
        with self._lock:
            image, self._image = self._image, None
            return image

    def close(self) -> None:
        """Accept no more pictures, and forget the one there."""
        with self._lock:
            self._closed, self._image = True, None


class FrameSource(QObject):
    """A camera or a film. Lives in the GUI thread, works on a thread of its own.

    A source is started once and stopped once.
    """

    frame_ready = Signal()
    """There is a picture to take (not repeated before it is taken)."""
    failed = Signal(str)
    """One sentence; the source stops by itself."""
    ended = Signal()
    """The thread has ended; nothing more will come."""

    def __init__(self, name: str, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.name = name
        self._box = NewestFrame()
        self._stopped = False
        self._thread = QThread(self)
        self._thread.setObjectName("live source")
        self._thread.finished.connect(self._on_finished)

    @property
    def running(self) -> bool:
        """Whether its thread is running."""
        return self._thread.isRunning()

    def start(self) -> None:
        """Begin; pictures and problems come through the signals."""
        self._thread.start()

    def take(self) -> QImage | None:
        """Return the newest picture if it has not been taken."""
        return self._box.take()

    def stop(self) -> None:
        """Stop delivering at once; `ended` says when the thread has ended too."""
        self._stopped = True
        self._box.close()
        self._thread.quit()

    def wait(self, patience_ms: int = 5000) -> bool:
        """Wait for the thread of a stopped source to end; return whether it has."""
        return bool(self._thread.wait(patience_ms))

    @Slot(str)
    def _on_problem(self, sentence: str) -> None:
        if not self._stopped:
            self.stop()
            self.failed.emit(sentence)

    @Slot()
    def _on_finished(self) -> None:
        self._thread.wait()  # `finished` is emitted a moment before the thread has ended
        self.ended.emit()


class VideoSource(FrameSource):
    """A film, played at its own rate in a loop, read by the package av."""

    def __init__(self, path: Path, parent: QObject | None = None) -> None:
        super().__init__(path.name, parent)
        self._player = _Player(path, self._box)
        self._player.moveToThread(self._thread)
        self._player.ready.connect(self.frame_ready)
        self._player.failed.connect(self._on_problem)
        self._thread.started.connect(self._player.play, Qt.ConnectionType.QueuedConnection)

    def stop(self) -> None:
        """End after the picture that is being read."""
        self._player.stopped.set()
        super().stop()


class _Player(QObject):
    """Lives on the thread of a `VideoSource`."""

    ready = Signal()
    failed = Signal(str)

    def __init__(self, path: Path, box: NewestFrame) -> None:
        super().__init__()
        self.path, self.box = path, box
        self.stopped = threading.Event()
        self._began: float | None = None
        """When the film was at time 0, by the monotonic clock."""

    @Slot()
    def play(self) -> None:
        """Play until stopped. Never raises."""
        try:
            while not self.stopped.is_set():
                self._play_once()
        except BadInput as error:
            self.failed.emit(worded(error))
        except Exception as error:  # film readers raise many kinds of errors
            reason = getattr(error, "strerror", None) or error
            self.failed.emit(self.tr("{0} cannot be played ({1})").format(self.path, reason))
        QThread.currentThread().quit()

    def _play_once(self) -> None:
        import av

        # Absolute, so that no name is taken for an address in the network.
        with av.open(str(self.path.absolute())) as container:
            if not container.streams.video:
                text = self.tr("{0} cannot be played: it contains no video")
                raise BadInput(text.format(self.path))
            stream: Any = container.streams.video[0]
            stream.thread_type = "AUTO"
            rate = min(max(float(stream.average_rate or 25), 1.0), 120.0)
            aspect = float(stream.sample_aspect_ratio or 1)
            count = 0
            self._began = None
            for frame in decoded(container, stream):
                at = frame.time if frame.time is not None else count / rate
                if not self._wait_for(at):
                    return
                if self.box.put(image_of(frame, aspect)):
                    self.ready.emit()
                count += 1
            if not count:
                text = self.tr("{0} cannot be played: none of its frames can be read")
                raise BadInput(text.format(self.path))
            # A film of one picture stands still; otherwise the last picture stays as long as the others.
            self.stopped.wait(None if count == 1 else 1 / rate)

    def _wait_for(self, at: float) -> bool:
        """Wait until the film is `at` seconds in; return False if stopped."""
        now = time.monotonic()
        delay = 0.0 if self._began is None else self._began + at - now
        if self._began is None or not -LATE < delay < GAP:
            self._began, delay = now - at, 0.0
        return not self.stopped.wait(max(0.0, delay))


def image_of(frame: "VideoFrame", aspect: float = 1.0) -> QImage:
    """Return a film's picture upright and at most `LONG_SIDE` long.

    Args:
        frame: as decoded.
        aspect: width of a pixel divided by its height.
    """
    size = fitted(round(frame.width * aspect), frame.height)
    small = frame.reformat(width=size.width(), height=size.height(), format="rgb24")
    image = to_image(np.asarray(small.to_ndarray(), np.uint8))
    turn = QTransform().rotate(-frame.rotation)  # av counts counterclockwise
    return (image if turn.isIdentity() else image.transformed(turn)).convertToFormat(
        QImage.Format.Format_RGB32
    )


def fitted(width: int, height: int) -> QSize:
    """Return a size of the same shape, at most `LONG_SIDE` long and never enlarged."""
    size = QSize(max(1, width), max(1, height))
    if max(width, height) > LONG_SIDE:
        size.scale(LONG_SIDE, LONG_SIDE, Qt.AspectRatioMode.KeepAspectRatio)
    return size.expandedTo(QSize(1, 1))


def film_source(path: Path, parent: QObject | None = None) -> FrameSource:
    """Return a source for a film: by the package av or, without it, by Qt Multimedia.

    Raises `BadInput` where neither is installed.
    """
    if importlib.util.find_spec("av") is not None:
        return VideoSource(path, parent)
    from gui.run.cameras import PlayerSource, has_multimedia

    if has_multimedia():
        return PlayerSource(path, parent)
    text = QCoreApplication.translate(
        "VideoSource", "{0} needs the package av to be played: pip install av"
    )
    raise BadInput(text.format(path))
