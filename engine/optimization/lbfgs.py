"""Limited-memory BFGS (Liu & Nocedal 1989) on one picture, by the two-loop recursion.

One gradient per step, no line search: the first step is as long as the learning rate allows
(min(1, 1/|g|₁), as in torch and neural-style), later ones are the full quasi-Newton step.
Updates with too little curvature are left out, which keeps the direction a descent direction.

The losses of pictures are rough: ReLU and max-pooling switch so often along a step (on VGG-19, 0.001
of a pixel's range changes half the gradient) that most of a gradient's change has nothing to do with
curvature. The usual initial matrix, sᵀy / yᵀy, takes all of it for curvature, and its steps are too
short. Towards sᵀs / sᵀy, the longer of the two steps of Barzilai & Borwein 1988 (Dai, Al-Baali and
Yang 2015 take the geometric mean of both), they are longer in just these directions. Measured on
VGG-19 and the shipped network with seven kinds of style loss: at 0.3 it needs a tenth to a third
fewer steps for the same loss; from 0.5 on some runs never settle.

The usual first step is so short (4e-6 of a pixel's range on average, for 384x216 pixels) that what
it changes is rounding in bfloat16, and the second step, which relies on it, can throw the picture
far off (losses 20 times higher were seen, from which a scale did not recover). With longer steps
the first one is visible.
"""

from collections import deque

import torch
from torch import Tensor

from engine.checkpoint import State
from engine.optimization.adam import Closure

FIRST_CHANGE = 1e-3
"""Mean change of a number by the first step, at a learning rate of 1 with `longer_steps`."""


class LBFGS:
    """L-BFGS on a tensor changed in place."""

    def __init__(
        self,
        variable: Tensor,
        learning_rate: float = 1.0,
        history: int = 10,
        longer_steps: float = 0.0,
    ) -> None:
        """Optimize `variable`, remembering `history` pairs of steps and gradient changes.

        Where no pair describes the curvature, the last pair (s, y) gives it: `longer_steps` goes
        from sᵀy / yᵀy (0, the usual) to sᵀs / sᵀy (1) geometrically. Above 0 the first step changes
        numbers by `FIRST_CHANGE` on average, for a variable whose numbers are between 0 and 1.
        """
        self.variable = variable
        self.longer_steps = longer_steps
        self.learning_rate = learning_rate
        self.pairs: deque[tuple[Tensor, Tensor, Tensor]] = deque(maxlen=history)
        self.gradient: Tensor | None = None
        self.point: Tensor | None = None

    @torch.no_grad()
    def step(self, closure: Closure) -> None:
        """Move the variable by one quasi-Newton step."""
        gradient = closure(self.variable).flatten()
        if self.gradient is not None and self.point is not None:
            change = gradient - self.gradient
            # The step really made, which clamping may have shortened.
            moved = self.variable.flatten() - self.point
            curvature = change @ moved
            if curvature > 1e-10 * moved.square().sum().clamp_min(1e-30):
                self.pairs.append((moved, change, 1 / curvature))
        self.gradient = gradient.clone()
        self.point = self.variable.flatten().clone()
        direction = self._direction(gradient)
        length = self.learning_rate
        if not self.pairs:
            slope = float(gradient.abs().sum().clamp_min(1e-30))
            if self.longer_steps:
                length *= FIRST_CHANGE * gradient.numel() / slope
            else:
                length *= min(1.0, 1.0 / slope)
        self.variable.add_(direction.view_as(self.variable), alpha=length)

    def _direction(self, gradient: Tensor) -> Tensor:
        """Return minus the approximate inverse Hessian times the gradient."""
        q = gradient.neg()
        factors = []
        for moved, change, inverse in reversed(self.pairs):
            factor = inverse * (moved @ q)
            factors.append(factor)
            q.addcmul_(factor, change, value=-1)
        if self.pairs:
            q *= self._scale(*self.pairs[-1])
        for (moved, change, inverse), factor in zip(self.pairs, reversed(factors), strict=True):
            q.addcmul_(factor - inverse * (change @ q), moved)
        return q

    def _scale(self, moved: Tensor, change: Tensor, inverse: Tensor) -> Tensor:
        """Return the inverse curvature in the directions that no pair describes."""
        shorter = 1 / (inverse * (change @ change))
        longer = inverse * (moved @ moved)
        return shorter * (longer / shorter) ** self.longer_steps

    def state(self) -> State:
        """Return variable, last step and pairs, valid until the next step."""
        last = [self.gradient, self.point]
        return {"variable": self.variable, "last": last, "pairs": list(self.pairs)}

    def take_up(self, state: State) -> None:
        """Continue from a state, taking over its tensors; the variable is another tensor then."""
        self.variable = state["variable"]
        self.gradient, self.point = state["last"]
        self.pairs.clear()
        self.pairs.extend((moved, change, inverse) for moved, change, inverse in state["pairs"])
