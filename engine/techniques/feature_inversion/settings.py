"""Feature inversion (Mahendran & Vedaldi 2015): what a layer's features remember of a photo.

E(x) = ||φ(x) - φ(x0)||² / ||φ(x0)||² + λα R_α(x) + λV R_Vβ(x), minimized from noise.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

from engine.settings import setting
from engine.task import Technique

if TYPE_CHECKING:
    from engine.networks.network import Network


@dataclass(frozen=True)
class FeatureInversion(Technique):
    """Settings of a feature inversion."""

    command: ClassVar[str] = "feature-inversion"
    title: ClassVar[str] = "Feature inversion"
    steps: ClassVar[str] = "engine.techniques.feature_inversion.steps:FeatureInversionSteps"
    exact: ClassVar[bool] = True
    has_figure: ClassVar[bool] = True
    in_tiles: ClassVar[bool] = True
    inputs: ClassVar[tuple[str, ...]] = ("content",)
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "One layer": {},
        "Layer by layer": {"layer": "all"},
        "What is left open": {"repeats": 4},
    }

    iterations: int = setting(
        200, "Iterations", "Total number of steps.",
        low=1, high=100_000, step=50, log=True, group="Run",
    )  # fmt: skip
    layer: str = setting(
        "", "Layer", "The layer whose features are inverted; several, separated by commas, make a "
        "sheet; all: the layers suggested for the network; empty: its content layer.",
        group="Features", picks="layers",
    )  # fmt: skip
    repeats: int = setting(
        1, "Repeats", "Repeats from different noise, side by side: where they differ, the "
        "features do not determine the picture.",
        low=1, high=64, group="Features",
    )  # fmt: skip
    smoothness: float | None = setting(
        None, "Smoothness", "Weight of the total variation; auto: grows with the layer's "
        "receptive field.",
        low=0.0, high=1e4, log=True, group="Priors", live=True,
    )  # fmt: skip
    range_weight: float | None = setting(
        None, "Range", "Weight of the alpha norm, which keeps colours moderate; auto: grows with "
        "the layer's receptive field.",
        low=0.0, high=1e4, log=True, group="Priors", live=True,
    )  # fmt: skip
    beta: float = setting(
        2.0, "Beta", "Power of the total variation: 1 gives flat areas with sharp edges (and "
        "spikes at layers that skip pixels), 2 gives smooth shading.",
        low=0.5, high=4.0, step=0.1, group="Priors", live=True,
    )  # fmt: skip
    alpha: float = setting(
        6.0, "Alpha", "Power of the alpha norm: the higher it is, the more it restrains only "
        "extreme values.",
        low=1.0, high=12.0, step=1.0, group="Priors", live=True,
    )  # fmt: skip
    learning_rate: float = setting(
        0.1, "Learning rate", "Initial step of the optimizer, as a share of the range from black "
        "to white; it decreases to zero towards the end.",
        low=1e-4, high=1.0, log=True, group="Optimizer", live=True,
    )  # fmt: skip
    noise: float = setting(
        0.1, "Noise", "Standard deviation of the coloured noise around grey to start from.",
        low=0.0, high=1.0, step=0.05, group="Optimizer",
    )  # fmt: skip

    def at_one_size(self, iterations: int) -> FeatureInversion:
        """Return the same for `iterations` steps, for a measurement."""
        return replace(self, iterations=iterations)

    def suggested_layers(self, network: Network) -> dict[str, dict[str, float]]:
        """Return the layer that is used if none is chosen."""
        card = network.card
        return {"layer": dict.fromkeys(list(card.content_layers or card.layers)[:1], 1.0)}
