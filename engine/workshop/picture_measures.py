"""How near pictures are to others, how sharp they are, and how well masks fit."""

import math

import torch
from torch import Tensor


def psnr(pictures: Tensor, truth: Tensor) -> float:
    """Return the peak signal-to-noise ratio in dB of pictures in [0, 1], from their common mean error."""
    error = float((pictures - truth).square().mean())
    return 10 * math.log10(1 / max(error, 1e-12))


def intersection_over_union(masks: Tensor, truth: Tensor) -> float:
    """Return the mean over masks (N, ...) of the part of what either covers that both cover.

    Covered: at least .5. Two empty masks fit.
    """
    a, b = masks.flatten(1) >= 0.5, truth.flatten(1) >= 0.5
    either = (a | b).sum(1)
    shares = torch.where(either > 0, (a & b).sum(1) / either.clamp_min(1), 1.0)
    return float(shares.mean())


def mean_gradient(pictures: Tensor) -> float:
    """Return the mean length of the gradient, per pixel, of pictures (N, C, H, W)."""
    down = pictures[..., 1:, :-1] - pictures[..., :-1, :-1]
    across = pictures[..., :-1, 1:] - pictures[..., :-1, :-1]
    return float((down.square() + across.square()).sqrt().mean())


def sharpness(pictures: Tensor, truth: Tensor) -> float:
    """Return the mean gradient over that of the truth: 1 if pictures are as sharp, 0 if flat."""
    return mean_gradient(pictures) / max(mean_gradient(truth), 1e-12)
