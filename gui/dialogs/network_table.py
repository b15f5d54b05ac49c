"""The catalogue as a table: one row per network, sorted and filtered as the user likes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import (
    QAbstractTableModel,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    QSortFilterProxyModel,
    Qt,
    Slot,
)

from engine.networks.catalogue import FEATURED
from gui.dialogs.network_downloads import Download, DownloadState
from gui.dialogs.network_status import NetworkStatus, mib

NAME, TITLE, STATE, SIZE, CLASSES, LICENCE = range(6)
ALL, ON_THIS_MACHINE, FEATURED_ONLY = range(3)
SORT_ROLE = Qt.ItemDataRole.UserRole + 1
ORDER = ("shipped", "imported", "here", "downloadable", "missing", "")
"""The order of states: usable ones first."""
RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
Index = QModelIndex | QPersistentModelIndex


@dataclass
class Row:
    """A network, and what was done to it since the dialog was opened."""

    facts: NetworkStatus
    transfer: Download | None = None
    damage: str | None = None
    """What the check found wrong; empty: nothing; None: not checked."""


class NetworkTable(QAbstractTableModel):
    """Name, title, state, size, classes and licence of every network."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._rows: list[Row] = []
        self._headers = (
            self.tr("Name"),
            self.tr("Title"),
            self.tr("State"),
            self.tr("Size"),
            self.tr("Classes"),
            self.tr("Licence"),
        )
        self._states = {
            "shipped": self.tr("shipped"),
            "imported": self.tr("imported"),
            "here": self.tr("here"),
            "downloadable": self.tr("can be downloaded"),
            "missing": self.tr("no weights"),
            "": "…",
        }

    def row(self, name: str) -> Row | None:
        """Return the row of a network."""
        number = self.number(name)
        return self._rows[number] if number >= 0 else None

    def rows(self) -> Sequence[Row]:
        """Return all rows, in the catalogue's order."""
        return self._rows

    def number(self, name: str) -> int:
        """Return a network's row number; -1: none."""
        return next((i for i, row in enumerate(self._rows) if row.facts.name == name), -1)

    def set_facts(self, found: Sequence[NetworkStatus]) -> None:
        """Show these networks; what is known of downloads and checks stays."""
        if [row.facts.name for row in self._rows] == [facts.name for facts in found]:
            for row, facts in zip(self._rows, found, strict=True):
                row.facts = facts
            self._changed(0, len(found) - 1)
            return
        before = {row.facts.name: row for row in self._rows}
        self.beginResetModel()
        self._rows = [before.get(facts.name, Row(facts)) for facts in found]
        for row, facts in zip(self._rows, found, strict=True):
            row.facts = facts
        self.endResetModel()

    def set_transfer(self, name: str, transfer: Download | None) -> None:
        """Show a network's download; None: there is none."""
        number = self.number(name)
        if number >= 0:
            self._rows[number].transfer = transfer
            self._changed(number, number)

    def set_damage(self, name: str, reason: str | None) -> None:
        """Show what the check found wrong; empty: nothing; None: nothing is known."""
        number = self.number(name)
        if number >= 0:
            self._rows[number].damage = reason
            self._changed(number, number)

    def state_text(self, row: Row) -> str:
        """Return a network's state in a few words."""
        transfer, facts = row.transfer, row.facts
        if transfer and transfer.stage is DownloadState.RUNNING:
            return self.tr("downloading {0} %").format(transfer.percent)
        if transfer and transfer.stage is DownloadState.QUEUED:
            return self.tr("waiting")
        if transfer:
            return self.tr("paused at {0} %").format(transfer.percent)
        if facts.problem:
            return self.tr("unreadable")
        if facts.partial and facts.state == "downloadable":
            percent = min(100, 100 * facts.partial // facts.size) if facts.size else 0
            return self.tr("paused at {0} %").format(percent)
        text = self._states[facts.state]
        if row.damage:
            return self.tr("{0}, damaged").format(text)
        return text

    # -- QAbstractTableModel -----------------------------------------------------------------------

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        """Return the number of networks."""
        return 0 if parent.isValid() else len(self._rows)

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008
        """Return the number of columns."""
        return 0 if parent.isValid() else len(self._headers)

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        """Return a column's title."""
        if orientation is not Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.TextAlignmentRole and section in (SIZE, CLASSES):
            return RIGHT
        return self._headers[section] if role == Qt.ItemDataRole.DisplayRole else None

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Return what a cell shows, its tooltip, or what it is sorted by."""
        if not index.isValid():
            return None
        row, column = self._rows[index.row()], index.column()
        if role == Qt.ItemDataRole.DisplayRole:
            return self._text(row, column)
        if role == Qt.ItemDataRole.ToolTipRole:
            return row.facts.problem or row.damage or self._text(row, column)
        if role == SORT_ROLE:
            return self._key(row, column)
        if role == Qt.ItemDataRole.TextAlignmentRole and column in (SIZE, CLASSES):
            return RIGHT
        return None

    def _text(self, row: Row, column: int) -> str:
        facts, card = row.facts, row.facts.card
        if column == NAME:
            return facts.name
        if column == STATE:
            return self.state_text(row)
        if card is None:
            return ""
        if column == SIZE:
            return mib(facts.size) if facts.size else ""
        if column == CLASSES:
            return str(len(card.classes)) if card.classes else ""
        return card.title if column == TITLE else card.licence

    def _key(self, row: Row, column: int) -> Any:
        if column == SIZE:
            return float(row.facts.size)  # 32-bit and 64-bit integers sort wrongly together
        if column == CLASSES:
            return len(row.facts.card.classes) if row.facts.card else 0
        if column == STATE:
            return ORDER.index(row.facts.state) - (0.5 if row.transfer or row.facts.partial else 0)
        return self._text(row, column).casefold()

    def _changed(self, first: int, last: int) -> None:
        if last >= first:
            self.dataChanged.emit(self.index(first, 0), self.index(last, LICENCE))


class NetworkFilter(QSortFilterProxyModel):
    """Rows of the chosen kind whose name, title or licence contains every searched word."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._words: list[str] = []
        self._kind = ALL
        self.setSortRole(SORT_ROLE)

    @Slot(str)
    def set_words(self, text: str) -> None:
        """Show only rows that contain all these words."""
        self._words = text.casefold().split()
        self.invalidate()

    @Slot(int)
    def set_kind(self, kind: int) -> None:
        """Show `ALL` rows, those `ON_THIS_MACHINE` or `FEATURED_ONLY`."""
        self._kind = kind
        self.invalidate()

    def filterAcceptsRow(self, source_row: int, source_parent: Index) -> bool:
        """Return whether a row is shown."""
        model = self.sourceModel()
        assert isinstance(model, NetworkTable)
        row = model.rows()[source_row]
        facts, card = row.facts, row.facts.card
        if self._kind == ON_THIS_MACHINE and not (facts.usable or row.transfer or facts.partial):
            return False
        if self._kind == FEATURED_ONLY and facts.name not in FEATURED:
            return False
        text = f"{facts.name} {card.title} {card.licence}" if card else facts.name
        return all(word in text.casefold() for word in self._words)
