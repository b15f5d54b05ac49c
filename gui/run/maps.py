"""Live maps of what the network looks at: computed on a thread of their own, at the run's leisure.

While a run is under way, maps are made at most twice a second and so seldom that they take at most
a tenth of the time.
"""

import time
from collections import deque
from dataclasses import replace
from functools import partial
from traceback import clear_frames
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Qt, QThread, QTimer, Signal, Slot
from PySide6.QtGui import QImage

from engine.attribution.heat import Heat
from engine.attribution.registry import Method, find_method
from engine.attribution.unit_name import UnitName
from engine.errors import PareidoliaError, is_out_of_memory
from gui.pixels import picture_of, to_array
from gui.run.activation_grid import requested_layer
from gui.run.map_answers import MapsAnswer, MapsRequest
from gui.run.map_parts import grad_cam_layer, with_classes, with_grid, with_occlusion, with_unit
from gui.run.networks import Networks
from gui.wording import worded

if TYPE_CHECKING:
    from torch import Tensor

    from engine.attribution.class_activation import GradCamPass
    from engine.attribution.methods import Question as About
    from engine.attribution.occluding import Occluded
    from engine.attribution.unit import Unit
    from engine.networks.network import Network

Size = tuple[int, int]
"""Height and width in pixels."""
AT_MOST_EVERY = 0.5
"""Seconds between two maps during a run."""
SHARE = 0.1
"""Of the time, that maps may take during a run."""
TOP = 5
PARTIAL_EVERY = 0.2
"""Seconds between two states of a map that grows."""


class MapsWorker(QObject):
    """Lives on the maps' thread."""

    answered = Signal(object, float)
    """`MapsAnswer`, seconds that it took."""
    grown = Signal(object)
    """`MapsAnswer` that is not finished."""

    def __init__(self, networks: Networks) -> None:
        super().__init__()
        self._networks = networks
        self.stopped = False
        """Set by the window's thread when nobody waits for an answer any more."""
        self.given_up = False
        """Set by it when something else is wanted instead of the answer under way."""
        self._published = 0.0
        self._twin: tuple[Network, str, Network] | None = None
        self._before: dict[tuple[str, int, Size], str] = {}
        """Where Grad-CAM looks for a layer's channel in pictures of a size: found by trying."""

    @Slot(object)
    def answer(self, question: MapsRequest) -> None:
        """Make the maps. Never raises."""
        began = time.perf_counter()
        try:
            answer = self._answer(question)
        except PareidoliaError as error:
            answer = MapsAnswer(question, problem=worded(error))
        except Exception as error:  # maps are an extra: the window says why there are none
            answer = MapsAnswer(question, problem=f"{type(error).__name__}: {error}")
        self.answered.emit(answer, time.perf_counter() - began)

    def _answer(self, question: MapsRequest) -> MapsAnswer:
        from engine.attribution.one_pass import one_pass, too_much

        network = self._network(question)
        picture = fitting(question.image, network)
        size = (picture.shape[2], picture.shape[3])
        answer, layer = (
            MapsAnswer(question, squeezed=squeezed_to(question.image, network, size)),
            "",
        )
        if question.activations is not None:
            try:
                layer = requested_layer(network, size, question.activations)
            except PareidoliaError as error:  # classes and maps may do
                answer = replace(answer, activations_problem=worded(error))
        seen = None
        if question.classes and (network.classes or question.unit is None):
            cam_layer = grad_cam_layer(question, network, size)
            seen = one_pass(network, picture, [layer] if layer else [], cam_layer)
        if layer:
            answer = with_grid(answer, layer, network, picture, seen)
        if not question.classes:
            return answer
        x = network.prepare(picture)
        if seen is not None:
            answer = with_classes(answer, network, seen.logits[0], TOP)
        if question.unit is not None:
            try:
                answer = with_unit(answer, network, x, unit_of(question.unit))
            except PareidoliaError as error:  # classes may do
                return replace(answer, problem=worded(error))
        if question.slow or (question.activations is not None and question.wants("saliency")):
            self.grown.emit(replace(answer, unfinished=True))
        known = None if seen is None else seen.cam
        del seen
        for kind in ("grad_cam", "saliency"):  # what may take long comes last
            if question.wants(kind):
                try:
                    answer = self._with_map(answer, kind, network, x, known)
                except PareidoliaError as error:  # the other map may do
                    answer = replace(answer, problem=worded(error))
                except (RuntimeError, MemoryError) as error:
                    if not is_out_of_memory(error):
                        raise
                    clear_frames(error.__traceback__)
                    method = find_method(getattr(question, kind)).title
                    answer = replace(answer, problem=too_much(method, network, size))
            known = None  # its graph takes memory
        return answer

    def _with_map(
        self, answer: MapsAnswer, kind: str, network: "Network", x: "Tensor",
        known: "GradCamPass | None",
    ) -> MapsAnswer:  # fmt: skip
        """Return the answer with a map added; without it when stopped."""
        from engine.attribution.methods import Question as About
        from engine.attribution.methods import attribute, without_rule

        method, unit = find_method(getattr(answer.question, kind)), answer.question.unit
        square = answer.question.occlusion
        about = About(
            answer.target if unit is None else unit_of(unit), answer.question.layer,
            *square.pixels((x.shape[2], x.shape[3])), square.fill,
        )  # fmt: skip
        if method.takes_layer:
            about = replace(about, layer=self._layer_of(network, x, about))
        covered: deque[Occluded] = deque(maxlen=1)
        values = attribute(
            method, network, x, about, stopped=self._is_stopped,
            publish=partial(self._publish, answer, method, network, covered), known=known,
        )  # fmt: skip
        if values is None:
            return replace(answer, unfinished=True)
        if method.of_layer and not values.any():
            self._before.clear()  # of a unit that is silent here, the layer was a guess
        if about.layer and method.of_layer:
            call = network.calls((x.shape[2], x.shape[3]))[network.resolve(about.layer)]
            grid = (call.shape[2], call.shape[3]) if method.coarse else None
            answer = replace(answer, layer=about.layer, grid=grid)
        plain = dict.fromkeys((*answer.plain, *without_rule(method, network, x)))
        answer = replace(answer, plain=tuple(plain))
        if covered:
            return with_occlusion(answer, method, network, covered[0])
        made: dict[str, Any] = {kind: Heat.of(method, values)}
        return replace(answer, **made)

    def _layer_of(self, network: "Network", x: "Tensor", about: "About") -> str:
        """Return the layer that the CAM family looks at."""
        from engine.attribution.methods import layer_of

        if about.layer or isinstance(about.target, int):
            return layer_of(network, x, about)
        key = (about.target.layer, about.target.channel, (x.shape[2], x.shape[3]))
        if key not in self._before:
            self._before[key] = layer_of(network, x, about)
        return self._before[key]

    def _publish(
        self, answer: MapsAnswer, method: Method, network: "Network", covered: "deque[Occluded]",
        found: "Occluded",
    ) -> None:  # fmt: skip
        """Keep what an occlusion has found; hand out its maps as they grow, every so often."""
        covered.append(found)
        now = time.perf_counter()
        if now - self._published >= PARTIAL_EVERY:
            self._published = now
            self.grown.emit(
                replace(with_occlusion(answer, method, network, found), unfinished=True)
            )

    def _is_stopped(self) -> bool:
        return self.stopped or self.given_up

    def _network(self, question: MapsRequest) -> "Network":
        import torch

        from engine.device import choose_device

        shared = self._networks.get(*question.network_key)
        device = choose_device(question.device)
        if self._twin is None or self._twin[:2] != (shared, device.type):
            own = shared.twin() if device.type == "cpu" else shared
            self._twin = (shared, device.type, own.at(device, torch.float32))
            self._before.clear()
        return self._twin[2]


def unit_of(name: UnitName) -> "Unit":
    """Return the unit that a name means."""
    from engine.attribution.unit import Unit

    return Unit(name.layer, name.channel, name.position)


def fitting(image: QImage, network: "Network") -> "Tensor":
    """Return the picture (1, 3, H, W) at the size that suits the network, on its device."""
    import torch

    from engine.networks.fitting import fitted

    if image.hasAlphaChannel():  # what is invisible decides nothing
        return fitted(network, picture_of(image).tensor()[None])
    pixels = torch.from_numpy(to_array(image)).permute(2, 0, 1)
    return fitted(network, pixels[None, :3])


def squeezed_to(image: QImage, network: "Network", size: Size) -> Size | None:
    """Return the size that a picture is seen at where it loses its proportions by that; else None."""
    from engine.networks.fitting import squeezed

    return size if squeezed(network, image.width(), image.height()) else None


class MapsController(QObject):
    """Takes questions, the newest of which counts; lives in the GUI thread."""

    answered = Signal(object)
    """`MapsAnswer`; also one that is not finished."""

    _asked = Signal(object)

    def __init__(self, networks: Networks, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.run_active = False
        self.live = False
        """Whether a camera or a film changes the picture all the time."""
        self._thread = QThread(self)
        self._thread.setObjectName("maps")
        self._worker = MapsWorker(networks)
        self._worker.moveToThread(self._thread)
        self._asked.connect(self._worker.answer, Qt.ConnectionType.QueuedConnection)
        self._worker.answered.connect(self._on_answered)
        self._worker.grown.connect(self._on_grown)
        self._pending: MapsRequest | None = None
        self._under_way: MapsRequest | None = None
        self._busy = False
        self._not_before = 0.0
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._send)
        self._thread.start()

    def ask(self, question: MapsRequest) -> None:
        """Have a question answered when the worker is free and it is time.

        An occlusion under way is given up for it; where pictures come by themselves, only if other
        maps are wanted, or none would ever be finished.
        """
        self._pending = question
        now = self._under_way
        if now is not None:
            moving = self.run_active or self.live
            other = question.image.cacheKey() != now.image.cacheKey() and not moving
            self._worker.given_up = other or not question.asks_for_the_same(now)
        self._schedule()

    def forget(self) -> None:
        """Drop a question that is not under way yet."""
        self._pending = None
        self._timer.stop()

    def close(self) -> None:
        """End the thread after the answer under way."""
        self.forget()
        self._worker.stopped = True
        self._thread.quit()
        self._thread.wait()

    @Slot()
    def _send(self) -> None:
        if self._pending is None or self._busy:
            return
        self._under_way, self._pending = self._pending, None
        self._busy = True
        self._worker.given_up = False
        self._asked.emit(self._under_way)

    @Slot(object)
    def _on_grown(self, answer: MapsAnswer) -> None:
        if not self._worker.given_up:
            self.answered.emit(answer)

    @Slot(object, float)
    def _on_answered(self, answer: MapsAnswer, seconds: float) -> None:
        self._busy, self._under_way = False, None
        pause = max(AT_MOST_EVERY - seconds, seconds / SHARE - seconds) if self.run_active else 0.0
        self._not_before = time.monotonic() + max(0.0, pause)
        self.answered.emit(answer)
        self._schedule()

    def _schedule(self) -> None:
        if self._pending is None or self._busy:
            return
        wait = self._not_before - time.monotonic() if self.run_active else 0.0
        self._timer.start(max(0, round(wait * 1000)))
