"""Langevin dynamics: samples from a density known only by its logarithm and the gradient of that.

ULA without, MALA with the Metropolis-Hastings correction (Roberts & Tweedie 1996).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.checkpoint import State

Target = Callable[[Tensor], tuple[Tensor, Tensor]]
"""Maps states (N, …) to the function f of each, (N,), and its gradient (N, …)."""
Draw = Callable[..., Tensor]
"""Returns standard normal numbers of the shape asked for."""

BEST_ACCEPTANCE = 0.574
"""The acceptance at which MALA moves fastest in many dimensions (Roberts & Rosenthal 1998)."""


@dataclass(frozen=True)
class Move:
    """What one step did to the chains."""

    acceptance: Tensor
    """(N,) probability with which each proposal was accepted; ones without the correction."""
    accepted: Tensor
    """(N,) whether it was."""


class Langevin:
    """Chains with the density exp(f / temperature), changed in place.

    A step is x <- x + step * grad f + sqrt(2 * step * temperature) * noise. Without the correction
    a chain has that density only in the limit of small steps; with it, for any step. At temperature
    0 a chain without correction is plain gradient ascent.
    """

    def __init__(
        self,
        states: Tensor,
        draw: Draw,
        step: float,
        temperature: float = 1.0,
        corrected: bool = False,
    ) -> None:
        """Move `states` (N, …), a chain each. `step` and `temperature` may be changed at any time."""
        self.states = states
        self.draw = draw
        self.step = step
        self.temperature = temperature
        self.corrected = corrected
        self.adapted = 0
        self._here: tuple[Tensor, Tensor] | None = None

    @torch.no_grad()
    def refresh(self, target: Target) -> None:
        """Evaluate the target at the chains: at first, and whenever it or they have been changed."""
        self._here = target(self.states)

    @torch.no_grad()
    def move(self, target: Target) -> Move:
        """Take one step. Whatever `target` raises leaves the states as they are."""
        if not self.corrected:
            self.states.copy_(self._proposed(target(self.states)[1]))
            ones = self.states.new_ones(len(self.states))
            return Move(ones, ones.bool())
        if self.temperature <= 0:
            raise ValueError("the Metropolis-Hastings correction needs a temperature above 0")
        if self._here is None:
            self.refresh(target)
        assert self._here is not None
        value, gradient = self._here
        proposed = self._proposed(gradient)
        new_value, new_gradient = target(proposed)
        # log q(x|x') - log q(x'|x), multiplied out: two large squares are not subtracted.
        there, back = new_gradient + gradient, new_gradient - gradient
        forth = _dot(proposed - self.states, there) / 2 + self.step / 4 * _dot(back, there)
        ratio = (new_value - value - forth) / self.temperature
        acceptance = ratio.clamp(max=0).exp().nan_to_num(0.0)
        # Uniform numbers made from normal ones, so that `draw` need not give any others.
        chance = 0.5 + 0.5 * torch.erf(self.draw(len(acceptance)).to(acceptance) / math.sqrt(2))
        accepted = chance < acceptance
        taken = accepted.view(-1, *[1] * (self.states.dim() - 1))
        self.states.copy_(torch.where(taken, proposed, self.states))
        self._here = (
            torch.where(accepted, new_value, value),
            torch.where(taken, new_gradient, gradient),
        )
        return Move(acceptance, accepted)

    def adapt(self, acceptance: float, wanted: float = BEST_ACCEPTANCE) -> None:
        """Make the step larger or smaller (Robbins & Monro 1951), by less and less.

        For the burn-in only: a chain whose step depends on its past has another density.
        """
        self.adapted += 1
        self.step *= math.exp((acceptance - wanted) * self.adapted ** (-1 / 3))

    def state(self) -> State:
        """Return states, step and last evaluation, valid until the next step."""
        here = None if self._here is None else list(self._here)
        numbers = {"step": self.step, "temperature": self.temperature, "adapted": self.adapted}
        return {"states": self.states, "here": here, **numbers}

    def take_up(self, state: State) -> None:
        """Continue from a state, taking over its tensors; the states are another tensor then."""
        self.states, self.step, self.temperature = (
            state["states"],
            state["step"],
            state["temperature"],
        )
        self.adapted = state["adapted"]
        self._here = None if state["here"] is None else (state["here"][0], state["here"][1])

    def _proposed(self, gradient: Tensor) -> Tensor:
        noise = self.draw(*self.states.shape).to(self.states)
        scale = math.sqrt(2 * self.step * self.temperature)
        return self.states + self.step * gradient + scale * noise


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).flatten(1).sum(1)
