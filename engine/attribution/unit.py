"""A unit inside a network, explained as if it were a class: Zeiler and Fergus's features.

Zeiler, Fergus 2014, "Visualizing and Understanding Convolutional Networks", and Springenberg et
al. 2015, "Striving for Simplicity", start at one unit of a layer, the strongest of its channel.
"""

import operator
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from engine.attribution.taps import called, place_of, tapped
from engine.attribution.unit_name import UnitName


@dataclass(frozen=True)
class Unit:
    """One unit of a layer, as the target of an attribution in place of a class."""

    layer: str
    """Dotted module name. If a module is called several times, the last call counts; `name#1` is
    its first call, `name#2` its second."""
    channel: int
    """One of the C channels of maps (N, C, h, w) or vectors (N, C), or along the last dimension of
    tokens (N, T, C)."""
    position: tuple[int, int] | None = None
    """Row and column in maps. None: where the channel is highest in each picture (the first such
    place). Vectors and tokens take only None (for tokens, it is the token)."""

    @classmethod
    def named(cls, name: UnitName) -> "Unit":
        """Return the unit that a name means."""
        return cls(name.layer, name.channel, name.position)

    @property
    def name(self) -> UnitName:
        """What people call it."""
        return UnitName(self.layer, self.channel, self.position)


@dataclass(frozen=True, eq=False)
class Located:
    """A unit whose place in each picture is fixed, so that changed pictures are measured there too."""

    unit: Unit
    """The unit; its layer includes the number of a call."""
    places: Tensor
    """(N,) int64: position in the flattened map, or token."""

    def of(self, pictures: Tensor) -> "Located":
        """Return the same for some of the pictures, by their numbers."""
        return replace(self, places=self.places[pictures.to(self.places.device)])


class _UnitReached(Exception):
    """Raised in the unit's layer: nothing deeper is needed."""


def unit_values(
    run: Callable[[], object], model: nn.Module, unit: Unit | Located, x: Tensor
) -> tuple[Tensor, Located]:
    """Return the unit's activation (N,) in each of the pictures `x`, with its graph, and its places.

    `run` runs `model` on them. Without gradients, and if the number of the layer's call is known,
    it goes only as deep as the layer.

    Raises:
        ValueError: no such layer, channel or position, or the layer gives nothing that has units.
    """
    asked = unit.unit if isinstance(unit, Located) else unit
    name, call = place_of(model, asked.layer)
    channel = _whole("channel", asked.channel)
    seen = _LayerOutput()

    def keep(output: object) -> None:
        seen.take(output, channel)
        if call and not torch.is_grad_enabled():
            raise _UnitReached

    with tapped(model, name, call, x, keep) as calls, suppress(_UnitReached):
        run()
    called(calls, asked.layer, call)
    values = seen.checked(asked.layer, channel, len(x))
    if isinstance(unit, Located):
        found = unit
    else:
        numbered = replace(asked, layer=f"{name}#{call or calls.count}")
        found = Located(numbered, _places(values, asked))
    return values.flatten(1).gather(1, found.places[:, None])[:, 0], found


class _LayerOutput:
    """What was seen of the layer's last relevant call."""

    def __init__(self) -> None:
        self.kind, self.shape = "", tuple[int, ...]()
        self.values: Tensor | None = None

    def take(self, output: object, channel: int) -> None:
        """Keep the channel as it is now: later layers may overwrite it (an in-place ReLU)."""
        self.kind, self.shape, self.values = type(output).__name__, (), None
        if not isinstance(output, Tensor):
            return
        self.shape = tuple(output.shape)
        if output.dim() in (2, 3, 4) and channel < self.channels:
            self.values = output.select(2 if output.dim() == 3 else 1, channel).clone()

    @property
    def channels(self) -> int:
        return self.shape[2 if len(self.shape) == 3 else 1]

    def checked(self, layer: str, channel: int, n: int) -> Tensor:
        """Return the channel, (N, h, w), (N, T) or (N, 1).

        Raises `ValueError`, saying why, if there is none.
        """
        if not self.shape:
            raise ValueError(
                f"layer {layer!r} returns a {self.kind}, not one tensor; "
                "choose a layer inside it or before it"
            )
        if len(self.shape) not in (2, 3, 4) or self.shape[0] != n:
            raise ValueError(
                f"layer {layer!r} gives a tensor {self.shape}, not maps, tokens or vectors of the "
                f"{n} pictures; choose a layer before it"
            )
        if self.values is None:
            raise ValueError(
                f"layer {layer!r} has no channel {channel}: its channels are 0 to {self.channels - 1}"
            )
        return self.values[:, None] if len(self.shape) == 2 else self.values


def _places(values: Tensor, unit: Unit) -> Tensor:
    """Return where the unit is in each picture, in the flattened channel."""
    if unit.position is None:
        return values.detach().flatten(1).argmax(1)
    if values.dim() < 3:
        kind = "vectors" if values.shape[1] == 1 else "tokens"
        raise ValueError(
            f"layer {unit.layer!r} gives {kind}, which have no rows and columns; "
            "leave the unit's position out"
        )
    height, width = values.shape[1:]
    if not isinstance(unit.position, Sequence) or len(unit.position) != 2:
        raise ValueError(f"a unit's position is (row, column), not {unit.position!r}")
    row, column = (_whole("position", number) for number in unit.position)
    if row >= height or column >= width:
        raise ValueError(
            f"layer {unit.layer!r} has no unit at {(row, column)}: its rows are 0 to {height - 1}, "
            f"its columns 0 to {width - 1}"
        )
    return torch.full((len(values),), row * width + column, device=values.device)


def _whole(name: str, value: object) -> int:
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        number = -1
    if number < 0:
        raise ValueError(f"a unit's {name} counts from 0 in whole numbers, not {value!r}")
    return number
