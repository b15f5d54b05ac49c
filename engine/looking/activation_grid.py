"""How all channels of a layer respond to a picture, as small grey tiles."""

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from engine.inspection.activations import channels_of
from engine.inspection.activations import tiles as as_tiles
from engine.looking.answer import LARGEST, ActivationGrid, Bytes, Size
from engine.looking.request import ActivationsRequest
from engine.networks.fitting import last_map
from engine.networks.network import Network


def requested_layer(network: Network, size: Size, request: ActivationsRequest) -> str:
    """Return the layer that is asked for, as the layer tree shows it.

    `size` is the picture's height and width. Raises as `Network.taps` for layers that cannot be
    looked at there.
    """
    layer = request.layer or shown_name(network, last_map(network, size))
    network.tapping([layer], size)
    return layer


def activation_grid(
    network: Network, found: Tensor, layer: str, size: Size, together: bool
) -> ActivationGrid:
    """Return a layer's channels, from its output `found` for one picture of `size` (height, width).

    Raises `BadInput` for layers that have no channels (tokens).
    """
    maps = channels_of(found, layer)[0].float().cpu()
    flat = maps.flatten(1)
    means, peaks = flat.mean(1).numpy(), flat.amax(1).numpy()
    names = network.classes if of_classes(network, layer, size) else ()
    extent = (maps.shape[1], maps.shape[2])
    shown = None if extent == (1, 1) else tiles(maps, together)
    return ActivationGrid(layer, extent, size, means, peaks, shown, names)


def tiles(maps: Tensor, together: bool) -> Bytes:
    """Return maps (C, h, w) as grey tiles: zero is black, or mid-grey if the layer goes below it."""
    shown = as_tiles(maps, together)
    longest = max(shown.shape[1:])
    if longest > LARGEST:
        smaller = [max(1, round(n * LARGEST / longest)) for n in shown.shape[1:]]
        shown = interpolate(shown[None], smaller, mode="area")[0]
    made: Bytes = shown.clamp(0, 1).mul(255).round().to(torch.uint8).numpy()
    return made


def of_classes(network: Network, layer: str, size: Size | None = None) -> bool:
    """Return whether each channel of a layer stands for a class: no later layer mixes them."""
    if not network.classes:
        return False
    calls = list(network.calls(size).values())
    names = [call.name for call in calls]
    behind = calls[names.index(network.resolve(layer)) :]
    return all(call.shape[1:2] == (len(network.classes),) for call in behind) and not any(
        call.kind in ("Conv2d", "Linear") for call in behind[1:]
    )


def shown_name(network: Network, dotted: str) -> str:
    """Return a layer's name as the layer tree shows it."""
    return {own: alias for alias, own in network.aliases.items()}.get(dotted, dotted)
