"""Two nets with the same start: one learns from digits, one from attacked digits."""

import torch
from torch import Tensor

from engine.optimization.adam import Adam
from engine.task import Task
from engine.techniques.workshop_defence.settings import AdversarialTraining
from engine.workshop.attacks import fgsm, pgd
from engine.workshop.classifying import Classifier, learning_slope, split_digits
from engine.workshop.nets import Net

NET = Net((64, 128, 128, 10), "relu")
BATCH = 100
NAMES = "standard", "adversarial"
"""Of the two trainings."""


class Pair:
    """A net that is trained in the usual way, and one that is trained against attacks."""

    def __init__(self, task: Task[AdversarialTraining]) -> None:
        """Draw the start of both, and the starts of the attacks in tests, from the task's generator."""
        self.task = task
        split = [each.to(task.device) for each in split_digits()]
        self.pictures, self.digits, self.tests, self.answers = split
        start = NET.start(task.generator).to(task.device)
        rate = task.technique.learning_rate
        self.standard, self.hardened = Adam(start, rate), Adam(start.clone(), rate)
        shape = task.technique.restarts, *self.tests.shape
        self.starts = (torch.rand(shape, generator=task.generator) * 2 - 1).to(task.device)
        """(restarts, 797, 64) in [-1, 1]."""

    @property
    def nets(self) -> tuple[Classifier, Classifier]:
        """Both as they are now: standard, adversarial."""
        return tuple(_of(adam) for adam in (self.standard, self.hardened))  # type: ignore[return-value]

    def learn(self) -> tuple[float, float]:
        """Take a training step of both; return their losses, each on what it was shown."""
        task, settings = self.task, self.task.technique
        chosen = torch.randint(len(self.pictures), (BATCH,), generator=task.generator)
        chosen = chosen.to(task.device)
        pictures, digits = self.pictures[chosen], self.digits[chosen]
        shown = pictures, self._attacked(pictures, digits)
        losses = []
        for adam, points in zip((self.standard, self.hardened), shown, strict=True):
            slope, loss = learning_slope(NET, adam.variable, points, digits)
            adam.learning_rate = settings.learning_rate
            adam.step(lambda _, slope=slope: slope)  # type: ignore[misc]
            losses.append(loss)
        return losses[0], losses[1]

    def _attacked(self, pictures: Tensor, digits: Tensor) -> Tensor:
        """Return a batch (100, 64) with all but the first ones attacked, as the net is now."""
        settings, net = self.task.technique, self.nets[1]
        clean = round(settings.clean_share * len(pictures))
        start = torch.rand(pictures.shape, generator=self.task.generator) * 2 - 1
        rest, own = pictures[clean:], digits[clean:]
        if not len(rest):
            return pictures
        if settings.attack == "fgsm":
            moved = fgsm(net, rest, own, settings.epsilon)
        else:
            begin = start.to(pictures)[clean:]
            moved = pgd(net, rest, own, settings.epsilon, settings.attack_steps, begin)
        return torch.cat([pictures[:clean], moved])


def _of(adam: Adam) -> Classifier:
    return lambda points: NET(adam.variable, points)
