"""What class visualization makes large: logits of the classes asked for."""

from collections.abc import Iterator
from typing import cast

from torch import Tensor

from engine.errors import BadInput
from engine.figure import Tile
from engine.networks.classes import find_class
from engine.networks.network import Network
from engine.objectives.activation import class_logit, diversity
from engine.parameterization.sheet import tiles_of
from engine.task import Frame, Stage, Task
from engine.techniques import ascent_steps
from engine.techniques.class_visualization import ClassVisualization


def find_classes(network: Network, text: str) -> list[int]:
    """Return the numbers of the classes in "dalmatian, pizza". Raises `BadInput`."""
    if not network.classes:
        raise BadInput(
            f"the weights of {network.card.name} on this machine hold no classifier; "
            "use a network with classes"
        )
    if text.strip().casefold() in (name.casefold() for name in network.classes):
        return [find_class(network, text)]  # some names have commas of their own
    parts = [part for part in text.split(",") if part.strip()]
    if not parts:
        raise BadInput(
            f"--class is empty; it takes a class of {network.card.name}, such as "
            f"{network.classes[0]}"
        )
    return [find_class(network, part) for part in parts]


class Logits:
    """The logit of each picture's class; copies of a class follow one another."""

    name = "logit"
    whole = False

    def __init__(self, network: Network, chosen: list[int], copies: int) -> None:
        """Ask for `copies` of each class `chosen`."""
        self.network = network
        self.classes = [c for c in chosen for _ in range(copies)]
        self.copies = copies
        self.count = len(self.classes)
        layers = [*network.card.dream_layers] or [*network.card.layers]
        self.layer = layers[-1] if layers else ""
        side = network.card.input_size
        network.calls((side, side))  # before any ReLU is redirected

    def __call__(self, view: Tensor, diverse: bool) -> tuple[Tensor, Tensor | None]:
        """Return the pictures' logits, and how alike copies are if `diverse` asks for it."""
        values = class_logit(self.network.logits(view), self.classes)
        if not diverse or self.copies == 1 or not self.layer:
            return values, None
        features = self.network.taps(view, [self.layer])[self.layer]
        likeness = [diversity(part) for part in features.split(self.copies)]
        return values, sum(likeness[1:], likeness[0])


def stages(settings: ClassVisualization, task: Task) -> list[Stage]:
    """Return the one stage of the run."""
    count = len(find_classes(task.network, settings.target)) * settings.copies
    return ascent_steps.stages(settings, count, task)


def frames(task: Task) -> Iterator[Frame]:
    """Yield a frame per iteration."""
    settings = cast(ClassVisualization, task.technique)
    chosen = find_classes(task.network, settings.target)
    yield from ascent_steps.frames(task, Logits(task.network, chosen, settings.copies))


def tiles(task: Task, picture: Tensor) -> list[Tile]:
    """Return the pictures of the sheet `picture` with the names of their classes."""
    settings = cast(ClassVisualization, task.technique)
    chosen = find_classes(task.network, settings.target)
    names = [task.network.classes[c] for c in chosen for _ in range(settings.copies)]
    pictures = tiles_of(picture, len(names), gap=ascent_steps.GAP)
    return [Tile(p, name) for p, name in zip(pictures, names, strict=True)]
