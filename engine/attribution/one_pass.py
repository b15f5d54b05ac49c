"""What one forward pass gives: logits, activations, and a handle for Grad-CAM."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from traceback import clear_frames

import torch
from torch import Tensor

from engine.attribution.class_activation import GradCamPass
from engine.attribution.state import Target
from engine.errors import BadInput, OutOfMemory, is_out_of_memory
from engine.networks.fitting import call_name
from engine.networks.network import Network


@dataclass(frozen=True, eq=False)
class Seen:
    """All that was asked of the pass; without a graph, except `cam`'s own."""

    logits: Tensor
    """(N, classes), float32."""
    activations: dict[str, Tensor]
    """What `Network.taps` returns, by the layers' names as asked."""
    cam: GradCamPass | None = None
    """For Grad-CAM of any class at the layer asked for; None if it has no map, or no gradient. If
    memory is too small for a graph, it raises `OutOfMemory` instead of giving maps."""


def one_pass(
    network: Network, picture: Tensor, layers: Sequence[str] = (), cam_layer: str = ""
) -> Seen:
    """Return what `network` makes of a picture (N, 3, H, W), RGB in [0, 1], in one forward pass.

    If memory is too small for a graph, a second pass without one is made.

    Args:
        network: one with classes.
        picture: at a size that the network takes as a whole.
        layers: whose activations are kept.
        cam_layer: for Grad-CAM; empty if none is wanted. A layer that allows none is no error here:
            `attribute` says why.

    Raises:
        BadInput: the network has no classes, or lacks one of `layers`.
    """
    size = (picture.shape[2], picture.shape[3])
    no_room = False
    if cam_layer and network.classes and _has_map(network, cam_layer, size):
        try:
            with suppress(ValueError):
                return _with_graph(network, picture, layers, cam_layer)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            clear_frames(error.__traceback__)  # or what failed would still hold its memory
            no_room = True
    with torch.no_grad(), network.tapping(layers, size) as kept:
        logits = network.logits(picture)
    return Seen(
        logits, kept, _NoRoom(logits, too_much("Grad-CAM", network, size)) if no_room else None
    )


def _with_graph(network: Network, picture: Tensor, layers: Sequence[str], cam_layer: str) -> Seen:
    """Raises `ValueError` if there can be no Grad-CAM."""
    size = (picture.shape[2], picture.shape[3])
    with network.tapping(layers, size) as kept:
        name = call_name(network, cam_layer, size)
        cam = _Pass(network, picture, name)
    return Seen(cam.logits.float(), {k: found.detach() for k, found in kept.items()}, cam)


class _Pass(GradCamPass):
    """A pass that says what is wrong when the backward pass does not fit into memory."""

    def __init__(self, network: Network, picture: Tensor, layer: str) -> None:
        super().__init__(network.module, network.prepare(picture), layer)
        self._problem = too_much("Grad-CAM", network, (picture.shape[2], picture.shape[3]))

    def grad_cam(self, target: Target, relu: bool = True, upsample: bool = True) -> Tensor:
        try:
            return super().grad_cam(target, relu, upsample)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            clear_frames(error.__traceback__)
            raise OutOfMemory(self._problem) from None


class _NoRoom(GradCamPass):
    """Stands in for a pass that did not fit: it refuses the map of every class."""

    def __init__(self, logits: Tensor, problem: str) -> None:
        self._logits, self._problem = logits, problem

    def grad_cam(self, target: Target, relu: bool = True, upsample: bool = True) -> Tensor:
        raise OutOfMemory(self._problem)


def too_much(what: str, network: Network, size: tuple[int, int]) -> str:
    """Return the sentence that says what does not fit into memory for a picture (height, width)."""
    return (
        f"{what} on {network.card.name} at {size[1]}x{size[0]} pixels needs more memory than is "
        f"free on {network.device.type}: end other programs, or choose a smaller network"
    )


def _has_map(network: Network, layer: str, size: tuple[int, int]) -> bool:
    try:
        call = network.calls(size).get(network.resolve(layer))
    except BadInput:
        return False
    return call is not None and len(call.shape) == 4
