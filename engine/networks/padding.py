"""Convolutions that pad their input with something other than zeros."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F


def padded_convolution(
    mode: str,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    """Return `torch.conv2d` of an input continued by a mode of `F.pad` in place of zeros."""
    if isinstance(padding, str):  # "same" and "valid": no network of the catalogue has them
        return torch.conv2d(input, weight, bias, stride, padding, dilation, groups)
    vertical, across = (padding, padding) if isinstance(padding, int) else padding
    if vertical or across:
        input = _continued(mode, input, vertical, across)
    return torch.conv2d(input, weight, bias, stride, 0, dilation, groups)


def _continued(mode: str, x: Tensor, vertical: int, across: int) -> Tensor:
    height, width = x.shape[-2:]
    if mode == "circular" and (vertical > height or across > width):
        # a map smaller than the window's reach: F.pad wraps around only once
        return x[..., _around(height, vertical), :][..., _around(width, across)]
    return F.pad(x, (across, across, vertical, vertical), mode=mode)


def _around(length: int, reach: int) -> list[int]:
    return [i % length for i in range(-reach, length + reach)]
