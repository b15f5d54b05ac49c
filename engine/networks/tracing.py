"""What a network does to a picture of a given size, found by running a copy of it without memory.

The copy lives on the meta device: shapes and in-place changes are real, values are not. Receptive
fields follow Araujo, Norris, Sim 2019 ("Computing Receptive Fields of Convolutional Neural
Networks"): a window of k (dilated) pixels at stride s adds (k - 1) * jump, then jump *= s.
"""

import copy
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakTensorKeyDictionary

WINDOWS = {
    torch.conv2d: 3,  # position of `stride`; kernel comes from the weight
    torch.max_pool2d: 2,
    F.max_pool2d: 2,
    F.avg_pool2d: 2,
    F.lp_pool2d: 3,
}
EVERYTHING = {
    F.adaptive_avg_pool2d,
    F.adaptive_max_pool2d,
    F.linear,
    torch.matmul,
    Tensor.mean,
    torch.mean,
    F.scaled_dot_product_attention,
}
WHOLE = 10**9
"""Receptive field of a layer that sees the whole picture whatever its size."""


@dataclass(frozen=True)
class Call:
    """One call of one module: where it stands, what comes out, what it sees of the picture."""

    name: str
    """Dotted module name; `#2`, `#3` … for the second, third call of the same module."""
    kind: str
    shape: tuple[int, ...]
    receptive_field: int | None
    """Side of the square of pixels that one unit sees; None where it sees the whole picture."""
    changed_later: bool
    """Whether a later in-place operation overwrites the output (a tap must clone it)."""


@dataclass
class _Reach:
    size: int = 1
    jump: int = 1


@dataclass
class _Trace(TorchFunctionMode):
    """Carries the receptive field of every tensor along while a network runs."""

    reach: WeakTensorKeyDictionary = field(default_factory=WeakTensorKeyDictionary)

    def __post_init__(self) -> None:
        super().__init__()

    def of(self, tensor: Tensor) -> _Reach | None:
        found: _Reach | None = self.reach.get(tensor)
        return found

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        before = [r for t in _tensors((args, kwargs)) if (r := self.of(t)) is not None]
        if not before:
            return result
        after = _Reach(max(r.size for r in before), max(r.jump for r in before))
        if func in EVERYTHING:
            after.size = WHOLE
        elif func in WINDOWS:
            kernel, stride, dilation = _window(func, args, kwargs)
            after.size += (dilation * (kernel - 1)) * after.jump
            after.jump *= stride
        for tensor in _tensors(result):
            self.reach[tensor] = after
        return result


def _window(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[int, int, int]:
    """Return the larger side of the kernel, stride and dilation of a convolution or pooling call."""
    at = WINDOWS[func]
    if func is torch.conv2d:
        kernel = max((args[1] if len(args) > 1 else kwargs["weight"]).shape[-2:])
        stride = args[at] if len(args) > at else kwargs.get("stride", 1)
        dilation = args[5] if len(args) > 5 else kwargs.get("dilation", 1)
    else:
        kernel = _largest(args[at - 1] if len(args) >= at else kwargs["kernel_size"])
        stride = (args[at] if len(args) > at else kwargs.get("stride")) or kernel
        dilation = kwargs.get("dilation", 1)
    return int(kernel), _largest(stride), _largest(dilation)


def _largest(value: int | Iterable[int]) -> int:
    return value if isinstance(value, int) else max(value)


def _tensors(value: Any) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, (tuple, list)):
        return [t for v in value for t in _tensors(v)]
    if isinstance(value, dict):
        return _tensors(list(value.values()))
    return []


def without_memory(module: nn.Module) -> nn.Module:
    """Return a copy on the meta device; takes no memory for weights and leaves `module` alone."""
    memo: dict[int, Any] = {}
    for parameter in module.parameters():
        memo[id(parameter)] = nn.Parameter(parameter.detach().to("meta"), requires_grad=False)
    for buffer in module.buffers():
        memo[id(buffer)] = buffer.to("meta")
    return copy.deepcopy(module, memo)


def trace(ghost: nn.Module, size: tuple[int, int]) -> list[Call]:
    """Return every module call, in order of completion, for one (3, *size) picture.

    `ghost` comes from `without_memory`. Raises what the network raises on too small pictures.
    """
    calls: list[tuple[str, str, Tensor, int, _Reach | None]] = []
    counts: dict[str, int] = {}
    mode = _Trace()

    def note(name: str) -> Callable[[nn.Module, Any, Any], None]:
        def hook(module: nn.Module, _inputs: Any, output: Any) -> None:
            found = _tensors(output)
            if found:
                counts[name] = counts.get(name, 0) + 1
                label = name if counts[name] == 1 else f"{name}#{counts[name]}"
                kind = type(module).__name__
                calls.append((label, kind, found[0], found[0]._version, mode.of(found[0])))

        return hook

    handles = [m.register_forward_hook(note(n)) for n, m in ghost.named_modules() if n]
    dtype = next(ghost.parameters()).dtype
    picture = torch.empty(1, 3, *size, device="meta", dtype=dtype)
    mode.reach[picture] = _Reach()
    try:
        with torch.no_grad(), mode:
            ghost(picture)
    finally:
        for handle in handles:
            handle.remove()
    return [
        Call(
            name,
            kind,
            tuple(tensor.shape),
            reach.size if reach and reach.size < WHOLE else None,
            tensor._version != version,
        )
        for name, kind, tensor, version, reach in calls
    ]
