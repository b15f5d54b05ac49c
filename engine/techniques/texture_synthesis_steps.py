"""The steps of a texture synthesis: the sample's statistics at each scale, and one gradient each."""

import time
from collections.abc import Iterator
from functools import partial
from typing import cast

import torch
from torch import Tensor

from engine import colour
from engine.errors import BadInput
from engine.image import Picture
from engine.networks.network import Network
from engine.networks.padding import PaddedEverywhere
from engine.objectives.priors import smoothness
from engine.objectives.style import Statistics
from engine.optimization.adam import Adam
from engine.parameterization.scales import Average, fit, pyramid, resize, resize_picture
from engine.task import Frame, Stage, Task, finite
from engine.techniques.style_matching import (
    fetched,
    shared_out,
    style_loss,
    usual_weights,
    weighted,
)
from engine.techniques.texture_synthesis import TextureSynthesis

BETAS = (0.9, 0.99)
START_CONTRAST = 0.27
"""Standard deviation of the noise before it gets the sample's colours; any would do."""


def stages(settings: TextureSynthesis, task: Task) -> list[Stage]:
    """Share the iterations out over the scales; without a network, one for each row."""
    _sample(task)
    if not settings.by_network:
        return [Stage((task.size, task.size), task.size)]
    sides = _sides(settings, task)
    counts = shared_out(settings.iterations, len(sides), settings.first_share)
    return [Stage((side, side), n) for side, n in zip(sides, counts, strict=True)]


def _sides(settings: TextureSynthesis, task: Task) -> list[int]:
    """Return the sides of the result, ascending: as long as the sample is large enough at each."""
    shrunk = min(sample_size(settings, task, task.size)) / settings.smallest_scale
    smallest = task.size if shrunk <= 1 else round(task.size / shrunk)
    return pyramid(task.size, smallest)[-settings.iterations :]


def _sample(task: Task) -> Picture:
    if task.content is None:
        raise BadInput("texture synthesis needs a picture of the texture")
    return task.content


def sample_size(settings: TextureSynthesis, task: Task, side: int) -> tuple[int, int]:
    """Return height and width of the sample where the result has `side` pixels a side."""
    sample = _sample(task)
    own = (sample.height, sample.width)
    whole = settings.sample_size or min(max(own), task.size)
    least = min(task.network.card.input_size, 32) if settings.by_network else 1
    return fit(own, max(1, round(whole * side / task.size)), least=least)


def style_layers(settings: TextureSynthesis, network: Network) -> dict[str, float]:
    """Return the layers to match with weights, as many as the depth asks for."""
    chosen = settings.style_layers
    if chosen is None:
        chosen = usual_weights(list(network.card.style_layers), settings.method)
    layers = dict(list(chosen.items())[: settings.depth])
    if not layers:
        raise BadInput(f"{network.card.name} suggests no style layers; give --style-layer")
    return layers


def frames(task: Task) -> Iterator[Frame]:
    """Yield a frame per iteration by the method that the settings choose."""
    settings = cast(TextureSynthesis, task.technique)
    return _by_network(task) if settings.by_network else _by_pixels(task)


class _Texture:
    """The losses of one scale, and their gradient."""

    def __init__(self, task: Task, settings: TextureSynthesis, sample: Tensor) -> None:
        self.task, self.pooling = task, settings.pooling
        self.seamless = settings.seamless
        self.layers = style_layers(settings, task.network)
        with torch.no_grad():
            taps = self._taps(sample, "replicate")
            self.losses = {
                name: style_loss(Statistics.of(taps.pop(name)), settings.method, "relative")
                for name in list(taps)
            }

    def _taps(self, picture: Tensor, padding: str) -> dict[str, Tensor]:
        # Zeros beyond the borders of deep layers would be part of the statistics: more of them the
        # smaller the picture is, and different ones at a seam than elsewhere.
        with PaddedEverywhere(padding):
            return self.task.network.taps(picture, self.layers, pooling=self.pooling)

    def gradient(
        self,
        settings: TextureSynthesis,
        iteration: int,
        noted: dict[str, float],
        picture: Tensor,
    ) -> Tensor:
        """Return the gradient of the total; the terms go into `noted`. Raises `Diverged`."""
        with torch.enable_grad():
            x = picture.detach().requires_grad_(True)
            terms = self._terms(x, settings)
            (gradient,) = torch.autograd.grad(terms["total"], x)
        numbers = finite(fetched(terms, gradient), iteration)
        noted.update({name: numbers[name] for name in terms})
        return gradient

    def _terms(self, picture: Tensor, settings: TextureSynthesis) -> dict[str, Tensor]:
        if self.seamless:
            picture = self._turned(picture)
        taps = self._taps(picture, "circular" if self.seamless else "replicate")
        terms = {
            "style": weighted(self.losses, self.layers, taps, picture.new_zeros(())),
            "variation": settings.tv_weight * smoothness(picture),
        }
        terms["total"] = terms["style"] + terms["variation"]
        return terms

    def _turned(self, picture: Tensor) -> Tensor:
        """Return the picture shifted around its torus, by other numbers each time.

        Pools leave out the last row of an odd number: without this, always beside the seam.
        """
        sides = [picture.shape[-2], picture.shape[-1]]
        draws = [torch.randint(side, (), generator=self.task.generator) for side in sides]
        return picture.roll([int(shift) for shift in draws], (2, 3))


def _by_network(task: Task) -> Iterator[Frame]:
    """Match statistics, coarse to fine."""
    began = time.perf_counter()
    first = cast(TextureSynthesis, task.technique)
    whole = _sample(task).tensor()[None]
    plan = stages(first, task)
    total = sum(stage.iterations for stage in plan)
    done = 0
    optimizer: Adam | None = None
    average: Average | None = None
    for stage in plan:
        side = stage.size[0]
        sample = resize_picture(whole, sample_size(first, task, side)).to(task.device)
        texture = _Texture(task, first, sample)
        if average is None:
            noise = 0.5 + START_CONTRAST * task.noise(1, 3, *stage.size)
            variable = colour.match_colours(noise, sample)
        else:
            variable = _resized(average.value(), side, "bicubic", first.seamless).clamp(0, 1)
        if optimizer is None:
            optimizer = Adam(variable, first.learning_rate, BETAS)
        else:
            carry = partial(_resized, side=side, mode="bilinear", seamless=first.seamless)
            optimizer = optimizer.carry(variable, carry)
        average = Average(first.averaging)
        label = f"{side} x {side}"
        for _ in range(stage.iterations):
            settings = cast(TextureSynthesis, task.technique)
            optimizer.learning_rate = settings.learning_rate
            noted: dict[str, float] = {}
            optimizer.step(partial(texture.gradient, settings, done + 1, noted))
            variable.clamp_(0, 1)
            average.update(variable)
            done += 1
            yield Frame(
                done, total, noted, time.perf_counter() - began, label, partial(_mean, average)
            )


def _resized(x: Tensor, side: int, mode: str, seamless: bool) -> Tensor:
    """Return square planes (1, C, H, H) at another scale; of seamless ones the borders still meet."""
    if not seamless:
        return resize(x, (side, side), mode)
    before = x.shape[-1]
    across = resize(x.repeat(1, 1, 1, 3), (before, 3 * side), mode)[..., side : 2 * side]
    return resize(across.repeat(1, 1, 3, 1), (3 * side, side), mode)[..., side : 2 * side, :]


def _mean(average: Average) -> Tensor:
    return average.value()[0].clamp(0, 1).float().cpu()


def _by_pixels(task: Task) -> Iterator[Frame]:
    """Put pixels of the sample where they fit; a frame whenever another row's worth is done."""
    from engine.techniques.texture_nonparametric import efros_leung, wei_levoy

    began = time.perf_counter()
    settings = cast(TextureSynthesis, task.technique)
    (stage,) = stages(settings, task)
    size = sample_size(settings, task, task.size)
    sample = resize_picture(_sample(task).tensor()[None], size)[0]
    side, generator = settings.neighbourhood, task.generator
    if settings.method == "efros-leung":
        steps = efros_leung(sample, stage.size, side, generator, settings.tolerance)
    else:
        steps = wei_levoy(sample, stage.size, side, settings.levels, generator)
    rows = 0
    for done, total, picture in steps:
        for row in range(rows + 1, done * stage.iterations // total + 1):
            rows = row
            yield Frame(
                row, stage.iterations, {}, time.perf_counter() - began, settings.method,
                partial(torch.clone, picture),
            )  # fmt: skip
