"""OKLab, a colour space of perceptually even lightness, and what is done to lightness alone.

B. Ottosson, *A perceptual color space for image processing*, 2020 (his matrices for linear sRGB).
Pictures are (N, 3, H, W) in [0, 1]; results are clamped to it.
"""

from collections.abc import Callable

import cv2
import torch
from torch import Tensor

_TO_CONES = (
    (0.4122214708, 0.5363325363, 0.0514459929),
    (0.2119034982, 0.6806995451, 0.1073969566),
    (0.0883024619, 0.2817188376, 0.6299787005),
)
_TO_LAB = (
    (0.2104542553, 0.7936177850, -0.0040720468),
    (1.9779984951, -2.4285922050, 0.4505937099),
    (0.0259040371, 0.7827717662, -0.8086757660),
)
_FROM_LAB = (
    (1.0, 0.3963377774, 0.2158037573),
    (1.0, -0.1055613458, -0.0638541728),
    (1.0, -0.0894841775, -1.2914855480),
)
_FROM_CONES = (
    (4.0767416621, -3.3077115913, 0.2309699292),
    (-1.2684380046, 2.6097574011, -0.3413193965),
    (-0.0041960863, -0.7034186147, 1.7076147010),
)


_ROWS_AT_ONCE = 256
"""Rows at a time, to save memory."""


def to_oklab(picture: Tensor) -> Tensor:
    """Return lightness L, 0 (black) to 1 (white), and the colours a and b of sRGB pictures."""
    return _in_bands(_to_oklab, picture)


def from_oklab(lab: Tensor) -> Tensor:
    """Return sRGB pictures; what lies outside sRGB is clipped."""
    return _in_bands(_from_oklab, lab)


def _to_oklab(picture: Tensor) -> Tensor:
    bent = ((picture + 0.055) / 1.055).clamp_min_(0).pow_(2.4)
    linear = torch.where(picture <= 0.04045, picture / 12.92, bent)
    return _mixed(_TO_LAB, _mixed(_TO_CONES, linear).clamp_min_(0).pow_(1 / 3))


def _from_oklab(lab: Tensor) -> Tensor:
    linear = _mixed(_FROM_CONES, _mixed(_FROM_LAB, lab).pow_(3)).clamp_(0, 1)
    bent = linear.pow(1 / 2.4).mul_(1.055).sub_(0.055)
    return torch.where(linear <= 0.0031308, 12.92 * linear, bent).clamp_(0, 1)


def _mixed(matrix: tuple[tuple[float, ...], ...], picture: Tensor) -> Tensor:
    return torch.einsum("ij,njhw->nihw", picture.new_tensor(matrix), picture)


def _in_bands(convert: Callable[[Tensor], Tensor], picture: Tensor) -> Tensor:
    result = torch.empty_like(picture)
    for top in range(0, picture.shape[-2], _ROWS_AT_ONCE):
        rows = slice(top, top + _ROWS_AT_ONCE)
        result[:, :, rows] = convert(picture[:, :, rows])
    return result


def sharpened(lab: Tensor, amount: float, radius: float) -> Tensor:
    """Return OKLab pictures with an unsharp mask on lightness: L + amount (L - blurred L).

    The blur is a Gaussian whose standard deviation is `radius`, in pixels.
    """
    lightness = lab[:, :1]
    mask = lightness - _blurred(lightness, radius)
    return torch.cat((lightness + amount * mask, lab[:, 1:]), 1)


def grained(lab: Tensor, spread: float, size: float, seed: int) -> Tensor:
    """Return OKLab pictures with film-like grain on lightness.

    Args:
        lab: the pictures; all of them get the same grain.
        spread: standard deviation of lightness where that is 0.5. Towards black and white it falls
            with 4 L (1 - L): there, film has hardly any grains, or all of them.
        size: standard deviation of the Gaussian that noise is blurred with, in pixels.
        seed: the same seed and size give the same grain.
    """
    height, width = lab.shape[-2:]
    source = torch.Generator().manual_seed(seed % 2**63)
    grain = torch.randn(1, 1, height, width, generator=source)
    grain = _blurred(grain, size)
    grain = grain - grain.mean()
    grain = grain / grain.std(correction=0).clamp_min(1e-6)
    lightness = lab[:, :1].clamp(0, 1)
    moved = lightness + spread * 4 * lightness * (1 - lightness) * grain.to(lab)
    return torch.cat((moved, lab[:, 1:]), 1)


def _blurred(maps: Tensor, sigma: float) -> Tensor:
    """Return maps (N, 1, H, W) blurred by a Gaussian; beyond the border they are mirrored."""
    blurred = [
        cv2.GaussianBlur(one.numpy(), (0, 0), sigma, borderType=cv2.BORDER_REFLECT)
        for one in maps[:, 0].cpu().contiguous()
    ]
    return torch.stack([torch.from_numpy(one) for one in blurred])[:, None].to(maps)
