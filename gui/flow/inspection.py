"""The panels that look into the network: what they show, and how their requests are carried out."""

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QSignalBlocker, Signal, Slot
from PySide6.QtWidgets import QDockWidget, QMainWindow, QTabWidget, QWidget

from engine.inspection.albums import Albums
from gui.background import Background
from gui.dialogs.channel import ChannelWindow
from gui.flow.canvas_content import CanvasContent
from gui.flow.input_pictures import InputPicturesFlow
from gui.flow.layers import LayersFlow
from gui.flow.live_maps import LiveMapsFlow
from gui.flow.status import MESSAGE_MS
from gui.models.subject import LayerChoice, Subject
from gui.panels.activations import ActivationsPanel
from gui.panels.embedding import EmbeddingPanel
from gui.panels.filters import FiltersPanel
from gui.panels.folder_line import FolderChoice
from gui.panels.input_slot import InputKey
from gui.panels.inspection import InspectionPanel
from gui.panels.neighbors import NeighborsPanel
from gui.panels.patches import PatchesPanel
from gui.run.channel import Channel
from gui.run.networks import Networks, network_key_of
from gui.studio import Studio

if TYPE_CHECKING:
    from engine.networks.layer import Layer


class InspectionFlow(QObject):
    """Fills the tabs, and keeps them on the same picture, network, layer and class."""

    subject_changed = Signal(object)
    """`Subject`."""

    def __init__(
        self, studio: Studio, canvas_content: CanvasContent, layers: LayersFlow, maps: LiveMapsFlow,
        input_pictures: InputPicturesFlow, networks: Networks, background: Background,
        tabs: QTabWidget, parent: QObject | None = None,
    ) -> None:  # fmt: skip
        super().__init__(parent)
        self.studio, self.canvas_content, self.layers = studio, canvas_content, layers
        self.maps, self.live_maps = maps, maps.panel
        self.input_pictures, self.tabs = input_pictures, tabs
        self.networks, self.background = networks, background
        self.panels: dict[str, InspectionPanel] = {}
        self.channel_window: ChannelWindow | None = None
        self._layer = ""
        self.folder = FolderChoice(self)
        for name, title, panel in panels(networks, background, self):
            self.panels[name] = panel
            panel.setWindowTitle(title)
            panel.open_requested.connect(self.open_picture)
            panel.channel_requested.connect(self.show_channel)
            tabs.addTab(panel, title)
        tabs.currentChanged.connect(self._on_tab)
        dock = tabs.parentWidget()
        self._watched = not isinstance(dock, QDockWidget)
        if isinstance(dock, QDockWidget):
            dock.visibilityChanged.connect(self.watch)
        canvas_content.changed.connect(self.refresh)
        layers.loaded.connect(self._on_network)
        self.live_maps.changed.connect(self.refresh)
        layers.tree.layer_activated.connect(self._on_activated)
        activations = self.panels["activations"]
        assert isinstance(activations, ActivationsPanel)
        activations.request_changed.connect(maps.want_activations)
        maps.maps.answered.connect(activations.on_answer)
        activations.watch(self._watched)

    @Slot(str)
    def take_folder(self, path: str) -> None:
        """Look through a folder of pictures that was dropped on the window."""
        self.folder.choose(Path(path))
        self.tabs.setCurrentWidget(self.panels["neighbors"])
        dock = self.tabs.parentWidget()
        if isinstance(dock, QDockWidget):
            dock.show()
            dock.raise_()

    def tab(self) -> str:
        """Return the name of the panel in front."""
        return next(name for name, p in self.panels.items() if p is self.tabs.currentWidget())

    def put_in_front(self, name: str) -> None:
        """Bring a panel to the front, as in the last session: this is no request to read the folder."""
        with QSignalBlocker(self.tabs):
            self.tabs.setCurrentWidget(self.panels[name])

    @Slot(int)
    def _on_tab(self, _index: int) -> None:
        """The user switched to another tab, and wants to see what it shows."""
        self.folder.wanted = True

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
        """Return the current subject."""
        job, here = self.studio.job, self.layers.here
        current, content = self.canvas_content.current, self.canvas_content.content()
        map_settings = self.live_maps.map_settings()
        shown = content if map_settings.of_content else current
        choices = choices_of(here.layers) if here is not None else ()
        names = {choice.name for choice in choices}
        return Subject(
            shown.image if shown is not None else None, job.network, job.weights, choices,
            self._layer if self._layer in names else "", map_settings.target, job.preprocessing,
        )  # fmt: skip

    @Slot(bool)
    def watch(self, on: bool) -> None:
        """The panels came into view or left it: nothing is computed while they are hidden."""
        self._watched = on
        activations = self.panels["activations"]
        assert isinstance(activations, ActivationsPanel)
        activations.watch(on)
        if on:
            self.refresh()

    @Slot()
    def refresh(self) -> None:
        """Give the panels the current subject, if they are visible, and announce it."""
        subject = self.subject()
        for panel in self.panels.values() if self._watched else ():
            panel.set_subject(subject)
        self.subject_changed.emit(subject)

    @Slot(str)
    def open_picture(self, path: str) -> None:
        """Make a picture the content photo, so that the canvas, classes and maps show it."""
        if "content" not in self.studio.technique.inputs:
            self.studio.set_technique("style-transfer")
        self.input_pictures.put(InputKey("content"), path)

    @Slot()
    def show_saliency(self) -> None:
        """Lay over the picture what the target, a class or a unit, depends on."""
        here = self.layers.here
        if here is not None and (here.network.classes or self.live_maps.map_settings().unit):
            self.live_maps.saliency.setChecked(True)

    @Slot(str, object)
    def _on_activated(self, layer: str, channel: int | None) -> None:
        """A row of the tree was double-clicked: a layer's, or a channel's."""
        if channel is not None:
            self.show_channel(layer, channel)

    @Slot(str, int)
    def show_channel(self, layer: str, channel: int) -> None:
        """Show a channel of the current network everywhere."""
        if self.channel_window is None:
            window, patches = self.parent(), self.panels["patches"]
            assert isinstance(patches, PatchesPanel)
            self.channel_window = ChannelWindow(
                self.networks, self.background, patches.folder, self._running,
                window if isinstance(window, QWidget) else None,
            )  # fmt: skip
            self.channel_window.open_requested.connect(self.open_picture)
            self.channel_window.job_requested.connect(self.maximize)
            self.channel_window.target_requested.connect(self.ask_about)
            self.subject_changed.connect(self.channel_window.follow)
        self.channel_window.show_channel(self.subject(), layer, channel, self.studio.job.device)

    def _running(self) -> bool:
        return self.canvas_content.run_active

    @Slot(str, object)
    def ask_about(self, layer: str, channel: int) -> None:
        """Let the maps explain a channel, and bring them into view."""
        map_settings = self.live_maps.map_settings()
        on = bool(map_settings.saliency or map_settings.grad_cam)
        self.maps.on_unit(layer, channel)
        if not on:
            self.live_maps.saliency.setChecked(True)
        dock, window = self.live_maps.parentWidget(), self.parent()
        if isinstance(dock, QDockWidget):
            dock.show()
            dock.raise_()
        if isinstance(window, QMainWindow):
            words = self.tr("The maps now show channel {0} of {1}.")
            if not on:
                words = self.tr(
                    "The maps now show channel {0} of {1}; Saliency has been switched on."
                )
            window.statusBar().showMessage(words.format(channel, layer), MESSAGE_MS)

    @Slot(object)
    def maximize(self, channel: Channel) -> None:
        """Set up the activation maximization of a channel, as one undo step."""
        studio = self.studio
        name = self.tr("Visualize channel {0} of {1}").format(channel.number, channel.layer)
        studio.undo_stack.beginMacro(name)
        if network_key_of(studio.job) != channel.network_key:
            studio.set_network(*channel.network_key)
        studio.set_technique("activation-maximization")
        values = {"layer": channel.layer, "channel": str(channel.number), "position": ""}
        studio.set_settings(name, values)
        studio.undo_stack.endMacro()


def panels(
    networks: Networks, background: Background, flow: InspectionFlow
) -> list[tuple[str, str, InspectionPanel]]:
    """Return (name, title, panel) of all tabs, in their order."""
    folder, albums = flow.folder, Albums()
    embedding = EmbeddingPanel(networks, background, folder, albums)
    embedding.open_requested.connect(flow.show_saliency)
    return [
        ("activations", flow.tr("Activations"), ActivationsPanel(networks, background)),
        ("filters", flow.tr("Filters"), FiltersPanel(networks, background)),
        ("patches", flow.tr("Patches"), PatchesPanel(networks, background, folder)),
        ("neighbors", flow.tr("Neighbours"), NeighborsPanel(networks, background, folder, albums)),
        ("embedding", flow.tr("Map"), embedding),
    ]


def choices_of(layers: "tuple[Layer, ...]") -> tuple[LayerChoice, ...]:
    """Return every layer, in the network's order."""
    rows = [layer for top in layers for layer in top.flat()]
    names = [layer.known_as for layer in rows]
    return tuple(
        LayerChoice(name, name, layer.kind, layer.channels, layer.size)
        for name, layer in zip(names, rows, strict=True)
    )
