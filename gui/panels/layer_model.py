"""A network's layers as a Qt tree: a row per layer, with a check box and a weight for every role.

The model shows state kept elsewhere: an edit is announced as the complete new value, and shown only
once it comes back through `set_weights` or `set_channels`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import QModelIndex, QObject, Qt, Signal
from PySide6.QtGui import QFont

from engine.networks.layer import Layer
from gui.panels.layer_rows import CHANNELS, ROOT, Index, LayerRows

LOWEST, HIGHEST, DECIMALS = -1000.0, 1000.0, 3
AUTOMATIC = Qt.ItemDataRole.UserRole
"""Data role: whether a cell shows the network's own suggestion."""

_Data, _Flag = Qt.ItemDataRole, Qt.ItemFlag
# Combined once: Qt asks for every row's flags whenever something is unfolded.
_PLAIN = _Flag.ItemIsEnabled | _Flag.ItemIsSelectable
_BOX = _PLAIN | _Flag.ItemIsUserCheckable
_WEIGHT = _BOX | _Flag.ItemIsEditable
_CHANNEL_ROW = _PLAIN | _Flag.ItemNeverHasChildren
_CHANNEL_BOX = _BOX | _Flag.ItemNeverHasChildren
_SPOKEN = (_Data.ToolTipRole, _Data.AccessibleTextRole)
FACTS = 4
"""Columns that every network has after the roles: kind, channels, size, what a unit sees."""


@dataclass(frozen=True)
class Role:
    """What a layer can be used for: the setting that holds the layers, and the column's title."""

    field: str
    label: str
    weighted: bool = True
    """Whether the layers have weights."""


def number_text(value: float) -> str:
    """Return a weight with at most three decimals, or as 1e-05 if that would look like zero."""
    text = f"{value:.{DECIMALS}f}".rstrip("0").rstrip(".")
    if text in ("0", "-0"):
        return f"{value:.1g}" if value else "0"
    return text


def layer_key(layer: Layer) -> str:
    """Return the name that settings use for a layer."""
    return layer.known_as


def full_name(layer: Layer) -> str:
    """Return a layer's name as settings use it, and its name in the module tree if that differs."""
    key = layer_key(layer)
    return key if key == layer.name else f"{key} ({layer.name})"


class LayerModel(LayerRows):
    """Layers, their roles and weights and, optionally, single channels under every leaf."""

    role_edited = Signal(str, object)
    """(setting, the complete new {layer name: weight})"""
    channel_edited = Signal(str, object)
    """(layer name, the complete new tuple of channel numbers)"""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.roles: tuple[Role, ...] = ()
        self._columns = 1 + FACTS
        self._weights: dict[str, dict[str, float]] = {}
        self._automatic: frozenset[str] = frozenset()
        self._channels: frozenset[int] = frozenset()

    # -- state in -------------------------------------------------------------------------

    def set_roles(self, roles: tuple[Role, ...], channels: bool) -> None:
        """Offer these roles as columns; `channels`: whether single channels can be picked."""
        if self.offers(roles, channels):
            return
        self.beginResetModel()
        self.roles, self._with_channels = roles, channels
        self._columns = 1 + len(roles) + FACTS
        for node in self._nodes:
            node.unfolded = False
        self.endResetModel()

    def offers(self, roles: tuple[Role, ...], channels: bool) -> bool:
        """Return whether these are the present columns."""
        return (roles, channels) == (self.roles, self._with_channels)

    def set_weights(self, weights: dict[str, dict[str, float]], automatic: set[str]) -> None:
        """Show which layers play which role; roles in `automatic` show the network's suggestion."""
        before = [self._played(node.layer) for node in self._nodes]
        self._weights = {name: dict(layers) for name, layers in weights.items()}
        self._automatic = frozenset(automatic)
        for index, played in zip(self.indexes(), before, strict=True):
            if self._played(self.layer(index)) != played:
                self._announce(index, 1, len(self.roles))
                self._announce_channels(index, self._channels)

    def set_channels(self, channels: tuple[int, ...]) -> None:
        """Show these channels of the layers in use as picked."""
        changed, self._channels = self._channels ^ set(channels), frozenset(channels)
        for index in self.indexes():
            self._announce_channels(index, changed)

    def _played(self, layer: Layer) -> list[tuple[float, bool] | None]:
        """Return a layer's weight in every role, and whether it is a suggestion."""
        keys = [(role.field, self._key(role, layer)) for role in self.roles]
        return [None if k is None else (self._weights[f][k], f in self._automatic) for f, k in keys]

    def _announce_channels(self, layer: QModelIndex, channels: Iterable[int]) -> None:
        if self._nodes[layer.internalId()].unfolded:
            for cell in (self.index(channel, 0, layer) for channel in channels):
                if cell.isValid():
                    self.dataChanged.emit(cell, cell)

    def columnCount(self, _parent: Index = ROOT) -> int:
        """Return the number of columns."""
        return self._columns

    # -- cells ----------------------------------------------------------------------------

    def role_at(self, column: int) -> Role | None:
        """Return the role that a column is about."""
        return self.roles[column - 1] if 1 <= column <= len(self.roles) else None

    def _key(self, role: Role, layer: Layer) -> str | None:
        """Return the name under which a layer plays a role; None if it does not."""
        held = self._weights.get(role.field, {})
        return next((n for n in (layer.field_name, layer.name) if n and n in held), None)

    def flags(self, index: Index) -> Qt.ItemFlag:
        """Layers with maps can play roles; a layer that plays one already can always be taken out."""
        if not index.isValid():
            return _Flag.NoItemFlags
        if index.internalId() >= CHANNELS:
            return _CHANNEL_ROW if index.column() else _CHANNEL_BOX
        role, layer = self.role_at(index.column()), self.layer(index)
        if role and self._key(role, layer) is not None:
            return _WEIGHT if role.weighted else _BOX
        return _BOX if role and layer.size else _PLAIN

    def data(self, index: Index, role: int = _Data.DisplayRole) -> Any:
        """Return what a cell shows."""
        if not index.isValid():
            return None
        column, layer = index.column(), self.layer(index)
        purpose = self.role_at(column)
        if role == _Data.TextAlignmentRole:
            return self._alignment(column)
        if role == _Data.CheckStateRole:
            return self._check_state(index)
        if self.channel(index) is not None:
            shown = column == 0 and role == _Data.DisplayRole
            return self._channel_text(index.row()) if shown else None
        if purpose:
            return self._role_data(purpose, layer, role)
        if role == _Data.DisplayRole:
            if column == 0:
                return self._title(index)
            return self._facts(layer)[column - 1 - len(self.roles)]
        return full_name(layer) if role in _SPOKEN and column == 0 else None

    def texts(self, index: Index) -> list[str | None]:
        """Return the texts of a row's cells; None for a cell without text or box."""
        if self.channel(index) is not None:
            return [self._channel_text(index.row())] + [None] * (self.columnCount() - 1)
        layer = self.layer(index)
        texts: list[str | None] = [self._title(index)]
        for role in self.roles:
            key = self._key(role, layer)
            boxed = "" if layer.size or key is not None else None
            shown = key is not None and role.weighted
            texts.append(number_text(self._weights[role.field][key or ""]) if shown else boxed)
        return texts + self._facts(layer)

    def _channel_text(self, number: int) -> str:
        return self.tr("channel {0}").format(number)

    def _title(self, index: Index) -> str:
        """Return a layer's name without the part that the row above already shows."""
        node = self._nodes[index.internalId()]
        name, own = node.layer.field_name, node.layer.name
        if node.parent is None:
            return name or own
        above = self._nodes[node.parent].layer
        if name:  # inception_3a/1x1 below inception_3a/output
            block, slash, _ = above.field_name.rpartition("/")
            return name.removeprefix(block + slash)
        return own.removeprefix(f"{above.name}.")

    def _facts(self, layer: Layer) -> list[str]:
        size = f"{layer.size[1]}x{layer.size[0]}" if layer.size else ""
        channels = "" if layer.channels is None else str(layer.channels)
        sees = self.tr("all") if layer.receptive_field is None else str(layer.receptive_field)
        return [layer.kind, channels, size, sees]

    def _role_data(self, purpose: Role, layer: Layer, role: int) -> Any:
        key = self._key(purpose, layer)
        if key is None:
            return self.tr("{0}: no").format(purpose.label) if role in _SPOKEN else None
        weight = self._weights[purpose.field][key]
        automatic = purpose.field in self._automatic
        if role in _SPOKEN and not purpose.weighted:
            text = self.tr("{0}: yes, suggested") if automatic else self.tr("{0}: yes")
            return text.format(purpose.label)
        if role in _SPOKEN:
            own, suggested = self.tr("{0}: weight {1}"), self.tr("{0}: weight {1}, suggested")
            text = suggested if automatic else own
            return text.format(purpose.label, number_text(weight))
        if role == _Data.FontRole and automatic:
            font = QFont()
            font.setItalic(True)
            return font
        values: dict[int, Any] = {}
        if purpose.weighted:
            values = {_Data.DisplayRole: number_text(weight), _Data.EditRole: weight}
        return automatic if role == AUTOMATIC else values.get(role)

    def _check_state(self, index: Index) -> Qt.CheckState | None:
        if not self.flags(index) & _Flag.ItemIsUserCheckable:
            return None
        role = self.role_at(index.column()) or (self.roles[0] if self.roles else None)
        used = role is not None and self._key(role, self.layer(index)) is not None
        channel = self.channel(index)
        on = used and (channel is None or channel in self._channels)
        return Qt.CheckState.Checked if on else Qt.CheckState.Unchecked

    def _alignment(self, column: int) -> Qt.AlignmentFlag:
        number = column > 1 + len(self.roles)
        side = Qt.AlignmentFlag.AlignRight if number else Qt.AlignmentFlag.AlignLeft
        return side | Qt.AlignmentFlag.AlignVCenter

    def headerData(
        self, section: int, orientation: Qt.Orientation, role: int = _Data.DisplayRole
    ) -> Any:
        """Return a column's title, explanation and alignment."""
        if orientation != Qt.Orientation.Horizontal or not 0 <= section < self.columnCount():
            return None
        if role == _Data.TextAlignmentRole:
            return self._alignment(section)
        if role not in (_Data.DisplayRole, _Data.ToolTipRole):
            return None
        if purpose := self.role_at(section):
            words = self.tr("{0}: the layers it uses, with their weights")
            if not purpose.weighted:
                words = self.tr("{0}: what it uses")
            meaning = words.format(purpose.label)
            return purpose.label if role == _Data.DisplayRole else meaning
        columns = (
            (self.tr("Layer"), self.tr("Name, in the literature or in the module tree")),
            (self.tr("Kind"), self.tr("What the layer computes")),
            (self.tr("Channels"), self.tr("Number of channels")),
            (self.tr("Size"), self.tr("Positions per channel, width x height")),
            (
                self.tr("Sees"),
                self.tr("Receptive field: side of the square that one position sees"),
            ),
        )
        return columns[section and section - len(self.roles)][role == _Data.ToolTipRole]

    # -- edits out ------------------------------------------------------------------------

    def setData(self, index: Index, value: Any, role: int = _Data.EditRole) -> bool:
        """Announce an edit; the cell changes only once the new state is set."""
        purpose, wanted = self.role_at(index.column()), _Flag.ItemIsUserCheckable
        if role == _Data.EditRole:
            wanted = _Flag.ItemIsEditable
        elif role != _Data.CheckStateRole:
            return False
        if not self.flags(index) & wanted:
            return False
        if role == _Data.EditRole and purpose:
            self._ask_weight(purpose, self.layer(index), float(value))
        elif purpose:
            on = Qt.CheckState(value) == Qt.CheckState.Checked
            self._ask_weight(purpose, self.layer(index), 1.0 if on else None)
        else:
            self._ask_channel(index, Qt.CheckState(value) == Qt.CheckState.Checked)
        return True

    def _ask_weight(self, role: Role, layer: Layer, weight: float | None) -> None:
        """Emit the role's layers with this one's new weight, or without it for None."""
        held = dict(self._weights.get(role.field, {}))
        key = self._key(role, layer)
        if weight is None:
            held = {n: w for n, w in held.items() if n not in (layer.field_name, layer.name)}
        elif key is not None:
            held[key] = min(max(weight, LOWEST), HIGHEST)
        else:
            # In the network's order, since the last layer counts as the deepest.
            here = self._numbers[layer.name]
            deeper = [n for n in held if self._numbers.get(n, -1) > here]
            after = {n: held.pop(n) for n in deeper}
            held = {**held, layer_key(layer): weight, **after}
        self.role_edited.emit(role.field, held)

    def _ask_channel(self, index: Index, on: bool) -> None:
        layer = self.layer(index)
        name = (self._key(self.roles[0], layer) if self.roles else None) or layer_key(layer)
        channels = self._channels | {index.row()} if on else self._channels - {index.row()}
        self.channel_edited.emit(name, tuple(sorted(channels)))
