"""Fully connected nets from a list of widths, as functions of one vector of parameters.

Since the parameters are an argument, a training step of a net can be differentiated through.
"""

import math
from collections.abc import Callable, Sequence
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": torch.tanh,
    "relu": torch.relu,
    "leaky relu": lambda x: F.leaky_relu(x, 0.2),
    "softplus": F.softplus,
    "sigmoid": torch.sigmoid,
    "none": lambda x: x,
}

Between = Callable[[Tensor], Tensor]
"""What is done to the output (N, width) of a hidden layer."""


class Trainable(Protocol):
    """A net as a function of one vector."""

    @property
    def count(self) -> int:
        """How many parameters there are."""
        ...

    def start(self, generator: torch.Generator) -> Tensor:
        """Draw the parameters (count,)."""
        ...


class Net:
    """Maps points (N, widths[0]) to (N, widths[-1])."""

    def __init__(
        self, widths: Sequence[int], hidden: str, last: str = "none", *, normalized: bool = False
    ) -> None:
        """Describe a net with an activation after each hidden layer and after the last one.

        `hidden` and `last` are keys of `ACTIVATIONS`. With `normalized`, hidden layers have batch
        normalization (Ioffe & Szegedy 2015) by the batch at hand.
        """
        self.widths, self.normalized = tuple(widths), normalized
        self._hidden, self._last = ACTIVATIONS[hidden], ACTIVATIONS[last]
        self._shapes: list[tuple[int, ...]] = []
        layers = list(zip(self.widths, self.widths[1:], strict=False))
        for index, (wide, out) in enumerate(layers):
            self._shapes += [(out, wide), (out,)]
            if normalized and index < len(layers) - 1:
                self._shapes.append((out,))  # gain; the layer's bias comes after the normalization
        self._sizes = [math.prod(shape) for shape in self._shapes]

    @property
    def count(self) -> int:
        """How many parameters there are."""
        return sum(self._sizes)

    def start(self, generator: torch.Generator) -> Tensor:
        """Draw parameters (count,), float32 on the CPU, as PyTorch's linear layers start.

        Weights and biases are even between ± 1 / sqrt(inputs), gains 1.
        """
        parts, inputs = [], 1
        for position, shape in enumerate(self._shapes):
            if self._is_gain(position):
                parts.append(torch.ones(shape))
                continue
            inputs = shape[1] if len(shape) == 2 else inputs
            even = torch.rand(shape, generator=generator) * 2 - 1
            parts.append(even.flatten() / math.sqrt(inputs))
        return torch.cat([part.flatten() for part in parts])

    def __call__(
        self, parameters: Tensor, points: Tensor, between: Between | None = None
    ) -> Tensor:
        """Return the outputs at `points` (N, widths[0]) for `parameters` (count,).

        `between` changes what each hidden layer gives, such as by noise.
        """
        parts = iter(
            part.view(shape)
            for part, shape in zip(parameters.split(self._sizes), self._shapes, strict=True)
        )
        layers = len(self.widths) - 1
        x = points
        for index in range(layers):
            weight, bias = next(parts), next(parts)
            if index == layers - 1:
                return self._last(F.linear(x, weight, bias))
            if self.normalized:
                x = F.linear(x, weight)
                x = F.batch_norm(x, None, None, next(parts), bias, training=True)
            else:
                x = F.linear(x, weight, bias)
            x = self._hidden(x)
            x = x if between is None else between(x)
        return x

    def _is_gain(self, position: int) -> bool:
        hidden = 3 * (len(self.widths) - 2)
        return self.normalized and position < hidden and position % 3 == 2


class Joined:
    """Several nets that are trained as one: their parameters are parts of one vector."""

    def __init__(self, *nets: Trainable) -> None:
        """Join `nets`, in this order."""
        self.nets = nets

    @property
    def count(self) -> int:
        """How many parameters there are."""
        return sum(net.count for net in self.nets)

    def start(self, generator: torch.Generator) -> Tensor:
        """Draw the parameters (count,) of each net in turn, float32 on the CPU."""
        return torch.cat([net.start(generator) for net in self.nets])

    def parts(self, parameters: Tensor) -> tuple[Tensor, ...]:
        """Return views of `parameters` (count,): those of each net."""
        return parameters.split([net.count for net in self.nets])
