"""Learning rate, picture size and weight of the style as functions of the time spent."""

import math
from dataclasses import dataclass

ALIKE = 0.04
"""Share of the time in which pictures are only given back."""
RAMP = 0.1
"""Share in which the style comes to its full weight."""
LARGER = 0.85
"""From here on pictures are larger and steps smaller."""
WARM_UP = 0.01


@dataclass
class AnyStyleSchedule:
    """Giving back, then painting with a cosine, then larger pictures with a line to zero."""

    total: float
    spent: float = 0.0
    peak: float = 1e-3
    """Adam's largest step."""
    pictures: int = 8
    """A step, before they become larger."""

    @property
    def progress(self) -> float:
        """Share of the time that is spent."""
        return min(self.spent / self.total, 1.0)

    @property
    def done(self) -> bool:
        """Whether the time is used up."""
        return self.spent >= self.total

    @property
    def alike(self) -> bool:
        """Whether pictures are only given back, in their own style."""
        return self.progress < ALIKE

    @property
    def style(self) -> float:
        """The style's weight, relative to its full one."""
        return min(1.0, 0.25 + 0.75 * (self.progress - ALIKE) / RAMP)

    @property
    def larger(self) -> bool:
        """Whether the last part of the time has come."""
        return self.progress >= LARGER

    @property
    def side(self) -> int:
        """Side of the square pictures in pixels."""
        return 192 if self.larger else 128

    @property
    def batch(self) -> int:
        """Pictures a step."""
        return max(self.pictures // 2, 2) if self.larger else self.pictures

    @property
    def learning_rate(self) -> float:
        """Adam's step for the present moment."""
        if self.larger:
            return 0.2 * self.peak * (1 - (self.progress - LARGER) / (1 - LARGER))
        warm = min(1.0, self.progress / WARM_UP + 0.01)
        return warm * self.peak * (0.6 + 0.4 * math.cos(math.pi * self.progress / LARGER))
