"""Learning rate and picture size as functions of how much of a training is done."""

import math
from dataclasses import dataclass

WARM_UP = 0.02
LARGER = 0.7
"""Share of the training from which on pictures are larger and steps smaller, if they ever are."""


@dataclass
class StyleSchedule:
    """A cosine to nothing; or one that ends in larger pictures, with a line to nothing."""

    seconds: float | None
    """Of computing, in all; None: steps alone count."""
    steps: int | None
    peak: float
    side: int
    pictures: int
    grows: bool = False
    """Whether it ends with pictures of twice the side."""
    spent: float = 0.0
    """Seconds so far."""
    step: int = 0
    """Steps so far."""

    @property
    def progress(self) -> float:
        """Share of the training that is done."""
        by_time = self.spent / self.seconds if self.seconds else 0.0
        by_steps = self.step / self.steps if self.steps else 0.0
        return min(max(by_time, by_steps), 1.0)

    @property
    def done(self) -> bool:
        """Whether it is over."""
        return self.progress >= 1

    @property
    def left(self) -> float | None:
        """Seconds of computing that are left, as far as can be told."""
        if not self.step or not self.progress:
            return self.seconds
        return self.spent * (1 - self.progress) / self.progress

    @property
    def larger(self) -> bool:
        """Whether pictures have grown."""
        return self.grows and self.progress >= LARGER

    @property
    def picture_side(self) -> int:
        """Side of the square pictures in pixels."""
        return 2 * self.side if self.larger else self.side

    @property
    def batch(self) -> int:
        """Pictures a step."""
        return max(self.pictures // 2, 1) if self.larger else self.pictures

    @property
    def learning_rate(self) -> float:
        """Adam's step for the present moment."""
        if self.larger:
            return 0.2 * self.peak * (1 - (self.progress - LARGER) / (1 - LARGER))
        warm = min(1.0, self.progress / WARM_UP + 0.05)
        if self.grows:
            return warm * self.peak * (0.6 + 0.4 * math.cos(math.pi * self.progress / LARGER))
        return warm * self.peak * (0.5 + 0.5 * math.cos(math.pi * self.progress))
