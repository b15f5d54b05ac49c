"""The steps of learning to write captions, and what is measured on the way."""

from collections.abc import Iterator
from functools import partial

from engine.finite import finite
from engine.run_state import RunState
from engine.task import Frame, Stage, Steps, Task
from engine.techniques.workshop_captions.learning import Learner
from engine.techniques.workshop_captions.settings import Captions
from engine.techniques.workshop_captions.views import picture

EVERY = 100
"""Iterations after which it is measured again."""


class CaptionsSteps(Steps[Captions]):
    """Captions: a figure of the task's size, from no picture and no network's weights."""

    def stages(self, task: Task[Captions]) -> list[Stage]:
        """Return one stage: the figure."""
        return [Stage((task.size, task.size), task.technique.iterations)]

    def frames(self, task: Task[Captions]) -> Iterator[Frame]:
        """Yield a frame per iteration."""
        run = RunState(task, task.technique.iterations)
        learner = Learner(task)
        run.keep(network=learner.network, held=learner.held)
        for done in run.steps():
            loss = finite({"loss": learner.step()}, done)
            if done % EVERY == 0 or done in (1, run.total):
                learner.measure()
            losses = {**loss, **learner.held.numbers}
            yield run.frame(losses, "", partial(picture, learner, task.size))
