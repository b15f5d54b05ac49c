"""A generator of chairs (Dosovitskiy, Springenberg, Brox 2015): views between views, and morphs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

from engine.settings import setting
from engine.task import Technique


@dataclass(frozen=True)
class Chairs(Technique):
    """Settings of a network that learns to draw chairs."""

    command: ClassVar[str] = "chairs"
    title: ClassVar[str] = "Chairs"
    steps: ClassVar[str] = "engine.techniques.workshop_chairs.steps:ChairsSteps"
    exact: ClassVar[bool] = True
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "Views between views": {},
        "Morph": {"show": "morph"},
        "One unit turned up": {"show": "unit"},
        "Any colour and place": {
            "augmentation": True,
            "show": "transforms",
            "iterations": 8000,
        },
        "A quick look": {
            "chairs": 12,
            "side": "32",
            "width": 64,
            "iterations": 1500,
            "learning_rate": 0.002,
        },
    }

    show: str = setting(
        "views", "Show", "views: on the way from one seen view to the next, the truth, the "
        "network's picture, and both seen views blended. morph: one chair becomes another, seen from "
        "six sides. unit: one unit of the first layer that knows the chair is turned up. transforms: "
        "the same chair turned, zoomed and recoloured, the truth above the network's picture.",
        choices=("views", "morph", "unit", "transforms"), group="Figure", live=True,
    )  # fmt: skip
    chair: int = setting(
        1, "Chair", "Which chair is shown. Some views of chairs with odd numbers are never learned. "
        "After the last chair, counting begins again.",
        low=1, high=200, group="Figure", live=True,
    )  # fmt: skip
    other_chair: int = setting(
        3, "Other chair", "The chair below, and what a morph ends at.",
        low=1, high=200, group="Figure", live=True,
    )  # fmt: skip
    azimuth: float = setting(
        30.0, "Azimuth", "Where chairs are seen from, counted round to the right; 0: from the front. "
        "The figure of views takes the nearest azimuth that is left out.",
        low=0.0, high=360.0, step=5.0, unit="°", group="Figure", live=True,
    )  # fmt: skip
    unit: int = setting(
        1, "Unit", "Which unit of the first layer is turned up, in the figure of that name.",
        low=1, high=128, group="Figure", live=True,
    )  # fmt: skip
    chairs: int = setting(
        32, "Chairs", "How many chairs are learned. More take longer, and make morphs smoother.",
        low=2, high=200, group="Data",
    )  # fmt: skip
    views: int = setting(
        24, "Views per turn", "How many azimuths there are, a multiple of 4, each from two heights. "
        "Of every other chair, each fourth azimuth is left out.",
        low=8, high=72, step=4, group="Data",
    )  # fmt: skip
    side: str = setting(
        "64", "Picture side", "Of the chairs' pictures, in pixels; 32 is learned faster, above "
        "all with a smaller width.",
        choices=("32", "64"), group="Data",
    )  # fmt: skip
    augmentation: bool = setting(
        False, "Augmentation", "Whether chairs are learned in random colours, turned, shifted and "
        "zoomed, which the network is told; otherwise in their own colours, where they are.",
        group="Data", live=True,
    )  # fmt: skip
    width: int = setting(
        128, "Width", "Maps of 4 × 4 that pictures grow from; each doubling of the side halves them.",
        low=8, high=256, step=8, log=True, group="Network",
    )  # fmt: skip
    iterations: int = setting(
        4000, "Iterations", "Steps of the training. The learning rate is halved after 50, 70 and "
        "85 % of them.",
        low=1, high=1_000_000, step=500, log=True, group="Run",
    )  # fmt: skip
    batch: int = setting(
        32, "Batch", "Pictures in each step.", low=1, high=128, step=8, log=True, group="Run",
        live=True,
    )  # fmt: skip
    learning_rate: float = setting(
        0.001, "Learning rate", "Of Adam, at first.",
        low=0.00001, high=0.1, step=0.0001, log=True, group="Run", live=True,
    )  # fmt: skip
    colour_weight: float = setting(
        10.0, "Colour weight", "How much an error of the colours counts, against one of the mask.",
        low=0.0, high=1000.0, log=True, group="Run", live=True,
    )  # fmt: skip

    def at_one_size(self, iterations: int) -> Chairs:
        """Return a training of `iterations`."""
        return replace(self, iterations=iterations)
