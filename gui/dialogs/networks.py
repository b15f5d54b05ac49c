"""The catalogue of networks: which exist, which are here, and how to get the others."""

import functools
from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QModelIndex, Signal, Slot
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QDialog, QWidget

from engine.networks.importing import Verified
from gui.background import Background, BackgroundTask
from gui.dialogs import network_status
from gui.dialogs.dialog_size import open_within
from gui.dialogs.network_actions import NetworkActions, forget
from gui.dialogs.network_downloads import TIMEOUT, Download, Downloads, DownloadState
from gui.dialogs.network_layout import NetworksLayout
from gui.dialogs.network_status import NetworkStatus
from gui.dialogs.network_table import Row


class NetworksDialog(QDialog):
    """Chooses, downloads, imports, checks and removes networks."""

    chosen = Signal(str)
    """The name of the network to use; its weights are here."""
    changed = Signal()
    """Weights arrived, were imported or removed."""

    def __init__(
        self, background: Background, parent: QWidget | None = None, timeout: float = TIMEOUT
    ) -> None:
        super().__init__(parent)
        self.setObjectName("networksDialog")
        self.setWindowTitle(self.tr("Networks"))
        self._background = background
        self._tickets: list[BackgroundTask] = []
        self._closed = False
        self._to_select = ""
        self._last_shown = ""
        self._ui = NetworksLayout(self)
        self._downloads = Downloads(timeout)
        self._actions = NetworkActions(background, self)
        self._ui.table.set_facts(network_status.known())
        self._ui.view.setCurrentIndex(self._ui.filter.index(0, 0))
        self._connect()
        self._update()
        self.refresh()
        open_within(self, 1010, 640)
        self._ui.search.setFocus()

    def _connect(self) -> None:
        ui, actions, downloads = self._ui, self._actions, self._downloads
        ui.view.selectionModel().currentRowChanged.connect(self._on_selected)
        ui.filter.modelReset.connect(self._update)
        ui.search.textChanged.connect(self._on_filtered)
        ui.kind.currentIndexChanged.connect(self._on_filtered)
        ui.view.activated.connect(self._on_use)
        ui.use.clicked.connect(self._on_use)
        ui.download.clicked.connect(self._on_download)
        ui.import_.clicked.connect(actions.ask_for_file)
        ui.verify.clicked.connect(actions.verify)
        ui.remove.clicked.connect(self._on_remove)
        ui.folder.clicked.connect(actions.show_folder)
        ui.close_.clicked.connect(self.reject)
        ui.transfer.pause_wished.connect(downloads.pause)
        ui.transfer.resume_wished.connect(self._on_resume)
        ui.transfer.cancel_wished.connect(self._on_cancel)
        downloads.changed.connect(self._on_transfer)
        downloads.finished.connect(self._on_arrived)
        downloads.failed.connect(self._on_download_failed)
        downloads.discarded.connect(self.refresh)
        actions.said.connect(ui.status.setText)
        actions.working_changed.connect(self._update)
        actions.imported.connect(self._on_imported)
        actions.removed.connect(self._on_removed)
        actions.verified.connect(self._on_verified)
        self.destroyed.connect(downloads.retire)
        self.destroyed.connect(functools.partial(forget, self._tickets))

    def select(self, name: str) -> None:
        """Select a network; if a filter hides it, show all of them."""
        ui = self._ui
        source = ui.table.index(ui.table.number(name), 0)
        if source.isValid() and not ui.filter.mapFromSource(source).isValid():
            ui.search.clear()
            ui.kind.setCurrentIndex(0)
        index = ui.filter.mapFromSource(source)
        if index.isValid():
            ui.view.setCurrentIndex(index)
            ui.view.scrollTo(index)

    @Slot()
    def _on_filtered(self) -> None:
        """Select a visible network: nobody means one that the filter hides."""
        view = self._ui.view
        index = view.currentIndex()
        if not index.isValid():
            index = self._ui.filter.index(0, 0)
        view.setCurrentIndex(index)
        if index.isValid():
            view.scrollTo(index)
        self._update()

    @property
    def selected(self) -> str:
        """Name of the selected network; empty: none."""
        row = self._row()
        return row.facts.name if row else ""

    def import_file(self, path: str) -> None:
        """Ask for the name of the network in a file, and import it."""
        self._actions.ask_for_name(path)

    @Slot()
    def refresh(self) -> None:
        """Look again at what is on this machine."""
        forget(self._tickets)
        self._tickets[:] = [self._background.submit(network_status.look, self._on_facts)]

    def done(self, result: int) -> None:
        """Close; downloads pause and can go on when the dialog is opened again."""
        self._downloads.pause_all()
        self._closed = True
        super().done(result)

    def showEvent(self, event: QShowEvent) -> None:
        """Look again when opened again."""
        if self._closed:
            self._closed = False
            self.refresh()
        super().showEvent(event)

    def _on_facts(self, found: Sequence[NetworkStatus]) -> None:
        name, self._to_select = self._to_select or self.selected, ""
        self._ui.table.set_facts(found)
        if self.selected != name:
            self.select(name)
        self._update()

    # -- what is selected --------------------------------------------------------------------------

    def _row(self) -> Row | None:
        index = self._ui.view.currentIndex()
        if not index.isValid():
            return None
        return self._ui.table.rows()[self._ui.filter.mapToSource(index).row()]

    def _transfer(self, row: Row | None) -> Download | None:
        """Return a row's download, even one of which only an earlier session's file is left."""
        if row is None or row.transfer:
            return row.transfer if row else None
        facts = row.facts
        if facts.card and facts.partial and not facts.usable:
            return Download(facts.card, DownloadState.PAUSED, facts.partial, facts.size)
        return None

    def _transfer_to_show(self) -> Download | None:
        """Return the selected network's download, or the running one, or the last one."""
        names = (self._downloads.running, self._last_shown)
        found = [self._transfer(self._row()), *map(self._downloads.transfer, names)]
        shown = next((transfer for transfer in found if transfer), None)
        self._last_shown = shown.card.name if shown else ""
        return shown

    @Slot()
    def _update(self) -> None:
        """Update details, buttons and the download's line for the selection."""
        row, ui, working = self._row(), self._ui, self._actions.working
        facts = row.facts if row else NetworkStatus("")
        active = bool(row and row.transfer and row.transfer.stage is not DownloadState.PAUSED)
        wanted = bool(facts.state) and (not facts.usable or bool(row and row.damage))
        ui.details.show_row(row)
        ui.use.setEnabled(facts.usable and not facts.paints)
        ui.download.setEnabled(bool(facts.url) and wanted and not active)
        ui.remove.setEnabled(facts.removable and not working and not active)
        ui.import_.setEnabled(not working)
        ui.verify.setEnabled(not working)
        ui.busy.setVisible(working)
        ui.transfer.show_transfer(self._transfer_to_show())

    @Slot(QModelIndex, QModelIndex)
    def _on_selected(self, _current: QModelIndex, _previous: QModelIndex) -> None:
        self._update()

    @Slot()
    def _on_use(self) -> None:
        row = self._row()
        if row and row.facts.usable and not row.facts.paints:
            self.chosen.emit(row.facts.name)
            self.accept()

    # -- downloads ---------------------------------------------------------------------------------

    @Slot()
    def _on_download(self) -> None:
        self._on_resume(self.selected)

    @Slot(str)
    def _on_resume(self, name: str) -> None:
        row = self._ui.table.row(name)
        if row and row.facts.card:
            self._ui.status.clear()
            self._downloads.start(row.facts.card, row.facts.partial)

    @Slot(str)
    def _on_cancel(self, name: str) -> None:
        row = self._ui.table.row(name)
        if row and row.facts.card:
            self._downloads.cancel(row.facts.card)

    @Slot(str)
    def _on_transfer(self, name: str) -> None:
        self._ui.table.set_transfer(name, self._downloads.transfer(name))
        self._update()

    @Slot(str)
    def _on_arrived(self, name: str) -> None:
        self._ui.status.setText(self.tr("The weights of {0} have been downloaded.").format(name))
        self._ui.table.set_damage(name, None)
        self.refresh()
        self.changed.emit()

    @Slot(str, str)
    def _on_download_failed(self, _name: str, sentence: str) -> None:
        self._ui.status.setText(sentence)
        self.refresh()

    # -- the user's own files ----------------------------------------------------------------------

    @Slot()
    def _on_remove(self) -> None:
        row = self._row()
        if row:
            self._actions.ask_to_remove(row.facts)

    @Slot(str)
    def _on_imported(self, name: str) -> None:
        self._to_select = name
        self._ui.table.set_damage(name, None)
        self.refresh()
        self.changed.emit()

    @Slot()
    def _on_removed(self) -> None:
        self.refresh()
        self.changed.emit()

    @Slot(object)
    def _on_verified(self, results: Sequence[Verified]) -> None:
        by_path: dict[Path, Verified] = {result.path: result for result in results}
        for row in self._ui.table.rows():
            found = by_path.get(row.facts.path) if row.facts.path else None
            reason = (found.reason if not found.ok else "") if found else None
            self._ui.table.set_damage(row.facts.name, reason)
        self._update()
