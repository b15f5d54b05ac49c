"""One pass against optimization: how long it takes to get as far, on this machine.

The usual claim for fast neural style is "0.06 s against 10 s" (Johnson, Alahi, Fei-Fei 2016,
section 4). Here both are judged by the same loss, at the same size, on the same device and threads:

    L = mean (IN(F) - IN(P))² of relu4_1 + 5 * sum over relu1_1 to relu5_1 of |G - A|² / |A|²

with F the picture's activations, P the photo's, IN each channel's normalization, and G and A Gram
matrices of picture and painting. Optimization moves the pixels along the gradient of this very
loss, beginning with the photo, so that nothing else is compared. Networks look better to the judge
that they were trained with, so a second one judges the same pictures.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from statistics import median

import torch
from torch import Tensor

from engine.device import choose_device
from engine.errors import BadInput, WeightsMissing
from engine.job import Job, opened, prepare
from engine.networks.loading import load_network
from engine.networks.network import Network
from engine.objectives.style import gram_matrix
from engine.parameterization.scales import fit, resize_picture
from engine.stylization.adain import mean_and_variance
from engine.stylization.finding import load_style_network, parse_networks

JUDGES = ("slim_vgg", "vgg19")
"""The first one trained the networks that ship."""
STYLE_LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
CONTENT_LAYER = "relu4_1"
STYLE_WEIGHT = 5.0
ADAM_RATE = 0.03
PASSES = 5
"""How often one pass is measured."""
DENSER = 1.12
"""A picture of the optimization is kept whenever this many times the time has passed."""

Shown = Callable[[str, float], None]
"""Called with the optimizer at work and how many of its seconds have passed."""


@dataclass(frozen=True)
class Curve:
    """An optimization: what it had reached after how many seconds, not counting those of judging."""

    name: str
    seconds: tuple[float, ...]
    losses: dict[str, tuple[float, ...]]
    """Losses by judge."""

    def reaches(self, judge: str, loss: float) -> float | None:
        """Return after how many seconds the loss was as low as this; None: not in the time given."""
        for seconds, own in zip(self.seconds, self.losses[judge], strict=True):
            if own <= loss:
                return seconds
        return None


@dataclass(frozen=True)
class SpeedComparison:
    """What was measured."""

    size: tuple[int, int]
    pass_seconds: float
    """Seconds of one pass: the median of several, each with a look at the painting."""
    pass_losses: dict[str, float]
    start_losses: dict[str, float]
    """The photo's losses, by judge."""
    curves: tuple[Curve, ...]
    training_minutes: float = 0.0
    """How long the style network took to train; 0 if unknown."""
    device: str = ""
    judges: tuple[str, ...] = field(default=())

    def pays_after(self, judge: str) -> float | None:
        """Return after how many pictures the training has paid off; None if unknown."""
        reached = [t for c in self.curves if (t := c.reaches(judge, self.pass_losses[judge]))]
        saved = min(reached) - self.pass_seconds if reached else 0.0
        return self.training_minutes * 60 / saved if saved > 0 and self.training_minutes else None


class Loss:
    """The loss of the module's description, for one photo, one painting and one judge."""

    def __init__(self, judge: Network, photo: Tensor, painting: Tensor) -> None:
        """Look at photo and painting, (1, 3, h, w) RGB in [0, 1] each.

        Raises `BadInput` if the judge lacks one of the layers.
        """
        self.judge = judge
        with torch.no_grad():
            self._content = _normalized(judge.taps(photo, [CONTENT_LAYER])[CONTENT_LAYER])
            taps = judge.taps(painting, STYLE_LAYERS)
            self._grams = {name: gram_matrix(taps[name].float()) for name in STYLE_LAYERS}

    def __call__(self, picture: Tensor) -> Tensor:
        """Return the loss of a picture (1, 3, H, W), a scalar."""
        taps = self.judge.taps(picture, STYLE_LAYERS)
        content = (_normalized(taps[CONTENT_LAYER]) - self._content).square().mean()
        style = torch.stack(
            [
                (gram_matrix(taps[name].float()) - wanted).square().sum() / wanted.square().sum()
                for name, wanted in self._grams.items()
            ]
        )
        return content + STYLE_WEIGHT * style.sum()


def usual_judges(job: Job, names: Sequence[str] = ()) -> list[Network]:
    """Return the networks called `names` on the job's device; by default those of `JUDGES` there are.

    Raises `WeightsMissing` if a named one, or the first by default, has no weights.
    """
    device, found = choose_device(job.device), []
    for name in names or JUDGES:
        try:
            found.append(load_network(name, device=device))
        except WeightsMissing:
            if names or not found:
                raise
    return found


def training_minutes(style_network: str) -> float:
    """Return how long the first of the named style networks took to train; 0 if unknown."""
    return load_style_network(parse_networks(style_network)[0][0]).training_minutes


def compare(
    job: Job, judges: Sequence[Network], seconds: float = 60.0, training_minutes: float = 0.0,
    stopped: Callable[[], bool] = bool, shown: Shown = lambda name, passed: None,
) -> SpeedComparison:  # fmt: skip
    """Measure one pass and two optimizations of the same loss.

    Args:
        job: a stylization in one pass with one painting.
        judges: the first one's loss is optimized; all of them judge.
        seconds: for each optimization.
        training_minutes: of the style network, as far as it is known.
        stopped: asked after each step whether to end; what there is by then is compared.
        shown: is told how far it has come.

    Raises `BadInput` unless there is exactly one painting, and if a judge lacks a layer.
    """
    job = opened(job)
    if len(job.inputs.styles) != 1:
        raise BadInput(f"the comparison needs one painting, and there are {len(job.inputs.styles)}")
    task = prepare(job, judges[0])
    assert task.content is not None
    size = fit((task.content.height, task.content.width), task.size)
    photo = resize_picture(task.content.tensor()[None], size).to(task.device)
    painting = task.styles[0][0]
    side = fit(
        (painting.height, painting.width), min(max(size), max(painting.width, painting.height))
    )
    seen = resize_picture(painting.tensor()[None], side).to(task.device)
    losses = {judge.card.name: Loss(judge, photo, seen) for judge in judges}
    first = next(iter(losses.values()))
    # Without its path: what knows its file is opened again, as large as a result might need.
    content = replace(task.content.resized(size=size[::-1]), path=None)
    at_size = replace(job, inputs=replace(job.inputs, content=content))
    passes, made = [], photo
    for _ in range(PASSES):
        began = time.perf_counter()
        made = task.technique.painter(prepare(at_size, judges[0])).whole()
        passes.append(time.perf_counter() - began)
    curves = []
    for name, optimize in (("Adam", _adam), ("L-BFGS", _lbfgs)):
        if stopped():
            break
        kept = _optimized(optimize, first, photo, seconds, stopped, partial(shown, name))
        judged = {
            judge: tuple(float(loss(picture).detach()) for _, picture in kept)
            for judge, loss in losses.items()
        }
        curves.append(Curve(name, tuple(at for at, _ in kept), judged))
    with torch.no_grad():
        return SpeedComparison(
            size,
            median(passes),
            {judge: float(loss(made)) for judge, loss in losses.items()},
            {judge: float(loss(photo)) for judge, loss in losses.items()},
            tuple(curves),
            training_minutes,
            task.device.type,
            tuple(losses),
        )


def _normalized(features: Tensor) -> Tensor:
    mean, variance = mean_and_variance(features)
    return (features.float() - mean) * (variance + 1e-5).rsqrt()


def _adam(picture: Tensor) -> torch.optim.Optimizer:
    return torch.optim.Adam([picture], ADAM_RATE)


def _lbfgs(picture: Tensor) -> torch.optim.Optimizer:
    return torch.optim.LBFGS([picture], max_iter=1, history_size=50, line_search_fn="strong_wolfe")


def _optimized(
    optimizer: Callable[[Tensor], torch.optim.Optimizer], loss: Loss, photo: Tensor, seconds: float,
    stopped: Callable[[], bool], shown: Callable[[float], None],
) -> list[tuple[float, Tensor]]:  # fmt: skip
    """Return pictures on the way from the photo, each with the seconds that it took to get there."""
    picture = photo.clone().requires_grad_(True)
    steps = optimizer(picture)

    def closure() -> Tensor:
        steps.zero_grad()
        total = loss(picture)
        total.backward()
        return total

    passed = 0.0
    kept: list[tuple[float, Tensor]] = []
    while passed < seconds and not stopped():
        began = time.perf_counter()
        steps.step(closure)  # type: ignore[arg-type]
        passed += time.perf_counter() - began
        if not bool(torch.isfinite(picture.detach()).all()):
            break  # what it had reached stays
        if not kept or passed >= kept[-1][0] * DENSER:
            kept.append((passed, picture.detach().clamp(0, 1)))
        shown(passed)
    return kept
