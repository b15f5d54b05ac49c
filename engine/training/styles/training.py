"""A training step by step, and the state that the next step depends on."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from engine.checkpoint import State
from engine.device import choose_precision
from engine.errors import Diverged
from engine.settings import mention
from engine.stylization.network import StyleNetwork
from engine.training.styles.johnson import Added, Many, Single
from engine.training.styles.learn import Learn
from engine.training.styles.lesson import Lesson, Material, Moment
from engine.training.styles.schedule import StyleSchedule
from engine.training.styles.settings import Order
from engine.training.styles.texture import Texture

AVERAGE = 0.999
"""Decay of the averaged numbers, which are what is written; less in the beginning."""
LONGEST_GRADIENT = 5.0
SHOWN = 0.05
"""Share of a step in the losses that are shown."""
LESSONS: Mapping[str, type[Lesson]] = {
    "learn": Learn, "single": Single, "many": Many, "add": Added, "texture": Texture,
}  # fmt: skip
"""By what is trained."""


class Training:
    """Network, optimizer and schedule."""

    def __init__(self, order: Order, material: Material, state: State = None) -> None:
        """Begin, or go on from what `state` gave."""
        settings = order.settings
        self.settings, self.device = settings, material.judge.device
        self.half = choose_precision(order.precision, self.device) != torch.float32
        torch.manual_seed(settings.seed % 2**63)
        self.lesson = LESSONS[order.trains](material).to(self.device)
        self.lesson.to(memory_format=torch.channels_last)
        seconds, steps = order.limits
        usual = order.usual
        rate, side = settings.rate or usual.rate, settings.side or usual.side
        batch = settings.batch or usual.batch
        self.schedule = StyleSchedule(seconds, steps, rate, side, batch, self.lesson.grows)
        self.learned = self.lesson.learned()
        self.optimizer = torch.optim.Adam(self.learned, betas=(0.9, 0.99))
        self.losses: dict[str, float] = {}
        """Weighted terms, the means of the last steps."""
        if state is not None:
            self._take_up(state)
        else:
            self.average = {name: tensor.clone() for name, tensor in self._moving().items()}

    def _moving(self) -> dict[str, Tensor]:
        """Return what changes from step to step, by name; the tensors themselves."""
        learned = {id(p) for p in self.learned}
        own = {n: p.detach() for n, p in self.lesson.named_parameters() if id(p) in learned}
        buffers = self.lesson.named_buffers()
        return own | {n: b for n, b in buffers if n.rpartition(".")[2].startswith("running_")}

    def advance(self) -> None:
        """Take one step. Raises `Diverged` before the numbers are changed."""
        began, schedule = time.perf_counter(), self.schedule
        for group in self.optimizer.param_groups:
            group["lr"] = schedule.learning_rate
        self.lesson.train()
        moment = Moment(schedule.step, schedule.picture_side, schedule.batch)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.half):
            terms = self.lesson.terms(moment)
        loss = torch.stack([term.float() for term in terms.values()]).sum()
        if not torch.isfinite(loss):
            raise Diverged(
                f"the losses became {float(loss.detach())} at step {schedule.step + 1}; the last "
                "checkpoint is kept. Begin anew with a smaller ",
                mention(self.settings, "rate"),
            )
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.learned, LONGEST_GRADIENT)
        self.optimizer.step()
        decay = min(AVERAGE, (1 + schedule.step) / (10 + schedule.step))
        with torch.no_grad():
            for name, now in self._moving().items():
                self.average[name].lerp_(now, 1 - decay)
        for name, term in terms.items():
            value = float(term.detach())
            before = self.losses.get(name, value)
            self.losses[name] = before + SHOWN * (value - before)
        schedule.step += 1
        schedule.spent += time.perf_counter() - began

    def network(self) -> StyleNetwork:
        """Return a network that paints what has been learned so far; the training does not change it."""
        with self._averaged():
            return self.lesson.eval().result()

    @contextmanager
    def _averaged(self) -> Iterator[None]:
        """Let the lesson have the averaged numbers within."""
        moving = self._moving()
        own = {name: tensor.clone() for name, tensor in moving.items()}
        _copy(self.average, moving)
        try:
            yield
        finally:
            _copy(own, moving)

    # -- checkpoints ----------------------------------------------------------------------

    def state(self) -> State:
        """Return all that the next step depends on, besides pictures and settings."""
        optimizer: dict[int, Any] = self.optimizer.state_dict()["state"]
        return {
            "lesson": dict(self.lesson.state_dict()),
            "average": dict(self.average),
            "optimizer": {str(number): dict(each) for number, each in optimizer.items()},
            "losses": dict(self.losses),
            "step": self.schedule.step,
            "spent": self.schedule.spent,
        }

    def _take_up(self, state: State) -> None:
        self.lesson.load_state_dict(state["lesson"])
        self.average = {name: state["average"][name].to(self.device) for name in self._moving()}
        groups = self.optimizer.state_dict()["param_groups"]
        numbers = {int(number): each for number, each in state["optimizer"].items()}
        self.optimizer.load_state_dict({"state": numbers, "param_groups": groups})
        self.losses = {str(name): float(value) for name, value in state["losses"].items()}
        self.schedule.step, self.schedule.spent = int(state["step"]), float(state["spent"])


@torch.no_grad()
def _copy(source: Mapping[str, Tensor], target: Mapping[str, Tensor]) -> None:
    for name, tensor in target.items():
        tensor.copy_(source[name])
