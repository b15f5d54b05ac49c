"""The steps of domain adaptation: those of the nets, and what is measured after them."""

from collections.abc import Iterator
from functools import partial

from engine.finite import finite
from engine.run_state import RunState
from engine.task import Frame, Stage, Steps, Task
from engine.techniques.workshop_domain_adaptation.digits import Digits
from engine.techniques.workshop_domain_adaptation.moons import Moons
from engine.techniques.workshop_domain_adaptation.settings import DomainAdaptation
from engine.techniques.workshop_domain_adaptation.views import DigitsView, MoonsView


class DomainAdaptationSteps(Steps[DomainAdaptation]):
    """Domain adaptation: a figure of the task's size, from no picture and no network's weights."""

    def stages(self, task: Task[DomainAdaptation]) -> list[Stage]:
        """Return one stage: the figure."""
        return [Stage((task.size, task.size), task.technique.iterations)]

    def frames(self, task: Task[DomainAdaptation]) -> Iterator[Frame]:
        """Yield a frame per iteration."""
        run = RunState(task, task.technique.iterations)
        view: MoonsView | DigitsView
        view = MoonsView(Moons(task)) if run.first.data == "moons" else DigitsView(Digits(task))
        run.keep(players=view.game.players, held=view.held)
        for done in run.steps():
            losses = view.game.step(done / run.total)
            losses |= view.measured(done == 1 or done % view.every == 0 or done == run.total)
            yield run.frame(finite(losses, done), run.first.data, partial(view.picture, task.size))
