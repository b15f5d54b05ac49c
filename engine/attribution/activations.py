"""Which activations of a network have no rule in guided backpropagation and the deconvnet."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from engine.attribution.relu_rules import follows_rule, refuse_scripted
from engine.attribution.state import differentiable, leaf_of, run

_NAMES = {
    "celu": "CELU",
    "elu": "ELU",
    "gelu": "GELU",
    "glu": "GLU",
    "hardshrink": "Hardshrink",
    "hardsigmoid": "Hardsigmoid",
    "hardswish": "Hardswish",
    "hardtanh": "Hardtanh",
    "leaky_relu": "LeakyReLU",
    "log_sigmoid": "LogSigmoid",
    "logsigmoid": "LogSigmoid",
    "mish": "Mish",
    "prelu": "PReLU",
    "rrelu": "RReLU",
    "selu": "SELU",
    "sigmoid": "Sigmoid",
    "silu": "SiLU",
    "softplus": "Softplus",
    "softshrink": "Softshrink",
    "softsign": "Softsign",
    "tanh": "Tanh",
    "tanhshrink": "Tanhshrink",
    "threshold": "Threshold",
}
"""What activations are called as functions, without the marks of in-place and inner forms."""


def plain_activations(model: nn.Module, x: Tensor) -> tuple[str, ...]:
    """Return the activations that keep their ordinary gradient in guided backprop and the deconvnet.

    They go by the names of their modules ("GELU", "LeakyReLU"), each once, in the order in which a
    run on `x` meets them, whether they are modules, functions or methods. Gates (a sigmoid that
    scales channels) count too; softmax does not, nor does a clamp to bounds other than a ReLU's.

    Args:
        model: takes `x` and returns anything; run in eval mode and left as it was found.
        x: float (N, 3, H, W) as the model takes it; not changed.

    Returns:
        () where all activations are ReLUs.

    Raises:
        ValueError: `x` is not a batch of pictures, or the model is scripted, which hides them.
    """
    refuse_scripted(model)
    seen = _UnruledActivations()
    with differentiable(model):
        leaf = leaf_of(x)
        with seen:
            run(model, leaf.clone())
    return tuple(seen.names)


class _UnruledActivations(TorchFunctionMode):
    """While active in this thread, notes the activations whose gradient is the ordinary one."""

    def __init__(self) -> None:
        super().__init__()
        self.names: dict[str, None] = {}

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        name = _NAMES.get(getattr(func, "__name__", "").strip("_"))
        if name and _carries_gradient(args, kwargs) and not follows_rule(func, args, kwargs):
            self.names[name] = None
        return func(*args, **kwargs)


def _carries_gradient(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Return whether the activated tensor, the first argument, comes from x, or may."""
    given = args[0] if args else kwargs.get("input")
    return isinstance(given, Tensor) and given.requires_grad and torch.is_grad_enabled()
