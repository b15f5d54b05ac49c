"""A classifier with a generator, and the same classifier alone."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from engine.optimization.adam import Adam
from engine.parameterization.scales import Average
from engine.task import Task
from engine.techniques.workshop_semi_supervised.settings import SemiSupervised
from engine.workshop.digits import load_digits
from engine.workshop.nets import Joined, Net
from engine.workshop.semi_supervised import (
    error,
    feature_matching,
    few_labels,
    spread_labels,
    support_vectors,
    unsupervised_loss,
)
from engine.workshop.training import noted_gradient

TRAINED = 1000
"""Digits that may be learned from; errors are those on the others."""
BATCH = 100
BETAS = (0.5, 0.999)
DECAY = 0.99
"""Of the averages of the parameters that errors are measured with."""
WIDTH = 128
FEATURES = Net((64, 256, 128, WIDTH), "leaky relu", "leaky relu")
CLASSIFIER = Net((WIDTH, 10), "none")
NETS = Joined(FEATURES, CLASSIFIER)
GENERATOR = Net((32, 128, 128, 64), "softplus", "sigmoid", normalized=True)


class Game:
    """Both classifiers begin alike and meet the same labelled digits."""

    def __init__(self, task: Task[SemiSupervised]) -> None:
        """Draw the split, the labels and the nets from the task's generator."""
        self.task = task
        pictures, classes = (each.to(task.device) for each in load_digits())
        order = torch.randperm(len(pictures), generator=task.generator).to(task.device)
        self.pictures, self.classes = pictures[order], classes[order]
        labels = task.technique.labelled
        known = few_labels(self.classes[:TRAINED].cpu(), labels, task.generator)
        self.known = known.to(task.device)
        start = NETS.start(task.generator).to(task.device)
        rate = task.technique.learning_rate
        self.players = [Adam(start, rate, BETAS), Adam(start.clone(), rate, BETAS)]
        """The classifier with the generator, and the one alone."""
        self.averages = [Average(DECAY), Average(DECAY)]
        maker = GENERATOR.start(task.generator).to(task.device)
        self.maker = Adam(maker, rate, BETAS)

    def others(self) -> dict[str, float]:
        """Return the errors in percent of methods that are no nets; they take no steps."""
        trained, tested = self.pictures[:TRAINED], self.pictures[TRAINED:]
        classes, asked = self.classes[:TRAINED], self.classes[TRAINED:].cpu()
        machine = support_vectors(trained[self.known], classes[self.known], tested)
        spread = spread_labels(trained, classes, self.known, tested)
        return {"SVM": error(machine, asked), "label spreading": error(spread, asked)}

    def noise(self, count: int) -> Tensor:
        """Draw what the generator starts from (count, 32)."""
        return self.task.noise(count, GENERATOR.widths[0])

    @torch.no_grad()
    def generated(self, noise: Tensor) -> Tensor:
        """Return digits (N, 64) made of `noise`."""
        return GENERATOR(self.maker.variable, noise)

    def step(self) -> dict[str, float]:
        """Take a step of all three nets; return the losses of the pair, in nats."""
        settings, noted = self.task.technique, list[float]()
        chosen = torch.randint(len(self.known), (BATCH,), generator=self.task.generator)
        labelled = self.known[chosen.to(self.task.device)]
        losses: tuple[tuple[Adam, Callable[[Tensor], Tensor]], ...] = (
            (self.players[1], partial(self._alone, labelled)),
            (self.players[0], partial(self._with_generator, labelled, noted)),
            (self.maker, self._of_generator),
        )
        for player, loss in losses:
            player.learning_rate = settings.learning_rate
            player.step(partial(noted_gradient, loss, noted))
        for average, player in zip(self.averages, self.players, strict=True):
            average.update(player.variable)
        _, supervised, unsupervised, _, matching = noted
        return {
            "labelled loss": supervised, "unlabelled loss": unsupervised,
            "feature matching": matching,
        }  # fmt: skip

    @torch.no_grad()
    def errors(self) -> tuple[float, float]:
        """Return the test errors in percent with the generator and alone, for averaged parameters."""
        tested, asked = self.pictures[TRAINED:], self.classes[TRAINED:]
        found = []
        for average in self.averages:
            sees, classifies = NETS.parts(average.value())
            found.append(error(CLASSIFIER(classifies, FEATURES(sees, tested)).argmax(1), asked))
        return found[0], found[1]

    def _alone(self, labelled: Tensor, parameters: Tensor) -> Tensor:
        _, logits = self._seen(parameters, self.pictures[labelled])
        return F.cross_entropy(logits, self.classes[labelled])

    def _with_generator(self, labelled: Tensor, noted: list[float], parameters: Tensor) -> Tensor:
        supervised = self._alone(labelled, parameters)
        _, real = self._seen(parameters, self._unlabelled())
        _, fake = self._seen(parameters, self.generated(self.noise(BATCH)))
        unsupervised = unsupervised_loss(real, fake)
        noted += [float(supervised.detach()), float(unsupervised.detach())]
        return supervised + self.task.technique.unlabelled_weight * unsupervised

    def _of_generator(self, parameters: Tensor) -> Tensor:
        classifier = self.players[0].variable
        with torch.no_grad():
            real, _ = self._seen(classifier, self._unlabelled())
        fake, _ = self._seen(classifier, GENERATOR(parameters, self.noise(BATCH)))
        return feature_matching(real, fake)

    def _unlabelled(self) -> Tensor:
        chosen = torch.randint(TRAINED, (BATCH,), generator=self.task.generator)
        return self.pictures[chosen.to(self.task.device)]

    def _seen(self, parameters: Tensor, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Return features (N, 128) and logits (N, 10), with noise on the way."""
        settings, noise = self.task.technique, self.task.noise
        sees, classifies = NETS.parts(parameters)
        blurred = pictures + settings.input_noise * noise(*pictures.shape)

        def between(x: Tensor) -> Tensor:
            return x + settings.hidden_noise * noise(*x.shape)

        features = FEATURES(sees, blurred, between)
        return features, CLASSIFIER(classifies, between(features))
