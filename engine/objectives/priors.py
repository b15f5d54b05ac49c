"""Priors: what is assumed of pictures before any network looks at them."""

from torch import Tensor
from torch.nn import functional as F

_GUARD = 1e-30
"""Smallest squared step under a fractional power, where its derivative would be infinite."""


def total_variation(picture: Tensor, beta: float = 2.0) -> Tensor:
    """Return the sum over pixels and colours of (dx² + dy²)^(beta/2), a scalar.

    `picture` (3, H, W) or (N, 3, H, W), any range. Differences are to the right and lower
    neighbour, 0 at the last column and row. Rudin, Osher, Fatemi 1992 for beta 1; Mahendran &
    Vedaldi 2015 for others.
    """
    dx, dy = _forward_differences(picture)
    squared = dx.square() + dy.square()
    if beta == 2.0:
        return squared.sum()
    return squared.clamp_min(_GUARD).pow(beta / 2).sum()


def alpha_norm(picture: Tensor, alpha: float = 6.0) -> Tensor:
    """Return the sum over pixels and colours of |x|^alpha, a scalar; keeps values near 0.

    `picture` (3, H, W) or (N, 3, H, W), relative to what is usual, such as mid-grey; `alpha` at
    least 1. The higher it is, the more it holds back only the extremes. Mahendran & Vedaldi 2015.
    """
    return picture.abs().pow(alpha).sum()


def smoothness(picture: Tensor) -> Tensor:
    """Return the mean squared difference to the eight neighbours, the same in every direction.

    `picture` (N, 3, H, W) continued at its border. Right and lower neighbours weigh 1/3 each, the
    two diagonals 1/12 each, all times 2: the isotropic discretization of the squared gradient that
    crowsonkb's style transfer uses in place of TV.
    """
    x = F.pad(picture, (1, 1, 1, 1), mode="replicate")
    here = x[..., 1:-1, 1:-1]
    right = (x[..., 1:-1, 2:] - here).square().mean()
    down = (x[..., 2:, 1:-1] - here).square().mean()
    diagonal = (x[..., 2:, 2:] - here).square().mean()
    other = (x[..., 2:, :-2] - here).square().mean()
    return 2 * ((right + down) / 3 + (diagonal + other) / 12)


def _forward_differences(picture: Tensor) -> tuple[Tensor, Tensor]:
    dx = F.pad(picture[..., :, 1:] - picture[..., :, :-1], (0, 1))
    dy = F.pad(picture[..., 1:, :] - picture[..., :-1, :], (0, 0, 0, 1))
    return dx, dy
