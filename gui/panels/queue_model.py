"""The queue's jobs as a list for views: titles, states, thumbnails, progress."""

from collections.abc import Mapping, Sequence

from PySide6.QtCore import QAbstractListModel, QModelIndex, QObject, QPersistentModelIndex, Qt
from PySide6.QtGui import QImage

from engine.work.queue import QueuedJob

JOB = Qt.ItemDataRole.UserRole
SHARE = Qt.ItemDataRole.UserRole + 1
"""The share done, 0 to 1; None: nothing to show."""
Index = QModelIndex | QPersistentModelIndex
_NOWHERE = QModelIndex()


class QueueModel(QAbstractListModel):
    """Shows what the queue holds; a row per job, in order."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.jobs: list[QueuedJob] = []
        self._thumbnails: dict[int, QImage] = {}

    def show(self, jobs: Sequence[QueuedJob], thumbnails: Mapping[int, QImage]) -> None:
        """Take over the current jobs; rows that stay keep their places and selection."""
        self._thumbnails |= thumbnails
        if [job.id for job in jobs] == [job.id for job in self.jobs]:
            before, self.jobs = self.jobs, list(jobs)
            for row, (old, new) in enumerate(zip(before, jobs, strict=True)):
                if old != new or new.id in thumbnails:
                    self.dataChanged.emit(self.index(row), self.index(row))
            return
        self.layoutAboutToBeChanged.emit()
        here = self.persistentIndexList()
        numbers = [self.jobs[index.row()].id for index in here]
        self.jobs = list(jobs)
        rows = {job.id: row for row, job in enumerate(self.jobs)}
        there = {job.id for job in self.jobs}
        self._thumbnails = {n: image for n, image in self._thumbnails.items() if n in there}
        self.changePersistentIndexList(
            here, [self.index(rows[n]) if n in rows else QModelIndex() for n in numbers]
        )
        self.layoutChanged.emit()

    def rowCount(self, parent: Index = _NOWHERE) -> int:
        """Return how many jobs there are."""
        return 0 if parent.isValid() else len(self.jobs)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """Return the view's data about a job."""
        if not index.isValid() or index.row() >= len(self.jobs):
            return None
        job = self.jobs[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            return f"{job.title}\n{self.words(job)}"
        if role == Qt.ItemDataRole.DecorationRole:
            return self._thumbnails.get(job.id)
        if role == Qt.ItemDataRole.ToolTipRole:
            return f"{job.title}\n{self.words(job)}\n{job.output}"
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return f"{job.title}, {self.words(job)}"
        if role == JOB:
            return job
        if role == SHARE and job.held and job.total:
            return job.iteration / job.total
        return None

    def words(self, job: QueuedJob) -> str:
        """Return a job's state in words."""
        if job.state == "failed":
            return self.tr("failed: {0}").format(" ".join(job.sentence.split()))
        far = (
            self.tr(", {0} of {1} iterations").format(job.iteration, job.total) if job.total else ""
        )
        if job.state == "running":
            return (self.tr("running{0}") if far else self.tr("beginning{0}")).format(far)
        if job.state == "paused":
            return self.tr("paused{0}").format(far if job.held else "")
        if job.state == "done":
            if job.figures.get("skipped"):
                return self.tr("already there")
            return self.tr("done in {0} s").format(round(float(job.figures.get("seconds", 0)), 1))
        return self.tr("waiting")
