"""The steps of a dream: octaves with carried detail, jitter, normalized ascent."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from engine.finite import finite
from engine.parameterization.scales import fit, resize, resize_picture
from engine.parameterization.smoothing import gaussian_blur
from engine.run_state import RunState
from engine.task import Frame, Stage, Steps, Task
from engine.techniques.dead_units import DeadUnits
from engine.techniques.deep_dream.objective import SMALLEST_OCTAVE, DreamObjective, content_of
from engine.techniques.deep_dream.settings import DeepDream


def octave_stages(task: Task[DeepDream]) -> list[Stage]:
    """Share the iterations out evenly; octaves that would be too small are left out."""
    settings, content = task.technique, content_of(task)
    size = fit((content.height, content.width), task.size)
    sides = [task.size / settings.octave_scale**i for i in range(settings.octaves)]
    least = min(SMALLEST_OCTAVE, min(size))
    sizes = [fit(size, max(1, round(side))) for side in sides]
    sizes = [s for s in sizes if min(s) >= least][::-1][-settings.iterations :]
    counts = [settings.iterations // len(sizes)] * len(sizes)
    for i in range(settings.iterations % len(sizes)):
        counts[i] += 1
    return [Stage(s, n) for s, n in zip(sizes, counts, strict=True)]


@dataclass
class _DreamPicture:
    """The picture that is dreamed of."""

    x: Tensor | None = None
    """The picture at the current octave, (1, 3, H, W)."""
    whole: Tensor | None = None
    """What the current frame of a film began with, on the CPU; None: the photo."""


def _frames(task: Task[DeepDream]) -> Iterator[Frame]:
    """Yield a frame per iteration, octave by octave, film frame by film frame."""
    plan = octave_stages(task)
    run = RunState(task, task.technique.iterations * task.technique.frame_count)
    first = run.first
    photo = content_of(task).tensor()[None]
    picture = _DreamPicture()
    watches: dict[str, DeadUnits] = {}
    detail: Tensor | None = None
    for index, stage in run.stages(plan * first.frame_count):
        number, octave = divmod(index, len(plan))
        dream = DreamObjective(task, stage.size, watches)
        run.keep(picture=picture, watches=list(watches.values()), room=dream.room)
        whole = photo if picture.whole is None else picture.whole.cpu()
        base = resize_picture(whole, stage.size).to(task.device)
        if picture.x is None:
            x = base.clone()
            if detail is not None:
                x += dream.within(resize(detail, stage.size, "bilinear"))
            picture.x = x.clamp_(0, 1) if first.clip else x
        x = picture.x
        label = f"octave {octave + 1} of {len(plan)}, {stage.size[1]} x {stage.size[0]}"
        if first.frame_count > 1:
            label = f"frame {number + 1}, {label}"
        for done in run.steps():
            here = done - run.began_stage
            losses = _step(task, dream, x, task.technique, here / stage.iterations, done)
            finished = octave + 1 == len(plan) and here == stage.iterations
            yield run.frame(
                losses, label, partial(_render, x), note=dream.note(),
                film=number + 1 if finished and first.frame_count > 1 else 0,
            )  # fmt: skip
        picture.x, detail = None, x - base
        if octave + 1 == len(plan) and number + 1 < first.frame_count:
            picture.whole, detail = zoomed(x, first.zoom, first.rotation).cpu(), None


@torch.no_grad()
def zoomed(picture: Tensor, zoom: float, degrees: float) -> Tensor:
    """Enlarge (N, 3, H, W) about its centre and turn it counter-clockwise; same size, mirrored edges.

    Bicubic, since a film resamples each picture over and over.
    """
    height, width = picture.shape[2:]
    turn = math.radians(degrees)
    cosine, sine = math.cos(turn) / zoom, math.sin(turn) / zoom
    # In the grid's units both sides are 2 long, whatever the picture's shape.
    matrix = picture.new_tensor(
        [[cosine, -sine * height / width, 0.0], [sine * width / height, cosine, 0.0]]
    )
    grid = F.affine_grid(
        matrix.expand(len(picture), 2, 3), list(picture.shape), align_corners=False
    )
    turned = F.grid_sample(
        picture, grid, mode="bicubic", padding_mode="reflection", align_corners=False
    )
    return turned.clamp(0, 1)


@torch.no_grad()
def _step(
    task: Task[DeepDream],
    dream: DreamObjective,
    x: Tensor,
    settings: DeepDream,
    progress: float,
    iteration: int,
) -> dict[str, float]:
    """Move `x` in place by one normalized step up the gradient of the shifted picture."""
    reach = settings.jitter
    shift = torch.randint(-reach, reach + 1, (2,), generator=task.generator).tolist()
    seen = None if dream.coverage is None else dream.coverage.rolled(shift)
    value, gradient = dream.gradient(x.roll(shift, (2, 3)), settings, seen)
    gradient = gradient.roll([-s for s in shift], (2, 3))
    size = dream.mean_step(gradient)
    objective, mean = torch.stack([value.float(), size]).tolist()
    finite({"objective": objective, "gradient": mean}, iteration)
    if settings.smoothing:
        widest = settings.smoothing * (0.5 + progress)
        blurs = [gaussian_blur(gradient, widest * factor) for factor in (0.5, 1.0, 2.0)]
        gradient = torch.stack(blurs).mean(0)
    step = dream.worked_on(gradient / dream.mean_step(gradient).clamp_min(1e-20))
    x.add_(step, alpha=settings.step_size / 255)
    if settings.clip:
        x.clamp_(0, 1)
    return {"objective": objective}


def _render(x: Tensor) -> Tensor:
    return x[0].clamp(0, 1).float().cpu()


class DeepDreamSteps(Steps[DeepDream]):
    """DeepDream: the octaves of the photo, again for each frame of a film."""

    def stages(self, task: Task[DeepDream]) -> list[Stage]:
        """Return the octaves, small to full, with their iterations; again for each frame."""
        return octave_stages(task) * task.technique.frame_count

    def frames(self, task: Task[DeepDream]) -> Iterator[Frame]:
        """Yield a frame per iteration. Needs a content picture; a guide is optional."""
        return _frames(task)
