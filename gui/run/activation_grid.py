"""The response of all channels of a layer to a picture, as images; for a worker thread."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from PySide6.QtGui import QImage

from gui.pixels import to_image

if TYPE_CHECKING:
    from torch import Tensor

    from engine.networks.network import Network

Floats = npt.NDArray[np.float32]
BRIGHTEST = 99.8
"""Percentile of activations that is white where all channels have one scale."""
LARGEST = 192
"""Long side of an image; larger maps are shrunk to it, as no tile is shown larger."""


@dataclass(frozen=True)
class ActivationsRequest:
    """Which layer's channels are to be looked at, and how."""

    layer: str = ""
    """As the layer tree names it; empty: the last one that has a map."""
    together: bool = True
    """Whether all channels share one scale; else each has its own."""


@dataclass(frozen=True, eq=False)
class ActivationGrid:
    """The channels of a layer."""

    layer: str
    """As the layer tree names it."""
    size: tuple[int, int]
    """Height and width of each map; (1, 1) for vectors."""
    seen: tuple[int, int]
    """Height and width of the picture as the network saw it."""
    means: Floats
    """(C,), over the map's positions."""
    peaks: Floats
    """(C,), the highest activation of each."""
    images: tuple[QImage, ...] = ()
    """One of each channel; none for vectors, whose numbers are all there is."""
    names: tuple[str, ...] = ()
    """The classes, where each channel stands for one."""


def requested_layer(network: "Network", size: tuple[int, int], request: ActivationsRequest) -> str:
    """Return the layer that is wished for, as the layer tree shows it.

    `size` is the picture's height and width. Raises as `Network.taps` for layers that cannot be
    looked at there.
    """
    from engine.networks.fitting import last_map

    layer = request.layer or shown_name(network, last_map(network, size))
    network.tapping([layer], size)
    return layer


def activation_grid(
    network: "Network", found: "Tensor", layer: str, size: tuple[int, int], together: bool
) -> ActivationGrid:
    """Return the channels of a layer, of what it gave to one picture of `size` (height, width).

    Raises `BadInput` for layers that have no channels (tokens).
    """
    from engine.inspection.activations import channels_of

    maps = channels_of(found, layer)[0].float().cpu()
    flat = maps.flatten(1)
    means, peaks = flat.mean(1).numpy(), flat.amax(1).numpy()
    names = network.classes if of_classes(network, layer, size) else ()
    extent = (maps.shape[1], maps.shape[2])
    if extent == (1, 1):
        return ActivationGrid(layer, extent, size, means, peaks, names=names)
    return ActivationGrid(layer, extent, size, means, peaks, pictures(maps, together), names)


def pictures(maps: "Tensor", together: bool) -> tuple[QImage, ...]:
    """Return maps (C, h, w) as gray images, zero black; gray where the layer goes below zero."""
    import torch
    from torch.nn.functional import interpolate

    from engine.colour_map import display_range
    from engine.inspection.activations import tiles

    maps = maps.nan_to_num()
    if together:  # a few very strong answers would leave the rest dark
        low, high = display_range(maps, BRIGHTEST)
        maps = maps.clamp(low, high)
    shown = tiles(maps, together)
    longest = max(shown.shape[1:])
    if longest > LARGEST:
        smaller = [max(1, round(n * LARGEST / longest)) for n in shown.shape[1:]]
        shown = interpolate(shown[None], smaller, mode="area")[0]
    gray = shown.clamp(0, 1).mul(255).round().to(torch.uint8).numpy()
    return tuple(to_image(tile) for tile in gray)


def of_classes(network: "Network", layer: str, size: tuple[int, int] | None = None) -> bool:
    """Return whether each channel of a layer stands for a class: no layer behind it mixes them."""
    if not network.classes:
        return False
    calls = list(network.calls(size).values())
    names = [call.name for call in calls]
    behind = calls[names.index(network.resolve(layer)) :]
    return all(call.shape[1:2] == (len(network.classes),) for call in behind) and not any(
        call.kind in ("Conv2d", "Linear") for call in behind[1:]
    )


def shown_name(network: "Network", dotted: str) -> str:
    """Return a layer's name as the layer tree shows it."""
    return {own: alias for alias, own in network.aliases.items()}.get(dotted, dotted)
