"""Captions (Vinyals et al. 2015), with Grad-CAM for each word (Selvaraju et al. 2017)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

from engine.settings import setting
from engine.task import Technique


@dataclass(frozen=True)
class Captions(Technique):
    """Settings of a network that learns to write captions."""

    command: ClassVar[str] = "captions"
    title: ClassVar[str] = "Captions"
    steps: ClassVar[str] = "engine.techniques.workshop_captions.steps:CaptionsSteps"
    exact: ClassVar[bool] = True
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "Captions": {},
        "Short": {"iterations": 1000},
        "Nothing withheld": {"withheld": False},
    }

    scene: int = setting(
        1, "Scene", "Which of the fresh scenes is shown. The network never learns from these.",
        low=1, high=64, group="Shown", live=True,
    )  # fmt: skip
    recoloured: str = setting(
        "first", "Recoloured object", "Which object has another colour in the second picture: the one "
        "that is named first, or the second one.",
        choices=("first", "second"), group="Shown", live=True,
    )  # fmt: skip
    colour: str = setting(
        "next", "Its colour", "Which colour it has there. next: the one that comes after its own, of "
        "red, green, blue, yellow.",
        choices=("next", "red", "green", "blue", "yellow"), group="Shown", live=True,
    )  # fmt: skip
    withheld: bool = setting(
        True, "Withhold a pair", "Whether scenes of a red circle and a blue square are left out of "
        "what is learned from. Both occur, but never together.",
        group="Learning",
    )  # fmt: skip
    iterations: int = setting(
        3000, "Iterations", "Steps of learning, each from 64 scenes that have not been seen before.",
        low=1, high=100_000, step=100, log=True, group="Run",
    )  # fmt: skip
    learning_rate: float = setting(
        0.001, "Learning rate", "Of Adam.",
        low=0.00001, high=1.0, step=0.0001, log=True, group="Run", live=True,
    )  # fmt: skip

    def at_one_size(self, iterations: int) -> Captions:
        """Return the same for `iterations` steps."""
        return replace(self, iterations=iterations)
