"""Stylization in one pass: a trained network paints a photo without optimizing anything.

Johnson, Alahi, Fei-Fei 2016 (one network a style); Dumoulin, Shlens, Kudlur 2017 (many styles);
Huang, Belongie 2017 (any style).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

from engine.settings import setting
from engine.task import Technique


@dataclass(frozen=True)
class Stylize(Technique):
    """Settings of a stylization in one pass."""

    command: ClassVar[str] = "stylize"
    title: ClassVar[str] = "Stylization in one pass"
    steps: ClassVar[str] = "engine.techniques.stylize.steps:StylizeSteps"
    repaints: ClassVar[bool] = True
    styles_optional: ClassVar[bool] = True
    content_optional: ClassVar[bool] = True
    inputs: ClassVar[tuple[str, ...]] = ("content", "styles", "regions")
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "Painting": {},
        "Gentle": {"style_strength": 0.6, "detail": 1.5},
        "Keep the photo's colours": {"colour": "luminance-after"},
    }

    iterations: int = setting(
        1, "Passes", "Number of times the picture is painted; each pass paints the result of the one "
        "before, which strengthens the style.",
        low=1, high=100, group="Run",
    )  # fmt: skip
    style_network: str = setting(
        "", "Style network", "The network that paints: a name or a file, such as udnie.pth; several, "
        "with weights and commas, are mixed. Empty: the shipped one for any painting.",
        picks="style network", group="Network",
    )  # fmt: skip
    network_style: str = setting(
        "", "Network's style", "For networks that take no paintings: which of their own styles is "
        "painted, by names or numbers, with weights, such as udnie:2,3. Empty: the first.",
        group="Network",
    )  # fmt: skip
    style_strength: float = setting(
        1.0, "Style strength", "How strongly the style is imposed; 0 is the photo.",
        low=0.0, high=1.0, step=0.05, group="Style",
    )  # fmt: skip
    detail: float = setting(
        1.0, "Detail", "How much of the photo's finer structure comes through; for networks of this "
        "program's own kind.",
        low=0.0, high=3.0, step=0.1, group="Style",
    )  # fmt: skip
    stroke_size: float = setting(
        1.0, "Stroke size", "Size of the painting's strokes, relative to the result.",
        low=0.1, high=4.0, step=0.1, log=True, group="Style",
    )  # fmt: skip
    steadiness: float = setting(
        1.0, "Steadiness", "Of films: how much of one frame carries over to the next, against flicker; "
        "0 paints each frame by itself.",
        low=0.0, high=1.0, step=0.05, group="Film",
    )  # fmt: skip
    colour: str = setting(
        "style", "Colours", "style: the painting's colours; luminance: only light and dark are "
        "transferred; match: the painting first gets the photo's colours; luminance-after: the "
        "finished picture gets the photo's colours back.",
        choices=("style", "luminance", "match", "luminance-after"), group="Colour",
    )  # fmt: skip
    colour_strength: float = setting(
        1.0, "Colour strength", "How far the photo's colours are preserved.",
        low=0.0, high=1.0, step=0.05, group="Colour",
    )  # fmt: skip

    def at_one_size(self, iterations: int) -> Stylize:
        """Return the same with `iterations` passes, for a measurement."""
        return replace(self, iterations=iterations)

    @property
    def needs_content(self) -> bool:
        """Whether a photo is needed: a network for a texture draws it from noise."""
        from engine.stylization.finding import draws_texture

        return not draws_texture(self.style_network)

    @property
    def needs_styles(self) -> bool:
        """Whether a painting is needed, as far as the settings tell: a named network may need none."""
        return not self.style_network.strip()

    @property
    def style_size(self) -> float:
        """Long side of the styles, relative to the result's."""
        return self.stroke_size
