"""Checkpoints: what a run needs to go on after an iteration as if it had never been broken off.

A state consists of plain JSON values, tensors, and lists and dictionaries of them. In a checkpoint
its tensors are kept apart from its other values, each named after its place ("optimizer.mean"), so
that both can be written to a file that contains no code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod
from typing import TYPE_CHECKING, Any

from engine.errors import BadInput

if TYPE_CHECKING:
    import torch
    from torch import Tensor

State = Any
"""None, truth values, numbers, text, tensors, and lists and dictionaries (with text keys) of
these."""

PLACE, STRIDES = "@", "strides"
"""Keys of what stands for a tensor among the plain values: its name, and its layout if it is not
row by row. A picture with interleaved colours is convolved by another routine than one in planes,
and the two round differently."""
DAMAGED = "the checkpoint does not fit this run: begin the run anew"


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A run after one of its iterations: enough to continue bit for bit, on the same machine."""

    iteration: int
    """Steps done, from 1."""
    seconds: float
    """Seconds that the run has taken so far."""
    numbers: Mapping[str, Any] = field(repr=False)
    """Plain JSON values."""
    tensors: Mapping[str, Tensor] = field(repr=False)
    """Copies on the CPU, row by row."""

    @property
    def bytes(self) -> int:
        """How many bytes the tensors take."""
        return sum(tensor.numel() * tensor.element_size() for tensor in self.tensors.values())


def packed(state: State) -> tuple[State, dict[str, Tensor]]:
    """Return a state's plain values, and copies of its tensors by name."""
    tensors: dict[str, Tensor] = {}
    return _packed(state, "", tensors), tensors


def _packed(state: State, name: str, tensors: dict[str, Tensor]) -> State:
    if state is None or isinstance(state, (bool, int, float, str)):
        return state
    inner = f"{name}." if name else ""
    if isinstance(state, (list, tuple)):
        return [_packed(value, f"{inner}{i}", tensors) for i, value in enumerate(state)]
    if isinstance(state, Mapping):
        if PLACE in state or not all(isinstance(key, str) for key in state):
            raise TypeError(f"the keys of {name or 'a state'} are {list(state)}")
        return {key: _packed(value, inner + key, tensors) for key, value in state.items()}
    import torch

    if not isinstance(state, torch.Tensor):
        raise TypeError(f"{name} is a {type(state).__name__}: no plain value and no tensor")
    tensor = state.detach()
    copy = tensor.to("cpu", copy=True, memory_format=torch.contiguous_format)
    while name in tensors:  # a key may hold a dot
        name += "_"
    tensors[name] = copy
    place: dict[str, Any] = {PLACE: name}
    if tensor.stride() != copy.stride() and _dense(tensor.shape, tensor.stride()):
        place[STRIDES] = list(tensor.stride())
    return place


def unpacked(plain: State, tensors: Mapping[str, Tensor], device: torch.device | str) -> State:
    """Return the state of `packed`, with new tensors on `device` that have the old memory layout.

    Raises `BadInput` if tensors that the values name are missing.
    """
    if isinstance(plain, list):
        return [unpacked(value, tensors, device) for value in plain]
    if not isinstance(plain, Mapping):
        return plain
    if PLACE not in plain:
        return {key: unpacked(value, tensors, device) for key, value in plain.items()}
    import torch

    tensor = tensors.get(plain[PLACE])
    if tensor is None:
        raise BadInput(DAMAGED)
    strides = plain.get(STRIDES)
    if strides is None:
        return tensor.to(device, copy=True)
    if not _dense(tensor.shape, strides):
        raise BadInput(DAMAGED)
    made = torch.empty_strided(tensor.shape, strides, dtype=tensor.dtype, device=device)
    return made.copy_(tensor)


def _dense(shape: tuple[int, ...], strides: Any) -> bool:
    """Return whether a tensor of `shape` with these strides fills its memory without gap or overlap."""
    if len(strides) != len(shape) or not all(type(n) is int and 0 <= n < 2**40 for n in strides):
        return False
    if not prod(shape):
        return False
    filled = 1
    for stride, length in sorted((s, n) for s, n in zip(strides, shape, strict=True) if n > 1):
        if stride != filled:
            return False
        filled *= length
    return True
