"""What one forward pass tells of a picture: logits, activations, and where to ask for Grad-CAM."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.attribution.cam import GradCamPass
from engine.errors import BadInput
from engine.networks.fitting import call_name
from engine.networks.network import Network


@dataclass(frozen=True, eq=False)
class Seen:
    """All that was asked of the pass; without a graph but for `cam`'s own."""

    logits: Tensor
    """(N, classes), float32."""
    activations: dict[str, Tensor]
    """By the layers' names as asked, what `Network.taps` returns."""
    cam: GradCamPass | None = None
    """For Grad-CAM of any class at the layer asked for; None: it has no map, or no gradient."""


def one_pass(
    network: Network, picture: Tensor, layers: Sequence[str] = (), cam_layer: str = ""
) -> Seen:
    """Return what `network` makes of a picture (N, 3, H, W), RGB in [0, 1], in one forward pass.

    Args:
        network: with classes.
        picture: at a size that the network takes as a whole.
        layers: whose activations are kept.
        cam_layer: for Grad-CAM; empty: none is wanted. A layer where there can be none is no error:
            `attribute` says why.

    Raises:
        BadInput: the network has no classes, or no such layers to be kept.
    """
    size = (picture.shape[2], picture.shape[3])
    if cam_layer and network.classes and _has_map(network, cam_layer, size):
        with suppress(ValueError), network.tapping(layers, size) as kept:
            name = call_name(network, cam_layer, size)
            cam = GradCamPass(network.module, network.prepare(picture), name)
            return Seen(cam.logits.float(), {k: found.detach() for k, found in kept.items()}, cam)
    with torch.no_grad(), network.tapping(layers, size) as kept:
        return Seen(network.logits(picture), kept)


def _has_map(network: Network, layer: str, size: tuple[int, int]) -> bool:
    try:
        call = network.calls(size).get(network.resolve(layer))
    except BadInput:
        return False
    return call is not None and len(call.shape) == 4
