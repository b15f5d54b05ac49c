"""The chosen network: it is loaded in the background; the tree shows its layers, the job their roles."""

import logging
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, QSignalBlocker, QTimer, Signal, Slot
from PySide6.QtWidgets import QComboBox

from engine import settings
from engine.errors import BadInput, PareidoliaError, WeightsMissing
from engine.job import Job
from engine.networks import catalogue
from engine.networks.style_cards import style_cards
from engine.task import Technique
from gui.background import Background, BackgroundTask
from gui.flow.canvas_content import CanvasContent
from gui.panels.layer_model import Role
from gui.panels.network_tree import NetworkTreePanel
from gui.run.networks import NetworkKey, Networks, network_key_of
from gui.studio import Studio
from gui.wording import worded

if TYPE_CHECKING:
    from engine.networks.layer import Layer
    from engine.networks.network import Network

Size = tuple[int, int]
UNSEEN_MS = 1500
"""Milliseconds until the network is loaded even if the window has not been painted: perhaps nobody is
looking."""
log = logging.getLogger("pareidolia.networks")


@dataclass(frozen=True)
class LoadedNetwork:
    """A network and its layers for the current picture."""

    network: "Network"
    layers: "tuple[Layer, ...]"
    size: Size
    """Height and width of the picture that the layers' sizes apply to."""


class LayersFlow(QObject):
    """Connects the studio's network and layer settings with box and tree."""

    loaded = Signal(object)
    """`LoadedNetwork`: another network has been loaded."""
    choices = Signal(dict)
    """Names of available networks, and of the network's classes and layers, for settings that ask for
    one."""
    totals = Signal(dict)
    """What settings come to in total on the network, in words, by name."""
    suggested = Signal(dict)
    """The layers that settings take if left empty, by setting."""
    status = Signal(str)
    weights_missing = Signal(str)

    def __init__(
        self, studio: Studio, networks: Networks, background: Background, canvas_content: CanvasContent,
        box: QComboBox, tree: NetworkTreePanel, parent: QObject | None = None,
    ) -> None:  # fmt: skip
        super().__init__(parent)
        self.studio, self.networks, self.background = studio, networks, background
        self.canvas_content, self.box, self.tree = canvas_content, box, tree
        self.here: LoadedNetwork | None = None
        self._ticket: BackgroundTask | None = None
        self._begun = False
        self._shown: object = None
        self._key: tuple[NetworkKey, Size | None] | None = None
        self.names = [studio.job.network]
        """The networks on this machine."""
        box.activated.connect(self._on_chosen)
        tree.role_edited.connect(self._on_role)
        tree.channel_edited.connect(self._on_channel)
        studio.changed.connect(self._on_job)
        canvas_content.changed.connect(self.refresh)
        self._fill_box()
        self._show_roles()
        self._first = QTimer(self)
        self._first.setSingleShot(True)
        self._first.timeout.connect(self._on_unseen)
        self._first.start(UNSEEN_MS)

    @Slot()
    def begin(self) -> None:
        """Load the network and list the others, once the window has been painted.

        This imports PyTorch in the background; until then, painting has the CPU to itself.
        """
        if not self._begun:
            self._begun = True
            self._first.stop()
            self.refresh()
            self.list_networks()

    @Slot()
    def _on_unseen(self) -> None:
        if self.tree.window().isVisible():  # on a busy machine, painting may be about to begin
            self._first.start(UNSEEN_MS)
        else:
            self.begin()

    # -- which network --------------------------------------------------------------------

    def list_networks(self) -> None:
        """Offer the networks on this machine; folders are read in the background."""
        self.background.submit(networks_here, self._on_names)
        self.background.submit(style_networks_here, self._on_style_networks)

    def _on_names(self, names: list[str]) -> None:
        self.names = names
        self._fill_box()
        self.choices.emit({"network": names})

    def _on_style_networks(self, names: list[str]) -> None:
        self.choices.emit({"style network": names})

    def _fill_box(self) -> None:
        names = list(self.names)
        if self.studio.job.network not in names:
            names.insert(0, self.studio.job.network)
        with QSignalBlocker(self.box):
            self.box.clear()
            self.box.addItems(names)
            self.box.setCurrentText(self.studio.job.network)

    @Slot(int)
    def _on_chosen(self, _index: int) -> None:
        self.choose(self.box.currentText())

    @Slot(str)
    def choose(self, name: str) -> None:
        """Switch to another network."""
        if name != self.studio.job.network:
            self.studio.set_network(name)

    def layer_names(self) -> list[str]:
        """Return the names of all layers of the loaded network."""
        if self.here is None:
            return []
        return [layer.known_as for top in self.here.layers for layer in top.flat()]

    # -- loading --------------------------------------------------------------------------

    @Slot()
    def refresh(self) -> None:
        """Load the network, and find its layers' sizes for the size of the result."""
        if not self._begun:
            return
        job = self.studio.job
        size = self.canvas_content.size_of_result()
        plain = (size.height(), size.width()) if size is not None else None
        key = (network_key_of(job), plain)
        if key == self._key:
            return
        other = self._key is None or key[0] != self._key[0]
        self._key = key
        if self._ticket is not None:
            self._ticket.cancel()
        if other:
            self.tree.set_message(self.tr("Loading {0}…").format(job.network))
            self.status.emit(self.tr("Loading {0}…").format(job.network))
        work = partial(load, self.networks, *key)
        self._ticket = self.background.submit(work, self._on_loaded, self._on_failed)

    def forget(self) -> None:
        """Weight files have changed: load and list again."""
        self.networks.forget()
        self._key = None
        self.list_networks()
        self.refresh()

    def _on_loaded(self, loaded: LoadedNetwork) -> None:
        another = self.here is None or self.here.network is not loaded.network
        self.here = loaded
        self.tree.set_network(loaded.layers, loaded.network.card.layers, loaded.size)
        self._show_roles()
        if another:
            self.status.emit("")
            self.choices.emit({"class": loaded.network.classes, "layer": self.layer_names()})
            self.loaded.emit(loaded)
            log.info("%s: %s", loaded.network.card.name, loaded.network.card.title)

    def _on_failed(self, error: BaseException) -> None:
        if not isinstance(error, PareidoliaError):
            self.tree.set_message(worded(error))
            raise error
        self.here = None
        self.status.emit("")
        self.tree.set_message(worded(error))
        log.error("%s", worded(error))
        if isinstance(error, WeightsMissing):
            self.weights_missing.emit(worded(error))

    # -- roles ----------------------------------------------------------------------------

    def _show_roles(self) -> None:
        """Show what the technique uses each layer for."""
        technique = self.studio.technique
        self.totals.emit({"iterations": self._iterations_in_all()})
        fields = settings.layers_of(technique)
        roles = tuple(
            Role(name, d.role or d.label.removesuffix(" layers"), weighted=True)
            if d.kind == "layers"
            else Role(name, self.tr("Used"), weighted=False)
            for name, d in fields.items()
        )
        network = self.here.network if self.here is not None else None
        values = settings.values(technique)
        chosen = {name: layers_of(values[name], network) for name in fields}
        suggested = technique.suggested_layers(network) if network is not None else {}
        weights = {
            name: dict(suggested.get(name, {}) if own is None else own)
            for name, own in chosen.items()
        }
        automatic = {name for name, own in chosen.items() if own is None}
        field = settings.channels_of(technique)
        channels = picked(technique)
        shown = (roles, field is not None, weights, automatic, channels, self.here)
        if shown == self._shown:
            return  # as on every step of a slider
        self._shown = shown
        self.tree.set_roles(roles, field is not None)
        self.tree.set_weights(weights, automatic)
        self.tree.set_channels(channels)
        self.suggested.emit({name: ", ".join(layers) for name, layers in suggested.items()})

    def _iterations_in_all(self) -> str:
        technique = self.studio.technique
        each = technique.iterations
        if self.here is None:
            return ""
        times, what = technique.rounds(self.here.network)
        if times < 2:
            return ""
        words = {
            "layer": self.tr("{0:,} per layer, {1:,} layers: {2:,} in total"),
            "frame": self.tr("{0:,} per frame, {1:,} frames: {2:,} in total"),
        }[what]
        return words.format(each, times, each * times)

    @Slot(str, object)
    def _on_role(self, field: str, weights: dict[str, float]) -> None:
        described = settings.describe(self.studio.technique)[field]
        if described.kind == "layers":
            self.studio.set_setting(field, weights)
        elif described.picks == "layers":
            self.studio.set_setting(field, ", ".join(weights))
        else:  # only one is possible: the new one replaces it
            shown = self._shown_layers(field)
            added = [name for name in weights if name not in shown]
            self.studio.set_setting(field, added[0] if added else "")

    def _shown_layers(self, field: str) -> dict[str, float]:
        """Return the layers that the tree shows in a role, whether chosen or suggested."""
        own = layers_of(settings.values(self.studio.technique)[field], None)
        if own is None and self.here is not None:
            return self.studio.technique.suggested_layers(self.here.network).get(field, {})
        return own or {}

    @Slot(str, object)
    def _on_channel(self, layer: str, channels: tuple[int, ...]) -> None:
        """Take these channels, and their layer, if none was chosen yet."""
        technique = self.studio.technique
        field = settings.channels_of(technique)
        where = next(iter(settings.layers_of(technique).values()), None)
        if field is None or where is None:
            return
        values: dict[str, object] = {}
        chosen = settings.values(technique)[where.name]
        shown = self._shown_layers(where.name)
        if where.kind == "layers":
            if chosen is None or layer not in chosen:
                values[where.name] = {layer: 1.0}
        elif where.picks == "layer":
            if layer not in shown:  # the others belonged to another layer
                channels = tuple(c for c in channels if c not in picked(technique))
            values[where.name] = layer
        elif layer not in shown:
            values[where.name] = ", ".join([*shown, layer])
        comma = "," if field.picks == "units" and len(channels) == 1 else ""  # alone: a count
        values[field.name] = ",".join(map(str, channels)) + comma if channels else field.default
        self.studio.set_settings(self.tr("Pick channels of {0}").format(layer), values)

    @Slot(object, object)
    def _on_job(self, before: Job, after: Job) -> None:
        if network_key_of(before) != network_key_of(after):
            self._fill_box()
            self.here = None
        if before.technique != after.technique:
            self._show_roles()
        self.refresh()


def layers_of(value: Any, network: "Network | None") -> dict[str, float] | None:
    """Return the layers that a setting names, with weights; None: the suggested ones."""
    if not isinstance(value, str):
        named: dict[str, float] | None = value
        return named
    if value.strip() == "all" and network is not None:
        return dict.fromkeys(network.card.layers, 1.0)
    names = [name.strip() for name in value.split(",") if name.strip()]
    return dict.fromkeys(names, 1.0) if names else None


def picked(technique: Technique) -> tuple[int, ...]:
    """Return the numbers of the channels that a technique is set to."""
    field = settings.channels_of(technique)
    text = settings.values(technique)[field.name] if field is not None else ""
    return () if field and field.picks == "units" and "," not in text else numbers(text)


def load(networks: Networks, network_key: NetworkKey, size: Size | None) -> LoadedNetwork:
    """Load a network and trace its layers; at its own size, if it cannot take pictures of this one."""
    network = networks.get(*network_key)
    own = network.card.input_size, network.card.input_size
    try:
        return LoadedNetwork(network, network.layers(size), size or own)
    except BadInput:
        return LoadedNetwork(network, network.layers(), own)


def networks_here() -> list[str]:
    """Return the networks whose weights are on this machine, featured ones first."""
    return [
        name for name in catalogue.names()
        if catalogue.state(name) in ("shipped", "imported", "here")
    ]  # fmt: skip


def style_networks_here() -> list[str]:
    """Return the style networks on this machine."""
    return [card.name for card in style_cards()]


def numbers(text: str) -> tuple[int, ...]:
    """Return the channel numbers of "12, 40"; anything else is left out."""
    return tuple(int(part) for part in text.replace(",", " ").split() if part.isdigit())
