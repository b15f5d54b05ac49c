"""The speed of a run and the time left."""

import time
from bisect import bisect_left
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.task import Stage

OVERHEAD_PIXELS = 64 * 64
"""The fixed cost of an iteration, in pixels, on top of those of its picture."""
WINDOW = 5.0
"""Seconds over which the speed is averaged."""


class Pace:
    """Times iterations, leaving out pauses."""

    def __init__(self) -> None:
        self._ends: list[int] = []
        self._costs: list[int] = []
        self._sums: list[int] = []
        """The total cost up to the end of each stage."""
        self._seen: deque[tuple[float, int]] = deque()
        self._paused_at: float | None = None
        self.iteration = 0

    def plan(self, stages: "list[Stage]") -> None:
        """Take in the sizes that the run will go through."""
        done = spent = 0
        for stage in stages:
            each = stage.size[0] * stage.size[1] + OVERHEAD_PIXELS
            done += stage.iterations
            spent += each * stage.iterations
            self._ends.append(done)
            self._costs.append(each)
            self._sums.append(spent)
        self._seen.append((time.monotonic(), 0))

    @property
    def total(self) -> int:
        """Iterations of the whole run."""
        return self._ends[-1] if self._ends else 0

    def note(self, iteration: int) -> None:
        """Note that an iteration is done."""
        if not self.iteration and iteration > 1:  # continued: the rest took no time
            self._seen.clear()
        self.iteration = iteration
        now = time.monotonic()
        self._seen.append((now, iteration))
        while len(self._seen) > 2 and self._seen[1][0] < now - WINDOW:
            self._seen.popleft()

    def pause(self) -> None:
        """Stop the clock."""
        self._paused_at = time.monotonic()

    def resume(self) -> None:
        """Let the clock run again."""
        if self._paused_at is not None:
            away = time.monotonic() - self._paused_at
            self._seen = deque((moment + away, i) for moment, i in self._seen)
            self._paused_at = None

    def per_second(self) -> float | None:
        """Return the recent number of iterations per second; None until two iterations are known."""
        if len(self._seen) < 2:
            return None
        (first, a), (last, b) = self._seen[0], self._seen[-1]
        return (b - a) / (last - first) if last > first and b > a else None

    def seconds_left(self) -> float | None:
        """Return how long the rest will take; larger scales cost in proportion to their pixels."""
        if len(self._seen) < 2 or not self._ends:
            return None
        (first, a), (last, b) = self._seen[0], self._seen[-1]
        spent = self.cost(a, b)
        if spent <= 0 or last <= first:
            return None
        return self.cost(b, self.total) * (last - first) / spent

    def cost(self, begin: int, end: int) -> int:
        """Return the pixels of all iterations after `begin` up to `end`."""
        return self._cost_until(end) - self._cost_until(begin)

    def _cost_until(self, iteration: int) -> int:
        at = bisect_left(self._ends, iteration)  # a film has very many stages
        if at == len(self._ends):
            return self._sums[-1]
        return self._sums[at] - self._costs[at] * (self._ends[at] - iteration)


def words(seconds: float) -> str:
    """Return a duration as people say it: 8 s, 1:05 min, 2:10 h."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02} min"
    return f"{whole // 3600}:{whole % 3600 // 60:02} h"
