"""How a network ends: whether in global average pooling, and how many linear layers follow.

This is found by watching a real forward pass, not from the names of layers, so it does not matter
whether the mean over space is a module, a function or a method, nor what flattens it.
"""

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import GradientEdge, get_gradient_edge
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakTensorKeyDictionary

_LINEAR = (
    F.linear,
    torch.conv2d,
    torch.matmul,
    torch.mm,
    torch.addmm,
    Tensor.matmul,
    Tensor.mm,
    Tensor.__matmul__,
)
_AVERAGE = (F.adaptive_avg_pool2d, F.avg_pool2d, torch.mean, Tensor.mean)
_DIVIDE = (torch.div, Tensor.div, Tensor.__truediv__)
_SHIFT_OR_SCALE = (
    *_DIVIDE,
    torch.add,
    torch.sub,
    torch.mul,
    Tensor.add,
    Tensor.sub,
    Tensor.mul,
    Tensor.__add__,
    Tensor.__radd__,
    Tensor.__sub__,
    Tensor.__mul__,
    Tensor.__rmul__,
)


@dataclass(frozen=True)
class Head:
    """What is known of a tensor after global average pooling."""

    maps: Tensor
    """(N, C, h, w): what was averaged, as it was then."""
    edge: GradientEdge
    """Where the gradient passes the maps."""
    numbers: Tensor | None = None
    """(N, channels), the tensor's numbers when it was made; None before the average is complete."""
    linear: int = 0
    """Linear layers between the average and the tensor."""


class HeadTrace(TorchFunctionMode):
    """While active in this thread, finds out which tensors are averages over maps."""

    def __init__(self) -> None:
        super().__init__()
        self._known = WeakTensorKeyDictionary()

    def of(self, tensor: Tensor) -> Head | None:
        """Return the head that made `tensor`, if it is an average with nothing after it but that head."""
        head: Head | None = self._known.get(tensor)
        # It may have been written into since.
        return head if head and _same(tensor, head.numbers) else None

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        given = [value for value in (*args, *kwargs.values()) if isinstance(value, Tensor)]
        heads = [head for head in map(self.of, given) if head]
        partly = [head for head in map(self._known.get, given) if head and head.numbers is None]
        result = func(*args, **kwargs)
        if not isinstance(result, Tensor):
            return result
        if heads:
            found = _behind(heads[0], func, args, given, result) if len(heads) == 1 else None
        else:
            found = _averaged(partly, func, given, result)
        if found:
            self._known[result] = found
        return result


def _behind(
    head: Head, func: Any, args: tuple[Any, ...], given: list[Tensor], result: Tensor
) -> Head | None:
    """Return the head of a `result` that was made from a tensor with `head`."""
    if _same(result, head.numbers):  # reshaped, or dropout that does nothing
        return head
    if result.dim() < 2 or result.shape[:2].numel() != result.numel():
        return None
    made = replace(head, numbers=result.detach().flatten(1).clone())
    if func in _LINEAR:
        return replace(made, linear=head.linear + 1)
    # The other operand must be a number or weights: what comes from x is not constant.
    constant = sum(not tensor.is_leaf for tensor in given) == 1
    divisor = func in _DIVIDE and (given[0].is_leaf or given[0] is not args[0])
    return made if func in _SHIFT_OR_SCALE and constant and not divisor else None


def _averaged(partly: list[Head], func: Any, given: list[Tensor], result: Tensor) -> Head | None:
    """Return the head of a `result` that is the average over maps, or on the way to it."""
    maps = [tensor for tensor in given if tensor.dim() == 4 and tensor.requires_grad]
    if not partly and not maps:
        return None
    shape = (partly[0].maps if partly else maps[0]).shape[:2]
    complete = result.numel() == shape.numel()
    if result.shape[:2] != shape or not (complete or result.dim() == 3):
        return None
    head = partly[0] if partly else Head(maps[0].detach().clone(), get_gradient_edge(maps[0]))
    # With a single place, everything is its own mean: then only what is called an average counts.
    single = head.maps.shape[2:].numel() == 1 and func not in _AVERAGE
    if not complete or (single and result.dim() == 3):  # flattened, averaged over one direction
        return head
    if single:
        return None
    numbers = result.detach().flatten(1).clone()
    difference = (numbers - head.maps.mean((2, 3))).abs().max()
    # The rounding error of sums over thousands of places.
    near = 64 * torch.finfo(numbers.dtype).eps * head.maps.abs().max()
    return replace(head, numbers=numbers) if difference <= near else None


def _same(tensor: Tensor, numbers: Tensor | None) -> bool:
    return (
        numbers is not None
        and tensor.numel() == numbers.numel()  # in any shape: exporters take detours
        and torch.equal(tensor.detach().reshape(numbers.shape), numbers)
    )
