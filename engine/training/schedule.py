"""Learning rate, crop size and phase as functions of the time spent, so that a run fits its minutes."""

import math
from dataclasses import dataclass

ADVERSARIAL_PART = 0.35  # the last part of the time is the adversarial phase
WARM_UP = 0.02
LARGER_CROPS_FROM = 0.75  # of either phase


@dataclass
class Schedule:
    """Two phases, each with a warm-up and a cosine to zero; larger crops at the end of each."""

    total: float
    spent: float = 0.0

    @property
    def done(self) -> bool:
        """Whether the time is used up."""
        return self.spent >= self.total

    @property
    def adversarial(self) -> bool:
        """Whether the second phase runs."""
        return self.spent >= self.total * (1 - ADVERSARIAL_PART)

    @property
    def _progress(self) -> float:
        first = self.total * (1 - ADVERSARIAL_PART)
        if self.adversarial:
            return min((self.spent - first) / (self.total - first), 1.0)
        return self.spent / first

    @property
    def learning_rate(self) -> float:
        """Adam's step for the present moment."""
        peak = 4e-4 if self.adversarial else 1e-3
        p = self._progress
        if p < WARM_UP:
            return peak * max(p / WARM_UP, 0.01)
        return peak * 0.5 * (1 + math.cos(math.pi * (p - WARM_UP) / (1 - WARM_UP)))

    @property
    def side(self) -> int:
        """Side of the square crops in pixels."""
        return 128 if self._progress > LARGER_CROPS_FROM else 112
