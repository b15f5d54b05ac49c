"""The panels that look into the network: what they are about, and what their requests lead to."""

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal, Slot
from PySide6.QtWidgets import QTabWidget

from gui.background import Background
from gui.flow.layers import LayersFlow
from gui.flow.pictures_in import PicturesInFlow
from gui.flow.showing import Showing
from gui.panels.inputs import Place
from gui.panels.inspection import InspectionPanel, LayerChoice, Subject
from gui.panels.sight import SightPanel
from gui.run.networks import Networks
from gui.studio import Studio

if TYPE_CHECKING:
    from engine.networks.network import Layer


class InspectFlow(QObject):
    """Fills the tabs and keeps them about the same picture, network, layer and class."""

    subject_changed = Signal(object)
    """`Subject`."""

    def __init__(
        self, studio: Studio, showing: Showing, layers: LayersFlow, sight: SightPanel,
        pictures_in: PicturesInFlow, networks: Networks, background: Background,
        tabs: QTabWidget, parent: QObject | None = None,
    ) -> None:  # fmt: skip
        super().__init__(parent)
        self.studio, self.showing, self.layers = studio, showing, layers
        self.sight, self.pictures_in, self.tabs = sight, pictures_in, tabs
        self.panels: dict[str, InspectionPanel] = {}
        self._layer = ""
        for name, title, panel in panels(networks, background, self):
            self.panels[name] = panel
            panel.open_requested.connect(self.open_picture)
            tabs.addTab(panel, title)
        showing.changed.connect(self.refresh)
        layers.loaded.connect(self._on_network)
        sight.changed.connect(self.refresh)

    @Slot(object)
    def _on_network(self, _loaded: object) -> None:
        self._layer = ""
        self.refresh()

    @Slot(str, object)
    def on_layer(self, name: str, _channel: object) -> None:
        """A layer was selected in the tree."""
        self._layer = name
        self.refresh()

    def subject(self) -> Subject:
        """Return what there is to look at."""
        job, here = self.studio.job, self.layers.here
        current, content = self.showing.current, self.showing.content()
        wish = self.sight.wish()
        shown = content if wish.of_content else current
        choices = choices_of(here.layers) if here is not None else ()
        names = {choice.name for choice in choices}
        return Subject(
            shown.image if shown is not None else None, job.network, job.weights, choices,
            self._layer if self._layer in names else "", wish.target,
        )  # fmt: skip

    @Slot()
    def refresh(self) -> None:
        """Hand all panels what there is to look at now."""
        subject = self.subject()
        for panel in self.panels.values():
            panel.set_subject(subject)
        self.subject_changed.emit(subject)

    @Slot(str)
    def open_picture(self, path: str) -> None:
        """Make a picture the content photo, so that canvas, classes and maps are about it."""
        if "content" not in self.studio.technique.inputs:
            self.studio.set_technique("style-transfer")
        self.pictures_in.put(Place("content"), path)


def panels(
    networks: Networks, background: Background, flow: InspectFlow
) -> list[tuple[str, str, InspectionPanel]]:
    """Return (name, title, panel) of all tabs, in their order."""
    return []


def choices_of(layers: "tuple[Layer, ...]") -> tuple[LayerChoice, ...]:
    """Return every layer, in the network's order."""
    rows = [layer for top in layers for layer in top.flat()]
    names = [layer.field_name or layer.name for layer in rows]
    return tuple(
        LayerChoice(name, name, layer.kind, layer.channels, layer.size)
        for name, layer in zip(names, rows, strict=True)
    )
