"""Class visualization (Simonyan, Vedaldi, Zisserman 2014): a picture that a class scores highest on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from engine.settings import setting
from engine.techniques.ascent.settings import PRESETS
from engine.techniques.ascent.start import Start


@dataclass(frozen=True)
class _Target:
    """The first settings."""

    target: str = setting(
        "", "Class", "A class by name or number; several, separated by commas (dalmatian, pizza), "
        "give a picture each, side by side.",
        flag="--class", picks="class", required=True, group="Class",
    )  # fmt: skip


@dataclass(frozen=True)
class _Own:
    """What other ascents do not have."""

    rivals: float = setting(
        0.3, "Competing class", "How much of the strongest other class's logit to subtract; 0: "
        "only the class's own logit counts.",
        low=0.0, high=1.0, step=0.05, group="Class",
    )  # fmt: skip
    against: bool = setting(
        False, "Against", "Show what speaks against the class instead: its logit is minimized, "
        "whatever the other classes do.",
        group="Class",
    )  # fmt: skip
    shrinking: bool = setting(
        False, "Shrinking views", "Views move from the farthest to the closest during the run, "
        "instead of varying at random.",
        group="Views",
    )  # fmt: skip


@dataclass(frozen=True)
class ClassVisualization(_Own, Start, _Target):
    """Settings of a class visualization."""

    command: ClassVar[str] = "class-visualization"
    title: ClassVar[str] = "Class visualization"
    steps: ClassVar[str] = "engine.techniques.class_visualization.steps:ClassVisualizationSteps"
    has_figure: ClassVar[bool] = True
    inputs: ClassVar[tuple[str, ...]] = ("start",)
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        **{
            name: values if not values else {**values, "rivals": 0.0}
            for name, values in PRESETS.items()
        },
        "MACO": {
            **PRESETS["MACO"],
            "rivals": 0.0,
            "shrinking": True,
            "closest": 0.15,
            "farthest": 0.5,
        },
    }
