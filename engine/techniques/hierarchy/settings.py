"""Hierarchy of features (Zeiler & Fergus 2014; Yosinski et al. 2015): channels layer by layer.

Each picture is an activation maximization (Erhan et al. 2009); from edges over textures and parts
to whole objects, the rows show what the network builds up.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

from engine.settings import setting
from engine.techniques.ascent.settings import PRESETS, Ascent

if TYPE_CHECKING:
    from torch import Tensor

    from engine.image import Picture
    from engine.networks.network import Network
    from engine.task import Frame, Labels, Stage, Task


@dataclass(frozen=True)
class _Rows:
    """What comes first among the settings."""

    layer: str = setting(
        "", "Layers", "The layers, separated by commas, a row of each; empty: those that the network "
        "offers first.",
        picks="layers", group="Units",
    )  # fmt: skip
    units: str = setting(
        "6", "Channels", "How many channels of each layer, drawn by the seed; or which ones, by "
        "number with commas, such as 3,5,12.",
        group="Units",
    )  # fmt: skip


@dataclass(frozen=True)
class Hierarchy(Ascent, _Rows):
    """Settings of a hierarchy; the size is the long side of the sheet of all pictures."""

    command: ClassVar[str] = "hierarchy"
    title: ClassVar[str] = "Hierarchy of features"
    summary: ClassVar[str] = "what channels look for, layer by layer"
    exact: ClassVar[bool] = False
    inputs: ClassVar[tuple[str, ...]] = ()
    presets: ClassVar[dict[str, dict[str, Any]]] = PRESETS

    iterations: int = setting(
        256, "Iterations", "Steps for each layer: four layers take four times as many.",
        low=1, high=100_000, step=10, unit="per layer", log=True, group="Run",
    )  # fmt: skip

    resume: bool = setting(
        True, "Resume", "Keep the pictures of a run that is broken off, and go on from there when "
        "the same one is started again.",
        group="Run",
    )  # fmt: skip

    def at_one_size(self, iterations: int) -> Hierarchy:
        """Return the same for `iterations` steps of each layer, for a measurement."""
        return replace(self, iterations=iterations, resume=False)

    def suggested_layers(self, network: Network) -> dict[str, dict[str, float]]:
        """Return the layers that are taken where none are chosen."""
        return {"layer": dict.fromkeys(network.card.layers, 1.0)}

    def names(self, network: Network) -> list[str]:
        """Return the layers whose channels are shown, in order, each once."""
        chosen = [name.strip() for name in self.layer.split(",") if name.strip()]
        return list(dict.fromkeys(chosen or network.card.layers))

    def rounds(self, network: Network) -> tuple[int, str]:
        """Return how many layers the iterations are done for."""
        return len(self.names(network)), "layer"

    def labels(self, task: Task) -> Labels:
        """Return layer and channel of each picture."""
        from engine.techniques.hierarchy.steps import labels

        return labels(replace(task, technique=self))

    def parts(self, task: Task) -> list[Task]:
        """Return tasks to be measured one by one: the first and the other steps of each layer.

        Deeper layers take longer than others, first steps longer than those that follow.
        """
        from engine.techniques.hierarchy.steps import parts

        return parts(task)

    def stages(self, task: Task) -> list[Stage]:
        """Return the one stage: a sheet with a row of pictures per layer."""
        from engine.techniques.hierarchy.steps import stages

        return stages(replace(task, technique=self))

    def frames(self, task: Task) -> Iterator[Frame]:
        """Run; one frame per iteration, a layer after the other."""
        from engine.techniques.hierarchy.steps import frames

        return frames(task)

    def figure(self, task: Task, picture: Tensor) -> Picture:
        """Return the sheet `picture` (3, H, W) as a figure with layers and channels."""
        from engine.figure import rows
        from engine.techniques.hierarchy.steps import lines

        return rows(lines(task, picture), title=task.network.card.title)
