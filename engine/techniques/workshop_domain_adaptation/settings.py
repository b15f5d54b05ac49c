"""Domain adaptation by gradient reversal (Ganin et al. 2016), and how far nets get without it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

from engine.settings import setting
from engine.task import Technique


@dataclass(frozen=True)
class DomainAdaptation(Technique):
    """Settings of a classifier that meets data of another domain."""

    command: ClassVar[str] = "domain-adaptation"
    title: ClassVar[str] = "Domain adaptation"
    steps: ClassVar[str] = (
        "engine.techniques.workshop_domain_adaptation.steps:DomainAdaptationSteps"
    )
    exact: ClassVar[bool] = True
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "Two moons": {},
        "Strong reversal": {"reversal": 3.0},
        "Without reversal": {"reversal": 0.0},
        "Digits without adaptation": {"data": "digits"},
    }

    data: str = setting(
        "moons", "Data", "moons: two moons with labels, and the same without labels, turned. digits: "
        "handwritten digits, and digits blended with pieces of photos; a net for each, without "
        "adaptation.",
        choices=("moons", "digits"), group="Domains",
    )  # fmt: skip
    reversal: float = setting(
        1.0, "Reversal (λ)", "How strongly the features are changed so that the domain discriminator "
        "errs, if the data are moons; 0: not at all. It rises to this strength during the run.",
        low=0.0, high=10.0, step=0.5, group="Domains", live=True,
    )  # fmt: skip
    angle: float = setting(
        35.0, "Angle", "By how much the target's moons are turned, if the data are moons.",
        low=0.0, high=90.0, step=5.0, unit="°", group="Domains",
    )  # fmt: skip
    iterations: int = setting(
        1000, "Iterations", "Steps of the nets.",
        low=1, high=100_000, step=50, log=True, group="Run",
    )  # fmt: skip
    learning_rate: float | None = setting(
        None, "Learning rate", "Of Adam. auto: 0.01 for moons, 0.001 for digits.",
        low=0.00001, high=1.0, step=0.001, log=True, group="Run", live=True,
    )  # fmt: skip

    def at_one_size(self, iterations: int) -> DomainAdaptation:
        """Return a run of `iterations`."""
        return replace(self, iterations=iterations)
