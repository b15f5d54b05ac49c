"""What a dream makes larger at one octave, and its gradient."""

from functools import partial

import torch
from torch import Tensor

from engine.errors import BadInput
from engine.image import Picture
from engine.networks.boxes import Place
from engine.networks.parts import Rewiring
from engine.objectives.coverage import Coverage
from engine.objectives.dream import (
    guided_objective,
    mean_activation_objective,
    squares_objective,
)
from engine.objectives.regions import Work
from engine.objectives.summed import Summed
from engine.parameterization.scales import fit, resize_picture
from engine.settings import mention
from engine.task import Task
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


def content_of(task: Task[DeepDream]) -> Picture:
    """Return the photo. Raises `BadInput` if there is none."""
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


class DreamObjective:
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
        covered = Coverage.of(content_of(task))
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
        self, dream: DreamObjective, name: str, settings: DeepDream, coverage: Coverage | None
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
