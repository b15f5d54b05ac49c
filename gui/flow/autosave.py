"""Saves presets and preferences at once and the job soon after, so that a crash loses neither."""

import threading
from copy import deepcopy
from dataclasses import replace
from functools import partial

from PySide6.QtCore import QObject, QTimer, Signal, Slot

from engine.errors import PareidoliaError
from engine.job import Job
from gui import session as sessions
from gui.background import Background, Failed
from gui.session import Presets, SavedSession, Session
from gui.studio import Studio

LATER_MS = 2000
"""Milliseconds from a change of the job to its writing; changes in between are included."""


class Autosave(QObject):
    """Writes the session, and takes over presets that other windows have written in the meantime."""

    failed = Signal(str)
    changed = Signal()
    """There may be new presets."""

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
        self._write(False, self._on_failed, keep=True)

    @Slot()
    def keep_job(self) -> None:
        """Write everything, including the job and its settings."""
        self._take_job()
        self._write(True, self._on_job_failed)

    def _write(self, job: bool, failed: Failed, keep: bool = False) -> None:
        number, before = self._turns.next(), deepcopy(self.session.presets)
        copy = replace(self.session, presets=deepcopy(before))
        work = partial(self._turns.write, copy, number, job)
        self.background.submit(work, partial(self._on_kept, number, before), failed, keep=keep)

    def close(self) -> None:
        """Write everything now, for the last time."""
        self._closed = True
        self._timer.stop()
        self._take_job()
        try:
            self._turns.write(self.session, self._turns.next(), job=True)
        except (PareidoliaError, OSError) as error:  # a full disk is no reason to stay open
            self._on_job_failed(error)

    def _take_job(self) -> None:
        self.session.job = self.studio.own_job()
        self.session.techniques = self.studio.left()

    @Slot(object, object)
    def _on_job(self, _before: Job, _after: Job) -> None:
        if not self._closed and not self._timer.isActive():
            self._timer.start()

    def _on_kept(self, number: int, before: Presets, written: Session) -> None:
        if number != self._turns.newest:
            return  # a later write is coming, made from the current session
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
    """Keeps an earlier write from undoing a later one.

    Two writes may be requested before the window hears of the first. The second's changes are then
    counted from the first's session, not from what the window knows of the file: otherwise a preset
    deleted soon after it was saved would come back.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.newest = 0
        """The number of the last write requested."""
        self._last = self._last_job = 0
        """The numbers of the last write, and of the last job written."""
        self._base: SavedSession | None = None
        """What the last written session knew of the file,"""
        self._own = SavedSession()
        """and what it held itself."""

    def next(self) -> int:
        """Return the number of a new write; called in the GUI thread."""
        self.newest += 1
        return self.newest

    def write(self, session: Session, number: int, job: bool) -> Session:
        """Write a session; `job`: with its job too, unless a later one has been written."""
        with self._lock:
            base = session.base
            if number < self._last:
                session.presets = deepcopy(self._own.presets)
                session.preferences = self._own.preferences
            own = SavedSession(deepcopy(session.presets), session.preferences)
            if base is self._base:
                session.base = self._own
            whole = job and number > self._last_job
            sessions.save(session, whole)
            self._base, self._own = base, own
            self._last = max(self._last, number)
            self._last_job = number if whole else self._last_job
        return session
