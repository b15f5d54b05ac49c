"""Files of Lua Torch (.t7), read as data: objects are described, functions in them are left out.

The format is that of `torch.save` in its binary mode: each value begins with a tag of 32 bits; lengths
of text are 32 bits, sizes of tensors 64, all in little-endian order.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from engine.errors import BadInput
from engine.networks.formats.mapped import Mapped

NOTHING, NUMBER, TEXT, TABLE, OBJECT, BOOLEAN = range(6)
FUNCTIONS = (6, 7, 8)
"""Tags of functions, which are skipped; the first has no number of its own."""
MOST_VALUES = 1_000_000
DEEPEST = 200
KINDS = {
    "Float": "<f4", "Double": "<f8", "Half": "<f2", "Cuda": "<f4", "CudaDouble": "<f8",
    "CudaHalf": "<f2", "Long": "<i8", "CudaLong": "<i8", "Int": "<i4", "Short": "<i2", "Byte": "u1",
    "Char": "i1",
}  # fmt: skip
"""What precedes "Tensor" and "Storage" in a class's name -> NumPy's type."""


@dataclass(eq=False)
class Described:
    """An object of a class of Lua's."""

    kind: str
    """The class's name: "nn.Sequential"."""
    fields: dict[Any, Any] = field(default_factory=dict)

    @property
    def layer(self) -> str:
        """Return the name without its package: cudnn has the same layers as nn."""
        return self.kind.rpartition(".")[2]

    def modules(self) -> "list[Described]":
        """Return the layers that this one holds, in order."""
        found = listed(self.fields.get("modules"))
        return [one for one in found if isinstance(one, Described)]


def listed(table: Any) -> list[Any]:
    """Return a table's values under 1, 2, 3 and so on."""
    made: list[Any] = []
    while isinstance(table, dict) and len(made) + 1 in table:
        made.append(table[len(made) + 1])
    return made


def is_torch7(path: Path) -> bool:
    """Return whether a file is one, from its name or its beginning: a table or an object."""
    if path.suffix.lower() == ".t7":
        return True
    try:
        with path.open("rb") as file:
            start = file.read(8)
    except OSError:
        return False  # whoever reads it says why
    return start in (struct.pack("<2i", TABLE, 1), struct.pack("<2i", OBJECT, 1))


def read_torch7(path: Path) -> Any:
    """Return the value in a file: numbers, text, tensors, dictionaries for tables, `Described`.

    Raises `BadInput` for damaged files.
    """
    file = Mapped.whole(path)
    try:
        return _Reader(file).value()
    except (ValueError, KeyError, IndexError, struct.error, RecursionError, OverflowError) as error:
        raise BadInput(
            f"{path} is cut off or damaged, or not a file of Lua Torch in its binary form"
        ) from error


class _Reader:
    """Reads one value after the other; those that were read before are referred to by numbers."""

    def __init__(self, file: Mapped) -> None:
        self.file, self.place = file, 0
        self.known: dict[int, Any] = {}
        self.left = MOST_VALUES
        self.depth = 0

    def value(self) -> Any:
        """Read a value."""
        self.left -= 1
        self.depth += 1
        if self.left < 0 or self.depth > DEEPEST:
            raise ValueError("more than a network holds")
        try:
            return self._value(self.integer())
        finally:
            self.depth -= 1

    def _value(self, tag: int) -> Any:
        if tag == NOTHING:
            return None
        if tag == NUMBER:
            return self.number("<d", 8)
        if tag == BOOLEAN:
            return self.integer() == 1
        if tag == TEXT:
            return self.text()
        if tag == FUNCTIONS[0]:
            return self._passed_over()
        if tag not in (TABLE, OBJECT, *FUNCTIONS):
            raise ValueError(f"a value of the kind {tag}")
        number = self.integer()
        if number in self.known:
            return self.known[number]
        if tag in FUNCTIONS:
            self.known[number] = None
            return self._passed_over()
        if tag == TABLE:
            return self._table(number)
        return self._object(number)

    def _passed_over(self) -> None:
        """Skip a function: its code, and the values that it would have used."""
        self.text()
        self.value()

    def _table(self, number: int) -> dict[Any, Any]:
        table: dict[Any, Any] = {}
        self.known[number] = table
        for _ in range(self.integer()):
            key, value = self.value(), self.value()
            if isinstance(key, float) and key.is_integer():
                key = int(key)
            if isinstance(key, str | int | float | bool):
                table[key] = value
        return table

    def _object(self, number: int) -> Any:
        version = self.text()
        kind = self.text() if version.startswith("V ") else version
        package, _, name = kind.rpartition(".")
        if package == "torch" and name.removesuffix("Storage") in KINDS:
            self.known[number] = self._storage(KINDS[name.removesuffix("Storage")])
            return self.known[number]
        if package == "torch" and name.removesuffix("Tensor") in KINDS:
            self.known[number] = self._tensor()
            return self.known[number]
        described = Described(kind)
        self.known[number] = described
        fields = self.value()
        if isinstance(fields, dict):
            described.fields.update(fields)
        return described

    def _storage(self, kind: str) -> "np.ndarray[Any, Any]":
        count = self.long()
        data = self.take(count * np.dtype(kind).itemsize)
        return np.frombuffer(data, kind)

    def _tensor(self) -> Tensor:
        dimensions = self.integer()
        if not 0 <= dimensions <= 16:
            raise ValueError("a tensor of too many dimensions")
        shape = [self.long() for _ in range(dimensions)]
        strides = [self.long() for _ in range(dimensions)]
        offset = self.long() - 1
        storage = self.value()
        if not dimensions or storage is None or not prod(shape):
            return torch.empty(0)
        last = offset + sum((n - 1) * s for n, s in zip(shape, strides, strict=True))
        if not isinstance(storage, np.ndarray) or min(*shape, *strides, offset) < 0:
            raise ValueError("a tensor without numbers")
        if last >= len(storage) or prod(shape) > len(storage):
            raise ValueError("a tensor with more numbers than there are")
        each = storage.itemsize
        view = np.lib.stride_tricks.as_strided(storage[offset:], shape, [s * each for s in strides])
        return torch.from_numpy(view.astype("f4" if view.dtype.kind == "f" else "i8"))

    # -- plain values ------------------------------------------------------------------------

    def take(self, length: int) -> bytes:
        """Return the next bytes."""
        data = self.file.bytes(self.place, length)
        self.place += length
        return data

    def number(self, kind: str, length: int) -> Any:
        """Return a number of one of `struct`'s kinds."""
        return struct.unpack(kind, self.take(length))[0]

    def integer(self) -> int:
        """Return a whole number of 32 bits."""
        return int(self.number("<i", 4))

    def long(self) -> int:
        """Return a whole number of 64 bits."""
        return int(self.number("<q", 8))

    def text(self) -> str:
        """Return text, which may be any bytes."""
        return self.take(self.integer()).decode("latin-1")


def inside(value: Any) -> Iterator[Described]:
    """Yield the objects in a value, from outside to inside: in tables, but not in other objects."""
    waiting, seen = [value], set()
    while waiting:
        one = waiting.pop(0)
        if isinstance(one, Described):
            yield one
        elif isinstance(one, dict) and id(one) not in seen:
            seen.add(id(one))  # a table may hold itself
            waiting += one.values()
