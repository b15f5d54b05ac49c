"""Dead units, which stay at 0 for a whole run: nothing was maximized, and a note says so."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from engine.checkpoint import State

MOST_TOLD = 6
"""How many units of a layer, and how many layers, are named one by one."""


class DeadUnits:
    """Remembers which of a row of units have ever been active."""

    def __init__(self, count: int, device: torch.device) -> None:
        """Begin with `count` units, none of which has been active."""
        self.answered = torch.zeros(count, dtype=torch.bool, device=device)
        self.done = False
        """Whether there is nothing left to watch for."""

    def see(self, answers: Tensor) -> None:
        """Note which units are active in `answers` (count,)."""
        if not self.done:
            self.answered |= answers
            self.done = bool(self.answered.all())

    def state(self) -> State:
        """Return which have been active, valid until more are seen."""
        return {"answered": self.answered}

    def take_up(self, state: State) -> None:
        """Continue from a state, taking over its tensor."""
        self.answered = state["answered"]
        self.done = bool(self.answered.all())

    def silent(self) -> list[int]:
        """Return the indices of those that have never been active."""
        return [] if self.done else self.answered.logical_not().nonzero().flatten().tolist()


def silence(units: Mapping[str, Sequence[int]], remedy: str) -> str:
    """Return a sentence about the channels of layers that stayed at 0; "" for none.

    A layer without channels was silent as a whole. `remedy` says what may help.
    """
    named = [_named(layer, channels) for layer, channels in units.items()]
    if not named:
        return ""
    more = f", and of {len(named) - MOST_TOLD} more layers" if len(named) > MOST_TOLD else ""
    return (
        f"Silent all the way, at 0 from the first step to the last: {'; '.join(named[:MOST_TOLD])}"
        f"{more}. {remedy}"
    )


def _named(layer: str, channels: Sequence[int]) -> str:
    if not channels:
        return layer
    told = ", ".join(map(str, channels[:MOST_TOLD]))
    more = f" and {len(channels) - MOST_TOLD} more" if len(channels) > MOST_TOLD else ""
    return f"channel{'s' if len(channels) > 1 else ''} {told}{more} of {layer}"
