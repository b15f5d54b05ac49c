"""Live maps of what the network looks at: computed on a thread of their own, at the run's leisure.

While a run is under way, maps are made at most twice a second and so seldom that they take at most
a tenth of the time.
"""

import time
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, QThread, QTimer, Signal, Slot
from PySide6.QtGui import QImage

from engine.errors import PareidoliaError
from engine.heat import Heat, Method, UnitName, find_method
from gui.pixels import to_array
from gui.run.activation_grid import ActivationGrid, GridWish, activation_grid
from gui.run.networks import Networks

if TYPE_CHECKING:
    from torch import Tensor

    from engine.attribution.unit import Unit
    from engine.networks.network import Network

AT_MOST_EVERY = 0.5
"""Seconds between two maps during a run."""
SHARE = 0.1
"""Of the time, that maps may take during a run."""
TOP = 5
PARTIAL_EVERY = 0.2
"""Seconds between two states of a map that grows."""


@dataclass(frozen=True)
class Question:
    """What is to be looked at, with what."""

    image: QImage
    network: str
    weights: str | None
    device: str
    target: int | None
    """A class by number; None: the most likely one."""
    saliency: str = ""
    """A method of `engine.heat.METHODS` that looks at pixels; empty: none."""
    grad_cam: str = ""
    """One that looks at a layer; empty: none."""
    layer: str = ""
    """Empty: the last layer that has a map."""
    activations: GridWish | None = None
    """Whose channels are wanted."""
    classes: bool = True
    """Whether classes and maps are wanted, not the activations alone."""
    unit: UnitName | None = None
    """What the maps are about instead of the class."""


@dataclass(frozen=True)
class Answer:
    """Most likely classes, the maps, and a layer's activations."""

    question: Question
    top: tuple[tuple[int, str, float], ...] = ()
    """Number, name, probability."""
    target: int = 0
    target_name: str = ""
    probability: float = 0.0
    layer: str = ""
    saliency: Heat | None = None
    grad_cam: Heat | None = None
    problem: str = ""
    """Why a map, or everything when `top` is empty, is missing."""
    unfinished: bool = False
    """Whether more is to come: of an occlusion map, or the maps after the activations."""
    activations: ActivationGrid | None = None
    activations_problem: str = ""
    """Why they are missing."""
    activation: float | None = None
    """Of the unit that the maps are about; then `target_name` is the unit's, with its place."""
    grid: tuple[int, int] | None = None
    """Rows and columns of the layer that Grad-CAM looked at."""
    plain: tuple[str, ...] = ()
    """Activations for which a map's method has no rule."""


class MapsWorker(QObject):
    """Lives on the maps' thread."""

    answered = Signal(object, float)
    """`Answer`, seconds that it took."""
    grown = Signal(object)
    """`Answer` that is not finished."""

    def __init__(self, networks: Networks) -> None:
        super().__init__()
        self._networks = networks
        self.stopped = False
        """Set by the window's thread when nobody waits for an answer any more."""
        self._published = 0.0
        self._twin: tuple[Network, str, Network] | None = None

    @Slot(object)
    def answer(self, question: Question) -> None:
        """Make the maps. Never raises."""
        began = time.perf_counter()
        try:
            answer = self._answer(question)
        except PareidoliaError as error:
            answer = Answer(question, problem=str(error))
        except Exception as error:  # maps are an extra: the window says why there are none
            answer = Answer(question, problem=f"{type(error).__name__}: {error}")
        self.answered.emit(answer, time.perf_counter() - began)

    def _answer(self, question: Question) -> Answer:
        import torch

        network = self._network(question)
        picture = fitting(question.image, network)
        answer = Answer(question)
        if question.activations is not None:
            try:
                grid = activation_grid(network, picture, question.activations)
                answer = replace(answer, activations=grid)
            except PareidoliaError as error:  # classes and maps may do
                answer = replace(answer, activations_problem=str(error))
        if not question.classes:
            return answer
        x = network.prepare(picture)
        if network.classes or question.unit is None:
            with torch.no_grad():
                probabilities = network.logits(picture)[0].cpu().double().softmax(0)
            values, indices = probabilities.topk(min(TOP, len(probabilities)))
            top = tuple(
                (int(i), network.classes[int(i)], float(p))
                for i, p in zip(indices, values, strict=True)
            )
            target = top[0][0] if question.target is None else question.target
            if not 0 <= target < len(network.classes):
                target = top[0][0]
            name, chance = network.classes[target], float(probabilities[target])
            answer = replace(answer, top=top, target=target, target_name=name, probability=chance)
        if question.unit is not None:
            from engine.attribution.methods import located

            unit, activation = located(network, x, unit_of(question.unit))
            name = UnitName(unit.layer, unit.channel, unit.position).words
            answer = replace(answer, target_name=name, activation=activation)
        if question.activations is not None and question.saliency:  # which may take long
            self.grown.emit(replace(answer, unfinished=True))
        for kind in ("grad_cam", "saliency"):  # what may take long comes last
            if getattr(question, kind):
                try:
                    answer = self._with_map(answer, kind, network, x)
                except PareidoliaError as error:  # the other map may do
                    answer = replace(answer, problem=str(error))
        return answer

    def _with_map(self, answer: Answer, kind: str, network: "Network", x: "Tensor") -> Answer:
        """Return the answer with a map added; without it when stopped."""
        from engine.attribution.methods import Question as About
        from engine.attribution.methods import attribute, layer_of, without_rule

        method, unit = find_method(getattr(answer.question, kind)), answer.question.unit
        about = About(answer.target if unit is None else unit_of(unit), answer.question.layer)
        if method.of_layer and method.command != "cam":
            about = replace(about, layer=layer_of(network, x, about))
        values = attribute(
            method, network, x, about,
            publish=partial(self._publish, answer, kind, method), stopped=self._is_stopped,
        )  # fmt: skip
        if values is None:
            return answer
        if about.layer and method.of_layer:
            call = network.calls((x.shape[2], x.shape[3]))[network.resolve(about.layer)]
            grid = (call.shape[2], call.shape[3]) if method.command == "grad-cam" else None
            answer = replace(answer, layer=about.layer, grid=grid)
        plain = dict.fromkeys((*answer.plain, *without_rule(method, network, x)))
        answer = replace(answer, plain=tuple(plain))
        return replace(answer, **{kind: Heat.of(method, values)})

    def _publish(self, answer: Answer, kind: str, method: Method, values: "Tensor") -> None:
        """Hand out a map that is still growing, at most every so often."""
        now = time.perf_counter()
        if now - self._published < PARTIAL_EVERY:
            return
        self._published = now
        heat = Heat.of(method, values)
        self.grown.emit(replace(answer, unfinished=True, **{kind: heat}))

    def _is_stopped(self) -> bool:
        return self.stopped

    def _network(self, question: Question) -> "Network":
        import torch

        from engine.device import choose_device

        shared = self._networks.get(question.network, question.weights)
        device = choose_device(question.device)
        if self._twin is None or self._twin[:2] != (shared, device.type):
            own = shared.twin() if device.type == "cpu" else shared
            self._twin = (shared, device.type, own.at(device, torch.float32))
        return self._twin[2]


def unit_of(name: UnitName) -> "Unit":
    """Return the unit that a name means."""
    from engine.attribution.unit import Unit

    return Unit(name.layer, name.channel, name.position)


def fitting(image: QImage, network: "Network") -> "Tensor":
    """Return the picture (1, 3, H, W) at the size that suits the network, on its device."""
    import torch

    from engine.networks.fitting import fitting_size

    height, width = fitting_size(network, image.width(), image.height())
    smooth = Qt.TransformationMode.SmoothTransformation
    resized = image.scaled(width, height, Qt.AspectRatioMode.IgnoreAspectRatio, smooth)
    pixels = torch.from_numpy(to_array(resized)[..., :3].copy())
    return pixels.permute(2, 0, 1)[None].float().div(255).to(network.device)


class MapsController(QObject):
    """Takes questions, the newest of which counts; lives in the GUI thread."""

    answered = Signal(object)
    """`Answer`; also one that is not finished."""

    _asked = Signal(object)

    def __init__(self, networks: Networks, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.run_active = False
        self._thread = QThread(self)
        self._thread.setObjectName("maps")
        self._worker = MapsWorker(networks)
        self._worker.moveToThread(self._thread)
        self._asked.connect(self._worker.answer, Qt.ConnectionType.QueuedConnection)
        self._worker.answered.connect(self._on_answered)
        self._worker.grown.connect(self._on_grown)
        self._pending: Question | None = None
        self._busy = False
        self._not_before = 0.0
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._send)
        self._thread.start()

    def ask(self, question: Question) -> None:
        """Have a question answered when the worker is free and it is time."""
        self._pending = question
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
        question, self._pending = self._pending, None
        self._busy = True
        self._asked.emit(question)

    @Slot(object)
    def _on_grown(self, answer: Answer) -> None:
        if self._pending is None:  # nobody has asked for something else meanwhile
            self.answered.emit(answer)

    @Slot(object, float)
    def _on_answered(self, answer: Answer, seconds: float) -> None:
        self._busy = False
        pause = max(AT_MOST_EVERY - seconds, seconds / SHARE - seconds) if self.run_active else 0.0
        self._not_before = time.monotonic() + max(0.0, pause)
        self.answered.emit(answer)
        self._schedule()

    def _schedule(self) -> None:
        if self._pending is None or self._busy:
            return
        wait = self._not_before - time.monotonic() if self.run_active else 0.0
        self._timer.start(max(0, round(wait * 1000)))
