"""Parts of what the live maps answer; for their thread."""

from dataclasses import replace
from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication

from engine.attribution.registry import Method, find_method
from engine.attribution.square import SHOWN
from engine.attribution.unit_name import UnitName
from engine.errors import PareidoliaError
from gui.run.activation_grid import activation_grid
from gui.run.map_answers import MapsAnswer, MapsRequest
from gui.wording import worded

if TYPE_CHECKING:
    from torch import Tensor

    from engine.attribution.occluding import Occluded
    from engine.attribution.one_pass import Seen
    from engine.attribution.unit import Unit
    from engine.networks.network import Network


def grad_cam_layer(question: MapsRequest, network: "Network", size: tuple[int, int]) -> str:
    """Return where Grad-CAM of a class is wanted; empty: nowhere, or there is no such place."""
    from engine.networks.fitting import last_map

    if question.unit is not None or not question.wants("grad_cam"):
        return ""
    try:
        wanted = find_method(question.grad_cam).shares_pass
        return (question.layer or last_map(network, size)) if wanted else ""
    except PareidoliaError:  # said with the map
        return ""


def with_grid(
    answer: MapsAnswer, layer: str, network: "Network", picture: "Tensor", seen: "Seen | None"
) -> MapsAnswer:
    """Return the answer with a layer's activations: those `seen`, or of a pass of their own."""
    import torch

    request = answer.question.activations
    assert request is not None
    if seen is None:
        with torch.no_grad():
            found = network.taps(picture, [layer])[layer]
    else:
        found = seen.activations[layer]
    size = (picture.shape[2], picture.shape[3])
    try:
        grid = activation_grid(network, found, layer, size, request.together)
    except PareidoliaError as error:  # classes and maps may do
        return replace(answer, activations_problem=worded(error))
    return replace(answer, activations=grid)


def with_classes(answer: MapsAnswer, network: "Network", logits: "Tensor", most: int) -> MapsAnswer:
    """Return the answer with so many of the most likely classes, and the one that the maps are about."""
    from engine.networks.classes import probabilities

    chances = probabilities(logits.cpu().double())
    values, indices = chances.topk(min(most, len(chances)))
    top = tuple(
        (int(i), network.classes[int(i)], float(p)) for i, p in zip(indices, values, strict=True)
    )
    target = top[0][0] if answer.question.target is None else answer.question.target
    if not 0 <= target < len(network.classes):
        target = top[0][0]
    name, chance = network.classes[target], float(chances[target])
    return replace(answer, top=top, target=target, target_name=name, probability=chance)


def with_occlusion(
    answer: MapsAnswer, method: Method, network: "Network", found: "Occluded"
) -> MapsAnswer:
    """Return the answer with the maps of an occlusion."""
    from engine.attribution.companions import heats

    maps = heats(method, found, network.classes, in_words)
    share = found.done / found.total
    return replace(answer, saliency=maps[SHOWN[0]], occlusion=maps, share=share)


def with_unit(answer: MapsAnswer, network: "Network", x: "Tensor", unit: "Unit") -> MapsAnswer:
    """Return the answer with what a unit says of a picture, as `network.prepare` returns it.

    Raises `BadInput` where there is no such unit.
    """
    from engine.attribution.methods import located

    found, activation = located(network, x, unit)
    name = UnitName(found.layer, found.channel, found.position).words
    return replace(answer, target_name=name, activation=activation)


def in_words(text: str) -> str:
    """Return words of the engine's about a map in the person's language. Any thread may ask."""
    return QCoreApplication.translate("Maps", text)
