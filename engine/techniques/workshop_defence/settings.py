"""Adversarial training (Madry et al. 2018), and with FGSM alone, which masks gradients."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

from engine.settings import setting
from engine.task import Technique


@dataclass(frozen=True)
class AdversarialTraining(Technique):
    """Settings of a training against attacks."""

    command: ClassVar[str] = "adversarial-training"
    title: ClassVar[str] = "Adversarial training"
    steps: ClassVar[str] = "engine.techniques.workshop_defence.steps:AdversarialTrainingSteps"
    exact: ClassVar[bool] = True
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "PGD": {},
        "Half clean": {"clean_share": 0.5},
        "Larger attack": {"epsilon": 0.25},
        "FGSM alone": {"attack": "fgsm", "epsilon": 0.25},
    }

    attack: str = setting(
        "pgd", "Training attack", "pgd: several small steps from a random start. fgsm: a single step "
        "along the sign of the gradient. It is cheaper, and the net may learn to withstand that step "
        "alone: its gradients no longer show where it is weak.",
        choices=("pgd", "fgsm"), group="Attack",
    )  # fmt: skip
    epsilon: float = setting(
        0.15, "Largest change (ε)", "How far the attack may change any pixel of the digits that are "
        "learned from; black is 0 and white is 1. The figure goes up to twice as far.",
        low=0.01, high=0.5, step=0.01, group="Attack", live=True,
    )  # fmt: skip
    attack_steps: int = setting(
        7, "Attack's steps", "Steps of PGD for each batch that is learned from.",
        low=1, high=100, group="Attack", live=True,
    )  # fmt: skip
    clean_share: float = setting(
        0.0, "Share of clean digits", "Which part of each batch is not attacked.",
        low=0.0, high=1.0, step=0.1, group="Attack", live=True,
    )  # fmt: skip
    test_steps: int = setting(
        20, "Test's steps", "Steps of PGD when both nets are tested.",
        low=1, high=1000, log=True, group="Test",
    )  # fmt: skip
    restarts: int = setting(
        2, "Test's restarts", "From how many random starts PGD attacks each test digit at each size; "
        "one that succeeds is enough.",
        low=1, high=20, group="Test",
    )  # fmt: skip
    iterations: int = setting(
        600, "Iterations", "Training steps of both nets, on the same 100 digits each; one of them "
        "gets them attacked.",
        low=1, high=100_000, step=50, log=True, group="Run",
    )  # fmt: skip
    learning_rate: float = setting(
        0.001, "Learning rate", "Of both nets, with Adam.",
        low=0.00001, high=1.0, step=0.0001, log=True, group="Run", live=True,
    )  # fmt: skip

    def at_one_size(self, iterations: int) -> AdversarialTraining:
        """Return a training of `iterations`."""
        return replace(self, iterations=iterations)
