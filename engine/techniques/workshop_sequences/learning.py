"""How the recurrent networks learn, and what is measured of them on digits not learned from."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from engine.optimization.adam import Adam
from engine.task import Task
from engine.techniques.workshop_sequences.networks import (
    LABELS,
    STOP,
    WRITER,
    alignment,
    context,
    labelling_layout,
    moments,
    whole,
    written,
    written_logits,
)
from engine.techniques.workshop_sequences.settings import Sequences
from engine.workshop.digits import SIDE, load_digits
from engine.workshop.parameters import Layout, Parts
from engine.workshop.strips import Strips, draw_strips
from engine.workshop.training import noted_gradient

LEARNED = 1000
"""How many of the 1,797 digits are learned from; the others are for measuring."""
BATCH = 64
"""Sequences in a step."""
BLUR = 0.1
"""Standard deviation of the noise on what is learned from, so that digits are not learned by heart."""
MEASURED = 200
"""How many strips of a length are measured."""
LABELLED, ALIGNED = 4, 3
"""Digits of the strips that are labelled, and of those whose alignment is measured."""
MOST = 8
"""Digits of the longest strips that are measured."""
EXAMPLES = 64
"""How many examples there are to be shown."""


@dataclass
class Held:
    """What was measured last; in a checkpoint, as it is not measured in every iteration."""

    numbers: dict[str, float] = field(default_factory=dict)
    curve: list[float] = field(default_factory=list)
    """The plot: see each `Lesson`."""


class Lesson(ABC):
    """A network, what it learns, and how it is measured."""

    layout: Layout

    def __init__(self, task: Task[Sequences], layout: Layout) -> None:
        """Draw the network's start, and which digits it learns from, from the task's generator."""
        self.task, self.layout, self.held = task, layout, Held()
        self.first = task.technique
        generator = task.generator
        self.network = Adam(layout.start(generator).to(task.device), self.first.learning_rate)
        pictures, digits = load_digits()
        order = torch.randperm(len(pictures), generator=generator)
        learned, rest = order[:LEARNED], order[LEARNED:]
        self.learned = pictures[learned], digits[learned]
        self.rest = pictures[rest], digits[rest]

    @property
    def parts(self) -> Parts:
        """The network's parameters."""
        return self.layout.parts(self.network.variable)

    def step(self) -> float:
        """Learn from a batch; return the loss."""
        x, wanted = self._batch()
        x = (x + BLUR * torch.randn(x.shape, generator=self.task.generator)).to(self.task.device)
        wanted = wanted.to(self.task.device)
        losses: list[float] = []

        def loss(parameters: Tensor) -> Tensor:
            return self._loss(self.layout.parts(parameters), x, wanted)

        self.network.learning_rate = self.task.technique.learning_rate
        self.network.step(partial(noted_gradient, loss, losses))
        return losses[0]

    def strips(self, count: int, length: int) -> Strips:
        """Draw strips of digits that are not learned from."""
        return draw_strips(*self.rest, count, length, self.task.generator)

    @abstractmethod
    def _batch(self) -> tuple[Tensor, Tensor]:
        """Draw sequences (N, T, 8), and what is wanted."""

    @abstractmethod
    def _loss(self, parts: Parts, x: Tensor, wanted: Tensor) -> Tensor:
        """Return the mean of -log p of what is wanted, a scalar."""

    @abstractmethod
    def measure(self) -> None:
        """Measure on the rest of the digits."""


class Classify(Lesson):
    """A label for a digit, whose rows are the moments."""

    def __init__(self, task: Task[Sequences]) -> None:
        """Set up the network."""
        super().__init__(task, labelling_layout(task.technique.direction, LABELS["classify"]))

    def _batch(self) -> tuple[Tensor, Tensor]:
        pictures, digits = self.learned
        chosen = torch.randint(len(digits), (BATCH,), generator=self.task.generator)
        return pictures[chosen].unflatten(1, (SIDE, SIDE)), digits[chosen]

    def _loss(self, parts: Parts, x: Tensor, wanted: Tensor) -> Tensor:
        return F.cross_entropy(whole(parts, x), wanted)

    def answers(self) -> Tensor:
        """Return what the network takes the rest of the digits for, (N,) on the CPU."""
        with torch.no_grad():
            x = self.rest[0].unflatten(1, (SIDE, SIDE)).to(self.task.device)
            return whole(self.parts, x).argmax(1).cpu()

    def measure(self) -> None:
        """Measure the share of the rest that gets a wrong label."""
        error = (self.answers() != self.rest[1]).float().mean()
        self.held.numbers = {"error": float(error)}


class Aligned(Lesson):
    """A label for each column of a strip. The plot: the error at each column of a digit."""

    def __init__(self, task: Task[Sequences]) -> None:
        """Set up the network, and draw strips for measuring."""
        super().__init__(task, labelling_layout(task.technique.direction, LABELS["aligned"]))
        self.measured = self.strips(MEASURED, LABELLED)
        self.examples = self.strips(EXAMPLES, MOST)

    def _batch(self) -> tuple[Tensor, Tensor]:
        strips = draw_strips(*self.learned, BATCH, LABELLED, self.task.generator)
        return strips.columns, strips.labels

    def _loss(self, parts: Parts, x: Tensor, wanted: Tensor) -> Tensor:
        return F.cross_entropy(moments(parts, x).flatten(0, 1), wanted.flatten())

    @torch.no_grad()
    def measure(self) -> None:
        """Measure the share of columns that get a wrong label, of all and of each place in a digit."""
        strips = self.measured
        answers = moments(self.parts, strips.columns.to(self.task.device)).argmax(2).cpu()
        wrong = (answers != strips.labels).float()
        within = strips.starts[..., None] + torch.arange(SIDE)
        by_place = wrong.gather(1, within.flatten(1)).view(within.shape).mean((0, 1))
        self.held.numbers = {"error": float(wrong.mean())}
        self.held.curve = by_place.tolist()


class Unaligned(Lesson):
    """A strip is read, then written out. The plot: the share of strips without a fault, by length."""

    def __init__(self, task: Task[Sequences]) -> None:
        """Set up the network, and draw strips for measuring."""
        super().__init__(task, WRITER)
        self.measured = [self.strips(MEASURED, length) for length in range(1, MOST + 1)]
        self.examples = self.strips(EXAMPLES, MOST)

    def _batch(self) -> tuple[Tensor, Tensor]:
        generator = self.task.generator
        length = int(torch.randint(1, self.first.longest + 1, (1,), generator=generator))
        strips = draw_strips(*self.learned, BATCH, length, generator)
        return strips.columns, F.pad(strips.digits, (0, 1), value=STOP)

    def _loss(self, parts: Parts, x: Tensor, wanted: Tensor) -> Tensor:
        logits = written_logits(parts, context(parts, x, self.first.turned), wanted)
        return F.cross_entropy(logits.flatten(0, 1), wanted.flatten())

    def measure(self) -> None:
        """Measure the share of strips written without a fault, and whether digits point to theirs."""
        self.held.curve = [self.exact(strips) for strips in self.measured]
        exact = {
            f"exact, {n} {'digit' if n == 1 else 'digits'}": self.held.curve[n - 1]
            for n in (1, 2, 3, 5)
        }
        self.held.numbers = {**exact, "alignment": self.alignment(self.measured[ALIGNED - 1])}

    @torch.no_grad()
    def exact(self, strips: Strips) -> float:
        """Return the share of strips that are written without a fault, with the stop."""
        wanted = F.pad(strips.digits, (0, 1), value=STOP)
        x = strips.columns.to(self.task.device)
        found = written(self.parts, x, self.first.turned, wanted.shape[1]).cpu()
        return float((found == wanted).all(1).float().mean())

    def alignment(self, strips: Strips) -> float:
        """Return the share of digits that depend most on a column of their own.

        By chance: one over the number of digits, or less, as some columns are blank.
        """
        wanted = strips.digits.to(self.task.device)
        x = strips.columns.to(self.task.device)
        column = alignment(self.parts, x, self.first.turned, wanted).argmax(2).cpu()
        off = column - strips.starts
        return float(((off >= 0) & (off < SIDE)).float().mean())


LESSONS: dict[str, type[Classify] | type[Aligned] | type[Unaligned]] = {
    "classify": Classify, "aligned": Aligned, "unaligned": Unaligned
}  # fmt: skip
