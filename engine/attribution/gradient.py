"""The gradient of a logit or unit with respect to the pixels: plain, smoothed, times the picture.

Simonyan, Vedaldi, Zisserman 2014, "Deep Inside Convolutional Networks: Visualising Image
Classification Models and Saliency Maps". The gradient is the logit's, not the probability's, which
can also be raised by lowering the other classes. Smilkov et al. 2017, "SmoothGrad: removing noise
by adding noise". Shrikumar et al. 2016, "Not Just a Black Box" (gradient times input).
"""

import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from engine.attribution.asked import Asked, MethodStep
from engine.attribution.state import (
    Target,
    chosen_logits,
    copy_of,
    differentiable,
    leaf_of,
    values_of_unit,
)
from engine.attribution.unit import Located, Unit

NOISE = 0.15
"""SmoothGrad's noise as a fraction of the range from black to white: amid the paper's 10 to 20 %."""
SAMPLES = 25


def saliency(model: nn.Module, x: Tensor, target: Target, signed: bool = False) -> Tensor:
    """Return how strongly the logit of `target` responds to each pixel.

    Args:
        model: maps `x` to logits (N, classes); run in eval mode and left as it was found.
        x: float (N, 3, H, W) as the model takes it; not changed.
        target: a class number for all pictures, or one for each; or a `Unit`, whose activation then
            takes the logit's place (and the model may return anything).
        signed: return the gradient itself.

    Returns:
        (N, H, W), the maximum over colours of |d logit / d x|, at least 0; `signed`: (N, 3, H, W),
        d logit / d x. In the precision of `x`, unscaled, without a graph.

    Raises:
        ValueError: `x`, `target` or what the model returns does not have the form above.
    """
    with differentiable(model):
        leaf = leaf_of(x)
        return _map(gradient_of(chosen_logits(model, leaf, target), leaf), signed)


def gradient_times_input(model: nn.Module, x: Tensor, target: Target) -> Tensor:
    """Return x * d logit / d x (N, 3, H, W): what each number of `x` adds, to first order.

    The reference is the picture that is all 0 to the model. Arguments and errors as in `saliency`.
    """
    gradient = saliency(model, x, target, signed=True)
    with torch.inference_mode(False):
        return gradient.mul_(x.detach())


def smooth_grad(
    model: nn.Module,
    x: Tensor,
    target: Target,
    samples: int = SAMPLES,
    sigma: float = 0.5,
    generator: torch.Generator | None = None,
    signed: bool = False,
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

    Returns:
        As `saliency`. A unit without a position is taken where it is highest without noise.

    Raises:
        ValueError: as `saliency`; no samples, or a sigma that is negative or not finite.
    """
    for total in smooth_grad_steps(model, x, target, samples, sigma, generator):
        last = total
    with torch.inference_mode(False):
        return _map(last / samples, signed)


def smooth_grad_steps(
    model: nn.Module,
    x: Tensor,
    target: Target,
    samples: int = SAMPLES,
    sigma: float = 0.5,
    generator: torch.Generator | None = None,
) -> Iterator[Tensor]:
    """Yield the sum (N, 3, H, W) of the gradients so far, after each noisy copy of the pictures.

    Arguments and errors as in `smooth_grad`. Between copies the model and torch's modes are as the
    caller left them, so it is safe to stop at any time.
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
        with differentiable(model):
            # One draw for all pictures, so that none depends on what else is in the batch; always
            # in float32, so that a float64 run sees the same noise.
            noise = torch.randn(clean.shape[1:], generator=generator, device=device)
            leaf = (clean + sigma * noise.to(clean)).requires_grad_()
            total += gradient_of(chosen_logits(model, leaf, goal), leaf)
        yield total


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


# -- as `engine.attribution.registry` calls them ----------------------------------------------


def gradient(asked: Asked) -> Tensor:
    """Return `saliency`."""
    return saliency(asked.model, asked.x, asked.target)


def signed_gradient(asked: Asked) -> Tensor:
    """Return `saliency` with its sign."""
    return saliency(asked.model, asked.x, asked.target, signed=True)


def gradient_x_input(asked: Asked) -> Tensor:
    """Return `gradient_times_input`."""
    return gradient_times_input(asked.model, asked.x, asked.target)


def smoothgrad(asked: Asked) -> Iterator[MethodStep]:
    """Yield the progress of `smooth_grad`, and finally its map; the noise is always the same.

    Networks take pictures on scales of their own: for some, white is 4 above black, for others 255.
    """
    p = asked.network.card.preprocessing
    sigma = NOISE * p.scale * len(p.std) / sum(p.std)
    generator = torch.Generator().manual_seed(0)
    steps = smooth_grad_steps(asked.model, asked.x, asked.target, SAMPLES, sigma, generator)
    for done, total in enumerate(steps, 1):
        if done < SAMPLES:
            yield MethodStep(done, SAMPLES)
        else:
            yield MethodStep(done, SAMPLES, _map(total / SAMPLES, signed=False))
