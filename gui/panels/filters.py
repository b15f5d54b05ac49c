"""A convolution's weights as pictures: the first layer's in colour, deeper ones slice by slice."""

from dataclasses import dataclass
from functools import partial

from PySide6.QtCore import QSignalBlocker, Slot
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QFormLayout, QPushButton, QSpinBox, QWidget

from gui.background import Background
from gui.models.subject import LayerChoice
from gui.panels.inspection import InspectionPanel
from gui.panels.layer_choice import LayerBox, narrow_box
from gui.panels.tile_grid import GridTile, TileGrid
from gui.panels.tile_rows import TileRow, TileRows
from gui.pixels import to_image
from gui.run.networks import NetworkKey, Networks

INPUTS = 16
ROWS = 16
"""How many filters are shown at first, and added by each "more"."""


@dataclass(frozen=True)
class FiltersRequest:
    """What to show of which layer."""

    network_key: NetworkKey
    layer: str
    together: bool
    rows: int
    first_input: int


@dataclass(frozen=True)
class FilterPictures:
    """Pictures of a layer's filters."""

    layer: str
    shape: tuple[int, ...]
    """Filters, inputs, height, width."""
    largest: float
    """The largest absolute weight shown."""
    coloured: list[QImage]
    """Empty for slices."""
    slices: list[list[QImage]]


class FiltersPanel(InspectionPanel):
    """Filters of the convolution chosen here or in the tree."""

    def __init__(
        self, networks: Networks, background: Background, parent: QWidget | None = None
    ) -> None:
        super().__init__(networks, background, parent)
        self.setObjectName("filtersPanel")
        self.layer_box = LayerBox(_has_filters, from_first=True)  # its filters are pictures
        self.scale_box = narrow_box(self.tr("Scale"))
        self.scale_box.addItems([self.tr("same for all"), self.tr("one per tile")])
        self.first_input = QSpinBox()
        self.first_input.setAccessibleName(self.tr("First input"))
        self.first_input.setSingleStep(INPUTS)
        self.first_input.setKeyboardTracking(False)
        self.form = QFormLayout()
        self.form.addRow(self.tr("Layer"), self.layer_box)
        self.form.addRow(self.tr("Scale"), self.scale_box)
        self.form.addRow(self.tr("Inputs from"), self.first_input)
        self.body.addLayout(self.form)
        self.grid = TileGrid(side=52)
        self.grid.setAccessibleName(self.tr("Filters"))
        self.table = TileRows(wrapped=False)
        self.table.setAccessibleName(self.tr("Filters"))
        self.more = QPushButton(self.tr("More filters"))
        for widget in (self.grid, self.table, self.more):
            self.body.addWidget(widget, 0 if widget is self.more else 1)
            widget.hide()
        self.form.setRowVisible(self.first_input, False)
        self._rows = ROWS
        self._asked: FiltersRequest | None = None
        self.shown: FilterPictures | None = None
        self.layer_box.activated.connect(self._on_layer)
        self.scale_box.activated.connect(self._on_scale)
        self.first_input.valueChanged.connect(self._on_scale)
        self.more.clicked.connect(self._on_more)
        self.grid.chosen.connect(self._on_channel)
        self.table.heading_chosen.connect(self._on_channel)

    def subject_changed(self) -> None:
        """Offer the network's convolutions; take the one selected in the tree, or one below it."""
        subject = self.subject
        assert subject is not None
        self.layer_box.follow(subject)
        if self.layer_box.count():
            self._show_layer()
        elif subject.layers:
            self._give_up()
            self._asked = self.shown = None
            self._show_widgets()
            self.say(self.tr("This network has no convolutions and therefore no filters."))

    @Slot(int)
    def _on_layer(self, _index: int) -> None:
        self._show_layer()

    def _show_layer(self) -> None:
        other = self._asked is None or self._asked.layer != self.layer_box.chosen()
        if other:
            self._rows = ROWS
            with QSignalBlocker(self.first_input):
                self.first_input.setValue(0)
        self._ask()

    @Slot(int)
    def _on_scale(self, _index: int) -> None:
        self._ask()

    @Slot()
    def _on_more(self) -> None:
        self._rows += ROWS
        self._ask()

    def _ask(self) -> None:
        subject = self.subject
        if subject is None or not self.layer_box.count():
            return
        request = FiltersRequest(
            subject.network_key, self.layer_box.chosen(),
            self.scale_box.currentIndex() == 0, self._rows, self.first_input.value(),
        )  # fmt: skip
        if request != self._asked:
            self._asked = request
            self.start(partial(shown_filters, self.networks, request), self._on_found)

    def cancel(self) -> None:
        """Stop; the same may be requested again."""
        self._asked = None
        super().cancel()

    def _on_found(self, found: FilterPictures) -> None:
        self.shown = found
        outputs, inputs, height, width = found.shape
        ends = self.tr("Grey is zero; black and white are ±{0:.2g}").format(found.largest)
        if self.scale_box.currentIndex() == 1:
            ends = self.tr("Grey is zero; every filter is shown at its own full range")
        if found.coloured:
            tip = self.tr("Channel {0} of {1}: click to look at it")
            self.grid.set_tiles([
                GridTile(image, "", tip.format(n, found.layer), n)
                for n, image in enumerate(found.coloured)
            ])  # fmt: skip
            words = self.tr("{0} filters of {1} × {2} weights for red, green and blue. {3}.")
            self.say(words.format(outputs, height, width, ends))
        else:
            self._show_slices(found)
            words = self.tr(
                "{0} of {1} filters (rows), inputs {2} to {3} of {4} (columns), {5} × {6} weights "
                "each. {7}."
            )
            first = self.first_input.value()
            last = first + len(found.slices[0]) - 1
            self.say(words.format(
                len(found.slices), outputs, first, last, inputs, height, width, ends
            ))  # fmt: skip
        self._show_widgets()

    def _show_slices(self, found: FilterPictures) -> None:
        with QSignalBlocker(self.first_input):
            self.first_input.setRange(0, max(0, found.shape[1] - INPUTS))
        tip, first = self.tr("Filter {0}, input {1}"), self.first_input.value()
        self.table.set_rows([
            TileRow(
                str(n),
                tuple(
                    GridTile(image, "", tip.format(n, first + i)) for i, image in enumerate(row)
                ),
                n,
                self.tr("Channel {0} of {1}: click to look at it").format(n, found.layer),
            )
            for n, row in enumerate(found.slices)
        ])  # fmt: skip

    def _show_widgets(self) -> None:
        found = self.shown
        sliced = found is not None and not found.coloured
        self.grid.setVisible(found is not None and bool(found.coloured))
        self.table.setVisible(sliced)
        wide = found is not None and found.shape[1] > INPUTS
        self.form.setRowVisible(self.first_input, sliced and wide)
        self.more.setVisible(sliced and found is not None and len(found.slices) < found.shape[0])

    @Slot(object)
    def _on_channel(self, channel: int) -> None:
        if self.shown is not None:
            self.channel_requested.emit(self.shown.layer, channel)


def shown_filters(networks: Networks, request: FiltersRequest) -> FilterPictures:
    """Return a layer's filters as images. Raises `PareidoliaError`s. Not for the GUI thread."""
    from engine.image import to_bytes8
    from engine.inspection.filters import filters

    found = filters(networks.get(*request.network_key), request.layer)
    shown, shape = found.weight, tuple(found.weight.shape)
    coloured, slices = list[QImage](), list[list[QImage]]()
    if found.coloured:
        coloured = [to_image(to_bytes8(tile)) for tile in found.pictures(request.together)]
    else:
        shown = shown[: request.rows, request.first_input : request.first_input + INPUTS]
        tiles = found.slices(request.rows, INPUTS, request.together, request.first_input)
        bytes8 = (tiles * 255).round().byte().numpy()
        slices = [[to_image(tile) for tile in row] for row in bytes8]
    return FilterPictures(request.layer, shape, float(shown.abs().max()), coloured, slices)


def _has_filters(layer: LayerChoice) -> bool:
    return layer.kind == "Conv2d"
