"""What activates a layer's channels most in a folder: patches the size of the receptive field."""

from functools import partial

from PySide6.QtCore import QSignalBlocker, Slot
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QFormLayout, QPushButton, QSpinBox, QWidget

from engine.inspection.patch_finder import FoundPatches, PatchFinder, ShownChannels
from gui.background import Background
from gui.models.subject import LayerChoice
from gui.panels.folder_line import FolderChoice, FolderPanel
from gui.panels.layer_choice import LayerBox, narrow_box
from gui.panels.tile_grid import GridTile
from gui.panels.tile_rows import TileRow, TileRows
from gui.run.networks import Networks

ROWS = 12
"""How many channels are shown at first, and added by each "more"."""


class PatchesPanel(FolderPanel):
    """Rows of a layer's channels, each with the patches that activate it most."""

    def __init__(
        self, networks: Networks, background: Background, folder: FolderChoice,
        parent: QWidget | None = None,
    ) -> None:  # fmt: skip
        super().__init__(networks, background, folder, parent)
        self.setObjectName("patchesPanel")
        self.layer_box = LayerBox(_has_channels)
        self.order_box = narrow_box(self.tr("Channels"))
        self.order_box.addItems([self.tr("strongest first"), self.tr("by number")])
        self.channel_box = QSpinBox()
        self.channel_box.setAccessibleName(self.tr("Find channel"))
        self.channel_box.setRange(-1, 0)
        self.channel_box.setValue(-1)
        self.channel_box.setSpecialValueText(self.tr("all"))
        self.channel_box.setKeyboardTracking(False)
        self.channel_box.setToolTip(self.tr("Type a number to see only that channel"))
        form = QFormLayout()
        form.addRow(self.tr("Layer"), self.layer_box)
        form.addRow(self.tr("Channels"), self.order_box)
        form.addRow(self.tr("Find channel"), self.channel_box)
        self.body.addLayout(form)
        self.rows = TileRows()
        self.rows.setAccessibleName(self.tr("Patches"))
        self.more = QPushButton(self.tr("More channels"))
        self.more.hide()
        self.body.addWidget(self.rows, 1)
        self.body.addWidget(self.more)
        self.found: FoundPatches[QImage] | None = None
        self._finder: PatchFinder[QImage] | None = None
        self._asked: tuple[object, ...] = ()
        self._count = ROWS
        self.layer_box.activated.connect(self._on_layer)
        self.order_box.activated.connect(self._on_rows)
        self.channel_box.valueChanged.connect(self._on_rows)
        self.more.clicked.connect(self._on_more)
        self.rows.chosen.connect(self.open_chosen)
        self.rows.heading_chosen.connect(self._on_channel)

    # -- requests -------------------------------------------------------------------------

    def subject_changed(self) -> None:
        """Offer the network's layers; take the one selected in the tree."""
        subject = self.subject
        assert subject is not None
        self.layer_box.follow(subject)
        if self._wanted() != self._asked:  # the picture on the canvas makes no difference here
            self.refresh()

    def _wanted(self) -> tuple[object, ...]:
        subject = self.subject
        network_key = subject.network_key if subject is not None else None
        return network_key, self.folder.path, self.layer_box.chosen()

    def _rows_wanted(self) -> ShownChannels:
        only = self.channel_box.value()
        return ShownChannels(
            self.order_box.currentIndex() == 1, self._count, only if only >= 0 else None
        )

    @Slot(int)
    def _on_layer(self, _index: int) -> None:
        if self._wanted() != self._asked:
            self.refresh()

    def clear(self) -> None:
        """Show nothing."""
        self.found = self._finder = None
        self._asked = ()
        self.rows.set_rows(())
        self.more.hide()

    def refresh(self) -> None:
        """Search, continuing from what was found before."""
        if self._wanted() != self._asked:
            self.clear()
        super().refresh()

    def look(self) -> None:
        """Search the folder for the chosen layer."""
        subject, query = self.subject, self.query()
        assert subject is not None
        if self._wanted() != self._asked or self._finder is None:
            self._asked, self._count = self._wanted(), ROWS
            with QSignalBlocker(self.channel_box):
                self.channel_box.setValue(-1)
            channels = next(
                (c.channels for c in subject.layers if c.name == self.layer_box.chosen()), 1
            )
            self.channel_box.setMaximum(max(0, (channels or 1) - 1))
            self._finder = query.finder(self.layer_box.chosen(), self._rows_wanted())
        self._finder.rows = self._rows_wanted()
        self.start(partial(self._finder.run, query.may_read), self._on_found)

    @Slot(int)
    def _on_rows(self, _value: int) -> None:
        self._show_other_rows()

    @Slot()
    def _on_more(self) -> None:
        self._count += ROWS
        self._show_other_rows()

    def _show_other_rows(self) -> None:
        """Show other channels: at the search's next state, or at once if it has ended."""
        if self._finder is None:
            return
        self._finder.rows = self._rows_wanted()
        if not self.busy and self.found is not None:
            self.start(self._finder.look, self._on_found)

    # -- results --------------------------------------------------------------------------

    def grow(self, what: FoundPatches[QImage]) -> None:
        """Show the best patches so far."""
        self._show(what)

    def _on_found(self, found: FoundPatches[QImage]) -> None:
        self._show(found)
        if found.rows != self._rows_wanted():
            self._show_other_rows()  # chosen while the last ones were cut out

    def _show(self, found: FoundPatches[QImage]) -> None:
        self.found = found
        layer = self.layer_box.chosen()
        self.rows.set_rows([
            TileRow(
                self.tr("Channel {0}").format(channel),
                tuple(
                    GridTile(image, f"{patch.value:.3g}", f"{patch.path.name}\n{patch.value:.4g}",
                             str(patch.path))
                    for patch, image in tiles
                ),
                channel,
                self.tr("Click to look at channel {0} of {1}").format(channel, layer),
            )
            for channel, tiles in found.channels
        ])  # fmt: skip
        self.more.setVisible(self.channel_box.value() < 0 and len(found.channels) < found.of)
        self.say(self._words(found))

    def _words(self, found: FoundPatches[QImage]) -> str:
        if found.done == found.total and len(found.unreadable) == found.total:
            return self.tr("None of the pictures in {0} can be read.").format(self.folder.path)
        words = [self.tr("{0} of {1} pictures, {2} channels.").format(
            found.done, found.total, found.of
        )]  # fmt: skip
        if found.taken_up == found.total:
            words.append(self.tr("Read in an earlier session."))
        elif found.taken_up:
            words.append(self.tr("Continued after {0}.").format(found.taken_up))
        words.append(self.skipped(found.unreadable))
        return " ".join(word for word in words if word)

    @Slot(object)
    def _on_channel(self, channel: int) -> None:
        self.channel_requested.emit(self.layer_box.chosen(), channel)


def _has_channels(layer: LayerChoice) -> bool:
    return layer.channels is not None
