"""Recurrent networks (Schuster & Paliwal 1997; Cho et al. 2014; Sutskever et al. 2014) on digits."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

from engine.settings import setting
from engine.task import Technique


@dataclass(frozen=True)
class Sequences(Technique):
    """Settings of a recurrent network that reads handwritten digits."""

    command: ClassVar[str] = "sequences"
    title: ClassVar[str] = "Sequences"
    steps: ClassVar[str] = "engine.techniques.workshop_sequences.steps:SequencesSteps"
    exact: ClassVar[bool] = True
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "Classify": {},
        "Aligned": {"task": "aligned"},
        "Aligned, forward only": {"task": "aligned", "direction": "forward"},
        "Unaligned": {"task": "unaligned", "iterations": 4000},
    }

    task: str = setting(
        "classify", "Task", "classify: a digit, read row by row, gets one label. aligned: each column "
        "of a strip of digits gets a label. unaligned: a strip of digits is read to its end, then "
        "written out.",
        choices=("classify", "aligned", "unaligned"), group="Sequences",
    )  # fmt: skip
    direction: str = setting(
        "both", "Direction", "both: one network reads forward, another backward, so that every moment "
        "knows what comes after it. forward: only what came before. Of classify and aligned.",
        choices=("both", "forward"), group="Sequences",
    )  # fmt: skip
    longest: int = setting(
        4, "Digits learned", "How many digits the strips that are learned from have at most, if they "
        "are written out.",
        low=1, high=6, group="Sequences",
    )  # fmt: skip
    turned: bool = setting(
        False, "Read backward", "Whether a strip that is written out is read from its end, so that "
        "its beginning is freshest when writing begins.",
        group="Sequences",
    )  # fmt: skip
    example: int = setting(
        1, "Example", "Which of the examples is shown. The network never learns from these digits.",
        low=1, high=64, group="Shown", live=True,
    )  # fmt: skip
    length: int = setting(
        3, "Digits shown", "How many digits the strip that is shown has.",
        low=1, high=8, group="Shown", live=True,
    )  # fmt: skip
    iterations: int = setting(
        2000, "Iterations", "Steps of learning.",
        low=1, high=100_000, step=100, log=True, group="Run",
    )  # fmt: skip
    learning_rate: float = setting(
        0.002, "Learning rate", "Of Adam.",
        low=0.00001, high=1.0, step=0.0001, log=True, group="Run", live=True,
    )  # fmt: skip

    def at_one_size(self, iterations: int) -> Sequences:
        """Return the same for `iterations` steps."""
        return replace(self, iterations=iterations)
