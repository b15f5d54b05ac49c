"""What class visualization maximizes: the logits of the chosen classes."""

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from engine.errors import BadInput
from engine.figure import Tile, contact_sheet
from engine.image import Picture
from engine.networks.classes import find_class
from engine.networks.network import Network
from engine.objectives.activation import class_margin, diversity
from engine.parameterization.sheet import tiles_of
from engine.settings import mention
from engine.task import Frame, Labels, Stage, Steps, Task, square_labels
from engine.techniques.ascent import steps as ascent_steps
from engine.techniques.ascent.importance import faded, importance
from engine.techniques.ascent.start_steps import first_pictures
from engine.techniques.class_visualization.settings import ClassVisualization

SHARE_DEVIATION = 0.05
"""Deviation of the views' sizes about the scheduled one, and the least size (MACO's)."""


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
            mention(ClassVisualization, "target"),
            f" is empty; enter a class of {network.card.name}, such as {network.classes[0]}",
        )
    return [find_class(network, part) for part in parts]


class Logits:
    """The logit of each picture's class; copies of a class follow one another."""

    whole = False

    def __init__(
        self,
        network: Network,
        chosen: list[int],
        copies: int,
        rivals: float = 0.0,
        against: bool = False,
    ) -> None:
        """Ask for `copies` of each class `chosen`, minus `rivals` times the likeliest other one.

        `against`: ask for what counts against the class, that is, the negative of its logit.
        """
        self.network, self.against = network, against
        self.rivals = 0.0 if against or len(network.classes) == 1 else rivals
        self.name = "logit less rivals" if self.rivals else "logit against" if against else "logit"
        self.classes = [c for c in chosen for _ in range(copies)]
        self.copies = copies
        self.count = len(self.classes)
        layers = [*network.card.dream_layers] or [*network.card.layers]
        self.layer = layers[-1] if layers else ""
        side = network.card.input_size
        network.calls((side, side))  # before any ReLU is redirected

    def __call__(self, view: Tensor, diverse: bool) -> tuple[Tensor, Tensor | None]:
        """Return the pictures' logits, and how alike copies are if `diverse` asks for it."""
        values = class_margin(self.network.logits(view), self.classes, self.rivals)
        values = -values if self.against else values
        if not diverse or self.copies == 1 or not self.layer:
            return values, None
        features = self.network.taps(view, [self.layer])[self.layer]
        likeness = [diversity(part) for part in features.split(self.copies)]
        return values, sum(likeness[1:], likeness[0])

    def silence(self, pictures: list[int]) -> str:
        """Return a sentence about the classes whose pictures are `pictures`."""
        names = dict.fromkeys(self.network.classes[self.classes[i]] for i in pictures)
        return (
            f"No step led towards {', '.join(names)}: the logit's gradient was 0 from the first step "
            f"to the last. {ascent_steps.REMEDY}"
        )


def _shrunk(
    settings: ClassVisualization, done: float, generator: torch.Generator
) -> ClassVisualization:
    """Return settings whose views have about one size, falling linearly with the share `done`."""
    share = (
        settings.farthest + (min(settings.closest, settings.farthest) - settings.farthest) * done
    )
    share += SHARE_DEVIATION * float(torch.randn((), generator=generator))
    share = min(max(share, SHARE_DEVIATION), 1.0)
    return replace(settings, closest=share, farthest=share)


def names_of(task: Task[ClassVisualization]) -> list[str]:
    """Return the class of each picture, by name."""
    settings = task.technique
    before = "against " if settings.against else ""
    chosen = find_classes(task.network, settings.target)
    return [before + task.network.classes[c] for c in chosen for _ in range(settings.copies)]


def tiles(task: Task[ClassVisualization], picture: Tensor) -> list[Tile]:
    """Return the pictures of the sheet `picture` with the names of their classes.

    With phases, each is followed by those parts of it that matter to its class.
    """
    settings = task.technique
    chosen = find_classes(task.network, settings.target)
    goal = Logits(task.network, chosen, settings.copies, against=settings.against)
    names = names_of(task)
    pictures = tiles_of(picture, len(names), gap=ascent_steps.GAP)
    found = [Tile(p, name) for p, name in zip(pictures, names, strict=True)]
    if settings.parameterization != "phases":
        return found
    opacity = importance(task, goal, pictures, settings.closest, settings.farthest)
    parts = [
        Tile(faded(p.cpu(), o), f"{name}\nwhat matters")
        for p, o, name in zip(pictures, opacity, names, strict=True)
    ]
    return [tile for both in zip(found, parts, strict=True) for tile in both]


class ClassVisualizationSteps(Steps[ClassVisualization]):
    """Class visualization: a sheet of a picture per class and copy."""

    def stages(self, task: Task[ClassVisualization]) -> list[Stage]:
        """Return the one stage of the run."""
        count = len(find_classes(task.network, task.technique.target)) * task.technique.copies
        return ascent_steps.stages(task, count)

    def frames(self, task: Task[ClassVisualization]) -> Iterator[Frame]:
        """Yield a frame per iteration. Needs a network with classes and the name of one."""
        settings = task.technique
        chosen = find_classes(task.network, settings.target)
        goal = Logits(task.network, chosen, settings.copies, settings.rivals, settings.against)
        start = first_pictures(task, goal.count, ascent_steps.side_of(goal.count, task))

        def adjusted(done: float) -> ClassVisualization:
            wanted = task.technique
            return _shrunk(wanted, done, task.generator) if wanted.shrinking else wanted

        yield from ascent_steps.frames(task, goal, start, adjusted)

    def labels(self, task: Task[ClassVisualization]) -> Labels:
        """Return the class of each picture."""
        return square_labels(names_of(task))

    def figure(self, task: Task[ClassVisualization], picture: Tensor) -> Picture:
        """Return the sheet as a figure with the names of the classes.

        With phases, it also shows only those parts that matter to the class, as MACO does.
        """
        columns = 2 if task.technique.parameterization == "phases" else None
        return contact_sheet(tiles(task, picture), columns)
