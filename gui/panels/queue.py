"""The queue: its jobs are added, ordered, paused, retried and removed."""

from collections.abc import Mapping, Sequence

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QRect, QSize, Qt, Signal, Slot
from PySide6.QtGui import QImage, QPainter
from PySide6.QtWidgets import (
    QAbstractItemView,
    QGridLayout,
    QHBoxLayout,
    QListView,
    QListWidget,
    QPushButton,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from engine.work.queue import QueuedJob
from gui.panels.elided import ElidedLabel
from gui.panels.queue_model import SHARE, QueueModel

BAR = 3
"""Height in pixels of the bar below a running job."""


class _JobRows(QStyledItemDelegate):
    """Draws a thin progress bar below a job. Rows are alike with and without a thumbnail."""

    def initStyleOption(
        self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> None:
        super().initStyleOption(option, index)
        option.features |= QStyleOptionViewItem.ViewItemFeature.HasDecoration
        view = self.parent()
        assert isinstance(view, QListView)
        option.decorationSize = view.iconSize()

    def sizeHint(
        self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> QSize:
        hint = super().sizeHint(option, index)
        view = self.parent()
        assert isinstance(view, QListView)
        return QSize(hint.width(), max(hint.height(), view.iconSize().height()) + 2 * BAR)

    def paint(
        self, painter: QPainter, option: QStyleOptionViewItem,
        index: QModelIndex | QPersistentModelIndex,
    ) -> None:  # fmt: skip
        super().paint(painter, option, index)
        share = index.data(SHARE)
        if share is not None:
            room: QRect = option.rect
            wide = round(room.width() * min(1.0, float(share)))
            bar = QRect(room.left(), room.bottom() - BAR + 1, wide, BAR)
            painter.fillRect(bar, option.palette.highlight())


class QueuePanel(QWidget):
    """Shows the queue; says what the user wants done with it."""

    job_requested = Signal()
    """Add the current job."""
    photos_requested = Signal()
    """Add a folder of photos."""
    folder_requested = Signal()
    """Put the pictures in another folder."""
    workers_requested = Signal()
    """Have the pictures made by other workers."""
    held = Signal(bool)
    """Pause the whole queue, or resume it."""
    paused = Signal(list)
    """Numbers of jobs."""
    resumed = Signal(list)
    retried = Signal(list)
    removed = Signal(list)
    arranged = Signal(list)
    """Numbers of all jobs in their new order."""
    opened = Signal(object)
    """The path of a finished picture."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("queuePanel")
        self.model = QueueModel(self)
        self.list = QListView(self)
        self.list.setObjectName("queueList")
        self.list.setAccessibleName(self.tr("Jobs in the queue"))
        self.list.setModel(self.model)
        self.list.setItemDelegate(_JobRows(self.list))
        self.list.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.list.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.list.setUniformItemSizes(True)
        self.list.setTextElideMode(Qt.TextElideMode.ElideRight)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setMinimumHeight(2 * self.fontMetrics().height())
        side = 2 * self.fontMetrics().height() + 4
        self.list.setIconSize(QSize(round(1.5 * side), side))
        tell = self._button
        self.add = tell(
            "queueAddButton", self.tr("Add job"), self.tr("The current settings and pictures")
        )
        self.photos = tell(
            "queuePhotosButton", self.tr("Add photos…"),
            self.tr("All photos of a folder, with each of several styles"),
        )  # fmt: skip
        self.hold = tell(
            "queueHoldButton", self.tr("Pause queue"),
            self.tr("Start no more jobs and pause the running one"),
        )  # fmt: skip
        self.hold.setCheckable(True)
        self.pause = tell("queuePauseButton", self.tr("Pause"), self.tr("Pause the selected jobs"))
        self.resume = tell(
            "queueResumeButton", self.tr("Resume"), self.tr("Resume the selected jobs")
        )
        self.retry = tell(
            "queueRetryButton", self.tr("Retry"), self.tr("Retry the selected failed jobs")
        )
        self.remove = tell(
            "queueRemoveButton", self.tr("Remove"),
            self.tr("Remove the selected jobs; finished pictures stay in their folder"),
        )  # fmt: skip
        self.up = self._arrow("queueUpButton", Qt.ArrowType.UpArrow, self.tr("Sooner"))
        self.down = self._arrow("queueDownButton", Qt.ArrowType.DownArrow, self.tr("Later"))
        self.folder = ElidedLabel()
        self.folder.set_mode(Qt.TextElideMode.ElideLeft)
        self.folder.setObjectName("queueFolder")
        self.folder.setAccessibleName(self.tr("Folder of the finished pictures"))
        self.choose = tell(
            "queueFolderButton", self.tr("Folder…"), self.tr("Where the finished pictures go")
        )
        self.elsewhere = tell(
            "queueWorkersButton", self.tr("Workers…"),
            self.tr("Make the pictures on this computer, or on others"),
        )  # fmt: skip
        self.workers = QListWidget(self)
        self.workers.setObjectName("queueWorkers")
        self.workers.setAccessibleName(self.tr("Workers, and what each does"))
        self.workers.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self.workers.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.workers.setTextElideMode(Qt.TextElideMode.ElideRight)
        self.workers.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.workers.setMinimumHeight(2 * self.fontMetrics().height())
        self.workers.hide()
        self._lay_out()
        self.add.clicked.connect(self.job_requested)
        self.photos.clicked.connect(self.photos_requested)
        self.choose.clicked.connect(self.folder_requested)
        self.elsewhere.clicked.connect(self.workers_requested)
        self.hold.toggled.connect(self.held)
        self.pause.clicked.connect(self._on_pause)
        self.resume.clicked.connect(self._on_resume)
        self.retry.clicked.connect(self._on_retry)
        self.remove.clicked.connect(self._on_remove)
        self.up.clicked.connect(self._on_up)
        self.down.clicked.connect(self._on_down)
        self.list.activated.connect(self._on_activated)
        self.list.selectionModel().selectionChanged.connect(self._on_selection)
        self._on_selection()

    def _button(self, name: str, text: str, tip: str) -> QPushButton:
        button = QPushButton(text, self)
        button.setObjectName(name)
        button.setToolTip(tip)
        return button

    def _arrow(self, name: str, arrow: Qt.ArrowType, text: str) -> QToolButton:
        button = QToolButton(self)
        button.setObjectName(name)
        button.setArrowType(arrow)
        button.setAccessibleName(text)
        button.setToolTip(text)
        return button

    def _lay_out(self) -> None:
        line = QHBoxLayout()
        for button in (self.add, self.photos, self.hold):
            line.addWidget(button)
        line.addStretch(1)
        line.addWidget(self.folder, 2)
        line.addWidget(self.choose)
        line.addWidget(self.elsewhere)
        side = QGridLayout()
        side.setSpacing(2)
        # No more than two rows: with large text, the window must still fit a small screen.
        rows = ((self.up, self.pause, self.retry), (self.down, self.resume, self.remove))
        for row, buttons in enumerate(rows):
            for column, each in enumerate(buttons):
                side.addWidget(each, row, column)
        side.setRowStretch(2, 1)
        middle = QHBoxLayout()
        middle.addWidget(self.list, 3)
        middle.addWidget(self.workers, 2)
        middle.addLayout(side)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(4, 2, 4, 2)
        whole.setSpacing(2)
        whole.addLayout(middle, 1)
        whole.addLayout(line)

    def show_jobs(self, jobs: Sequence[QueuedJob], thumbnails: Mapping[int, QImage]) -> None:
        """Show these jobs; the selection stays."""
        self.model.show(jobs, thumbnails)
        self._on_selection()

    def show_folder(self, folder: str) -> None:
        """Show where the pictures go."""
        self.folder.setText(folder)
        self.folder.setToolTip(folder)

    def show_workers(self, lines: Sequence[str] | None) -> None:
        """Show the workers elsewhere, a line each; None: pictures are made on this computer."""
        self.workers.setVisible(lines is not None)
        lines = lines or ()
        while self.workers.count() > len(lines):
            self.workers.takeItem(self.workers.count() - 1)
        for row, text in enumerate(lines):
            if row == self.workers.count():
                self.workers.addItem(text)
            item = self.workers.item(row)
            if item.text() != text:
                item.setText(text)
            item.setToolTip(text)

    def selected(self) -> list[QueuedJob]:
        """Return the selected jobs, in order."""
        rows = sorted({index.row() for index in self.list.selectionModel().selectedIndexes()})
        return [self.model.jobs[row] for row in rows if row < len(self.model.jobs)]

    def _numbers(self, *states: str) -> list[int]:
        return [job.id for job in self.selected() if not states or job.state in states]

    @Slot()
    def _on_selection(self) -> None:
        states = {job.state for job in self.selected()}
        self.pause.setEnabled(bool(states & {"waiting", "running"}))
        self.resume.setEnabled("paused" in states)
        self.retry.setEnabled(bool(states & {"failed", "done"}))
        self.remove.setEnabled(bool(states))
        self.up.setEnabled(bool(states) and self._moved(-1) is not None)
        self.down.setEnabled(bool(states) and self._moved(1) is not None)

    def _moved(self, by: int) -> list[int] | None:
        """Return the order with the selected jobs moved by one; None: they cannot move further."""
        order = [job.id for job in self.model.jobs]
        chosen = set(self._numbers())
        rows = [row for row, number in enumerate(order) if number in chosen]
        if not rows or not 0 <= (rows[0] if by < 0 else rows[-1]) + by < len(order):
            return None
        for row in rows if by < 0 else reversed(rows):
            order[row], order[row + by] = order[row + by], order[row]
        return order

    @Slot()
    def _on_up(self) -> None:
        self._arrange(-1)

    @Slot()
    def _on_down(self) -> None:
        self._arrange(1)

    def _arrange(self, by: int) -> None:
        order = self._moved(by)
        if order is not None:
            self.arranged.emit(order)

    @Slot()
    def _on_pause(self) -> None:
        self.paused.emit(self._numbers("waiting", "running"))

    @Slot()
    def _on_resume(self) -> None:
        self.resumed.emit(self._numbers("paused"))

    @Slot()
    def _on_retry(self) -> None:
        self.retried.emit(self._numbers("failed", "done"))

    @Slot()
    def _on_remove(self) -> None:
        self.removed.emit(self._numbers())

    @Slot(QModelIndex)
    def _on_activated(self, index: QModelIndex) -> None:
        job = self.model.jobs[index.row()]
        if job.state == "done":
            self.opened.emit(job.output)
