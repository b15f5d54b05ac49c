"""Which pixels of a finished picture matter to what it was made for (Fel et al. 2023, MACO)."""

import torch
from torch import Tensor

from engine.parameterization.transforms import Transforms, seen
from engine.task import Task
from engine.techniques.ascent.settings import Ascent
from engine.techniques.ascent.steps import AscentObjective

VIEWS = 32
PERCENTILE = 0.8
"""From this percentile up all pixels count alike: a few very large gradients would hide the
others."""
STRETCHED = (0.01, 0.99)
"""Percentiles of the values that become black and white."""


def importance(
    task: Task[Ascent], goal: AscentObjective, pictures: Tensor, closest: float, farthest: float
) -> Tensor:
    """Return (N, H, W) in [0, 1] on the CPU for `pictures` (N, 3, H, W), square.

    Mean of |d objective / d pixel| over the colours and over random views of the pictures, which
    span `closest` to `farthest` of their side; clipped at its 80th percentile and divided by it.
    The paper adds up the steps of the run; here the views are of its result.
    """
    side = pictures.shape[-1]
    views = Transforms(0.0, 0.0, 0.0, 0.0, 0.0, min(closest, farthest), farthest)
    total = torch.zeros(len(pictures), side, side, device=task.device)
    x = pictures.detach().to(task.device).requires_grad_(True)
    for _ in range(VIEWS):
        with torch.enable_grad():
            view = seen(x, views.draw(side, task.generator), task.network.card.input_size)
            (gradient,) = torch.autograd.grad(goal(view, False)[0].sum(), x)
        total += gradient.abs().mean(1).float()
    total = total.cpu()
    most = _percentile(total.flatten(1), PERCENTILE).clamp_min(1e-30)[:, None, None]
    return (total / most).clamp_max(1)


def faded(picture: Tensor, opacity: Tensor) -> Tensor:
    """Return (3, H, W) with contrast stretched, on white where `opacity` (H, W) is small."""
    low, high = (float(_percentile(picture.flatten()[None], p)) for p in STRETCHED)
    stretched = ((picture - low) / max(high - low, 1e-6)).clamp(0, 1)
    return opacity * stretched + (1 - opacity)


def _percentile(rows: Tensor, share: float) -> Tensor:
    """Return the value that `share` of each row (N, M) do not exceed."""
    return rows.kthvalue(max(1, round(rows.shape[1] * share)), dim=1).values
