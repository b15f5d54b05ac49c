"""Gaussian blur of pictures and gradients."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F


def gaussian_blur(picture: Tensor, sigma: float) -> Tensor:
    """Return (N, C, H, W) blurred by a Gaussian of `sigma` pixels, continued at the border."""
    reach = math.ceil(3 * sigma)
    if reach == 0:
        return picture
    offsets = torch.arange(-reach, reach + 1, dtype=picture.dtype, device=picture.device)
    kernel = torch.exp(-0.5 * (offsets / sigma).square())
    kernel = kernel / kernel.sum()
    channels = picture.shape[1]
    across = kernel.view(1, 1, 1, -1).expand(channels, 1, 1, -1)
    down = kernel.view(1, 1, -1, 1).expand(channels, 1, -1, 1)
    padded = F.pad(picture, (reach, reach, reach, reach), mode="replicate")
    return F.conv2d(F.conv2d(padded, across, groups=channels), down, groups=channels)
