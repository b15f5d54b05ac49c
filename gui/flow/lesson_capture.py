"""Makes lesson steps from the picture on the canvas and the maps over it."""

from functools import partial
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, Signal, Slot
from PySide6.QtGui import QImage

from engine.attribution.heat import Heat
from engine.errors import PareidoliaError
from engine.networks.classes import percent
from gui.background import Background, BackgroundTask
from gui.flow.lesson_state import MapSnapshot, WindowSnapshot, map_settings_values, step_of
from gui.flow.live_maps import LiveMapsFlow
from gui.run.map_answers import KINDS, MapsAnswer
from gui.run.networks import network_key_of
from gui.session import job_to_values
from gui.studio import Studio
from gui.wording import worded


class LessonCapture(QObject):
    """Makes a step of what is shown, once the maps match the picture."""

    made = Signal(int, object)
    """The number of the step that it replaces (-1: none), and the `Step`."""
    said = Signal(str)
    failed = Signal(str)

    def __init__(
        self, studio: Studio, live_maps: LiveMapsFlow, background: Background, parent: QObject
    ) -> None:  # fmt: skip
        super().__init__(parent)
        self.studio, self.live_maps, self.background = studio, live_maps, background
        self._waiting: int | None = None
        """The step to replace as soon as the new one's maps are ready."""
        self._making: BackgroundTask | None = None
        live_maps.maps.answered.connect(self._on_answer)
        live_maps.panel.changed.connect(self._try)
        live_maps.canvas_content.changed.connect(self._try)
        live_maps.layers.loaded.connect(self._on_network)

    def cancel(self) -> None:
        """Cancel a step that is not ready yet."""
        self._waiting = None
        if self._making is not None:
            self._making.cancel()

    def take(self, row: int) -> None:
        """Make a step that replaces one, or a new one (-1)."""
        self._waiting = row
        self._try()
        if self._waiting is not None:
            self.said.emit(self.tr("Waiting for the maps…"))
            self.live_maps.refresh()  # an earlier answer may have found none

    @Slot(object)
    def _on_network(self, _loaded: object) -> None:
        self._try()

    @Slot()
    def _try(self) -> None:
        """Make the awaited step, if everything for it is ready."""
        if self._waiting is None:
            return
        current, here = self.live_maps.canvas_content.current, self.live_maps.layers.here
        map_settings = self.live_maps.panel.map_settings()
        if current is None or current.image.isNull():
            self._waiting = None
            self.failed.emit(self.tr("There is no picture to add as a step."))
        elif not (map_settings.saliency or map_settings.grad_cam) or (
            here and not here.network.classes and not map_settings.unit
        ):
            self._make(current.image, None)
        elif here is None:
            self._waiting = None
            self.failed.emit(self.tr("The network is still loading: try again in a moment."))
        else:
            answer = self.live_maps.answer
            asked = self._image_asked_about()
            if answer is None or asked is None or not self._is_answer(answer):
                return
            if asked.cacheKey() == answer.question.image.cacheKey():
                self._make(current.image, answer)

    def _image_asked_about(self) -> QImage | None:
        about: Any = self.live_maps.canvas_content.current
        if self.live_maps.panel.map_settings().of_content:
            about = self.live_maps.canvas_content.content()
        return None if about is None else about.image

    def _is_answer(self, answer: MapsAnswer) -> bool:
        """Whether an answer is complete and about the network, class, methods and layer chosen."""
        asked, panel = answer.question, self.live_maps.panel
        chosen, job = panel.map_settings(), self.studio.job
        about = asked.request
        same = (about.target, about.methods, about.layer, about.square) == (
            panel.target.unit() or chosen.target, () if asked.nameless else chosen.methods,
            chosen.layer, chosen.square,
        )  # fmt: skip
        network = asked.network_key == network_key_of(job)
        return same and network and not answer.unfinished

    @Slot(object)
    def _on_answer(self, answer: MapsAnswer) -> None:
        if self._waiting is None or not self._is_answer(answer):
            return
        if (
            self.live_maps.canvas_content.run_active
            and not self.live_maps.panel.map_settings().of_content
        ):
            # The run is further by now: the step shows the picture that the maps explain.
            shown = self.live_maps.panel.map_settings().occlusion_shown
            self._make(answer.question.image, answer.showing(shown))
        elif not answer.top and answer.activation is None:
            current = self.live_maps.canvas_content.current
            if current is not None:
                self._make(current.image, None)
        else:
            self._try()

    def _make(self, image: QImage, answer: MapsAnswer | None) -> None:
        row, self._waiting = self._waiting, None
        current = self.live_maps.canvas_content.current
        assert row is not None and current is not None
        maps = () if answer is None else self._maps(answer)
        shown = {"kind": current.kind, "iteration": current.iteration, "path": current.path}
        state = {
            "job": job_to_values(self.studio.job),
            "shown": shown,
            "sight": map_settings_values(self.live_maps.panel.map_settings()),
        }
        made = current.kind in ("frame", "moment")
        title = Path(current.path).stem
        if made:
            words = self.tr("{0}, iteration {1}")
            title = words.format(self.studio.technique.title, current.iteration)
        seen = WindowSnapshot(image, made, maps, title, state)
        self._making = self.background.submit(
            partial(step_of, seen), partial(self.made.emit, row), self._on_failed
        )

    def _maps(self, answer: MapsAnswer) -> tuple[MapSnapshot, ...]:
        map_settings, found = self.live_maps.panel.map_settings(), []
        for kind in KINDS:
            heat = getattr(answer, kind)
            if heat is not None:
                colours, threshold, opacity = (
                    getattr(map_settings, f"{kind}_{name}")
                    for name in ("colours", "threshold", "opacity")
                )
                caption = self._caption(answer, kind)
                found.append(MapSnapshot(heat, colours, threshold, opacity, caption))
        return tuple(found)

    def _caption(self, answer: MapsAnswer, kind: str) -> str:
        heat = getattr(answer, kind)
        activation = answer.activation
        size = percent(answer.probability) if activation is None else f"{activation:.4g}"
        parts = [self.tr("{0} for {1} ({2})").format(heat.title, answer.target_name, size)]
        if heat.method.takes_layer and answer.layer:
            parts.append(self.tr("layer {0}").format(answer.layer))
        parts.append(self.tr("network {0}").format(answer.question.query.network))
        if type(heat) is Heat:  # the other maps of an occlusion have keys of their own
            largest, reach = f"{heat.largest:.3g}", f"{heat.reach:.3g}"
            parts.append(self.tr("scale to {0}, maximum {1}").format(reach, largest))
        if heat.key:  # a figure has no legend
            parts.append(heat.key)
        current = self.live_maps.canvas_content.current
        if self.live_maps.panel.map_settings().of_content and current and current.kind != "content":
            parts.append(self.tr("of the content photo"))
        return ", ".join(parts)

    def _on_failed(self, error: BaseException) -> None:
        if not isinstance(error, (PareidoliaError, OSError)):
            raise error
        self.failed.emit(worded(error))
