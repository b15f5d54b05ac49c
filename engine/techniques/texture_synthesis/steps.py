"""The steps of a texture synthesis: the sample's statistics at each scale, and one gradient each."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from engine import colour
from engine.errors import BadInput
from engine.figure import contact_sheet, strip
from engine.image import Picture
from engine.networks.parts import Rewiring
from engine.networks.tapping import Visit
from engine.objectives.coverage import Coverage
from engine.objectives.priors import smoothness
from engine.objectives.style import Statistics
from engine.objectives.tiled import Tiled
from engine.optimization.adam import Adam
from engine.parameterization.scales import (
    Average,
    resize,
    resize_picture,
    resize_torus,
)
from engine.parameterization.sheet import sheet, sheet_size
from engine.run_state import RunState
from engine.settings import mention
from engine.task import Frame, Stage, Steps, Task
from engine.techniques.style_matching import (
    Loss,
    gradient_of_total,
    note_terms,
    style_loss,
    weighted,
)
from engine.techniques.texture_synthesis.figure import shown
from engine.techniques.texture_synthesis.plan import (
    GAP,
    depths,
    sample_of,
    sample_size,
    scales,
    style_layers,
)
from engine.techniques.texture_synthesis.settings import TextureSynthesis
from engine.techniques.tiling import Room

BETAS = (0.9, 0.99)
START_CONTRAST = 0.27
"""Standard deviation of the noise before it gets the sample's colours; any would do."""


class TextureLoss:
    """The losses of one picture at one scale, and their gradient."""

    def __init__(
        self,
        task: Task[TextureSynthesis],
        settings: TextureSynthesis,
        sample: Tensor,
        coverage: Coverage | None,
        room: Room | None = None,
    ) -> None:
        self.task, self.pooling, self._room = task, settings.pooling, room or Room(None)
        self.seamless = settings.seamless
        self.layers = style_layers(settings, task.network)
        self.losses: dict[str, Loss] = {}
        tiled = self._tiled(sample, "replicate")
        if tiled is not None:
            with torch.no_grad():
                for name, (mean, second) in tiled.moments(sample, coverage).items():
                    target = Statistics(mean, second)
                    self.losses[name] = style_loss(target, settings.method, "relative")
            return

        def visit(name: str, features: Tensor) -> Tensor:
            target = Statistics.of(features, coverage)
            self.losses[name] = style_loss(target, settings.method, "relative")
            return features

        with torch.no_grad():
            self._visit(sample, "replicate", visit)

    def _visit(self, picture: Tensor, padding: str, visit: Visit) -> None:
        # Zeros beyond the borders of deep layers would be part of the statistics: more of them the
        # smaller the picture is, and different ones at a seam than elsewhere.
        self.task.network.visit(
            picture, self.layers, visit, pooling=self.pooling, padding=padding, everywhere=True
        )

    def _tiled(self, picture: Tensor, padding: str) -> Tiled | None:
        """Return the network in tiles, if pictures of this size need them."""
        size = (picture.shape[-2], picture.shape[-1])
        rewiring = Rewiring(self.pooling, padding, everywhere=True)
        return self._room.tiled(self.task.network, list(self.layers), size, rewiring)

    def gradient(
        self,
        settings: TextureSynthesis,
        iteration: int,
        noted: dict[str, float],
        picture: Tensor,
    ) -> Tensor:
        """Return the gradient of the total; the terms go into `noted`. Raises `Diverged`."""
        return self._room.used(partial(self._gradient, settings, iteration, noted, picture))

    def _gradient(
        self,
        settings: TextureSynthesis,
        iteration: int,
        noted: dict[str, float],
        picture: Tensor,
    ) -> Tensor:
        tiled = self._tiled(picture, "circular" if self.seamless else "replicate")
        if tiled is None:
            terms = partial(self.terms, settings=settings)
            return gradient_of_total(terms, picture, iteration, noted)
        total = sum(map(abs, self.layers.values())) or 1.0
        weighed = {
            name: [(weight / total, self.losses[name])] for name, weight in self.layers.items()
        }
        # Statistics do not change with the place where the torus is cut open, nor does smoothness
        # much: the picture need not be turned, as margins reach across the seam.
        found, variation, gradient = tiled.gradient(picture, weighed, settings.tv_weight)
        values = {name: value for name, (value,) in found.items()}
        note_terms(self._terms(values, variation, settings), gradient, iteration, noted)
        return gradient

    def terms(self, picture: Tensor, settings: TextureSynthesis) -> dict[str, Tensor]:
        """Return the terms of the loss of a picture (1, 3, H, W), and their total."""
        if self.seamless:
            picture = self.turned(picture)
        values: dict[str, Tensor] = {}

        def visit(name: str, features: Tensor) -> Tensor:
            features, values[name] = self.losses[name](features)
            return features

        self._visit(picture, "circular" if self.seamless else "replicate", visit)
        return self._terms(values, smoothness(picture), settings)

    def _terms(
        self, values: dict[str, Tensor], variation: Tensor, settings: TextureSynthesis
    ) -> dict[str, Tensor]:
        terms = {
            "style": weighted(values, self.layers, torch.zeros_like(variation)),
            "variation": settings.tv_weight * variation,
        }
        terms["total"] = terms["style"] + terms["variation"]
        return terms

    def turned(self, picture: Tensor) -> Tensor:
        """Return the picture shifted around its torus, by another distance each time.

        Pools leave out the last of an odd number of rows: without this, always the one at the seam.
        """
        sides = [picture.shape[-2], picture.shape[-1]]
        draws = [torch.randint(side, (), generator=self.task.generator) for side in sides]
        return picture.roll([int(shift) for shift in draws], (2, 3))


def _by_network(task: Task[TextureSynthesis], plan: list[Stage]) -> Iterator[Frame]:
    """Match statistics, coarse to fine; the pictures of a series move together."""
    run = RunState(task, sum(stage.iterations for stage in plan))
    first = run.first
    sides = [side for side, _ in scales(task)]
    whole, coverage = sample_of(task).tensor()[None], Coverage.of(sample_of(task))
    each = [replace(first, depth=depth) for depth in depths(first, task.network)]
    optimizer: Adam | None = None
    average: Average | None = None
    for index, _ in run.stages(plan):
        side = sides[index]
        sample = resize_picture(whole, sample_size(task, side)).to(task.device)
        room = Room.of(task, (side, side * len(each)))
        textures = [TextureLoss(task, one, sample, coverage, room) for one in each]
        if average is None:
            noise = 0.5 + START_CONTRAST * task.noise(1, 3, side, side)
            seen = None if coverage is None else coverage.weights(sample)
            variable = colour.match_colours(noise, sample, target_seen=seen)
            variable = variable.repeat(len(each), 1, 1, 1)
        else:
            variable = enlarged(average.value(), side, first.seamless)
        if optimizer is None:
            optimizer = Adam(variable, first.learning_rate, BETAS)
        else:
            carry = partial(resized, side=side, seamless=first.seamless)
            optimizer = optimizer.carry(variable, carry)
        average = Average(first.averaging)
        run.keep(optimizer=optimizer, average=average, room=room)
        variable = optimizer.variable
        label = f"{side} x {side}" if len(each) == 1 else f"{len(each)} depths, {side} x {side}"
        for done in run.steps():
            settings = task.technique
            optimizer.learning_rate = settings.learning_rate
            noted: dict[str, float] = {}
            optimizer.step(partial(_gradients, textures, settings, done, noted))
            variable.clamp_(0, 1)
            average.update(variable)
            yield run.frame(noted, label, partial(_mean, average))


def _gradients(
    textures: list[TextureLoss],
    settings: TextureSynthesis,
    iteration: int,
    noted: dict[str, float],
    pictures: Tensor,
) -> Tensor:
    """Return each picture's gradient; the means of the terms go into `noted`.

    For a series, so does each picture's style loss, under the deepest layer that it matches.
    """
    gradients, terms = [], []
    for texture, picture in zip(textures, pictures.split(1), strict=True):
        own: dict[str, float] = {}
        gradients.append(texture.gradient(settings, iteration, own, picture))
        terms.append(own)
    for name in terms[0]:
        noted[name] = sum(own[name] for own in terms) / len(terms)
    if len(textures) > 1:
        names = [list(texture.layers)[-1] for texture in textures]
        noted.update({n: own["style"] for n, own in zip(names, terms, strict=True)})
    return torch.cat(gradients)


def enlarged(pictures: Tensor, side: int, seamless: bool) -> Tensor:
    """Return square pictures at the next scale; the borders of seamless ones still meet."""
    size = (side, side)
    return (resize_torus(pictures, size) if seamless else resize(pictures, size)).clamp(0, 1)


def resized(x: Tensor, side: int, seamless: bool) -> Tensor:
    """Return an optimizer's moments (N, 3, H, W), square, at the next scale, never overshooting."""
    if not seamless:
        return resize(x, (side, side), "bilinear")
    before = x.shape[-1]
    across = resize(x.repeat(1, 1, 1, 3), (before, 3 * side), "bilinear")[..., side : 2 * side]
    down = resize(across.repeat(1, 1, 3, 1), (3 * side, side), "bilinear")
    return down[..., side : 2 * side, :]


def _mean(average: Average) -> Tensor:
    return sheet(average.value().clamp(0, 1), gap=GAP).float().cpu()


def _by_pixels(task: Task[TextureSynthesis], stage: Stage) -> Iterator[Frame]:
    """Put pixels of the sample where they fit; a frame whenever another row's worth is done."""
    from engine.techniques.texture_synthesis.efros_leung import efros_leung
    from engine.techniques.texture_synthesis.wei_levoy import wei_levoy

    run = RunState(task, stage.iterations)
    settings = run.first
    size = sample_size(task, task.size)
    sample = resize_picture(sample_of(task).tensor()[None], size)[0]
    side, generator = settings.neighbourhood, task.generator
    coverage = Coverage.of(sample_of(task))
    alpha = None if coverage is None else coverage.at(size).alpha[0, 0]
    if settings.method == "efros-leung":
        texture = efros_leung(sample, stage.size, side, generator, settings.tolerance, alpha)
    else:
        texture = wei_levoy(sample, stage.size, side, settings.levels, generator, alpha)
    run.keep(texture=texture)
    for row in run.steps():
        while texture.done * stage.iterations < row * texture.total:
            texture.grow()
        yield run.frame({}, settings.method, texture.picture)


class TextureSynthesisSteps(Steps[TextureSynthesis]):
    """Texture synthesis: the scales, coarse to fine; without a network a step for each row."""

    def stages(self, task: Task[TextureSynthesis]) -> list[Stage]:
        """Share the iterations out over the scales; without a network, one for each row."""
        settings = task.technique
        sample_of(task)
        if not settings.by_network:
            if settings.series:
                raise BadInput(
                    mention(settings, "series"),
                    " is of a network's layers; ",
                    mention(settings, "method", settings.method),
                    " has none: take gram or wasserstein",
                )
            return [Stage((task.size, task.size), task.size)]
        count = len(depths(settings, task.network))
        return [Stage(sheet_size(count, (side, side), gap=GAP), n) for side, n in scales(task)]

    def frames(self, task: Task[TextureSynthesis]) -> Iterator[Frame]:
        """Yield a frame per iteration. Needs a sample of the texture as its content."""
        plan = self.stages(task)
        return _by_network(task, plan) if task.technique.by_network else _by_pixels(task, plan[0])

    def figure(self, task: Task[TextureSynthesis], picture: Tensor) -> Picture:
        """Return the sample beside the result: tiled, or depth by depth."""
        tiles = shown(task, picture)
        return contact_sheet(tiles) if task.technique.series else strip(tiles)
