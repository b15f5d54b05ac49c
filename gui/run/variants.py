"""The variants of a project: what each run has made, and all that is needed to go on from it."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from PySide6.QtCore import QBuffer, QCoreApplication, QIODevice, QObject, Qt, QTimer, Signal
from PySide6.QtGui import QColor, QImage, QImageWriter, QPainter

from engine.errors import BadInput, PareidoliaError
from engine.finish import Finish
from engine.image import Picture
from engine.job import Job
from engine.task import Labels
from engine.work.losses import LossHistory
from engine.work.project_folder import ProjectFolder
from engine.work.project_schema import LONGEST_NAME, LONGEST_NOTE, Variant
from gui.background import Background
from gui.pictures import image_of
from gui.run.history import Moment
from gui.run.project_writer import ProjectWriter
from gui.run.referenced import opened_again, photo_of, referenced
from gui.run.scratch import has_room
from gui.run.variant_entry import VariantEntry, VariantThumbnail, said_of, variant_of
from gui.run.worker import RunResult
from gui.wording import worded

THUMBNAIL = 192
"""Long side of a thumbnail in pixels."""
MOMENT = 1024
"""The longest side of moments kept in files, in pixels."""
QUALITY = 92
EDITS_MS = 500
"""Milliseconds from a change of a variant's name or note to its writing; changes in between are
included."""


class Variants(QObject):
    """Keeps every variant of the project in its folder; lives in the GUI thread."""

    changed = Signal()
    """A variant was added or deleted."""
    redrawn = Signal(object)
    """What is known of a `VariantEntry` has changed."""
    edited = Signal()
    """There is something that the project's file does not hold yet."""
    failed = Signal(str)

    def __init__(
        self, background: Background, writer: ProjectWriter, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self.entries: list[VariantEntry] = []
        """In the order in which they were started: parents come before their children."""
        self._background, self._writer = background, writer
        self._count = 0
        self._failing = ""
        """The last error in writing; reported once."""
        self._stale: list[VariantEntry] = []
        """Variants that need a new thumbnail; the first one's is being made."""
        self._changed: list[VariantEntry] = []
        """Variants of which something other than a picture is to be written."""
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(EDITS_MS)
        self._timer.timeout.connect(self.write_edits)

    # -- runs -----------------------------------------------------------------------------

    def begin(
        self, job: Job, total: int, labels: Labels | None, finish: Finish,
        branched: tuple[VariantEntry, int] | None = None,
    ) -> VariantEntry:  # fmt: skip
        """Add the variant of a run that has something to show.

        `branched`: the variant that the run started from, and its iteration.
        """
        self._count += 1
        parent, at = branched or (None, 0)
        entry = VariantEntry(
            f"{self._count}. {job.technique.title}", referenced(job), total, labels, finish,
            parent=parent, branched_at=at, running=True,
        )  # fmt: skip
        self.entries.append(entry)
        self.changed.emit()
        self.edited.emit()
        return entry

    def begin_again(self, entry: VariantEntry) -> None:
        """Note that the variant's run is being continued."""
        entry.running = True
        self.redrawn.emit(entry)

    def show_first(self, entry: VariantEntry, image: QImage) -> None:
        """Give a variant without a thumbnail that of an image."""
        aspect, fast = Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.FastTransformation
        entry.thumbnail = image.scaled(THUMBNAIL, THUMBNAIL, aspect, fast)
        self.redrawn.emit(entry)

    def show_reached(self, entry: VariantEntry, iteration: int) -> None:
        """Note how far the variant's run is."""
        if entry.running and entry.reached != iteration:
            entry.reached = iteration
            self.redrawn.emit(entry)

    def keep(
        self, entry: VariantEntry, result: RunResult, moments: Sequence[Moment] = (),
        losses: LossHistory | None = None, written: Callable[[], object] | None = None,
    ) -> None:  # fmt: skip
        """Keep what a run has made so far, or at its end; it is written in the background.

        `written` is called when that has ended, whether or not it succeeded.
        """
        entry.job, entry.recipe = referenced(result.job), result.job.recipe()
        entry.iteration, entry.total = result.iteration, result.total
        entry.seconds, entry.complete = result.seconds, result.complete
        entry.size = result.picture.width, result.picture.height
        entry.when, entry.unwritten = time.time(), result
        if losses is not None:
            losses = losses.copy()
            losses.cut(result.iteration)  # a current run is further by now
        entry.unwritten_losses = losses
        self.redrawn.emit(entry)
        self.edited.emit()
        self._write(entry, moments, written)

    def _write(
        self, entry: VariantEntry, moments: Sequence[Moment], written: Callable[[], object] | None
    ) -> None:
        result, losses, finish = entry.unwritten, entry.unwritten_losses, entry.finish
        assert result is not None
        variant, thumbnails = variant_of(entry, finish), partial(_thumbnails, result, finish)
        pictures: list[tuple[VariantThumbnail, QImage]] = []

        def work(folder: ProjectFolder) -> frozenset[int]:
            small, thumbnail = thumbnails()
            pictures.append((small, thumbnail))
            # It may have been renamed or given another parent since.
            said = said_of(entry, variant)
            return put_variant(folder, said, result, moments, losses, thumbnail)

        def done(there: frozenset[int] | None) -> None:
            if pictures:
                entry.small, entry.thumbnail = pictures[0]
            if there is not None:
                entry.in_folder, entry.written_moments = True, there
                entry.has_checkpoint = result.checkpoint is not None
                if entry.unwritten is result:
                    entry.unwritten = entry.unwritten_losses = None
                self._failing = ""
            self.redrawn.emit(entry)
            now, entry.finish = entry.finish, finish
            self.finish(entry, now)  # if it was changed while the file was written
            if written is not None:
                written()

        def failed(error: BaseException) -> None:
            done(None)
            self._fail(
                self.tr("{0} cannot be written to disk: {1}").format(entry.name, "{0}"), error
            )

        self._writer.submit(work, done, failed, key=f"picture {entry.id}")

    def end(self, entry: VariantEntry) -> None:
        """Note that the variant's run is over."""
        entry.running = False
        self.redrawn.emit(entry)

    # -- the user's edits -----------------------------------------------------------------

    def finish(self, entry: VariantEntry, finish: Finish) -> None:
        """Finish a result in another way; its thumbnail is made in the background."""
        changed, entry.finish = entry.finish != finish, finish
        if changed and entry.small is not None and entry not in self._stale[1:]:
            self._stale.append(entry)
            if len(self._stale) == 1:
                self._redraw()

    def rename(self, entry: VariantEntry, name: str) -> None:
        """Give a variant another name."""
        entry.name = name[:LONGEST_NAME]
        self._edit(entry)

    def write_note(self, entry: VariantEntry, note: str) -> None:
        """Set a variant's note."""
        entry.note = note[:LONGEST_NOTE]
        self._edit(entry)

    def star(self, entry: VariantEntry, on: bool) -> None:
        """Star a variant, or remove its star."""
        entry.starred = on
        self._edit(entry)

    def _edit(self, entry: VariantEntry) -> None:
        self.redrawn.emit(entry)
        self.edited.emit()
        if entry not in self._changed:
            self._changed.append(entry)
        self._timer.start()

    def write_edits(self) -> None:
        """Write changed names, notes and stars now."""
        self._timer.stop()
        for entry in self._changed:
            if entry.in_folder:  # otherwise it is written with the picture
                variant = variant_of(entry, entry.finish)
                thumbnail = QImage(entry.thumbnail)
                work = partial(_said, variant, thumbnail)
                failed = partial(self._fail, self.tr("The change cannot be written to disk: {0}"))
                self._writer.submit(work, None, failed, key=f"said {entry.id}")
        self._changed.clear()

    def remove(self, entries: Sequence[VariantEntry]) -> None:
        """Delete variants; their children go to the nearest remaining ancestor."""
        for entry in entries:
            for child in self.entries:
                if child.parent is entry:
                    child.parent, child.branched_at = entry.parent, entry.branched_at
            self.entries.remove(entry)
            if entry in self._changed:
                self._changed.remove(entry)
            failed = partial(self._fail, self.tr("The variant cannot be deleted: {0}"))
            self._writer.submit(partial(_removed, entry.id), None, failed)
        self.changed.emit()
        self.edited.emit()

    def show(self, entries: Sequence[VariantEntry]) -> None:
        """Replace the current variants by these, from another project."""
        self._timer.stop()
        self._changed.clear()
        self._stale = self._stale[:1]  # the one being made
        self.entries = list(entries)
        self._count, self._failing = len(self.entries), ""
        self.changed.emit()

    # -- thumbnails, failures -------------------------------------------------------------

    def _redraw(self) -> None:
        entry = self._stale[0]
        assert entry.small is not None
        work = partial(entry.small.finished, entry.finish)
        self._background.submit(work, partial(self._on_redrawn, entry))

    def _on_redrawn(self, entry: VariantEntry, thumbnail: QImage) -> None:
        entry.thumbnail = thumbnail
        self._stale.pop(0)
        if entry in self.entries:
            self._edit(entry)
        if self._stale:
            self._redraw()

    def _fail(self, sentence: str, error: BaseException) -> None:
        if not isinstance(error, (PareidoliaError, OSError)):
            raise error
        words = sentence.format(worded(error))
        if words != self._failing:
            self._failing = words
            self.failed.emit(words)


def read(entry: VariantEntry, folder: ProjectFolder | None) -> RunResult:
    """Return a variant's picture and job, its pictures opened as far as they are still there.

    Raises `BadInput` where its file is gone.
    """
    if entry.unwritten is not None:
        return replace(entry.unwritten, run=0)
    if folder is None:
        raise BadInput(f"{entry.name} no longer exists")
    try:
        picture = folder.result(entry.id)
        job = opened_again(folder.job(entry.id))
    except BadInput as error:
        raise BadInput(f"{entry.name} cannot be shown: {error}") from error
    return RunResult(
        0,
        job,
        replace(picture, path=None),
        entry.iteration,
        entry.total,
        entry.seconds,
        entry.complete,
    )


def _thumbnails(result: RunResult, finish: Finish) -> tuple[VariantThumbnail, QImage]:
    """Return what a thumbnail is made from, and the thumbnail."""
    photo = photo_of(result)
    small = VariantThumbnail(_small(result.picture), None if photo is None else _small(photo))
    return small, small.finished(finish)


def put_variant(
    folder: ProjectFolder, variant: Variant, result: RunResult, moments: Sequence[Moment],
    losses: LossHistory | None = None, thumbnail: QImage | None = None,
) -> frozenset[int]:  # fmt: skip
    """Write a variant; return the iterations whose moments are there. Raises `BadInput`."""
    if thumbnail is None:
        thumbnail = _thumbnails(result, result.job.finish)[1]
    if variant.parent not in {each.id for each in folder.read().variants}:
        variant = replace(variant, parent=None)  # that one could not be written
    if not has_room(folder.path):
        raise BadInput(
            QCoreApplication.translate("Variants", "there is not enough disk space in {0}").format(
                folder.path
            )
        )
    there = frozenset(folder.moments(variant.id))
    images = {
        moment.iteration: None if moment.iteration in there else jpeg(moment.image, MOMENT)
        for moment in moments
    }
    kept = images if moments else None
    folder.put(variant, result.picture, jpeg(thumbnail), kept, result.checkpoint, losses)
    return frozenset(images) if moments else there


def _said(variant: Variant, thumbnail: QImage, folder: ProjectFolder) -> None:
    folder.put(variant, thumbnail=None if thumbnail.isNull() else jpeg(thumbnail))


def _removed(id: str, folder: ProjectFolder) -> None:
    if any(each.id == id for each in folder.read().variants):
        folder.remove(id)


def _small(picture: Picture) -> QImage:
    return image_of(picture.resized(long_side=THUMBNAIL, enlarge=False))


def jpeg(image: QImage, side: int = THUMBNAIL) -> bytes:
    """Return an image as a JPEG file of at most `side` pixels, on white where transparent."""
    if max(image.width(), image.height()) > side:
        aspect, how = Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation
        image = image.scaled(side, side, aspect, how)
    if image.hasAlphaChannel():
        whole = QImage(image.size(), QImage.Format.Format_RGB32)
        whole.fill(QColor("white"))
        painter = QPainter(whole)
        painter.drawImage(0, 0, image)
        painter.end()
        image = whole
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    writer = QImageWriter(buffer, b"JPEG")
    writer.setQuality(QUALITY)
    writer.write(image)
    return bytes(buffer.data().data())
