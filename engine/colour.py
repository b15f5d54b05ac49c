"""Keeping the content's colours: luminance-only transfer and colour-distribution matching.

Gatys, Bethge, Hertzmann, Shechtman 2016 ("Preserving Color in Neural Artistic Style Transfer").
Pictures are (N, 3, H, W) in [0, 1]; results are clamped to it.
"""

import torch
from torch import Tensor

LUMA = (0.299, 0.587, 0.114)
"""BT.601 weights of R, G, B."""
_RIDGE = 1e-5


def luminance(picture: Tensor) -> Tensor:
    """Return the luma Y (N, 1, H, W) of RGB pictures."""
    weights = picture.new_tensor(LUMA).view(1, 3, 1, 1)
    return (picture * weights).sum(1, keepdim=True)


def gray(picture: Tensor) -> Tensor:
    """Return the luma in all three channels."""
    return luminance(picture).expand(-1, 3, -1, -1).contiguous()


def matched_luminance(style: Tensor, content: Tensor) -> Tensor:
    """Return the style's luma, in three channels, with the content's mean and standard deviation."""
    y, target = luminance(style), luminance(content)
    matched = (y - y.mean()) / y.std().clamp_min(1e-6) * target.std() + target.mean()
    return matched.expand(-1, 3, -1, -1).contiguous()


def with_luminance_of(picture: Tensor, content: Tensor, strength: float = 1.0) -> Tensor:
    """Return the luma of `picture` with the colours (I, Q) of `content`, mixed in by `strength`.

    As RGB this is the content shifted along gray by the difference of luma: the two colour
    coordinates of YIQ do not change under such a shift.
    """
    recoloured = content + (luminance(picture) - luminance(content))
    return torch.lerp(picture, recoloured, strength).clamp(0, 1)


def match_colours(picture: Tensor, target: Tensor, strength: float = 1.0) -> Tensor:
    """Return `picture` with the mean and covariance of `target`'s colours, mixed in by `strength`.

    Of all linear maps that do so this is the symmetric one, which moves colours least (optimal
    transport between Gaussians): Σp^-½ (Σp^½ Σt Σp^½)^½ Σp^-½.
    """
    # Statistics in float64, on the CPU: MPS has none.
    mean, covariance = _statistics(picture)
    target_mean, target_covariance = _statistics(target)
    root = _power(covariance, 0.5)
    inverse = _power(covariance, -0.5)
    transport = inverse @ _power(root @ target_covariance @ root, 0.5) @ inverse
    n, _, height, width = picture.shape
    colours = _colours(picture) - mean
    moved = (transport @ colours + target_mean).reshape(3, n, height, width).permute(1, 0, 2, 3)
    return torch.lerp(picture, moved.to(picture), strength).clamp(0, 1)


def _colours(picture: Tensor) -> Tensor:
    return picture.cpu().double().permute(1, 0, 2, 3).reshape(3, -1)


def _statistics(picture: Tensor) -> tuple[Tensor, Tensor]:
    colours = _colours(picture)
    mean = colours.mean(1, keepdim=True)
    centred = colours - mean
    ridge = _RIDGE * torch.eye(3, dtype=torch.float64)
    return mean, centred @ centred.T / colours.shape[1] + ridge


def _power(matrix: Tensor, exponent: float) -> Tensor:
    values, vectors = torch.linalg.eigh(matrix)
    return (vectors * values.clamp_min(1e-12).pow(exponent)) @ vectors.T
