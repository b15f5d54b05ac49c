"""The results of this session: files with all that is needed to show, save and make them again."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PySide6.QtCore import QCoreApplication, QObject, Signal
from PySide6.QtGui import QImage

from engine.errors import BadInput
from engine.finish import Finish, Finisher, as_made
from engine.image import Picture, from_tensor, open_picture
from engine.job import Job, Source
from engine.task import Labels
from gui.background import Background
from gui.pictures import image_of
from gui.run.scratch import has_room, scratch_folder
from gui.run.worker import RunResult

BUDGET = 8 << 30
"""Bytes of results that are kept; the oldest go first."""
THUMBNAIL = 192
"""Long side in pixels."""


@dataclass(eq=False)
class StoredResult:
    """A result: its thumbnail, and where the whole of it is stored."""

    number: int
    title: str
    job: Job
    """As its recipe has it; of its pictures there are paths and check sums only."""
    iteration: int
    total: int
    seconds: float
    complete: bool
    labels: Labels | None
    finish: Finish
    """How it is finished; follows what a person changes while it is shown."""
    when: float = field(default_factory=time.time)
    size: tuple[int, int] = (0, 0)
    """Width and height."""
    thumbnail: QImage = field(default_factory=QImage)
    """As the result is finished; null until the file is written."""
    small: "ResultThumbnail | None" = None
    """What the thumbnail is made of."""
    file: Path | None = None
    bytes: int = 0


@dataclass(frozen=True, eq=False)
class ResultThumbnail:
    """A result and the photo that it was made of, as small as a thumbnail, not finished."""

    picture: Picture
    photo: Picture | None

    def finished(self, finish: Finish) -> QImage:
        """Return the thumbnail of the result finished in this way."""
        picture = self.picture
        if finish != Finish():
            finished = Finisher(self.photo)(as_made(picture), finish)
            picture = replace(picture, rgb=from_tensor(finished).rgb)
        return image_of(picture)


class Results(QObject):
    """Keeps every result of a session in files, within a budget; lives in the GUI thread."""

    changed = Signal()
    """One came, or was removed."""
    redrawn = Signal(object)
    """A `StoredResult` that is finished in another way has its new thumbnail."""
    failed = Signal(str)

    def __init__(self, background: Background, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.budget = BUDGET
        self.entries: list[StoredResult] = []
        """In the order in which they came."""
        self._background = background
        self._place = _ResultsFolder()
        self._count = 0
        self._stale: list[StoredResult] = []
        """Those that want a new thumbnail; the first one's is being made."""

    def add(self, result: RunResult, labels: Labels | None, finish: Finish) -> StoredResult:
        """Keep a result; it is written behind the window."""
        self._count += 1
        kept = StoredResult(
            self._count, result.job.technique.title, referenced(result.job), result.iteration,
            result.total, result.seconds, result.complete, labels, finish,
        )  # fmt: skip
        name = f"result-{kept.number:05}.npz"
        work = partial(_written, result, finish, self._place, name)
        self._background.submit(
            work, partial(self._on_written, kept, finish), partial(self._fail, kept)
        )
        return kept

    def finish(self, kept: StoredResult, finish: Finish) -> None:
        """Let a result be finished in another way; its thumbnail follows behind the window."""
        changed, kept.finish = kept.finish != finish, finish
        if changed and kept.small is not None and kept not in self._stale[1:]:
            self._stale.append(kept)
            if len(self._stale) == 1:
                self._redraw()

    def _redraw(self) -> None:
        kept = self._stale[0]
        assert kept.small is not None
        work = partial(kept.small.finished, kept.finish)
        self._background.submit(work, partial(self._on_redrawn, kept))

    def _on_redrawn(self, kept: StoredResult, thumbnail: QImage) -> None:
        kept.thumbnail = thumbnail
        self._stale.pop(0)
        self.redrawn.emit(kept)
        if self._stale:
            self._redraw()

    def remove(self, kept: StoredResult) -> None:
        """Forget a result and its file."""
        if kept in self.entries:
            self.entries.remove(kept)
            self._delete(kept)
            self.changed.emit()

    def _on_written(self, kept: StoredResult, finish: Finish, made: "_Made") -> None:
        kept.thumbnail, kept.size, kept.file, kept.bytes, kept.small = made
        self.entries.append(kept)
        self.entries.sort(key=lambda each: each.number)
        while sum(each.bytes for each in self.entries) > self.budget and len(self.entries) > 1:
            self._delete(self.entries.pop(0))
        self.changed.emit()
        now, kept.finish = kept.finish, finish
        self.finish(kept, now)  # if it was changed while the file was written

    def _delete(self, kept: StoredResult) -> None:
        if kept.file is not None:
            self._background.submit(partial(kept.file.unlink, missing_ok=True))

    def _fail(self, kept: StoredResult, error: BaseException) -> None:
        if not isinstance(error, (BadInput, OSError)):
            raise error
        self.failed.emit(self.tr("Result {0} cannot be saved: {1}").format(kept.number, error))


class _ResultsFolder:
    """The folder of the files, made when the first one comes."""

    def __init__(self) -> None:
        self._folder: Path | None = None
        self._lock = threading.Lock()

    def folder(self) -> Path:
        with self._lock:
            if self._folder is None:
                self._folder = scratch_folder("results", self)
            return self._folder


_Made = tuple[QImage, tuple[int, int], Path, int, ResultThumbnail]


def _written(result: RunResult, finish: Finish, place: _ResultsFolder, name: str) -> _Made:
    """Write a result in full precision.

    Returns thumbnail, width and height, file and its bytes, and what the thumbnail is made of.
    """
    picture = result.picture
    file = place.folder() / name
    if not has_room(file.parent):
        raise BadInput(
            QCoreApplication.translate("Results", "there is not enough disk space in {0}").format(
                file.parent
            )
        )
    parts: dict[str, Any] = {
        "rgb": picture.rgb,
        "exif": np.frombuffer(picture.exif or b"", np.uint8),
    }
    if picture.alpha is not None:
        parts["alpha"] = picture.alpha
    np.savez(file, **parts)
    photo = photo_of(result)
    small = ResultThumbnail(_small(picture), None if photo is None else _small(photo))
    size = picture.width, picture.height
    return small.finished(finish), size, file, file.stat().st_size, small


def _small(picture: Picture) -> Picture:
    return picture.resized(long_side=THUMBNAIL, enlarge=False)


def read(kept: StoredResult) -> RunResult:
    """Return a kept result whole, with the pictures of its job as far as they are still there.

    Raises `BadInput` where its file is gone.
    """
    if kept.file is None or not kept.file.is_file():
        raise BadInput(f"result {kept.number} no longer exists")
    with np.load(kept.file) as parts:
        exif = parts["exif"].tobytes() or None
        alpha = parts.get("alpha")
        picture = Picture(parts["rgb"], alpha, exif)
    job = _with_pictures(kept.job, _found)
    return RunResult(
        -kept.number, job, picture, kept.iteration, kept.total, kept.seconds, kept.complete
    )


def referenced(job: Job) -> Job:
    """Return a job that names its pictures by path and check sum, without their pixels."""

    def name(source: Source) -> Source:
        if not isinstance(source, Picture):
            return source
        none = np.zeros((1, 1, 3), np.float32)
        return Picture(none, path=source.path, sha256=source.sha256)

    return _with_pictures(job, name)


def is_reference(source: object) -> bool:
    """Whether a picture of a job is one without its pixels."""
    return isinstance(source, Picture) and source.rgb.size == 3


def photo_of(result: RunResult) -> Picture | None:
    """Return the photo that a result was made of, if it is still there."""
    content = result.job.inputs.content
    return content if isinstance(content, Picture) and not is_reference(content) else None


def _found(source: Source) -> Source:
    """Open a picture again if it is still the same one."""
    if isinstance(source, Picture) and is_reference(source) and source.path is not None:
        try:
            opened = open_picture(source.path)
        except BadInput:
            return source
        return opened if opened.sha256 == source.sha256 else source
    return source


def _with_pictures(job: Job, change: Callable[[Source], Source]) -> Job:
    i = job.inputs

    def one(source: Source | None) -> Source | None:
        return None if source is None else change(source)

    styles = tuple((change(picture), weight) for picture, weight in i.styles)
    inputs = replace(
        i, content=one(i.content), styles=styles, guide=one(i.guide), start=one(i.start)
    )
    return replace(job, inputs=inputs)
