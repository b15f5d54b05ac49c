"""A technique without a network in it, whose every step a test decides."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import ClassVar

import torch

from engine.finite import finite
from engine.networks.network import Network
from engine.run_state import RunState
from engine.settings import setting
from engine.task import Frame, Stage, Steps, Task, Technique

Step = Callable[[Task, tuple[int, int], int], dict[str, float]]
"""Takes the task, the stage's size and the iteration; gives the losses."""


def quiet_step(_task: Task, _size: tuple[int, int], _iteration: int) -> dict[str, float]:
    return {"total": 1.0}


@dataclass(frozen=True)
class Fake(Technique):
    """Fills a gray picture, brighter by `strength` / 100 at each iteration."""

    command: ClassVar[str] = "fake"
    title: ClassVar[str] = "Fake"
    steps: ClassVar[str] = "tests.engine.fake_technique:FakeSteps"

    iterations: int = setting(4, "Iterations", "Total number of steps.", low=1, high=1000)
    strength: float = setting(1.0, "Strength", "What is added.", low=0.0, high=9.0, live=True)
    offset: float = setting(0.0, "Offset", "Where it begins.", low=0.0, high=1.0)
    layers: dict[str, float] | None = setting(None, "Layers", "Layers to look at.")
    sides: tuple[int, ...] = ()
    """Long sides of the stages, the last one being the task's own."""
    step: Step = field(default=quiet_step)
    set_up: Step = field(default=quiet_step)

    def at_one_size(self, iterations: int) -> "Fake":
        return replace(self, iterations=iterations, sides=())

    def suggested_layers(self, network: Network) -> dict[str, dict[str, float]]:
        return {"layers": dict(network.card.dream_layers)}


@dataclass
class FakePicture:
    picture: torch.Tensor


class FakeSteps(Steps[Fake]):
    def stages(self, task: Task[Fake]) -> list[Stage]:
        sides = (*task.technique.sides, task.size)
        share = task.technique.iterations // len(sides)
        counts = [share] * (len(sides) - 1)
        counts.append(task.technique.iterations - sum(counts))
        return [Stage((side, side), n) for side, n in zip(sides, counts, strict=True)]

    def frames(self, task: Task[Fake]) -> Iterator[Frame]:
        run = RunState(task, task.technique.iterations)
        for _, stage in run.stages(self.stages(task)):
            fake = FakePicture(torch.full((3, *stage.size), run.first.offset))
            run.first.set_up(task, stage.size, run.done)
            run.keep(fake=fake)
            for done in run.steps():
                losses = finite(run.first.step(task, stage.size, done), done)
                fake.picture += task.technique.strength / 100
                yield run.frame(losses, "", partial(torch.clone, fake.picture))
