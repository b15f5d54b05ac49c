"""Two attackers that see answers only: one trains a substitute, one searches by probabilities."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor

from engine.optimization.adam import Adam
from engine.techniques.workshop_black_box.victim import BATCH, RATE, Victim, fooled_share
from engine.workshop.attacks import fgsm
from engine.workshop.black_box import Oracle, augmented, begun, queried, searched
from engine.workshop.classifying import Classifier, agreement, learning_slope
from engine.workshop.nets import Net

SUBSTITUTE = Net((64, 200, 200, 10), "relu")
"""Another architecture than the victim's, which its attacker does not know."""


class Attacker(ABC):
    """Someone who asks a victim."""

    counted: ClassVar[str]
    """What the figure's horizontal axis counts."""
    marked: ClassVar[bool] = False
    """Whether the points of its curve are few, and marked by dots."""

    def __init__(self, victim: Victim) -> None:
        """Prepare to attack `victim`, which need not have learned yet."""
        self.victim, self.oracle = victim, Oracle()

    @property
    @abstractmethod
    def kept(self) -> dict[str, Any]:
        """What a checkpoint holds of it."""

    @abstractmethod
    def step(self, number: int) -> None:
        """Take a step of the attack, numbered from 0."""

    @abstractmethod
    def attacked(self, size: float) -> Tensor:
        """Return all test digits as they are attacked now (600, 64)."""

    @abstractmethod
    def history(self, size: float) -> tuple[list[float], list[float]]:
        """Return numbers of queries, and the share of digits that fooled the victim after each."""

    @abstractmethod
    def measures(self) -> dict[str, float]:
        """Return further curves."""

    def share(self, points: Tensor) -> float:
        """Return the share of the attacked digits (600, 64) that fool: of those read rightly before."""
        return fooled_share(self.victim, points)


@dataclass
class Known:
    """What the attacker with a substitute has asked about, and its net after each earlier round."""

    points: Tensor
    """(queries, 64)."""
    labels: Tensor
    """(queries,): the victim's answers."""
    nets: Tensor
    """(rounds, parameters)."""
    queries: list[int] = field(default_factory=list)
    """How many there had been after each of those rounds."""


class SubstituteAttacker(Attacker):
    """Trains a net on what the victim answers, and attacks that net by FGSM."""

    counted = "queries in all"
    marked = True

    def __init__(self, victim: Victim) -> None:
        """Draw the substitute from the task's generator."""
        super().__init__(victim)
        task = victim.task
        self.adam = Adam(SUBSTITUTE.start(task.generator).to(task.device), RATE)
        nets = torch.empty(0, SUBSTITUTE.count, device=task.device)
        self.known = Known(victim.own[:0], victim.digits[:0], nets)

    @property
    def kept(self) -> dict[str, Any]:
        """The counter, the net, and what it has been taught."""
        return {"oracle": self.oracle, "substitute": self.adam, "known": self.known}

    @property
    def net(self) -> Classifier:
        """The substitute as it is now."""
        return partial(SUBSTITUTE, self.adam.variable)

    def step(self, number: int) -> None:
        """Ask, if a round begins; then take a training step."""
        task, known = self.victim.task, self.known
        settings = task.technique
        if number % settings.iterations == 0:
            new = self.victim.own
            if number:
                known.nets = torch.cat([known.nets, self.adam.variable[None]])
                known.queries = [*known.queries, self.oracle.queries]
                new = augmented(self.net, known.points, known.labels, settings.augmentation)
            known.labels = torch.cat([known.labels, self.oracle.labels(self.victim, new)])
            known.points = torch.cat([known.points, new])
        chosen = torch.randint(len(known.points), (BATCH,), generator=task.generator)
        chosen = chosen.to(task.device)
        points, labels = known.points[chosen], known.labels[chosen]
        slope, _ = learning_slope(SUBSTITUTE, self.adam.variable, points, labels)
        self.adam.step(lambda _: slope)

    def attacked(self, size: float) -> Tensor:
        """Return FGSM on the substitute, away from each digit's class: no further query."""
        return fgsm(self.net, self.victim.tests, self.victim.answers, size)

    def history(self, size: float) -> tuple[list[float], list[float]]:
        """Return what the substitute of each round was good for, and the present one."""
        nets = [*self.known.nets, self.adam.variable]
        shares = [
            self.share(fgsm(partial(SUBSTITUTE, net), self.victim.tests, self.victim.answers, size))
            for net in nets
        ]
        return [float(n) for n in (*self.known.queries, self.oracle.queries)], shares

    def measures(self) -> dict[str, float]:
        """Return how often was asked, and how often victim and substitute give the same label."""
        same = agreement(self.victim, self.net, self.victim.tests)
        return {"queries": float(self.oracle.queries), "agreement": same}


@dataclass
class Noted:
    """The search's curve: it cannot be computed again."""

    size: float = -1.0
    """The largest change at the last step; the next one may be another."""
    queries: list[float] = field(default_factory=list)
    """For each digit on average, after each step."""
    shares: list[float] = field(default_factory=list)


class ScoreAttacker(Attacker):
    """Changes one pixel at a time, and keeps what makes the right class less likely."""

    counted = "queries per digit"

    def __init__(self, victim: Victim) -> None:
        """Begin with nothing changed."""
        super().__init__(victim)
        self.search, self.noted = begun(victim.tests), Noted()

    @property
    def kept(self) -> dict[str, Any]:
        """The counter, the search, and its curve."""
        return {"oracle": self.oracle, "search": self.search, "noted": self.noted}

    def step(self, number: int) -> None:
        """Try the next pixel of each digit that does not fool yet."""
        victim, search, noted = self.victim, self.search, self.noted
        task, points, labels = victim.task, victim.tests, victim.answers
        size, turn = task.technique.epsilon, number % points.shape[1]
        if turn == 0:
            order = torch.rand(points.shape, generator=task.generator).argsort(1)
            search.order = order.to(task.device)
        if size != noted.size:
            queried(search, self.oracle, victim, points, labels, size, victim.good)
            noted.size = size
        searched(search, self.oracle, victim, points, labels, size, turn)
        noted.queries = [*noted.queries, self._per_digit]
        noted.shares = [*noted.shares, self.share(self.attacked(size))]

    def attacked(self, size: float) -> Tensor:
        """Return the digits as the search has changed them so far."""
        return self.search.moved(self.victim.tests, size)

    def history(self, size: float) -> tuple[list[float], list[float]]:
        """Return the curve from nothing; where the largest change was changed, it jumps."""
        return [0.0, *self.noted.queries], [0.0, *self.noted.shares]

    def measures(self) -> dict[str, float]:
        """Return how often was asked."""
        return {"queries": float(self.oracle.queries), "queries per digit": self._per_digit}

    @property
    def _per_digit(self) -> float:
        return self.oracle.queries / max(int(self.victim.good.sum()), 1)


ATTACKERS: dict[str, type[SubstituteAttacker | ScoreAttacker]] = {
    "substitute": SubstituteAttacker, "score": ScoreAttacker
}  # fmt: skip
