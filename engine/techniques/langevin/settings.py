"""Langevin sampling of pictures of a class (Nguyen et al. 2017): p(x | y) ~ p(x) p(y | x)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

from engine.settings import setting
from engine.task import Lighter, Technique


@dataclass(frozen=True)
class LangevinSampling(Technique):
    """Settings of x <- x + e1 grad log p(x) + e2 grad log p(y|x) + N(0, e3²)."""

    command: ClassVar[str] = "langevin"
    title: ClassVar[str] = "Langevin sampling"
    steps: ClassVar[str] = "engine.techniques.langevin.steps:LangevinSamplingSteps"
    exact: ClassVar[bool] = True
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "Samples": {},
        "Four chains": {"chains": 4},
        "A chain in time": {"samples": 4, "thinning": 50},
        "MALA": {"sampler": "MALA", "iterations": 1000},
        "Most likely picture": {"noise": 0.0},
    }

    iterations: int = setting(
        300, "Iterations", "Steps of every chain.",
        low=1, high=100_000, step=50, log=True, group="Run",
    )  # fmt: skip
    target: str = setting(
        "", "Class", "What the network should see: a class name or number.",
        flag="--class", picks="class", required=True, group="Class",
    )  # fmt: skip
    sampler: str = setting(
        "ULA", "Sampler", "ULA takes every step. MALA accepts or rejects each step "
        "(Metropolis-Hastings), so that large steps do not bias the samples, and adapts its own "
        "step length.",
        choices=("ULA", "MALA"), group="Sampler",
    )  # fmt: skip
    prior_step: float = setting(
        0.0005, "Prior (ε1)", "Step along the gradient of log p(x): plausible colours, smooth areas.",
        low=0.0, high=0.1, step=0.0001, group="Sampler", live=True,
    )  # fmt: skip
    class_step: float = setting(
        30.0, "Class (ε2)", "Step along the gradient of log p(y|x): what the network recognizes.",
        low=0.0, high=1000.0, step=0.1, group="Sampler", live=True,
    )  # fmt: skip
    noise: float = setting(
        0.01, "Noise (ε3)", "Standard deviation of the noise added per step; 0 gives the most "
        "likely picture instead of a sample.",
        low=0.0, high=0.1, step=0.001, group="Sampler", live=True,
    )  # fmt: skip
    smoothing: float = setting(
        100.0, "Smoothness", "Weight of the total variation in log p(x), relative to the distance "
        "from the mean colour; 0: none.",
        low=0.0, high=1000.0, step=1.0, group="Prior", live=True,
    )  # fmt: skip
    beta: float = setting(
        2.0, "TV exponent", "2 gives soft gradients, 1 flat areas with sharp edges.",
        low=1.0, high=3.0, step=0.1, group="Prior",
    )  # fmt: skip
    start_noise: float = setting(
        0.2, "Start noise", "Contrast of the random clouds that the chains start from.",
        low=0.0, high=1.0, step=0.05, group="Prior",
    )  # fmt: skip
    clip: bool = setting(
        True, "Clip", "Keep the picture in the valid range after every step. Only for ULA; MALA's "
        "samples are clipped when shown.", group="Prior",
    )  # fmt: skip
    burn_in: float = setting(
        0.4, "Burn-in", "Share of the iterations that pass before samples are taken; MALA adapts "
        "its step length only during them.",
        low=0.0, high=1.0, step=0.05, group="Chains",
    )  # fmt: skip
    chains: int = setting(
        1, "Chains", "Number of independent chains, shown one below the other or in a square.",
        low=1, high=64, group="Chains",
    )  # fmt: skip
    samples: int = setting(
        1, "Samples", "Number of samples of each chain, shown in a row; the last is from the "
        "final iteration.",
        low=1, high=64, group="Chains",
    )  # fmt: skip
    thinning: int = setting(
        50, "Thinning", "Iterations between two samples of a chain.",
        low=1, high=100_000, step=10, log=True, group="Chains",
    )  # fmt: skip

    def at_one_size(self, iterations: int) -> LangevinSampling:
        """Return chains of `iterations` steps; keeping samples of them costs nothing."""
        return replace(self, iterations=iterations, samples=1)

    def lighter(self, share: float) -> Lighter:
        """Return a single chain: all of them take a step together."""
        return Lighter(replace(self, chains=1, samples=1), self.chains, self.chains)
