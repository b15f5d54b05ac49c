"""The choice of a layer, the same in all panels that look into one."""

from collections.abc import Callable, Sequence

from PySide6.QtCore import QSignalBlocker
from PySide6.QtWidgets import QComboBox, QWidget

from engine.errors import BadInput
from engine.networks import catalogue
from gui.models.subject import LayerChoice, Subject
from gui.panels.combo_width import narrow


def narrow_box(name: str, box: QComboBox | None = None) -> QComboBox:
    """Return a combo box (`box`, or a new one) that long entries do not widen.

    `name` is its name for screen readers.
    """
    box = box or QComboBox()
    box.setAccessibleName(name)
    narrow(box)
    return box


class LayerBox(QComboBox):
    """A network's layers, or those of one kind.

    It follows the layer selected in the tree; another can be chosen here until the next selection
    there. `activated` says that the user chose one.
    """

    def __init__(
        self, takes: Callable[[LayerChoice], bool] | None = None, parent: QWidget | None = None,
        *, from_first: bool = False,
    ) -> None:  # fmt: skip
        """`takes` says which layers are offered; without it, all are.

        `from_first`: begin with the first of them rather than the usual one.
        """
        super().__init__(parent)
        narrow_box(self.tr("Layer"), self)
        self._takes, self._from_first = takes, from_first
        self._selected = ""

    def follow(self, subject: Subject) -> None:
        """Offer a subject's layers, and show the selected one or else the usual one."""
        offered = {c.name: c for c in subject.layers if self._takes is None or self._takes(c)}
        other = list(offered) != [self.itemData(i) for i in range(self.count())]
        if other:
            with QSignalBlocker(self):
                self.clear()
                for choice in offered.values():
                    self.addItem(choice.shown, choice.name)
        wanted = ""
        if other and not self._from_first:
            wanted = usual_layer(subject.network, subject.layers)
        if subject.layer != self._selected:
            self._selected = subject.layer
            wanted = subject.layer or wanted
        at = self.findData(_nearest(subject.layers, offered, wanted))
        if at >= 0:
            self.setCurrentIndex(at)

    def chosen(self) -> str:
        """Return the layer's name; empty before there is a network."""
        return self.currentData() or ""


def usual_layer(network: str, layers: Sequence[LayerChoice]) -> str:
    """Return the layer to begin with, in the middle of those that the network's card offers.

    The first layers show little more than edges, and the last ones have few positions. Without a card
    it is the last layer with maps; empty if there are no layers.
    """
    names = [choice.name for choice in layers]
    offered = offered_by_card(network) if names else []
    maps = [c.name for c in layers if c.size is not None and min(c.size) > 1]
    known = [name for name in offered if name in names]
    return known[len(known) // 2] if known else (maps or names or [""])[-1]


def offered_by_card(network: str) -> list[str]:
    """Return the layers that a network's card offers first, by the names that the tree shows.

    Only for loaded networks: otherwise it would wait for PyTorch.
    """
    from engine.networks.loading import aliases

    try:
        card = catalogue.card(network)
    except BadInput:  # not in the catalogue
        return []
    shown = {module: name for name, module in aliases(card.architecture).items()}
    return [shown.get(name, name) for name in card.layers]


def _nearest(layers: Sequence[LayerChoice], offered: dict[str, LayerChoice], name: str) -> str:
    """Return the layer itself if it is offered, else the layer before it whose channels it passes on.

    So a ReLU stands for the convolution below it. Empty if there is none.
    """
    names = [choice.name for choice in layers]
    if name in offered or name not in names:
        return name
    here = names.index(name)
    before = [n for n in names[:here] if n in offered]
    goes_on = before and offered[before[-1]].channels == layers[here].channels
    return before[-1] if goes_on else ""
