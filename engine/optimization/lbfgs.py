"""Limited-memory BFGS (Liu & Nocedal 1989) on one picture, by the two-loop recursion.

One gradient per step, no line search: the first step is as long as the learning rate allows
(min(1, 1/|g|₁), as in torch and neural-style), later ones are the full quasi-Newton step.
Updates with too little curvature are left out, which keeps the direction a descent direction.
"""

from collections import deque

import torch
from torch import Tensor

from engine.optimization.adam import Closure


class LBFGS:
    """L-BFGS on a tensor changed in place."""

    def __init__(self, variable: Tensor, learning_rate: float = 1.0, history: int = 10) -> None:
        """Optimize `variable`, remembering `history` pairs of steps and gradient changes."""
        self.variable = variable
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
            length = min(1.0, 1.0 / float(gradient.abs().sum().clamp_min(1e-30))) * length
        self.variable.add_(direction.view_as(self.variable), alpha=length)

    def _direction(self, gradient: Tensor) -> Tensor:
        """Return minus the approximate inverse Hessian times the gradient."""
        q = gradient.neg()
        factors = []
        for moved, change, inverse in reversed(self.pairs):
            factor = inverse * (moved @ q)
            factors.append(factor)
            q = q - factor * change
        if self.pairs:
            moved, change, inverse = self.pairs[-1]
            q = q / (inverse * (change @ change))
        for (moved, change, inverse), factor in zip(self.pairs, reversed(factors), strict=True):
            q = q + (factor - inverse * (change @ q)) * moved
        return q
