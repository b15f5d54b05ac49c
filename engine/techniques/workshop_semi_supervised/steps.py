"""The steps of semi-supervised learning: those of the nets, and the errors after them."""

from collections.abc import Iterator
from functools import partial

from engine.finite import finite
from engine.run_state import RunState
from engine.task import Frame, Stage, Steps, Task
from engine.techniques.workshop_semi_supervised.game import Game
from engine.techniques.workshop_semi_supervised.settings import SemiSupervised
from engine.techniques.workshop_semi_supervised.views import EVERY, View


class SemiSupervisedSteps(Steps[SemiSupervised]):
    """Semi-supervised learning: a figure of the task's size, from no picture or network's weights."""

    def stages(self, task: Task[SemiSupervised]) -> list[Stage]:
        """Return one stage: the figure."""
        return [Stage((task.size, task.size), task.technique.iterations)]

    def frames(self, task: Task[SemiSupervised]) -> Iterator[Frame]:
        """Yield a frame per iteration."""
        run = RunState(task, task.technique.iterations)
        game = Game(task)
        view = View(game)
        run.keep(players=game.players, averages=game.averages, maker=game.maker, held=view.held)
        for done in run.steps():
            losses = game.step()
            losses |= view.measured(done % EVERY == 0 or done in (1, run.total))
            yield run.frame(finite(losses, done), "digits", partial(view.picture, task.size))
