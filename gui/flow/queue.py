"""What the user does with the queue: jobs in, pictures out."""

from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, QStandardPaths, QUrl, Signal, Slot
from PySide6.QtGui import QDesktopServices

from engine.image_formats import SUFFIXES
from engine.work.cluster.address import SchedulerAddress
from engine.work.cluster.run import WorkerState
from engine.work.job_files import wanted_of_job, wanted_of_sets
from gui.dialogs.cluster import ClusterDialog, keep_address, kept_address
from gui.dialogs.file_dialogs import files_to_open, folder_to_open
from gui.flow.help import bind_help
from gui.flow.readiness import missing
from gui.panels.editors import commit_typed
from gui.panels.queue import QueuePanel
from gui.run.queue import QueueController
from gui.run.queue_changes import Addition, Listing
from gui.studio import Studio
from gui.window_settings import window_settings

KEY = "queue_folder"


class QueueFlow(QObject):
    """Connects the queue with its panel and the current job."""

    said = Signal(str)
    failed = Signal(str)
    titled = Signal(str)
    added = Signal(object)
    """A job that is put into the queue, or that gives others their settings."""
    """The dock's title, with the number of jobs left."""

    def __init__(
        self, studio: Studio, queue: QueueController, panel: QueuePanel,
        parent: QObject | None = None,
    ) -> None:  # fmt: skip
        super().__init__(parent)
        self.studio, self.queue, self.panel = studio, queue, panel
        kept = window_settings().value(KEY)
        self.folder = Path(kept) if isinstance(kept, str) and kept else _first_folder()
        panel.show_folder(str(self.folder))
        panel.job_requested.connect(self.add_job)
        panel.photos_requested.connect(self.add_photos)
        panel.folder_requested.connect(self.choose_folder)
        panel.held.connect(queue.hold)
        panel.paused.connect(queue.pause)
        panel.resumed.connect(queue.resume)
        panel.retried.connect(queue.retry)
        panel.removed.connect(queue.remove)
        panel.arranged.connect(queue.arrange)
        panel.opened.connect(self._on_opened)
        panel.workers_requested.connect(self.choose_workers)
        queue.workers_seen.connect(self._on_workers)
        queue.stopped.connect(self._on_stopped)
        queue.listed.connect(self._on_listed)
        queue.added.connect(self._on_added)
        queue.failed.connect(self._on_failed)

    @Slot()
    def begin(self) -> None:
        """Show what the last session left, and go on with it."""
        self._use(kept_address())
        self.queue.begin()

    # -- the user's requests --------------------------------------------------------------

    @Slot()
    def add_job(self) -> None:
        """Put the current job at the end of the queue, or say what it lacks."""
        commit_typed()
        job = self.studio.job
        if lacks := missing(job):
            self.failed.emit(lacks)
            return
        self.added.emit(job)
        self.queue.add(lambda: [wanted_of_job(job)], self.folder)

    @Slot()
    def add_photos(self) -> None:
        """Ask for a folder of photos and for styles; queue each photo with each style."""
        commit_typed()
        job = self.studio.job
        if "content" not in job.technique.inputs:
            self.failed.emit(
                self.tr("{0} does not start from a photo.").format(job.technique.title)
            )
            return
        photos = folder_to_open(self.panel, "queue_photos", self.tr("A folder of photos"))
        if photos is None:
            return
        styles: list[Path] = []
        if "styles" in job.technique.inputs:
            styles = self._styles()
            if not styles and not job.inputs.styles:
                self.failed.emit(self.tr("No style was chosen: nothing was added."))
                return
        self.add_sets(photos, styles)

    def add_sets(self, photos: Path, styles: list[Path]) -> None:
        """Queue each photo in a folder with each style; without styles, with the job's own."""
        self.added.emit(self.studio.job)
        self.queue.add(partial(wanted_of_sets, self.studio.job, photos, styles), self.folder)

    def _styles(self) -> list[Path]:
        kinds = self.tr("Pictures ({0})").format(" ".join(f"*{end}" for end in sorted(SUFFIXES)))
        title = self.tr("Styles, one at a time (Cancel: the current styles together)")
        return files_to_open(self.panel, "style", title, kinds)

    @Slot()
    def choose_folder(self) -> None:
        """Ask where the pictures of jobs added from now on are to go."""
        chosen = folder_to_open(
            self.panel, "queue", self.tr("Where finished pictures go"), str(self.folder)
        )
        if chosen is not None:
            self.take_folder(chosen)

    def take_folder(self, folder: Path) -> None:
        """Let pictures go there, and remember it for the next start."""
        self.folder = folder
        window_settings().setValue(KEY, str(folder))
        self.panel.show_folder(str(folder))

    @Slot()
    def choose_workers(self) -> None:
        """Ask where to make the pictures: on this computer, or on a scheduler's workers."""
        dialog = ClusterDialog(self.queue.scheduler, self.panel)
        bind_help(dialog, "batch.md#on-many-machines")
        if dialog.exec():
            self.take_scheduler(dialog.where)
        dialog.deleteLater()

    def take_scheduler(self, where: SchedulerAddress | None) -> None:
        """Have pictures made there, and remember it for the next start; None: on this computer."""
        keep_address(where)
        if self.queue.held:  # perhaps because the former one does not answer
            self.panel.hold.setChecked(False)
        self._use(where)

    def _use(self, where: SchedulerAddress | None) -> None:
        self.panel.show_workers(None if where is None else [self._connecting(where)])
        self.queue.set_scheduler(where)

    def _connecting(self, where: SchedulerAddress) -> str:
        return self.tr("Connecting to {0}…").format(where.address)

    @Slot(object)
    def _on_workers(self, workers: list[WorkerState]) -> None:
        where = self.queue.scheduler
        if where is None:
            return
        lines = [self._line(worker) for worker in workers]
        self.panel.show_workers(
            lines or [self.tr("No worker has connected to {0} yet.").format(where.address)]
        )

    @Slot(str)
    def _on_stopped(self, sentence: str) -> None:
        if self.queue.scheduler is not None:
            self.panel.show_workers([sentence])

    def _line(self, worker: WorkerState) -> str:
        """Return a worker's name and, below it, its job, progress first as there is little room."""
        doing = worker.title or self.tr("idle")
        if worker.title and worker.total:
            far = self.tr("{0} of {1}").format(worker.iteration, worker.total)
            doing = f"{far}: {worker.title}"
        return f"{worker.name}\n{doing}"

    @Slot(object)
    def _on_opened(self, path: Path) -> None:
        if path.exists():
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(path)))
        else:
            self.failed.emit(self.tr("{0} no longer exists.").format(path))

    # -- what the queue says --------------------------------------------------------------

    @Slot(object)
    def _on_listed(self, listing: Listing) -> None:
        self.panel.show_jobs(listing.jobs, listing.thumbnails)
        left = sum(job.state != "done" for job in listing.jobs)
        self.titled.emit(self.tr("Queue ({0})").format(left) if left else self.tr("Queue"))

    @Slot(object)
    def _on_added(self, added: Addition) -> None:
        text = self.tr("{0} in the queue").format(added.added)
        if added.there:
            text = self.tr("{0} added to the queue, {1} already there").format(
                added.added, added.there
            )
        (self.failed if added.said else self.said).emit(added.said or text)

    @Slot(str)
    def _on_failed(self, sentence: str) -> None:
        self.panel.hold.setChecked(self.queue.held)
        self.failed.emit(sentence)


def _first_folder() -> Path:
    """Return where pictures go until the user has chosen: a folder among the user's pictures."""
    place = QStandardPaths.writableLocation(QStandardPaths.StandardLocation.PicturesLocation)
    return Path(place or Path.home()) / "Pareidolia"
