"""What activation maximization makes large: a layer, channels of it, or neurons at a position."""

from collections.abc import Iterator
from typing import cast

from torch import Tensor

from engine.errors import BadInput
from engine.networks.network import Network
from engine.objectives.activation import channel_mean, diversity, layer_energy, neuron
from engine.task import Frame, Stage, Task
from engine.techniques import ascent_steps
from engine.techniques.activation_maximization import ActivationMaximization


def parse_numbers(text: str, option: str, example: str) -> list[int]:
    """Return the numbers of "3, 5". Raises `BadInput`."""
    try:
        return [int(part) for part in text.replace(",", " ").split()]
    except ValueError:
        raise BadInput(f"{option} is {text!r}; it takes numbers such as {example}") from None


class _Unit:
    """The activation of each picture's channel; copies of a channel follow one another."""

    name = "activation"

    def __init__(self, network: Network, settings: ActivationMaximization) -> None:
        self.network = network
        self.layer = settings.layer.strip() or self._default_layer()
        side = network.card.input_size
        shape = network.calls((side, side))[network.resolve(self.layer)].shape
        if len(shape) not in (2, 4):
            raise BadInput(
                f"layer {self.layer} has no channels to maximize; take a convolutional one"
            )
        chosen = parse_numbers(settings.channel, "--channel", "3,5")
        for channel in chosen:
            if not 0 <= channel < shape[1]:
                raise BadInput(
                    f"layer {self.layer} has channels 0 to {shape[1] - 1}, not {channel}"
                )
        self.position = self._position(settings.position, shape, bool(chosen))
        self.whole = self.position is not None
        self.channels = [c for c in chosen for _ in range(settings.copies)]
        self.copies = settings.copies
        self.count = len(self.channels) or self.copies

    def _default_layer(self) -> str:
        card = self.network.card
        suggested = [*card.dream_layers] or [*card.layers]
        if not suggested:
            raise BadInput(f"{card.name} suggests no layer; give --layer")
        return suggested[-1]

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


def stages(settings: ActivationMaximization, task: Task) -> list[Stage]:
    """Return the one stage of the run."""
    return ascent_steps.stages(settings, _Unit(task.network, settings).count, task)


def frames(task: Task) -> Iterator[Frame]:
    """Yield a frame per iteration."""
    goal = _Unit(task.network, cast(ActivationMaximization, task.technique))
    yield from ascent_steps.frames(task, goal)
