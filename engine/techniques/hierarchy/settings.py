"""Hierarchy of features (Zeiler & Fergus 2014; Yosinski et al. 2015): channels layer by layer.

Each picture is an activation maximization (Erhan et al. 2009); from edges over textures and parts
to whole objects, the rows show what the network builds up.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

from engine.settings import setting
from engine.techniques.ascent.settings import PRESETS, Ascent

if TYPE_CHECKING:
    from engine.networks.network import Network


@dataclass(frozen=True)
class _Rows:
    """The first settings."""

    layer: str = setting(
        "", "Layers", "The layers, separated by commas, one row each; empty: the layers suggested "
        "for the network.",
        picks="layers", group="Units",
    )  # fmt: skip
    units: str = setting(
        "6", "Channels", "How many channels of each layer, chosen at random by the seed; or which "
        "ones, separated by commas (3,5,12).",
        picks="units", group="Units",
    )  # fmt: skip


@dataclass(frozen=True)
class Hierarchy(Ascent, _Rows):
    """Settings of a hierarchy; the size is the long side of the whole sheet."""

    command: ClassVar[str] = "hierarchy"
    title: ClassVar[str] = "Hierarchy of features"
    steps: ClassVar[str] = "engine.techniques.hierarchy.steps:HierarchySteps"
    has_figure: ClassVar[bool] = True
    presets: ClassVar[dict[str, dict[str, Any]]] = PRESETS

    iterations: int = setting(
        256, "Iterations", "Steps per layer: four layers take four times as many.",
        low=1, high=100_000, step=10, unit="per layer", log=True, group="Run",
    )  # fmt: skip

    resume: bool = setting(
        True, "Resume", "Keep the progress of an interrupted run, and continue from there when "
        "the same run is started again.",
        group="Run",
    )  # fmt: skip

    def at_one_size(self, iterations: int) -> Hierarchy:
        """Return the same for `iterations` steps of each layer, for a measurement."""
        return replace(self, iterations=iterations, resume=False)

    def from_the_start(self) -> Hierarchy:
        """Return the same technique, but not resuming an interrupted run."""
        return replace(self, resume=False)

    def suggested_layers(self, network: Network) -> dict[str, dict[str, float]]:
        """Return the layers that are used if none are chosen."""
        return {"layer": dict.fromkeys(network.card.layers, 1.0)}

    def names(self, network: Network) -> list[str]:
        """Return the layers whose channels are shown, in order, each once."""
        chosen = [name.strip() for name in self.layer.split(",") if name.strip()]
        return list(dict.fromkeys(chosen or network.card.layers))

    def rounds(self, network: Network) -> tuple[int, str]:
        """Return how many layers the iterations are done for."""
        return len(self.names(network)), "layer"
