"""Two classifiers of digits, each trained in one domain and tested in both."""

from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from engine.optimization.adam import Adam
from engine.task import Task
from engine.techniques.workshop_domain_adaptation.settings import DomainAdaptation
from engine.workshop.blended import SIDE, blended, enlarged
from engine.workshop.conv_nets import ConvNet
from engine.workshop.digits import load_digits
from engine.workshop.nets import Joined, Net
from engine.workshop.training import noted_gradient

TRAINED = 1000
"""Digits that the nets are trained on; they are tested on the others."""
BATCH = 64
RATE = 0.001
FEATURES = ConvNet((3, 16, 32))
CLASSIFIER = Net((FEATURES.features(SIDE), 128, 10), "relu")
NETS = Joined(FEATURES, CLASSIFIER)
DOMAINS = "digits", "blended"
"""The domains of the two nets."""


def named(trained: str, tested: str) -> str:
    """Return what the accuracy of the net trained in one domain is called in another."""
    return f"learned {trained}, sees {tested}"


class Digits:
    """Two nets that begin alike: one meets digits, the other the same blended with photos."""

    def __init__(self, task: Task[DomainAdaptation]) -> None:
        """Draw the split, the pieces of photos and the nets from the task's generator."""
        self.task = task
        digits, classes = load_digits()
        order = torch.randperm(len(digits), generator=task.generator)
        plain = enlarged(digits[order])
        mixed = blended(plain, task.generator)
        self.pictures = plain.to(task.device), mixed.to(task.device)
        """Of each domain (N, 3, 16, 16): the same digits in the same order."""
        self.classes = classes[order].to(task.device)
        start = NETS.start(task.generator).to(task.device)
        self.players = [Adam(start, RATE), Adam(start.clone(), RATE)]

    def step(self, progress: float) -> dict[str, float]:
        """Take a step of both nets on the same digits; return their losses in nats."""
        chosen = torch.randint(TRAINED, (BATCH,), generator=self.task.generator)
        chosen = chosen.to(self.task.device)
        losses = {}
        for name, player, pictures in zip(DOMAINS, self.players, self.pictures, strict=True):
            player.learning_rate = self.task.technique.learning_rate or RATE
            noted: list[float] = []
            loss = partial(_loss, pictures[chosen], self.classes[chosen])
            player.step(partial(noted_gradient, loss, noted))
            losses[f"loss on {name}"] = noted[0]
        return losses

    @torch.no_grad()
    def accuracies(self) -> dict[str, float]:
        """Return which shares of the test digits each net is right about, in each domain."""
        found = {}
        for trained, player in zip(DOMAINS, self.players, strict=True):
            for tested, pictures in zip(DOMAINS, self.pictures, strict=True):
                right = _logits(player.variable, pictures[TRAINED:]).argmax(1)
                share = (right == self.classes[TRAINED:]).float().mean()
                found[named(trained, tested)] = float(share)
        return found


def _logits(parameters: Tensor, pictures: Tensor) -> Tensor:
    sees, classifies = NETS.parts(parameters)
    return CLASSIFIER(classifies, FEATURES(sees, pictures))


def _loss(pictures: Tensor, classes: Tensor, parameters: Tensor) -> Tensor:
    return F.cross_entropy(_logits(parameters, pictures), classes)
