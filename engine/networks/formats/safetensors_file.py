"""Safetensors: a header of JSON (names, types, shapes, places), then the numbers.

The whole header is checked before anything in it is used: the format requires that the places
follow one another without a gap, up to the end of the file.
"""

import json
import struct
from math import prod
from pathlib import Path
from typing import Any

from engine.errors import BadInput
from engine.networks.contents import AVERAGED, Contents, Group

LARGEST_HEADER = 100_000_000
TYPES = {
    "F64": ("float64", 8), "F32": ("float32", 4), "F16": ("float16", 2), "BF16": ("bfloat16", 2),
    "F8_E4M3": ("float8_e4m3fn", 1), "F8_E5M2": ("float8_e5m2", 1),
    "F8_E4M3FNUZ": ("float8_e4m3fnuz", 1), "F8_E5M2FNUZ": ("float8_e5m2fnuz", 1),
    "F8_E8M0": ("float8_e8m0fnu", 1), "C64": ("complex64", 8),
    "I64": ("int64", 8), "I32": ("int32", 4), "I16": ("int16", 2), "I8": ("int8", 1),
    "U64": ("uint64", 8), "U32": ("uint32", 4), "U16": ("uint16", 2), "U8": ("uint8", 1),
    "BOOL": ("bool", 1),
}  # fmt: skip
"""Name in the file -> PyTorch's name and bytes."""


def matches(path: Path, start: bytes) -> bool:
    """Return whether the file is of this format, from its first 64 bytes."""
    return start[8:9] == b"{" or path.suffix.lower() == ".safetensors"


def read(path: Path) -> Contents:
    """Return the file's tensors, which stay in the file. Raises `BadInput` if it is incomplete."""
    import torch

    from engine.networks.formats.mapped import Mapped

    header, metadata, start = _header(path)
    file = Mapped.whole(path)
    tensors = {}
    for name, (kind, shape, (begin, end)) in header.items():
        piece = file.piece(start + begin, end - begin)
        tensors[name] = piece.tensor(getattr(torch, TYPES[kind][0]), shape)
    averaged = bool(AVERAGED.search(path.stem))
    return Contents(
        "a safetensors file", (Group(tensors, averaged=averaged, release=file.release),), metadata
    )


def shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Return tensor name -> shape, without PyTorch. Raises `BadInput` if the file is incomplete."""
    return {name: shape for name, (_, shape, _) in _header(path)[0].items()}


def metadata(path: Path) -> dict[str, str]:
    """Return what a file says about itself, without PyTorch. Raises `BadInput` if it is incomplete."""
    return _header(path)[1]


Entry = tuple[str, tuple[int, ...], tuple[int, int]]
"""Type, shape, and where the bytes begin and (exclusive) end."""


def _header(path: Path) -> tuple[dict[str, Entry], dict[str, str], int]:
    """Return the header, the metadata and where the numbers begin."""
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > LARGEST_HEADER:
                raise ValueError
            values = json.loads(file.read(length))
        size = path.stat().st_size - 8 - length
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, struct.error, RecursionError) as error:
        raise BadInput(f"{path} is not a safetensors file; is it a complete download?") from error
    try:
        metadata = values.pop("__metadata__", {}) or {}
        texts = (*metadata.keys(), *metadata.values())
        if not all(isinstance(text, str) for text in texts):
            raise ValueError("metadata that is not text")
        header = {name: _entry(name, value) for name, value in values.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadInput(
            f"{path} is not a safetensors file: its header is damaged; get it again"
        ) from error
    end = 0
    for first, behind in sorted(place for _, _, place in header.values()):
        if first != end:
            raise BadInput(f"{path} is not a safetensors file: its tensors overlap or leave gaps")
        end = behind
    if end != size:
        raise BadInput(f"{path} is cut off or damaged; get it again")
    return header, metadata, 8 + length


def _entry(name: str, value: Any) -> Entry:
    kind, shape, (begin, end) = value["dtype"], value["shape"], value["data_offsets"]
    numbers = (*shape, begin, end)
    if not all(type(n) is int and 0 <= n < 2**60 for n in numbers) or len(shape) > 64:
        raise ValueError(name)
    if prod(shape) * TYPES[kind][1] != end - begin:
        raise ValueError(name)
    return kind, tuple(shape), (begin, end)
