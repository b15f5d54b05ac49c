"""Black-box attacks on a small net: by a substitute (Papernot et al. 2016), by its scores (Guo 2019)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

from engine.settings import setting
from engine.task import Technique


@dataclass(frozen=True)
class BlackBox(Technique):
    """Settings of a black-box attack."""

    command: ClassVar[str] = "black-box"
    title: ClassVar[str] = "Black-box attack"
    steps: ClassVar[str] = "engine.techniques.workshop_black_box.steps:BlackBoxSteps"
    exact: ClassVar[bool] = True
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "Substitute": {},
        "Substitute, few queries": {"per_class": 3, "query_rounds": 2},
        "Score": {"attack": "score", "iterations": 128},
        "Score, small change": {"attack": "score", "iterations": 128, "epsilon": 0.08},
    }

    attack: str = setting(
        "substitute", "Attack", "substitute: the attacker asks the victim for labels, trains a net of "
        "its own on them, and attacks that one. score: the attacker asks for probabilities, and "
        "changes one pixel of each digit at a time.",
        choices=("substitute", "score"), group="Attack",
    )  # fmt: skip
    epsilon: float = setting(
        0.15, "Largest change (ε)", "How far any pixel may change; black is 0 and white is 1. It "
        "holds for the white-box attack and for the noise as well. The score attack asks again about "
        "each digit when it is changed.",
        low=0.0, high=1.0, step=0.01, group="Attack", live=True,
    )  # fmt: skip
    per_class: int = setting(
        10, "Digits per class", "How many digits of each class the attacker begins with; the victim "
        "has seen none of them. For the substitute.",
        low=1, high=15, group="Substitute",
    )  # fmt: skip
    query_rounds: int = setting(
        5, "Rounds", "How often the attacker doubles its digits by augmentation, and asks about the "
        "new ones.",
        low=0, high=8, group="Substitute",
    )  # fmt: skip
    augmentation: float = setting(
        0.2, "Augmentation step (λ)", "How far a new digit is from the one that it is made of, in each "
        "pixel, along the sign of the substitute's gradient.",
        low=0.0, high=1.0, step=0.01, group="Substitute", live=True,
    )  # fmt: skip
    iterations: int = setting(
        100, "Iterations", "Training steps of the substitute in each round; for the score attack, how "
        "many pixels of each digit are tried. All 64 are tried before any is tried again.",
        low=1, high=10_000, step=50, log=True, group="Run",
    )  # fmt: skip
    victim_steps: int = setting(
        300, "Victim's steps", "Training steps of the victim, before the attack.",
        low=1, high=10_000, step=50, log=True, group="Run",
    )  # fmt: skip

    @property
    def attack_steps(self) -> int:
        """How many steps the attack takes, after the victim's."""
        return self.iterations * (self.query_rounds + 1 if self.attack == "substitute" else 1)

    def at_one_size(self, iterations: int) -> BlackBox:
        """Return an attack of `iterations` on a victim that has hardly learned: a measurement."""
        return replace(self, iterations=iterations, query_rounds=0, victim_steps=1)
