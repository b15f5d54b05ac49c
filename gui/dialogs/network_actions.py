"""What users do with their own weight files: import, check, remove, open the folder."""

import functools
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, QUrl, Signal, Slot
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QFileDialog, QInputDialog, QMessageBox, QWidget

from engine.errors import PareidoliaError
from engine.networks import weights
from engine.networks.card import Card
from engine.networks.importing import Verified, remove, verify
from engine.networks.style_cards import DESCRIPTIONS, SUFFIXES, StyleCard, remove_style_network
from gui.background import Background, BackgroundTask
from gui.dialogs.file_dialogs import last_folder, remember_folder
from gui.dialogs.network_status import NetworkStatus, mib
from gui.wording import worded

NAMED = 3
"""How many damaged files a summary names."""


class NetworkActions(QObject):
    """Asks, works in the background (one thing at a time) and reports the outcome."""

    said = Signal(str)
    """A sentence for the status line."""
    working_changed = Signal()
    imported = Signal(str)
    """Name of a network."""
    removed = Signal()
    verified = Signal(object)
    """List of `Verified`."""

    def __init__(self, background: Background, parent: QWidget) -> None:
        super().__init__(parent)
        self._background = background
        self._window = parent
        self._tickets: list[BackgroundTask] = []
        self.destroyed.connect(functools.partial(forget, self._tickets))

    @property
    def working(self) -> bool:
        """Whether any work is being done."""
        return bool(self._tickets)

    @Slot()
    def ask_for_file(self) -> None:
        """Let the user choose a weight file, then import it."""
        dialog = QFileDialog(self._window, self.tr("Import weights"))
        dialog.setOption(QFileDialog.Option.DontUseNativeDialog)
        dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
        dialog.setDirectory(last_folder("weights"))
        patterns = " ".join([*(f"*{end}" for end in (*weights.SUFFIXES, *SUFFIXES)), *DESCRIPTIONS])
        dialog.setNameFilters([self.tr("Weights ({0})").format(patterns), self.tr("All files (*)")])
        dialog.fileSelected.connect(self.ask_for_name)
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    @Slot(str)
    def ask_for_name(self, path: str) -> None:
        """Let the user name the network in this file, then import it."""
        remember_folder("weights", Path(path).parent)
        dialog = QInputDialog(self._window)
        dialog.setWindowTitle(self.tr("Import weights"))
        dialog.setLabelText(self.tr("Name for the network (leave empty to use the file's name):"))
        dialog.setTextValue(_suggestion(Path(path)))
        dialog.textValueSelected.connect(functools.partial(self._import, path))
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    @Slot()
    def verify(self) -> None:
        """Compare every weight file with its card."""
        self._work(self.tr("Checking all weight files on this machine…"), verify, self._verified)

    def ask_to_remove(self, facts: NetworkStatus) -> None:
        """Remove a network's weights if the user confirms it."""
        box = QMessageBox(self._window)
        box.setIcon(QMessageBox.Icon.Question)
        box.setWindowTitle(self.tr("Remove weights"))
        text = self.tr("Delete the weights of {0} ({1}) from this machine?")
        box.setText(text.format(facts.name, mib(facts.size)))
        box.addButton(self.tr("&Remove"), QMessageBox.ButtonRole.AcceptRole)
        box.setDefaultButton(box.addButton(QMessageBox.StandardButton.Cancel))
        box.accepted.connect(functools.partial(self._remove, facts.name))
        box.finished.connect(box.deleteLater)
        box.open()

    @Slot()
    def show_folder(self) -> None:
        """Open the folder of downloaded and imported networks."""
        folder = weights.user_folder()
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            self.said.emit(f"{folder}: {error.strerror}")
            return
        if not QDesktopServices.openUrl(QUrl.fromLocalFile(str(folder))):
            self.said.emit(self.tr("The networks are in {0}").format(folder))

    def _import(self, path: str, name: str) -> None:
        work = functools.partial(_kept, path, name.strip() or None)
        self._work(self.tr("Importing {0}…").format(Path(path).name), work, self._imported)

    def _imported(self, card: Card | StyleCard) -> None:
        if isinstance(card, StyleCard):
            text = self.tr("Imported as the style network {0}: {1}")
            self.said.emit(text.format(card.name, card.found))
            self.imported.emit(card.name)
            return
        text = self.tr("Imported as {0}: {1}, {2}")
        self.said.emit(text.format(card.name, card.title, card.notes))
        self.imported.emit(card.name)

    def _verified(self, results: list[Verified]) -> None:
        wrong = [result for result in results if not result.ok]
        if not results:
            text = self.tr("There are no weight files on this machine.")
        elif not wrong:
            text = self.tr("Weight files checked: {0}; all are intact.").format(len(results))
        else:
            named = "; ".join(f"{r.path.name}: {r.reason}" for r in wrong[:NAMED])
            text = self.tr("Weight files checked: {0}; with problems: {1}. {2}")
            text = text.format(len(results), len(wrong), named)
        self.said.emit(text)
        self.verified.emit(results)

    def _remove(self, name: str) -> None:
        text = self.tr("Removing {0}…").format(name)
        self._work(text, functools.partial(_remove, name), self._removed)

    def _removed(self, files: list[Path]) -> None:
        names = ", ".join(path.name for path in files)
        self.said.emit(self.tr("Removed {0}").format(names))
        self.removed.emit()

    def _work(self, text: str, work: Callable[[], Any], done: Callable[[Any], None]) -> None:
        if self.working:
            return
        finished = functools.partial(self._done, done)
        self._tickets.append(self._background.submit(work, finished, self._failed))
        self.said.emit(text)
        self.working_changed.emit()

    def _done(self, done: Callable[[Any], None], result: object) -> None:
        self._tickets.clear()
        self.working_changed.emit()
        done(result)

    def _failed(self, error: BaseException) -> None:
        self._tickets.clear()
        self.working_changed.emit()
        if not isinstance(error, PareidoliaError | OSError):
            self.said.emit("")
            raise error  # the last-resort dialog shows it
        self.said.emit(worded(error))


def forget(tickets: list[BackgroundTask], *_: object) -> None:
    """Drop the callbacks of background work, as their owner is going away."""
    for ticket in tickets:
        ticket.cancel()


def _kept(path: str, name: str | None) -> Card | StyleCard:
    """Import a network of either kind."""
    from engine.stylization.importing import import_network  # it imports PyTorch, which takes long

    return import_network(path, name)


def _remove(name: str) -> list[Path]:
    return remove_style_network(name) or remove(name)


def _suggestion(path: Path) -> str:
    """Return a valid name, made from the file's without its checksum."""
    stem = path.parent.name if path.name in DESCRIPTIONS else path.stem
    stem = re.sub(r"-[0-9a-f]{8,}$", "", stem)
    return re.sub(r"[^A-Za-z0-9._-]+", "_", stem).strip("._-")
