"""What activation maximization maximizes: a layer, its channels or a direction, or one position."""

from collections.abc import Iterator
from functools import cached_property

import torch
from torch import Tensor

from engine.errors import BadInput, Mention
from engine.figure import Tile, contact_sheet
from engine.image import Picture
from engine.networks.network import Network
from engine.networks.square import middle
from engine.objectives.activation import (
    channel_mean,
    direction,
    diversity,
    layer_energy,
    neuron,
)
from engine.objectives.coverage import Coverage
from engine.parameterization.sheet import tiles_of
from engine.settings import mention
from engine.task import Frame, Labels, Stage, Steps, Task, square_labels
from engine.techniques.activation_maximization.settings import (
    ActivationMaximization,
    suggested_layer,
)
from engine.techniques.ascent import steps as ascent_steps
from engine.techniques.ascent.start_steps import first_pictures
from engine.techniques.dead_units import silence

POSITION = mention(ActivationMaximization, "position")
CHANNEL = mention(ActivationMaximization, "channel")


def parse_numbers(text: str, setting: Mention, example: str) -> list[int]:
    """Return the numbers of "3, 5". Raises `BadInput`."""
    try:
        return [int(part) for part in text.replace(",", " ").split()]
    except ValueError:
        raise BadInput(setting, f" is {text!r}; use numbers such as {example}") from None


def shape_of(network: Network, layer: str) -> tuple[int, ...]:
    """Return the shape of a layer with channels. Raises `BadInput` for others."""
    shape = network.calls()[network.resolve(layer)].shape
    if len(shape) not in (2, 4):
        raise BadInput(f"layer {layer} has no channels to maximize; take a convolutional one")
    return shape


def parse_position(text: str, layer: str, shape: tuple[int, ...]) -> tuple[int, int] | None:
    """Return row and column of "y,x" or "center" in a layer's map; None if empty. Raises `BadInput`."""
    if not text.strip():
        return None
    if len(shape) != 4:
        raise BadInput(f"layer {layer} has no positions; leave ", POSITION, " empty")
    height, width = shape[2:]
    if text.strip().lower() in ("center", "centre"):
        return height // 2, width // 2
    found = parse_numbers(text, POSITION, "3,5")
    if len(found) != 2 or not (0 <= found[0] < height and 0 <= found[1] < width):
        raise BadInput(
            POSITION,
            f" is {text!r}; layer {layer} has rows 0 to {height - 1} and columns "
            f"0 to {width - 1}, such as {height // 2},{width // 2}",
        )
    return found[0], found[1]


class Units:
    """The activation of each picture's channel; copies of a channel follow one another."""

    name = "activation"

    def __init__(
        self, network: Network, layer: str, chosen: list[int], position: str = "", copies: int = 1
    ) -> None:
        """Ask for the channels `chosen` of `layer` (none: the whole layer) at `position` (y,x)."""
        self.network, self.layer, self.copies = network, layer, copies
        shape = shape_of(network, layer)
        for channel in chosen:
            if not 0 <= channel < shape[1]:
                raise BadInput(f"layer {layer} has channels 0 to {shape[1] - 1}, not {channel}")
        if position.strip() and not chosen:
            raise BadInput(
                POSITION, " is that of one neuron; give its ", CHANNEL, " too, or a guide picture"
            )
        self.position = parse_position(position, layer, shape)
        self.whole = self.position is not None
        self.channels = [c for c in chosen for _ in range(copies)]
        self.count = len(self.channels) or copies

    def __call__(self, view: Tensor, diverse: bool) -> tuple[Tensor, Tensor | None]:
        """Return the pictures' activations, and how alike copies are if `diverse` asks for it."""
        features = self.network.taps(view, [self.layer])[self.layer]
        if self.position is not None:
            values = neuron(features, self.channels, self.position)
        elif self.channels:
            values = channel_mean(features, self.channels)
        else:
            values = layer_energy(features)
        if not diverse or self.copies == 1:
            return values, None
        likeness = [diversity(part) for part in features.split(self.copies)]
        return values, sum(likeness[1:], likeness[0])

    def silent(self, pictures: list[int]) -> list[int] | None:
        """Return the channels none of whose pictures excited them; None: some picture of a layer did."""
        if not self.channels:
            return [] if len(pictures) == self.count else None
        answering = {c for i, c in enumerate(self.channels) if i not in set(pictures)}
        return [c for c in dict.fromkeys(self.channels) if c not in answering] or None

    def silence(self, pictures: list[int]) -> str:
        """Return a sentence about the channels whose pictures are `pictures`."""
        silent = self.silent(pictures)
        return "" if silent is None else silence({self.layer: silent}, ascent_steps.REMEDY)


class Towards:
    """How far each picture's activations go in the direction of a guide picture's."""

    name = "direction"
    channels: tuple[int, ...] = ()

    def __init__(
        self, network: Network, layer: str, guide: Picture, position: str, power: float, copies: int
    ) -> None:
        """Ask for what `layer` sees in the middle square of `guide`, on average or at one position.

        `power` is that of `engine.objectives.activation.direction`.
        """
        self.network, self.layer, self.guide, self.power = network, layer, guide, power
        self.position = parse_position(position, layer, shape_of(network, layer))
        self.whole = self.position is not None
        self.copies = self.count = copies

    @cached_property
    def vector(self) -> Tensor:
        """The direction (C,), of length 1. Raises `BadInput` if the layer sees nothing."""
        with torch.no_grad():
            square = middle(self.guide).resized(size=(self.network.card.input_size,) * 2)
            taps = self.network.taps(square.tensor()[None], [self.layer])
            here = self._here(taps[self.layer].float())
            seen = Coverage.of(square)
            if seen is not None and here.dim() == 4:
                mean = seen.mean(here)[0]
            else:
                mean = here.flatten(2).mean((0, 2)) if here.dim() > 2 else here.mean(0)
        if not mean.any():
            raise BadInput(
                f"layer {self.layer} sees nothing in the guide picture there; another layer, "
                "position or picture would do"
            )
        return mean / torch.linalg.vector_norm(mean)

    def _here(self, features: Tensor) -> Tensor:
        if self.position is None:
            return features
        y, x = self.position
        return features[:, :, y, x]

    def __call__(self, view: Tensor, diverse: bool) -> tuple[Tensor, Tensor | None]:
        """Return each picture's value, and how alike they are if `diverse` asks for it."""
        vector = self.vector
        features = self.network.taps(view, [self.layer])[self.layer]
        values = direction(self._here(features), vector, self.power)
        return values, diversity(features) if diverse and self.copies > 1 else None

    def silence(self, pictures: list[int]) -> str:
        """Return a sentence about the layer, if no copy of its picture excited it."""
        return silence({self.layer: []}, ascent_steps.REMEDY) if len(pictures) == self.count else ""


def _units(task: Task[ActivationMaximization]) -> Units | Towards:
    """Return what the settings ask for; an empty layer is the deepest suggested."""
    settings = task.technique
    layer = settings.layer.strip() or suggested_layer(task.network)
    if not layer:
        raise BadInput(
            f"{task.network.card.name} suggests no layer; give ", mention(settings, "layer")
        )
    chosen = parse_numbers(settings.channel, CHANNEL, "3,5")
    if task.guide is not None:
        if chosen:
            raise BadInput(
                "a guide picture gives a direction among all channels: leave ",
                CHANNEL,
                " empty, or take the guide away",
            )
        return Towards(
            task.network, layer, task.guide, settings.position, settings.cosine_power,
            settings.copies,
        )  # fmt: skip
    return Units(task.network, layer, chosen, settings.position, settings.copies)


def names(task: Task[ActivationMaximization]) -> list[str]:
    """Return layer, channel and position of each picture, in lines."""
    units = _units(task)
    where = "" if units.position is None else "\nat " + ", ".join(map(str, units.position))
    found = [f"{units.layer}\nchannel {c}{where}" for c in units.channels]
    if isinstance(units, Towards):
        path = units.guide.path
        found = [
            f"{units.layer}\ntowards {path.name if path else 'the guide'}{where}"
        ] * units.count
    return found or [units.layer] * units.count


def tiles(task: Task[ActivationMaximization], picture: Tensor) -> list[Tile]:
    """Return the pictures of the sheet `picture` with layer, channel and position."""
    named = names(task)
    pictures = tiles_of(picture, len(named), gap=ascent_steps.GAP)
    return [Tile(p, name) for p, name in zip(pictures, named, strict=True)]


class ActivationMaximizationSteps(Steps[ActivationMaximization]):
    """Activation maximization: a sheet of a picture per channel and copy."""

    def stages(self, task: Task[ActivationMaximization]) -> list[Stage]:
        """Return the one stage of the run."""
        return ascent_steps.stages(task, _units(task).count)

    def frames(self, task: Task[ActivationMaximization]) -> Iterator[Frame]:
        """Yield a frame per iteration."""
        units = _units(task)
        side = ascent_steps.side_of(units.count, task)
        yield from ascent_steps.frames(task, units, first_pictures(task, units.count, side))

    def labels(self, task: Task[ActivationMaximization]) -> Labels:
        """Return layer, channel and position of each picture."""
        return square_labels(names(task))

    def figure(self, task: Task[ActivationMaximization], picture: Tensor) -> Picture:
        """Return the sheet as a figure with layers and channels."""
        return contact_sheet(tiles(task, picture))
