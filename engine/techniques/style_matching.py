"""What style transfer and texture synthesis share: losses of statistics, iterations per scale."""

from collections.abc import Callable, Sequence
from functools import partial
from math import log2

import torch
from torch import Tensor

from engine.finite import finite
from engine.objectives.coverage import Coverage
from engine.objectives.style import PUBLISHED_FLOOR, GramLoss, Statistics, WassersteinLoss
from engine.objectives.summed import Mixed, Summed, SummedMoments

Loss = Summed
"""Takes a layer's activations; returns them, for what comes after, and their scalar loss."""


LARGE = 512
"""Long side in pixels up to which all scales get their full share of iterations."""


def shared_out(
    iterations: int, sides: Sequence[int], first_share: float, large_share: float = 1.0
) -> list[int]:
    """Return the iterations of scales with these long sides (at most `iterations`), each at least one.

    The first gets `first_share` times as many as each later one up to `LARGE` pixels; with every
    doubling above that, the share becomes `large_share` of it.
    """
    shares = [large_share ** max(log2(side / LARGE), 0.0) for side in sides]
    shares[0] *= first_share
    counts = [max(1, round(iterations * s / sum(shares))) for s in shares]
    while sum(counts) > iterations:
        counts[counts.index(max(counts))] -= 1
    counts[-1] += iterations - sum(counts)
    return counts


def style_loss(
    target: Statistics, statistic: str, scaling: str, coverage: Coverage | None = None
) -> SummedMoments:
    """Return the loss of one layer's activations; `scaling` is relative, raw or gradient.

    `coverage` is that of the picture being made.
    """
    loss: GramLoss | WassersteinLoss
    scaled: Callable[[Tensor], Tensor] = _unchanged
    if statistic == "gram":
        loss = GramLoss(target, normalised=scaling == "gradient", coverage=coverage)
        size = float(target.second.square().mean())
    else:
        floor = PUBLISHED_FLOOR if scaling == "raw" else None
        loss = WassersteinLoss(target, coverage, floor)
        # tr E[f fᵀ] / C: the Wasserstein distance to features that are all zero
        size = float(target.second.diagonal(dim1=-2, dim2=-1).mean())
        if scaling == "gradient":
            scaled = _distance
    if scaling == "relative":
        scaled = partial(_relative, max(size, 1e-12))
    return SummedMoments(loss, scaled, coverage, centred=statistic != "gram")


def summed(factors: Sequence[float], losses: Sequence[Loss]) -> Loss:
    """Return the sum of losses of the same activations, times their factors; none: zero."""
    if len(losses) == 1 and factors[0] == 1:
        return losses[0]
    return Mixed(factors, losses)


def _unchanged(value: Tensor) -> Tensor:
    return value


def _relative(size: float, value: Tensor) -> Tensor:
    return value / size


def _distance(value: Tensor) -> Tensor:
    """Return W2 itself: its gradient keeps its size as the distance shrinks."""
    return value.clamp_min(1e-12).sqrt()


def weighted(values: dict[str, Tensor], weights: dict[str, float], none: Tensor) -> Tensor:
    """Return the weighted mean of the layers' losses or, without layers, `none`, a zero.

    Negative weights, which keep a layer's loss large, keep their sign; the divisor is the sum of
    the absolute weights.
    """
    total = sum(map(abs, weights.values())) or 1.0
    terms = [weights[name] / total * value for name, value in values.items()]
    return torch.stack(terms).sum() if terms else none


def gradient_of_total(
    losses: Callable[[Tensor], dict[str, Tensor]],
    picture: Tensor,
    iteration: int,
    noted: dict[str, float],
) -> Tensor:
    """Return the gradient of the term `total` at `picture`; all terms go into `noted`.

    Raises `Diverged` when a number is not finite.
    """
    with torch.enable_grad():
        x = picture.detach().requires_grad_(True)
        terms = losses(x)
        (gradient,) = torch.autograd.grad(terms["total"], x)
    note_terms(terms, gradient, iteration, noted)
    return gradient


def note_terms(
    terms: dict[str, Tensor], gradient: Tensor, iteration: int, noted: dict[str, float]
) -> None:
    """Put all terms of a loss into `noted`. Raises `Diverged` when a number is not finite."""
    # All at once: on a GPU every fetch waits for the card.
    size = torch.linalg.vector_norm(gradient, ord=1).float()
    values = [t.detach().float() for t in terms.values()] + [size]
    numbers = dict(zip([*terms, "gradient"], torch.stack(values).tolist(), strict=True))
    finite(numbers, iteration)
    noted.update({name: numbers[name] for name in terms})
