"""A look is a job: one request, answers as they come."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from traceback import clear_frames
from typing import overload

import numpy as np
import torch
from torch import Tensor

from engine.attribution.asked import Question
from engine.attribution.class_activation import GradCamPass
from engine.attribution.companions import Words, heats
from engine.attribution.cut_out import Pointed
from engine.attribution.heat import Heat
from engine.attribution.methods import attribution_steps, layer_of, located, without_rule
from engine.attribution.one_pass import Seen, one_pass, too_much
from engine.attribution.registry import Method
from engine.attribution.square import SHOWN
from engine.attribution.unit import Unit
from engine.attribution.unit_name import UnitName
from engine.errors import BadInput, OutOfMemory, PareidoliaError, is_out_of_memory
from engine.looking.activation_grid import activation_grid, requested_layer
from engine.looking.answer import Answer, ComparisonAnswer, Size
from engine.looking.channel import channel_answer
from engine.looking.comparison import compared
from engine.looking.memory import LookMemory
from engine.looking.occluder import covered
from engine.looking.request import POINTING, ComparisonRequest, Request
from engine.looking.unit_field import unit_field
from engine.networks.classes import find_class, probabilities
from engine.networks.fitting import last_map, squeezed
from engine.networks.network import Network


@overload
def look(
    network: Network, picture: Tensor, request: Request, *,
    every: float = 0.0, words: Words = str, memory: LookMemory | None = None,
) -> Iterator[Answer]: ...  # fmt: skip
@overload
def look(
    network: Network | Sequence[Network], picture: Tensor, request: ComparisonRequest
) -> Iterator[ComparisonAnswer]: ...
def look(
    network: Network | Sequence[Network],
    picture: Tensor,
    request: Request | ComparisonRequest,
    *,
    every: float = 0.0,
    words: Words = str,
    memory: LookMemory | None = None,
) -> Iterator[Answer] | Iterator[ComparisonAnswer]:
    """Yield what a network says about a picture: each answer holds all that is known so far.

    The quick parts come first: places, activations and classes, all from one forward pass; then
    maps, slow ones last, an occlusion's as it grows. The last answer is not `unfinished`. Closing
    the generator stops the work between two steps and frees what it held.

    Args:
        network: left as it was found; for a comparison, one or several.
        picture: (3, H, W) or (1, 3, H, W), RGB in [0, 1] or in bytes, of any size.
        request: what is asked.
        every: seconds between two states of a map that grows. Steps in between repeat the previous
            answer, so that there are many moments at which to stop.
        words: translates the maps' explanations; by default nothing is translated.
        memory: that of the previous look, if this one may be about the same picture.

    Raises:
        BadInput: there is no such method, class, place or channel. The answer itself says why a map
            or activations are missing.
    """
    if isinstance(request, ComparisonRequest):
        networks = [network] if isinstance(network, Network) else list(network)
        return compared(networks, picture if picture.dim() == 4 else picture[None], request)
    assert isinstance(network, Network)
    return _Look(network, request, every, words, memory or LookMemory()).answers(picture)


class _Look:
    """One look; its parts add to the answer."""

    def __init__(
        self, network: Network, request: Request, every: float, words: Words, memory: LookMemory
    ) -> None:
        self.network, self.request, self.every = network, request, every
        self.words, self.memory = words, memory

    def answers(self, picture: Tensor) -> Iterator[Answer]:
        """Yield the answers."""
        request, network = self.request, self.network
        methods = request.rows  # raises before any work if there is no such method
        small = self.memory.fitted(network, picture, request.long_side)
        size = (small.shape[2], small.shape[3])
        answer = Answer(request, size, _squeezed(network, picture, request, size))
        answer = self._with_places(answer, small)
        layer = ""
        if request.activations is not None:
            try:
                layer = requested_layer(network, size, request.activations)
            except PareidoliaError as error:  # classes and maps may still work
                answer = replace(answer, activations_error=error)
        seen, of_unit = None, isinstance(request.target, UnitName)
        if (request.classes or (methods and not of_unit)) and (network.classes or not of_unit):
            cam_layer = self._cam_layer(methods, size)
            seen = one_pass(network, small, [layer] if layer else [], cam_layer)
        if layer:
            answer = self._with_activations(answer, layer, small, seen)
        places = (request.unit_field, request.occluder, request.channel, request.activations)
        if not (request.classes or methods or (of_unit and not any(places))):
            yield answer
            return
        x = network.prepare(small)
        if seen is not None:
            answer = self._with_classes(answer, seen.logits[0])
        if isinstance(request.target, UnitName):
            try:
                answer = self._with_unit(answer, x, request.target)
            except PareidoliaError as error:  # classes may still work
                yield replace(answer, error=error)
                return
        if methods:
            yield replace(answer, unfinished=True)
        known = None if seen is None else seen.cam
        del seen
        for number, method in enumerate(methods):
            if not any(later.shares_pass for later in methods[number:]):
                known = None  # its graph takes memory
            for grown in self._with_map(answer, method, x, known):
                answer = grown
                if grown.unfinished:
                    yield grown
        if request.pointed and POINTING in answer.maps:
            answer = replace(answer, pointed=_pointed(small, answer.maps[POINTING]))
        yield replace(answer, unfinished=False)

    def _with_places(self, answer: Answer, picture: Tensor) -> Answer:
        """Return the answer with what was asked about places and a channel."""
        request, network = self.request, self.network
        if request.unit_field is not None:
            found = unit_field(network, picture, request.unit_field, self.memory)
            answer = replace(answer, unit_field=found)
        if request.occluder is not None:
            answer = replace(answer, occluder=covered(network, picture, request, self.memory))
        if request.channel is not None:
            answer = replace(answer, channel=channel_answer(network, picture, request.channel))
        return answer

    def _cam_layer(self, methods: Sequence[Method], size: Size) -> str:
        """Return the layer that a class's methods share the pass for; empty if there is none."""
        wanted = any(method.shares_pass for method in methods)
        if isinstance(self.request.target, UnitName) or not wanted:
            return ""
        try:
            return self.request.layer or last_map(self.network, size)
        except PareidoliaError:  # the map will say so
            return ""

    def _with_activations(
        self, answer: Answer, layer: str, picture: Tensor, seen: Seen | None
    ) -> Answer:
        """Return the answer with a layer's activations: those `seen`, or from a pass of their own."""
        asked, network = self.request.activations, self.network
        assert asked is not None
        if seen is None:
            with torch.no_grad():
                found = network.taps(picture, [layer])[layer]
        else:
            found = seen.activations[layer]
        try:
            grid = activation_grid(network, found, layer, answer.looked_at, asked.together)
        except PareidoliaError as error:  # classes and maps may still work
            return replace(answer, activations_error=error)
        return replace(answer, activations=grid)

    def _with_classes(self, answer: Answer, logits: Tensor) -> Answer:
        """Return the answer with the most likely classes, and the one that the maps are about."""
        request, network = self.request, self.network
        chances = probabilities(logits.detach().cpu().double())
        values, indices = chances.topk(min(request.top, len(chances)))
        top = tuple(
            (int(i), network.classes[int(i)], float(p))
            for i, p in zip(indices, values, strict=True)
        )
        target = top[0][0]
        if isinstance(request.target, str):
            target = find_class(network, request.target)
        elif isinstance(request.target, int):
            target = request.target
            if not 0 <= target < len(network.classes):
                last = len(network.classes) - 1
                raise BadInput(
                    f"there is no class {target}: {network.card.name} has classes 0 to {last}"
                )
        name, chance = network.classes[target], float(chances[target])
        return replace(answer, top=top, target=target, target_name=name, probability=chance)

    def _with_unit(self, answer: Answer, x: Tensor, name: UnitName) -> Answer:
        """Return the answer with what a unit says. Raises `BadInput` if there is no such unit."""
        found, activation = located(self.network, x, Unit.named(name))
        return replace(answer, unit=found.name, target_name=found.name.words, activation=activation)

    def _with_map(
        self, answer: Answer, method: Method, x: Tensor, known: GradCamPass | None
    ) -> Iterator[Answer]:
        """Yield the answer with a map added, as it grows; or with the reason why there is none."""
        try:
            for now in self._steps(answer, method, x, known if method.shares_pass else None):
                answer = now
                yield answer
        except PareidoliaError as error:  # the other maps may still work
            yield replace(answer, error=error, unfinished=False)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            clear_frames(error.__traceback__)
            short = OutOfMemory(too_much(method.title, self.network, answer.looked_at))
            yield replace(answer, error=short, unfinished=False)

    def _steps(
        self, answer: Answer, method: Method, x: Tensor, known: GradCamPass | None
    ) -> Iterator[Answer]:
        request, network = self.request, self.network
        size = answer.looked_at
        window, stride = request.square.pixels(size, request.window)
        target = answer.target
        about = Question(
            Unit.named(request.target) if isinstance(request.target, UnitName) else target,
            request.layer, window, request.stride or stride, request.square.fill,
        )  # fmt: skip
        if method.takes_layer:
            layer = self._layer_of(x, about)
            about = replace(about, layer=layer)
            shape = network.calls(size)[network.resolve(layer)].shape
            grid = (shape[2], shape[3]) if method.coarse and len(shape) == 4 else None
            answer = replace(answer, layer=layer, grid=grid)
        plain = dict.fromkeys((*answer.plain, *without_rule(method, network, x)))
        answer = replace(answer, plain=tuple(plain))
        shown = -float("inf")
        for step in attribution_steps(method, network, x, about, known):
            last = step.values is not None
            now = time.perf_counter()
            if step.occluded is not None and (last or now - shown >= self.every):
                shown = now
                maps = heats(method, step.occluded, network.classes, self.words)
                answer = replace(
                    answer, occlusion=maps, occluded=step.occluded,
                    maps={**answer.maps, method.command: maps[SHOWN[0]]},
                    share=step.done / step.total,
                )  # fmt: skip
            if step.values is not None:
                values = step.values.numpy()
                answer = replace(answer, raw={**answer.raw, method.command: values})
                if step.occluded is None:
                    heat = Heat.of(method, step.values)
                    answer = replace(answer, maps={**answer.maps, method.command: heat})
                if method.of_layer and not values.any():
                    self.memory.cam_layers.clear()  # a guess, for a unit that is silent here
            yield replace(answer, unfinished=not last)

    def _layer_of(self, x: Tensor, about: Question) -> str:
        """Return the layer that the CAM family looks at."""
        if about.layer or isinstance(about.target, int):
            return layer_of(self.network, x, about)
        key = (about.target.layer, about.target.channel, (x.shape[2], x.shape[3]))
        if key not in self.memory.cam_layers:
            self.memory.cam_layers[key] = layer_of(self.network, x, about)
        return self.memory.cam_layers[key]


def _pointed(picture: Tensor, heat: Heat) -> Pointed:
    """Return a picture (1, 3, H, W) in bytes with the map that points at something in it."""
    pixels = np.rint(picture[0].permute(1, 2, 0).cpu().numpy() * np.float32(255))
    return Pointed(pixels.astype(np.uint8), heat.values)


def _squeezed(network: Network, picture: Tensor, request: Request, size: Size) -> Size | None:
    """Return the size at which a picture is seen if that distorts it; otherwise None."""
    if request.long_side is not None:
        return None
    return size if squeezed(network, picture.shape[-1], picture.shape[-2]) else None
