"""Keras's activations as PyTorch modules."""

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor, nn

from engine.networks.foreign.unsupported import UnsupportedLayer

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "elu": nn.ELU,
    "selu": nn.SELU,
    "silu": nn.SiLU,
    "swish": nn.SiLU,
    "gelu": nn.GELU,
    "softplus": nn.Softplus,
    "softsign": nn.Softsign,
    "exponential": lambda: _Exponential(),
    "hard_sigmoid": nn.Hardsigmoid,
    "hard_silu": nn.Hardswish,
    "hard_swish": nn.Hardswish,
    "leaky_relu": lambda: nn.LeakyReLU(0.2),
    "mish": nn.Mish,
    "softmax": lambda: nn.Softmax(1),
    "log_softmax": lambda: nn.LogSoftmax(1),
}


class _Exponential(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.exp()


def activation_name(value: Any) -> str:
    """Return the name of an activation, which settings give in several ways."""
    if isinstance(value, Mapping):
        inner = value.get("config")
        value = inner.get("name") if isinstance(inner, Mapping) else inner or value["class_name"]
        value = value or "linear"
    return str(value or "linear").lower()


def activation(name: str) -> nn.Module:
    """Return the activation called `name`. Raises `UnsupportedLayer`."""
    if name == "linear":
        return nn.Identity()
    if name not in ACTIVATIONS:
        raise UnsupportedLayer(f"the activation {name}")
    return ACTIVATIONS[name]()
