"""The steps of learning from sequences, and what is measured on the way."""

from collections.abc import Iterator
from functools import partial

from engine.finite import finite
from engine.run_state import RunState
from engine.task import Frame, Stage, Steps, Task
from engine.techniques.workshop_sequences.learning import LESSONS
from engine.techniques.workshop_sequences.settings import Sequences
from engine.techniques.workshop_sequences.views import picture

EVERY = 100
"""Iterations after which it is measured again."""


class SequencesSteps(Steps[Sequences]):
    """Sequences: a figure of the task's size, from no picture and no network's weights."""

    def stages(self, task: Task[Sequences]) -> list[Stage]:
        """Return one stage: the figure."""
        return [Stage((task.size, task.size), task.technique.iterations)]

    def frames(self, task: Task[Sequences]) -> Iterator[Frame]:
        """Yield a frame per iteration."""
        run = RunState(task, task.technique.iterations)
        lesson = LESSONS[run.first.task](task)
        run.keep(network=lesson.network, held=lesson.held)
        for done in run.steps():
            loss = finite({"loss": lesson.step()}, done)
            if done % EVERY == 0 or done in (1, run.total):
                lesson.measure()
            losses = {**loss, **lesson.held.numbers}
            yield run.frame(losses, run.first.task, partial(picture, lesson, task.size))
