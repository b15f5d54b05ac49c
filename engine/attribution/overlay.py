"""A map laid over its photo at the photo's size, although the network saw a smaller one."""

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from engine.attribution.companions import PlaceMap
from engine.attribution.heat import Heat
from engine.colour import gray

ROWS = 256
"""Rows of pixels processed at a time: photos may be large."""


def laid_over(
    photo: Tensor, heat: Heat, colours: str, strength: float, threshold: float = 0.0
) -> Tensor:
    """Return (3, H, W) in [0, 1]: a map in colours over a photo in grey.

    The map's values are interpolated, not its colours, and keep the map's own scale; maps of
    positions keep their blocks.

    Args:
        photo: (3, H, W), RGB in [0, 1], of any size: that of the result.
        heat: the map, of about the same shape.
        colours: one of `colour_map.COLOUR_MAPS`, for maps without sign.
        strength: the map's opacity, 0 to 1.
        threshold: the photo stays bare where the map is below this fraction of its reach.
    """
    height, width = photo.shape[1:]
    values = torch.from_numpy(np.asarray(heat.values, np.float32))[None, None]
    if isinstance(heat, PlaceMap):
        values = F.interpolate(values, (height, width), mode="nearest-exact")
    elif values.shape[2:] != photo.shape[1:]:
        values = F.interpolate(values, (height, width), mode="bilinear", align_corners=False)
    reach, made = heat.reach, torch.empty_like(photo)
    for top in range(0, height, ROWS):
        part = replace(heat, values=values[0, 0, top : top + ROWS].numpy())
        pixels = torch.from_numpy(part.coloured(colours, reach)).permute(2, 0, 1).float() / 255
        below = gray(photo[None, :, top : top + ROWS])[0]
        if threshold or isinstance(heat, PlaceMap):
            shown = torch.from_numpy(part.beyond(threshold, reach)).to(below)
            made[:, top : top + ROWS] = below.lerp(pixels, strength * shown.expand_as(below))
        else:
            made[:, top : top + ROWS] = below.lerp(pixels, strength)
    return made


def overlay_size(asked: str, photo: tuple[int, int], looked_at: tuple[int, int]) -> tuple[int, int]:
    """Return (height, width) of an overlay.

    Args:
        asked: "photo", "network", or the long side in pixels.
        photo: height and width of the photo.
        looked_at: height and width at which the network saw it.
    """
    if asked == "network":
        return looked_at
    if asked == "photo":
        return photo
    scale = int(asked) / max(photo)
    return max(1, round(photo[0] * scale)), max(1, round(photo[1] * scale))
