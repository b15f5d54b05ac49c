"""The live maps: of which picture and class, when they are computed, and where they are shown."""

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal, Slot
from PySide6.QtGui import QAction, QImage

from engine.attribution.unit_name import UnitName
from engine.job import Job
from engine.looking import ActivationsRequest, Request
from gui.canvas.canvas import Canvas
from gui.flow.canvas_content import CanvasContent
from gui.flow.layers import LayersFlow, LoadedNetwork
from gui.flow.live_maps_text import LiveMapsText
from gui.panels.live_maps import LiveMapsPanel
from gui.pixels import heat_image
from gui.run.controller import RunController, State
from gui.run.looking import PictureQuery
from gui.run.map_answers import KINDS, MapsAnswer, MapsRequest
from gui.run.maps import MapsController
from gui.run.networks import network_key_of
from gui.studio import Studio

if TYPE_CHECKING:
    from engine.networks.layer import Layer

PATIENCE = 300
"""Milliseconds until the panel says that maps are being made: quick ones come without a word."""


class LiveMapsFlow(QObject):
    """Connects the panel, the maps' thread and the canvas."""

    maps_changed = Signal()
    """A map was laid over the picture or removed."""

    def __init__(
        self, studio: Studio, maps: MapsController, controller: RunController, layers: LayersFlow,
        canvas_content: CanvasContent, panel: LiveMapsPanel, canvas: Canvas,
        parent: QObject | None = None,
    ) -> None:  # fmt: skip
        super().__init__(parent)
        self.studio, self.maps, self.layers = studio, maps, layers
        self.canvas_content, self.panel, self.canvas = canvas_content, panel, canvas
        self._actions: dict[str, QAction] = {}
        self._watched = False
        self._activations: ActivationsRequest | None = None
        self.answer: MapsAnswer | None = None
        """The answer shown."""
        self._newest: MapsRequest | None = None
        self.awaited = False
        """Whether the newest request has no complete answer yet."""
        self._captions: dict[str, str] = {}
        self._words = LiveMapsText(self)
        self.patience = QTimer(self)
        self.patience.setSingleShot(True)
        self.patience.setInterval(PATIENCE)
        self.patience.timeout.connect(self._tell)
        panel.changed.connect(self.refresh)
        panel.recoloured.connect(self._show_map)
        panel.opacity_changed.connect(canvas.set_overlay_opacity)
        canvas_content.changed.connect(self.refresh)
        layers.loaded.connect(self._on_network)
        maps.answered.connect(self._on_answer)
        controller.state_changed.connect(self._on_state)
        studio.changed.connect(self._on_job)

    def bind(self, actions: dict[str, QAction]) -> None:
        """Keep the menu's switches for the maps in step with the panel's."""
        self._actions = actions
        for kind in KINDS:
            group = getattr(self.panel, kind)
            actions[kind].toggled.connect(group.setChecked)
            group.toggled.connect(actions[kind].setChecked)

    def watch(self, on: bool) -> None:
        """The panel came into view or left it: classes are computed only while it is visible."""
        self._watched = on
        if on:
            self.refresh()

    @Slot(object)
    def want_activations(self, map_settings: ActivationsRequest | None) -> None:
        """Also ask for a layer's activations; None: nobody is looking at them any more."""
        self._activations = map_settings
        if map_settings is not None:
            self.refresh()

    @Slot(object)
    def _on_network(self, loaded: LoadedNetwork) -> None:
        self.panel.set_layers(maps_of(loaded.layers))
        self.panel.set_classes(loaded.network.classes)
        self.refresh()

    @Slot(object, object)
    def _on_job(self, before: Job, after: Job) -> None:
        if network_key_of(before) != network_key_of(after):
            self._clear()

    @Slot(object)
    def _on_state(self, state: State) -> None:
        self.maps.run_active = state in (State.PREPARING, State.RUNNING, State.STOPPING)
        if state is State.IDLE:
            self.refresh()

    @Slot()
    def refresh(self) -> None:
        """Ask for maps and activations of what is on the canvas, if anybody is looking."""
        map_settings, target = self.panel.map_settings(), self.panel.target
        for kind in KINDS:
            if not getattr(map_settings, kind):
                self._lay(kind, None)
        here = self.layers.here
        classes = here is not None and bool(here.network.classes or map_settings.unit)
        if not classes:
            self._clear()
        looked = classes and bool(self._watched or map_settings.saliency or map_settings.grad_cam)
        if here is None or not (looked or self._activations):
            self._forget()
            return
        current = self.canvas_content.current
        image = current.image if current is not None else None
        content = self.canvas_content.content()
        if map_settings.of_content:
            image = content.image if content is not None else None
        if image is None or image.isNull():
            self._clear()
            return
        job, unit = self.studio.job, target.unit()
        nameless = target.of_unit and unit is None
        methods = () if nameless or not looked else map_settings.methods
        question = MapsRequest(
            PictureQuery(image, job.network, job.weights, job.device, job.preprocessing),
            Request(
                unit or map_settings.target, methods, map_settings.layer, map_settings.square,
                classes=looked, activations=self._activations,
            ),
            nameless,
        )  # fmt: skip
        self._drop_what_is_over(question)
        if looked and not self.awaited:
            self.patience.start()
        before, self._newest, self.awaited = self._newest, question, looked
        self.maps.ask(question)
        if before is not None and before.request.methods != methods:
            self._tell()  # at once, though the current one only ends at its next step

    # -- removing what is outdated --------------------------------------------------------

    @property
    def _moving(self) -> bool:
        """Whether pictures keep arriving: then maps stay until the next ones, so as not to flicker."""
        return self.maps.run_active or self.maps.live

    def _drop_what_is_over(self, now: MapsRequest) -> None:
        """Remove what is shown for a picture, target or method other than the current ones."""
        shown = self.answer
        if shown is not None and not self._fits(shown, now):
            if not shown.of_picture(now):
                self.panel.show_top((), None)
            self.answer = None
        for kind in KINDS:
            if self.answer is None or not self.answer.has_method(kind, now):
                self._lay(kind, None)
        self.answer = without_others(self.answer, now)
        if self.answer is not shown:
            self._tell()

    def _fits(self, answer: MapsAnswer, now: MapsRequest) -> bool:
        """Whether an answer is about the current picture and target, whatever its methods."""
        return answer.of_target(now) and (self._moving or answer.of_picture(now))

    @Slot()
    def _tell(self) -> None:
        """Say what is shown, what is missing, and what has been in the making for a while."""
        asked, progress = self._newest, ""
        slow = self.awaited and not self.patience.isActive()
        if asked is not None and slow and (not self._moving or self.answer is None):
            progress = self._words.progress(asked, self.answer)
        problem = self.panel.target.problem
        if not problem and self.answer is not None:
            problem = self.answer.problem
        wanted = asked is not None and bool(asked.request.methods)
        self.panel.say(self._words.line(self.answer, problem, progress), bool(progress) and wanted)

    # -- answers --------------------------------------------------------------------------

    @Slot(object)
    def _on_answer(self, answer: MapsAnswer) -> None:
        now, asked = self._newest, answer.question
        if (
            now is None
            or asked.query.network != self.studio.job.network
            or not asked.request.classes
        ):
            return
        if not self._fits(answer, now):
            return
        if not answer.unfinished and (asked is now or self._moving):
            self.awaited = False
            self.patience.stop()
        if not answer.top and answer.activation is None:
            self.answer = None
            for kind in KINDS:
                self._lay(kind, None)
            self.panel.say(answer.problem)
            return
        of_class = asked.unit is None and not asked.nameless
        self.panel.show_top(answer.top, answer.target if of_class else None)
        self.answer = without_others(answer, now)
        for kind in KINDS:
            self._show_map(kind)
        self._tell()

    @Slot(str)
    def _show_map(self, kind: str) -> None:
        """Lay a map over the picture in the chosen colours."""
        map_settings = self.panel.map_settings()
        if self.answer is not None:
            self.answer = self.answer.showing(map_settings.occlusion_shown)
        heat = getattr(self.answer, kind, None)
        if heat is None and self.answer is not None and self.answer.unfinished:
            return  # the previous map stays until this one has begun
        if self.answer is None or heat is None or not getattr(map_settings, kind):
            self._lay(kind, None)
            return
        if kind == "saliency":
            self.panel.occlusion.show_key(heat)
        look = getattr(map_settings, f"{kind}_colours"), getattr(map_settings, f"{kind}_threshold")
        self._lay(
            kind, heat_image(heat, *look), getattr(map_settings, f"{kind}_opacity"),
            self._words.caption(self.answer, heat),
        )  # fmt: skip

    def _lay(
        self, kind: str, image: QImage | None, opacity: float = 1.0, caption: str = ""
    ) -> None:
        """Lay a map's image over the picture with words about it, or remove both."""
        self.canvas.set_overlay(kind, image, opacity)
        self._captions[kind] = caption
        shown = [text for each in KINDS if (text := self._captions.get(each, ""))]
        if shown and self.answer is not None:
            shown.append(self._words.squeezed(self.answer))
        self.canvas.caption.set_text("   ".join(filter(None, shown)))
        if kind == "saliency" and image is None:
            self.panel.occlusion.show_key(None)
        self.maps_changed.emit()

    @Slot(str, object)
    def on_layer(self, name: str, _channel: object) -> None:
        """A layer was selected in the tree: Grad-CAM looks there."""
        self.panel.select_layer(name)

    @Slot(str, object)
    def on_unit(self, name: str, channel: int | None) -> None:
        """Let the maps explain a channel."""
        if channel is not None:
            self.panel.target.set_unit(str(UnitName(name, channel)))

    def switch(self, kind: str) -> None:
        """Turn a map on or off."""
        group = getattr(self.panel, kind)
        group.setChecked(not group.isChecked())

    def _forget(self) -> None:
        """Stop waiting for an answer."""
        self.maps.forget()
        self.awaited = False
        self.patience.stop()

    def _clear(self) -> None:
        """Remove what was said about another picture or network."""
        self._forget()
        self.answer = self._newest = None
        for kind in KINDS:
            self._lay(kind, None)
        self.panel.show_top((), None)
        self._tell()


def without_others(answer: MapsAnswer | None, now: MapsRequest) -> MapsAnswer | None:
    """Return an answer without the maps made by other methods than the current ones."""
    for kind in KINDS:
        if answer is not None and not answer.has_method(kind, now):
            answer = answer.without(kind)
    return answer


def maps_of(layers: "tuple[Layer, ...]") -> list[tuple[str, str]]:
    """Return (shown name, name) of every layer whose maps have more than one position."""
    found = []
    for top in layers:
        for layer in top.flat():
            if layer.size is not None and min(layer.size) > 1:
                found.append((layer.known_as, layer.known_as))
    return found
