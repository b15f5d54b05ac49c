"""The steps of gradient ascent on pictures: views, objective, step, regularization."""

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from functools import partial
from typing import Protocol

import torch
from torch import Tensor

from engine.checkpoint import State
from engine.errors import BadInput, Mention
from engine.finite import finite
from engine.objectives.priors import alpha_norm, total_variation
from engine.objectives.relu_redirect import FIRST_STEPS, RedirectedReLU
from engine.optimization.adam import Adam
from engine.parameterization import regularizers
from engine.parameterization.fourier import Phase
from engine.parameterization.sheet import sheet, sheet_size
from engine.parameterization.transforms import Transforms, seen
from engine.run_state import RunState
from engine.task import Frame, Stage, Task
from engine.techniques.ascent.forms import Pixels, form_of, start_colour, variable_of
from engine.techniques.ascent.settings import Ascent
from engine.techniques.dead_units import DeadUnits

GAP = 2
"""Pixels between the pictures of a sheet."""
LEAST_SIDE = 8
REMEDY = (
    "Nothing in the pictures tried was a step towards it: more iterations, another seed, a photo to "
    "start from, another position or another layer may help."
)
PATIENCE = 32
"""Steps after which a unit that never responded gets other noise to start from."""


Adjusted = Callable[[float], Ascent]
"""Returns the settings of a step, given the fraction of the run, 0 to 1, that is done."""


class AscentObjective(Protocol):
    """What the pictures of a batch should maximize."""

    name: str
    """Its name in the plot of losses."""
    count: int
    """How many pictures there are."""
    whole: bool
    """Whether every view must take in the whole picture."""

    def __call__(self, view: Tensor, diverse: bool) -> tuple[Tensor, Tensor | None]:
        """Return a value for each picture, and how alike copies are if `diverse` asks for it."""
        ...

    def silence(self, pictures: list[int]) -> str:
        """Return a sentence about the goals of these pictures, which never answered to theirs."""
        ...


def side_of(count: int, task: Task[Ascent]) -> int:
    """Return the side of each of `count` square pictures: the size that the task asks for."""
    if task.size < LEAST_SIDE:
        raise BadInput(
            Mention("size"),
            f" is {task.size}; each of {count} pictures needs at least {LEAST_SIDE}",
        )
    return task.size


def stages(task: Task[Ascent], count: int) -> list[Stage]:
    """Return the one stage of a run for `count` pictures."""
    side = side_of(count, task)
    return [Stage(sheet_size(count, (side, side), gap=GAP), task.technique.iterations)]


def frames(
    task: Task[Ascent],
    goal: AscentObjective,
    start: Tensor | None = None,
    adjusted: Adjusted | None = None,
) -> Iterator[Frame]:
    """Yield a frame per iteration of ascent towards `goal`, from pictures `start` or from noise.

    The settings of a step are those of the task, or what `adjusted` makes of them.
    """
    run = RunState(task, task.technique.iterations)
    first = run.first
    climb = AscentRun(task, goal, side_of(goal.count, task), start)
    run.keep(climb=climb)
    label = f"{climb.side} x {climb.side}"
    if goal.count > 1:
        label = f"{goal.count} pictures, {label}"
    for i in run.steps():
        done = (i - 1) / max(first.iterations - 1, 1)
        losses = climb.step(adjusted(done) if adjusted else task.technique, i)
        yield run.frame(losses, label + climb.restarted, partial(_render, climb), note=climb.note)


def _render(climb: "AscentRun") -> Tensor:
    return sheet(climb.pictures(), gap=GAP).float().cpu()


class AscentRun:
    """Gradient ascent on a batch of square pictures."""

    def __init__(
        self, task: Task[Ascent], goal: AscentObjective, side: int, start: Tensor | None = None
    ) -> None:
        """Begin with pictures `start` (N, 3, side, side) in [0, 1], or with noise of the task's."""
        settings = task.technique
        self.task, self.goal, self.side = task, goal, side
        self.input = task.network.card.input_size
        self.form = form_of(task, side)
        if start is None:
            variable = self._fresh(goal.count)
        else:
            variable = variable_of(self.form, start.to(task.device))
        self.adam = Adam(variable, settings.learning_rate)
        self.values = torch.zeros(goal.count, device=task.device)
        """Each picture's objective before the last step."""
        self.redirected = 0 if settings.steady else FIRST_STEPS
        """Until which iteration gradients may pass ReLUs that block everything."""
        flat = isinstance(self.form, Pixels) and not self.form.deviation
        self.other_starts = start is None and not flat
        """Whether beginning again would make a difference."""
        self.answered = torch.zeros(goal.count, dtype=torch.bool, device=task.device)
        """Which objectives have lately been anything but 0."""
        self.restarts = 0
        self.watch = DeadUnits(goal.count, task.device)
        """Which objectives have ever been anything but 0 and had a gradient."""

    @property
    def restarted(self) -> str:
        """How many pictures began again, in words to add to what is being done."""
        return f", {self.restarts} from other noise" if self.restarts else ""

    @property
    def note(self) -> str:
        """What is to be said about goals that have been silent so far; "": nothing."""
        silent = self.watch.silent()
        return self.goal.silence(silent) if silent else ""

    def state(self) -> State:
        """Return what `take_up` takes, until the next step."""
        return {
            "adam": self.adam.state(), "watch": self.watch.state(), "answered": self.answered,
            "redirected": self.redirected, "restarts": self.restarts,
        }  # fmt: skip

    def take_up(self, state: State) -> None:
        """Go on from where another climb towards the same goal was."""
        self.adam.take_up(state["adam"])
        self.watch.take_up(state["watch"])
        self.answered = state["answered"]
        self.redirected, self.restarts = state["redirected"], state["restarts"]

    @property
    def variable(self) -> Tensor:
        """What describes the pictures, moved in place."""
        return self.adam.variable

    def _fresh(self, count: int) -> Tensor:
        return self.form.start(count, self.task.noise)

    @torch.no_grad()
    def pictures(self) -> Tensor:
        """Return the pictures as they are now, (N, 3, side, side) in [0, 1]."""
        return self.form.picture(self.variable).clamp(0, 1)

    def _wake(self, iteration: int, last: int) -> None:
        """Help pictures whose units stay off.

        Gradients pass what blocks them; if that does not help for a while, the picture begins again
        from other noise, as long as enough steps are left for it.
        """
        self.answered |= self.values != 0
        if self.answered.all():
            silent = []
        else:
            silent = self.answered.logical_not().nonzero().flatten().tolist()
            self.redirected = max(self.redirected, iteration + 1)
        if iteration % PATIENCE or iteration + PATIENCE > last:
            return
        self.answered.zero_()
        if silent and self.other_starts:
            self.variable[silent] = self._fresh(len(silent))
            self.adam.mean[silent] = 0
            self.adam.square[silent] = 0
            self.redirected = iteration + FIRST_STEPS
            self.restarts += len(silent)

    def step(self, settings: Ascent, iteration: int) -> dict[str, float]:
        """Move the pictures; return the objective (and what else counts) before the step."""
        losses, gradient = self._gradient(settings, iteration)
        norms = torch.linalg.vector_norm(gradient.flatten(1), dim=1)
        losses["gradient"] = float(norms.max())
        finite(losses, iteration)
        del losses["gradient"]
        with torch.no_grad():
            self._move(settings, gradient, norms)
            self._regularize(settings, gradient, iteration)
            self.watch.see((self.values != 0) & (norms > 0))
            if not settings.steady:
                self._wake(iteration, settings.iterations)
        return losses

    def _gradient(self, settings: Ascent, iteration: int) -> tuple[dict[str, float], Tensor]:
        """Return values for the plot and the gradient of what is made small."""
        goal = self.goal
        closest = min(settings.closest, settings.farthest)
        transforms = Transforms(
            1.5 * settings.jitter, settings.jitter, settings.jitter / 2, settings.zoom,
            settings.rotation, *((1.0, 1.0) if goal.whole else (closest, settings.farthest)),
        )  # fmt: skip
        alike = torch.zeros((), device=self.variable.device)
        objective = torch.zeros(goal.count, device=self.variable.device)
        with torch.enable_grad():
            x = self.variable.detach().requires_grad_(True)
            picture = self.form.picture(x)
            for _ in range(settings.views):
                view = seen(picture, transforms.draw(self.side, self.task.generator), self.input)
                view = self._noisy(view, settings.view_noise)
                with RedirectedReLU() if iteration <= self.redirected else nullcontext():
                    values, likeness = goal(view, settings.diversity > 0)
                objective = objective + values / settings.views
                if likeness is not None:
                    alike = alike + likeness / settings.views
            loss = settings.diversity * alike - objective.sum()
            numbers = picture[0].numel()
            variation = extremes = None
            if settings.tv:
                variation = total_variation(picture, settings.tv_beta) / numbers
            if variation is not None:
                loss = loss + settings.tv * variation
            if settings.alpha_norm:
                mean = start_colour(self.task.network.card.preprocessing).to(picture)
                extremes = alpha_norm(picture - mean.view(1, 3, 1, 1)) / numbers
                loss = loss + settings.alpha_norm * extremes
            (gradient,) = torch.autograd.grad(loss, x)
        self.values = objective.detach()
        losses = {goal.name: float(self.values.mean())}
        if settings.diversity > 0:
            losses["likeness"] = float(alike.detach())
        if variation is not None:
            losses["total variation"] = float(variation.detach()) / goal.count
        if extremes is not None:
            losses["alpha norm"] = float(extremes.detach()) / goal.count
        return losses, gradient

    def _noisy(self, view: Tensor, deviation: float) -> Tensor:
        if not deviation:
            return view
        offset = deviation * (torch.rand(1, generator=self.task.generator).item() - 0.5)
        return view + deviation * self.task.noise(*view.shape) + offset

    def _move(self, settings: Ascent, gradient: Tensor, norms: Tensor) -> None:
        """Take one step down `gradient`; `norms` (N,) are its lengths."""
        if settings.optimizer == "adam":
            self.adam.learning_rate = settings.learning_rate
            self.adam.step(lambda _: gradient)
            return
        if settings.optimizer == "normalised":
            mean = gradient.abs().mean((1, 2, 3)).clamp_min(1e-20)
            factors = settings.learning_rate / 255 / mean
        else:
            # Meant for pixels in 0 to 255: their gradients are 255 times smaller, their steps 255
            # times larger. Of a larger picture each pixel has less of the gradient.
            area = (self.side / self.input) ** 2
            most = torch.full_like(norms, settings.learning_rate / 255**2 * area)
            enough = settings.progress / norms.square().clamp_min(1e-20)
            factors = most.minimum(enough) if settings.optimizer == "progress" else most
        self.variable.sub_(gradient * factors.view(-1, 1, 1, 1))

    def _regularize(self, settings: Ascent, gradient: Tensor, iteration: int) -> None:
        if settings.l2 and not isinstance(self.form, Phase):
            regularizers.decay(self.variable, settings.l2)
        if not isinstance(self.form, Pixels):
            return
        if settings.blur and iteration % settings.blur_every == 0:
            regularizers.blur(self.variable, settings.blur * self.side / self.input)
        if settings.small_norm:
            regularizers.clip_small_norms(self.variable, settings.small_norm)
        if settings.small_contribution:
            regularizers.clip_small_contributions(
                self.variable, gradient, settings.small_contribution
            )
        self.form.clamp(self.variable)
