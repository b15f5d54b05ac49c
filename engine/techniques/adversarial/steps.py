"""The steps of an attack, each checked after rounding; its figure, and what its file holds."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from engine.figure import Tile
from engine.figure import strip as composed
from engine.finite import finite
from engine.image import Picture
from engine.networks.fitting import fitting_size
from engine.run_state import RunState
from engine.task import Frame, Stage, Steps, Task, Verdict
from engine.techniques.adversarial.attack import Attack, ahead, rounded, size_of
from engine.techniques.adversarial.settings import Adversarial
from engine.techniques.adversarial.strip import strip, title
from engine.techniques.adversarial.verdict import verdict


class AdversarialSteps(Steps[Adversarial]):
    """Adversarial example: the photo at the task's size."""

    def stages(self, task: Task[Adversarial]) -> list[Stage]:
        """Return the one stage: the photo at the task's size."""
        technique = task.technique
        return [Stage(size_of(task), 1 if technique.method == "fgsm" else technique.iterations)]

    def frames(self, task: Task[Adversarial]) -> Iterator[Frame]:
        """Yield a frame per iteration, until the network is fooled. Needs a content picture."""
        return _frames(task, self.stages(task)[0].iterations)

    def looked_at(self, task: Task[Adversarial]) -> tuple[int, int]:
        """Return the height and width at which the network looks, whatever the task's size."""
        height, width = size_of(task)
        return fitting_size(task.network, width, height)

    def figure(self, task: Task[Adversarial], picture: Tensor) -> Picture:
        """Return original, adversarial picture and difference, with their numbers."""
        panels = strip(task, picture)
        tiles = [Tile(panel.picture, panel.caption) for panel in panels]
        return composed(tiles, title=title(task))

    def verdict(self, task: Task[Adversarial], written: Picture) -> Verdict:
        """Return what the network sees in a file of the run's picture, opened again."""
        return verdict(task, written)


@dataclass
class _Attacked:
    """The picture of an attack."""

    x: Tensor
    fooled: bool = False


@torch.no_grad()
def _frames(task: Task[Adversarial], iterations: int) -> Iterator[Frame]:
    """Yield a frame per iteration; its picture and losses are those of the 8-bit picture."""
    run = RunState(task, iterations)
    attack = Attack(task)
    attacked = _Attacked(attack.start(run.first))
    run.keep(attacked=attacked)
    if attacked.fooled:
        return
    for done in run.steps():
        settings = task.technique
        gradient = attack.gradient(attacked.x, settings)
        finite({"gradient": float(gradient.abs().sum())}, done)
        attacked.x = attack.stepped(attacked.x, gradient, settings)
        picture = rounded(attacked.x, attack.base, settings)
        logits = attack.sight.logits(picture)
        losses = finite(attack.losses(picture, logits), done)
        attacked.fooled = ahead(logits, attack.target, settings.margin)
        last = done if attacked.fooled else iterations  # a run that ends early is complete
        label = "fooled" if attacked.fooled else "not fooled yet" if done < last else "not fooled"
        yield run.frame(losses, label, partial(_render, picture), total=last)
        if attacked.fooled:
            return


def _render(picture: Tensor) -> Tensor:
    return picture[0].float().cpu()
