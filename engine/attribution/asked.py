"""What every attribution method is given, and what it gives back step by step."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor, nn

    from engine.attribution.class_activation import GradCamPass
    from engine.attribution.occluding import Occluded
    from engine.attribution.unit import Unit
    from engine.networks.network import Network


@dataclass(frozen=True)
class Question:
    """What is asked of a network, whatever the method."""

    target: "int | Unit"
    """The class; or a unit, with its layer named as in the layer tree."""
    layer: str = ""
    """The layer for the CAM family, as the layer tree names it; empty: the last one that has a map
    and that the target depends on."""
    window: int = 0
    """Side of the occluding square, in pixels; 0: as in `Square`."""
    stride: int = 0
    """How far it moves, in pixels; 0: as in `Square`."""
    fill: str = "mean"
    """What it is filled with: one of `engine.attribution.square.FILLS`."""


@dataclass(frozen=True, eq=False)
class Asked:
    """A question put to one network about one picture."""

    network: "Network"
    x: "Tensor"
    """(1, 3, H, W), as `network.prepare` returns it."""
    target: "int | Unit"
    """A class, or a unit whose layer is named as the methods name layers: a module's last call,
    unless numbered."""
    question: Question
    find_layer: Callable[[], str]
    """Returns the layer for the CAM family, named likewise; raises `BadInput` if there is none."""
    known: "GradCamPass | None" = None
    """A pass over `x` that kept the layer asked for."""

    @property
    def model(self) -> "nn.Module":
        """The module that maps `x` to logits."""
        return self.network.module


@dataclass(frozen=True, eq=False)
class MethodStep:
    """How far a method has come."""

    done: int
    total: int
    values: "Tensor | None" = None
    """(N, H, W) or (N, 3, H, W), raw; set in the last step."""
    occluded: "Occluded | None" = None
    """What an occlusion has found so far."""


Compute = Callable[[Asked], "Tensor | Iterator[MethodStep]"]
"""Returns the map at once or, if that takes long, in steps, between which the model is left as it
was found. Raises `ValueError` if the method has no answer."""
