"""Colours in a network's own order and scale, and as people see them: `Network.prepare` undone."""

import torch
from torch import Tensor

from engine.networks.card import Preprocessing


def in_rgb(colours: Tensor, preprocessing: Preprocessing, dim: int) -> Tensor:
    """Return a tensor with a network's own colour order along `dim` in the order RGB."""
    return colours.flip(dim) if preprocessing.order == "BGR" else colours


def unprepared(x: Tensor, preprocessing: Preprocessing) -> Tensor:
    """Return pictures (N, 3, H, W), given as a network takes them, as RGB in [0, 1]."""
    std, mean = (x.new_tensor(v).view(1, 3, 1, 1) for v in (preprocessing.std, preprocessing.mean))
    return in_rgb((x * std + mean) / preprocessing.scale, preprocessing, 1)


def mean_colour(preprocessing: Preprocessing) -> Tensor:
    """Return the mean RGB in [0, 1] of the pictures that a network was trained on: (3,)."""
    return in_rgb(torch.tensor(preprocessing.mean) / preprocessing.scale, preprocessing, 0)
