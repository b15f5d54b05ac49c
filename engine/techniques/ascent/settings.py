"""Settings that class visualization and activation maximization share.

Gradient ascent on a picture: Simonyan, Vedaldi, Zisserman 2014; with regularizing steps: Yosinski
et al. 2015; in Fourier space and through random views: Olah, Mordvintsev, Schubert 2017; with
phases only: Fel et al. 2023 (MACO).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self

from engine.settings import setting
from engine.task import Lighter, Technique

_STILL = {"jitter": 0, "zoom": 0.0, "rotation": 0.0, "closest": 1.0}
_YOSINSKI = {
    **_STILL, "parameterization": "pixels", "optimizer": "progress", "iterations": 500,
}  # fmt: skip
MANY = 32
"""Number of steps of which the first ones, whose gradients may pass blocked ReLUs, are the smaller
part."""
# The published rates are for CaffeNet and its scale of logits; steps of a fixed length suit all
# networks.
PRESETS: dict[str, dict[str, Any]] = {
    "Fourier + transformations": {},
    "Simonyan 2014": {
        **_STILL, "parameterization": "pixels", "optimizer": "normalised", "learning_rate": 2.0,
        "start_noise": 0.0, "l2": 0.01, "iterations": 200,
    },
    "CS231n": {
        **_STILL, "parameterization": "pixels", "optimizer": "normalised", "learning_rate": 3.7,
        "jitter": 16, "l2": 0.002, "blur": 0.5, "blur_every": 10, "iterations": 100,
    },
    "Yosinski 2015 style 1": {
        **_YOSINSKI, "learning_rate": 1e8, "blur": 0.5, "small_norm": 50.0,
    },
    "Yosinski 2015 style 2": {
        **_YOSINSKI, "optimizer": "normalised", "learning_rate": 12.0, "l2": 0.3,
        "small_norm": 20.0, "iterations": 750,
    },
    "Yosinski 2015 style 3": {
        **_YOSINSKI, "optimizer": "normalised", "learning_rate": 2.5, "l2": 1e-4, "blur": 1.0,
        "iterations": 1000,
    },
    "Yosinski 2015 style 4": {
        **_YOSINSKI, "optimizer": "normalised", "learning_rate": 4.0, "blur": 0.5,
        "small_contribution": 90.0, "iterations": 1000,
    },
    "MACO": {
        "parameterization": "phases", "learning_rate": 1.0, "views": 4, "view_noise": 0.08,
        "jitter": 0, "zoom": 0.0, "rotation": 0.0, "closest": 0.25, "farthest": 0.6,
    },
}  # fmt: skip


@dataclass(frozen=True)
class Ascent(Technique):
    """How the picture is parameterized, moved and regularized."""

    iterations: int = setting(
        256, "Iterations", "Total number of steps.",
        low=1, high=100_000, step=10, log=True, group="Run",
    )  # fmt: skip
    parameterization: str = setting(
        "fourier", "Parameterization", "fourier: a decorrelated spectrum; pyramid: octaves of "
        "detail (a Laplacian pyramid) with decorrelated colours; pixels: the plain picture; "
        "phases: the magnitudes of photographs are fixed, only the phases vary (MACO).",
        choices=("fourier", "pyramid", "pixels", "phases"), group="Run",
    )  # fmt: skip
    start_noise: float = setting(
        10.0, "Start noise", "Standard deviation of the starting pixels around the mean colour; "
        "0: flat. Only for pixels.",
        low=0.0, high=128.0, step=1.0, unit="of 255", group="Run",
    )  # fmt: skip
    optimizer: str = setting(
        "adam", "Optimizer", "adam; normalised: steps of equal size; progress: steps that raise "
        "the objective by an equal amount; plain: the gradient itself (the last two for pixels "
        "from 0 to 255).",
        choices=("adam", "normalised", "progress", "plain"), group="Step",
    )  # fmt: skip
    learning_rate: float = setting(
        0.05, "Learning rate", "adam: in the picture's own units; normalised: mean change of a "
        "pixel, of 255; plain: factor of the gradient; progress: largest factor.",
        low=1e-4, high=1e9, log=True, group="Step", live=True,
    )  # fmt: skip
    progress: float = setting(
        2.0, "Gain per step", "How much the objective should gain per step. Only for progress.",
        low=0.001, high=1000.0, step=0.5, log=True, group="Step", live=True,
    )  # fmt: skip
    jitter: int = setting(
        16, "Jitter", "Range of random shifts, on a grey border half as wide again; 0: none.",
        low=0, high=112, unit="px of 224", group="Views", live=True,
    )  # fmt: skip
    zoom: float = setting(
        0.1, "Zoom", "Largest random change of scale, up or down; 0: none.",
        low=0.0, high=0.5, step=0.05, group="Views", live=True,
    )  # fmt: skip
    rotation: float = setting(
        10.0, "Rotation", "Largest random rotation; 0: none.",
        low=0.0, high=45.0, step=1.0, unit="degrees", group="Views", live=True,
    )  # fmt: skip
    closest: float = setting(
        0.25, "Closest view", "Smallest share of the picture's side that the network is shown. "
        "Small values give fine detail and several objects; 1: always the whole picture.",
        low=0.05, high=1.0, step=0.05, group="Views", live=True,
    )  # fmt: skip
    farthest: float = setting(
        1.0, "Farthest view", "Largest share of the picture's side that the network is shown.",
        low=0.05, high=1.0, step=0.05, group="Views", live=True,
    )  # fmt: skip
    views: int = setting(
        1, "Views", "Random views per step; the time grows in proportion.",
        low=1, high=64, group="Views", live=True,
    )  # fmt: skip
    view_noise: float = setting(
        0.0, "Noise", "Standard deviation of the noise added to each view, in units of the range "
        "from black to white.",
        low=0.0, high=0.5, step=0.01, group="Views", live=True,
    )  # fmt: skip
    l2: float = setting(
        0.0, "L2 decay", "Share of the contrast removed at each step; not for phases.",
        low=0.0, high=0.9, step=0.001, group="Regularization", live=True,
    )  # fmt: skip
    tv: float = setting(
        0.0, "Total variation", "Weight of the mean difference between neighbouring pixels, to "
        "the power below.",
        low=0.0, high=1e6, step=1.0, group="Regularization", live=True,
    )  # fmt: skip
    tv_beta: float = setting(
        2.0, "Variation power", "2: squared differences; lower values give fewer, sharper edges.",
        low=1.0, high=4.0, step=0.1, group="Regularization", live=True,
    )  # fmt: skip
    alpha_norm: float = setting(
        0.0, "Alpha norm", "Weight of the mean sixth power of the distance from the network's "
        "mean colour, which restrains extreme values.",
        low=0.0, high=1e6, step=1.0, group="Regularization", live=True,
    )  # fmt: skip
    blur: float = setting(
        0.0, "Blur", "Gaussian blur applied to the picture every few steps; below 0.3 it does "
        "little; 0: none. Only for pixels.",
        low=0.0, high=8.0, step=0.1, unit="px of the network's input", group="Regularization", live=True,
    )  # fmt: skip
    blur_every: int = setting(
        4, "Blur every", "Number of steps between blurs.",
        low=1, high=1000, group="Regularization", live=True,
    )  # fmt: skip
    small_norm: float = setting(
        0.0, "Clip small colours", "Share of pixels, those closest to the mean colour, that are "
        "set to it at each step. Only for pixels.",
        low=0.0, high=99.0, step=1.0, unit="%", group="Regularization", live=True,
    )  # fmt: skip
    small_contribution: float = setting(
        0.0, "Clip small contributions", "Share of pixels, those that matter least to the "
        "objective, that are set to the mean colour at each step. Only for pixels.",
        low=0.0, high=99.0, step=1.0, unit="%", group="Regularization", live=True,
    )  # fmt: skip
    copies: int = setting(
        1, "Copies", "How many pictures to make of each, from different starts.",
        low=1, high=16, group="Output",
    )  # fmt: skip
    diversity: float = setting(
        0.0, "Diversity", "How strongly the copies are pushed to differ.",
        low=0.0, high=1e6, step=1.0, group="Output", live=True,
    )  # fmt: skip

    steady: bool = False
    """Not a setting: whether even the first steps are like most of the run's."""

    def at_one_size(self, iterations: int) -> Self:
        """Return the same for `iterations` typical steps, for a measurement."""
        return replace(self, iterations=iterations, steady=self.iterations > MANY)

    def lighter(self, share: float) -> Lighter:
        """Return the same with a single view per step: views are looked at one after the other."""
        return Lighter(replace(self, views=1), self.views)
