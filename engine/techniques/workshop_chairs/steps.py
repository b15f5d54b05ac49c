"""The steps of learning chairs: a batch of views, and what is measured at unseen ones."""

from collections.abc import Iterator
from functools import partial

from engine.errors import BadInput
from engine.finite import finite
from engine.run_state import RunState
from engine.settings import mention
from engine.task import Frame, Stage, Steps, Task
from engine.techniques.workshop_chairs.figures import FIGURES
from engine.techniques.workshop_chairs.learner import EVERY, Learner
from engine.techniques.workshop_chairs.settings import Chairs
from engine.workshop import chair_views


class ChairsSteps(Steps[Chairs]):
    """Chairs: a figure of the task's size, from no picture and no network's weights."""

    def stages(self, task: Task[Chairs]) -> list[Stage]:
        """Return one stage: the figure. Raises `BadInput` if azimuths are no multiple of 4."""
        settings = task.technique
        if settings.views % chair_views.EVERY:
            raise BadInput(
                mention(settings, "views"),
                f" is {settings.views}; it must be a multiple of {chair_views.EVERY}",
            )
        return [Stage((task.size, task.size), settings.iterations)]

    def frames(self, task: Task[Chairs]) -> Iterator[Frame]:
        """Yield a frame per iteration."""
        self.stages(task)
        run = RunState(task, task.technique.iterations)
        learner = Learner(task)
        run.keep(adam=learner.adam, held=learner.held)
        for done in run.steps():
            learned = learner.step((done - 1) / run.total)
            again = done % EVERY == 0 or done in (1, run.total)
            losses = finite(learner.losses(learned, again), done)
            show = task.technique.show
            yield run.frame(losses, show, partial(FIGURES[show], learner, task.size))
