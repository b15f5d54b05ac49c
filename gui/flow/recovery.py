"""At the start, work that a crash left is offered for recovery; what had been saved is deleted."""

import logging
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication, QObject, Qt, Signal, Slot
from PySide6.QtGui import QImage

from engine.errors import PareidoliaError
from engine.techniques import TECHNIQUES
from engine.work.project_folder import ProjectFolder
from engine.work.recovery import discard, left_over
from gui.dialogs.recovery import LeftWork, RecoveryDialog
from gui.flow.help import bind_help
from gui.flow.project_state import OpenedProject, claimed
from gui.wording import worded

if TYPE_CHECKING:
    from gui.main_window import MainWindow

log = logging.getLogger("pareidolia.recovery")


class RecoveryFlow(QObject):
    """Offers what a crash left."""

    said = Signal(str)
    failed = Signal(str)

    def __init__(self, window: "MainWindow") -> None:
        super().__init__(window)
        self.window = window
        self.dialog: RecoveryDialog | None = None

    @Slot()
    def begin(self) -> None:
        """Look in the background for what was left."""
        self.window.background.submit(look, self._on_found, self._on_failed)

    def _on_found(self, works: list[LeftWork]) -> None:
        if not works or not self.window.isVisible():
            return
        dialog = RecoveryDialog(works, self.window)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.restored.connect(self.restore)
        dialog.discarded.connect(self.throw_away)
        dialog.finished.connect(self._on_closed)
        self.dialog = dialog
        bind_help(dialog, "window.md#after-a-crash")
        dialog.open()

    @Slot()
    def _on_closed(self) -> None:
        self.dialog = None

    @Slot(object)
    def restore(self, work: LeftWork) -> None:
        """Restore work in place of what is in the window."""
        if self.window.project.may_leave(partial(self.restore, work)):
            done = partial(self._on_claimed, work)
            self.window.background.submit(partial(claimed, work.left), done, self._on_not_claimed)

    def _on_claimed(self, work: LeftWork, opened: OpenedProject) -> None:
        self.window.project.restore(opened)
        name = work.left.name or self.window.project.name
        self.said.emit(
            self.tr("Restored {0}: {1}").format(name, work.making or self.tr("settings"))
        )
        log.info("restored %s", work.left.path)

    def _on_not_claimed(self, error: BaseException) -> None:
        self.window.project.stay()
        self._on_failed(error)

    @Slot(list)
    def throw_away(self, works: list[LeftWork]) -> None:
        """Delete what was left."""
        for work in works:
            act = partial(discard, work.left)
            self.window.background.submit(act, None, self._on_failed, keep=True)

    def _on_failed(self, error: BaseException) -> None:
        if not isinstance(error, (PareidoliaError, OSError)):
            raise error
        self.failed.emit(worded(error))


def look() -> list[LeftWork]:
    """Return what was left and is in no file; delete the rest. Raises `BadInput`."""
    found = []
    for left in left_over():
        if left.unsaved or left.problem:
            image = QImage.fromData(left.thumbnail) if left.thumbnail else QImage()
            making = "" if left.problem else _making(ProjectFolder(left.path))
            found.append(LeftWork(left, making, image))
        else:
            discard(left)
    return found


def _making(folder: ProjectFolder) -> str:
    """Return in words what was being made last; empty: nothing yet."""
    try:
        variants = folder.read().variants
    except PareidoliaError:
        return ""
    newest = max(variants, key=lambda each: each.when, default=None)
    kind = None if newest is None else TECHNIQUES.get(str(newest.recipe.get("technique")))
    if newest is None or kind is None:
        return ""
    text = QCoreApplication.translate("RecoveryFlow", "{0}, iteration {1} of {2}")
    return text.format(kind.title, newest.iteration, newest.total)
