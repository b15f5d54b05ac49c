"""Multifaceted feature visualization (Nguyen, Yosinski, Clune 2016): the sides of a class.

Photos of a class are sorted into groups that look alike to the network (PCA, t-SNE, k-means of its
features); each group's mean picture is where an ascent towards the class begins.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from engine.settings import setting
from engine.techniques.ascent.settings import Ascent

if TYPE_CHECKING:
    from engine.networks.network import Network


@dataclass(frozen=True)
class _Photos:
    """The first settings."""

    target: str = setting(
        "", "Class", "The class, by name or number.",
        flag="--class", picks="class", required=True, group="Class",
    )  # fmt: skip
    folder: str = setting(
        "", "Folder", "A folder of photos of the class; a few dozen or more make good groups.",
        picks="folder", required=True, group="Class",
    )  # fmt: skip
    layer: str = setting(
        "", "Layer", "The layer whose features, averaged over positions, tell which photos are "
        "alike; empty: the last of the suggested layers.",
        picks="layer", group="Facets",
    )  # fmt: skip
    nearest: int = setting(
        15, "Photos averaged", "How many of the photos closest to a group's centre are averaged "
        "to start from.",
        low=1, high=1000, group="Facets",
    )  # fmt: skip


@dataclass(frozen=True)
class Multifaceted(Ascent, _Photos):
    """Settings of a multifaceted visualization."""

    command: ClassVar[str] = "multifaceted"
    title: ClassVar[str] = "Multifaceted visualization"
    steps: ClassVar[str] = "engine.techniques.multifaceted.steps:MultifacetedSteps"
    has_figure: ClassVar[bool] = True
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "Fourier": {},
        "Pixels": {
            "parameterization": "pixels", "learning_rate": 0.005, "tv": 300.0, "closest": 0.7,
        },
    }  # fmt: skip

    copies: int = setting(
        4, "Facets", "How many groups to sort the photos into; each gives a picture.",
        low=1, high=16, flag="--facets", group="Facets",
    )  # fmt: skip
    diversity: float = setting(
        0.0, "Diversity", "How strongly the facets are pushed to differ.",
        low=0.0, high=1e6, step=1.0, group="Facets", live=True,
    )  # fmt: skip
    iterations: int = setting(
        128, "Iterations", "Total number of steps.",
        low=1, high=100_000, step=10, log=True, group="Run",
    )  # fmt: skip
    parameterization: str = setting(
        "fourier", "Parameterization", "fourier: a decorrelated spectrum; pixels: the plain picture.",
        choices=("fourier", "pixels"), group="Run",
    )  # fmt: skip
    closest: float = setting(
        0.5, "Closest view", "Smallest share of the picture's side that the network is shown. "
        "Small values give fine detail and several objects; 1: always the whole picture.",
        low=0.05, high=1.0, step=0.05, group="Views", live=True,
    )  # fmt: skip

    def suggested_layers(self, network: Network) -> dict[str, dict[str, float]]:
        """Return the layer that is used if none is chosen."""
        return {"layer": dict.fromkeys(network.card.layers[-1:], 1.0)}
