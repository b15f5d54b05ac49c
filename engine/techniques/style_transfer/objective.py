"""The losses of a style transfer at one scale, and their gradient."""

from collections.abc import Iterable, Sequence
from functools import partial

import torch
from torch import Tensor

from engine.networks.network import Network
from engine.networks.parts import Rewiring
from engine.networks.tapping import Visit
from engine.objectives.content import ContentLoss
from engine.objectives.coverage import Coverage
from engine.objectives.priors import smoothness
from engine.objectives.style import Statistics
from engine.objectives.summed import SummedDifference
from engine.objectives.tiled import Tiled
from engine.settings import mention
from engine.techniques.layer_weights import each_once
from engine.techniques.style_matching import (
    Loss,
    gradient_of_total,
    note_terms,
    style_loss,
    summed,
    weighted,
)
from engine.techniques.style_settings import usual_weights
from engine.techniques.style_transfer.regions import Part
from engine.techniques.style_transfer.settings import StyleTransfer
from engine.techniques.tiling import Room

Painting = tuple[Tensor, Coverage | None]
"""A style (1, 3, h, w), and how visible its places are if it is not opaque."""


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
