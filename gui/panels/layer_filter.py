"""Which layers of the tree match a search."""

from PySide6.QtCore import QModelIndex, QObject, QPersistentModelIndex, QSortFilterProxyModel

from engine.networks.layer import Layer
from gui.panels.layer_model import LayerModel

Index = QModelIndex | QPersistentModelIndex


class LayerFilter(QSortFilterProxyModel):
    """Keeps the layers that match a search, and those above and below them."""

    def __init__(self, model: LayerModel, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.model = model
        self._words: list[str] = []
        self._only: frozenset[str] | None = None
        self.setRecursiveFilteringEnabled(True)
        self.setSourceModel(model)

    @property
    def active(self) -> bool:
        """Whether anything may be filtered out."""
        return bool(self._words) or self._only is not None

    def search(self, text: str, only: frozenset[str] | None) -> None:
        """Keep layers with all these words in their names and kind; of those, only the ones in `only`."""
        self._words, self._only = text.casefold().split(), only
        self.invalidate()

    def matches(self, layer: Layer) -> bool:
        """Return whether a layer itself matches, not just one above or below it."""
        names = {layer.name, layer.field_name}
        if self._only is not None and not names & self._only:
            return False
        text = f"{layer.field_name} {layer.name} {layer.kind}".casefold()
        return all(word in text for word in self._words)

    def filterAcceptsRow(self, row: int, parent: Index) -> bool:
        """Return whether a row matches or belongs to one that does."""
        if not self.active:
            return True
        index = self.model.index(row, 0, parent)
        if self._only is None:
            while index.isValid() and not self.matches(self.model.layer(index)):
                index = index.parent()
            return index.isValid()
        return self.matches(self.model.layer(index))
