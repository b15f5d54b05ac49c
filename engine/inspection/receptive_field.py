"""Which pixels one unit of a layer sees, and where: windows with their place.

Araujo, Norris, Sim 2019, "Computing Receptive Fields of Convolutional Neural Networks": a window of
k (dilated) pixels at stride s with p pixels of padding grows the field by (k - 1) * jump and moves
its beginning by -p * jump, then jump *= s.
"""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakTensorKeyDictionary

from engine.errors import BadInput
from engine.networks.call_hooks import tensors_in, watching
from engine.networks.network import Network
from engine.networks.reach import joins_positions, pair
from engine.networks.tracing import POOLS, stand_ins, without_memory

Box = tuple[int, int, int, int]
"""Top, left, bottom, right in pixels; bottom and right are exclusive."""


@dataclass(frozen=True)
class Axis:
    """What the units along one axis see: unit i sees `size` pixels from start + i * jump."""

    start: int = 0
    size: int = 1
    jump: int = 1
    whole: bool = False
    """Whether every unit sees the whole picture."""

    def through(self, kernel: int, stride: int, padding: int) -> "Axis":
        """Return the field after a window of `kernel` (dilated) units."""
        size = self.size + (kernel - 1) * self.jump
        return Axis(self.start - padding * self.jump, size, self.jump * stride, self.whole)

    def united(self, other: "Axis") -> "Axis":
        """Return an axis whose units see all that those of either see."""
        start = min(self.start, other.start)
        end = max(self.start + self.size, other.start + other.size)
        whole = self.whole or other.whole
        return Axis(start, end - start, max(self.jump, other.jump), whole)

    def span(self, unit: int, length: int) -> tuple[int, int]:
        """Return the first pixel of `unit` and the one beyond its last, within `length` pixels."""
        if self.whole:
            return 0, length
        first = self.start + unit * self.jump
        low = min(max(first, 0), length - 1)
        return low, max(min(first + self.size, length), low + 1)


@dataclass(frozen=True)
class Field:
    """The receptive fields of a layer's units."""

    vertical: Axis = Axis()
    across: Axis = Axis()

    def box(self, unit: tuple[int, int], size: tuple[int, int]) -> Box:
        """Return what the unit at (row, column) sees of a picture of `size` (height, width)."""
        top, bottom = self.vertical.span(unit[0], size[0])
        left, right = self.across.span(unit[1], size[1])
        return top, left, bottom, right


def fields(network: Network, layers: Iterable[str], size: tuple[int, int]) -> dict[str, Field]:
    """Return the receptive fields of `layers`, keyed as asked, for pictures of `size`.

    Raises `BadInput` for unknown layers and for pictures that are too small for one of them.
    """
    wanted = {name: network.resolve(name) for name in layers}
    watched = {dotted.split("#")[0] for dotted in wanted.values()}
    found: dict[str, Field] = {}
    with torch.inference_mode(False), torch.no_grad():
        for module, batch in stand_ins(without_memory(network.module), size, network.channels):
            found = _found(module, batch, watched)
            if found.keys() >= set(wanted.values()):
                break
    for name, dotted in wanted.items():
        if dotted not in found:
            raise BadInput(
                f"{network.card.name} cannot take a picture of {size[1]}x{size[0]} pixels as far "
                f"as {name}; use a larger one"
            )
    return {name: found[dotted] for name, dotted in wanted.items()}


def _found(module: nn.Module, batch: Tensor, watched: set[str]) -> dict[str, Field]:
    """Return the fields of the calls of the modules `watched` that are made for `batch`."""
    mode, found = _Fields(), dict[str, Field]()

    def note(name: str, _module: nn.Module, output: Tensor) -> None:
        found[name] = mode.of(output)

    mode.known[batch] = Field()
    with suppress(Exception), mode, watching(module, watched, note):  # of what comes later
        module(batch)
    return found


class _Fields(TorchFunctionMode):
    """Carries the receptive field of every tensor along while a network runs."""

    def __init__(self) -> None:
        super().__init__()
        self.known = WeakTensorKeyDictionary()

    def of(self, tensor: Tensor) -> Field:
        field: Field = self.known.get(tensor, Field())
        return field

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        tensors = [t for t in tensors_in((args, kwargs)) if t in self.known]
        given = [self.known[t] for t in tensors]
        made = tensors_in(result)
        if not given or not made:
            return result
        field = given[0]
        for other in given[1:]:
            vertical = field.vertical.united(other.vertical)
            field = Field(vertical, field.across.united(other.across))
        if joins_positions(func, tensors):
            field = Field(Axis(whole=True), Axis(whole=True))
        elif (windows := _windows(func, args, kwargs)) is not None:
            field = Field(field.vertical.through(*windows[0]), field.across.through(*windows[1]))
        for tensor in made:
            self.known[tensor] = field
        return result


def _windows(
    func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> list[tuple[int, int, int]] | None:
    """Return (dilated kernel, stride, padding), vertically and across, of a call that has windows."""

    def argument(at: int, name: str, default: Any) -> Any:
        return args[at] if len(args) > at else kwargs.get(name, default)

    if func is torch.conv2d:
        kernel = pair(argument(1, "weight", None).shape[-2:])
        stride, dilation = pair(argument(3, "stride", 1)), pair(argument(5, "dilation", 1))
        padding = argument(4, "padding", 0)
        if isinstance(padding, str):
            same = padding == "same"
            padding = [
                (k - 1) * d // 2 if same else 0 for k, d in zip(kernel, dilation, strict=True)
            ]
    elif func in POOLS or func is F.avg_pool2d:
        kernel = pair(argument(1, "kernel_size", None))
        stride = pair(argument(2, "stride", None) or kernel)
        padding = argument(3, "padding", 0)
        dilation = pair(argument(4, "dilation", 1)) if func in POOLS else (1, 1)
    elif func is F.lp_pool2d:
        kernel = pair(argument(2, "kernel_size", None))
        stride, dilation, padding = pair(argument(3, "stride", None) or kernel), (1, 1), 0
    elif func is F.pad:
        around = [*argument(1, "pad", ()), 0, 0, 0, 0]
        return [(1, 1, around[2]), (1, 1, around[0])]
    else:
        return None
    return [((kernel[i] - 1) * dilation[i] + 1, stride[i], pair(padding)[i]) for i in range(2)]
