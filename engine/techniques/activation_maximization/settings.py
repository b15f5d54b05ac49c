"""Activation maximization (Erhan et al. 2009): what a layer, a channel or one neuron looks for.

Or a direction among the channels: that in which the layer answers to a guide picture (Olah,
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
    """What comes first among the settings."""

    layer: str = setting(
        "", "Layer", "The layer; empty: the deepest that the network suggests to dream with.",
        picks="layer", group="Unit",
    )  # fmt: skip
    channel: str = setting(
        "", "Channel", "A channel by number; several with commas, such as 3,5: a picture of each, "
        "side by side; empty: the whole layer, or all that it sees in the guide picture.",
        picks="channels", group="Unit",
    )  # fmt: skip
    position: str = setting(
        "", "Position", "Row and column y,x of one neuron in the layer's map, or center; empty: the "
        "channel everywhere. The network then always sees the whole picture; of a guide picture only "
        "what is seen there counts.",
        group="Unit",
    )  # fmt: skip
    cosine_power: float = setting(
        2.0, "Cosine power", "How much the mixture of channels should be that of the guide picture; "
        "0: a large activation is enough. Only with a guide.",
        low=0.0, high=16.0, step=0.5, group="Unit",
    )  # fmt: skip


@dataclass(frozen=True)
class ActivationMaximization(Start, _Unit):
    """Settings of an activation maximization."""

    command: ClassVar[str] = "activation-maximization"
    title: ClassVar[str] = "Activation maximization"
    summary: ClassVar[str] = "what a layer, channel, neuron or direction looks for"
    steps: ClassVar[str] = (
        "engine.techniques.activation_maximization.steps:ActivationMaximizationSteps"
    )
    has_figure: ClassVar[bool] = True
    inputs: ClassVar[tuple[str, ...]] = ("guide", "start")
    presets: ClassVar[dict[str, dict[str, Any]]] = PRESETS

    def suggested_layers(self, network: Network) -> dict[str, dict[str, float]]:
        """Return the layer that is taken where none is chosen."""
        layer = suggested_layer(network)
        return {"layer": {layer: 1.0}} if layer else {}


def suggested_layer(network: Network) -> str:
    """Return the deepest layer that the network suggests to dream with; empty: it suggests none."""
    suggested = [*network.card.dream_layers] or [*network.card.layers]
    return suggested[-1] if suggested else ""
