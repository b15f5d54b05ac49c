"""The steps of a black-box attack: first the victim learns, then it is asked."""

from collections.abc import Iterator
from functools import partial

from engine.finite import finite
from engine.run_state import RunState
from engine.task import Frame, Stage, Steps, Task
from engine.techniques.workshop_black_box.attackers import ATTACKERS
from engine.techniques.workshop_black_box.figure import Measured, picture
from engine.techniques.workshop_black_box.settings import BlackBox
from engine.techniques.workshop_black_box.victim import Victim

EVERY = 10
"""Steps after which the test digits are attacked again: that takes longer than a step."""


class BlackBoxSteps(Steps[BlackBox]):
    """Black-box attack: a figure of the task's size, from no picture and no network's weights."""

    def stages(self, task: Task[BlackBox]) -> list[Stage]:
        """Return two stages with the same figure: the victim learns, and is attacked."""
        size, settings = (task.size, task.size), task.technique
        return [Stage(size, settings.victim_steps), Stage(size, settings.attack_steps)]

    def frames(self, task: Task[BlackBox]) -> Iterator[Frame]:
        """Yield a frame per training step, or per pixel tried."""
        run = RunState(task, sum(stage.iterations for stage in self.stages(task)))
        first = run.first
        victim = Victim(task)
        attacker = ATTACKERS[first.attack](victim)
        measured = Measured()
        run.keep(victim=victim.adam, measured=measured, **attacker.kept)
        for done in run.steps():
            number, size = done - first.victim_steps - 1, task.technique.epsilon
            if number < 0:
                losses = {"victim's loss": victim.learn()}
                if done % EVERY == 0 or done in (1, first.victim_steps):
                    measured.numbers = {"victim's accuracy": victim.accuracy}
            else:
                attacker.step(number)
                losses = {}
                if number % EVERY == 0 or done == run.total or size != measured.numbers["ε"]:
                    measured.queries, measured.shares = attacker.history(size)
                    measured.numbers = {
                        "fooled": measured.shares[-1], **victim.bounds(size), **attacker.measures(),
                        "ε": size,
                    }  # fmt: skip
            finite({**losses, **measured.numbers}, done)
            stage = "victim" if number < 0 else first.attack
            render = partial(picture, attacker, measured, size, number >= 0, task.size)
            yield run.frame({**losses, **measured.numbers}, stage, render)
