"""What generator and discriminator minimize, and what keeps a generator from collapsing.

I. Goodfellow et al., "Generative Adversarial Nets", 2014. All take logits l: D = sigmoid(l), so that
log D = -softplus(-l) and log(1 - D) = -softplus(l) are exact where D rounds to 0 or 1.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F


def discriminator_loss(real: Tensor, fake: Tensor) -> Tensor:
    """Return -E log D(data) - E log(1 - D(generated)), a scalar, from the logits of both."""
    return F.softplus(-real).mean() + F.softplus(fake).mean()


def saddle_point_loss(fake: Tensor) -> Tensor:
    """Return E log(1 - D), a scalar, from the logits of what was generated.

    Its gradient vanishes where the discriminator is sure: D near 0.
    """
    return -F.softplus(fake).mean()


def non_saturating_loss(fake: Tensor) -> Tensor:
    """Return -E log D, a scalar: the same fixed point, with a strong gradient where D is near 0."""
    return F.softplus(-fake).mean()


GENERATOR_LOSSES: dict[str, Callable[[Tensor], Tensor]] = {
    "non-saturating": non_saturating_loss,
    "saddle-point": saddle_point_loss,
}


def pulls(logits: Tensor, points: Tensor) -> tuple[Tensor, Tensor]:
    """Return where each generator loss moves a generated point, if `logits` depend on `points`.

    The negative gradients of log(1 - D) and of -log D at each point, both shaped as `points`:
    D grad l and (1 - D) grad l.
    """
    (slope,) = torch.autograd.grad(logits.sum(), points)
    certainty = torch.sigmoid(logits.detach())
    return certainty * slope, (1 - certainty) * slope


def squared_gradient(logits: Tensor, points: Tensor) -> Tensor:
    """Return E |grad l|², a scalar that can be differentiated: R1 (Mescheder et al. 2018).

    `points` (N, dimensions) require gradients; `logits` (N, 1) depend on them.
    """
    (slope,) = torch.autograd.grad(logits.sum(), points, create_graph=True)
    return slope.square().sum(1).mean()


def with_deviation(points: Tensor, batch: Tensor | None = None) -> Tensor:
    """Append the batch's standard deviation, a mean over dimensions, to each point.

    A discriminator sees by it that what was generated is all alike (T. Karras et al., "Progressive
    Growing of GANs", 2018).

    Args:
        points: (N, dimensions).
        batch: whose deviation it is; `points` if None.

    Returns:
        (N, dimensions + 1).
    """
    # The small number keeps the root's gradient finite for a batch of equal points.
    variance = (points if batch is None else batch).var(0, correction=0)
    deviation = (variance + 1e-8).sqrt().mean()
    return torch.cat([points, deviation.expand(len(points), 1)], 1)


def unrolled(
    parameters: Tensor, loss: Callable[[Tensor], Tensor], steps: int, rate: float
) -> Tensor:
    """Return `parameters` after `steps` of gradient descent on `loss`, keeping the graph of each.

    A generator's gradient through them foresees the discriminator's answer (L. Metz et al.,
    "Unrolled Generative Adversarial Networks", 2016).
    """
    ahead = parameters.detach().requires_grad_()
    for _ in range(steps):
        (slope,) = torch.autograd.grad(loss(ahead), ahead, create_graph=True)
        ahead = ahead - rate * slope
    return ahead
