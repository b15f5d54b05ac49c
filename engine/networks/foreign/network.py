"""What a file of another program contains."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from engine.networks.card import Preprocessing

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Foreign:
    """A network that its own file describes, ready to run."""

    architecture: str
    """The format that describes it: keras, onnx, caffe; for timm `timm/NAME`."""
    title: str
    module: "nn.Module"
    """Takes prepared pictures, gives logits (or maps); float32, eval mode."""
    preprocessing: Preprocessing
    reason: str
    """Why this preprocessing was taken, as a clause: "as Keras's VGG16 wants it"."""
    num_classes: int = 0
    """0 without a classifier."""
    input_size: int = 224
    notes: tuple[str, ...] = ()
    """What was left out or changed, each a clause."""
    aliases: Mapping[str, str] = field(default_factory=dict)
    """The literature's names of layers -> module names."""
    stands_for: str = ""
    """The built-in network that computes the same, if there is one."""
    beside: tuple[str, ...] = ()
    """Names of other files that hold its weights."""
    crop: float = 0.0
    """Share of a resized picture's side that it was evaluated on; 0 if unknown."""
    interpolation: str = ""
    """How pictures were resized for it; empty if unknown."""
    classes: tuple[str, ...] = ()
    """Names of the classes, if the file gives them."""
