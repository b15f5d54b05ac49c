"""Generative adversarial nets on toy data (Goodfellow et al. 2014): what D knows, how G collapses."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

from engine.settings import setting
from engine.task import Technique


@dataclass(frozen=True)
class Adversaries(Technique):
    """Settings of a game between a generator and a discriminator."""

    command: ClassVar[str] = "adversaries"
    title: ClassVar[str] = "Adversaries"
    steps: ClassVar[str] = "engine.techniques.workshop_adversaries.steps:AdversariesSteps"
    exact: ClassVar[bool] = True
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "Ratio": {},
        "Both learn": {
            "generator_steps": 1, "discriminator_steps": 5, "generator_start": 4.0,
            "learning_rate": 0.005,
        },
        "Eight Gaussians": {"data": "gaussians", "generator_steps": 1},
        "Mode collapse": {"data": "gaussians", "generator_steps": 5},
        "Cured by minibatch deviation": {
            "data": "gaussians", "generator_steps": 5, "cure": "minibatch-deviation",
        },
        "Cured by unrolling": {
            "data": "gaussians", "generator_steps": 5, "cure": "unrolling", "iterations": 250,
        },
        "Not cured by a gradient penalty": {
            "data": "gaussians", "generator_steps": 5, "cure": "gradient-penalty",
        },
        "Digits": {"data": "digits", "generator_steps": 1, "iterations": 3000},
    }  # fmt: skip

    data: str = setting(
        "ratio", "Data", "ratio: two bumps on a line, and a generator that shifts and stretches a "
        "bell curve. gaussians: eight small Gaussians on a circle. digits: handwritten digits of "
        "8 x 8 pixels.",
        choices=("ratio", "gaussians", "digits"), group="Game",
    )  # fmt: skip
    loss: str = setting(
        "non-saturating", "Generator loss", "saddle-point: the generator lowers log(1 - D), a "
        "zero-sum game. non-saturating: it lowers -log D, which pulls hard while the discriminator "
        "is far better.",
        choices=("non-saturating", "saddle-point"), group="Game", live=True,
    )  # fmt: skip
    generator_steps: int = setting(
        0, "Generator steps", "Steps of the generator in each iteration; 0: only the discriminator "
        "learns. With 5 against 1, the generator of the eight Gaussians collapses.",
        low=0, high=20, group="Game", live=True,
    )  # fmt: skip
    discriminator_steps: int = setting(
        1, "Discriminator steps", "Steps of the discriminator in each iteration.",
        low=1, high=20, group="Game", live=True,
    )  # fmt: skip
    generator_start: float = setting(
        0.0, "Generator's start", "Where the bell curve that the generator makes begins, if the "
        "data are ratio. Far from the data, the discriminator is soon sure, and the pull of "
        "log(1 - D) is weak.",
        low=-6.0, high=6.0, step=0.5, group="Game",
    )  # fmt: skip
    cure: str = setting(
        "none", "Cure", "minibatch-deviation: the discriminator is told how much each batch varies. "
        "unrolling: the generator foresees the discriminator's next steps. gradient-penalty: the "
        "discriminator's slope at the data is kept small (R1).",
        choices=("none", "minibatch-deviation", "unrolling", "gradient-penalty"), group="Cure",
    )  # fmt: skip
    unrolled_steps: int = setting(
        5, "Unrolled steps", "How many steps of the discriminator the generator foresees, if the "
        "cure is unrolling.",
        low=1, high=20, group="Cure", live=True,
    )  # fmt: skip
    penalty: float = setting(
        0.5, "Penalty (γ)", "Weight of half the squared slope, if the cure is the gradient penalty.",
        low=0.0, high=100.0, step=0.1, group="Cure", live=True,
    )  # fmt: skip
    iterations: int = setting(
        1000, "Iterations", "Rounds of the game: in each, first the discriminator takes its steps, "
        "then the generator.",
        low=1, high=100_000, step=50, log=True, group="Run",
    )  # fmt: skip
    learning_rate: float | None = setting(
        None, "Learning rate", "Of both, with Adam. auto: 0.002 for ratio, 0.001 for gaussians, "
        "0.0005 for digits.",
        low=0.00001, high=1.0, step=0.0001, log=True, group="Run", live=True,
    )  # fmt: skip

    def at_one_size(self, iterations: int) -> Adversaries:
        """Return a game of `iterations`."""
        return replace(self, iterations=iterations)
