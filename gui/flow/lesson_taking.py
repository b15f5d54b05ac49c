"""Steps of a lesson are made here: of the picture on the canvas and the maps over it."""

from functools import partial
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, Signal, Slot
from PySide6.QtGui import QImage

from engine.errors import PareidoliaError
from engine.heat import Heat, percent
from gui.background import Background, Ticket
from gui.flow.lesson_state import Seen, SeenMap, step_of, wish_values
from gui.flow.sight import KINDS, SightFlow, as_wished
from gui.run.maps import Answer
from gui.run.networks import eye_of
from gui.session import job_to_values
from gui.studio import Studio


class LessonTaking(QObject):
    """Takes what is shown as a step; waits until the maps are about the picture shown."""

    made = Signal(int, object)
    """The step that it takes the place of (-1: of none), `Step`."""
    said = Signal(str)
    failed = Signal(str)

    def __init__(
        self, studio: Studio, sight: SightFlow, background: Background, parent: QObject
    ) -> None:  # fmt: skip
        super().__init__(parent)
        self.studio, self.sight, self.background = studio, sight, background
        self._waiting: int | None = None
        """A step is to be made as soon as its maps are there: in place of which one."""
        self._making: Ticket | None = None
        sight.maps.answered.connect(self._on_answer)
        sight.panel.changed.connect(self._try)
        sight.showing.changed.connect(self._try)
        sight.layers.loaded.connect(self._on_network)

    def cancel(self) -> None:
        """Give up a step that is not ready yet."""
        self._waiting = None
        if self._making is not None:
            self._making.cancel()

    def take(self, row: int) -> None:
        """Make a step in place of one, or a new one (-1)."""
        self._waiting = row
        self._try()
        if self._waiting is not None:
            self.said.emit(self.tr("Waiting for the maps…"))
            self.sight.refresh()  # an earlier answer may have been that there is none

    @Slot(object)
    def _on_network(self, _loaded: object) -> None:
        self._try()

    @Slot()
    def _try(self) -> None:
        """Make the step that is waited for, if all of it is there."""
        if self._waiting is None:
            return
        current, here = self.sight.showing.current, self.sight.layers.here
        wish = self.sight.panel.wish()
        if current is None or current.image.isNull():
            self._waiting = None
            self.failed.emit(self.tr("There is no picture to make a step of."))
        elif not (wish.saliency or wish.grad_cam) or (
            here and not here.network.classes and not wish.unit
        ):
            self._make(current.image, None)
        elif here is None:
            self._waiting = None
            self.failed.emit(self.tr("The network is not there yet: try again in a moment."))
        else:
            answer = self.sight.answer
            asked = self._image_asked_about()
            if answer is None or asked is None or not self._is_answer(answer):
                return
            if asked.cacheKey() == answer.question.image.cacheKey():
                self._make(current.image, answer)

    def _image_asked_about(self) -> QImage | None:
        about: Any = self.sight.showing.current
        if self.sight.panel.wish().of_content:
            about = self.sight.showing.content()
        return None if about is None else about.image

    def _is_answer(self, answer: Answer) -> bool:
        """Whether an answer is a whole one about the network, class, methods and layer chosen."""
        asked, wish, job = answer.question, self.sight.panel.wish(), self.studio.job
        about = (asked.target, asked.unit, asked.saliency, asked.grad_cam, asked.layer)
        same = (*about, asked.occlusion) == (
            wish.target, self.sight.panel.target.unit(), wish.saliency, wish.grad_cam, wish.layer,
            wish.square,
        )  # fmt: skip
        network = asked.eye == eye_of(job)
        return same and network and not answer.unfinished

    @Slot(object)
    def _on_answer(self, answer: Answer) -> None:
        if self._waiting is None or not self._is_answer(answer):
            return
        if self.sight.showing.run_active and not self.sight.panel.wish().of_content:
            # The run is further already: the step shows the picture that the maps are about.
            self._make(answer.question.image, as_wished(answer, self.sight.panel.wish()))
        elif not answer.top and answer.activation is None:
            current = self.sight.showing.current
            if current is not None:
                self._make(current.image, None)
        else:
            self._try()

    def _make(self, image: QImage, answer: Answer | None) -> None:
        row, self._waiting = self._waiting, None
        current = self.sight.showing.current
        assert row is not None and current is not None
        maps = () if answer is None else self._maps(answer)
        shown = {"kind": current.kind, "iteration": current.iteration, "path": current.path}
        state = {
            "job": job_to_values(self.studio.job),
            "shown": shown,
            "sight": wish_values(self.sight.panel.wish()),
        }
        made = current.kind in ("frame", "moment")
        title = Path(current.path).stem
        if made:
            words = self.tr("{0}, iteration {1}")
            title = words.format(self.studio.technique.title, current.iteration)
        seen = Seen(image, made, maps, title, state)
        self._making = self.background.submit(
            partial(step_of, seen), partial(self.made.emit, row), self._on_failed
        )

    def _maps(self, answer: Answer) -> tuple[SeenMap, ...]:
        wish, found = self.sight.panel.wish(), []
        for kind in KINDS:
            heat = getattr(answer, kind)
            if heat is not None:
                colours, threshold, opacity = (
                    getattr(wish, f"{kind}_{name}") for name in ("colours", "threshold", "opacity")
                )
                caption = self._caption(answer, kind)
                found.append(SeenMap(heat, colours, threshold, opacity, caption))
        return tuple(found)

    def _caption(self, answer: Answer, kind: str) -> str:
        heat = getattr(answer, kind)
        activation = answer.activation
        size = percent(answer.probability) if activation is None else f"{activation:.4g}"
        parts = [self.tr("{0} for {1} ({2})").format(heat.title, answer.target_name, size)]
        if heat.method.of_layer and heat.method.command != "cam" and answer.layer:
            parts.append(self.tr("layer {0}").format(answer.layer))
        parts.append(self.tr("network {0}").format(answer.question.network))
        if type(heat) is Heat:  # the companions of an occlusion have keys of their own
            largest, reach = f"{heat.largest:.3g}", f"{heat.reach:.3g}"
            parts.append(self.tr("colours up to {0}, largest {1}").format(reach, largest))
        if heat.key:  # a figure has no legend
            parts.append(heat.key)
        current = self.sight.showing.current
        if self.sight.panel.wish().of_content and current and current.kind != "content":
            parts.append(self.tr("looking at the content photo"))
        return ", ".join(parts)

    def _on_failed(self, error: BaseException) -> None:
        if not isinstance(error, (PareidoliaError, OSError)):
            raise error
        self.failed.emit(str(error))
