"""Adaptive instance normalization (Huang, Belongie 2017), with moments that may come from outside.

A picture's activations get the mean and the standard deviation of a painting's. Moments are taken
in float32 whatever the activations are: squares of half precision overflow. For a picture painted
tile by tile they must be the whole picture's, or the tiles would not match.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from engine.stylization.giving_up import check_wanted

EPSILON = 1e-5
"""Added to variances."""


def mean_and_variance(features: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and variance over positions, each (N, C, 1, 1), of activations (N, C, H, W).

    float64 in, float64 out; anything else gives float32.
    """
    precise = features if features.dtype == torch.float64 else features.float()
    # In two passes, each as fast as memory: `var_mean` takes ten times as long for channels_last.
    mean = precise.mean((2, 3), keepdim=True)
    return mean, (precise - mean).square().mean((2, 3), keepdim=True)


def adain(features: Tensor, mean: Tensor, deviation: Tensor) -> Tensor:
    """Return activations (N, C, H, W) with this mean and standard deviation, each (N or 1, C)."""
    return Moments().normalize(features, deviation, mean)


class Moments:
    """The moments by which a network's layers are normalized, in the order in which they come.

    Without `given`, each layer uses its own, which are noted; otherwise those are used that were
    noted when the network ran on the whole picture, or on a smaller version of it.
    """

    def __init__(self, given: Sequence[tuple[Tensor, Tensor]] | None = None) -> None:
        """Begin with the first layer."""
        self._given = None if given is None else iter(given)
        self.noted: list[tuple[Tensor, Tensor]] = []
        """Mean and variance, (N, C, 1, 1) each, of the layers so far."""

    def of(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and variance (N, C, 1, 1) for the next layer's activations (N, C, H, W)."""
        check_wanted()
        found = mean_and_variance(features) if self._given is None else next(self._given)
        self.noted.append(found)
        return found

    def normalize(
        self,
        features: Tensor,
        gamma: Tensor | None = None,
        beta: Tensor | None = None,
        epsilon: float = EPSILON,
        fresh: bool = False,
    ) -> Tensor:
        """Return gamma (x - mean) / deviation + beta for (N, C, H, W).

        `gamma` and `beta` are (N or 1, C), or (1, C, H, W) if each place has its own.
        `fresh`: nothing else needs the activations, so without gradients the result takes their
        memory.
        """
        mean, variance = self.of(features)
        scale = (variance + epsilon).rsqrt()
        if gamma is not None:
            scale = scale * _placed(gamma)
        shift = -mean * scale
        if beta is not None:
            shift = shift + _placed(beta)
        if len(scale) == 1:
            scale = scale.expand(len(features), -1, -1, -1)
        if len(shift) == 1:
            shift = shift.expand(len(features), -1, -1, -1)
        shift, scale = shift.to(features.dtype), scale.to(features.dtype)
        out = features if fresh and not torch.is_grad_enabled() else None
        return torch.addcmul(shift, features, scale, out=out)


def _placed(numbers: Tensor) -> Tensor:
    return numbers if numbers.dim() == 4 else numbers[:, :, None, None]


class RunningMoments(Moments):
    """Moments of one frame of a film, moved from those of the frames before towards its own.

    A network normalized by each frame's own moments shifts the brightness and contrast of the whole
    frame whenever something enters the picture.
    """

    def __init__(
        self, before: Sequence[tuple[Tensor, Tensor]] | None = None, share: float = 1.0
    ) -> None:
        """Begin with the first layer.

        Args:
            before: what was `noted` at the previous frame; None if there is none, as after a cut.
            share: the share of the frame's own moments, from 0 to 1.
        """
        super().__init__()
        self._before, self._share = before, share

    def of(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and variance (N, C, 1, 1) for the next layer's activations (N, C, H, W)."""
        check_wanted()
        mean, variance = mean_and_variance(features)
        if self._before is not None:
            old_mean, old_variance = self._before[len(self.noted)]
            mean = torch.lerp(old_mean, mean, self._share)
            variance = torch.lerp(old_variance, variance, self._share)
        self.noted.append((mean, variance))
        return mean, variance
