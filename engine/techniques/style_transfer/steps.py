"""The steps of a style transfer: targets, start, scales, and one gradient per iteration."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from engine import colour
from engine.errors import BadInput
from engine.finite import finite
from engine.image import Picture
from engine.networks.network import Network
from engine.networks.parts import Rewiring
from engine.networks.tapping import Visit
from engine.objectives.content import ContentLoss
from engine.objectives.coverage import Coverage
from engine.objectives.priors import smoothness
from engine.objectives.style import Statistics
from engine.objectives.summed import SummedDifference
from engine.objectives.tiled import Tiled
from engine.optimization.adam import Adam
from engine.optimization.lbfgs import LBFGS
from engine.parameterization.scales import Average, fit, pyramid, resize, resize_picture, usable
from engine.run_state import RunState
from engine.settings import START_PICTURE, mention
from engine.task import Frame, Stage, Steps, Task
from engine.techniques.layer_weights import each_once
from engine.techniques.style_matching import (
    Loss,
    gradient_of_total,
    note_terms,
    shared_out,
    style_loss,
    summed,
    weighted,
)
from engine.techniques.style_settings import usual_weights
from engine.techniques.style_transfer.regions import Part, Parts, check_styles
from engine.techniques.style_transfer.settings import StyleTransfer
from engine.techniques.tiling import Room

Painting = tuple[Tensor, Coverage | None]
"""A style (1, 3, h, w), and how visible its places are if it is not opaque."""


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


class Objective:
    """The losses of one scale, and their gradient."""

    def __init__(
        self,
        settings: StyleTransfer,
        network: Network,
        content: Tensor,
        parts: Sequence[tuple[Part, list[Painting]]],
        coverage: Coverage | None = None,
        room: Room | None = None,
    ) -> None:
        """Remember the content's activations and the styles' statistics at this scale.

        `parts` come with their styles; `coverage` is the content's and the result's, if it is not
        opaque everywhere; `room` is for what the network makes of pictures.
        """
        self.network, self.coverage = network, coverage
        self._room = room or Room(None)
        self._size = content.shape[-2], content.shape[-1]
        self._parts = [part for part, _ in parts]
        self.pooling, self.padding = settings.pooling, settings.padding
        self.content_layers = content_layers(settings, network)
        self.style_layers = style_layers(settings, network)
        self._statistic, self._scaling = settings.style_statistic, settings.loss_scaling
        self.weights: list[float] | None = None
        """The usual styles' weights, relative to one another; None: not yet known."""
        self._style_losses: list[dict[str, Loss]] = [{} for _ in parts]
        with torch.no_grad():
            self.losses_by_kind = {"content": self._content_losses(content, self._scaling)}
            self._statistics = [self._statistics_of(styles) for _, styles in parts]

    def weigh(self, weights: list[float]) -> None:
        """Mix the usual styles by these weights from now on."""
        if weights == self.weights:
            return
        self.weights = weights
        with torch.no_grad():
            for part, known, losses in zip(
                self._parts, self._statistics, self._style_losses, strict=True
            ):
                if losses and part.own is not None:
                    continue
                mix = weights if part.own is None else [1.0]
                for name, each in known.items():
                    where = self.coverage if part.guide is None else part.guide.of(name)
                    blended = Statistics.blend(each, mix)
                    losses[name] = style_loss(blended, self._statistic, self._scaling, where)
        factors = [part.factor for part in self._parts]
        self.losses_by_kind["style"] = {
            name: summed(factors, [losses[name] for losses in self._style_losses])
            for name in self.style_layers
        }

    def _tiled(self, names: Iterable[str], size: tuple[int, int]) -> Tiled | None:
        """Return the network in tiles, if pictures of `size` (height, width) need them."""
        rewiring = Rewiring(self.pooling, self.padding)
        return self._room.tiled(self.network, list(names), size, rewiring)

    def _content_losses(self, content: Tensor, scaling: str) -> dict[str, Loss]:
        losses: dict[str, Loss] = {}
        tiled = self._tiled(self._counted(), self._size)
        if tiled is not None and self.content_layers:
            found = tiled.maps(content, list(self.content_layers))
            return {
                name: _content_loss(maps, scaling, self.coverage) for name, maps in found.items()
            }

        def visit(name: str, features: Tensor) -> Tensor:
            losses[name] = _content_loss(features, scaling, self.coverage)
            return features

        self._visit(content, self.content_layers, visit)
        return losses

    def _statistics_of(self, styles: list[Painting]) -> dict[str, list[Statistics]]:
        """Return each style layer's statistics of each style."""
        parts: dict[str, list[Statistics]] = {name: [] for name in self.style_layers}

        def visit(coverage: Coverage | None, name: str, features: Tensor) -> Tensor:
            parts[name].append(Statistics.of(features, coverage))
            return features

        for picture, coverage in styles:
            tiled = self._tiled(self.style_layers, (picture.shape[-2], picture.shape[-1]))
            if tiled is not None:
                for name, (mean, second) in tiled.moments(picture, coverage).items():
                    parts[name].append(Statistics(mean, second))
                continue
            self._visit(picture, self.style_layers, partial(visit, coverage))
        return parts

    def _visit(self, picture: Tensor, names: Iterable[str], visit: Visit) -> None:
        self.network.visit(picture, names, visit, pooling=self.pooling, padding=self.padding)

    def losses(self, picture: Tensor, settings: StyleTransfer) -> dict[str, Tensor]:
        """Return the weighted terms and their sum, `total`, for a picture (1, 3, H, W)."""
        weights = self._weights()
        values: dict[str, dict[str, Tensor]] = {kind: {} for kind in weights}

        def visit(name: str, features: Tensor) -> Tensor:
            for kind, noted in values.items():
                if weights[kind].get(name):
                    features, noted[name] = self.losses_by_kind[kind][name](features)
            return features

        self._visit(picture, self._counted(), visit)
        return self._terms(values, smoothness(picture), settings)

    def _weights(self) -> dict[str, dict[str, float]]:
        return {"content": self.content_layers, "style": self.style_layers}

    def _counted(self) -> list[str]:
        return [n for layers in self._weights().values() for n, weight in layers.items() if weight]

    def _terms(
        self, values: dict[str, dict[str, Tensor]], variation: Tensor, settings: StyleTransfer
    ) -> dict[str, Tensor]:
        """Return the weighted terms and their sum, of each layer's losses and the smoothness."""
        weights, none = self._weights(), torch.zeros_like(variation)
        content, style = (weighted(values[kind], weights[kind], none) for kind in weights)
        terms = {
            "content": settings.content_weight * content,
            "style": settings.style_weight * style,
            "variation": settings.tv_weight * variation,
        }
        terms["total"] = torch.stack(list(terms.values())).sum()
        return terms

    def gradient(
        self, settings: StyleTransfer, iteration: int, noted: dict[str, float], picture: Tensor
    ) -> Tensor:
        """Return the gradient of the total; the terms go into `noted`. Raises `Diverged`."""
        return self._room.used(partial(self._gradient, settings, iteration, noted, picture))

    def _gradient(
        self, settings: StyleTransfer, iteration: int, noted: dict[str, float], picture: Tensor
    ) -> Tensor:
        tiled = self._tiled(self._counted(), self._size)
        if tiled is None:
            losses = partial(self.losses, settings=settings)
            return gradient_of_total(losses, picture, iteration, noted)
        factors = {"content": settings.content_weight, "style": settings.style_weight}
        losses_of: dict[str, list[tuple[str, float, Loss]]] = {}
        for kind, layers in self._weights().items():
            total = sum(map(abs, layers.values())) or 1.0
            for name, weight in layers.items():
                if weight:
                    loss = self.losses_by_kind[kind][name]
                    each = losses_of.setdefault(name, [])
                    each.append((kind, factors[kind] * weight / total, loss))
        plain = {name: [(f, loss) for _, f, loss in each] for name, each in losses_of.items()}
        found, variation, gradient = tiled.gradient(picture, plain, settings.tv_weight)
        values: dict[str, dict[str, Tensor]] = {kind: {} for kind in factors}
        for name, numbers in found.items():
            for (kind, _, _), number in zip(losses_of[name], numbers, strict=True):
                values[kind][name] = number
        note_terms(self._terms(values, variation, settings), gradient, iteration, noted)
        return gradient


def _content_loss(target: Tensor, scaling: str, coverage: Coverage | None = None) -> Loss:
    loss = ContentLoss(target, normalised=scaling == "gradient", coverage=coverage)
    size = 1.0
    if scaling == "relative":
        size = float(loss.target.float().square().mean().clamp_min(1e-12))
    return SummedDifference(loss, size)


def style_layers(settings: StyleTransfer, network: Network) -> dict[str, float]:
    """Return the style layers with weights: the settings' own, or the network's with usual ones."""
    if settings.style_layers is not None:
        return each_once(network, settings.style_layers, mention(settings, "style_layers"))
    return usual_weights(list(network.card.style_layers), settings.style_statistic)


def content_layers(settings: StyleTransfer, network: Network) -> dict[str, float]:
    """Return the content layers with weights, shifted towards a deeper one by `content_blend`."""
    layers = settings.content_layers
    layers = network.card.content_layers if layers is None else layers
    layers = each_once(network, layers, mention(settings, "content_layers"))
    blend = settings.content_blend
    if not blend or not layers:
        return layers
    deeper = deeper_counterpart(network, list(layers)[-1])
    blended = {name: weight * (1 - blend) for name, weight in layers.items()}
    blended[deeper] = blended.get(deeper, 0.0) + blend * sum(layers.values())
    return {name: weight for name, weight in blended.items() if weight}


def deeper_counterpart(network: Network, name: str) -> str:
    """Return relu5_2 for relu4_2: the layer of the same kind and place after the next reduction."""
    calls = list(network.calls().values())
    here = network.resolve(name)
    at = next(i for i, c in enumerate(calls) if c.name == here)
    kind, height = calls[at].kind, calls[at].shape[2]
    same = [c for c in calls if c.kind == kind and len(c.shape) == 4]
    place = [c.name for c in same if c.shape[2] == height].index(here)
    after = [c for c in same if c.shape[2] < height]
    if not after:
        return name
    block = [c for c in after if c.shape[2] == after[0].shape[2]]
    return block[min(place, len(block) - 1)].name


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
