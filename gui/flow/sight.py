"""The live maps: which picture and class they are about, when they are made, where they show."""

from dataclasses import replace
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Slot
from PySide6.QtGui import QAction

from engine.heat import SHOWN, UnitName, percent
from gui.canvas.canvas import Canvas
from gui.flow.layers import LayersFlow, Loaded
from gui.flow.showing import Showing
from gui.panels.sight import SightPanel, Wish
from gui.pixels import heat_image
from gui.run.activation_grid import GridWish
from gui.run.controller import RunController, State
from gui.run.maps import Answer, MapsController, Question
from gui.studio import Studio

if TYPE_CHECKING:
    from engine.networks.network import Layer

KINDS = ("saliency", "grad_cam")


class SightFlow(QObject):
    """Connects panel, maps' thread and canvas."""

    def __init__(
        self, studio: Studio, maps: MapsController, controller: RunController, layers: LayersFlow,
        showing: Showing, panel: SightPanel, canvas: Canvas, parent: QObject | None = None,
    ) -> None:  # fmt: skip
        super().__init__(parent)
        self.studio, self.maps, self.layers = studio, maps, layers
        self.showing, self.panel, self.canvas = showing, panel, canvas
        self._actions: dict[str, QAction] = {}
        self._watched = False
        self._activations: GridWish | None = None
        self.answer: Answer | None = None
        """What is shown."""
        panel.changed.connect(self.refresh)
        panel.recoloured.connect(self._show_map)
        panel.opacity_changed.connect(canvas.set_overlay_opacity)
        showing.changed.connect(self.refresh)
        layers.loaded.connect(self._on_network)
        maps.answered.connect(self._on_answer)
        controller.state_changed.connect(self._on_state)

    def bind(self, actions: dict[str, QAction]) -> None:
        """Keep the menu's switches of the maps in step with the panel's."""
        self._actions = actions
        for kind in KINDS:
            group = getattr(self.panel, kind)
            actions[kind].toggled.connect(group.setChecked)
            group.toggled.connect(actions[kind].setChecked)

    def watch(self, on: bool) -> None:
        """The panel has come into view or gone: classes are worked out only while it is seen."""
        self._watched = on
        if on:
            self.refresh()

    @Slot(object)
    def want_activations(self, wish: GridWish | None) -> None:
        """Also ask for a layer's activations; None: nobody looks at them any more."""
        self._activations = wish
        if wish is not None:
            self.refresh()

    @Slot(object)
    def _on_network(self, loaded: Loaded) -> None:
        self.panel.set_classes(loaded.network.classes)
        self.panel.set_layers(maps_of(loaded.layers))
        self.refresh()

    @Slot(object)
    def _on_state(self, state: State) -> None:
        self.maps.run_active = state in (State.PREPARING, State.RUNNING, State.STOPPING)
        if state is State.IDLE:
            self.refresh()

    @Slot()
    def refresh(self) -> None:
        """Ask for maps and activations of what is on the canvas, if anybody looks."""
        wish = self.panel.wish()
        for kind in KINDS:
            if not getattr(wish, kind):
                self.canvas.set_overlay(kind, None)
        if not wish.saliency:
            self.panel.occlusion.show_key(None)
        here = self.layers.here
        classes = here is not None and bool(here.network.classes or wish.unit)
        if not classes:
            self._clear()
        looked = classes and bool(self._watched or wish.saliency or wish.grad_cam)
        if here is None or not (looked or self._activations):
            self.maps.forget()
            return
        current = self.showing.current
        image = current.image if current is not None else None
        content = self.showing.content()
        if wish.of_content:
            image = content.image if content is not None else None
        if image is None or image.isNull():
            self._clear()
            return
        job = self.studio.job
        self.maps.ask(
            Question(
                image, job.network, job.weights, job.device, wish.target,
                wish.saliency, wish.grad_cam, wish.layer, self._activations, looked,
                self.panel.target.unit(), wish.square,
            )
        )  # fmt: skip

    @Slot(object)
    def _on_answer(self, answer: Answer) -> None:
        if answer.question.network != self.studio.job.network or not answer.question.classes:
            return
        if not answer.top and answer.activation is None:
            self.answer = None
            for kind in KINDS:
                self.canvas.set_overlay(kind, None)
            self.panel.occlusion.show_key(None)
            self.panel.say(answer.problem)
            return
        of_unit = answer.activation is not None
        self.panel.show_top(answer.top, None if of_unit else answer.target)
        self.answer = answer
        for kind in KINDS:
            self._show_map(kind)
        parts = [self.tr("{0}: {1}").format(answer.target_name, percent(answer.probability))]
        if of_unit:
            parts = [self.tr("{0}: {1:.4g}").format(answer.target_name, answer.activation)]
        if answer.grad_cam is not None:
            where = self.tr("{0} at {1}").format(answer.question.grad_cam, answer.layer)
            parts.append(answer.question.grad_cam if answer.question.grad_cam == "CAM" else where)
        said = ", ".join(parts)
        plain = ", ".join(answer.plain)
        if plain:
            words = self.tr("No rule for {0}: these keep their ordinary gradient.")
            said = f"{said}\n{words.format(plain)}"
        problem = self.panel.target.problem or answer.problem
        self.panel.say(f"{said}\n{problem}" if problem else said)

    @Slot(str)
    def _show_map(self, kind: str) -> None:
        """Lay a map over the picture in the colours wished for."""
        wish = self.panel.wish()
        if self.answer is not None:
            self.answer = as_wished(self.answer, wish)
        heat = getattr(self.answer, kind, None)
        if heat is None and self.answer is not None and self.answer.unfinished:
            return  # the map before stays until this one has begun
        if kind == "saliency":
            self.panel.occlusion.show_key(heat if wish.saliency else None)
        if heat is None or not getattr(wish, kind):
            self.canvas.set_overlay(kind, None)
            return
        look = getattr(wish, f"{kind}_colours"), getattr(wish, f"{kind}_threshold")
        self.canvas.set_overlay(kind, heat_image(heat, *look), getattr(wish, f"{kind}_opacity"))

    @Slot(str, object)
    def on_layer(self, name: str, _channel: object) -> None:
        """A layer was selected in the tree: Grad-CAM looks there."""
        self.panel.select_layer(name)

    @Slot(str, object)
    def on_unit(self, name: str, channel: int | None) -> None:
        """Let the maps be about a channel."""
        if channel is not None:
            self.panel.target.set_unit(str(UnitName(name, channel)))

    def switch(self, kind: str) -> None:
        """Turn a map on or off."""
        group = getattr(self.panel, kind)
        group.setChecked(not group.isChecked())

    def _clear(self) -> None:
        """Take away what was said of another picture or network."""
        self.maps.forget()
        self.answer = None
        for kind in KINDS:
            self.canvas.set_overlay(kind, None)
        self.panel.show_top((), None)
        self.panel.occlusion.show_key(None)
        here = self.layers.here
        if here is not None:
            answerable = here.network.classes or self.panel.wish().unit
            without = "" if answerable else self.panel.no_classes()
            self.panel.say(self.panel.target.problem or without)


def as_wished(answer: Answer, wish: Wish) -> Answer:
    """Return an answer with the one of an occlusion's maps that is wished for."""
    found = answer.occlusion.get(wish.occlusion_shown, answer.occlusion.get(SHOWN[0]))
    return answer if found is None else replace(answer, saliency=found)


def maps_of(layers: "tuple[Layer, ...]") -> list[tuple[str, str]]:
    """Return (shown name, name) of every layer that has a map of more than one position."""
    found = []
    for top in layers:
        for layer in top.flat():
            if layer.size is not None and min(layer.size) > 1:
                found.append((layer.field_name or layer.name, layer.field_name or layer.name))
    return found
