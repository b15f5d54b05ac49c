"""Reading Caffe's model files (protocol buffers), as far as the weights require.

Field numbers are those of caffe.proto: a NetParameter holds layers (100, formerly 2), a layer its
name and its blobs, a blob its shape and its floats.
"""

from collections.abc import Callable, Iterator
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import BadInput
from engine.networks.contents import nothing
from engine.networks.formats.mapped import Mapped, copied

if TYPE_CHECKING:
    from torch import Tensor

LAYER, OLD_LAYER = 100, 2
NAME, BLOBS = 1, 7
OLD_NAME, OLD_BLOBS = 4, 6
DATA, SHAPE, DOUBLE_DATA = 5, 7, 8
OLD_SHAPE = (1, 2, 3, 4)
"""Number, channels, height, width of a blob, before blobs had a shape."""

MOST_DIMENSIONS = 32
"""Caffe's own limit."""

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


def read_caffemodel(path: Path) -> "dict[str, Tensor]":
    """Return `<layer>.weight` and `<layer>.bias` (float32) of every layer that has them.

    Raises `BadInput` when the file is not a complete Caffe model.
    """
    try:
        tensors: dict[str, Tensor] = {}
        file = Mapped.whole(path)
        for number, _, value in fields(memoryview(file.memory)):
            if number == LAYER and isinstance(value, memoryview):
                tensors |= _layer(value, NAME, BLOBS, file.release)
            elif number == OLD_LAYER and isinstance(value, memoryview):
                tensors |= _layer(value, OLD_NAME, OLD_BLOBS, file.release)
            file.release()  # what was read has been copied
    except (ValueError, IndexError, RuntimeError, UnicodeDecodeError) as error:
        raise BadInput(f"{path} is cut off or damaged, or not a Caffe model") from error
    if not tensors:
        raise BadInput(f"{path} holds no weights of a Caffe model")
    return tensors


def fields(message: memoryview) -> Iterator[tuple[int, int, "int | memoryview"]]:
    """Yield number, wire type and value of a protocol buffer message's fields.

    Raises `ValueError` or `IndexError` when the message ends too early or is not one.
    """
    place = 0
    while place < len(message):
        key, place = _varint(message, place)
        number, wire = key >> 3, key & 7
        if wire == VARINT:
            whole, place = _varint(message, place)
            yield number, wire, whole
            continue
        if wire == BYTES:
            length, place = _varint(message, place)
        elif wire in (FIXED32, FIXED64):
            length = 4 if wire == FIXED32 else 8
        else:
            raise ValueError(f"wire type {wire}")
        if place + length > len(message):
            raise ValueError("message ends too early")
        yield number, wire, message[place : place + length]
        place += length


def _varint(message: memoryview, place: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
        shift += 7
        if shift > 63:
            raise ValueError("number too long")


def _layer(
    message: memoryview, name_field: int, blobs_field: int, release: Callable[[], None]
) -> "dict[str, Tensor]":
    name, blobs = "", []
    for number, _, value in fields(message):
        if isinstance(value, memoryview):
            if number == name_field:
                name = bytes(value).decode()
            elif number == blobs_field:
                blobs.append(blob(value, release))
    kinds = ("weight", "bias")
    if len(blobs) > 1:
        blobs[1] = blobs[1].flatten()  # old files have a bias of shape (1, 1, 1, n)
    return {f"{name}.{kind}": blob for kind, blob in zip(kinds, blobs, strict=False)}


def blob(message: memoryview, release: Callable[[], None] = nothing) -> "Tensor":
    """Return the numbers of a BlobProto, as float32 in their shape; also those of double_data.

    `release` is called whenever what was read is no longer needed.
    """
    import numpy as np
    import torch

    parts: list[memoryview] = []
    doubles: list[memoryview] = []
    shape: list[int] = []
    old_shape = [1, 1, 1, 1]
    for number, _, value in fields(message):
        if number == DATA and isinstance(value, memoryview):
            parts.append(value)  # one packed field, or a field for each number
        elif number == DOUBLE_DATA and isinstance(value, memoryview):
            doubles.append(value)
        elif number == SHAPE and isinstance(value, memoryview):
            shape = _dimensions(value)
        elif number in OLD_SHAPE and isinstance(value, int):
            old_shape[number - 1] = value
    if not shape:
        # A fully connected layer's matrix: (1, 1, outputs, inputs).
        shape = old_shape[2:] if old_shape[:2] == [1, 1] else old_shape
    pieces, kind = (doubles, "<f8") if doubles else (parts, "<f4")
    content = pieces[0] if len(pieces) == 1 else bytearray().join(pieces)
    if len(shape) > MOST_DIMENSIONS or prod(shape) * int(kind[2]) != len(content):
        raise ValueError("a shape of more or fewer numbers than there are")
    values = np.frombuffer(content, kind).reshape(shape)
    own = values if values.flags.writeable else values.copy()  # PyTorch wants memory to write to
    return copied(torch.from_numpy(own), torch.float32, release)


def _dimensions(message: memoryview) -> list[int]:
    sizes: list[int] = []
    for _, _, value in fields(message):
        if isinstance(value, int):
            sizes.append(value)
            continue
        place = 0
        while place < len(value):
            size, place = _varint(value, place)
            sizes.append(size)
    return sizes
