"""Texture synthesis (Gatys, Ecker, Bethge 2015): more of a texture, grown from noise.

L(x) = Ls(x) + λtv TV, style transfer without content, coarse to fine. Efros & Leung's and Wei &
Levoy's methods, which need no network, are choices too.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import engine.techniques.style_settings as style_settings
from engine.settings import setting
from engine.task import Lighter, Technique

if TYPE_CHECKING:
    from engine.networks.network import Network


@dataclass(frozen=True)
class TextureSynthesis(Technique):
    """Settings of a texture synthesis."""

    command: ClassVar[str] = "texture-synthesis"
    title: ClassVar[str] = "Texture synthesis"
    steps: ClassVar[str] = "engine.techniques.texture_synthesis.steps:TextureSynthesisSteps"
    has_figure: ClassVar[bool] = True
    in_tiles: ClassVar[bool] = True
    inputs: ClassVar[tuple[str, ...]] = ("content",)
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "Best": {},
        "Fast preview": {"iterations": 150, "learning_rate": 0.05, "averaging": 0.9},
        "Gatys 2015": {
            "method": "gram",
            "iterations": 1000,
            "pooling": "average",
            "tv_weight": 0.3,
        },
        "Depth by depth": {"series": True, "iterations": 300},
        "Efros & Leung 1999": {"method": "efros-leung", "sample_size": 96},
        "Wei & Levoy 2000": {"method": "wei-levoy", "sample_size": 128, "neighbourhood": 7},
    }

    method: str = setting(
        "wasserstein", "Method", "gram, wasserstein: match the statistics of a network's "
        "features; efros-leung, wei-levoy: copy pixels of the sample to where their "
        "neighbourhoods fit, without a network (for small sizes).",
        choices=("wasserstein", "gram", "efros-leung", "wei-levoy"), group="Run",
    )  # fmt: skip
    iterations: int = setting(
        500, "Iterations", "Total steps over all scales; methods without a network take one per "
        "row.",
        low=1, high=100_000, step=50, log=True, group="Run",
    )  # fmt: skip
    sample_size: int | None = setting(
        None, "Sample size", "Long side to which the sample is scaled: the smaller, the finer the "
        "texture; auto: its own size, at most the result's.",
        low=16, high=65536, step=16, unit="px", log=True, group="Texture",
    )  # fmt: skip
    seamless: bool = setting(
        True, "Seamless", "Make the borders match so that the result can be tiled (efros-leung "
        "never does, wei-levoy always does).",
        group="Texture",
    )  # fmt: skip
    depth: int = setting(
        5, "Depth", "How many of the style layers are matched, from the first on: 1 gives only "
        "the grain and its colours, 5 also the largest shapes.",
        low=1, high=5, group="Texture",
    )  # fmt: skip
    series: bool = setting(
        False, "Series", "One picture for every depth up to this one, side by side from the same "
        "noise, to show what each layer adds.",
        group="Texture",
    )  # fmt: skip
    style_layers: dict[str, float] | None = setting(
        None, "Style layers", "Layers whose statistics are matched, from shallow to deep, with "
        "weights; auto uses relu1_1 to relu5_1 or the network's counterparts.", group="Texture",
    )  # fmt: skip
    tv_weight: float = style_settings.tv_weight(0.1, "Texture")
    pooling: str = style_settings.pooling()
    smallest_scale: int = setting(
        64, "Smallest scale", "Short side of the sample where the coarse-to-fine pyramid starts; "
        "the sample's own size or more means a single scale.",
        low=16, high=65536, step=16, unit="px", log=True, group="Scale",
    )  # fmt: skip
    first_share: float = style_settings.first_share()
    learning_rate: float = setting(
        0.03, "Learning rate", "Step of Adam, as a share of the range from black to white.",
        low=1e-5, high=1.0, log=True, group="Optimizer", live=True,
    )  # fmt: skip
    averaging: float = style_settings.averaging(0.95)
    neighbourhood: int = setting(
        11, "Neighbourhood", "Side of the neighbourhoods that efros-leung and wei-levoy compare, "
        "an odd number: as large as the texture's largest regular feature.",
        low=3, high=63, step=2, unit="px", group="Without a network",
    )  # fmt: skip
    levels: int = setting(
        4, "Levels", "Number of pyramid levels for wei-levoy.",
        low=1, high=10, group="Without a network",
    )  # fmt: skip
    tolerance: float = setting(
        0.1, "Tolerance", "How much worse than the best match a candidate of efros-leung may be.",
        low=0.0, high=10.0, step=0.05, group="Without a network",
    )  # fmt: skip

    @property
    def by_network(self) -> bool:
        """Whether the method matches a network's features."""
        return self.method in ("gram", "wasserstein")

    @property
    def tiles(self) -> bool:
        """Whether the opposite borders of the result meet."""
        return self.method == "wei-levoy" or (self.seamless and self.by_network)

    @property
    def sample_side(self) -> int | None:
        """Long side to which the sample is scaled, if it has one of its own."""
        return self.sample_size

    def at_one_size(self, iterations: int) -> TextureSynthesis:
        """Return the same without coarser scales, for a measurement."""
        return replace(self, iterations=iterations, smallest_scale=65536)

    def lighter(self, share: float) -> Lighter:
        """Return the same with a sample that shrinks with the result, if it has its own size."""
        side = self.sample_size
        return Lighter(replace(self, sample_size=side and max(16, round(side * share))))

    def suggested_layers(self, network: Network) -> dict[str, dict[str, float]]:
        """Return the network's own style layers with weights."""
        names = [*network.card.style_layers]
        usual = style_settings.usual_weights(names, self.method)
        return {"style_layers": {name: usual[name] for name in names[: self.depth]}}
