"""The steps of Langevin sampling: the log density of pictures of a class, and chains on it."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from engine.errors import BadInput
from engine.finite import finite
from engine.networks.classes import find_class
from engine.networks.colours import mean_colour
from engine.objectives.probability import gaussian_log_prior, log_probability, smooth_log_prior
from engine.optimization.langevin import Langevin
from engine.parameterization.sheet import sheet, sheet_size
from engine.run_state import RunState
from engine.settings import mention
from engine.task import Frame, Stage, Steps, Task
from engine.techniques.langevin.settings import LangevinSampling

STIFFEST = 16.0
"""Largest eigenvalue of the second derivative of total variation (exponent 2): a checkerboard."""


def _layout(settings: LangevinSampling) -> tuple[int, int | None]:
    """Return how many pictures there are and in how many columns: a row for each chain."""
    return settings.chains * settings.samples, settings.samples if settings.samples > 1 else None


def kept_at(settings: LangevinSampling) -> list[int]:
    """Return after which iterations the samples of each chain are taken, ascending.

    Raises `BadInput` when the first of them would fall into the burn-in.
    """
    back = (settings.samples - 1) * settings.thinning
    burnt = round(settings.iterations * settings.burn_in)
    if settings.samples > 1 and settings.iterations - back <= burnt:
        raise BadInput(
            mention(settings, "samples", settings.samples),
            f", {settings.thinning} iterations apart, need at least {back + 1} after the burn-in; "
            f"there are {settings.iterations - burnt}",
        )
    return list(range(settings.iterations - back, settings.iterations + 1, settings.thinning))


def like_the_prior(noise: Tensor, smoothing: float) -> Tensor:
    """Return white `noise` (N, 3, H, W) with the prior's spectrum (TV exponent 2), variance 1.

    Large shapes are what a chain takes longest to change: so it had better begin with some.
    """
    height, width = noise.shape[-2:]
    down = 2 - 2 * torch.cos(2 * math.pi * torch.fft.fftfreq(height))
    across = 2 - 2 * torch.cos(2 * math.pi * torch.fft.rfftfreq(width))
    precision = 1 + 2 * smoothing * (down[:, None] + across).to(noise)
    clouds = torch.fft.irfft2(torch.fft.rfft2(noise) * precision.rsqrt(), s=(height, width))
    return clouds / clouds.std(correction=0).clamp_min(1e-12)


def _check_stable(settings: LangevinSampling) -> None:
    """Refuse, by `BadInput`, steps at which ULA would oscillate: the prior's curvature is known."""
    curvature = settings.prior_step * (1 + STIFFEST * settings.smoothing)
    if settings.sampler == "ULA" and settings.beta == 2 and curvature >= 2:
        most = (2 / settings.prior_step - 1) / STIFFEST
        raise BadInput(
            mention(settings, "smoothing", f"{settings.smoothing:g}"),
            " with ",
            mention(settings, "prior_step", f"{settings.prior_step:g}"),
            f" makes the picture oscillate; use less than {most:.3g}, or a smaller ",
            mention(settings, "prior_step"),
        )


class _Density:
    """f = e1 log p(x) + e2 log p(y|x) with its gradient; keeps the parts of its last evaluation."""

    def __init__(self, task: Task[LangevinSampling]) -> None:
        self.task = task
        wanted = task.technique.target
        if not wanted.strip():
            raise BadInput(
                "Langevin sampling needs a class; give its name or number with ",
                mention(LangevinSampling, "target"),
            )
        self.target = find_class(task.network, wanted)
        mean = mean_colour(task.network.card.preprocessing).clamp(0, 1)
        self.mean = mean.view(3, 1, 1).to(task.device)
        self.iteration = 0
        self.parts: dict[str, Tensor] = {}

    def __call__(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Raises `Diverged` before anything has changed when a number is not finite."""
        settings = self.task.technique
        with torch.enable_grad():
            x = pictures.detach().requires_grad_(True)
            likelihood = log_probability(self.task.network.logits(x), self.target)
            prior = gaussian_log_prior(x, self.mean)
            if settings.smoothing:
                prior = prior + settings.smoothing * smooth_log_prior(x, settings.beta)
            value = settings.prior_step * prior + settings.class_step * likelihood
            (gradient,) = torch.autograd.grad(value.sum(), x)
        self.parts = {"log p(y|x)": likelihood.detach(), "log p(x)": prior.detach()}
        worst = {name: part.sum() for name, part in self.parts.items()}
        worst["gradient"] = gradient.abs().max()
        numbers = torch.stack(list(worst.values())).tolist()
        finite(dict(zip(worst, numbers, strict=True)), self.iteration)
        return value.detach(), gradient


@dataclass
class _Chains:
    """What the chains have produced besides their states."""

    parts: dict[str, Tensor] = field(default_factory=dict)
    """The parts of the log density where the chains are: (chains,) each."""
    kept: list[Tensor] = field(default_factory=list)
    """The samples whose turn has come."""


def _frames(task: Task[LangevinSampling]) -> Iterator[Frame]:
    """Yield a frame per iteration; pictures of a sheet stop changing at their sample's turn."""
    run = RunState(task, task.technique.iterations)
    first = run.first
    corrected = first.sampler == "MALA"
    turns = kept_at(first)
    _check_stable(first)
    density = _Density(task)
    shape = (first.chains, 3, task.size, task.size)
    clouds = like_the_prior(task.noise(*shape), first.smoothing)
    x = (density.mean + first.start_noise * clouds).clamp_(0, 1)
    sampler = Langevin(x, task.noise, 1.0, corrected=corrected)
    chains = _Chains()
    # Those of the last step, with which the density was evaluated where the chains are.
    settings = task.technique if run.continued else None
    run.keep(sampler=sampler, chains=chains)
    x = sampler.states
    burnt = round(first.iterations * first.burn_in)
    for done in run.steps():
        density.iteration = done
        if task.technique is not settings:  # at first, and when somebody has changed it
            settings = task.technique
            if corrected and not settings.noise:
                raise BadInput(
                    mention(settings, "noise"),
                    " is 0; MALA needs noise above 0 (ULA can do without)",
                )
            sampler.temperature = settings.noise**2 / 2  # a step of length 1 has this noise
            if corrected:
                sampler.refresh(density)
                chains.parts = density.parts
        move = sampler.move(density)
        if first.clip and not corrected:
            x.clamp_(0, 1)
        before, new = chains.parts or density.parts, density.parts
        chains.parts = {n: torch.where(move.accepted, new[n], part) for n, part in before.items()}
        losses = {name: float(part.mean()) for name, part in chains.parts.items()}
        if corrected:
            losses["acceptance"] = float(move.acceptance.mean())
            losses["step"] = sampler.step
            if done <= burnt:
                sampler.adapt(losses["acceptance"])
        if done in turns[:-1]:
            chains.kept.append(x.clone())
        stage = "burn-in" if done <= burnt else "sampling"
        yield run.frame(losses, stage, partial(_render, x, chains.kept, first))


def _render(x: Tensor, kept: list[Tensor], settings: LangevinSampling) -> Tensor:
    """Lay out a row per chain; samples whose turn has not come show the chain as it is."""
    columns = [*kept, *[x] * (settings.samples - len(kept))]
    pictures = torch.stack(columns, 1).flatten(0, 1)
    whole = sheet(pictures.clamp(0, 1), _layout(settings)[1])
    return whole.float().cpu()


class LangevinSamplingSteps(Steps[LangevinSampling]):
    """Langevin sampling: a sheet of square pictures of the task's size."""

    def stages(self, task: Task[LangevinSampling]) -> list[Stage]:
        """Return one stage: the contact sheet of all chains."""
        count, columns = _layout(task.technique)
        size = sheet_size(count, (task.size, task.size), columns)
        return [Stage(size, task.technique.iterations)]

    def frames(self, task: Task[LangevinSampling]) -> Iterator[Frame]:
        """Yield a frame per iteration. Needs a network with classes."""
        return _frames(task)
