"""The steps of a game: the discriminator's, the generator's, and what is measured after them."""

from collections.abc import Iterator
from functools import partial

from engine.finite import finite
from engine.run_state import RunState
from engine.task import Frame, Stage, Steps, Task
from engine.techniques.workshop_adversaries.game import Game
from engine.techniques.workshop_adversaries.settings import Adversaries
from engine.techniques.workshop_adversaries.views import EVERY, VIEWS


class AdversariesSteps(Steps[Adversaries]):
    """Adversaries: a figure of the task's size, from no picture and no network's weights."""

    def stages(self, task: Task[Adversaries]) -> list[Stage]:
        """Return one stage: the figure."""
        return [Stage((task.size, task.size), task.technique.iterations)]

    def frames(self, task: Task[Adversaries]) -> Iterator[Frame]:
        """Yield a frame per iteration."""
        run = RunState(task, task.technique.iterations)
        first = run.first
        game = Game(task)
        view = VIEWS[first.data](game)
        run.keep(maker=game.maker, judge=game.judge, held=view.held)
        for done in run.steps():
            played = game.play()
            again = done % EVERY == 0 or done in (1, run.total)
            losses = finite(view.losses(played, again), done)
            yield run.frame(losses, first.data, partial(view.picture, task.size))
