"""ONNX models whose weights stay in their files until they are used.

A model is a protocol buffer, and the library for those copies a weight several times over. So large
constants are left out of the message before the library sees it, as if they lay in a file beside it
(where they often do), and are looked up by name. Field numbers are those of onnx.proto.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

from engine.errors import BadInput
from engine.networks.caffemodel import BYTES, fields
from engine.networks.formats.mapped import Mapped

GRAPH = 7  # of a model
NODE, INITIALIZER = 1, 5  # of a graph
NODE_OUTPUT, ATTRIBUTE, ATTRIBUTE_TENSOR = 2, 5, 5  # of a node, and of its attribute
DIMENSIONS, TYPE, FLOATS, NAME, RAW, DOUBLES = 1, 2, 4, 8, 9, 10  # of a tensor
KINDS = {
    1: "<f4", 2: "u1", 3: "i1", 4: "<u2", 5: "<i2", 6: "<i4", 7: "<i8", 10: "<f2", 11: "<f8",
    12: "<u4", 13: "<u8",
}  # fmt: skip
"""Types of numbers that lie in the file as NumPy has them in memory."""
REAL = (1, 10, 11, 16)
"""Types of real numbers: of 32, 16 and 64 bits, and bfloat16."""
LARGE = 1 << 12
"""Bytes from which a weight stays in its file."""
PIECE = 16 << 20
"""Bytes that are written at a time."""
LARGEST = (1 << 31) - 1
"""Most bytes of a protocol buffer."""

Array = Any


@dataclass
class Weights:
    """Large constants by name, as arrays that lie in mapped files."""

    arrays: dict[str, Array] = field(default_factory=dict)
    files: list[Mapped] = field(default_factory=list)
    beside: list[str] = field(default_factory=list)
    """Names of the files beside the model that hold some of them."""

    def release(self) -> None:
        """Release the memory of what was read."""
        for file in self.files:
            file.release()

    def keep(self, name: str, kind: int, shape: tuple[int, ...], piece: Mapped) -> bool:
        """Take a weight as the numbers of a piece; return False if they are not laid out like that."""
        import numpy as np

        if kind not in KINDS or prod(shape) * np.dtype(KINDS[kind]).itemsize != piece.length:
            return False
        if piece.length:
            flat = np.frombuffer(piece.memory, KINDS[kind], prod(shape), piece.start)
            self.arrays[name] = flat.reshape(shape)
        else:
            self.arrays[name] = np.empty(shape, KINDS[kind])
        return True


def load(path: Path) -> tuple[Any, Weights]:
    """Return a model without its large constants, and these.

    Raises `BadInput` for damaged files, and if a file beside it cannot be read.
    """
    import onnx

    weights = Weights()
    damaged = f"{path} is cut off or damaged, or not an ONNX file; get it again"
    if not path.stat().st_size:
        raise BadInput(damaged)
    file = Mapped.whole(path)
    weights.files.append(file)
    try:
        model = onnx.ModelProto.FromString(_Slimming(file, weights).model())
    except Exception as error:  # protocol buffers have their own errors, in their own package
        raise BadInput(damaged) from error
    if not model.graph.node or not model.graph.output:
        raise BadInput(damaged)
    outside = [
        t for t in model.graph.initializer if onnx.external_data_helper.uses_external_data(t)
    ]
    weights.beside = list(
        dict.fromkeys(e.value for t in outside for e in t.external_data if e.key == "location")
    )
    try:
        _beside(outside, path.parent, weights)
        onnx.load_external_data_for_model(model, str(path.parent))  # the rest
    except (OSError, ValueError, RuntimeError, onnx.checker.ValidationError, BadInput) as error:
        names = ", ".join(weights.beside) or "its data"
        raise BadInput(
            f"{path} keeps its weights in {names}, which cannot be read; put the files side by side"
        ) from error
    return model, weights


def _beside(outside: list[Any], folder: Path, weights: Weights) -> None:
    """Map constants in files beside the model. Raises `ValueError` or `BadInput` if that fails."""
    from onnx.external_data_helper import ExternalDataInfo

    opened: dict[str, Mapped] = {}
    for tensor in outside:
        info = ExternalDataInfo(tensor)
        if info.location not in opened:
            place = (folder / info.location).resolve()
            if not place.is_relative_to(folder.resolve()) or not place.is_file():
                raise ValueError(f"no file beside the model: {info.location}")
            opened[info.location] = Mapped.whole(place)
            weights.files.append(opened[info.location])
        file, start = opened[info.location], info.offset or 0
        length = file.length - start if info.length is None else info.length
        if weights.keep(
            tensor.name, tensor.data_type, tuple(tensor.dims), file.piece(start, length)
        ):
            tensor.ClearField("external_data")
            tensor.ClearField("data_location")


# -- leaving out -------------------------------------------------------------------------------------


class _Slimming:
    """Copies a model's message without its large constants, which it keeps as pieces of the file."""

    def __init__(self, file: Mapped, weights: Weights) -> None:
        self.file, self.weights, self.whole = file, weights, memoryview(file.memory)

    def model(self) -> bytes:
        return _changed(self.whole, {GRAPH: self.graph})

    def graph(self, message: memoryview) -> bytes:
        return _changed(message, {NODE: self.node, INITIALIZER: self.tensor})

    def node(self, message: memoryview) -> bytes:
        if len(message) < LARGE:
            return bytes(message)
        # Some exporters write weights as nodes that give a constant, which has the output's name.
        name = next((bytes(v).decode() for _, v in _messages(message, NODE_OUTPUT)), "")

        def attribute(inner: memoryview) -> bytes:
            return _changed(inner, {ATTRIBUTE_TENSOR: lambda tensor: self.tensor(tensor, name)})

        return _changed(message, {ATTRIBUTE: attribute})

    def tensor(self, message: memoryview, name: str = "") -> bytes:
        if len(message) < LARGE:
            return bytes(message)
        kind, shape, rest, contents = 0, [], bytearray(), []
        for number, wire, value in fields(message):
            if number in (RAW, FLOATS, DOUBLES) and isinstance(value, memoryview) and wire == BYTES:
                contents.append((number, value))
                continue
            if number == TYPE and isinstance(value, int):
                kind = value
            elif number == DIMENSIONS:
                shape += [value] if isinstance(value, int) else list(_packed(value))
            elif number == NAME and isinstance(value, memoryview):
                name = name or bytes(value).decode()
            rest += _field(number, wire, value)
        fitting = {RAW: KINDS, FLOATS: (1,), DOUBLES: (11,)}
        if len(contents) == 1 and name and kind in fitting[contents[0][0]]:
            piece = self.file.piece(self.place(contents[0][1]), len(contents[0][1]))
            if self.weights.keep(name, kind, tuple(shape), piece):
                return bytes(rest)
        return bytes(message)

    def place(self, part: memoryview) -> int:
        """Return where a part of the file's memory begins."""
        import numpy as np

        begin, here = (np.frombuffer(v, "u1").ctypes.data for v in (self.whole, part))
        return int(here - begin)


def _changed(message: memoryview, changes: "dict[int, Callable[[memoryview], bytes]]") -> bytes:
    made = bytearray()
    for number, wire, value in fields(message):
        if number in changes and isinstance(value, memoryview) and wire == BYTES:
            made += _field(number, wire, memoryview(changes[number](value)))
        else:
            made += _field(number, wire, value)
    return bytes(made)


def _messages(message: memoryview, wanted: int) -> Iterator[tuple[int, memoryview]]:
    for number, _, value in fields(message):
        if number == wanted and isinstance(value, memoryview):
            yield number, value


def _packed(message: memoryview) -> Iterator[int]:
    """Yield the whole numbers of a packed field."""
    value = shift = 0
    for byte in message:
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            yield value
            value = shift = 0


def _field(number: int, wire: int, value: "int | memoryview") -> bytes:
    start = _varint(number << 3 | wire)
    if isinstance(value, int):
        return start + _varint(value)
    return start + (_varint(len(value)) if wire == BYTES else b"") + value


def _varint(value: int) -> bytes:
    made = bytearray()
    while value > 0x7F:
        made.append(value & 0x7F | 0x80)
        value >>= 7
    made.append(value)
    return bytes(made)


# -- one file ----------------------------------------------------------------------------------------


def write_whole(path: Path, target: Path) -> None:
    """Write a model and its external data into one file. Raises `BadInput` if it is too large."""
    model, weights = load(path)
    for node in model.graph.node:
        for attribute in node.attribute:
            array = weights.arrays.get(node.output[0]) if node.output else None
            if attribute.HasField("t") and array is not None:
                attribute.t.raw_data = array.tobytes()
    parts = [(t.SerializeToString(), weights.arrays.get(t.name)) for t in model.graph.initializer]
    del model.graph.initializer[:]
    heads = []
    for head, array in parts:
        if array is not None:
            head += _varint(RAW << 3 | BYTES) + _varint(array.nbytes)
        length = len(head) + (0 if array is None else array.nbytes)
        heads.append(_varint(INITIALIZER << 3 | BYTES) + _varint(length) + head)
    graph = model.graph.SerializeToString()
    model.ClearField("graph")
    numbers = sum(array.nbytes for _, array in parts if array is not None)
    length = len(graph) + sum(map(len, heads)) + numbers
    start = model.SerializeToString() + _varint(GRAPH << 3 | BYTES) + _varint(length) + graph
    if len(start) + length > LARGEST:
        raise BadInput(f"{path} is too large for one file: more than 2 GiB")
    with target.open("wb") as file:
        file.write(start)
        for head, (_, array) in zip(heads, parts, strict=True):
            file.write(head)
            if array is not None:
                _write(array, file, weights.release)


def _write(array: Array, file: BinaryIO, release: Callable[[], None]) -> None:
    content = memoryview(array.reshape(-1).view("u1"))
    for start in range(0, len(content), PIECE):
        file.write(content[start : start + PIECE])
        release()
