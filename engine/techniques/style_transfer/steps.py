"""The steps of a style transfer: targets, start, scales, and one gradient per iteration."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from engine import colour
from engine.errors import BadInput
from engine.finite import finite
from engine.image import Picture
from engine.objectives.coverage import Coverage
from engine.optimization.adam import Adam
from engine.optimization.lbfgs import LBFGS
from engine.parameterization.scales import Average, fit, pyramid, resize, resize_picture, usable
from engine.run_state import RunState
from engine.settings import START_PICTURE
from engine.task import Frame, Stage, Steps, Task
from engine.techniques.style_matching import (
    shared_out,
)
from engine.techniques.style_transfer.objective import (
    Objective,
    Painting,
    content_layers,
    style_layers,
)
from engine.techniques.style_transfer.regions import Part, Parts, check_styles
from engine.techniques.style_transfer.settings import StyleTransfer
from engine.techniques.tiling import Room


def scales(
    settings: StyleTransfer, size: int, taken: Callable[[int], bool] | None = None
) -> list[tuple[int, int]]:
    """Return the long side and the iterations, at least one, of each scale of a run at `size`.

    Long sides that `taken` rejects are left out, except the last.
    """
    sides = pyramid(size, settings.smallest_scale)[-settings.iterations :]
    if taken is not None:
        sides = usable(sides, taken)
    counts = shared_out(settings.iterations, sides, settings.first_share, settings.large_share)
    return list(zip(sides, counts, strict=True))


def _weights(coverage: Coverage | None, like: Tensor) -> Tensor | None:
    return None if coverage is None else coverage.weights(like)


def _content(task: Task[StyleTransfer]) -> Picture:
    if task.content is None:
        raise BadInput("style transfer needs a content picture")
    check_styles(task)
    return task.content


@dataclass
class _Seen:
    """What is known of the pictures once the first scale has begun."""

    gray: bool = False


class StyleTransferRun:
    """One run: holds the pictures of the current scale and yields frames."""

    def __init__(self, task: Task[StyleTransfer]) -> None:
        """Prepare what all scales share."""
        self.task = task
        self.plan = StyleTransferSteps().stages(task)
        self.run = RunState(task, sum(stage.iterations for stage in self.plan))
        self.settings = self.run.first
        self.content_picture = _content(task)
        self.coverage = Coverage.of(self.content_picture)

    def frames(self) -> Iterator[Frame]:
        """Yield a frame per iteration, coarse to fine."""
        run = self.run
        optimizer: Adam | LBFGS | None = None
        average: Average | None = None
        seen = _Seen()
        for index, stage in run.stages(self.plan):
            content = self._scaled(self.content_picture, stage.size)
            self.parts = Parts.of(self.task, self.coverage, stage.size)
            styles = [self._styles(part, stage.size, content) for part in self.parts.parts]
            if not index:
                seen.gray = self._is_gray(content, styles)
            previous = average.value() if average else None
            start = self._variable(previous, content, styles, stage.size)
            shown = colour.gray(content) if self.settings.colour == "luminance" else content
            room = Room.of(self.task, stage.size)
            objective = self._objective(shown, styles, room)
            del styles
            optimizer = self._optimizer(optimizer, start)
            average = Average(self.settings.averaging)
            run.keep(optimizer=optimizer, average=average, seen=seen, room=room)
            variable = optimizer.variable
            note = colour.GRAY_NOTE if seen.gray else ""
            label = f"{stage.size[1]} x {stage.size[0]}"
            for done in run.steps():
                settings = self.task.technique
                optimizer.learning_rate = settings.learning_rate
                objective.weigh([weight for _, weight in self.task.styles])
                noted: dict[str, float] = {}
                optimizer.step(partial(self._gradient, objective, shown, settings, done, noted))
                if settings.clamp:
                    variable.clamp_(0, 1)
                else:  # a step may overflow although loss and gradient were finite
                    finite({"picture": float(variable.abs().sum())}, done)
                average.update(variable)
                yield run.frame(
                    noted, label, partial(self._render, average, content, self.parts), note=note
                )

    def _gradient(
        self,
        objective: Objective,
        content: Tensor,
        settings: StyleTransfer,
        iteration: int,
        noted: dict[str, float],
        picture: Tensor,
    ) -> Tensor:
        """Return the gradient with respect to `picture`, of which some may be kept as in the photo."""
        held = self.parts.held(picture, content)
        return self.parts.free(objective.gradient(settings, iteration, noted, held))

    def _is_gray(self, content: Tensor, styles: list[list[Painting]]) -> bool:
        """Return whether all pictures are grey but nothing keeps the result grey, which a note tells."""
        pictures = [content, *(picture for each in styles for picture, _ in each)]
        return self.settings.colour == "style" and all(map(colour.is_gray, pictures))

    def _objective(self, content: Tensor, styles: list[list[Painting]], room: Room) -> Objective:
        parts = list(zip(self.parts.parts, styles, strict=True))
        return Objective(self.settings, self.task.network, content, parts, self.coverage, room)

    def _scaled(self, picture: Picture, size: tuple[int, int]) -> Tensor:
        whole = picture.tensor()[None]
        return resize_picture(whole, size).to(self.task.device)

    def _seen(self, part: Part, content: Tensor) -> Tensor | None:
        """Return the weights of the content's pixels in a part of it; None: all count alike."""
        return _weights(self.coverage if part.guide is None else part.guide.here, content)

    def _styles(self, part: Part, size: tuple[int, int], content: Tensor) -> list[Painting]:
        """Return a part's paintings at this scale (never enlarged), recoloured if asked."""
        side = max(1, round(max(size) * self.settings.style_scale))
        least = min(self.task.network.card.input_size, 32)
        styles = []
        seen = self._seen(part, content)
        usual = [picture for picture, _ in self.task.styles]
        for picture in usual if part.own is None else [part.own]:
            coverage = Coverage.of(picture)
            own = (picture.height, picture.width)
            scaled = self._scaled(picture, fit(own, min(side, max(own)), least=least))
            own_seen = _weights(coverage, scaled)
            if self.settings.colour == "luminance":
                scaled = colour.matched_luminance(scaled, content, own_seen, seen)
            elif self.settings.colour == "match":
                strength = self.settings.colour_strength
                scaled = colour.match_colours(scaled, content, strength, own_seen, seen)
            styles.append((scaled, coverage))
        return styles

    def _variable(
        self,
        previous: Tensor | None,
        content: Tensor,
        styles: list[list[Painting]],
        size: tuple[int, int],
    ) -> Tensor:
        """Return the picture to optimize: the last scale's result, or the start."""
        if previous is not None:
            return resize_picture(previous, size)
        kind = self.settings.start
        if kind == "recoloured" and self.settings.colour == "luminance":
            kind = "content"  # the colours of the painting then play no part
        if kind == "recoloured":
            weights = [weight for _, weight in self.task.styles]
            recoloured = []
            for part, paintings in zip(self.parts.parts, styles, strict=True):
                heaviest, coverage = paintings[0]
                if part.own is None:
                    heaviest, coverage = paintings[weights.index(max(weights))]
                seen, own_seen = self._seen(part, content), _weights(coverage, heaviest)
                recoloured.append(colour.match_colours(content, heaviest, 1.0, seen, own_seen))
            start = self.parts.put_together(recoloured, content)
        elif kind == "gray":
            start = torch.full_like(content, 0.5)
        elif kind == "picture":
            if self.task.start is None:
                raise BadInput("the start is a picture; give it with ", START_PICTURE.mention())
            start = self._scaled(self.task.start, size)
        else:
            share = {"content": 0.0, "noise": 1.0, "blend": self.settings.start_blend}[kind]
            seen = _weights(self.coverage, content)
            mean, deviation = colour.mean_and_deviation(content, seen)
            noise = self.task.noise(*content.shape) * deviation + mean
            start = torch.lerp(content, noise.clamp(0, 1), share)
        return colour.gray(start) if self.settings.colour == "luminance" else start

    def _optimizer(self, before: Adam | LBFGS | None, variable: Tensor) -> Adam | LBFGS:
        s = self.settings
        if s.optimizer == "lbfgs":
            return LBFGS(variable, s.learning_rate, s.history, s.longer_steps)
        if isinstance(before, Adam):
            size = (variable.shape[-2], variable.shape[-1])
            return before.carry(variable, lambda t: resize(t, size, "bilinear"))
        return Adam(variable, s.learning_rate, (s.beta1, s.beta2), s.epsilon)

    def _render(self, average: Average, content: Tensor, parts: Parts) -> Tensor:
        settings = self.task.technique
        picture = average.value().clamp_(0, 1)
        if settings.colour in ("luminance", "luminance-after"):
            picture = colour.with_luminance_of(picture, content, settings.colour_strength)
        elif settings.colour == "match" and settings.colour_strength == 1:
            picture = colour.gray(picture) if colour.is_gray(content) else picture
        return parts.held(picture, content)[0].float().cpu()


class StyleTransferSteps(Steps[StyleTransfer]):
    """Style transfer: the photo at each scale, coarse to fine."""

    def stages(self, task: Task[StyleTransfer]) -> list[Stage]:
        """Share the iterations out over the scales."""
        content = _content(task)
        size = (content.height, content.width)
        technique, network = task.technique, task.network
        layers = [*style_layers(technique, network), *content_layers(technique, network)]
        plan = scales(technique, task.size, lambda s: network.reaches(layers, fit(size, s)))
        return [Stage(fit(size, side), n) for side, n in plan]

    def frames(self, task: Task[StyleTransfer]) -> Iterator[Frame]:
        """Yield a frame per iteration. Needs a content picture and at least one style."""
        return StyleTransferRun(task).frames()

    def enlarged(self, technique: StyleTransfer, size: int) -> StyleTransfer:
        """Return what goes on from a smaller result at `size`: the last scale alone."""
        _, iterations = scales(technique, size)[-1]
        return replace(technique.begun_with_picture(), iterations=iterations)
