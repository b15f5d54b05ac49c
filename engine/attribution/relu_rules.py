"""Gradients with a special rule at ReLUs: guided backpropagation and the deconvnet.

Zeiler, Fergus 2014, "Visualizing and Understanding Convolutional Networks" (deconvnet: what comes
back is rectified instead of gated). Springenberg et al. 2015, "Striving for Simplicity: The All
Convolutional Net" (guided: both). Every other operation goes back as usual.
"""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from engine.attribution.asked import Asked
from engine.attribution.gradient import gradient_of
from engine.attribution.state import Target, chosen_logits, differentiable, leaf_of


def guided_backprop(model: nn.Module, x: Tensor, target: Target) -> Tensor:
    """Return the gradient of `target`'s logit with only what is positive passing each ReLU.

    At a ReLU the gradient g becomes relu(g) where the unit is on, and 0 where it is off; a ReLU6 is
    off from 6 upwards too. Modules, functions and in-place forms are all found. Smooth activations
    (GELU, SiLU, ...) and leaky ones keep their ordinary gradient.

    Args:
        model: maps `x` to logits (N, classes); run in eval mode and left as it was found.
        x: float (N, 3, H, W) as the model takes it; not changed.
        target: a class number for all pictures, or one for each; or a `Unit` (Springenberg et al.
            start at the strongest unit of a channel: a `Unit` without a position).

    Returns:
        (N, 3, H, W), signed, in the precision of `x`, without a graph.

    Raises:
        ValueError: `x`, `target` or what the model returns does not have the form above, or the
            model is scripted.
    """
    return _gradient(model, x, target, gated=True)


def deconvnet(model: nn.Module, x: Tensor, target: Target) -> Tensor:
    """Return what `target`'s logit becomes on the way back through a deconvnet.

    At a ReLU the gradient g becomes relu(g), whether the unit is on or off. All else is as in
    `guided_backprop`.
    """
    return _gradient(model, x, target, gated=False)


def _gradient(model: nn.Module, x: Tensor, target: Target, gated: bool) -> Tensor:
    refuse_scripted(model)
    with differentiable(model):
        leaf = leaf_of(x)
        with _ReLURule(gated):
            logits = chosen_logits(model, leaf, target)
        return gradient_of(logits, leaf)


def refuse_scripted(model: nn.Module) -> None:
    """Raise `ValueError` for a scripted model, whose functions cannot be watched from outside."""
    if any(isinstance(module, torch.jit.ScriptModule) for module in model.modules()):
        raise ValueError(
            "the ReLUs of a scripted model are out of reach; pass the model it was made from"
        )


class _ReLURule(TorchFunctionMode):
    """While active in this thread, ReLUs propagate back by the rule; their values stay the same."""

    def __init__(self, gated: bool) -> None:
        super().__init__()
        self.gated = gated

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if follows_rule(func, args, kwargs):
            x, _, high, inplace = _FORMS[func](*args, **kwargs)
            if x.requires_grad and torch.is_grad_enabled():
                return _Rectified.apply(x, high, inplace, self.gated)
        return func(*args, **kwargs)


class _Rectified(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, high: float, inplace: bool, gated: bool) -> Tensor:
        y = x.clamp_min_(0) if inplace else x.clamp_min(0)
        on = (y > 0) & (y < high)
        if high < math.inf:
            y.clamp_max_(high)
        if inplace:
            ctx.mark_dirty(x)
        ctx.gated = gated
        # Shaped and typed like a ReLU's own memory: that is what checkpointing puts in its place.
        ctx.save_for_backward(on.to(x.dtype))
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        (gradient,) = gradients
        passing = gradient.clamp_min(0)
        if ctx.gated:
            (on,) = ctx.saved_tensors
            passing = torch.where(on > 0, passing, 0.0)
        return passing, None, None, None


# -- how a ReLU may be written: each returns its input, lower and upper bound, and whether in place --

_Form = tuple[Tensor, float, float, bool]


def _relu(input: Tensor, inplace: bool = False) -> _Form:
    return input, 0, math.inf, inplace


def _relu_(input: Tensor) -> _Form:
    return input, 0, math.inf, True


def _relu6(input: Tensor, inplace: bool = False) -> _Form:
    return input, 0, 6, inplace


def _hardtanh(
    input: Tensor, min_val: float = -1, max_val: float = 1, inplace: bool = False
) -> _Form:
    return input, min_val, max_val, inplace


def _hardtanh_(input: Tensor, min_val: float = -1, max_val: float = 1) -> _Form:
    return input, min_val, max_val, True


def _threshold(input: Tensor, threshold: float, value: float, inplace: bool = False) -> _Form:
    return input, 0 if threshold == value == 0 else math.nan, math.inf, inplace


def _threshold_(input: Tensor, threshold: float, value: float) -> _Form:
    return _threshold(input, threshold, value, True)


def _clamp(input: Tensor, min: Any = None, max: Any = None) -> _Form:
    """Bounds that are tensors may depend on the picture: such a clamp is not an activation."""
    if isinstance(min, Tensor) or isinstance(max, Tensor) or min is None:
        return input, math.nan, math.nan, False
    return input, min, math.inf if max is None else max, False


def _maximum(input: Any, other: Any) -> _Form:
    """A ReLU where one side is a tensor of zeros alone: a constant, not something computed."""
    for x, bound in ((input, other), (other, input)):
        constant = isinstance(bound, Tensor) and bound.numel() == 1 and not bound.requires_grad
        if isinstance(x, Tensor) and x.numel() > 1 and constant:
            return x, float(bound), math.inf, False
    return input, math.nan, math.nan, False


def _clamp_(input: Tensor, min: Any = None, max: Any = None) -> _Form:
    return *_clamp(input, min, max)[:3], True


def follows_rule(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Return whether a call of a torch function is a ReLU, which goes back by the rules."""
    form = _FORMS.get(func)
    if form is None or "out" in kwargs:
        return False
    _, low, high, _ = form(*args, **kwargs)
    return low == 0 and high > 0


_FORMS: dict[Any, Callable[..., _Form]] = {
    F.relu: _relu,
    torch.relu: _relu,
    Tensor.relu: _relu,
    torch.relu_: _relu_,
    Tensor.relu_: _relu_,
    F.relu6: _relu6,
    F.hardtanh: _hardtanh,
    F.hardtanh_: _hardtanh_,
    F.threshold: _threshold,
    torch.threshold: _threshold,
    torch.threshold_: _threshold_,
    torch.maximum: _maximum,
    Tensor.maximum: _maximum,
    torch.clamp: _clamp,
    torch.clip: _clamp,
    torch.clamp_min: _clamp,
    Tensor.clamp: _clamp,
    Tensor.clip: _clamp,
    Tensor.clamp_min: _clamp,
    torch.clamp_: _clamp_,
    torch.clip_: _clamp_,
    torch.clamp_min_: _clamp_,
    Tensor.clamp_: _clamp_,
    Tensor.clip_: _clamp_,
    Tensor.clamp_min_: _clamp_,
}


# -- as `engine.attribution.registry` calls them ----------------------------------------------


def guided(asked: Asked) -> Tensor:
    """Return `guided_backprop`."""
    return guided_backprop(asked.model, asked.x, asked.target)


def deconvolved(asked: Asked) -> Tensor:
    """Return `deconvnet`."""
    return deconvnet(asked.model, asked.x, asked.target)
