"""A classifier of two moons whose features are to be the same in both domains, and one without."""

from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from engine.optimization.adam import Adam
from engine.task import Task
from engine.techniques.workshop_domain_adaptation.settings import DomainAdaptation
from engine.workshop.gradient_reversal import reversed_gradient, risen
from engine.workshop.moons import turned, two_moons
from engine.workshop.nets import Joined, Net

COUNT = 300
"""Points in each domain; each step sees all of them."""
HIDDEN = 15
"""Features, as in the paper."""
RATE = 0.01
FEATURES = Net((2, HIDDEN), "sigmoid", "sigmoid")
CLASSIFIER, DISCRIMINATOR = Net((HIDDEN, 1), "none"), Net((HIDDEN, 1), "none")
NETS = Joined(FEATURES, CLASSIFIER, DISCRIMINATOR)


class Moons:
    """Two equal beginnings: one net learns with the reversal, the other without."""

    def __init__(self, task: Task[DomainAdaptation]) -> None:
        """Draw points and nets from the task's generator."""
        self.task = task
        source, classes = two_moons(COUNT, task.generator)
        target, _ = two_moons(COUNT, task.generator)
        self.source = source.to(task.device)
        self.target = turned(target, task.technique.angle).to(task.device)
        """The target's classes are the same, in the same order; no net is told them."""
        self.classes = classes.to(task.device)
        start = NETS.start(task.generator).to(task.device)
        self.players = [Adam(start, RATE), Adam(start.clone(), RATE)]

    def step(self, progress: float) -> dict[str, float]:
        """Take a step of both; return the losses of the one with the reversal, in nats."""
        settings = self.task.technique
        noted: dict[str, float] = {}
        for adapts, player in zip((True, False), self.players, strict=True):
            player.learning_rate = settings.learning_rate or RATE
            strength = settings.reversal * risen(progress) if adapts else 0.0
            player.step(partial(self._gradient, strength, noted if adapts else {}))
        return noted

    def _gradient(self, strength: float, noted: dict[str, float], parameters: Tensor) -> Tensor:
        at = parameters.detach().requires_grad_()
        with torch.enable_grad():
            makes, classifies, tells = NETS.parts(at)
            features = FEATURES(makes, torch.cat([self.source, self.target]))
            classed = CLASSIFIER(classifies, features[:COUNT])[:, 0]
            told = DISCRIMINATOR(tells, reversed_gradient(features, strength))[:, 0]
            of_class = F.binary_cross_entropy_with_logits(classed, self.classes.to(classed))
            of_domain = F.binary_cross_entropy_with_logits(told, self._domains().to(told))
            gradient: Tensor = torch.autograd.grad(of_class + of_domain, at)[0]
        noted |= {
            "class loss": float(of_class.detach()), "domain loss": float(of_domain.detach())
        }  # fmt: skip
        return gradient

    def _domains(self) -> Tensor:
        """Return 1 for each point of the source, 0 for each of the target."""
        return torch.arange(2 * COUNT, device=self.task.device) < COUNT

    @torch.no_grad()
    def logits(self, points: Tensor, *, adapted: bool = True) -> tuple[Tensor, Tensor]:
        """Return logits of class 1 and of the source domain (N,) at points (N, 2)."""
        makes, classifies, tells = NETS.parts(self.players[not adapted].variable)
        features = FEATURES(makes, points)
        return CLASSIFIER(classifies, features)[:, 0], DISCRIMINATOR(tells, features)[:, 0]

    @torch.no_grad()
    def features(self) -> Tensor:
        """Return the features (2 COUNT, 15) of the source's points and then the target's."""
        makes, _, _ = NETS.parts(self.players[0].variable)
        return FEATURES(makes, torch.cat([self.source, self.target]))

    def accuracies(self) -> dict[str, float]:
        """Return which shares of the points the nets are right about."""
        points = torch.cat([self.source, self.target])
        classed, told = self.logits(points)
        plain, _ = self.logits(self.target, adapted=False)
        right = (classed > 0) == self.classes.repeat(2)
        return {
            "source accuracy": float(right[:COUNT].float().mean()),
            "target accuracy": float(right[COUNT:].float().mean()),
            "target accuracy without reversal": float(((plain > 0) == self.classes).float().mean()),
            "domain accuracy": float(((told > 0) == self._domains()).float().mean()),
        }
