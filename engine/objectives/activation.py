"""What activation maximization makes large, a value for each picture of a batch.

Class logit: Simonyan, Vedaldi, Zisserman 2014; channel, neuron and layer: Olah, Mordvintsev,
Schubert 2017; direction with cosine and diversity: the same authors' Lucid. Features are
(N, C, H, W), or (N, C) of a layer without positions; sums are in float32 at least.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

LEAST_COSINE = 0.1
"""Directions that point elsewhere still get a gradient."""


def class_logit(logits: Tensor, classes: Sequence[int]) -> Tensor:
    """Return (N,): of the logits (N, K), that of each picture's own class, before the softmax."""
    return logits.gather(1, torch.tensor(list(classes), device=logits.device)[:, None])[:, 0]


def class_margin(logits: Tensor, classes: Sequence[int], rivals: float) -> Tensor:
    """Return (N,): each picture's own logit minus `rivals` times its highest other one.

    0: `class_logit`; 1: the margin by which the class wins (Carlini and Wagner 2017). In between, a
    look-alike (the tabby's tiger cat) is not made as strong on the way. A network with one output
    has no other class: its logit is the margin.
    """
    own = class_logit(logits, classes)
    if not rivals or logits.shape[1] == 1:
        return own
    index = torch.tensor(list(classes), device=logits.device)[:, None]
    return own - rivals * logits.scatter(1, index, -torch.inf).amax(1)


def channel_mean(features: Tensor, channels: Sequence[int]) -> Tensor:
    """Return (N,): the mean over positions of each picture's own channel."""
    x = _positions(features)
    return x[range(len(x)), list(channels)].mean(1)


def neuron(features: Tensor, channels: Sequence[int], position: tuple[int, int]) -> Tensor:
    """Return (N,): the activation of each picture's own channel at `position` (y, x)."""
    y, x = position
    return _precise(features)[range(len(features)), list(channels), y, x]


def layer_energy(features: Tensor) -> Tensor:
    """Return (N,): half the mean square over channels and positions, as DeepDream does."""
    return 0.5 * _positions(features).square().mean((1, 2))


def direction(features: Tensor, vector: Tensor, power: float = 0.0) -> Tensor:
    """Return (N,): the mean over positions of <a, v> max(0.1, cos(a, v))^power.

    `vector` (C,). A higher power asks for the direction itself rather than for large activations.
    """
    x = _positions(features)
    v = vector.to(x)
    along = torch.einsum("ncp,c->np", x, v)
    if power:
        cosine = along / (x.norm(dim=1) * v.norm()).clamp_min(1e-12)
        along = along * cosine.clamp_min(LEAST_COSINE).pow(power)
    return along.mean(1)


def diversity(features: Tensor) -> Tensor:
    """Return how alike the pictures of a batch are, a scalar to be minimized.

    The sum over pairs i ≠ j of the inner products of their Gram matrices, each of norm 1, divided
    by the batch: 0 where no two share a feature, N - 1 where all are the same.
    """
    x = _positions(features)
    gram = (x @ x.mT).flatten(1)
    gram = gram / gram.norm(dim=1, keepdim=True).clamp_min(1e-12)
    products = gram @ gram.mT
    return (products.sum() - products.diagonal().sum()) / len(x)


def _precise(features: Tensor) -> Tensor:
    return features if features.dtype == torch.float64 else features.float()


def _positions(features: Tensor) -> Tensor:
    """Return (N, C, positions)."""
    return _precise(features).reshape(*features.shape[:2], -1)
