"""Cameras, and films where av is missing: live pictures by Qt Multimedia, an optional package.

Qt Multimedia comes with PySide6-Addons, which must have exactly the version of PySide6-Essentials. It
is imported only when used.
"""

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import PySide6
from PySide6.QtCore import QCoreApplication, QObject, Qt, QUrl, Signal, Slot
from PySide6.QtGui import QImage

from engine.errors import BadInput
from gui.run.sources import FrameSource, NewestFrame, fitted

if TYPE_CHECKING:
    from PySide6.QtMultimedia import QCameraDevice, QVideoFrame

WANTED = (1280, 30)
"""The format asked of a camera: long side in pixels, and pictures a second."""


def has_multimedia() -> bool:
    """Whether Qt Multimedia is installed, and the system libraries that it needs."""
    try:
        import PySide6.QtMultimedia  # noqa: F401
    except ImportError:
        return False
    return True


def cameras() -> "list[QCameraDevice]":
    """Return the connected cameras, the default one first.

    Raises `BadInput` where Qt Multimedia is not installed.
    """
    if not has_multimedia():
        text = QCoreApplication.translate(
            "CameraSource", "A camera needs Qt Multimedia, which is not installed: {0}"
        )
        raise BadInput(text.format(f"pip install PySide6-Addons=={PySide6.__version__}"))
    from PySide6.QtMultimedia import QMediaDevices

    return sorted(QMediaDevices.videoInputs(), key=lambda device: not device.isDefault())


class SinkSource(FrameSource):
    """Pictures that Qt Multimedia hands to a video sink, made into images on a thread."""

    def __init__(self, name: str, parent: QObject | None = None) -> None:
        from PySide6.QtMultimedia import QVideoSink

        super().__init__(name, parent)
        self.sink = QVideoSink(self)
        self._converter = _Converter(self._box)
        self._converter.moveToThread(self._thread)
        self._converter.ready.connect(self.frame_ready)
        # A direct call, on whatever thread it comes: a queue would grow if converting is slower.
        self.sink.videoFrameChanged.connect(
            self._converter.offer, Qt.ConnectionType.DirectConnection
        )

    def stop(self) -> None:
        """End after the picture that is being converted."""
        if not self._stopped:
            self.sink.videoFrameChanged.disconnect(self._converter.offer)
        super().stop()


class _Converter(QObject):
    """Lives on the thread of a `SinkSource`."""

    ready = Signal()
    _wake = Signal()

    def __init__(self, box: NewestFrame) -> None:
        super().__init__()
        self.box = box
        self._lock = threading.Lock()
        self._frame: QVideoFrame | None = None
        self._wake.connect(self._convert, Qt.ConnectionType.QueuedConnection)

    @Slot("QVideoFrame")
    def offer(self, frame: "QVideoFrame") -> None:
        """Take the newest frame, on any thread."""
        with self._lock:
            first, self._frame = self._frame is None, frame
        if first:
            self._wake.emit()

    @Slot()
    def _convert(self) -> None:
        with self._lock:
            frame, self._frame = self._frame, None
        image = frame.toImage() if frame is not None else QImage()  # Qt turns it upright
        if image.isNull():
            return
        size = fitted(image.width(), image.height())
        if size != image.size():
            exactly = Qt.AspectRatioMode.IgnoreAspectRatio
            image = image.scaled(size, exactly, Qt.TransformationMode.SmoothTransformation)
        if self.box.put(image.convertToFormat(QImage.Format.Format_RGB32)):
            self.ready.emit()


class CameraSource(SinkSource):
    """A camera."""

    def __init__(self, device: "QCameraDevice", parent: QObject | None = None) -> None:
        from PySide6.QtMultimedia import QCamera, QMediaCaptureSession

        super().__init__(device.description(), parent)
        self._camera = QCamera(device, self)
        best = best_format(device.videoFormats())
        if best is not None:
            self._camera.setCameraFormat(best)
        self._session = QMediaCaptureSession(self)
        self._session.setCamera(self._camera)
        self._session.setVideoSink(self.sink)
        self._camera.errorOccurred.connect(self._on_error)

    def start(self) -> None:
        """Switch the camera on."""
        super().start()
        self._camera.start()

    def stop(self) -> None:
        """Switch the camera off."""
        super().stop()
        self._camera.stop()

    @Slot()
    def _on_error(self) -> None:
        reason = self._camera.errorString()
        self._on_problem(self.tr("{0} sends no picture ({1})").format(self.name, reason))


class PlayerSource(SinkSource):
    """A film, played at its own rate, in a loop, without sound."""

    def __init__(self, path: Path, parent: QObject | None = None) -> None:
        from PySide6.QtMultimedia import QMediaPlayer

        super().__init__(path.name, parent)
        self.path = path
        self._player = QMediaPlayer(self)
        self._player.setVideoSink(self.sink)
        self._player.setLoops(int(QMediaPlayer.Loops.Infinite.value))
        self._player.errorOccurred.connect(self._on_error)
        self._player.mediaStatusChanged.connect(self._on_status)

    def start(self) -> None:
        """Open the film and play it."""
        super().start()
        self._player.setSource(QUrl.fromLocalFile(str(self.path.absolute())))
        self._player.play()

    def stop(self) -> None:
        """Close the film."""
        super().stop()
        self._player.stop()

    @Slot()
    def _on_error(self) -> None:
        reason = self._player.errorString()
        self._on_problem(self.tr("{0} cannot be played ({1})").format(self.path, reason))

    @Slot()
    def _on_status(self) -> None:
        from PySide6.QtMultimedia import QMediaPlayer

        loaded = self._player.mediaStatus() is QMediaPlayer.MediaStatus.LoadedMedia
        if loaded and not self._player.hasVideo():
            text = self.tr("{0} cannot be played: it contains no video")
            self._on_problem(text.format(self.path))


def best_format(formats: Sequence[Any]) -> Any:
    """Return the camera's format nearest to `WANTED`; None: the camera lists none."""

    def distance(kind: Any) -> tuple[float, int]:
        size = kind.resolution()
        missing = max(0.0, WANTED[1] - kind.maxFrameRate())
        return missing, abs(max(size.width(), size.height()) - WANTED[0])

    return min(formats, key=distance, default=None)
