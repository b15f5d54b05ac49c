"""Steps between iterations that keep a picture simple (Yosinski et al. 2015, "Deep Visualization").

They work on pictures (N, 3, H, W) whose 0 is the mean picture of the training set, in place, each
picture by itself.
"""

import torch
from torch import Tensor

from engine.parameterization.smoothing import gaussian_blur


def decay(picture: Tensor, share: float) -> None:
    """Shrink every value by `share` of it: the step of an L2 penalty."""
    picture.mul_(1 - share)


def blur(picture: Tensor, sigma: float) -> None:
    """Blur by a Gaussian of `sigma` pixels: high frequencies fade."""
    picture.copy_(gaussian_blur(picture, sigma))


def clip_small_norms(picture: Tensor, percent: float) -> None:
    """Set the `percent` of pixels with the smallest colours to 0: they should not be needed."""
    _clip(picture, torch.linalg.vector_norm(picture, dim=1), percent)


def clip_small_contributions(picture: Tensor, gradient: Tensor, percent: float) -> None:
    """Set the `percent` of pixels that matter least to 0.

    What a pixel contributes is |sum over colours of gradient times value|: to first order, what
    the objective would change without it.
    """
    _clip(picture, (picture * gradient).sum(1).abs(), percent)


def _clip(picture: Tensor, sizes: Tensor, percent: float) -> None:
    """Set pixels whose `sizes` (N, H, W) lie below the percentile to 0, in every colour."""
    flat = sizes.flatten(1)
    count = round(flat.shape[1] * percent / 100)
    if count == 0:
        return
    order = flat.argsort(dim=1, stable=True)[:, :count]  # torch.quantile refuses large pictures
    keep = torch.ones_like(flat).scatter_(1, order, 0.0)
    picture.mul_(keep.view_as(sizes).unsqueeze(1))
