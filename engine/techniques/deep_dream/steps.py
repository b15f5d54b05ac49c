"""The steps of a dream: octaves with carried detail, jitter, normalized ascent."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from engine.errors import BadInput
from engine.finite import finite
from engine.image import Picture
from engine.networks.parts import Place, Rewiring
from engine.objectives.coverage import Coverage
from engine.objectives.dream import (
    guided_objective,
    mean_activation_objective,
    squares_objective,
)
from engine.objectives.regions import Work
from engine.objectives.summed import Summed
from engine.parameterization.scales import fit, resize, resize_picture
from engine.parameterization.smoothing import gaussian_blur
from engine.run_state import RunState
from engine.settings import mention
from engine.task import Frame, Stage, Steps, Task
from engine.techniques.dead_units import DeadUnits, silence
from engine.techniques.deep_dream.settings import DeepDream
from engine.techniques.layer_weights import each_once
from engine.techniques.tiling import Room

REMEDY = (
    "What shows nothing of it cannot be led towards it: another photo, a larger size, a layer "
    "nearer to the picture or other channels may help."
)
SMALLEST_OCTAVE = 32
"""No octave's short side falls below this: deep layers would have no positions left."""


def octave_stages(task: Task[DeepDream]) -> list[Stage]:
    """Share the iterations out evenly; octaves that would be too small are left out."""
    settings, content = task.technique, _content(task)
    size = fit((content.height, content.width), task.size)
    sides = [task.size / settings.octave_scale**i for i in range(settings.octaves)]
    least = min(SMALLEST_OCTAVE, min(size))
    sizes = [fit(size, max(1, round(side))) for side in sides]
    sizes = [s for s in sizes if min(s) >= least][::-1][-settings.iterations :]
    counts = [settings.iterations // len(sizes)] * len(sizes)
    for i in range(settings.iterations % len(sizes)):
        counts[i] += 1
    return [Stage(s, n) for s, n in zip(sizes, counts, strict=True)]


def _content(task: Task[DeepDream]) -> Picture:
    if task.content is None:
        raise BadInput("DeepDream needs a photo to dream on")
    return task.content


def parse_channels(text: str) -> list[int]:
    """Return the channel numbers of "12, 40". Raises `BadInput`."""
    try:
        return [int(part) for part in text.replace(",", " ").split()]
    except ValueError:
        raise BadInput(
            mention(DeepDream, "channels"), f" is {text!r}; use numbers such as 12,40"
        ) from None


class _Dream:
    """The objective at one octave and its gradient."""

    def __init__(
        self, task: Task[DeepDream], size: tuple[int, int], watches: dict[str, DeadUnits]
    ) -> None:
        """Prepare for pictures of `size`; `watches` note, layer by layer, which channels are active."""
        settings = task.technique
        self.task = task
        self.network = task.network
        self.room = Room.of(task, size)
        own = self.network.card.dream_layers
        chosen = own if settings.layers is None else settings.layers
        self.layers = each_once(self.network, chosen, mention(settings, "layers"))
        if not self.layers:
            raise BadInput(
                f"{self.network.card.name} suggests no layer to dream with; give ",
                mention(settings, "layers"),
            )
        self.channels = parse_channels(settings.channels)
        self._check_channels(size)
        self.watches = watches
        for name, weight in self.layers.items():
            if weight:
                self.watches.setdefault(name, DeadUnits(len(self.channels) or 1, task.device))
        covered = Coverage.of(_content(task))
        self.coverage = None if covered is None else covered.at(size)
        work = Work.of(task.regions, size)
        self.counted = self.coverage
        """Which pixels the step's size is the mean over; None: all."""
        self.strength: Tensor | None = None
        """How strongly each pixel is changed, (1, 1, H, W); None: all alike."""
        if work is not None:
            self.strength = work.strength.to(task.device)
            visible = 1.0 if self.coverage is None else self.coverage.alpha
            self.counted = Coverage(work.where * visible)
        self.guide: dict[str, Tensor] = {}
        if task.guide is not None:
            own_size = (task.guide.height, task.guide.width)
            guide_size = fit(own_size, max(size), least=min(SMALLEST_OCTAVE, min(size)))
            guide = resize_picture(task.guide.tensor()[None], guide_size)
            with torch.no_grad():
                self.guide = self.network.taps(guide.to(task.device), self.layers)
            if (seen := Coverage.of(task.guide)) is not None:
                self.guide = {name: seen.visible(maps) for name, maps in self.guide.items()}

    def _check_channels(self, size: tuple[int, int]) -> None:
        calls = self.network.calls(size)
        for name in self.layers:
            shape = calls[self.network.resolve(name)].shape
            if len(shape) != 4:
                raise BadInput(f"layer {name} has no map to dream with; take a convolutional layer")
            wrong = [c for c in self.channels if not 0 <= c < shape[1]]
            if wrong:
                raise BadInput(f"layer {name} has channels 0 to {shape[1] - 1}, not {wrong[0]}")

    def gradient(
        self, picture: Tensor, settings: DeepDream, coverage: Coverage | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return the objective and its gradient with respect to `picture` (1, 3, H, W).

        `coverage` is the picture's; what is not visible does not count.
        """
        terms = {name: _Term(self, name, settings, coverage) for name in self.layers}
        return self.room.used(partial(self._gradient, picture, terms))

    def _gradient(self, picture: Tensor, terms: dict[str, "_Term"]) -> tuple[Tensor, Tensor]:
        size = (picture.shape[-2], picture.shape[-1])
        tiled = self.room.tiled(self.network, list(terms), size, Rewiring())
        if tiled is not None:
            weighed = {name: [(self.layers[name], term)] for name, term in terms.items()}
            values, _, gradient = tiled.gradient(picture, weighed)
            each = [self.layers[name] * value for name, (value,) in values.items()]
            return torch.stack(each).sum(), gradient
        with torch.enable_grad():
            x = picture.detach().requires_grad_(True)
            taps = self.network.taps(x, terms)
            each = [self.layers[name] * term.whole(taps[name])[1] for name, term in terms.items()]
            total = torch.stack(each).sum()
            (gradient,) = torch.autograd.grad(total, x)
        return total.detach(), gradient

    def mean_step(self, gradient: Tensor) -> Tensor:
        """Return the mean magnitude of a gradient (1, 3, H, W), over what is visible and dreamed of."""
        if self.counted is None:
            return gradient.abs().mean()
        return (gradient.abs() * self.counted.weights(gradient)).mean()

    def worked_on(self, change: Tensor) -> Tensor:
        """Return a change of the picture, (1, 3, H, W), as strong as it is to be at each place."""
        return change if self.strength is None else change * self.strength

    def within(self, detail: Tensor) -> Tensor:
        """Return what a smaller octave has added without what resizing has spread beyond regions."""
        return detail if self.strength is None else detail * (self.strength > 0)

    def watch(self, name: str, maps: Tensor) -> None:
        """Note which channels of a layer are active."""
        watch = self.watches.get(name)
        if watch is not None and not watch.done:
            chosen = maps[0, self.channels] if self.channels else maps
            watch.see((chosen.reshape(len(watch.answered), -1) != 0).any(1))

    def note(self) -> str:
        """Return what is to be said about layers and channels that have been silent so far."""
        silent = {name: watch.silent() for name, watch in self.watches.items()}
        channels = {
            name: [self.channels[i] for i in places] if self.channels else []
            for name, places in silent.items()
            if places
        }
        return silence(channels, REMEDY)


class _Term(Summed):
    """How strongly a layer responds: a mean over its positions."""

    linear = True

    def __init__(
        self, dream: _Dream, name: str, settings: DeepDream, coverage: Coverage | None
    ) -> None:
        """`coverage` is the picture's, as it is looked at."""
        self._dream, self._name, self._coverage = dream, name, coverage
        self._squared = not dream.guide and settings.objective == "squares"

    def sums(self, own: Tensor, place: Place) -> tuple[Tensor, ...]:
        """Return what a tile adds to the mean."""
        weights = None
        if self._coverage is not None:
            weights = place.box.of(self._coverage.weights_on(place.whole, own))
        return (self._mean(own, weights) * place.share,)

    def value(self, *sums: Tensor) -> Tensor:
        """Return the mean."""
        return sums[0]

    def whole(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Return the activations and the mean over all their positions."""
        weights = None if self._coverage is None else self._coverage.weights(features)
        return features, self._mean(features, weights)

    def _mean(self, maps: Tensor, weights: Tensor | None) -> Tensor:
        dream = self._dream
        dream.watch(self._name, maps.detach())
        if weights is not None:
            maps = maps * (weights.sqrt() if self._squared else weights).to(maps.dtype)
        if dream.guide:
            return guided_objective(maps, dream.guide[self._name], dream.channels)
        if self._squared:
            return squares_objective(maps, dream.channels)
        return mean_activation_objective(maps, dream.channels)


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
    photo = _content(task).tensor()[None]
    picture = _DreamPicture()
    watches: dict[str, DeadUnits] = {}
    detail: Tensor | None = None
    for index, stage in run.stages(plan * first.frame_count):
        number, octave = divmod(index, len(plan))
        dream = _Dream(task, stage.size, watches)
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
    dream: _Dream,
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
