"""Gated recurrent units (K. Cho et al. 2014), forward and backward in time (Schuster & Paliwal 1997)."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from engine.workshop.parameters import Parts, Shapes


def gru_shapes(name: str, inputs: int, width: int) -> Shapes:
    """Return the shapes of a GRU's parts: reset gate, update gate, candidate, as `torch.nn.GRU` has."""
    reach = 1 / math.sqrt(width)
    return {
        f"{name}.input": ((3 * width, inputs), reach),
        f"{name}.hidden": ((3 * width, width), reach),
        f"{name}.input bias": ((3 * width,), reach),
        f"{name}.hidden bias": ((3 * width,), reach),
    }


def gru_step(parts: Parts, name: str, seen: Tensor, state: Tensor) -> Tensor:
    """Return the state (N, width) after an input.

    r = sigmoid(W_r x + U_r h + b_r), z = sigmoid(W_z x + U_z h + b_z),
    n = tanh(W_n x + b_n + r * (U_n h + c_n)), h' = (1 - z) * n + z * h. As in PyTorch and cuDNN, the
    reset gate comes after U_n; in the paper it comes before.

    Args:
        parts: of the net.
        name: of this GRU in it.
        seen: the input, already multiplied by its weights (`inputs_of`): (N, 3 width).
        state: h, (N, width).
    """
    reset, update, candidate = seen.chunk(3, 1)
    held = F.linear(state, parts[f"{name}.hidden"], parts[f"{name}.hidden bias"])
    reset_held, update_held, candidate_held = held.chunk(3, 1)
    new = torch.tanh(candidate + torch.sigmoid(reset + reset_held) * candidate_held)
    return torch.lerp(new, state, torch.sigmoid(update + update_held))


def inputs_of(parts: Parts, name: str, x: Tensor) -> Tensor:
    """Return inputs (…, inputs) times their weights, (…, 3 width), for `gru_step`."""
    return F.linear(x, parts[f"{name}.input"], parts[f"{name}.input bias"])


def gru(parts: Parts, name: str, x: Tensor, state: Tensor | None = None) -> Tensor:
    """Return all states (N, T, width) for inputs (N, T, inputs), from `state` (N, width) or from 0."""
    seen = inputs_of(parts, name, x)
    if state is None:
        state = seen.new_zeros(len(x), seen.shape[2] // 3)
    states = []
    for moment in seen.unbind(1):
        state = gru_step(parts, name, moment, state)
        states.append(state)
    return torch.stack(states, 1)


def both_ways(parts: Parts, forward: str, backward: str, x: Tensor) -> Tensor:
    """Return the states of two GRUs side by side (N, T, 2 width): one reads from the end."""
    return torch.cat([gru(parts, forward, x), gru(parts, backward, x.flip(1)).flip(1)], 2)
