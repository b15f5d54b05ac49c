"""The victim of an attack, what it is tested on, and what a white box and noise achieve."""

import torch
from torch import Tensor

from engine.optimization.adam import Adam
from engine.task import Task
from engine.techniques.workshop_black_box.settings import BlackBox
from engine.workshop.attacks import pgd, within
from engine.workshop.classifying import accuracy, learning_slope, right, split_digits
from engine.workshop.nets import Net

NET = Net((64, 128, 128, 10), "relu")
RATE, BATCH = 0.001, 100
WHITE_STEPS = 20
"""Of the white-box attack, PGD."""
POOL = 197
"""How many of the test digits may become the attacker's; the other 600 are attacked."""


class Victim:
    """A net that reads digits, and that its attacker can only ask."""

    def __init__(self, task: Task[BlackBox]) -> None:
        """Draw the net, the attacker's digits and the noise from the task's generator."""
        self.task = task
        digits = [each.to(task.device) for each in split_digits()]
        self.pictures, self.digits, tests, answers = digits
        self.adam = Adam(NET.start(task.generator).to(task.device), RATE)
        chosen = self._attackers(answers[:POOL].cpu()).to(task.device)
        self.own = tests[:POOL][chosen]
        """The attacker's first digits (N, 64)."""
        self.tests, self.answers = tests[POOL:], answers[POOL:]
        signs = torch.randint(2, self.tests.shape, generator=task.generator) * 2 - 1
        self.noise = signs.to(task.device).float()
        """(600, 64), each -1 or 1."""
        start = torch.rand(self.tests.shape, generator=task.generator) * 2 - 1
        self.start = start.to(task.device)
        self._bounds: tuple[float, dict[str, float]] | None = None

    def _attackers(self, digits: Tensor) -> Tensor:
        """Return which digits the attacker begins with: as many of each class, at random."""
        order = torch.randperm(len(digits), generator=self.task.generator)
        count = self.task.technique.per_class
        return torch.cat([order[digits[order] == digit][:count] for digit in range(10)])

    def __call__(self, points: Tensor) -> Tensor:
        """Return the logits (N, 10) at `points` (N, 64)."""
        return NET(self.adam.variable, points)

    def learn(self) -> float:
        """Take a training step; return the loss."""
        chosen = torch.randint(len(self.pictures), (BATCH,), generator=self.task.generator)
        chosen = chosen.to(self.task.device)
        slope, loss = learning_slope(
            NET, self.adam.variable, self.pictures[chosen], self.digits[chosen]
        )
        self.adam.step(lambda _: slope)
        return loss

    @property
    def accuracy(self) -> float:
        """The share of the 600 test digits that are read rightly."""
        return accuracy(self, self.tests, self.answers)

    @property
    def good(self) -> Tensor:
        """Which of the 600 test digits are read rightly, true or false: only these can be fooled."""
        return right(self, self.tests, self.answers)

    def bounds(self, size: float) -> dict[str, float]:
        """Return which share of the digits is fooled by a white-box attack and by noise of `size`.

        Nothing of this is known to the attacker, or counted as a query. Computed once for each size:
        to be called when the victim has learned.
        """
        if self._bounds is None or self._bounds[0] != size:
            white = pgd(self, self.tests, self.answers, size, WHITE_STEPS, self.start)
            noisy = within(self.tests + size * self.noise, self.tests, size)
            shares = {"white box": fooled_share(self, white), "noise": fooled_share(self, noisy)}
            self._bounds = size, shares
        return self._bounds[1]


def fooled_share(victim: Victim, points: Tensor) -> float:
    """Return the share of test digits, of those that the victim reads rightly, that fool it.

    `points`: all of them, attacked (600, 64).
    """
    good = victim.good
    fooled = good & ~right(victim, points, victim.answers)
    return float(fooled.sum()) / max(int(good.sum()), 1)
