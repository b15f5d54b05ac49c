"""The command palette and the sheet of shortcuts, both made from the actions themselves."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PySide6.QtCore import QCoreApplication, QEvent, QObject, Qt, Slot
from PySide6.QtGui import QAction, QKeyEvent, QKeySequence, QShowEvent
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
    """One entry of the palette."""

    text: str
    shortcut: str
    act: Callable[[], object]
    more: str = ""
    """More words that it is found by."""
    enabled: bool = True


def commands_of(actions: Sequence[QAction]) -> list[Command]:
    """Return the actions as commands; those unavailable now are marked as such."""
    native = QKeySequence.SequenceFormat.NativeText
    return [
        Command(plain(a.text()), a.shortcut().toString(native), a.trigger, _more(a), a.isEnabled())
        for a in actions
    ]


def _more(action: QAction) -> str:
    """Return other words by which the user might search for it."""
    saves = action.objectName().startswith("action_save")
    export = QCoreApplication.translate("CommandPalette", "export") if saves else ""
    return f"{action.statusTip()} {export}"


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
        self.list.setFocusProxy(self.line)  # letters always go to the line
        self.setFocusProxy(self.line)
        column = QVBoxLayout(self)
        column.setContentsMargins(6, 6, 6, 6)
        column.addWidget(self.line)
        column.addWidget(self.list)
        self.line.textChanged.connect(self._filter)
        self.line.returnPressed.connect(self._take)
        self.list.itemClicked.connect(self._take)
        self.line.installEventFilter(self)
        self.resize(560, 380)
        self._filter("")
        self.line.setFocus()
        self.chosen: Command | None = None
        """What the user chose; the palette's owner carries it out once the palette has closed."""

    @Slot(str)
    def _filter(self, text: str) -> None:
        self.list.clear()
        found = matching(self._commands, text)
        for command in found:
            words = f"{command.text}    {command.shortcut}" if command.shortcut else command.text
            item = QListWidgetItem(words if command.enabled else self._not_now(words))
            item.setData(Qt.ItemDataRole.UserRole, self._commands.index(command))
            if not command.enabled:
                item.setFlags(Qt.ItemFlag.NoItemFlags)
            self.list.addItem(item)
        if not found:
            nothing = QListWidgetItem(self.tr("No command matches “{0}”.").format(text.strip()))
            nothing.setFlags(Qt.ItemFlag.NoItemFlags)
            self.list.addItem(nothing)
        self._move(0, 1)

    def _not_now(self, words: str) -> str:
        return self.tr("{0}    (not available now)").format(words)

    def _move(self, row: int, step: int) -> None:
        """Select a row, or the next one in this direction that is available."""
        while 0 <= row < self.list.count():
            if self.list.item(row).flags() & Qt.ItemFlag.ItemIsEnabled:
                self.list.setCurrentRow(row)
                return
            row += step

    def showEvent(self, event: QShowEvent) -> None:
        """Let typing go to the search line at once."""
        super().showEvent(event)
        self.activateWindow()
        self.line.setFocus(Qt.FocusReason.PopupFocusReason)

    @Slot()
    def _take(self) -> None:
        item = self.list.currentItem()
        if item is not None and item.flags() & Qt.ItemFlag.ItemIsEnabled:
            self.chosen = self._commands[item.data(Qt.ItemDataRole.UserRole)]
            self.accept()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """Let the arrows move in the list while letters go to the search line."""
        if watched is self.line and isinstance(event, QKeyEvent):
            keys = Qt.Key
            page = max(1, self.list.height() // max(1, self.list.sizeHintForRow(0)) - 1)
            steps = {keys.Key_Down: 1, keys.Key_Up: -1, keys.Key_PageDown: page,
                     keys.Key_PageUp: -page}  # fmt: skip
            step = steps.get(keys(event.key()))
            if event.type() == QEvent.Type.KeyPress and step is not None:
                row = max(0, min(self.list.count() - 1, self.list.currentRow() + step))
                self._move(row, 1 if step > 0 else -1)
                return True
        return super().eventFilter(watched, event)


def matching(commands: Sequence[Command], text: str) -> list[Command]:
    """Return the commands that contain all words of `text`; those that begin with it first."""
    words = text.casefold().split()
    found = [c for c in commands if all(w in f"{c.text} {c.more}".casefold() for w in words)]

    def late(command: Command) -> tuple[bool, bool, bool]:
        called = command.text.casefold()
        return (
            not command.enabled,
            not called.startswith(text.casefold()),
            not all(word in called for word in words),
        )

    return sorted(found, key=late)


KEYS_OF_THE_CANVAS = (
    ("+ −", "Zoom (when the canvas has the focus)"),
    ("0, 1", "Fit; 100 %"),
    ("Arrows", "Move the picture"),
    ("Ctrl+Shift+←/→", "Move the divider of before and after"),
)
# Texts of the sheet that belong to no action.


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
