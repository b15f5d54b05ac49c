"""The rows of the tree of layers: layers within layers, and channels under every leaf."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from PySide6.QtCore import QAbstractItemModel, QModelIndex, QObject, QPersistentModelIndex

from engine.networks.layer import Layer

Index = QModelIndex | QPersistentModelIndex
ROOT = QModelIndex()
CHANNELS = 1 << 24
"""The internal id of a layer's row is its number; channel rows add this to their layer's."""


@dataclass
class Node:
    """A layer and the place of its row."""

    layer: Layer
    parent: int | None
    row: int
    below: list[int] = field(default_factory=list)
    unfolded: bool = False
    """Whether the channel rows have been fetched."""


def _structure(layers: tuple[Layer, ...]) -> tuple[Any, ...]:
    """Return all that decides which rows there are; picture sizes change only their texts."""
    return tuple(
        (x.name, x.field_name, x.kind, x.channels, x.size is None, _structure(x.children))
        for x in layers
    )


class LayerRows(QAbstractItemModel):
    """Rows of layers, as numbers in the order of `Layer.flat`; subclasses fill the cells."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._with_channels = False
        self._columns = 1
        self._structure: tuple[Any, ...] = ()
        self._nodes: list[Node] = []
        self._top: list[int] = []
        self._numbers: dict[str, int] = {}

    def set_layers(self, layers: tuple[Layer, ...]) -> bool:
        """Show these layers; return whether the rows stayed the same (only sizes differ)."""
        structure = _structure(layers)
        flat = [layer for top in layers for layer in top.flat()]
        if structure == self._structure:
            for node, layer in zip(self._nodes, flat, strict=True):
                node.layer = layer
            for below in (self._top, *(node.below for node in self._nodes)):
                if below:
                    last = self._index_of(below[-1]).siblingAtColumn(self._columns - 1)
                    self.dataChanged.emit(self._index_of(below[0]), last)
            return True
        self.beginResetModel()
        self._structure, self._nodes = structure, []
        self._top = [self._add(layer, None, row) for row, layer in enumerate(layers)]
        self._numbers = {layer.field_name: i for i, layer in enumerate(flat) if layer.field_name}
        for number, layer in enumerate(flat):
            self._numbers.setdefault(layer.name, number)
        self.endResetModel()
        return False

    def _add(self, layer: Layer, parent: int | None, row: int) -> int:
        """Append a layer and all below it, in the order of `Layer.flat`; return its number."""
        number = len(self._nodes)
        node = Node(layer, parent, row)
        self._nodes.append(node)
        node.below = [self._add(child, number, i) for i, child in enumerate(layer.children)]
        return number

    def _announce(self, index: QModelIndex, first: int, last: int) -> None:
        self.dataChanged.emit(index.siblingAtColumn(first), index.siblingAtColumn(last))

    def layer(self, index: Index) -> Layer:
        """Return the layer of a row; of a channel's row, the layer that has the channel."""
        return self._nodes[index.internalId() % CHANNELS].layer

    def channel(self, index: Index) -> int | None:
        """Return the number of a channel's row, None for a layer's."""
        return index.row() if index.internalId() >= CHANNELS else None

    def find(self, name: str) -> QModelIndex:
        """Return the row of a layer by either of its names; invalid when there is none."""
        number = self._numbers.get(name)
        return ROOT if number is None else self._index_of(number)

    def indexes(self) -> Iterator[QModelIndex]:
        """Yield the rows of all layers, from the top."""
        return (self._index_of(number) for number in range(len(self._nodes)))

    def with_layers(self, above: QModelIndex) -> Iterator[QModelIndex]:
        """Yield a layer's row and those below it that have layers under them."""
        number = above.internalId()
        node = self._nodes[number % CHANNELS]
        if number < CHANNELS and node.below:
            yield self._index_of(number)
            for each in node.below:
                yield from self.with_layers(self._index_of(each))

    def depth(self, index: Index) -> int:
        """Return how many rows stand above a row's own."""
        number = index.internalId()
        depth, above = (1, number - CHANNELS) if number >= CHANNELS else (0, number)
        while (over := self._nodes[above].parent) is not None:
            depth, above = depth + 1, over
        return depth

    def parents(self) -> Iterator[QModelIndex]:
        """Yield the layers' rows that have rows under them now, from the top."""
        return (self._index_of(i) for i, n in enumerate(self._nodes) if n.below or n.unfolded)

    def _index_of(self, number: int) -> QModelIndex:
        return self.createIndex(self._nodes[number].row, 0, number)

    def index(self, row: int, column: int, parent: Index = ROOT) -> QModelIndex:
        """Return a cell; kept short, since Qt asks for thousands whenever something is unfolded."""
        if row < 0 or not 0 <= column < self._columns:
            return QModelIndex()
        if not parent.isValid():
            below = self._top
        else:
            number = parent.internalId()
            if number >= CHANNELS or parent.column() > 0:
                return QModelIndex()
            node = self._nodes[number]
            if node.unfolded:
                inside = row < (node.layer.channels or 0)
                return self.createIndex(row, column, CHANNELS + number) if inside else QModelIndex()
            below = node.below
        return self.createIndex(row, column, below[row]) if row < len(below) else QModelIndex()

    # Qt gives this and QObject's parent(), which nobody asks of a model, the same name.
    def parent(self, index: Index) -> QModelIndex:  # type: ignore[override]
        """Return the row above."""
        if not index.isValid():
            return QModelIndex()
        number = index.internalId()
        above = number - CHANNELS if number >= CHANNELS else self._nodes[number].parent
        return QModelIndex() if above is None else self._index_of(above)

    def rowCount(self, parent: Index = ROOT) -> int:
        """Return how many rows there are now; channels count once they have been fetched."""
        if not parent.isValid():
            return len(self._top)
        if parent.column() > 0 or self.channel(parent) is not None:
            return 0
        node = self._nodes[parent.internalId()]
        return (node.layer.channels or 0) if node.unfolded else len(node.below)

    def hasChildren(self, parent: Index = ROOT) -> bool:
        """Return whether a row can be unfolded."""
        return self.rowCount(parent) > 0 or self.canFetchMore(parent)

    def canFetchMore(self, parent: Index) -> bool:
        """Return whether a row has channels that have not been fetched."""
        if not self._with_channels or not parent.isValid() or parent.column() > 0:
            return False
        number = parent.internalId()
        if number >= CHANNELS or self._nodes[number].below or self._nodes[number].unfolded:
            return False
        return bool(self._nodes[number].layer.size and self._nodes[number].layer.channels)

    def fetchMore(self, parent: Index) -> None:
        """Add a layer's channels."""
        if self.canFetchMore(parent):
            self.beginInsertRows(parent, 0, (self.layer(parent).channels or 1) - 1)
            self._nodes[parent.internalId()].unfolded = True
            self.endInsertRows()
