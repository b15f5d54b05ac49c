"""What the panels that look into a network share: their subject, and background work."""

from collections.abc import Callable
from typing import Any

from PySide6.QtCore import Qt, QTimer, Signal, Slot
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QProgressBar, QPushButton, QVBoxLayout, QWidget

from engine.errors import PareidoliaError
from engine.inspection.progress import Progress
from gui.background import Background
from gui.models.subject import Subject
from gui.run.latest import LatestOnly, Work
from gui.run.networks import Networks
from gui.wording import worded

PROGRESS_AFTER = 500
"""Milliseconds; shorter work shows no progress."""


class InspectionPanel(QWidget):
    """A panel with a body, and below it a sentence, progress and Cancel.

    A subclass fills `body` and overrides `subject_changed`, which is called only while the panel is
    visible.
    """

    open_requested = Signal(str)
    """The path of a picture to be shown."""
    channel_requested = Signal(str, int)
    """A layer and channel to be shown everywhere."""

    def __init__(
        self, networks: Networks, background: Background, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.networks, self.background = networks, background
        self.subject: Subject | None = None
        self._latest = LatestOnly(background, self._on_done, self._on_failed, self, self._on_state)
        self._done: Callable[[Any], None] | None = None
        self._stale = False
        self._waiting = False
        """Whether the panel says that it is waiting for another one."""
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

    # -- the subject ----------------------------------------------------------------------

    def set_subject(self, subject: Subject) -> None:
        """Take over the subject; a hidden panel waits until it is shown."""
        if subject == self.subject:
            return
        self.subject = subject
        self._stale = True
        if self.isVisible():
            self._follow()

    def showEvent(self, event: QShowEvent) -> None:
        """Catch up with changes made while hidden."""
        super().showEvent(event)
        if self._stale:
            self._follow()

    def _follow(self) -> None:
        self._stale = False
        self.subject_changed()

    def subject_changed(self) -> None:
        """Show `self.subject`, which is not None."""

    # -- background work ------------------------------------------------------------------

    @property
    def busy(self) -> bool:
        """Whether work is under way."""
        return self._latest.awaited

    def start(self, work: Work, done: Callable[[Any], None]) -> None:
        """Do `work()` in the background, then `done(result)` here.

        Earlier work is stopped. Of a generator's states, a `Progress` is shown as such and others go to
        `grow`. A `PareidoliaError` is shown as a sentence.
        """
        self._give_up()
        self._done = done
        self._latest.ask(work)
        self.progress.setRange(0, 0)
        self._late.start()
        self._waiting = False
        self.say("")

    @Slot()
    def cancel(self) -> None:
        """Stop what is running; what is shown stays."""
        if self.busy:
            self._give_up()
            self.say(self.tr("Cancelled."))

    def _give_up(self) -> None:
        self._latest.cancel()
        self._hide_progress()

    def say(self, text: str) -> None:
        """Show a sentence below the body; an empty one removes it."""
        self.said.setText(text)
        self.said.setVisible(bool(text))

    def _on_done(self, result: Any) -> None:
        self._hide_progress()
        assert self._done is not None
        self._done(result)

    def _on_failed(self, error: BaseException) -> None:
        self._hide_progress()
        if not isinstance(error, PareidoliaError):
            raise error  # the last-resort dialog shows it
        self.say(worded(error))

    def grow(self, what: Any) -> None:
        """Show an intermediate state."""

    def _on_state(self, state: Any) -> None:
        if not isinstance(state, Progress):
            self.grow(state)
            return
        self.progress.setRange(0, state.total)
        self.progress.setValue(state.done)
        if state.waits_for and self.progress.isVisible():
            self.say(self.tr("Waiting while “{0}” reads the folder.").format(state.waits_for))
            self._waiting = True
        elif self._waiting and not state.waits_for:
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
