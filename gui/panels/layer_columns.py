"""Column widths of the layer tree, found without asking every cell for its size.

Qt's own `sizeHintForColumn` styles up to a hundred cells of each column, which takes the window tens of
milliseconds. Here, texts are measured and only the widest cell of each column is styled.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from PySide6.QtCore import QModelIndex, QPoint, QSortFilterProxyModel, Qt
from PySide6.QtWidgets import QTreeView

from gui.panels.layer_model import LayerModel

ROWS = 100
"""How many unfolded rows are measured above and below: a network may have thousands."""


@dataclass
class _Widest:
    """The cell with the longest text so far, and the text's width."""

    cell: QModelIndex = field(default_factory=QModelIndex)
    advance: int = -1


class ColumnWidths:
    """Measures the visible part of a tree whose model filters a `LayerModel`."""

    def __init__(self, tree: QTreeView, rows: QSortFilterProxyModel, layers: LayerModel) -> None:
        self._tree, self._rows, self._layers = tree, rows, layers
        self._known: dict[str, int] = {}
        self._titles: dict[str, int] = {}

    def forget(self) -> None:
        """Forget all widths, as the font has changed."""
        self._known.clear()
        self._titles.clear()

    def title(self, column: int) -> int:
        """Return the width that a column's title needs; to be measured, a hidden column is shown."""
        title = self._layers.headerData(column, Qt.Orientation.Horizontal)
        if title not in self._titles:
            self._tree.setColumnHidden(column, False)  # Qt says 0 for a hidden column
            self._titles[title] = self._tree.header().sectionSizeHint(column)
        return self._titles[title]

    def measure(self) -> list[int]:
        """Return the width that the rows in and near view need in every column."""
        names: dict[tuple[int, bool], _Widest] = {}
        others = [_Widest() for _ in range(1, self._layers.columnCount())]
        for row in self._around():
            source = self._rows.mapToSource(row)
            boxed = self._layers.channel(source) is not None
            name, *texts = self._layers.texts(source)
            self._take(names.setdefault((self._layers.depth(source), boxed), _Widest()), name, row)
            for widest, text in zip(others, texts, strict=True):
                self._take(widest, text, row)
        step, indent = int(self._tree.rootIsDecorated()), self._tree.indentation()
        first = [self._need(w.cell) + indent * (depth + step) for (depth, _), w in names.items()]
        rest = [self._need(w.cell.siblingAtColumn(c)) for c, w in enumerate(others, 1)]
        return [max(first, default=0), *rest]

    def _take(self, widest: _Widest, text: str | None, row: QModelIndex) -> None:
        if text is None:
            return
        advance = self._known.get(text)
        if advance is None:
            advance = self._known[text] = self._tree.fontMetrics().horizontalAdvance(text)
        if advance > widest.advance:
            widest.cell, widest.advance = row, advance

    def _need(self, cell: QModelIndex) -> int:
        return self._tree.sizeHintForIndex(cell).width() if cell.isValid() else 0

    def _around(self) -> Iterator[QModelIndex]:
        """Yield the rows in view, and those that some scrolling would bring into view."""
        first = row = self._tree.indexAt(QPoint(0, 0)).siblingAtColumn(0)
        for go in (self._tree.indexBelow, self._tree.indexAbove):
            for _ in range(ROWS):
                if not row.isValid():
                    break
                yield row
                row = go(row)
            row = self._tree.indexAbove(first) if first.isValid() else first
