"""The results of this session as a strip: shown again, compared, saved, used, removed."""

from collections.abc import Sequence

from PySide6.QtCore import (
    QDateTime,
    QEvent,
    QLocale,
    QPoint,
    QSignalBlocker,
    QSize,
    Qt,
    Signal,
    Slot,
)
from PySide6.QtGui import QAction, QIcon, QPixmap
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QListWidget,
    QListWidgetItem,
    QMenu,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from gui.run.pace import words
from gui.run.results import StoredResult

ENTRY = Qt.ItemDataRole.UserRole


class ResultsPanel(QWidget):
    """Shows what has been made, the newest last; emits what to do with it."""

    show_requested = Signal(object)
    """A `StoredResult`."""
    compare_requested = Signal(object, object)
    """Two of them, the earlier first."""
    save_requested = Signal(object)
    use_requested = Signal(object, str)
    """One of them, and as what: content, style, guide or start."""
    larger_requested = Signal(object)
    removed = Signal(list)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("resultsPanel")
        self.list = QListWidget(self)
        self.list.setObjectName("resultsList")
        self.list.setAccessibleName(self.tr("Results of this session"))
        self.list.setViewMode(QListWidget.ViewMode.IconMode)
        self.list.setFlow(QListWidget.Flow.LeftToRight)
        self.list.setWrapping(False)
        self.list.setMovement(QListWidget.Movement.Static)
        self.list.setResizeMode(QListWidget.ResizeMode.Adjust)
        self.list.setUniformItemSizes(True)
        self.list.setWordWrap(False)
        self.list.setTextElideMode(Qt.TextElideMode.ElideRight)
        self.list.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.list.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.list.setMinimumHeight(4 * self.fontMetrics().height())
        self.list.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self._compare = self._button(
            self.tr("Compare"), self.tr("Two selected results (Ctrl+click), side by side")
        )
        self._larger = self._button(
            self.tr("Larger…"), self.tr("Make the same picture again, larger")
        )
        self._save = self._button(self.tr("Save…"), self.tr("Save the result with its recipe"))
        self._use = self._button(self.tr("Use as"), self.tr("Use it in the next run"))
        self._remove = self._button(self.tr("Remove"), self.tr("Remove the selected results"))
        self._menu = QMenu(self._use)
        self._use.setMenu(self._menu)
        self.show_uses(("content", "style", "start"))
        line = QHBoxLayout()
        for button in (self._compare, self._larger, self._save, self._use, self._remove):
            line.addWidget(button)
        line.addStretch(1)
        column = QVBoxLayout(self)
        column.setContentsMargins(4, 2, 4, 2)
        column.setSpacing(2)
        column.addWidget(self.list, 1)
        column.addLayout(line)
        self.list.itemClicked.connect(self._on_clicked)
        self.list.itemActivated.connect(self._on_clicked)
        self.list.itemSelectionChanged.connect(self._on_selection)
        self.list.customContextMenuRequested.connect(self._on_menu)
        self._compare.clicked.connect(self._on_compare)
        self._larger.clicked.connect(self._on_larger)
        self._save.clicked.connect(self._on_save)
        self._remove.clicked.connect(self._on_remove)
        self._menu.triggered.connect(self._on_use)
        self._on_selection()

    def _button(self, text: str, tip: str) -> QPushButton:
        button = QPushButton(text, self)
        button.setToolTip(tip)
        return button

    def show_uses(self, roles: Sequence[str]) -> None:
        """Offer what a result can be used as."""
        texts = {
            "content": self.tr("Content"), "style": self.tr("Style"), "guide": self.tr("Guide"),
            "start": self.tr("Start"),
        }  # fmt: skip
        self._menu.clear()
        for role in roles:
            self._menu.addAction(texts[role]).setData(role)

    def show_entries(self, entries: Sequence[StoredResult]) -> None:
        """Show these; what is selected stays."""
        before = [self._entry(row) for row in range(self.list.count())]
        with QSignalBlocker(self.list):
            for row in reversed(range(len(before))):
                if before[row] not in entries:
                    self.list.takeItem(row)
            for entry in entries:
                if entry not in before:
                    self.list.addItem(self._item(entry))
        if any(entry not in before for entry in entries):
            self.list.scrollToItem(self.list.item(self.list.count() - 1))
        self._fit_icons()
        self._on_selection()

    @Slot(object)
    def show_thumbnail(self, entry: StoredResult) -> None:
        """Show a result's thumbnail anew."""
        for row in range(self.list.count()):
            if self._entry(row) is entry:
                self.list.item(row).setIcon(_icon(entry))

    def select(self, entry: StoredResult) -> None:
        """Select one; nothing is asked for."""
        with QSignalBlocker(self.list):
            for row in range(self.list.count()):
                self.list.item(row).setSelected(self._entry(row) is entry)
        self._on_selection()

    def selected(self) -> list[StoredResult]:
        """Return the selected ones, in order."""
        rows = sorted(self.list.row(item) for item in self.list.selectedItems())
        return [self._entry(row) for row in rows]

    def event(self, event: QEvent) -> bool:
        """Keep the thumbnails as high as there is room."""
        if event.type() in (QEvent.Type.Resize, QEvent.Type.Show, QEvent.Type.LayoutRequest):
            self._fit_icons()
        return super().event(event)

    def _fit_icons(self) -> None:
        fonts = self.fontMetrics()
        bar = self.list.horizontalScrollBar().sizeHint().height()
        side = max(24, min(160, self.list.height() - fonts.height() - bar - 10))
        wide = max(side, 20 * fonts.averageCharWidth())
        if self.list.iconSize() != QSize(wide, side):
            self.list.setIconSize(QSize(wide, side))
            self.list.setGridSize(QSize(wide + 8, side + fonts.height() + 8))

    def _item(self, entry: StoredResult) -> QListWidgetItem:
        when = QDateTime.fromSecsSinceEpoch(int(entry.when)).time()
        clock = QLocale().toString(when, QLocale.FormatType.ShortFormat)
        size = f"{entry.size[0]} x {entry.size[1]}"
        item = QListWidgetItem(_icon(entry), f"{entry.number}. {entry.title}")
        item.setData(ENTRY, entry)
        end = self.tr("done") if entry.complete else self.tr("stopped")
        facts = self.tr("{0}: {1} of {2} iterations in {3}").format(
            end, entry.iteration, entry.total, words(entry.seconds)
        )
        told = f"{entry.number}. {entry.title}, {clock}\n{size}, {entry.job.network}\n{facts}"
        item.setToolTip(told)
        item.setData(Qt.ItemDataRole.AccessibleTextRole, told.replace("\n", ", "))
        return item

    def _entry(self, row: int) -> StoredResult:
        entry: StoredResult = self.list.item(row).data(ENTRY)
        return entry

    @Slot(QListWidgetItem)
    def _on_clicked(self, item: QListWidgetItem) -> None:
        if len(self.list.selectedItems()) <= 1:  # with Ctrl, one more is being selected
            self.show_requested.emit(item.data(ENTRY))

    @Slot()
    def _on_selection(self) -> None:
        count = len(self.list.selectedItems())
        self._compare.setEnabled(count == 2)
        for button in (self._larger, self._save, self._use):
            button.setEnabled(count == 1)
        self._remove.setEnabled(count > 0)

    @Slot(QPoint)
    def _on_menu(self, where: QPoint) -> None:
        menu = QMenu(self)
        for button in (self._compare, self._larger, self._save, self._remove):
            action = menu.addAction(button.text())
            action.setEnabled(button.isEnabled())
            action.triggered.connect(button.click)
        menu.exec(self.list.viewport().mapToGlobal(where))
        menu.deleteLater()

    @Slot()
    def _on_compare(self) -> None:
        self.compare_requested.emit(*self.selected())

    @Slot()
    def _on_larger(self) -> None:
        self.larger_requested.emit(self.selected()[0])

    @Slot()
    def _on_save(self) -> None:
        self.save_requested.emit(self.selected()[0])

    @Slot()
    def _on_remove(self) -> None:
        self.removed.emit(self.selected())

    @Slot(object)
    def _on_use(self, action: QAction) -> None:
        self.use_requested.emit(self.selected()[0], action.data())


def _icon(entry: StoredResult) -> QIcon:
    return QIcon(QPixmap.fromImage(entry.thumbnail))
