"""How every channel of a layer responds to one picture, and where."""

from typing import Literal

import torch
from torch import Tensor

from engine.colour_map import display_range
from engine.errors import BadInput
from engine.inspection.tiling import above_black, around_gray
from engine.networks.network import Network

BRIGHTEST = 99.8
"""Percentile of activations that is shown white if all channels share a scale: a few very strong
responses would leave the rest dark."""


def activations(network: Network, picture: Tensor, layer: str) -> Tensor:
    """Return the activations (C, h, w) of a layer, float32 on the CPU, for a picture (3, H, W).

    A vector comes as (C, 1, 1). Raises `BadInput` for layers that have no channels (tokens), and as
    `Network.taps`.
    """
    with torch.no_grad():
        found = network.taps(picture, [layer])[layer]
    return channels_of(found, layer)[0].float().cpu()


def channels_of(found: Tensor, layer: str) -> Tensor:
    """Return what a tap gave as (N, C, h, w). Raises `BadInput` for layers without channels."""
    if found.dim() == 2:
        return found[:, :, None, None]
    if found.dim() != 4:
        raise BadInput(f"{layer} has no channels with a map: its output is {tuple(found.shape)}")
    return found


def tiles(maps: Tensor, together: bool = True) -> Tensor:
    """Return maps (C, h, w) in [0, 1] for display.

    Zero is black if no activation is negative (after a ReLU), otherwise grey. With `together`, all
    channels share a scale; otherwise each has its own, which shows weak ones as bright as strong
    ones. NaN counts as 0.
    """
    maps = maps.nan_to_num()
    if together:
        maps = maps.clamp(*display_range(maps, BRIGHTEST))
    return around_gray(maps, together) if bool((maps < 0).any()) else above_black(maps, together)


def top_channels(
    maps: Tensor, most: int = 16, by: Literal["mean", "max"] = "mean"
) -> list[tuple[int, float]]:
    """Return the strongest channels of maps (C, h, w) with their mean or maximum, strongest first."""
    flat = maps.flatten(1)
    values = flat.mean(1) if by == "mean" else flat.amax(1)
    order = values.argsort(descending=True, stable=True)[:most]
    return [(int(c), float(values[c])) for c in order]
