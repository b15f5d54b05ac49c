"""The chosen network as a searchable tree, with the roles of layers and facts about them."""

from collections.abc import Iterable

from PySide6.QtCore import (
    QModelIndex,
    QPersistentModelIndex,
    Qt,
    Signal,
    Slot,
)
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QStackedWidget,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from engine.networks.layer import Layer
from gui.panels.layer_filter import LayerFilter
from gui.panels.layer_model import (
    LayerModel,
    Role,
    full_name,
    layer_key,
)
from gui.panels.layer_tree import LayerTree

Index = QModelIndex | QPersistentModelIndex


class NetworkTreePanel(QWidget):
    """Search line, tree, and facts about the current row; emits choices, shows state."""

    role_edited = Signal(str, object)
    """(setting, the complete new {layer name: weight})"""
    channel_edited = Signal(str, object)
    """(layer name, the complete new tuple of channel numbers)"""
    layer_selected = Signal(str, object)
    """(layer name as settings use it, channel number or None)"""
    layer_activated = Signal(str, object)
    """The same for a double click or the Enter key."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.model = LayerModel(self)
        self.model.role_edited.connect(self.role_edited)
        self.model.channel_edited.connect(self.channel_edited)
        self._filter = LayerFilter(self.model, self)
        self._offered: tuple[str, ...] = ()
        self._picture: tuple[int, int] | None = None
        self._selected: tuple[str, int | None] | None = None
        self._message = self.tr("No network is loaded.")
        self._open_before: list[str] = []

        self.search = QLineEdit(self)
        self.search.setPlaceholderText(self.tr("Search layers"))
        self.search.setAccessibleName(self.tr("Search layers by name or kind"))
        self.search.setClearButtonEnabled(True)
        self.search.textChanged.connect(self._apply_filter)
        self.search.returnPressed.connect(self._enter_tree)
        self._key = QToolButton(self)
        self._key.setText(self.tr("Key layers"))
        self._key.setToolTip(self.tr("Show only the layers worth trying first"))
        self._key.setCheckable(True)
        self._key.setEnabled(False)
        self._key.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self._key.toggled.connect(self._apply_filter)

        self.tree = LayerTree(self)
        self.tree.show_layers(self._filter)
        self.tree.selectionModel().currentRowChanged.connect(self._select_row)
        self.tree.activated.connect(self._activate)
        self._notice = QLabel(self)
        self._notice.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._notice.setWordWrap(True)
        self._pages = QStackedWidget(self)
        self._pages.addWidget(self.tree)
        self._pages.addWidget(self._notice)
        self._details = QLabel(self)
        self._details.setAccessibleName(self.tr("About the current layer"))
        self._details.setTextFormat(Qt.TextFormat.PlainText)
        self._details.setWordWrap(True)
        self._details.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
        self._details.setMinimumHeight(4 * self._details.fontMetrics().lineSpacing())
        self._details.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse
            | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )

        line = QHBoxLayout()
        line.addWidget(self.search, 1)
        line.addWidget(self._key)
        box = QVBoxLayout(self)
        box.setContentsMargins(6, 4, 6, 4)
        box.addLayout(line)
        box.addWidget(self._pages, 1)
        box.addWidget(self._details)
        self._show_page()

    # -- state in -------------------------------------------------------------------------

    def set_network(
        self,
        layers: tuple[Layer, ...],
        offered: tuple[str, ...],
        picture: tuple[int, int] | None = None,
    ) -> None:
        """Show a network's layers; `offered` are those worth trying first.

        `picture` is the height and width of the picture that the sizes apply to.
        """
        before, self._offered, self._message, self._picture = self._offered, offered, "", picture
        same_rows = self.model.set_layers(layers)
        if not same_rows:
            self._selected, self._open_before = None, []
            self._unfold_to(offered)
        if same_rows and offered == before:
            self._show_page()  # search and unfolded rows stay
        else:
            self._key.setEnabled(bool(offered))
            if not offered:
                self._key.setChecked(False)
            self._apply_filter()
        self._show_details()

    def set_roles(self, roles: tuple[Role, ...], channels: bool) -> None:
        """Offer these roles as columns; `channels`: whether single channels can be picked."""
        if self.model.offers(roles, channels):
            return
        unfolded, selected = self._unfolded(), self._selected
        self.model.set_roles(roles, channels)
        self._unfold(unfolded)
        if selected and not self.tree.currentIndex().isValid():
            self.select(*selected)
        self.tree.fit_soon()

    def set_weights(self, weights: dict[str, dict[str, float]], automatic: set[str]) -> None:
        """Show which layers play which role; roles in `automatic` show the network's suggestion."""
        self.model.set_weights(weights, automatic)
        self.tree.fit_soon()

    def set_channels(self, channels: tuple[int, ...]) -> None:
        """Show these channels of the layers in use as picked."""
        self.model.set_channels(channels)

    def set_message(self, text: str) -> None:
        """Show a sentence instead of the tree until the next network; "" shows the tree."""
        self._message = text
        self._show_page()

    def select(self, name: str, channel: int | None = None) -> None:
        """Make a layer (by either name) or one of its channels the current row and show it."""
        source = self.model.find(name)
        if not source.isValid():
            return
        if not self._filter.mapFromSource(source).isValid():
            self._key.setChecked(False)
            self.search.clear()
        if channel is not None:
            self.model.fetchMore(source)
            picked = self.model.index(channel, 0, source)
            source = picked if picked.isValid() else source
        index = self._filter.mapFromSource(source)
        self.tree.setCurrentIndex(index)
        self.tree.scrollTo(index)

    @Slot()
    def focus_search(self) -> None:
        """Put the cursor into the search line."""
        self.search.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self.search.selectAll()

    # -- filter and what is unfolded ------------------------------------------------------

    @Slot()
    def _apply_filter(self) -> None:
        was_active = self._filter.active
        if not was_active:
            self._open_before = self._unfolded()
        only = frozenset(self._offered) if self._key.isChecked() else None
        self._filter.search(self.search.text(), only)
        if self._filter.active:
            found = (self.model.layer(index) for index in self.model.indexes())
            self._unfold_to(layer.name for layer in found if self._filter.matches(layer))
        elif was_active:
            self.tree.collapseAll()
            self._unfold(self._open_before)
            self._unfold_to([self._selected[0]] if self._selected else [])
        self.tree.scrollTo(self.tree.currentIndex())
        self._show_page()

    def _unfolded(self) -> list[str]:
        """Return the names of the layers whose rows are unfolded."""
        rows = ((i, self._filter.mapFromSource(i)) for i in self.model.parents())
        return [self.model.layer(i).name for i, row in rows if self.tree.isExpanded(row)]

    def _unfold(self, names: Iterable[str]) -> None:
        rows = [self.model.find(name) for name in names]
        for row in rows:
            self.model.fetchMore(row)
        self.tree.unfold([self._filter.mapFromSource(row) for row in rows])

    def _unfold_to(self, names: Iterable[str]) -> None:
        """Unfold the rows above these layers."""
        rows: dict[int, QModelIndex] = {}
        for name in names:
            above = self.model.find(name).parent()
            while above.isValid() and above.internalId() not in rows:
                rows[above.internalId()] = above
                above = above.parent()
        self.tree.unfold([self._filter.mapFromSource(row) for row in rows.values()])

    def _show_page(self) -> None:
        text, none = self._message, self.tr("This network has no layers.")
        if not text and not self._filter.rowCount():
            text = self.tr("No layer matches.") if self._filter.active else none
        self._notice.setText(text)
        self._pages.setCurrentWidget(self._notice if text else self.tree)
        self.tree.fit_columns()

    @Slot()
    def _enter_tree(self) -> None:
        """Go from the search line to the first layer found."""
        found = (i for i in self.model.indexes() if self._filter.matches(self.model.layer(i)))
        for index in found:
            self.tree.setCurrentIndex(self._filter.mapFromSource(index))
            self.tree.setFocus()
            return

    # -- the current row ------------------------------------------------------------------

    def _row(self, index: QModelIndex) -> tuple[str, int | None]:
        source = self._filter.mapToSource(index)
        return layer_key(self.model.layer(source)), self.model.channel(source)

    @Slot(QModelIndex, QModelIndex)
    def _select_row(self, current: QModelIndex, _previous: QModelIndex) -> None:
        if current.isValid() and self._row(current) != self._selected:
            self._selected = self._row(current)
            self._show_details()
            self.layer_selected.emit(*self._selected)

    @Slot(QModelIndex)
    def _activate(self, index: QModelIndex) -> None:
        self.layer_activated.emit(*self._row(index))

    def _show_details(self) -> None:
        if self._selected is None:
            self._details.clear()
            return
        name, channel = self._selected
        layer = self.model.layer(self.model.find(name))
        title = full_name(layer)
        if channel is not None:
            title = self.tr("{0}, channel {1}").format(title, channel)
        facts = [layer.kind]
        if layer.channels is not None:
            facts.append(self.tr("{0} channels").format(layer.channels))
        if layer.size:
            size = self.tr("{0}×{1} positions").format(layer.size[1], layer.size[0])
            if self._picture:
                size = self.tr("{0} at {1}×{2} px").format(size, *self._picture[::-1])
            facts.append(size)
        if layer.receptive_field is None:
            facts.append(self.tr("sees the whole picture"))
        else:
            facts.append(self.tr("each sees {0}×{0} px").format(layer.receptive_field))
        self._details.setText(title + "\n" + ", ".join(facts))
