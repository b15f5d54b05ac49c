"""Neural style transfer (Gatys, Ecker, Bethge 2015): a content picture repainted in a style.

L(x) = λc Lc + λs Ls + λtv TV, minimized over the picture, coarse to fine.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import engine.techniques.style_settings as style_settings
from engine.settings import setting
from engine.task import Technique

if TYPE_CHECKING:
    from engine.networks.network import Network

GATYS = {
    "smallest_scale": 4096,
    "style_statistic": "gram",
    "optimizer": "lbfgs",
    "learning_rate": 1.0,
    "longer_steps": 0.0,
    "start": "noise",
    "pooling": "average",
    "averaging": 0.0,
    "content_weight": 0.15,
    "tv_weight": 0.0,
    "padding": "zeros",
}

CROWSON = {
    "style_statistic": "wasserstein",
    "loss_scaling": "raw",
    "style_layers": {
        "relu1_1": 256.0,
        "relu2_1": 64.0,
        "relu3_1": 16.0,
        "relu4_1": 4.0,
        "relu5_1": 1.0,
    },
    "content_weight": 0.015,
    "tv_weight": 2.0,
    "pooling": "max",
    "padding": "replicate",
}
"""The objective of Crowson's style-transfer-pytorch, which is made for VGG-19."""


@dataclass(frozen=True)
class StyleTransfer(Technique):
    """Settings of a style transfer."""

    command: ClassVar[str] = "style-transfer"
    title: ClassVar[str] = "Style transfer"
    steps: ClassVar[str] = "engine.techniques.style_transfer.steps:StyleTransferSteps"
    repaints: ClassVar[bool] = True
    goes_on: ClassVar[bool] = True
    in_tiles: ClassVar[bool] = True
    inputs: ClassVar[tuple[str, ...]] = ("content", "styles", "start", "regions")
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "Best": {},
        "Fast preview": {
            "iterations": 150,
            "learning_rate": 0.03,
            "averaging": 0.88,
            "style_statistic": "gram",
            "content_weight": 0.1,
            "tv_weight": 0.6,
        },
        "Fine texture": {
            "iterations": 150,
            "style_layers": {"relu1_1": 2.0, "relu2_1": 1.0},
            "smallest_scale": 65536,
            "start": "content",
        },
        "Fine strokes": {
            "iterations": 300,
            "smallest_scale": 181,
            "first_share": 0.25,
            **CROWSON,
            "optimizer": "lbfgs",
            "learning_rate": 1.0,
            "history": 15,
            "averaging": 0.0,
            "start": "content",
        },
        "Gatys 2015": {**GATYS, "iterations": 500},
        "Johnson's neural-style": {
            **GATYS,
            "iterations": 1000,
            "pooling": "max",
            "tv_weight": 1e-2,
            "history": 50,
        },
    }

    iterations: int = setting(
        1000, "Iterations", "Total steps over all scales.",
        low=1, high=100_000, step=50, log=True, group="Run",
    )  # fmt: skip
    content_weight: float = setting(
        0.03, "Content", "How strongly the photo's shapes are preserved.",
        low=0.0, high=1e6, log=True, group="Weights", live=True,
    )  # fmt: skip
    style_weight: float = setting(
        1.0, "Style", "How strongly the painting's strokes and colours are imposed.",
        low=0.0, high=1e6, log=True, group="Weights", live=True,
    )  # fmt: skip
    tv_weight: float = style_settings.tv_weight(0.5, "Weights")
    content_layers: dict[str, float] | None = setting(
        None, "Content layers", "Layers whose activations are preserved, with weights; auto uses "
        "relu4_2 or the network's counterpart.", group="Layers",
    )  # fmt: skip
    style_layers: dict[str, float] | None = setting(
        None, "Style layers", "Layers whose statistics are matched, with weights; auto uses "
        "relu1_1 to relu5_1 or the network's counterparts.", group="Layers",
    )  # fmt: skip
    content_blend: float = setting(
        0.0, "Content depth", "Moves from the content layer (0) towards a deeper one, relu5_2 "
        "(1): deeper layers preserve what is there rather than where it is.",
        low=0.0, high=1.0, step=0.05, group="Layers",
    )  # fmt: skip
    style_statistic: str = setting(
        "wasserstein", "Style statistic", "Which statistics of the style's features are matched: "
        "Gram matrices, or means and covariances by the Wasserstein distance.",
        choices=("wasserstein", "gram"), group="Losses",
    )  # fmt: skip
    loss_scaling: str = setting(
        "relative", "Loss scaling", "relative: each loss is divided by the size of its target, so "
        "that weights mean the same on every network; raw: the published formulas; gradient: each "
        "loss is divided by the sum of its absolute errors, so that all pull equally hard.",
        choices=("relative", "raw", "gradient"), group="Losses",
    )  # fmt: skip
    pooling: str = style_settings.pooling()
    padding: str = setting(
        "replicate", "Border", "How the picture is continued beyond its border.",
        choices=("replicate", "zeros"), group="Network",
    )  # fmt: skip
    style_scale: float = setting(
        1.0, "Style scale", "Size of the painting's strokes, relative to the result.",
        low=0.1, high=4.0, step=0.1, log=True, group="Scale",
    )  # fmt: skip
    smallest_scale: int = setting(
        128, "Smallest scale", "Where the coarse-to-fine pyramid starts; the result's size or "
        "more means a single scale.",
        low=16, high=65536, step=16, unit="px", log=True, group="Scale",
    )  # fmt: skip
    first_share: float = style_settings.first_share()
    large_share: float = setting(
        0.5, "Large-scale iterations", "What share of the iterations is left with each doubling of the "
        "scale above 512 px: coarse scales decide the composition, large ones only add detail. 1: "
        "as many at every scale.",
        low=0.1, high=1.0, step=0.05, group="Scale", before=1.0,
    )  # fmt: skip
    region_edges: str = setting(
        "simple", "Region edges", "Which places of a layer count for a region. simple: those in it; "
        "inside: those that see nothing but the region, as far as enough of them are left, which "
        "keeps styles from mixing at edges.",
        choices=("simple", "inside"), group="Regions",
    )  # fmt: skip
    start: str = setting(
        "recoloured", "Start", "The picture to start from. recoloured: the content with the "
        "painting's colours; noise: noise with the content's mean and standard deviation; "
        "picture: the start picture.",
        choices=("recoloured", "content", "noise", "blend", "gray", "picture"), group="Start",
    )  # fmt: skip
    start_blend: float = setting(
        0.5, "Start blend", "Share of noise when the start is a blend.",
        low=0.0, high=1.0, step=0.05, group="Start",
    )  # fmt: skip
    optimizer: str = setting(
        "adam", "Optimizer", "adam, or lbfgs as in the paper.",
        choices=("adam", "lbfgs"), group="Optimizer",
    )  # fmt: skip
    learning_rate: float = setting(
        0.02, "Learning rate", "Step of the optimizer; 1 is usual for L-BFGS.",
        low=1e-5, high=100.0, log=True, group="Optimizer", live=True,
    )  # fmt: skip
    beta1: float = setting(
        0.9, "Beta 1", "Adam's memory of gradients.",
        low=0.0, high=0.9999, step=0.01, group="Optimizer",
    )  # fmt: skip
    beta2: float = setting(
        0.99, "Beta 2", "Adam's memory of squared gradients.",
        low=0.0, high=0.99999, step=0.01, group="Optimizer",
    )  # fmt: skip
    epsilon: float = setting(
        1e-8, "Epsilon", "Adam's guard against division by zero.",
        low=1e-20, high=1.0, log=True, group="Optimizer",
    )  # fmt: skip
    history: int = setting(
        10, "History", "Number of steps that L-BFGS remembers; each takes the memory of two pictures.",
        low=1, high=200, group="Optimizer",
    )  # fmt: skip
    longer_steps: float = setting(
        0.3, "Longer steps", "How far L-BFGS moves from its usual step towards the longer one of "
        "Barzilai and Borwein where the curvature is unknown: 0.3 is faster; 0 is the textbook "
        "method.",
        low=0.0, high=1.0, step=0.05, group="Optimizer",
    )  # fmt: skip
    averaging: float = style_settings.averaging(0.97)
    clamp: bool = setting(
        True, "Clamp", "Keep the picture in the valid range after every step.", group="Optimizer"
    )
    colour: str = setting(
        "style", "Colours", "style: the painting's colours; luminance: only light and dark are "
        "transferred; match: the painting first gets the photo's colours; luminance-after: the "
        "finished picture gets the photo's colours back.",
        choices=("style", "luminance", "match", "luminance-after"), group="Colour",
    )  # fmt: skip
    colour_strength: float = setting(
        1.0, "Colour strength", "How far the photo's colours are preserved.",
        low=0.0, high=1.0, step=0.05, group="Colour", live=True,
    )  # fmt: skip

    def at_one_size(self, iterations: int) -> StyleTransfer:
        """Return the same without coarser scales, for a measurement."""
        return replace(self, iterations=iterations, smallest_scale=65536)

    def suggested_layers(self, network: Network) -> dict[str, dict[str, float]]:
        """Return the network's own content and style layers with weights."""
        card = network.card
        return {
            "content_layers": dict(card.content_layers),
            "style_layers": style_settings.usual_weights(
                [*card.style_layers], self.style_statistic
            ),
        }

    def begun_with_picture(self) -> StyleTransfer:
        """Return the same, starting from the start picture, at full size at once."""
        return replace(self, start="picture", smallest_scale=65536)

    @property
    def needs_start(self) -> bool:
        """Whether it begins with a picture."""
        return self.start == "picture"

    @property
    def style_size(self) -> float:
        """Long side of the styles, relative to the result's."""
        return self.style_scale

    @property
    def pairs_remembered(self) -> int:
        """How many pairs of pictures L-BFGS remembers."""
        return min(self.history, self.iterations - 1) if self.optimizer == "lbfgs" else 0
