"""Adam (Kingma & Ba 2015) on one picture, whose moments can be carried to another size."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from engine.checkpoint import State

Closure = Callable[[Tensor], Tensor]
"""Maps the variable to its gradient."""

BLOCK = 1 << 22
"""How many numbers are moved at a time."""


class Adam:
    """Bias-corrected Adam on a tensor changed in place."""

    def __init__(
        self,
        variable: Tensor,
        learning_rate: float,
        betas: tuple[float, float] = (0.9, 0.999),
        epsilon: float = 1e-8,
    ) -> None:
        """Optimize `variable`; the learning rate is in the variable's units."""
        self.variable = variable
        self.learning_rate = learning_rate
        self.betas = betas
        self.epsilon = epsilon
        self.steps = 0
        self.mean = torch.zeros_like(variable)
        self.square = torch.zeros_like(variable)

    @torch.no_grad()
    def step(self, closure: Closure) -> None:
        """Move the variable by one step down the gradient that `closure` returns."""
        gradient = closure(self.variable)
        self.steps += 1
        first, second = self.betas
        self.mean.lerp_(gradient, 1 - first)
        self.square.mul_(second).addcmul_(gradient, gradient, value=1 - second)
        rate = -self.learning_rate / (1 - first**self.steps)
        # By rows of a large picture: its root needs no memory for the whole of it.
        parts: Iterable[tuple[Tensor, ...]] = [(self.square, self.mean, self.variable)]
        if (numbers := self.variable.numel()) > BLOCK and self.variable.dim() > 1:
            rows = max(BLOCK * self.variable.shape[-2] // numbers, 1)
            parts = zip(*(p.split(rows, -2) for p in next(iter(parts))), strict=True)
        for square, mean, variable in parts:
            root = (square / (1 - second**self.steps)).sqrt_().add_(self.epsilon)
            variable.addcdiv_(mean, root, value=rate)

    def carry(self, variable: Tensor, resize: Callable[[Tensor], Tensor]) -> "Adam":
        """Return an optimizer for `variable` that goes on with this one's resized moments."""
        other = Adam(variable, self.learning_rate, self.betas, self.epsilon)
        other.steps = self.steps
        other.mean = resize(self.mean)
        other.square = resize(self.square).clamp_min_(0)
        return other

    def state(self) -> State:
        """Return variable and moments, valid until the next step."""
        moved = {"mean": self.mean, "square": self.square} if self.steps else {}
        return {"variable": self.variable, "steps": self.steps, **moved}

    def take_up(self, state: State) -> None:
        """Continue from a state, taking over its tensors; the variable is another tensor then."""
        self.variable, self.steps = state["variable"], state["steps"]
        nothing = torch.zeros_like(self.variable)
        self.mean = state["mean"] if self.steps else nothing
        self.square = state["square"] if self.steps else nothing.clone()
