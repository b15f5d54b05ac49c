"""The network under training, its steps, and what is measured at views that it never saw."""

from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from engine.optimization.adam import Adam
from engine.task import Task
from engine.techniques.workshop_chairs.settings import Chairs
from engine.workshop.chair_net import ChairNet, Inputs, view_numbers
from engine.workshop.chair_views import Looks, Views, plain, random_looks, shown, targets
from engine.workshop.chairs import draw_chairs
from engine.workshop.picture_measures import intersection_over_union, psnr, sharpness
from engine.workshop.training import noted_gradient

HALVED = (0.5, 0.7, 0.85)
"""Parts of the run after which the learning rate is halved."""
EVERY = 25
"""Iterations after which unseen views are measured again: that takes longer than an iteration."""
MEASURED = 60
"""How many unseen views are measured during a run."""


@dataclass
class Held:
    """What was measured last; in a checkpoint, as it is not measured in every iteration."""

    numbers: dict[str, float] = field(default_factory=dict)


class Learner:
    """Chairs, and the network that learns to draw them."""

    def __init__(self, task: Task[Chairs]) -> None:
        """Draw chairs and network from the task's generator."""
        self.task, first = task, task.technique
        side = int(first.side)
        drawn = draw_chairs(first.chairs, task.generator)
        self.views = Views(drawn, first.views, side, task.device)
        self.net = ChairNet(first.chairs, side, first.width)
        start = self.net.start(task.generator).to(task.device)
        self.adam = Adam(start, first.learning_rate)
        self.held = Held()
        count = len(self.views.unseen)
        measured = self.views.unseen[torch.linspace(0, count - 1, min(count, MEASURED)).long()]
        self.measured = measured
        """Numbers of the views that are measured during the run."""
        self.nearest, self.blend = self.without_network(measured)

    def truth(self, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """Return pictures (N, 3, side, side) on white ground and masks (N, 1, ...) of views (N,)."""
        own = plain(self.views.colours[self.views.chairs_of(numbers)])
        colours, masks = targets(self.views.pictures(numbers), own)
        return shown(colours, masks), masks

    def without_network(self, numbers: Tensor) -> tuple[float, float]:
        """Return the PSNR of what stands in for views without any learning.

        For each: the picture from the azimuth before or after, whichever is nearer to the truth,
        and the mean of both.
        """
        truth = self.truth(numbers)[0]
        before, after = (self.truth(each)[0] for each in self.views.neighbours(numbers))
        errors = [(each - truth).square().mean((1, 2, 3)) for each in (before, after)]
        nearer = (errors[0] <= errors[1])[:, None, None, None]
        return psnr(torch.where(nearer, before, after), truth), psnr((before + after) / 2, truth)

    def inputs(self, numbers: Tensor, looks: Looks) -> Inputs:
        """Return what the network is told for views (N,)."""
        ids = torch.zeros(len(numbers), len(self.views.chairs), device=self.task.device)
        ids[torch.arange(len(numbers)), self.views.chairs_of(numbers)] = 1
        return Inputs(ids, view_numbers(*self.views.angles(numbers)), looks.numbers())

    @torch.no_grad()
    def draw(self, inputs: Inputs) -> tuple[Tensor, Tensor]:
        """Return the network's pictures (N, 3, side, side) on white ground, and masks (N, 1, ...)."""
        colours, masks = self.net(self.adam.variable, inputs)
        return shown(colours, masks), masks

    def measure(self, numbers: Tensor) -> dict[str, float]:
        """Return how well the network draws views (N,)."""
        looks = plain(self.views.colours[self.views.chairs_of(numbers)])
        pictures, masks = self.draw(self.inputs(numbers, looks))
        truth, covered = self.truth(numbers)
        return {
            "PSNR": psnr(pictures, truth),
            "mask IoU": intersection_over_union(masks, covered),
            "sharpness": sharpness(pictures, truth),
        }

    def step(self, part: float) -> tuple[float, float]:
        """Learn from a batch; return the losses of colours and mask before.

        `part`: how much of the run is over, from 0 to 1.
        """
        task, settings = self.task, self.task.technique
        halvings = sum(part > mark for mark in HALVED)
        self.adam.learning_rate = settings.learning_rate / 2**halvings
        chosen = torch.randint(len(self.views.seen), (settings.batch,), generator=task.generator)
        numbers = self.views.seen[chosen]
        looks = plain(self.views.colours[self.views.chairs_of(numbers)])
        if settings.augmentation:
            looks = random_looks(settings.batch, task.generator, task.device)
        wanted, covered = targets(self.views.pictures(numbers), looks)
        inputs = self.inputs(numbers, looks)
        noted: list[float] = []

        def loss(parameters: Tensor) -> Tensor:
            colours, masks = self.net(parameters, inputs)
            # Sums over colours, means over pixels: the rate of Adam does not depend on it.
            of_colours = (colours - wanted).square().sum(1).mean()
            of_masks = (masks - covered).square().mean()
            noted.extend((float(of_colours.detach()), float(of_masks.detach())))
            return settings.colour_weight * of_colours + of_masks

        self.adam.step(partial(noted_gradient, loss, noted))
        return noted[0], noted[1]

    def losses(self, learned: tuple[float, float], again: bool) -> dict[str, float]:
        """Return the curves after an iteration; `again`: whether views are measured anew."""
        if again:
            found = self.measure(self.measured)
            self.held.numbers = {
                "PSNR": found.pop("PSNR"),
                "PSNR of the nearest view": self.nearest,
                "PSNR of the blend": self.blend,
                **found,
            }
        return {"colour loss": learned[0], "mask loss": learned[1], **self.held.numbers}
