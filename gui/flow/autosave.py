"""Saves presets and preferences at once and the job soon after, so that a crash loses neither."""

import threading
from copy import deepcopy
from dataclasses import replace
from functools import partial

from PySide6.QtCore import QObject, QTimer, Signal, Slot

from engine.errors import PareidoliaError
from engine.job import Job
from gui import session as sessions
from gui.background import Background
from gui.session import Presets, SavedSession, Session
from gui.studio import Studio

LATER_MS = 2000
"""From a change of the job to its writing; what comes in between goes along."""


class Autosave(QObject):
    """Writes them, and takes over presets that other windows have written in the meantime."""

    failed = Signal(str)
    changed = Signal()
    """There may be presets that were not there before."""

    def __init__(
        self, session: Session, studio: Studio, background: Background, parent: QObject
    ) -> None:
        super().__init__(parent)
        self.session, self.studio, self.background = session, studio, background
        self._turns, self._closed = _WriteOrder(), False
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(LATER_MS)
        self._timer.timeout.connect(self.keep_job)
        studio.changed.connect(self._on_job)

    @Slot()
    def keep(self) -> None:
        """Write presets and preferences, even if the window closes in the meantime."""
        before = deepcopy(self.session.presets)
        copy = replace(self.session, presets=deepcopy(before))
        work = partial(self._turns.write, copy, None)
        self.background.submit(work, partial(self._on_kept, before), self._on_failed, keep=True)

    @Slot()
    def keep_job(self) -> None:
        """Write everything, including the job and its settings."""
        self._take_job()
        before = deepcopy(self.session.presets)
        copy = replace(self.session, presets=deepcopy(before))
        work = partial(self._turns.write, copy, self._turns.next())
        self.background.submit(work, partial(self._on_kept, before), self._on_job_failed)

    def close(self) -> None:
        """Write all now, as the last."""
        self._closed = True
        self._timer.stop()
        self._take_job()
        try:
            self._turns.write(self.session, self._turns.next())
        except (PareidoliaError, OSError) as error:  # a full disk is no reason to stay open
            self._on_job_failed(error)

    def _take_job(self) -> None:
        self.session.job = self.studio.own_job()
        self.session.techniques = self.studio.left()

    @Slot(object, object)
    def _on_job(self, _before: Job, _after: Job) -> None:
        if not self._closed and not self._timer.isActive():
            self._timer.start()

    def _on_kept(self, before: Presets, written: Session) -> None:
        session = self.session
        session.presets = sessions.merged(before, session.presets, written.presets)
        session.base = SavedSession(written.presets, written.preferences)
        self.changed.emit()

    def _on_failed(self, error: BaseException) -> None:
        if not isinstance(error, (PareidoliaError, OSError)):
            raise error
        self.failed.emit(self.tr("Presets and preferences could not be saved: {0}").format(error))

    def _on_job_failed(self, error: BaseException) -> None:
        if not isinstance(error, (PareidoliaError, OSError)):
            raise error
        sessions.log.error("the session cannot be saved: %s", error)


class _WriteOrder:
    """Keeps an earlier job from being written after a later one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._newest = 0

    def next(self) -> int:
        """Return the number of another job to write, asked for in the GUI thread."""
        self._newest += 1
        return self._newest

    def write(self, session: Session, number: int | None) -> Session:
        """Write a session; `number`: that of its job if it is to go along and is the newest."""
        with self._lock:
            sessions.save(session, whole=number is not None and number == self._newest)
        return session
