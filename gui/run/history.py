"""The moments kept of a run, denser near its start, within a memory budget."""

import threading
from dataclasses import dataclass

from PySide6.QtGui import QImage

SPACING = 1.06
"""Each kept iteration is later than the one before by at least this factor: pictures change most early
on."""


@dataclass(frozen=True)
class Moment:
    """One kept picture of a run."""

    iteration: int
    total: int
    stage: str
    image: QImage


class History:
    """Filled by the worker, read by the window."""

    def __init__(self, budget: int) -> None:
        """Keep at most `budget` bytes of pictures (always the first and the newest)."""
        self.budget = budget
        self._lock = threading.Lock()
        self._moments: list[Moment] = []
        self._next = 1

    def clear(self) -> None:
        """Forget everything: a new run begins."""
        with self._lock:
            self._moments = []
            self._next = 1

    def wants(self, iteration: int) -> bool:
        """Return whether this iteration's picture is to be kept."""
        return iteration >= self._next

    def add(self, moment: Moment) -> None:
        """Keep a moment; drop others when the budget is used up."""
        with self._lock:
            if self._moments and self._moments[-1].iteration == moment.iteration:
                self._moments.pop()
            self._moments.append(moment)
            self._next = max(moment.iteration + 1, int(moment.iteration * SPACING))
            while self._bytes() > self.budget and len(self._moments) > 3:
                # the one whose neighbours are closest, relative to their iterations
                at = min(range(1, len(self._moments) - 1), key=self._worth)
                del self._moments[at]

    def moments(self) -> list[Moment]:
        """Return what is kept, oldest first."""
        with self._lock:
            return list(self._moments)

    def _worth(self, at: int) -> float:
        before, after = self._moments[at - 1].iteration, self._moments[at + 1].iteration
        return (after / max(before, 1)) * self._moments[at].image.sizeInBytes() ** -0.5

    def _bytes(self) -> int:
        return sum(bytes_of(m.image) for m in self._moments)


def bytes_of(image: QImage) -> int:
    """Return how many bytes an image takes."""
    return int(image.sizeInBytes())
