"""The tree of layers itself: its spin box for weights, its columns, its keys and menus."""

from collections.abc import Callable, Iterable

from PySide6.QtCore import (
    QAbstractItemModel,
    QEvent,
    QModelIndex,
    QPersistentModelIndex,
    QPoint,
    Qt,
    QTimer,
    Slot,
)
from PySide6.QtGui import QAction, QColor, QContextMenuEvent, QKeyEvent, QPalette, QResizeEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QDoubleSpinBox,
    QMenu,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTreeView,
    QWidget,
)

from gui.panels.layer_columns import ColumnWidths
from gui.panels.layer_filter import LayerFilter
from gui.panels.layer_model import (
    AUTOMATIC,
    DECIMALS,
    FACTS,
    HIGHEST,
    LOWEST,
    number_text,
)

Index = QModelIndex | QPersistentModelIndex
LEAST_NAME = 20
"""The least width of the column of names, in characters."""


class _WeightBox(QDoubleSpinBox):
    """Shows 0.5, not 0.500."""

    def textFromValue(self, value: float) -> str:
        return number_text(value)


class WeightDelegate(QStyledItemDelegate):
    """Edits a layer's weight in a number box; paints suggested weights paler."""

    def initStyleOption(self, option: QStyleOptionViewItem, index: Index) -> None:
        """Mix the text colour of suggestions with the background: grey in light and dark themes."""
        super().initStyleOption(option, index)
        if index.data(AUTOMATIC):
            palette = QPalette(option.palette)
            text, base = palette.color(QPalette.ColorRole.Text), palette.base().color()
            pairs = (
                (text.red(), base.red()), (text.green(), base.green()), (text.blue(), base.blue()),
            )  # fmt: skip
            mixed = QColor(*((7 * t + 3 * b) // 10 for t, b in pairs))
            palette.setColor(QPalette.ColorRole.Text, mixed)
            option.palette = palette

    def createEditor(
        self, parent: QWidget, _option: QStyleOptionViewItem, _index: Index
    ) -> QWidget:
        """Return a number box."""
        box = _WeightBox(parent)
        box.setLocale(box.locale().c())
        box.setDecimals(DECIMALS)
        box.setRange(LOWEST, HIGHEST)
        box.setSingleStep(0.1)
        box.setAccessibleName(self.tr("Weight"))
        return box

    def setEditorData(self, editor: QWidget, index: Index) -> None:
        """Show the weight."""
        assert isinstance(editor, QDoubleSpinBox)
        editor.setValue(index.data(Qt.ItemDataRole.EditRole) or 0.0)

    def setModelData(self, editor: QWidget, model: QAbstractItemModel, index: Index) -> None:
        """Announce the weight, unless it is still the one that the box first showed."""
        assert isinstance(editor, QDoubleSpinBox)
        editor.interpretText()
        before = index.data(Qt.ItemDataRole.EditRole)
        if before is not None and editor.value() != round(before, DECIMALS):
            model.setData(index, editor.value(), Qt.ItemDataRole.EditRole)

    def updateEditorGeometry(
        self, editor: QWidget, option: QStyleOptionViewItem, _index: Index
    ) -> None:
        """Give the box the room it needs, even over neighbouring columns."""
        area, need = option.rect, editor.sizeHint()
        width = max(area.width(), need.width())
        view = editor.parentWidget()
        assert view is not None
        left = min(area.left(), view.width() - width)
        height = max(area.height(), need.height())
        top = area.center().y() - height // 2
        editor.setGeometry(max(left, 0), max(top, 0), width, height)


class LayerTree(QTreeView):
    """The tree itself: columns that fit, and keys and a menu for everything the mouse can do."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._widths: ColumnWidths | None = None
        self.setObjectName("networkTree")
        self.setAccessibleName(self.tr("Layers of the network"))
        self.setUniformRowHeights(True)
        self.setAlternatingRowColors(True)
        self.setAllColumnsShowFocus(True)
        # Layers of one block differ at their ends: conv2/3x3_reduce, conv2/relu_3x3_reduce.
        self.setTextElideMode(Qt.TextElideMode.ElideLeft)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setEditTriggers(QAbstractItemView.EditTrigger.DoubleClicked)
        self.setItemDelegate(WeightDelegate(self))
        self.setIndentation(self.fontMetrics().horizontalAdvance("mm"))
        self._menu = QMenu(self)
        self._menu.triggered.connect(self._run)
        self._columns = QMenu(self.tr("Columns"), self)
        titles = (self.tr("Kind"), self.tr("Channels"), self.tr("Size"), self.tr("Sees"))
        self._facts = [self._columns.addAction(title) for title in titles]
        for action in self._facts:
            action.setCheckable(True)
        self._wanted: dict[QAction, bool] = {}
        """Fact columns that the user has shown or hidden; the others are shown if there is room."""
        self._columns.triggered.connect(self._choose_column)
        header = self.header()
        header.setSectionsMovable(False)
        header.setStretchLastSection(False)
        header.setResizeContentsPrecision(100)
        header.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        header.customContextMenuRequested.connect(self._show_columns)
        self._fitting = QTimer(self, singleShot=True, interval=0)  # once for many unfolded rows
        self._fitting.timeout.connect(self.fit_columns)
        self.expanded.connect(self._fitting.start)
        self.collapsed.connect(self._fitting.start)

    def show_layers(self, rows: LayerFilter) -> None:
        """Show the layers that a filter lets through."""
        self.setModel(rows)
        self._widths = ColumnWidths(self, rows, rows.model)

    def unfold(self, rows: Iterable[QModelIndex]) -> None:
        """Unfold many rows of the filter; they are laid out once, not after each row."""
        self.scheduleDelayedItemsLayout()
        for row in rows:
            self.expand(row)

    def role_columns(self) -> list[int]:
        """Return the columns between the name and the facts."""
        return list(range(1, self.model().columnCount() - FACTS))

    def fit_soon(self) -> None:
        """Fit the columns once all current changes are done: measuring rows takes a while."""
        self._fitting.start()

    @Slot()
    def fit_columns(self) -> None:
        """Fit the columns to what they show: names and roles first, then as many facts as fit."""
        header = self.header()
        if self._widths is None or header.count() != self.model().columnCount():
            return
        top = (self.model().index(row, 0) for row in range(self.model().rowCount()))
        self.setRootIsDecorated(any(self.model().hasChildren(index) for index in top))
        count, (whole, *needed) = header.count(), self._widths.measure()
        header.setMinimumSectionSize(self.fontMetrics().horizontalAdvance("0"))
        widths = [max(n, self._widths.title(c)) for c, n in enumerate(needed, 1)]
        roles, facts = widths[:-FACTS], dict(zip(self._facts, widths[-FACTS:], strict=True))
        room = self.viewport().width() - sum(roles)
        left = room - whole - sum(facts[fact] for fact, wanted in self._wanted.items() if wanted)
        for fact, width in facts.items():
            if fact not in self._wanted:
                fact.setChecked(width <= left)
                left -= width if fact.isChecked() else 0
        for column, width in enumerate(widths, 1):
            number = column - (count - FACTS)
            self.setColumnHidden(column, number >= 0 and not self._facts[number].isChecked())
            if not self.isColumnHidden(column):
                header.resizeSection(column, width)
        # Facts that the user wants may be scrolled out of sight, but roles may not.
        least = min(whole, LEAST_NAME * self.fontMetrics().averageCharWidth())
        shown = sum(width for fact, width in facts.items() if fact.isChecked())
        header.resizeSection(0, max(min(whole, room), least, room - shown))

    @Slot(QAction)
    def _choose_column(self, fact: QAction) -> None:
        """Show or hide a column from now on, whether or not there is room."""
        self._wanted[fact] = fact.isChecked()
        self.fit_columns()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Let the names take the new width."""
        super().resizeEvent(event)
        self.fit_columns()

    def changeEvent(self, event: QEvent) -> None:
        """Measure texts again when the font or style changes."""
        super().changeEvent(event)
        if event.type() in (QEvent.Type.FontChange, QEvent.Type.StyleChange) and self._widths:
            self._widths.forget()
            self.fit_soon()

    def toggle(self, column: int | None = None) -> None:
        """Switch the current row's role in `column` (else its first); or the current channel."""
        current = self.currentIndex()
        check = current.siblingAtColumn(0)
        if not check.flags() & Qt.ItemFlag.ItemIsUserCheckable:
            roles = self.role_columns()
            fallback = current.column() if current.column() in roles else 1
            check = current.siblingAtColumn(fallback if column is None else column)
        state = check.data(Qt.ItemDataRole.CheckStateRole)
        if state is not None:
            on = Qt.CheckState(state) == Qt.CheckState.Checked
            other = Qt.CheckState.Unchecked if on else Qt.CheckState.Checked
            self.model().setData(check, other, Qt.ItemDataRole.CheckStateRole)

    def edit_weight(self, column: int | None = None) -> None:
        """Open the box for the weight in `column`; else in the current or the first used role."""
        current = self.currentIndex()
        for each in [column] if column else [current.column(), *self.role_columns()]:
            index = current.siblingAtColumn(each)
            if index.flags() & Qt.ItemFlag.ItemIsEditable:
                self.setCurrentIndex(index)
                self.edit(index)
                return

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Space switches a role, F2 edits a weight, * unfolds all layers below (not channels)."""
        plain = event.modifiers() == Qt.KeyboardModifier.NoModifier
        if plain and event.key() == Qt.Key.Key_Space:
            self.toggle()
        elif plain and event.key() == Qt.Key.Key_F2:
            self.edit_weight()
        elif event.key() == Qt.Key.Key_Asterisk and (below := self._layers_below()):
            self.unfold(below)
        else:
            super().keyPressEvent(event)

    def _layers_below(self) -> list[QModelIndex]:
        """Return the rows from the current one down that have layers under them."""
        rows, current = self.model(), self.currentIndex()
        if not isinstance(rows, LayerFilter) or not current.isValid():
            return []
        source = rows.mapToSource(current.siblingAtColumn(0))
        return [rows.mapFromSource(row) for row in rows.model.with_layers(source)]

    def contextMenuEvent(self, event: QContextMenuEvent) -> None:
        """Offer the current row's roles and weights, and the columns."""
        self._menu.clear()
        current = self.currentIndex()
        for column in self.role_columns() if current.isValid() else []:
            title = self.model().headerData(column, Qt.Orientation.Horizontal)
            cell = current.siblingAtColumn(column)
            state = cell.data(Qt.ItemDataRole.CheckStateRole)
            if state is not None:
                used = self._offer(title, self.toggle, column)
                used.setCheckable(True)
                used.setChecked(Qt.CheckState(state) == Qt.CheckState.Checked)
            if cell.flags() & Qt.ItemFlag.ItemIsEditable:
                self._offer(self.tr("Weight of {0}…").format(title), self.edit_weight, column)
        self._menu.addSeparator()
        self._menu.addMenu(self._columns)
        keyboard = event.reason() == QContextMenuEvent.Reason.Keyboard
        corner = self.viewport().mapToGlobal(self.visualRect(current).bottomLeft())
        self._menu.popup(corner if keyboard and current.isValid() else event.globalPos())

    def _offer(self, title: str, map_settings: Callable[[int], None], column: int) -> QAction:
        action = self._menu.addAction(title)
        action.setData((map_settings, column))
        return action

    @Slot(QAction)
    def _run(self, action: QAction) -> None:
        if action.data() is not None:  # the columns' own actions arrive here too
            map_settings, column = action.data()
            map_settings(column)

    @Slot(QPoint)
    def _show_columns(self, where: QPoint) -> None:
        self._columns.popup(self.header().mapToGlobal(where))
