"""The steps of a feature inversion: one picture per layer and repeat, laid out as a sheet."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from engine.errors import BadInput, Mention
from engine.figure import Tile, contact_sheet
from engine.figure import rows as composed
from engine.finite import finite
from engine.image import Picture
from engine.networks.network import Network
from engine.networks.parts import Rewiring
from engine.objectives.content import ContentLoss
from engine.objectives.coverage import Coverage
from engine.objectives.priors import alpha_norm, total_variation
from engine.objectives.summed import SummedDifference
from engine.objectives.tiled import Tiled
from engine.optimization.adam import Adam
from engine.parameterization.scales import fit, resize_picture
from engine.parameterization.sheet import sheet, sheet_size, tiles_of
from engine.run_state import RunState
from engine.settings import mention
from engine.task import Frame, Labels, Stage, Steps, Task, square_labels
from engine.techniques.feature_inversion.settings import FeatureInversion
from engine.techniques.tiling import Room

GRAY = 0.5
CONTRAST = 0.27
"""Standard deviation of a usual photo's colours (the paper's, 27098 / sqrt(227 * 227 * 3) / 255): the
unit of the priors, so that their weights are the paper's own and mean the same at any size."""
UNIT_FIELD = 60.0
"""Receptive field in pixels at which the total variation has weight 1. In the paper, weights of 1,
10 and 100 serve AlexNet's layers up to conv2 (51 pixels), conv4 and above. By eye and by error on
VGG-like networks, proportional to the field is better: it spares the detail that low layers do
keep."""
WHOLE_PICTURE = 10.0
"""The same weight for layers that see the whole picture, as classifiers do."""
RANGE = 0.018
"""Weight of the alpha-norm, 8e-10 in the paper's units (0 to 255), times their contrast ^4."""
BETAS = (0.9, 0.99)


@dataclass(frozen=True)
class _InversionPlan:
    """Which layers, how often, and how the pictures lie on the sheet."""

    layers: list[str]
    repeats: int
    columns: int | None
    tile: tuple[int, int]
    """Height and width of one picture."""
    size: tuple[int, int]
    """Height and width of the sheet."""


def layer_names(settings: FeatureInversion, network: Network) -> list[str]:
    """Return the layers to invert, in order. Raises `BadInput` for unknown ones."""
    text = settings.layer.strip()
    card = network.card
    if not text:
        names = list(card.content_layers or card.layers)[:1]
    elif text == "all":
        names = list(card.layers)
    else:
        names = [name.strip() for name in text.split(",") if name.strip()]
    if not names:
        raise BadInput(
            f"{card.name} suggests no layer to invert; give ", mention(settings, "layer")
        )
    for name in names:
        network.resolve(name)
    return list(dict.fromkeys(names))


def _content(task: Task[FeatureInversion]) -> Picture:
    if task.content is None:
        raise BadInput("feature inversion needs a photo whose features are inverted")
    return task.content


def _plan(task: Task[FeatureInversion]) -> _InversionPlan:
    """Make the pictures as large as a sheet with a long side of the task's size allows."""
    settings, content = task.technique, _content(task)
    names = layer_names(settings, task.network)
    count = len(names) * settings.repeats
    columns = settings.repeats if len(names) > 1 and settings.repeats > 1 else None
    for side in range(task.size, 0, -1):
        tile = fit((content.height, content.width), side)
        size = sheet_size(count, tile, columns)
        if max(size) <= task.size:
            return _InversionPlan(names, settings.repeats, columns, tile, size)
    raise BadInput(
        Mention("size", value=str(task.size)), f" is too small for a sheet of {count} pictures"
    )


def _photo(task: Task[FeatureInversion], plan: _InversionPlan) -> Tensor:
    """Return the photo as large as one of the pictures, (1, 3, H, W)."""
    return resize_picture(_content(task).tensor()[None], plan.tile)


def depth_weight(network: Network, layer: str) -> float:
    """Return how much prior a layer needs: the more a unit sees, the less its features pin down."""
    field = network.calls()[network.resolve(layer)].receptive_field
    return WHOLE_PICTURE if field is None else min(field / UNIT_FIELD, WHOLE_PICTURE)


class _Inversion:
    """The objective of one layer."""

    def __init__(
        self,
        network: Network,
        layer: str,
        photo: Tensor,
        coverage: Coverage | None,
        room: Room | None = None,
    ) -> None:
        self.network, self.layer = network, layer
        self.depth = depth_weight(network, layer)
        self._room, self._shape = room or Room(None), (photo.shape[-2], photo.shape[-1])
        tiled = self._tiled()
        with torch.no_grad():
            looked = network.taps(photo, [layer]) if tiled is None else tiled.maps(photo, [layer])
            target = looked.pop(layer)
        # the mean square: divided by it, a mean squared error is the paper's relative error
        self.loss = ContentLoss(target, coverage=coverage)
        self.size = float(self.loss.target.float().square().mean())
        if not self.size > 0:
            raise BadInput(f"all features of {layer} are zero on this photo; take another layer")

    def _tiled(self) -> Tiled | None:
        """Return the network in tiles, if the pictures need them."""
        return self._room.tiled(self.network, [self.layer], self._shape, Rewiring())

    def terms(self, picture: Tensor, settings: FeatureInversion) -> dict[str, Tensor]:
        """Return the weighted terms for a picture (1, 3, H, W)."""
        features = self.network.taps(picture, [self.layer])[self.layer]
        return {"features": self.loss(features) / self.size, **self._priors(picture, settings)}

    def _priors(self, picture: Tensor, settings: FeatureInversion) -> dict[str, Tensor]:
        deviation = (picture - GRAY) / CONTRAST
        smooth, narrow = settings.smoothness, settings.range_weight
        smooth = self.depth if smooth is None else smooth
        narrow = RANGE * min(self.depth, 1.0) if narrow is None else narrow
        half = 0.5 / picture.numel()
        return {
            "range": narrow * half * alpha_norm(deviation, settings.alpha),
            "variation": smooth * half * total_variation(deviation, settings.beta),
        }

    def gradient(
        self, picture: Tensor, settings: FeatureInversion
    ) -> tuple[dict[str, Tensor], Tensor]:
        """Return the terms and the gradient of their sum."""
        return self._room.used(partial(self._gradient, picture, settings))

    def _gradient(
        self, picture: Tensor, settings: FeatureInversion
    ) -> tuple[dict[str, Tensor], Tensor]:
        tiled = self._tiled()
        with torch.enable_grad():
            x = picture.detach().requires_grad_(True)
            terms = self.terms(x, settings) if tiled is None else self._priors(x, settings)
            (gradient,) = torch.autograd.grad(torch.stack(list(terms.values())).sum(), x)
        found = {name: term.detach() for name, term in terms.items()}
        if tiled is not None:
            loss = SummedDifference(self.loss, self.size)
            values, _, of_features = tiled.gradient(picture, {self.layer: [(1.0, loss)]})
            found = {"features": values[self.layer][0].detach(), **found}
            gradient += of_features
        return found, gradient


def _frames(task: Task[FeatureInversion]) -> Iterator[Frame]:
    """Yield a frame per iteration; all pictures of the sheet move together."""
    run = RunState(task, task.technique.iterations)
    first = run.first
    plan = _plan(task)
    photo = _photo(task, plan).to(task.device)
    coverage = Coverage.of(_content(task))
    room = Room.of(task, plan.size)
    inversions = [_Inversion(task.network, layer, photo, coverage, room) for layer in plan.layers]
    tiles = [inversion for inversion in inversions for _ in range(plan.repeats)]
    starts = [_start(task, first.noise, plan.tile) for _ in tiles]
    optimizers = [Adam(picture, first.learning_rate, BETAS) for picture in starts]
    run.keep(optimizers=optimizers, room=room)
    pictures = [optimizer.variable for optimizer in optimizers]
    label = f"{plan.tile[1]} x {plan.tile[0]}"
    for done in run.steps():
        settings = task.technique
        results = [i.gradient(x, settings) for i, x in zip(tiles, pictures, strict=True)]
        losses = _losses(plan, results, done)
        with torch.no_grad():
            for optimizer, picture, (_, gradient) in zip(
                optimizers, pictures, results, strict=True
            ):
                left = 1 - (done - 1) / first.iterations
                optimizer.learning_rate = settings.learning_rate * left
                optimizer.step(lambda _, found=gradient: found)  # type: ignore[misc]
                picture.clamp_(0, 1)
        yield run.frame(losses, label, partial(_render, pictures, plan.columns))


def _start(task: Task[FeatureInversion], contrast: float, size: tuple[int, int]) -> Tensor:
    return (GRAY + contrast * task.noise(1, 3, *size)).clamp_(0, 1)


def _losses(
    plan: _InversionPlan, results: list[tuple[dict[str, Tensor], Tensor]], iteration: int
) -> dict[str, float]:
    """Return the losses' means over the sheet and, for several layers, each one's error too."""
    # all at once: on a GPU every fetch waits for the card
    rows = torch.stack(
        [torch.stack([t.float() for t in [*terms.values(), g.abs().sum()]]) for terms, g in results]
    )
    features, narrow, smooth, gradient = rows.mean(0).tolist()
    losses = {"features": features, "range": narrow, "variation": smooth}
    losses["total"] = sum(losses.values())
    finite({**losses, "gradient": gradient}, iteration)
    if len(plan.layers) > 1:
        errors = rows[:, 0].view(len(plan.layers), plan.repeats).mean(1).tolist()
        losses.update(zip(plan.layers, errors, strict=True))
    return losses


def _render(pictures: list[Tensor], columns: int | None) -> Tensor:
    return sheet(torch.cat(pictures), columns).float().cpu()


def lines(task: Task[FeatureInversion], picture: Tensor) -> list[tuple[str, list[Tile]]]:
    """Return the photo, then each layer with its inversions, cut out of the sheet `picture`."""
    plan = _plan(task)
    photo = _photo(task, plan)[0]
    found = [("photo", [Tile(photo, "photo" if plan.repeats == 1 else "")])]
    pictures = tiles_of(picture, len(plan.layers) * plan.repeats, plan.columns)
    for layer, made in zip(plan.layers, pictures.split(plan.repeats), strict=True):
        name = f"{layer}\n" if plan.repeats == 1 else ""
        found.append((layer, [Tile(p, f"{name}{psnr(p, photo):.1f} dB") for p in made]))
    return found


def psnr(picture: Tensor, truth: Tensor) -> float:
    """Return the peak signal-to-noise ratio of a picture in [0, 1] in decibels."""
    error = float((picture.double() - truth.double()).square().mean())
    return -10 * math.log10(error) if error else math.inf


class FeatureInversionSteps(Steps[FeatureInversion]):
    """Feature inversion: a picture per layer and repeat, at a single scale."""

    def stages(self, task: Task[FeatureInversion]) -> list[Stage]:
        """Return the only stage."""
        return [Stage(_plan(task).size, task.technique.iterations)]

    def frames(self, task: Task[FeatureInversion]) -> Iterator[Frame]:
        """Yield a frame per iteration. Needs a content picture."""
        return _frames(task)

    def labels(self, task: Task[FeatureInversion]) -> Labels:
        """Return the layer of each picture on the sheet."""
        plan = _plan(task)
        texts = [name for name in plan.layers for _ in range(plan.repeats)]
        return square_labels(texts) if plan.columns is None else Labels(tuple(texts), plan.columns)

    def figure(self, task: Task[FeatureInversion], picture: Tensor) -> Picture:
        """Return photo and sheet as a figure with layers and PSNR."""
        found = lines(task, picture)
        if task.technique.repeats > 1:
            return composed(found)
        return contact_sheet([tile for _, tiles in found for tile in tiles])
