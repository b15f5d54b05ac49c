"""What a network does to a picture of a given size, found by running a copy of it on no pictures.

With a batch of no pictures, shapes, in-place changes and refusals are real, and nothing is
computed. (A batch of one on the meta device would do the same, but there PyTorch finds shapes in
Python, and imports its compiler and sympy for that: two seconds at every start. It is tried only if
a network refuses: some cannot tell "too small" from "no picture at all".)
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from math import prod
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakTensorKeyDictionary

from engine.networks.call_hooks import tensors_in, unwatched_copy, watching
from engine.networks.layout import Layout
from engine.networks.layouts import RESHAPING, Layouts
from engine.networks.reach import WHOLE, WINDOWS, Reach, joins_positions, window

POOLS = (torch.max_pool2d, F.max_pool2d)
COPYING = {Tensor.contiguous, Tensor.flatten, Tensor.reshape, torch.flatten, torch.reshape}
"""Functions that copy a tensor whose numbers do not lie in order; without numbers PyTorch does
not."""
EACH_ITS_OWN = (RuntimeError, AssertionError, ValueError)
"""What networks raise if a picture is too small or has another size than theirs."""


@dataclass(frozen=True)
class Call:
    """One call of one module: its place, its output, what it sees of the picture."""

    name: str
    """Dotted module name; `#2`, `#3` … for the second, third call of the same module."""
    kind: str
    shape: tuple[int, ...]
    """The output's shape as seen from outside: maps (N, C, H, W), tokens (N, T, C), vectors (N,
    C)."""
    receptive_field: int | None
    """Side of the square of pixels that one unit sees; None if it sees the whole picture."""
    changed_later: bool
    """Whether a later in-place operation overwrites the output (a tap must clone it)."""
    numbers: int
    """How many numbers had been computed from the picture by then, counted as float32."""
    layout: Layout
    """The layout of the output itself."""
    seen_later: bool = True
    """Whether positions are joined again after it. If not, those of a vision transformer's patches
    do not matter to its classes, which depend on another token."""


@dataclass
class _Trace(TorchFunctionMode):
    """Carries the receptive field of every tensor along while a network runs."""

    reach: WeakTensorKeyDictionary = field(default_factory=WeakTensorKeyDictionary)
    rows: WeakTensorKeyDictionary = field(default_factory=WeakTensorKeyDictionary)
    """What stands for a first dimension of 0: pictures times windows, if the network cuts them into
    windows."""
    layouts: Layouts = field(default_factory=Layouts)
    numbers: int = 0
    joints: int = 0
    """How often positions have been joined."""
    flattened: WeakTensorKeyDictionary = field(default_factory=WeakTensorKeyDictionary)
    """Vectors into which several axes were reshaped: a linear layer joins what stood there."""

    def __post_init__(self) -> None:
        super().__init__()

    def of(self, tensor: Tensor) -> Reach | None:
        found: Reach | None = self.reach.get(tensor)
        return found

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if func is torch.conv2d and len(args) > 1 and not args[0].numel():
            args = (args[0], _untouched(args[1]), *args[2:])
        result = func(*args, **kwargs)
        if func in COPYING and not result.numel() and not _contiguous(args[0]):
            result = torch.empty_like(result, memory_format=torch.contiguous_format)
        given = [t for t in tensors_in((args, kwargs)) if self.of(t) is not None]
        if not given:
            return result
        after = Reach()
        for tensor in given:
            after = after.united(self.reach[tensor])
        flattened = given[0] in self.flattened
        if joins_positions(func, given):
            # A linear layer that sees one token of many joins none.
            self.joints += func is not F.linear or flattened
            after = Reach((WHOLE, WHOLE), after.jump)
        elif func in WINDOWS:
            after = after.through(*window(func, args, kwargs))
        known = {t.untyped_storage()._cdata for t in given}
        for tensor in tensors_in(result):
            self.reach[tensor] = after
            merged = tensor.dim() == 2 and tensor.shape[-1:] != given[0].shape[-1:]
            if (merged and func in RESHAPING) or (flattened and func is not F.linear):
                self.flattened[tensor] = True
            self.layouts.follow(func, args, kwargs, given[0], tensor, given[1:])
            count = self._count(func, tensor, given)
            if tensor.untyped_storage()._cdata not in known:
                # Max-pooling also keeps where each maximum was, as an int64.
                self.numbers += count * (3 if func in POOLS else 1)
        return result

    def _count(self, func: Any, tensor: Tensor, given: list[Tensor]) -> int:
        """Return how many numbers `tensor` would have for one picture, and remember its rows."""
        if tensor.numel():
            return tensor.numel()
        rows = max(self.rows.get(t, 1) for t in given)
        inner = _inner(tensor)
        if func in RESHAPING:  # keeps the number of numbers, which for none is always so
            rows, rest = divmod(rows * _inner(given[0]), inner)
            if rest:
                raise RuntimeError(f"the numbers of a picture do not fill {tuple(tensor.shape)}")
        self.rows[tensor] = rows
        return rows * inner

    def shape(self, tensor: Tensor, layout: Layout) -> tuple[int, ...]:
        """Return the shape that `tensor` would have for one picture, as seen from outside."""
        rows = self.rows.get(tensor, 1)
        of_one = [length or rows for length in tensor.shape]
        return tuple(layout.spoken(torch.empty(of_one, device="meta")).shape)


def _untouched(weight: Tensor) -> Tensor:
    """Return zeros of a weight's shape, in memory that is taken only once it is looked at.

    Even for no pictures PyTorch lays out a convolution's weights in full, which can be gigabytes.
    """
    if weight.device.type != "cpu" or weight.untyped_storage().nbytes() > weight.itemsize:
        return weight
    with torch.inference_mode(False):
        return torch.from_numpy(np.zeros(weight.shape, np.float32))


def _contiguous(tensor: Tensor) -> bool:
    """Return whether the numbers of one picture would lie in order (of none, they always do)."""
    step = 1
    for length, stride in zip(reversed(tensor.shape), reversed(tensor.stride()), strict=True):
        if length > 1 and stride != step:
            return False
        step *= max(length, 1)
    return True


def _inner(tensor: Tensor) -> int:
    """Return the product of the dimensions that are not 0."""
    return prod(length for length in tensor.shape if length)


def without_memory(module: nn.Module, device: str = "cpu") -> nn.Module:
    """Return a copy whose weights take no memory, and leave `module` alone.

    On the processor they are zeros, of float32 whatever the weights are; on "meta" just shapes.
    """
    memo: dict[int, Any] = {}
    with torch.inference_mode(False):  # the copy is kept, and what is made there counts no changes
        for parameter in module.parameters():
            memo[id(parameter)] = nn.Parameter(_like(parameter, device), requires_grad=False)
        for buffer in module.buffers():
            memo[id(buffer)] = _like(buffer, device)
        return unwatched_copy(module, memo)


def _like(tensor: Tensor, device: str) -> Tensor:
    dtype = torch.float32 if tensor.is_floating_point() else tensor.dtype
    return torch.zeros((), dtype=dtype, device=device).expand(tensor.shape)


def stand_ins(
    ghost: nn.Module, size: tuple[int, int], channels: int = 3
) -> Iterator[tuple[nn.Module, Tensor]]:
    """Yield what to run for a picture of `size` (height, width): a module and a batch for it.

    The second is for when the first is refused; what it raises is then the network's own reason.
    `ghost` comes from `without_memory`.
    """
    yield ghost, torch.empty(0, channels, *size)
    yield without_memory(ghost, "meta"), torch.empty(1, channels, *size, device="meta")


def trace(
    ghost: nn.Module, size: tuple[int, int], channels: int = 3
) -> tuple[list[Call], Exception | None]:
    """Return the module calls for one (channels, *size) picture, in order of completion.

    Calls that do not depend on the picture are left out. `ghost` comes from `without_memory`. If
    the network refuses a picture of this size, the calls before that are returned with what it
    raised. Works inside `torch.inference_mode`, too.
    """
    with torch.inference_mode(False), torch.no_grad():  # changes in place must be counted
        for module, batch in stand_ins(ghost, size, channels):
            calls, refused = _trace(module, batch)
            if refused is None:
                break
    return calls, refused


_layouts: "WeakKeyDictionary[nn.Module, dict[str, Layout]]" = WeakKeyDictionary()


def remember_layouts(module: nn.Module, calls: Iterable[Call]) -> None:
    """Keep the layouts of calls that a trace of `module` has found."""
    _layouts.setdefault(module, {call.name: call.layout for call in calls})


def known_layouts(module: nn.Module) -> dict[str, Layout] | None:
    """Return the layout of every call of a module that has been traced, by name; else None."""
    return _layouts.get(module)


def _trace(ghost: nn.Module, batch: Tensor) -> tuple[list[Call], Exception | None]:
    seen: list[tuple[str, str, Tensor, int, Reach | None, int, int]] = []
    mode = _Trace()

    def note(name: str, module: nn.Module, output: Tensor) -> None:
        kind, version = type(module).__name__, output._version
        seen.append((name, kind, output, version, mode.of(output), mode.numbers, mode.joints))

    mode.reach[batch] = Reach()
    mode.layouts.begin(batch)
    refused: Exception | None = None
    with mode, watching(ghost, [n for n, _ in ghost.named_modules() if n], note):
        try:
            made = tensors_in(ghost(batch))
            if any(mode.rows.get(tensor, 1) != 1 for tensor in made):
                raise RuntimeError("one picture would become several")
        except EACH_ITS_OWN as error:
            refused = error.with_traceback(None)
        except Exception as error:
            if batch.numel():
                raise
            refused = error  # for want of a picture, perhaps; another batch is left
    calls = []
    for name, kind, tensor, version, reach, numbers, joints in seen:
        if reach is None:  # not from the picture, such as sizes that a network computes
            continue
        layout = mode.layouts.of(tensor)
        shape = mode.shape(tensor, layout)
        changed, later = tensor._version != version, joints < mode.joints
        calls.append(Call(name, kind, shape, reach.side, changed, numbers, layout, later))
    return calls, refused
