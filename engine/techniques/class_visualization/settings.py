"""Class visualization (Simonyan, Vedaldi, Zisserman 2014): a picture that a class scores highest on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from engine.settings import setting
from engine.techniques.ascent.settings import PRESETS
from engine.techniques.ascent.start import Start

if TYPE_CHECKING:
    from torch import Tensor

    from engine.image import Picture
    from engine.task import Frame, Labels, Stage, Task


@dataclass(frozen=True)
class _Target:
    """What comes first among the settings."""

    target: str = setting(
        "", "Class", "A class by name or number; several with commas, such as dalmatian, pizza: a "
        "picture of each, side by side.",
        flag="--class", picks="class", required=True, group="Class",
    )  # fmt: skip


@dataclass(frozen=True)
class _Own:
    """What other ascents do not have."""

    rivals: float = setting(
        0.3, "Rivals", "How much of the likeliest other class's logit is taken off the class's "
        "own; 0: the class's logit alone.",
        low=0.0, high=1.0, step=0.05, group="Class",
    )  # fmt: skip
    against: bool = setting(
        False, "Against", "What speaks against the class instead: its logit is made small, whatever "
        "the others are.",
        group="Class",
    )  # fmt: skip
    shrinking: bool = setting(
        False, "Shrinking views", "Views go from the farthest to the closest during the run, "
        "instead of any of them at any time.",
        group="Views",
    )  # fmt: skip


@dataclass(frozen=True)
class ClassVisualization(_Own, Start, _Target):
    """Settings of a class visualization."""

    command: ClassVar[str] = "class-visualization"
    title: ClassVar[str] = "Class visualization"
    summary: ClassVar[str] = "what a class looks like to the network"
    exact: ClassVar[bool] = False
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

    def labels(self, task: Task) -> Labels:
        """Return the class of each picture."""
        from engine.task import square_labels
        from engine.techniques.class_visualization.steps import names_of

        return square_labels(names_of(task))

    def stages(self, task: Task) -> list[Stage]:
        """Return the one stage: a sheet of a picture per class and copy."""
        from engine.techniques.class_visualization.steps import stages

        return stages(self, task)

    def frames(self, task: Task) -> Iterator[Frame]:
        """Run; one frame per iteration. Needs a network with classes and the name of one."""
        from engine.techniques.class_visualization.steps import frames

        return frames(task)

    def figure(self, task: Task, picture: Tensor) -> Picture:
        """Return the sheet `picture` (3, H, W) as a figure with the names of the classes.

        Of phases also with only what matters to the class, as MACO shows them.
        """
        from engine.figure import contact_sheet
        from engine.techniques.class_visualization.steps import tiles

        columns = 2 if self.parameterization == "phases" else None
        return contact_sheet(tiles(task, picture), columns)
