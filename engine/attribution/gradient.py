"""The gradient of a logit or unit with respect to the pixels: plain, smoothed, times the picture.

Simonyan, Vedaldi, Zisserman 2014, "Deep Inside Convolutional Networks: Visualising Image
Classification Models and Saliency Maps". Of the logit, not of the probability: that one can also
be raised by lowering the other classes. Smilkov et al. 2017, "SmoothGrad: removing noise by adding
noise". Shrikumar et al. 2016, "Not Just a Black Box" (gradient times input).
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from engine.attribution.state import (
    Target,
    chosen_logits,
    copy_of,
    differentiable,
    leaf_of,
    values_of_unit,
)
from engine.attribution.unit import Located, Unit


def saliency(model: nn.Module, x: Tensor, target: Target, signed: bool = False) -> Tensor:
    """Return how much the logit of `target` answers to each pixel.

    Args:
        model: maps `x` to logits (N, classes); is left as it was found, and run in eval mode.
        x: float (N, 3, H, W) as the model takes it; is not changed.
        target: a class number for all pictures, or one for each; or a `Unit`, whose activation then
            is what the logit is else (and the model may return anything).
        signed: return the gradient itself.

    Returns:
        (N, H, W), the maximum over colours of |d logit / d x|, at least 0; `signed`: (N, 3, H, W),
        d logit / d x. In the precision of `x`, unscaled, without a graph.

    Raises:
        ValueError: `x`, `target` or what the model returns has not the form above.
    """
    with differentiable(model):
        leaf = leaf_of(x)
        return _map(gradient_of(chosen_logits(model, leaf, target), leaf), signed)


def gradient_times_input(model: nn.Module, x: Tensor, target: Target) -> Tensor:
    """Return x * d logit / d x (N, 3, H, W): what each number of `x` adds, to first order.

    Measured from the picture that is all 0 for the model. Arguments and errors as in `saliency`.
    """
    gradient = saliency(model, x, target, signed=True)
    with torch.inference_mode(False):
        return gradient.mul_(x.detach())


def smooth_grad(
    model: nn.Module,
    x: Tensor,
    target: Target,
    samples: int = 25,
    sigma: float = 0.5,
    generator: torch.Generator | None = None,
    signed: bool = False,
    before_each: Callable[[], object] | None = None,
) -> Tensor:
    """Return the mean of the gradients at noisy copies of the pictures.

    Args:
        model: as in `saliency`.
        x: as in `saliency`.
        target: as in `saliency`.
        samples: how many noisy copies of each picture.
        sigma: standard deviation of the noise in the numbers of `x`. The paper takes 10 to 20 % of
            the range from darkest to brightest, which is about 0.5 where pixels are normalized to a
            standard deviation of 1.
        generator: draws the noise; a CPU one makes the same map on every device.
        signed: return the mean itself instead of the maximum over colours of its size.
        before_each: called before each copy is looked at; what it raises ends the work.

    Returns:
        As `saliency`. A unit without a position stays where it is highest without noise.

    Raises:
        ValueError: as `saliency`; no samples, or a sigma that is negative or not finite.
    """
    if samples < 1:
        raise ValueError(f"samples must be at least 1, not {samples}")
    if not (math.isfinite(sigma) and sigma >= 0):
        raise ValueError(f"sigma must be a number from 0 upwards, not {sigma}")
    with differentiable(model):
        clean = copy_of(x)
        total = torch.zeros_like(clean)
        goal: Target | Located = target
        if isinstance(target, Unit):
            with torch.no_grad():
                _, goal = values_of_unit(model, clean.clone(), target)
        device = generator.device if generator else torch.device("cpu")
        for _ in range(samples):
            if before_each is not None:
                before_each()
            # One draw for all pictures, so that none depends on who else is in the batch; in float32
            # for every precision, so that float64 looks at the same pictures.
            noise = torch.randn(clean.shape[1:], generator=generator, device=device)
            leaf = (clean + sigma * noise.to(clean)).requires_grad_()
            total += gradient_of(chosen_logits(model, leaf, goal), leaf)
        return _map(total / samples, signed)


def gradient_of(logits: Tensor, leaf: Tensor) -> Tensor:
    """Return d logit / d x (N, 3, H, W) for one logit (N,) of each picture in `leaf`.

    Raises `ValueError` when the logits (or units) do not depend on the pictures.
    """
    # The sum: a picture's logit depends on that picture alone.
    (gradient,) = torch.autograd.grad(logits.sum(), leaf, allow_unused=True)
    if gradient is None:
        raise ValueError(
            "the model's logits, or the unit, do not depend on x through operations with a gradient"
        )
    return gradient


def _map(gradient: Tensor, signed: bool) -> Tensor:
    return gradient if signed else gradient.abs().amax(1)
