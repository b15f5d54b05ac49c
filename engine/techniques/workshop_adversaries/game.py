"""The two nets of a game, their steps, and how each kind of data is set up."""

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from engine.optimization.adam import Adam
from engine.task import Task
from engine.techniques.workshop_adversaries.settings import Adversaries
from engine.workshop.adversarial_losses import (
    GENERATOR_LOSSES,
    discriminator_loss,
    squared_gradient,
    unrolled,
    with_deviation,
)
from engine.workshop.densities import EIGHT, TWO_BUMPS
from engine.workshop.digits import load_digits
from engine.workshop.nets import Net
from engine.workshop.training import noted_gradient

BETAS = (0.5, 0.999)
"""Of Adam: less momentum than usual, as the other net changes what each one descends."""
UNROLLED_RATE = 0.1
"""Of the discriminator's foreseen steps of plain gradient descent."""
START = 1.5
"""The standard deviation of what the generator of the line makes at first."""


@dataclass(frozen=True)
class _Kind:
    """What depends on the data."""

    generator: Net
    widths: tuple[int, ...]
    """Of the discriminator, for points without a batch's deviation."""
    hidden: str
    """The discriminator's activation."""
    batch: int
    learning_rate: float
    blur: float = 0.0
    """The standard deviation of noise added to all that the discriminator sees."""


KINDS = {
    "ratio": _Kind(Net((1, 1), "none"), (1, 64, 64, 1), "tanh", 512, 0.002),
    "gaussians": _Kind(
        Net((16, 128, 128, 2), "relu"), (2, 128, 128, 1), "leaky relu", 128, 0.001
    ),
    "digits": _Kind(
        Net((32, 128, 128, 64), "softplus", "sigmoid", normalized=True),
        (64, 256, 128, 1), "leaky relu", 100, 0.0005, 0.3,
    ),
}  # fmt: skip


class Game:
    """A generator and a discriminator that take turns."""

    def __init__(self, task: Task[Adversaries]) -> None:
        """Draw both from the task's generator."""
        self.task, first = task, task.technique
        self.kind = KINDS[first.data]
        self.told = first.cure == "minibatch-deviation"
        """Whether the discriminator is told each batch's deviation."""
        self.generator = self.kind.generator
        widths = (self.kind.widths[0] + self.told, *self.kind.widths[1:])
        self.discriminator = Net(widths, self.kind.hidden)
        start = self.generator.start(task.generator)
        if first.data == "ratio":
            start = torch.tensor([START, first.generator_start])
        rate = self.kind.learning_rate
        self.maker = Adam(start.to(task.device), rate, BETAS)
        self.judge = Adam(self.discriminator.start(task.generator).to(task.device), rate, BETAS)
        self.pictures, self.digits = torch.empty(0), torch.empty(0)
        """All data (N, 64) and what they are, if they are digits."""
        if first.data == "digits":
            self.pictures, self.digits = (each.to(task.device) for each in load_digits())

    def data(self, count: int) -> Tensor:
        """Draw data (count, dimensions)."""
        task = self.task
        if len(self.pictures):
            chosen = torch.randint(len(self.pictures), (count,), generator=task.generator)
            return self.pictures[chosen.to(task.device)]
        density = TWO_BUMPS if task.technique.data == "ratio" else EIGHT
        return density.sample(count, task.generator).to(task.device)

    def noise(self, count: int) -> Tensor:
        """Draw what the generator starts from (count, dimensions)."""
        return self.task.noise(count, self.generator.widths[0])

    def generated(self, noise: Tensor) -> Tensor:
        """Return what the generator makes of `noise`."""
        return self.generator(self.maker.variable, noise)

    def logits(self, judge: Tensor, points: Tensor, batch: Tensor | None = None) -> Tensor:
        """Return the discriminator's logits (N, 1) for its parameters `judge`.

        `batch`: among which points they lie, if that matters; `points` themselves if None.
        """
        return self.discriminator(judge, with_deviation(points, batch) if self.told else points)

    def play(self) -> tuple[float, float]:
        """Take the steps of an iteration; return the last losses of discriminator and generator."""
        settings, losses = self.task.technique, [0.0, 0.0]
        turns = (
            (self.judge, settings.discriminator_steps, self._of_discriminator),
            (self.maker, settings.generator_steps, self._of_generator),
        )
        for which, (player, steps, loss) in enumerate(turns):
            player.learning_rate = settings.learning_rate or self.kind.learning_rate
            if not steps:
                losses[which] = float(loss(player.variable).detach())
            for _ in range(steps):
                noted: list[float] = []
                player.step(partial(noted_gradient, loss, noted))
                losses[which] = noted[0]
        return losses[0], losses[1]

    def _of_discriminator(self, judge: Tensor) -> Tensor:
        real, fake = self._batch(), self._blurred(self.generated(self.noise(self.kind.batch)))
        return self._judged(judge, real, fake)

    def _judged(self, judge: Tensor, real: Tensor, fake: Tensor) -> Tensor:
        settings = self.task.technique
        penalized = settings.cure == "gradient-penalty" and settings.penalty > 0
        real = real.detach().requires_grad_(penalized)
        logits = self.logits(judge, real)
        loss = discriminator_loss(logits, self.logits(judge, fake))
        if penalized:
            loss = loss + settings.penalty / 2 * squared_gradient(logits, real)
        return loss

    def _of_generator(self, maker: Tensor) -> Tensor:
        settings = self.task.technique
        fake = self._blurred(self.generator(maker, self.noise(self.kind.batch)))
        judge = self.judge.variable
        if settings.cure == "unrolling":
            answer = partial(self._judged, real=self._batch(), fake=fake)
            judge = unrolled(judge, answer, settings.unrolled_steps, UNROLLED_RATE)
        return GENERATOR_LOSSES[settings.loss](self.logits(judge, fake))

    def _batch(self) -> Tensor:
        return self._blurred(self.data(self.kind.batch))

    def _blurred(self, points: Tensor) -> Tensor:
        return (
            points + self.kind.blur * self.task.noise(*points.shape) if self.kind.blur else points
        )
