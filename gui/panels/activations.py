"""How every channel of a layer responds to the picture, live."""

from PySide6.QtCore import Qt, QTimer, Signal, Slot
from PySide6.QtGui import QHideEvent, QImage, QShowEvent
from PySide6.QtWidgets import QFormLayout, QSlider, QStackedWidget, QWidget

from engine.looking import ActivationsRequest
from engine.looking.answer import LARGEST, ActivationGrid
from gui.background import Background
from gui.panels.inspection import InspectionPanel
from gui.panels.layer_choice import LayerBox, narrow_box
from gui.panels.tile_grid import GridTile, TileGrid
from gui.panels.unit_bars import Bar, UnitBars
from gui.run.map_answers import MapsAnswer
from gui.run.networks import Networks

SMALLEST, AT_FIRST = 32, 64
"""Sides of a tile, in pixels."""


class ActivationsPanel(InspectionPanel):
    """Layer, scale and order at the top; below, a small map of each channel.

    It says what it wants to see; the maps' thread answers, and lets a run go first.
    """

    request_changed = Signal(object)
    """`ActivationsRequest`, or None while nobody is looking."""

    def __init__(
        self, networks: Networks, background: Background, parent: QWidget | None = None
    ) -> None:
        super().__init__(networks, background, parent)
        self.setObjectName("activationsPanel")
        self.grid_shown: ActivationGrid | None = None
        self.images: tuple[QImage, ...] = ()
        """The tiles of the answer shown."""
        self._order: list[int] = []
        self._map_settings: ActivationsRequest | None = None
        self.layer = LayerBox()
        self.layer.setObjectName("activationsLayer")
        self.scale = narrow_box(self.tr("Scale"))
        self.scale.addItems([self.tr("same for all"), self.tr("one per tile")])
        self.order = narrow_box(self.tr("Order"))
        self.order.addItems([self.tr("by number"), self.tr("by strength")])
        self.order.setToolTip(self.tr("Strength: the mean over the channel's map"))
        self.side = QSlider(Qt.Orientation.Horizontal)
        self.side.setRange(SMALLEST, LARGEST)
        self.side.setValue(AT_FIRST)
        self.grid = TileGrid(AT_FIRST)
        self.grid.setObjectName("activationsGrid")
        self.bars = UnitBars()
        self.pages = QStackedWidget()
        self._watched = True
        self._soon = QTimer(self)  # changes that come together count as one
        self._soon.setSingleShot(True)
        self._soon.timeout.connect(self._tell)
        self._lay_out()
        self.layer.activated.connect(self._tell)
        self.scale.activated.connect(self._tell)
        self.order.activated.connect(self._show_grid)
        self.side.valueChanged.connect(self.grid.set_side)
        self.grid.chosen.connect(self._on_chosen)
        self.bars.chosen.connect(self._on_chosen)

    def _lay_out(self) -> None:
        form = QFormLayout()
        for title, widget in (
            (self.tr("Layer"), self.layer),
            (self.tr("Scale"), self.scale),
            (self.tr("Order"), self.order),
            (self.tr("Tiles"), self.side),
        ):
            widget.setAccessibleName(title)
            form.addRow(title, widget)
        self.grid.setAccessibleName(self.tr("Channels"))
        self.bars.setAccessibleName(self.tr("Units"))
        self.pages.addWidget(self.grid)
        self.pages.addWidget(self.bars)
        self.body.addLayout(form)
        self.body.addWidget(self.pages, 1)

    # -- the request ----------------------------------------------------------------------

    def request(self) -> ActivationsRequest | None:
        """Return the request for what the panel shows now."""
        if not (self._watched and self.isVisible() and self.layer.chosen()):
            return None
        return ActivationsRequest(self.layer.chosen(), self.scale.currentIndex() == 0)

    @Slot()
    def _tell(self) -> None:
        """Say what is wanted, if that has changed."""
        request = self.request()
        if request == self._map_settings:
            return
        self._map_settings = request
        if request is not None and self.subject is not None and self.subject.image is not None:
            self.progress.setRange(0, 0)
            self._late.start()
        self.request_changed.emit(request)

    def watch(self, on: bool) -> None:
        """The dock came into view or left it; Qt also calls docks behind other tabs visible."""
        self._watched = on
        self._soon.start()

    def showEvent(self, event: QShowEvent) -> None:
        """Begin to follow the picture."""
        super().showEvent(event)
        self._soon.start()

    def hideEvent(self, event: QHideEvent) -> None:
        """Stop following the picture."""
        super().hideEvent(event)
        self._tell()

    def subject_changed(self) -> None:
        """Take over the network's layers, and the one selected in the tree."""
        subject = self.subject
        assert subject is not None
        self.layer.follow(subject)
        if subject.image is None or not subject.layers:
            self._clear()
            if subject.image is None:
                self.say(self.tr("Open a picture to see how the channels respond to it."))
        self._soon.start()

    # -- answers --------------------------------------------------------------------------

    @Slot(object)
    def on_answer(self, answer: MapsAnswer) -> None:
        """Show the activations in an answer from the maps' thread."""
        asked, subject = answer.question, self.subject
        if (
            asked.request.activations is None
            or asked.request.activations != self._map_settings
            or subject is None
        ):
            return
        if asked.network_key != subject.network_key:
            return
        self._hide_progress()
        if answer.activations is None:
            self._clear()
            self.say(answer.activations_problem or answer.problem)
        elif answer.activations is not self.grid_shown:
            self.grid_shown, self.images = answer.activations, answer.images
            self._show_grid()

    def _clear(self) -> None:
        self._hide_progress()
        self.grid_shown = None
        self.grid.set_tiles([])
        self.bars.set_bars([])

    @Slot()
    def _show_grid(self) -> None:
        """Fill the grid or the bars in the order chosen."""
        shown = self.grid_shown
        if shown is None:
            return
        count = len(shown.means)
        strongest = self.order.currentIndex() == 1
        order = (-shown.means).argsort(kind="stable").tolist() if strongest else range(count)
        means, peaks = shown.means.tolist(), shown.peaks.tolist()
        names = shown.names or [""] * count
        self.pages.setCurrentWidget(self.grid if self.images else self.bars)
        self.side.setEnabled(bool(self.images))
        self.scale.setEnabled(bool(self.images))
        if not self.images:
            self.bars.set_bars([Bar(c, names[c], means[c]) for c in order])
            self.say(self.tr("{0} units; strongest {1:.3g}").format(count, max(peaks)))
            return
        tip = self.tr("channel {0}: mean {1:.3g}, maximum {2:.3g}")
        self.grid.set_tiles([
            GridTile(
                self.images[c], f"{c} {names[c]}".strip(),
                f"{tip.format(c, means[c], peaks[c])}\n{names[c]}".strip(), c,
            )
            for c in order
        ])  # fmt: skip
        silent = sum(peak <= 0 for peak in peaks)
        said = self.tr("{0} channels of {1} (picture at {2}); maximum {3:.3g}").format(
            count, *(f"{width}x{height}" for height, width in (shown.size, shown.seen)), max(peaks)
        )
        if silent:
            said += "; " + self.tr("{0} inactive").format(silent)
        tip = self.tr(
            "The size at which the network sees this picture. The "
            "network tree shows sizes for the result."
        )
        self.say(said, tip)

    def say(self, text: str, tip: str = "") -> None:
        """Show a sentence below the body; `tip` says more about it."""
        super().say(text)
        self.said.setToolTip(tip)

    @Slot(object)
    def _on_chosen(self, channel: int) -> None:
        if self.grid_shown is not None:
            self.channel_requested.emit(self.grid_shown.layer, channel)
