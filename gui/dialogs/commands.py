"""The command palette and the sheet of shortcuts, both read from the actions themselves."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PySide6.QtCore import QEvent, QObject, Qt, Slot
from PySide6.QtGui import QAction, QKeyEvent, QKeySequence
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QHeaderView,
    QLineEdit,
    QListWidget,
    QListWidgetItem,
    QTreeWidget,
    QTreeWidgetItem,
    QVBoxLayout,
    QWidget,
)

from gui.actions import TABLE, plain, translated


@dataclass(frozen=True)
class Command:
    """Something that can be done, as the palette lists it."""

    text: str
    shortcut: str
    act: Callable[[], object]


def commands_of(actions: Sequence[QAction]) -> list[Command]:
    """Return the enabled actions as commands."""
    native = QKeySequence.SequenceFormat.NativeText
    return [
        Command(plain(a.text()), a.shortcut().toString(native), a.trigger)
        for a in actions
        if a.isEnabled()
    ]


class CommandPalette(QDialog):
    """Type a few letters, press Enter."""

    def __init__(self, commands: Sequence[Command], parent: QWidget | None = None) -> None:
        super().__init__(parent, Qt.WindowType.Popup)
        self.setObjectName("commandPalette")
        self.setAccessibleName(self.tr("Commands"))
        self._commands = list(commands)
        self.line = QLineEdit()
        self.line.setPlaceholderText(self.tr("What would you like to do?"))
        self.line.setAccessibleName(self.tr("Search commands"))
        self.list = QListWidget()
        self.list.setUniformItemSizes(True)
        column = QVBoxLayout(self)
        column.setContentsMargins(6, 6, 6, 6)
        column.addWidget(self.line)
        column.addWidget(self.list)
        self.line.textChanged.connect(self._filter)
        self.line.returnPressed.connect(self._take)
        self.list.itemClicked.connect(self._take)
        self.line.installEventFilter(self)
        self.resize(460, 340)
        self._filter("")
        self.chosen: Command | None = None
        """What the person took; carried out by whoever opened the palette, after it has gone."""

    @Slot(str)
    def _filter(self, text: str) -> None:
        self.list.clear()
        for command in matching(self._commands, text):
            words = f"{command.text}    {command.shortcut}" if command.shortcut else command.text
            item = QListWidgetItem(words)
            item.setData(Qt.ItemDataRole.UserRole, self._commands.index(command))
            self.list.addItem(item)
        self.list.setCurrentRow(0)

    @Slot()
    def _take(self) -> None:
        item = self.list.currentItem()
        if item is not None:
            self.chosen = self._commands[item.data(Qt.ItemDataRole.UserRole)]
            self.accept()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Let the arrows move in the list while letters go to the line."""
        if watched is self.line and isinstance(event, QKeyEvent):
            down, up = Qt.Key.Key_Down, Qt.Key.Key_Up
            if event.type() == QEvent.Type.KeyPress and event.key() in (down, up):
                step = 1 if event.key() == down else -1
                row = max(0, min(self.list.count() - 1, self.list.currentRow() + step))
                self.list.setCurrentRow(row)
                return True
        return super().eventFilter(watched, event)


def matching(commands: Sequence[Command], text: str) -> list[Command]:
    """Return the commands that hold all words of `text`; those that begin with it first."""
    words = text.casefold().split()
    found = [c for c in commands if all(w in c.text.casefold() for w in words)]
    return sorted(found, key=lambda c: not c.text.casefold().startswith(text.casefold()))


KEYS_OF_THE_CANVAS = (
    ("+ −", "Zoom, with the canvas focused"),
    ("0, 1", "Fit; 100 %"),
    ("Arrows", "Move the picture"),
    ("Ctrl+Shift+←/→", "Move the divider of before and after"),
)
# Texts of the sheet that are no actions.


class ShortcutSheet(QDialog):
    """All shortcuts by menu."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWindowTitle(self.tr("Shortcuts"))
        self.setObjectName("shortcutSheet")
        tree = QTreeWidget()
        tree.setAccessibleName(self.tr("Shortcuts"))
        tree.setHeaderLabels([self.tr("Action"), self.tr("Keys")])
        tree.setRootIsDecorated(False)
        groups: dict[str, QTreeWidgetItem] = {}
        native = QKeySequence.SequenceFormat.NativeText
        for spec in TABLE:
            if not spec.shortcut:
                continue
            if spec.menu not in groups:
                groups[spec.menu] = QTreeWidgetItem(tree, [plain(translated(spec.menu))])
            keys = QKeySequence(spec.shortcut).toString(native)
            QTreeWidgetItem(groups[spec.menu], [plain(translated(spec.text)), keys])
        canvas = QTreeWidgetItem(tree, [self.tr("Canvas")])
        for keys, text in KEYS_OF_THE_CANVAS:
            QTreeWidgetItem(canvas, [self.tr(text), keys])
        tree.expandAll()
        header = tree.header()
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        header.setSectionResizeMode(1, QHeaderView.ResizeMode.ResizeToContents)
        header.setStretchLastSection(False)
        buttons = QDialogButtonBox(QDialogButtonBox.StandardButton.Close)
        buttons.rejected.connect(self.reject)
        column = QVBoxLayout(self)
        column.addWidget(tree)
        column.addWidget(buttons)
        self.resize(480, 600)
