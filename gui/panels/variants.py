"""The variants of a project as a tree: shown, compared, named, starred, used, deleted."""

from collections.abc import Iterator, Sequence

from PySide6.QtCore import (
    QAbstractItemModel,
    QDateTime,
    QLocale,
    QModelIndex,
    QPersistentModelIndex,
    QPoint,
    QSignalBlocker,
    QSize,
    Qt,
    Signal,
    Slot,
)
from PySide6.QtGui import QAction, QPixmap
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QHeaderView,
    QLineEdit,
    QMenu,
    QStyledItemDelegate,
    QToolButton,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from gui.icons import untinted
from gui.run.pace import words
from gui.run.variant_entry import VariantEntry

ENTRY = Qt.ItemDataRole.UserRole
NAME, STAR = 0, 1
"""Columns."""
SIDE = 44
"""Of a thumbnail, in pixels."""


class VariantsPanel(QWidget):
    """Shows what has been made, each under what it began with; emits what to do with it."""

    show_requested = Signal(object)
    """A `VariantEntry`."""
    compare_requested = Signal(object, object)
    """Two of them, the one above first."""
    save_requested = Signal(object)
    use_requested = Signal(object, str)
    """One of them, and as what: content, style, guide or start."""
    larger_requested = Signal(object)
    settings_requested = Signal(object)
    renamed = Signal(object, str)
    noted = Signal(object, str)
    starred = Signal(object, bool)
    delete_requested = Signal(list)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("variantsPanel")
        self._shown: VariantEntry | None = None
        self.tree = _tree(self)
        self.note = QLineEdit(self)
        self.note.setObjectName("variantNote")
        self.note.setAccessibleName(self.tr("Note"))
        self.note.setPlaceholderText(self.tr("Note"))
        self._compare = self._button(
            self.tr("Compare"), self.tr("Two selected variants (Ctrl+click), side by side")
        )
        self._delete = self._button(self.tr("Delete"), self.tr("Delete the selected variants"))
        self._more = self._button(
            self.tr("More ▾"), self.tr("What else can be done with a variant")
        )
        self.menu = QMenu(self._more)  # not the button's own: it would hold up whoever presses it
        self._make_menu()
        line = QHBoxLayout()
        for button in (self._compare, self._delete, self._more):
            line.addWidget(button)
        line.addStretch(1)
        column = QVBoxLayout(self)
        column.setContentsMargins(4, 2, 4, 2)
        column.setSpacing(2)
        column.addWidget(self.tree, 1)
        column.addWidget(self.note)
        column.addLayout(line)
        self.tree.itemClicked.connect(self._on_clicked)
        self.tree.itemActivated.connect(self._on_activated)
        self.tree.itemSelectionChanged.connect(self._on_selection)
        self.tree.customContextMenuRequested.connect(self._on_menu)
        self.tree.itemDelegateForColumn(NAME).commitData.connect(self._on_renamed)
        self.note.editingFinished.connect(self._on_noted)
        self._compare.clicked.connect(self._on_compare)
        self._delete.clicked.connect(self._on_delete)
        self._more.clicked.connect(self._on_more)
        self._on_selection()

    def _button(self, text: str, tip: str) -> QToolButton:
        button = QToolButton(self)  # narrower than a push button: the panel stands at the side
        button.setText(text)
        button.setToolTip(tip)
        return button

    def _make_menu(self) -> None:
        menu = self.menu
        self._rename = menu.addAction(self.tr("&Rename"))
        self._star = menu.addAction(self.tr("&Star"))
        self._star.setCheckable(True)
        menu.addSeparator()
        self._settings = menu.addAction(self.tr("Use these se&ttings"))
        self._save = menu.addAction(self.tr("&Save picture…"))
        self._larger = menu.addAction(self.tr("Same picture, &larger…"))
        self._use = menu.addMenu(self.tr("&Use as"))
        self.show_uses(("content", "style", "start"))
        self._rename.triggered.connect(self._on_rename)
        self._star.triggered.connect(self._on_star)
        self._settings.triggered.connect(self._on_settings)
        self._save.triggered.connect(self._on_save)
        self._larger.triggered.connect(self._on_larger)
        self._use.triggered.connect(self._on_use)

    def show_uses(self, roles: Sequence[str]) -> None:
        """Offer what a variant's picture can be used as."""
        texts = {
            "content": self.tr("Content"), "style": self.tr("Style"), "guide": self.tr("Guide"),
            "start": self.tr("Start"),
        }  # fmt: skip
        self._use.clear()
        for role in roles:
            self._use.addAction(texts[role]).setData(role)

    # -- what is shown --------------------------------------------------------------------

    def show_entries(self, entries: Sequence[VariantEntry]) -> None:
        """Show these, each below its parent; what is selected stays."""
        selected = [entry for entry in self.selected() if entry in entries]
        last = next(reversed([e for e in entries if e not in self.entries()]), None)
        with QSignalBlocker(self.tree):
            self.tree.clear()
            items: dict[VariantEntry, QTreeWidgetItem] = {}
            for entry in entries:  # parents come before their children
                item = items[entry] = QTreeWidgetItem()
                item.setData(NAME, ENTRY, entry)
                item.setFlags(item.flags() | Qt.ItemFlag.ItemIsEditable)
                above = items.get(entry.parent) if entry.parent is not None else None
                if above is None:
                    self.tree.addTopLevelItem(item)
                else:
                    above.addChild(item)
                self._fill(item)
                item.setSelected(entry in selected)
            self.tree.expandAll()
            if last is not None:
                self.tree.scrollToItem(items[last])
        self._on_selection()

    @Slot(object)
    def refresh(self, entry: VariantEntry) -> None:
        """Show anew what is known of a variant."""
        item = self._item(entry)
        if item is not None:
            with QSignalBlocker(self.tree):
                self._fill(item)
            if self.selected() == [entry]:
                self._on_selection()

    def mark_shown(self, entry: VariantEntry | None) -> None:
        """Mark the variant whose picture is on the canvas, and select it."""
        before, self._shown = self._shown, entry
        if before is entry:
            return
        with QSignalBlocker(self.tree):
            for item in self._items():
                of = _entry(item)
                if of in (before, entry):
                    self._fill(item)
                item.setSelected(of is entry)
                if of is entry:
                    self.tree.setCurrentItem(item)
        self._on_selection()

    def entries(self) -> list[VariantEntry]:
        """Return all variants, from above."""
        return [_entry(item) for item in self._items()]

    def selected(self) -> list[VariantEntry]:
        """Return the selected ones, from above."""
        return [_entry(item) for item in self._items() if item.isSelected()]

    def select(self, entries: Sequence[VariantEntry]) -> None:
        """Select these; nothing is asked for."""
        with QSignalBlocker(self.tree):
            for item in self._items():
                item.setSelected(_entry(item) in entries)
        self._on_selection()

    def _items(self) -> Iterator[QTreeWidgetItem]:
        waiting = [self.tree.topLevelItem(n) for n in range(self.tree.topLevelItemCount())]
        while waiting:
            item = waiting.pop(0)
            if item is not None:
                yield item
                waiting[:0] = [item.child(n) for n in range(item.childCount())]

    def _item(self, entry: VariantEntry) -> QTreeWidgetItem | None:
        return next((item for item in self._items() if _entry(item) is entry), None)

    def _fill(self, item: QTreeWidgetItem) -> None:
        entry, shown = _entry(item), _entry(item) is self._shown
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

    # -- what a person does ---------------------------------------------------------------

    @Slot(QTreeWidgetItem, int)
    def _on_clicked(self, item: QTreeWidgetItem, column: int) -> None:
        entry = _entry(item)
        if column == STAR:
            self.starred.emit(entry, not entry.starred)
        elif len(self.selected()) <= 1:  # with Ctrl, one more is being selected
            self.show_requested.emit(entry)

    @Slot(QTreeWidgetItem, int)
    def _on_activated(self, item: QTreeWidgetItem, _column: int) -> None:
        if len(self.selected()) <= 1:
            self.show_requested.emit(_entry(item))

    @Slot()
    def _on_selection(self) -> None:
        selected = self.selected()
        self._compare.setEnabled(len(selected) == 2 and all(e.has_picture for e in selected))
        one = selected[0] if len(selected) == 1 else None
        for action in (self._rename, self._star, self._settings):
            action.setEnabled(one is not None)
        for action in (self._save, self._larger, self._use.menuAction()):
            action.setEnabled(one is not None and one.has_picture and not one.running)
        self._star.setChecked(one is not None and one.starred)
        running = any(entry.running for entry in selected)
        self._delete.setEnabled(bool(selected) and not running)
        tip = self.tr("Delete the selected variants")
        self._delete.setToolTip(self.tr("Stop the run first") if running else tip)
        self.note.setEnabled(one is not None)
        if not self.note.hasFocus() or one is None:
            self.note.setText("" if one is None else one.note)

    @Slot()
    def _on_more(self) -> None:
        self.menu.popup(self._more.mapToGlobal(self._more.rect().bottomLeft()))

    @Slot(QPoint)
    def _on_menu(self, where: QPoint) -> None:
        menu = QMenu(self)
        for button in (self._compare, self._delete):
            action = menu.addAction(button.text())
            action.setEnabled(button.isEnabled())
            action.triggered.connect(button.click)
        menu.addSeparator()
        menu.addActions(self.menu.actions())
        menu.exec(self.tree.viewport().mapToGlobal(where))
        menu.deleteLater()

    @Slot(QWidget)
    def _on_renamed(self, editor: QWidget) -> None:
        item = self.tree.currentItem()
        if item is not None and isinstance(editor, QLineEdit):
            name = " ".join(editor.text().split())
            if name and name != _entry(item).name:
                self.renamed.emit(_entry(item), name)

    @Slot()
    def _on_noted(self) -> None:
        selected = self.selected()
        if len(selected) == 1 and self.note.text() != selected[0].note:
            self.noted.emit(selected[0], self.note.text())

    @Slot()
    def _on_rename(self) -> None:
        item = self._item(self.selected()[0])
        if item is not None:
            self.tree.setCurrentItem(item)
            self.tree.editItem(item, NAME)

    @Slot(bool)
    def _on_star(self, on: bool) -> None:
        self.starred.emit(self.selected()[0], on)

    @Slot()
    def _on_compare(self) -> None:
        self.compare_requested.emit(*self.selected())

    @Slot()
    def _on_larger(self) -> None:
        self.larger_requested.emit(self.selected()[0])

    @Slot()
    def _on_settings(self) -> None:
        self.settings_requested.emit(self.selected()[0])

    @Slot()
    def _on_save(self) -> None:
        self.save_requested.emit(self.selected()[0])

    @Slot()
    def _on_delete(self) -> None:
        self.delete_requested.emit(self.selected())

    @Slot(object)
    def _on_use(self, action: QAction) -> None:
        self.use_requested.emit(self.selected()[0], action.data())


class _NameDelegate(QStyledItemDelegate):
    """Edits the name alone; what else the row says is left as it is."""

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
        """Leave the row alone: whoever owns the variant gives it the name."""


def _tree(parent: QWidget) -> QTreeWidget:
    tree = QTreeWidget(parent)
    tree.setObjectName("variantsTree")
    tree.setAccessibleName(parent.tr("Variants of this project"))
    tree.setColumnCount(2)
    tree.setHeaderHidden(True)
    tree.header().setStretchLastSection(False)
    tree.header().setSectionResizeMode(NAME, QHeaderView.ResizeMode.Stretch)
    tree.header().setSectionResizeMode(STAR, QHeaderView.ResizeMode.ResizeToContents)
    tree.setIconSize(QSize(SIDE, SIDE))
    tree.setIndentation(14)
    tree.setExpandsOnDoubleClick(False)
    tree.setUniformRowHeights(True)
    tree.setTextElideMode(Qt.TextElideMode.ElideRight)
    tree.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
    triggers = QAbstractItemView.EditTrigger
    tree.setEditTriggers(triggers.EditKeyPressed | triggers.DoubleClicked)
    tree.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
    tree.setMinimumHeight(2 * SIDE)
    tree.setItemDelegateForColumn(NAME, _NameDelegate(tree))
    return tree


def _entry(item: QTreeWidgetItem) -> VariantEntry:
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
