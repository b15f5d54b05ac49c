"""The variants of a project as a tree: to show, compare, name, star, use and delete."""

from collections.abc import Sequence

from PySide6.QtCore import QPoint, Signal, Slot
from PySide6.QtGui import QAction
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLineEdit,
    QMenu,
    QToolButton,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from gui.panels.variants_tree import NAME, STAR, VariantsTree, entry_of
from gui.run.variant_entry import VariantEntry


class VariantsPanel(QWidget):
    """Shows the variants, each under the one it started from; emits what to do with them."""

    show_requested = Signal(object)
    """A `VariantEntry`."""
    compare_requested = Signal(object, object)
    """Two of them, the one above first."""
    save_requested = Signal(object)
    use_requested = Signal(object, str)
    """A variant, and what to use it as: content, style, guide or start."""
    larger_requested = Signal(object)
    settings_requested = Signal(object)
    renamed = Signal(object, str)
    noted = Signal(object, str)
    starred = Signal(object, bool)
    delete_requested = Signal(list)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("variantsPanel")
        self.tree = VariantsTree(self)
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
        self.menu = QMenu(self._more)  # as the button's own it would block a press
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
        button = QToolButton(self)  # narrower than a push button: the panel is at the side
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
        """Show these, each below its parent; the selection stays."""
        self.tree.show_entries(entries)
        self._on_selection()

    @Slot(object)
    def refresh(self, entry: VariantEntry) -> None:
        """Update what is shown of a variant."""
        self.tree.refresh(entry)
        if self.selected() == [entry]:
            self._on_selection()

    def mark_shown(self, entry: VariantEntry | None) -> None:
        """Mark the variant whose picture is on the canvas, and select it."""
        self.tree.mark_shown(entry)
        self._on_selection()

    def entries(self) -> list[VariantEntry]:
        """Return all variants, from the top."""
        return self.tree.entries()

    def selected(self) -> list[VariantEntry]:
        """Return the selected variants, from the top."""
        return self.tree.selected()

    def select(self, entries: Sequence[VariantEntry]) -> None:
        """Select these; no signal is emitted."""
        self.tree.select(entries)
        self._on_selection()

    # -- the user's actions ---------------------------------------------------------------

    @Slot(QTreeWidgetItem, int)
    def _on_clicked(self, item: QTreeWidgetItem, column: int) -> None:
        entry = entry_of(item)
        if column == STAR:
            self.starred.emit(entry, not entry.starred)
        elif len(self.selected()) <= 1:  # with Ctrl, the user is selecting one more
            self.show_requested.emit(entry)

    @Slot(QTreeWidgetItem, int)
    def _on_activated(self, item: QTreeWidgetItem, _column: int) -> None:
        if len(self.selected()) <= 1:
            self.show_requested.emit(entry_of(item))

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
            if name and name != entry_of(item).name:
                self.renamed.emit(entry_of(item), name)

    @Slot()
    def _on_noted(self) -> None:
        selected = self.selected()
        if len(selected) == 1 and self.note.text() != selected[0].note:
            self.noted.emit(selected[0], self.note.text())

    @Slot()
    def _on_rename(self) -> None:
        item = self.tree.item(self.selected()[0])
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
