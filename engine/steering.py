"""Changes to a run under way: requested from any thread, applied between two iterations."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from engine import settings
from engine.task import Task, Technique

STYLE_WEIGHTS = "style_weights"
"""The key, besides the names of live settings, of the styles' weights, in the job's order."""

Changes = tuple[tuple[int, Mapping[str, Any]], ...]
"""After which iteration, which live settings have which values from then on."""


def put(task: Task[Technique], values: Mapping[str, Any]) -> None:
    """Put live values into a task."""
    own = dict(values)
    weights = own.pop(STYLE_WEIGHTS, None)
    if weights is not None:
        task.styles = [(p, w) for (p, _), w in zip(task.styles, weights, strict=True)]
    if own:
        task.technique = replace(task.technique, **own)


class Steering:
    """Changes to live settings of a running job, from any thread; applied at the next iteration."""

    def __init__(self) -> None:
        """Start with nothing changed."""
        self._lock = threading.Lock()
        self._kind: type[Technique] | None = None
        self._wanted: dict[str, Any] = {}
        self.applied: list[tuple[int, dict[str, Any]]] = []
        """What has taken effect: after which iteration, which values (`Job.changes`)."""

    def change(self, technique: Technique, before: Technique | None = None) -> None:
        """Ask for the live settings of `technique`; others wait for the next run.

        With `before`, only for those that differ from it: what a repeated run has changed by itself
        stays.
        """
        kind = type(technique)
        live = {
            name: getattr(technique, name)
            for name, described in settings.describe(technique).items()
            if described.live
            and (type(before) is not kind or getattr(before, name) != getattr(technique, name))
        }
        with self._lock:
            if kind is not self._kind:
                weights = self._wanted.get(STYLE_WEIGHTS)
                self._wanted = {} if weights is None else {STYLE_WEIGHTS: weights}
            self._kind = kind
            self._wanted.update(live)

    def weigh(self, weights: Sequence[float]) -> None:
        """Ask for other weights of the styles, one for each."""
        with self._lock:
            self._wanted[STYLE_WEIGHTS] = list(weights)

    def apply(self, task: Task[Technique], iteration: int) -> None:
        """Put what was asked for into the task, which has completed `iteration`."""
        with self._lock:
            wanted, self._wanted = self._wanted, {}
        weights = wanted.pop(STYLE_WEIGHTS, None)
        if self._kind is not type(task.technique):
            wanted = {}  # a person has turned to another technique meanwhile
        changed = {n: v for n, v in wanted.items() if getattr(task.technique, n) != v}
        present = [weight for _, weight in task.styles]
        if weights is not None and len(weights) == len(present) and weights != present:
            changed[STYLE_WEIGHTS] = weights
        self.take(task, iteration, changed)

    def take(self, task: Task[Technique], iteration: int, values: Mapping[str, Any]) -> None:
        """Put values into the task, which has completed `iteration`, and note them."""
        if values:
            put(task, values)
            task.changes.append((iteration, dict(values)))
            self.applied.append((iteration, dict(values)))
