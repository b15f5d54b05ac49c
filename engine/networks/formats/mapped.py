"""Tensors that stay in their file until used: the file is memory-mapped."""

import mmap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import BadInput

if TYPE_CHECKING:
    from torch import Tensor, dtype

MOST_DIMENSIONS = 64
PIECE = 1 << 22
"""How many numbers are copied at a time."""


@dataclass(frozen=True)
class Mapped:
    """A piece of a file: `length` bytes from byte `start` on."""

    memory: mmap.mmap
    start: int
    length: int

    @classmethod
    def whole(cls, path: Path) -> "Mapped":
        """Map a file. Raises `BadInput` when it cannot be read."""
        try:
            with path.open("rb") as file:
                # Changes (there are none) would stay private: torch wants memory it could write to.
                memory = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        except (OSError, ValueError) as error:
            reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
            raise BadInput(f"{path} cannot be read: {reason}") from error
        return cls(memory, 0, len(memory))

    def release(self) -> None:
        """Release the memory of what was read; it is read again when next used."""
        if hasattr(mmap, "MADV_DONTNEED"):
            self.memory.madvise(mmap.MADV_DONTNEED)

    def piece(self, start: int, length: int) -> "Mapped":
        """Return a part of this piece; raises `ValueError` when it is not within."""
        if start < 0 or length < 0 or start + length > self.length:
            raise ValueError("reaches beyond the end")
        return Mapped(self.memory, self.start + start, length)

    def bytes(self, start: int = 0, length: int | None = None) -> bytes:
        """Return a copy of what is there."""
        piece = self.piece(start, self.length - start if length is None else length)
        return self.memory[piece.start : piece.start + piece.length]

    def tensor(
        self,
        kind: "dtype",
        shape: Sequence[int],
        strides: Sequence[int] | None = None,
        offset: int = 0,
    ) -> "Tensor":
        """Return numbers of this piece as a tensor of `shape`.

        `strides` and `offset` count numbers, not bytes. Raises `ValueError` for whatever does not
        lie within the piece, or repeats its numbers many times over.
        """
        import torch

        check_shape(shape)
        count = self.length // kind.itemsize
        if prod(shape) == 0:
            return torch.empty(tuple(shape), dtype=kind)
        if strides is None:
            strides = [prod(shape[i + 1 :]) for i in range(len(shape))]
        if len(strides) != len(shape) or min(strides, default=0) < 0 or offset < 0:
            raise ValueError("strides that are none")
        last = offset + sum((n - 1) * s for n, s in zip(shape, strides, strict=True))
        if last >= count or prod(shape) > count:
            raise ValueError("more numbers than are stored")
        flat = torch.frombuffer(self.memory, dtype=kind, count=count, offset=self.start)
        return flat.as_strided(tuple(shape), tuple(strides), offset)


def copied(tensor: "Tensor", kind: "dtype", release: Callable[[], None]) -> "Tensor":
    """Return a copy of a tensor that may lie in a mapped file, as numbers of `kind`.

    `release` releases the memory of what was read; it is called piece by piece, so that a large
    tensor is never in memory twice.
    """
    import torch

    if not tensor.is_contiguous():
        made = tensor.to(kind, copy=True)
        release()
        return made
    made = torch.empty(tensor.shape, dtype=kind, device=tensor.device)
    into = made.view(-1).split(PIECE)
    for part, piece in zip(into, tensor.view(-1).split(PIECE), strict=True):
        part.copy_(piece)
        release()
    return made


def check_shape(shape: Sequence[int]) -> None:
    """Raise `ValueError` unless `shape` is that of a tensor."""
    whole = all(type(n) is int and 0 <= n < 2**48 for n in shape)
    if not whole or len(shape) > MOST_DIMENSIONS or prod(shape) >= 2**62:
        raise ValueError("a shape that is none")
