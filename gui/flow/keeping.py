"""Presets and preferences are written as soon as they change, behind the window."""

from copy import deepcopy
from dataclasses import replace
from functools import partial

from PySide6.QtCore import QObject, Signal, Slot

from engine.errors import PareidoliaError
from gui import session as sessions
from gui.background import Background
from gui.session import Base, Presets, Session


class Keeping(QObject):
    """Writes them, and takes over the presets that other windows have written meanwhile."""

    failed = Signal(str)
    changed = Signal()
    """There may be presets that were not there before."""

    def __init__(self, session: Session, background: Background, parent: QObject) -> None:
        super().__init__(parent)
        self.session, self.background = session, background

    @Slot()
    def keep(self) -> None:
        """Write what is so now, even if the window closes meanwhile."""
        before = deepcopy(self.session.presets)
        copy = replace(self.session, presets=deepcopy(before))
        done = partial(self._on_kept, before)
        self.background.submit(partial(_written, copy), done, self._on_failed, keep=True)

    def _on_kept(self, before: Presets, written: Session) -> None:
        session = self.session
        session.presets = sessions.merged(before, session.presets, written.presets)
        session.base = Base(written.presets, written.preferences)
        self.changed.emit()

    def _on_failed(self, error: BaseException) -> None:
        if not isinstance(error, (PareidoliaError, OSError)):
            raise error
        self.failed.emit(self.tr("Presets and preferences could not be saved: {0}").format(error))


def _written(session: Session) -> Session:
    sessions.save(session, whole=False)
    return session
