"""Adversarial examples (Szegedy et al. 2013): FGSM (Goodfellow et al. 2015), PGD (Madry et al. 2018)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

from engine.settings import setting
from engine.task import Technique


@dataclass(frozen=True)
class Adversarial(Technique):
    """Settings of an attack."""

    command: ClassVar[str] = "adversarial"
    title: ClassVar[str] = "Adversarial example"
    steps: ClassVar[str] = "engine.techniques.adversarial.steps:AdversarialSteps"
    exact: ClassVar[bool] = True
    repaints: ClassVar[bool] = True
    has_figure: ClassVar[bool] = True
    has_verdict: ClassVar[bool] = True
    inputs: ClassVar[tuple[str, ...]] = ("content",)
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "Gradient ascent": {},
        "FGSM": {"method": "fgsm", "epsilon": 8.0},
        "PGD": {"method": "pgd"},
        "PGD, L2": {"method": "pgd", "norm": "L2"},
    }

    iterations: int = setting(
        100, "Iterations", "Maximum number of steps; the run ends as soon as the network is "
        "fooled. FGSM takes one step.",
        low=1, high=100_000, step=10, log=True, group="Run",
    )  # fmt: skip
    target: str = setting(
        "", "Class", "What the network should see instead: a class name or number; empty: the "
        "second most likely class.",
        flag="--class", picks="class", group="Class",
    )  # fmt: skip
    margin: float = setting(
        0.2, "Margin", "How far ahead of every other class the target's probability has to be. It "
        "is measured on the picture rounded to 8 bits, at the network's own size, in fp32.",
        low=0.0, high=0.99, step=0.05, group="Class", live=True,
    )  # fmt: skip
    method: str = setting(
        "gradient", "Method", "gradient: climb the class's logit until the network is fooled; "
        "fgsm: one step that uses the whole budget, along the sign of the gradient; pgd: small "
        "steps within the budget.",
        choices=("gradient", "fgsm", "pgd"), group="Attack",
    )  # fmt: skip
    step: float = setting(
        50.0, "Step", "L2 length of a step; only for the method gradient.",
        low=0.1, high=100_000.0, step=5, unit="of 255", log=True, group="Attack", live=True,
    )  # fmt: skip
    norm: str = setting(
        "Linf", "Budget norm", "Linf: how far any single pixel may change; L2: how far all of "
        "them together may. For fgsm and pgd.",
        choices=("Linf", "L2"), group="Budget",
    )  # fmt: skip
    epsilon: float = setting(
        4.0, "Largest change", "Budget for each pixel; only with Linf.",
        low=1.0, high=255.0, step=1.0, unit="of 255", group="Budget",
    )  # fmt: skip
    epsilon_l2: float = setting(
        800.0, "L2 budget", "Budget for the root of the sum of all squared changes; only with L2.",
        low=1.0, high=1_000_000.0, step=50.0, unit="of 255", log=True, group="Budget",
    )  # fmt: skip
    share: float = setting(
        0.25, "Step share", "Step length as a share of the budget; only for pgd.",
        low=0.01, high=1.0, step=0.05, group="Budget", live=True,
    )  # fmt: skip
    random_start: bool = setting(
        False, "Random start", "Start at a random point within the budget rather than at the "
        "photo; only for pgd.",
        group="Budget",
    )  # fmt: skip
    other_network: str = setting(
        "", "Second network", "A network that is only tested for being fooled as well; empty: "
        "none.", picks="network", group="Transfer",
    )  # fmt: skip

    def at_one_size(self, iterations: int) -> Adversarial:
        """Return settings of a run that does not end before `iterations` are done, for a measurement."""
        method = "gradient" if self.method == "fgsm" else self.method
        return replace(self, iterations=iterations, method=method, margin=2.0)
