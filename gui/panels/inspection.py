"""What the panels that look into a network share: their subject, and work in the background."""

from collections.abc import Callable
from functools import partial
from typing import Any

from PySide6.QtCore import QObject, Qt, QTimer, Signal, Slot
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QPushButton, QVBoxLayout, QWidget

from engine.errors import PareidoliaError
from gui.background import Background, BackgroundTask
from gui.models.subject import Subject
from gui.run.networks import Networks
from gui.run.progress import ProgressReporter as ProgressReporter
from gui.wording import worded

PROGRESS_AFTER = 500
"""Milliseconds; shorter work shows no progress."""
Stopped = Callable[[], bool]
Work = Callable[[ProgressReporter, Stopped], Any]


class _PanelRelay(QObject):
    """Brings progress from a worker to the panel."""

    told = Signal(int, int, int, str)
    """Number of the work, done, total, and who has to end first, if anybody."""


class InspectionPanel(QWidget):
    """A panel with a body of its own, and below it a sentence, progress and Cancel.

    A sub-class fills `body` and overrides `subject_changed`, which is called only while the panel
    is seen.
    """

    open_requested = Signal(str)
    """A picture's path: to be looked at."""
    channel_requested = Signal(str, int)
    """Layer and channel: to be shown everywhere."""

    def __init__(
        self, networks: Networks, background: Background, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.networks, self.background = networks, background
        self.subject: Subject | None = None
        self._ticket: BackgroundTask | None = None
        self._number = 0
        self._stale = False
        self._waiting = False
        """Whether the panel says that another one has to end first."""
        self._relay = _PanelRelay(self)
        self._relay.told.connect(self._on_told, Qt.ConnectionType.QueuedConnection)
        self.body = QVBoxLayout()
        self.said = QLabel()
        self.said.setWordWrap(True)
        self.said.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.said.hide()
        self.progress = QProgressBar()
        self.progress.setAccessibleName(self.tr("Progress"))
        self.cancel_button = QPushButton(self.tr("Cancel"))
        self.cancel_button.clicked.connect(self.cancel)
        self._late = QTimer(self)
        self._late.setSingleShot(True)
        self._late.setInterval(PROGRESS_AFTER)
        self._late.timeout.connect(self._show_progress)
        column = QVBoxLayout(self)
        column.setContentsMargins(6, 4, 6, 4)
        column.addLayout(self.body, 1)
        column.addWidget(self.said)
        line = QHBoxLayout()
        line.addWidget(self.progress, 1)
        line.addWidget(self.cancel_button)
        column.addLayout(line)
        self._hide_progress()

    # -- what it is about -----------------------------------------------------------------

    def set_subject(self, subject: Subject) -> None:
        """Take over what there is to look at; a panel that is not seen waits until it is."""
        if subject == self.subject:
            return
        self.subject = subject
        self._stale = True
        if self.isVisible():
            self._follow()

    def showEvent(self, event: QShowEvent) -> None:
        """Catch up with what has changed meanwhile."""
        super().showEvent(event)
        if self._stale:
            self._follow()

    def _follow(self) -> None:
        self._stale = False
        self.subject_changed()

    def subject_changed(self) -> None:
        """Look at `self.subject`, which is not None."""

    # -- work behind the window -----------------------------------------------------------

    @property
    def busy(self) -> bool:
        """Whether work is under way."""
        return self._ticket is not None

    def may_read(self) -> bool:
        """Whether work may read a folder; else only what is known of it."""
        return True

    def start(self, work: Work, done: Callable[[Any], None]) -> None:
        """Do `work(tell, stopped)` behind the window, then `done(result)` here.

        What was under way is given up. A `PareidoliaError` is shown as a sentence.
        """
        self._give_up()
        self._number += 1
        tickets: list[BackgroundTask] = []

        def stopped() -> bool:
            return bool(tickets) and tickets[0].cancelled.is_set()

        emit = partial(self._relay.told.emit, self._number)
        report = ProgressReporter(emit, self.windowTitle(), self.may_read())
        self._ticket = self.background.submit(
            partial(work, report, stopped), partial(self._on_done, done), self._on_failed
        )
        tickets.append(self._ticket)
        self.progress.setRange(0, 0)
        self._late.start()
        self._waiting = False
        self.say("")

    @Slot()
    def cancel(self) -> None:
        """Give up what is under way; what was shown before stays."""
        if self.busy:
            self._give_up()
            self.say(self.tr("Cancelled."))

    def _give_up(self) -> None:
        if self._ticket is not None:
            self._ticket.cancel()
            self._ticket = None
        self._hide_progress()

    def say(self, text: str) -> None:
        """Show a sentence below the body; an empty one takes it away."""
        self.said.setText(text)
        self.said.setVisible(bool(text))

    def _on_done(self, done: Callable[[Any], None], result: Any) -> None:
        self._ticket = None
        self._hide_progress()
        done(result)

    def _on_failed(self, error: BaseException) -> None:
        self._ticket = None
        self._hide_progress()
        if not isinstance(error, PareidoliaError):
            raise error  # the last-resort dialog shows it
        self.say(worded(error))

    @Slot(int, int, int, str)
    def _on_told(self, number: int, count: int, total: int, waits_for: str) -> None:
        if number == self._number and self.busy:
            self.progress.setRange(0, total)
            self.progress.setValue(count)
            if waits_for and self.progress.isVisible():
                self.say(self.tr("Waiting while “{0}” reads the folder.").format(waits_for))
                self._waiting = True
            elif self._waiting and not waits_for:
                self.say("")
                self._waiting = False

    @Slot()
    def _show_progress(self) -> None:
        self.progress.show()
        self.cancel_button.show()

    def _hide_progress(self) -> None:
        self._late.stop()
        self.progress.hide()
        self.cancel_button.hide()
