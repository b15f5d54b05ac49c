"""DeepDream (Mordvintsev, Olah, Tyka 2015): a photo in which layers see more of what they see."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

from engine.settings import setting
from engine.task import Technique

if TYPE_CHECKING:
    from engine.networks.network import Network


@dataclass(frozen=True)
class DeepDream(Technique):
    """Settings of a dream."""

    command: ClassVar[str] = "deep-dream"
    title: ClassVar[str] = "DeepDream"
    steps: ClassVar[str] = "engine.techniques.deep_dream.steps:DeepDreamSteps"
    in_tiles: ClassVar[bool] = True
    repaints: ClassVar[bool] = True
    film: ClassVar[str] = "frame_count"
    inputs: ClassVar[tuple[str, ...]] = ("content", "guide", "regions")
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "Google 2015": {},
        "Deep": {"iterations": 120, "octaves": 5, "smoothing": 0.5},
        "Gentle": {"iterations": 24, "step_size": 1.0, "smoothing": 1.0},
    }

    iterations: int = setting(
        40, "Iterations", "Total steps over all octaves, for each frame of a film.",
        low=1, high=100_000, step=10, log=True, group="Run",
    )  # fmt: skip
    layers: dict[str, float] | None = setting(
        None, "Layers", "Layers to amplify, with weights (negative: to suppress); auto uses the "
        "layers suggested for the network.", role="Dream", each="layer", group="Layers",
    )  # fmt: skip
    channels: str = setting(
        "", "Channels", "Restrict every layer to these channels, such as 12,40; empty: all.",
        picks="channels", group="Layers",
    )  # fmt: skip
    objective: str = setting(
        "squares", "Objective", "squares: half the squared activation, which amplifies what the "
        "layer already sees; mean: the mean activation.",
        choices=("squares", "mean"), group="Layers",
    )  # fmt: skip
    octaves: int = setting(
        4, "Octaves", "Number of picture sizes to dream at, from small to full.", low=1, high=20,
        group="Octaves",
    )  # fmt: skip
    octave_scale: float = setting(
        1.4, "Octave scale", "Size of each octave relative to the previous one.",
        low=1.05, high=4.0, step=0.05, group="Octaves",
    )  # fmt: skip
    step_size: float = setting(
        1.5, "Step", "Mean change per pixel and iteration.",
        low=0.01, high=50.0, step=0.1, unit="of 255", log=True, group="Step", live=True,
    )  # fmt: skip
    jitter: int = setting(
        32, "Jitter", "Largest random shift before each step, undone after it.",
        low=0, high=512, unit="px", group="Step", live=True,
    )  # fmt: skip
    smoothing: float = setting(
        0.0, "Gradient smoothing", "Blurs the gradient: the mean of three Gaussian blurs, which "
        "grow wider through each octave; 0: none.",
        low=0.0, high=8.0, step=0.1, unit="px", group="Step", live=True,
    )  # fmt: skip
    clip: bool = setting(True, "Clip", "Keep the picture in the valid range.", group="Step")

    frame_count: int = setting(
        1, "Frames", "Number of frames of a film. Each is dreamed from the previous one, zoomed "
        "and rotated.",
        low=1, high=100_000, log=True, group="Film", flag="--frames",
    )  # fmt: skip
    zoom: float = setting(
        1.05, "Zoom", "Zoom from each frame of a film to the next.",
        low=0.5, high=2.0, step=0.01, group="Film",
    )  # fmt: skip
    rotation: float = setting(
        0.0, "Rotation", "Rotation from each frame of a film to the next, anticlockwise.",
        low=-180.0, high=180.0, step=0.5, unit="°", group="Film",
    )  # fmt: skip

    def at_one_size(self, iterations: int) -> DeepDream:
        """Return the same with a single octave, for a measurement."""
        return replace(self, iterations=iterations, octaves=1, frame_count=1)

    def suggested_layers(self, network: Network) -> dict[str, dict[str, float]]:
        """Return the network's own layers to dream with."""
        return {"layers": dict(network.card.dream_layers)}

    @property
    def film_frames(self) -> int:
        """How many pictures the film has."""
        return self.frame_count

    def rounds(self, network: Network) -> tuple[int, str]:
        """Return how many frames of a film the iterations are done for."""
        return self.frame_count, "frame"
