"""Probing an undescribed network: whether it gives classes or maps, and where its stages end."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import BadInput

if TYPE_CHECKING:
    from torch import Tensor, nn


def channels_of(network: "nn.Module") -> int:
    """Return how many channels a network's pictures have: 3, or 1 for grey ones."""
    from torch import nn

    first = next((m for m in network.modules() if isinstance(m, nn.Conv2d)), None)
    return 1 if first is not None and first.in_channels == 1 else 3


def given_by(network: "nn.Module", size: int, path: Path) -> "Tensor":
    """Return the output for one picture of `size` pixels a side: shape and type, no values.

    It is found with a copy that takes no memory. Raises `BadInput` if the network fails on such a
    picture.
    """
    import torch

    from engine.networks.tracing import without_memory

    channels = channels_of(network)
    with torch.inference_mode(False), torch.no_grad():
        ghost = without_memory(network, "meta")
        try:
            given = ghost(torch.empty(1, channels, size, size, device="meta"))
        except (RuntimeError, ValueError, TypeError, AssertionError, IndexError) as error:
            raise BadInput(
                f"{path} holds a network that fails on a picture of {size}x{size} pixels; "
                "it cannot be used here"
            ) from error
    if not isinstance(given, torch.Tensor):
        raise BadInput(f"{path} holds a network with more than one output")
    return given


def takes_several(network: "nn.Module", size: int) -> bool:
    """Return whether a network takes a batch of two pictures as it takes one."""
    import torch

    from engine.networks.tracing import without_memory

    with torch.inference_mode(False), torch.no_grad():
        ghost = without_memory(network, "meta")
        try:
            given = ghost(torch.empty(2, channels_of(network), size, size, device="meta"))
        except (RuntimeError, ValueError, TypeError, AssertionError, IndexError):
            return False
    return isinstance(given, torch.Tensor) and given.shape[0] == 2


def classes_of(network: "nn.Module", size: int, path: Path) -> int:
    """Return the number of classes, or 0 for a network that ends in maps; raises as `given_by`."""
    given = given_by(network, size, path)
    return given.shape[1] if given.dim() == 2 else 0


PLAIN = (
    "Conv", "BatchNorm", "Pad", "Pool", "Dropout", "Identity", "Linear", "Norm", "Same", "Transpose",
    "Reshape", "Slice", "Gather", "ChannelsLast",
)  # fmt: skip
"""Kinds of layers that stand between stages."""
SUMS = ("Combine", "Add")
"""Kinds of layers that end the blocks of a network with attention."""


def stages(network: "nn.Module", size: int) -> Sequence[str]:
    """Return layers worth tapping, by depth: maps after activations, sums and whole blocks.

    In another program's network with attention, only the sums are.
    """
    from engine.networks.foreign.graph import Graph
    from engine.networks.tracing import trace, without_memory

    calls, _ = trace(without_memory(network), (size, size), channels_of(network))
    maps = [c for c in calls if len(c.shape) == 4 and min(c.shape[2:]) > 1 and c.shape[1] > 3]
    maps = [c for c in maps if "#" not in c.name]
    if isinstance(network, Graph):
        maps = [c for c in maps if "." not in c.name]  # their parts
        sums = [c.name for c in maps if c.kind in SUMS]
        if sums and any(c.kind == "Softmax" and len(c.shape) > 2 for c in calls):
            return sums
    chosen = [c.name for c in maps if not any(word in c.kind for word in PLAIN)]
    return chosen or [c.name for c in maps]
