"""The steps of an adversarial training: both nets learn, and are tested now and then."""

from collections.abc import Iterator
from functools import partial

from engine.finite import finite
from engine.run_state import RunState
from engine.task import Frame, Stage, Steps, Task
from engine.techniques.workshop_defence.figure import picture
from engine.techniques.workshop_defence.pair import NAMES, Pair
from engine.techniques.workshop_defence.robustness import PARTS, QUICK, Robustness, measure
from engine.techniques.workshop_defence.settings import AdversarialTraining

EVERY = 25
"""Steps after which the nets are attacked again: that takes as long as many steps. A new size is tried
at once."""


class AdversarialTrainingSteps(Steps[AdversarialTraining]):
    """Adversarial training: a figure of the task's size, from no picture and no network's weights."""

    def stages(self, task: Task[AdversarialTraining]) -> list[Stage]:
        """Return one stage: the figure."""
        return [Stage((task.size, task.size), task.technique.iterations)]

    def frames(self, task: Task[AdversarialTraining]) -> Iterator[Frame]:
        """Yield a frame per training step."""
        run = RunState(task, task.technique.iterations)
        pair, result = Pair(task), Robustness()
        run.keep(standard=pair.standard, hardened=pair.hardened, result=result)
        for done in run.steps():
            losses = dict(zip((f"loss, {name}" for name in NAMES), pair.learn(), strict=True))
            finite(losses, done)
            moved = not result.sizes or result.sizes[PARTS] != task.technique.epsilon
            if moved or done % EVERY == 0 or done == run.total:
                measure(pair, result, len(pair.tests) if done == run.total else QUICK)
            render = partial(picture, pair, result, task.size)
            yield run.frame({**losses, **result.numbers}, task.technique.attack, render)
