"""Files of Lua Torch, written by the format's description: what the reader is tried on."""

import struct
from typing import Any

import numpy as np
import torch
from torch import Tensor


class Lua:
    """An object of a class of Lua's."""

    def __init__(self, kind: str, **fields: Any) -> None:
        self.kind, self.fields = kind, fields


class Function:
    """A function: its code, which nobody may run."""


def table(*values: Any) -> dict[int, Any]:
    """Return a list as Lua has it: a table with the keys 1, 2, 3."""
    return dict(enumerate(values, 1))


def sequential(*modules: Lua) -> Lua:
    """Return layers one after the other."""
    return Lua("nn.Sequential", modules=table(*modules), _type="torch.FloatTensor", train=False)


def written(value: Any) -> bytes:
    """Return a value as `torch.save` writes it in binary mode."""
    return _Writer().value(value)


class _Writer:
    def __init__(self) -> None:
        self.known: dict[int, int] = {}
        self.kept: list[Any] = []  # so that no other object gets its place in memory

    def value(self, value: Any) -> bytes:
        if value is None:
            return _int(0)
        if isinstance(value, bool):
            return _int(5) + _int(int(value))
        if isinstance(value, int | float):
            return _int(1) + struct.pack("<d", value)
        if isinstance(value, str):
            return _int(2) + _text(value)
        tag = 3 if isinstance(value, dict) else 8 if isinstance(value, Function) else 4
        if id(value) in self.known:
            return _int(tag) + _int(self.known[id(value)])
        number = self.known[id(value)] = len(self.known) + 1
        self.kept.append(value)
        start = _int(tag) + _int(number)
        if isinstance(value, dict):
            pairs = b"".join(self.value(k) + self.value(v) for k, v in value.items())
            return start + _int(len(value)) + pairs
        if isinstance(value, Function):
            return start + _text("\x1bLJ code") + self.value(table())
        if isinstance(value, Tensor):
            return start + _text("V 1") + _text("torch.FloatTensor") + self._tensor(value)
        if isinstance(value, np.ndarray):
            numbers = struct.pack("<q", value.size) + value.tobytes()
            return start + _text("V 1") + _text("torch.FloatStorage") + numbers
        return start + _text("V 1") + _text(value.kind) + self.value(value.fields)

    def _tensor(self, tensor: Tensor) -> bytes:
        sizes = struct.pack(f"<{tensor.dim()}q", *tensor.shape)
        strides = struct.pack(f"<{tensor.dim()}q", *tensor.stride())
        start = struct.pack("<q", tensor.storage_offset() + 1)
        whole = torch.empty(0).set_(tensor.untyped_storage()).numpy()
        return _int(tensor.dim()) + sizes + strides + start + self.value(whole)


def _int(value: int) -> bytes:
    return struct.pack("<i", value)


def _text(value: str) -> bytes:
    return _int(len(value)) + value.encode("latin-1")
