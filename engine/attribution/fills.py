"""What covers a part of a picture: the result of an occlusion depends on it."""

import numpy as np
import torch
from torch import Tensor

from engine.attribution.square import FILLS
from engine.errors import BadInput
from engine.networks.network import Network

BLUR = 14
"""The blur's standard deviation is the short side divided by this: half a usual window."""


def fill(network: Network, x: Tensor, kind: str) -> Tensor:
    """Return a `baseline` for occlusions of `x`.

    Args:
        network: whose `prepare` made `x`.
        x: float (N, 3, H, W); (N, 1, H, W) for networks that take grey pictures.
        kind: one of `FILLS`: the mean colour (0 for the network), middle grey (0.5 sRGB), black, or
            the picture itself under a Gaussian blur (its border continued).

    Returns:
        (1, 3, 1, 1), or (N, 3, H, W) for the blur, with as many channels as `x`; in the precision
        of `x` and on its device.

    Raises:
        BadInput: there is no such fill.
    """
    if kind not in FILLS:
        raise BadInput(f"no fill is called {kind!r}; there are {', '.join(FILLS)}")
    if kind == "blur":
        from scipy.ndimage import gaussian_filter

        pixels = x.detach().cpu().numpy()
        width = min(x.shape[2:]) / BLUR
        blurred = gaussian_filter(pixels, (0, 0, width, width), mode="nearest")
        return torch.from_numpy(np.ascontiguousarray(blurred)).to(x)
    if kind == "mean":
        return x.new_zeros(1, x.shape[1], 1, 1)
    level = 0.5 if kind == "gray" else 0.0
    return network.prepare(torch.full((1, 3, 1, 1), level)).to(x)
