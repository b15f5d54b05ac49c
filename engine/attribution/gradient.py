"""The gradient of a class's logit with respect to the pixels.

Simonyan, Vedaldi, Zisserman 2014, "Deep Inside Convolutional Networks: Visualising Image
Classification Models and Saliency Maps". Of the logit, not of the probability: that one can also
be raised by lowering the other classes.
"""

import torch
from torch import Tensor, nn

from engine.attribution.state import Target, chosen_logits, differentiable, leaf_of


def saliency(model: nn.Module, x: Tensor, target: Target, signed: bool = False) -> Tensor:
    """Return how much the logit of `target` answers to each pixel.

    Args:
        model: maps `x` to logits (N, classes); is left as it was found, and run in eval mode.
        x: float (N, 3, H, W) as the model takes it; is not changed.
        target: a class number for all pictures, or one for each.
        signed: return the gradient itself.

    Returns:
        (N, H, W), the maximum over colours of |d logit / d x|, at least 0; `signed`: (N, 3, H, W),
        d logit / d x. In the precision of `x`, unscaled, without a graph.

    Raises:
        ValueError: `x`, `target` or what the model returns has not the form above.
    """
    with differentiable(model):
        leaf = leaf_of(x)
        logits = chosen_logits(model, leaf, target)
        # The sum: a picture's logit depends on that picture alone.
        (gradient,) = torch.autograd.grad(logits.sum(), leaf, allow_unused=True)
        if gradient is None:
            raise ValueError(
                "the model's logits do not depend on x through operations with a gradient"
            )
        return gradient if signed else gradient.abs().amax(1)
