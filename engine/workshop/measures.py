"""How well a discriminator knows the ratio of two densities, and how many modes are generated."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

ENOUGH = 20
"""A mode is found if this many of 4,000 samples lie within three standard deviations of it."""


def optimal_discriminator(data: Tensor, generated: Tensor) -> Tensor:
    """Return D* = p_data / (p_data + p_g) from the densities at the same points; .5 where both are 0."""
    total = data + generated
    return torch.where(total > 0, data / total.clamp_min(torch.finfo(total.dtype).tiny), 0.5)


def jensen_shannon(data: Tensor, generated: Tensor, step: float) -> float:
    """Return the Jensen-Shannon divergence in nats, between 0 and log 2.

    Args:
        data: the density (N,) at evenly spaced points that reach as far as both densities do.
        generated: the other density there.
        step: the distance between two points.
    """
    middle = (data + generated) / 2
    parts = [torch.xlogy(p, p) - torch.xlogy(p, middle) for p in (data, generated)]
    return float(sum(part.sum() for part in parts)) * step / 2


def least_loss(divergence: float) -> float:
    """Return the least loss of a discriminator, 2 log 2 - 2 JS."""
    return 2 * math.log(2) - 2 * divergence


def expected_loss(logits: Tensor, data: Tensor, generated: Tensor, step: float) -> float:
    """Return a discriminator's loss by integration, for its logits (N,) at evenly spaced points."""
    both = data * F.softplus(-logits) + generated * F.softplus(logits)
    return float(both.sum()) * step


def distance_from_optimum(logits: Tensor, data: Tensor, generated: Tensor) -> float:
    """Return the mean of |D - D*|, where data and generated samples are: by (p_data + p_g) / 2."""
    away = (torch.sigmoid(logits) - optimal_discriminator(data, generated)).abs()
    weights = data + generated
    return float((away * weights).sum() / weights.sum())


def modes_found(points: Tensor, centres: Tensor, deviation: float) -> tuple[int, float]:
    """Return how many modes are found, and which share of the points lies within any of them.

    Within: three standard deviations from the nearest centre.

    Args:
        points: samples (N, dimensions); `ENOUGH` of 4,000 must lie within a mode, of others a like
            share.
        centres: (modes, dimensions).
        deviation: the standard deviation of each mode.
    """
    distances, nearest = torch.cdist(points, centres).min(1)
    within = distances <= 3 * deviation
    counts = nearest[within].bincount(minlength=len(centres))
    enough = ENOUGH * len(points) / 4000
    return int((counts >= enough).sum()), float(within.float().mean())


def principal_components(points: Tensor, count: int = 2) -> Tensor:
    """Return where points (N, dimensions) lie along their `count` principal axes (N, count).

    An axis points to where its largest share in a dimension is positive, so that it does not turn
    round between two steps of a training.
    """
    centred = points - points.mean(0)
    _, _, axes = torch.linalg.svd(centred, full_matrices=False)
    axes = axes[:count]
    largest = axes.gather(1, axes.abs().argmax(1, keepdim=True))
    return centred @ (axes * largest.sign()).T
