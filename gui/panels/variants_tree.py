"""The rows of the variants: each under the one it started from, with thumbnail, name and star."""

from collections.abc import Iterator, Sequence

from PySide6.QtCore import (
    QAbstractItemModel,
    QDateTime,
    QLocale,
    QModelIndex,
    QPersistentModelIndex,
    QSignalBlocker,
    QSize,
    Qt,
)
from PySide6.QtGui import QPixmap
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QLineEdit,
    QStyledItemDelegate,
    QTreeWidget,
    QTreeWidgetItem,
    QTreeWidgetItemIterator,
    QWidget,
)

from gui.icons import untinted
from gui.run.pace import words
from gui.run.variant_entry import VariantEntry

ENTRY = Qt.ItemDataRole.UserRole
NAME, STAR = 0, 1
"""Columns."""
SIDE = 44
"""Size of a thumbnail, in pixels."""


class VariantsTree(QTreeWidget):
    """Shows variants and which are selected; changes by the program emit no signal."""

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self._shown: VariantEntry | None = None
        self._rows: dict[VariantEntry, QTreeWidgetItem] = {}
        self._placed: list[tuple[VariantEntry, VariantEntry | None]] = []
        """The variants and their parents, as shown."""
        self.setObjectName("variantsTree")
        self.setAccessibleName(self.tr("Variants of this project"))
        self.setColumnCount(2)
        self.setHeaderHidden(True)
        self.header().setStretchLastSection(False)
        self.header().setSectionResizeMode(NAME, QHeaderView.ResizeMode.Stretch)
        self.header().setSectionResizeMode(STAR, QHeaderView.ResizeMode.ResizeToContents)
        self.setIconSize(QSize(SIDE, SIDE))
        self.setIndentation(14)
        self.setExpandsOnDoubleClick(False)
        self.setUniformRowHeights(True)
        self.setTextElideMode(Qt.TextElideMode.ElideRight)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        triggers = QAbstractItemView.EditTrigger
        self.setEditTriggers(triggers.EditKeyPressed | triggers.DoubleClicked)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.setMinimumHeight(2 * SIDE)
        self.setItemDelegateForColumn(NAME, _NameDelegate(self))

    def show_entries(self, entries: Sequence[VariantEntry]) -> None:
        """Show these, each below its parent; the selection stays.

        After a run there is one more, and only its row is made: there may be hundreds.
        """
        there = [(entry, entry.parent) for entry in entries]
        added = entries[len(self._rows) :]
        with QSignalBlocker(self):
            if there[: len(self._rows)] != self._placed:
                selected = set(self.selected())
                added = [entry for entry in entries if entry not in self._rows]
                self.clear()
                self._rows.clear()
                for entry in entries:  # parents come before their children
                    self._add(entry).setSelected(entry in selected)
            else:
                for entry in added:
                    self._add(entry)
            self._placed = there
            if added:
                self.scrollToItem(self._rows[added[-1]])

    def _add(self, entry: VariantEntry) -> QTreeWidgetItem:
        """Append a row for the variant below its parent."""
        item = self._rows[entry] = QTreeWidgetItem()
        item.setData(NAME, ENTRY, entry)
        item.setFlags(item.flags() | Qt.ItemFlag.ItemIsEditable)
        above = self._rows.get(entry.parent) if entry.parent is not None else None
        if above is None:
            self.addTopLevelItem(item)
        else:
            above.addChild(item)
            above.setExpanded(True)
        self._fill(item)
        return item

    def refresh(self, entry: VariantEntry) -> None:
        """Update what is shown of a variant."""
        item = self.item(entry)
        if item is not None:
            with QSignalBlocker(self):
                self._fill(item)

    def mark_shown(self, entry: VariantEntry | None) -> None:
        """Mark the variant whose picture is on the canvas, and select it."""
        before, self._shown = self._shown, entry
        if before is entry:
            return
        with QSignalBlocker(self):
            self.clearSelection()
            for changed in (before, entry):
                item = self._rows.get(changed) if changed is not None else None
                if item is not None:
                    self._fill(item)
            item = self._rows.get(entry) if entry is not None else None
            if item is not None:
                self.setCurrentItem(item)
                item.setSelected(True)

    def entries(self) -> list[VariantEntry]:
        """Return all variants, from the top."""
        return [entry_of(item) for item in self._items()]

    def selected(self) -> list[VariantEntry]:
        """Return the selected variants, from the top."""
        chosen = self.selectedItems()
        if len(chosen) < 2:
            return [entry_of(item) for item in chosen]
        return [entry_of(item) for item in self._items() if item.isSelected()]

    def select(self, entries: Sequence[VariantEntry]) -> None:
        """Select these; no signal is emitted."""
        with QSignalBlocker(self):
            self.clearSelection()
            for item in map(self.item, entries):
                if item is not None:
                    item.setSelected(True)

    def _items(self) -> Iterator[QTreeWidgetItem]:
        rows = QTreeWidgetItemIterator(self)
        while (item := rows.value()) is not None:
            yield item
            rows += 1

    def item(self, entry: VariantEntry) -> QTreeWidgetItem | None:
        """Return the row of a variant."""
        return self._rows.get(entry)

    def _fill(self, item: QTreeWidgetItem) -> None:
        entry, shown = entry_of(item), entry_of(item) is self._shown
        facts = self._facts(entry)
        item.setText(NAME, f"{entry.name}\n{facts}")
        item.setIcon(NAME, untinted(_square(entry)))
        item.setText(STAR, "★" if entry.starred else "☆")
        item.setToolTip(STAR, self.tr("Remove the star") if entry.starred else self.tr("Star"))
        for column in (NAME, STAR):
            font = item.font(column)
            font.setBold(shown)
            item.setFont(column, font)
        told = self._told(entry, facts)
        item.setToolTip(NAME, told)
        spoken = [told.replace("\n", ", ")]
        spoken += [self.tr("starred")] if entry.starred else []
        spoken += [self.tr("on the canvas")] if shown else []
        item.setData(NAME, Qt.ItemDataRole.AccessibleTextRole, ", ".join(spoken))

    def _facts(self, entry: VariantEntry) -> str:
        done = max(entry.iteration, entry.reached) if entry.running else entry.iteration
        count = self.tr("{0} of {1}").format(done, entry.total)
        if entry.running:
            return self.tr("{0}, running").format(count)
        if entry.complete:
            many = self.tr("{0} iterations").format(entry.iteration)
            return self.tr("1 iteration") if entry.iteration == 1 else many
        return self.tr("{0}, stopped").format(count)

    def _told(self, entry: VariantEntry, facts: str) -> str:
        when = QDateTime.fromSecsSinceEpoch(int(entry.when))
        clock = QLocale().toString(when, QLocale.FormatType.ShortFormat)
        lines = [f"{entry.name}, {clock}"]
        if entry.parent is not None:
            from_where = self.tr("from {0}, iteration {1}")
            lines.append(from_where.format(entry.parent.name, entry.branched_at))
        size = f"{entry.size[0]} × {entry.size[1]}, " if entry.size[0] else ""
        lines.append(f"{size}{entry.job.network}")
        lines.append(self.tr("{0} in {1}").format(facts, words(entry.seconds)))
        return "\n".join([*lines, entry.note]).strip()


class _NameDelegate(QStyledItemDelegate):
    """Edits only the name in the row's text."""

    def setEditorData(
        self, editor: QWidget, index: QModelIndex | QPersistentModelIndex
    ) -> None:  # fmt: skip
        """Begin with the name."""
        if isinstance(editor, QLineEdit):
            editor.setText(index.data(ENTRY).name)

    def setModelData(
        self, editor: QWidget, model: QAbstractItemModel,
        index: QModelIndex | QPersistentModelIndex,
    ) -> None:  # fmt: skip
        """Leave the row alone: the variant's owner gives it the name."""


def entry_of(item: QTreeWidgetItem) -> VariantEntry:
    """Return the variant of a row."""
    entry: VariantEntry = item.data(NAME, ENTRY)
    return entry


def _square(entry: VariantEntry) -> QPixmap:
    """Return a variant's thumbnail, as large as the rows have room for."""
    if entry.thumbnail.isNull():
        empty = QPixmap(SIDE, SIDE)
        empty.fill(Qt.GlobalColor.transparent)
        return empty
    aspect, smooth = Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation
    return QPixmap.fromImage(entry.thumbnail.scaled(2 * SIDE, 2 * SIDE, aspect, smooth))
