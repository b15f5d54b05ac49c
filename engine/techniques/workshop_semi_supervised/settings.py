"""Semi-supervised learning with a generative adversarial net (Salimans et al. 2016)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

from engine.settings import setting
from engine.task import Technique


@dataclass(frozen=True)
class SemiSupervised(Technique):
    """Settings of a classifier that knows few labels."""

    command: ClassVar[str] = "semi-supervised"
    title: ClassVar[str] = "Semi-supervised learning"
    steps: ClassVar[str] = "engine.techniques.workshop_semi_supervised.steps:SemiSupervisedSteps"
    exact: ClassVar[bool] = True
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "50 labels": {},
        "20 labels": {"labelled": 20},
        "100 labels": {"labelled": 100},
        "200 labels": {"labelled": 200},
    }

    labelled: int = setting(
        50, "Labels", "How many of the 1,000 training digits are labelled, equally many of each.",
        low=10, high=500, step=10, group="Data",
    )  # fmt: skip
    unlabelled_weight: float = setting(
        1.0, "Unlabelled digits", "Weight of the loss that tells unlabelled digits from generated "
        "ones; 0: only labelled digits count.",
        low=0.0, high=10.0, step=0.1, group="Loss", live=True,
    )  # fmt: skip
    input_noise: float = setting(
        0.2, "Noise on digits", "Standard deviation of the noise on what both nets see, whose grey "
        "values go from 0 to 1.",
        low=0.0, high=1.0, step=0.05, group="Loss", live=True,
    )  # fmt: skip
    hidden_noise: float = setting(
        0.3, "Noise on features", "Standard deviation of the noise on the features of each hidden "
        "layer of both nets.",
        low=0.0, high=2.0, step=0.05, group="Loss", live=True,
    )  # fmt: skip
    iterations: int = setting(
        1000, "Iterations", "Steps of both nets and of the generator.",
        low=1, high=100_000, step=50, log=True, group="Run",
    )  # fmt: skip
    learning_rate: float = setting(
        0.001, "Learning rate", "Of all nets, with Adam.",
        low=0.00001, high=0.1, step=0.0001, log=True, group="Run", live=True,
    )  # fmt: skip

    def at_one_size(self, iterations: int) -> SemiSupervised:
        """Return a run of `iterations`."""
        return replace(self, iterations=iterations)
