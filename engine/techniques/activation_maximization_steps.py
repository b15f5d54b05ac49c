"""What activation maximization makes large: a layer, channels of it, or neurons at a position."""

from collections.abc import Iterator
from typing import cast

from torch import Tensor

from engine.errors import BadInput
from engine.figure import Tile
from engine.networks.network import Network
from engine.objectives.activation import channel_mean, diversity, layer_energy, neuron
from engine.parameterization.sheet import tiles_of
from engine.task import Frame, Stage, Task
from engine.techniques import ascent_steps
from engine.techniques.activation_maximization import ActivationMaximization


def parse_numbers(text: str, option: str, example: str) -> list[int]:
    """Return the numbers of "3, 5". Raises `BadInput`."""
    try:
        return [int(part) for part in text.replace(",", " ").split()]
    except ValueError:
        raise BadInput(f"{option} is {text!r}; it takes numbers such as {example}") from None


def shape_of(network: Network, layer: str) -> tuple[int, ...]:
    """Return the shape of a layer with channels. Raises `BadInput` for others."""
    shape = network.calls()[network.resolve(layer)].shape
    if len(shape) not in (2, 4):
        raise BadInput(f"layer {layer} has no channels to maximize; take a convolutional one")
    return shape


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
        self.position = self._position(position, shape, bool(chosen))
        self.whole = self.position is not None
        self.channels = [c for c in chosen for _ in range(copies)]
        self.count = len(self.channels) or copies

    def _position(
        self, text: str, shape: tuple[int, ...], one_channel: bool
    ) -> tuple[int, int] | None:
        if not text.strip():
            return None
        if not one_channel:
            raise BadInput("--position is that of one neuron; give its --channel too")
        if len(shape) != 4:
            raise BadInput(f"layer {self.layer} has no positions; leave --position empty")
        height, width = shape[2:]
        if text.strip().lower() in ("center", "centre"):
            return height // 2, width // 2
        found = parse_numbers(text, "--position", "3,5")
        if len(found) != 2 or not (0 <= found[0] < height and 0 <= found[1] < width):
            raise BadInput(
                f"--position is {text!r}; layer {self.layer} has rows 0 to {height - 1} and columns "
                f"0 to {width - 1}, such as {height // 2},{width // 2}"
            )
        return found[0], found[1]

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


def _units(task: Task, settings: ActivationMaximization) -> Units:
    """Return what the settings ask for; an empty layer is the deepest suggested."""
    card = task.network.card
    suggested = [*card.dream_layers] or [*card.layers]
    layer = settings.layer.strip() or (suggested[-1] if suggested else "")
    if not layer:
        raise BadInput(f"{card.name} suggests no layer; give --layer")
    chosen = parse_numbers(settings.channel, "--channel", "3,5")
    return Units(task.network, layer, chosen, settings.position, settings.copies)


def stages(settings: ActivationMaximization, task: Task) -> list[Stage]:
    """Return the one stage of the run."""
    return ascent_steps.stages(settings, _units(task, settings).count, task)


def frames(task: Task) -> Iterator[Frame]:
    """Yield a frame per iteration."""
    yield from ascent_steps.frames(task, _units(task, cast(ActivationMaximization, task.technique)))


def tiles(task: Task, picture: Tensor) -> list[Tile]:
    """Return the pictures of the sheet `picture` with layer, channel and position."""
    units = _units(task, cast(ActivationMaximization, task.technique))
    where = "" if units.position is None else "\nat " + ", ".join(map(str, units.position))
    names = [f"{units.layer}\nchannel {c}{where}" for c in units.channels]
    names = names or [units.layer] * units.count
    pictures = tiles_of(picture, units.count, gap=ascent_steps.GAP)
    return [Tile(p, name) for p, name in zip(pictures, names, strict=True)]
