"""The recurrent networks: one label for a sequence, one for each moment, or another sequence."""

import torch
from torch import Tensor
from torch.nn import functional as F

from engine.workshop.digits import SIDE
from engine.workshop.log_odds import log_odds
from engine.workshop.parameters import Layout, Parts, linear_shapes
from engine.workshop.recurrent import both_ways, gru, gru_shapes, gru_step, inputs_of
from engine.workshop.strips import BLANK

READ, WRITE = 32, 96
"""Width of a GRU that labels, and of each of the two of which one reads and the other writes."""
SYMBOL = 32
"""Width of a written symbol's embedding."""
STOP = 10
"""What is written after the last digit, and stands before the first."""


def labelling_layout(direction: str, labels: int) -> Layout:
    """Return the parts of a network that labels: one GRU, or one for each direction."""
    both = direction == "both"
    back = gru_shapes("back", SIDE, READ) if both else {}
    return Layout({
        **gru_shapes("there", SIDE, READ), **back, **linear_shapes("out", READ * (1 + both), labels)
    })  # fmt: skip


def moments(parts: Parts, x: Tensor) -> Tensor:
    """Return logits at every moment (N, T, labels) of sequences (N, T, 8)."""
    both = "back.input" in parts
    states = both_ways(parts, "there", "back", x) if both else gru(parts, "there", x)
    return F.linear(states, parts["out.weight"], parts["out.bias"])


def whole(parts: Parts, x: Tensor) -> Tensor:
    """Return the logits (N, labels) of whole sequences: from the mean state over time.

    The last layer is linear, so that is the mean of what each moment says (`moments`).
    """
    return moments(parts, x).mean(1)


WRITER = Layout({
    **gru_shapes("reader", SIDE, WRITE), **gru_shapes("writer", SYMBOL, WRITE),
    "symbols": ((STOP + 1, SYMBOL), 1), **linear_shapes("out", WRITE, STOP + 1),
})  # fmt: skip
"""Encoder and decoder."""


def context(parts: Parts, x: Tensor, turned: bool) -> Tensor:
    """Return all that the writer is told of sequences (N, T, 8): the reader's last state (N, 96)."""
    return gru(parts, "reader", x.flip(1) if turned else x)[:, -1]


def written_logits(parts: Parts, state: Tensor, symbols: Tensor) -> Tensor:
    """Return logits (N, n, 11) of symbols (N, n), each given those before it."""
    before = F.pad(symbols[:, :-1], (1, 0), value=STOP)
    states = gru(parts, "writer", parts["symbols"][before], state)
    return F.linear(states, parts["out.weight"], parts["out.bias"])


def written(parts: Parts, x: Tensor, turned: bool, most: int) -> Tensor:
    """Return the most likely symbols one by one, (N, `most`), with stops after the first stop."""
    state = context(parts, x, turned)
    symbol = torch.full((len(x),), STOP, device=x.device)
    over, symbols = torch.zeros_like(symbol, dtype=torch.bool), []
    for _ in range(most):
        state = gru_step(
            parts, "writer", inputs_of(parts, "writer", parts["symbols"][symbol]), state
        )
        best = F.linear(state, parts["out.weight"], parts["out.bias"]).argmax(1)
        symbol = best.masked_fill(over, STOP)
        over = over | (symbol == STOP)
        symbols.append(symbol)
    return torch.stack(symbols, 1)


def alignment(parts: Parts, x: Tensor, turned: bool, symbols: Tensor) -> Tensor:
    """Return how much each symbol depends on each column: |d log p(y_j) / dx| summed over rows.

    Up to a factor for each symbol: it is the log odds' gradient.

    Args:
        parts: of encoder and decoder.
        x: columns (N, T, 8).
        turned: whether they are read from the end.
        symbols: y, (N, n).

    Returns:
        (N, n, T).
    """
    found = []
    x = x.detach().requires_grad_()
    with torch.enable_grad():
        logits = written_logits(parts, context(parts, x, turned), symbols)
        for j in range(symbols.shape[1]):
            odds = log_odds(logits[:, j], symbols[:, j]).sum()
            (slope,) = torch.autograd.grad(odds, x, retain_graph=True)
            found.append(slope.abs().sum(2))
    return torch.stack(found, 1)


LABELS = {"classify": BLANK, "aligned": BLANK + 1}
"""How many labels there are: a strip's columns may also be blank."""
