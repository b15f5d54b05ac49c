"""The layers in a Caffe model of either generation, as plain data.

Field numbers are those of caffe.proto: LayerParameter (V2) and V1LayerParameter.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from engine.networks.caffemodel import BYTES, FIXED32, VARINT, blob, fields
from engine.networks.formats.mapped import Mapped

V2 = {"name": 1, "type": 2, "bottom": 3, "top": 4, "blobs": 7, "include": 8}
V1 = {"bottom": 2, "top": 3, "name": 4, "type": 5, "blobs": 6, "include": 32}
PARAMETERS_V2 = {
    100: "transform", 104: "concat", 106: "convolution", 110: "eltwise", 117: "inner_product",
    118: "lrn", 121: "pooling", 122: "power", 123: "relu", 139: "batch_norm", 142: "scale",
}  # fmt: skip
PARAMETERS_V1 = {
    9: "concat", 10: "convolution", 17: "inner_product", 18: "lrn", 19: "pooling", 21: "power",
    24: "eltwise", 30: "relu", 36: "transform",
}  # fmt: skip
TYPES_V1 = {
    1: "Accuracy", 3: "Concat", 4: "Convolution", 5: "Data", 6: "Dropout", 8: "Flatten",
    12: "ImageData", 14: "InnerProduct", 15: "LRN", 17: "Pooling", 18: "ReLU", 19: "Sigmoid",
    20: "Softmax", 21: "SoftmaxWithLoss", 22: "Split", 23: "TanH", 25: "Eltwise", 26: "Power",
}  # fmt: skip
REALS = {
    ("lrn", 2), ("lrn", 3), ("lrn", 5), ("eltwise", 2), ("batch_norm", 3), ("relu", 1),
    ("power", 1), ("power", 2), ("power", 3), ("transform", 1), ("transform", 5),
}  # fmt: skip
"""Settings that are real numbers; all others are integers."""
LAYER, OLD_LAYER, INPUT = 100, 2, 3


@dataclass
class CaffeLayer:
    """One layer: its name, kind, inputs and outputs."""

    name: str = ""
    kind: str = ""
    bottoms: list[str] = field(default_factory=list)
    tops: list[str] = field(default_factory=list)
    blobs: list[Any] = field(default_factory=list)
    settings: dict[str, dict[int, list[float]]] = field(default_factory=dict)
    """By group, then by field number; every field may be repeated."""
    training: bool = False
    """Whether the layer exists only while training."""

    def numbers(self, group: str, number: int) -> list[float]:
        """Return the values of a setting; [] if it is not given."""
        return self.settings.get(group, {}).get(number, [])

    def number(self, group: str, number: int, default: float) -> float:
        """Return the value of a setting, or `default`."""
        values = self.numbers(group, number)
        return values[-1] if values else default


def layers(file: Mapped) -> tuple[list[CaffeLayer], list[str]]:
    """Return the layers of the NetParameter in a file in their order, and the names of its inputs.

    Raises `ValueError` or `IndexError` when the message is incomplete.
    """
    found: list[CaffeLayer] = []
    inputs: list[str] = []
    for number, wire, value in fields(memoryview(file.memory)):
        if number == LAYER and isinstance(value, memoryview):
            found.append(_layer(value, V2, PARAMETERS_V2, file.release))
        elif number == OLD_LAYER and isinstance(value, memoryview):
            found.append(_layer(value, V1, PARAMETERS_V1, file.release))
        elif number == INPUT and wire == BYTES and isinstance(value, memoryview):
            inputs.append(bytes(value).decode())
        file.release()  # what was read has been copied
    return found, inputs


def _layer(
    message: memoryview,
    numbers: dict[str, int],
    parameters: dict[int, str],
    release: Callable[[], None],
) -> CaffeLayer:
    made = CaffeLayer()
    words = {number: word for word, number in numbers.items()}
    for number, _, value in fields(message):
        word = words.get(number)
        if isinstance(value, int):
            if word == "type":
                made.kind = TYPES_V1.get(value, f"V1 type {value}")
        elif word == "name":
            made.name = bytes(value).decode()
        elif word == "type":
            made.kind = bytes(value).decode()
        elif word in ("bottom", "top"):
            (made.bottoms if word == "bottom" else made.tops).append(bytes(value).decode())
        elif word == "blobs":
            made.blobs.append(blob(value, release))
        elif word == "include":
            made.training |= any(n == 1 and v == 0 for n, _, v in fields(value))
        elif number in parameters:
            made.settings[parameters[number]] = _settings(value, parameters[number])
    return made


def _settings(message: memoryview, group: str) -> dict[int, list[float]]:
    found: dict[int, list[float]] = {}
    for number, wire, value in fields(message):
        real = (group, number) in REALS
        if wire == VARINT and isinstance(value, int):
            found.setdefault(number, []).append(value)
        elif isinstance(value, memoryview) and real:  # one number, or several packed
            found.setdefault(number, []).extend(struct.unpack(f"<{len(value) // 4}f", value))
        elif wire == BYTES and isinstance(value, memoryview) and group in ("convolution",):
            found.setdefault(number, []).extend(_packed(value))
        elif wire == FIXED32:
            continue  # of fillers and such
    return found


def _packed(message: memoryview) -> list[float]:
    values: list[float] = []
    place = shift = whole = 0
    for place in range(len(message)):
        byte = message[place]
        whole |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            values.append(whole)
            shift = whole = 0
    return values if len(values) <= 4 else []
