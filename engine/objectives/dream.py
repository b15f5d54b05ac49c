"""What DeepDream makes larger: how strongly layers respond (Mordvintsev, Olah, Tyka 2015)."""

from collections.abc import Sequence

import torch
from torch import Tensor


def mean_activation_objective(features: Tensor, channels: Sequence[int] = ()) -> Tensor:
    """Return the mean of activations (N, C, H, W), of some `channels` only if any are given."""
    return _chosen(features, channels).mean(dtype=_precise(features))


def squares_objective(features: Tensor, channels: Sequence[int] = ()) -> Tensor:
    """Return half the mean square: its gradient is the activation itself, so what is seen grows."""
    chosen = _chosen(features, channels)
    norm = torch.linalg.vector_norm(chosen, dtype=_precise(features))
    return 0.5 * norm.square() / chosen.numel()


def guided_objective(features: Tensor, guide: Tensor, channels: Sequence[int] = ()) -> Tensor:
    """Return the best dot product with any position of the guide, averaged over positions.

    It is also divided by the number of channels, which keeps it comparable between layers.
    `features` (1, C, H, W), `guide` (1, C, h, w) of the same layer. The best match counts as fixed,
    so the gradient at a position is the guide's activation there.
    """
    x = _chosen(features, channels).flatten(2)[0].to(_precise(features))
    y = _chosen(guide, channels).flatten(2)[0].to(x.dtype)
    with torch.no_grad():
        best = torch.cat([(part.T @ y).argmax(1) for part in x.split(4096, dim=1)])
    return (x * y[:, best]).sum() / x.numel()


def _chosen(features: Tensor, channels: Sequence[int]) -> Tensor:
    return features[:, list(channels)] if channels else features


def _precise(features: Tensor) -> torch.dtype:
    return torch.float64 if features.dtype == torch.float64 else torch.float32
