"""Activation maximization (Erhan et al. 2009): what a layer, a channel or one neuron looks for.

Or a direction among the channels: that in which the layer responds to a guide picture (Olah,
Mordvintsev, Schubert 2017).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from engine.settings import setting
from engine.techniques.ascent.settings import PRESETS
from engine.techniques.ascent.start import Start

if TYPE_CHECKING:
    from engine.networks.network import Network


@dataclass(frozen=True)
class _Unit:
    """The first settings."""

    layer: str = setting(
        "", "Layer", "The layer; empty: the deepest of those suggested for dreaming.",
        picks="layer", group="Unit",
    )  # fmt: skip
    channel: str = setting(
        "", "Channel", "A channel by number; several, separated by commas (3,5), give a picture "
        "each, side by side; empty: the whole layer, or everything it sees in the guide picture.",
        picks="channels", group="Unit",
    )  # fmt: skip
    position: str = setting(
        "", "Position", "Row and column y,x of one neuron in the layer's map, or center; empty: "
        "the channel everywhere. The network then always sees the whole picture, and of a guide "
        "picture only that position counts.",
        group="Unit",
    )  # fmt: skip
    cosine_power: float = setting(
        2.0, "Cosine power", "How closely the mix of channels should match the guide picture's; "
        "0: only a large activation counts. Only with a guide.",
        low=0.0, high=16.0, step=0.5, group="Unit",
    )  # fmt: skip


@dataclass(frozen=True)
class ActivationMaximization(Start, _Unit):
    """Settings of an activation maximization."""

    command: ClassVar[str] = "activation-maximization"
    title: ClassVar[str] = "Activation maximization"
    steps: ClassVar[str] = (
        "engine.techniques.activation_maximization.steps:ActivationMaximizationSteps"
    )
    has_figure: ClassVar[bool] = True
    inputs: ClassVar[tuple[str, ...]] = ("guide", "start")
    presets: ClassVar[dict[str, dict[str, Any]]] = PRESETS

    def suggested_layers(self, network: Network) -> dict[str, dict[str, float]]:
        """Return the layer that is used if none is chosen."""
        layer = suggested_layer(network)
        return {"layer": {layer: 1.0}} if layer else {}


def suggested_layer(network: Network) -> str:
    """Return the deepest layer that the network suggests to dream with; empty: it suggests none."""
    suggested = [*network.card.dream_layers] or [*network.card.layers]
    return suggested[-1] if suggested else ""
