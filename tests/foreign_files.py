"""Networks written by other programs, with seeded weights whose scores differ: for tests and tables."""

import os
import struct
from pathlib import Path
from typing import Any

import numpy as np

os.environ.setdefault("KERAS_BACKEND", "torch")


def random_keras(model: Any, seed: int = 0) -> Any:
    """Fill a Keras model so that its activations neither vanish nor explode; return it."""
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        name, shape = weight.path.rpartition("/")[2], tuple(weight.shape)
        if weight.dtype != "float32":
            continue
        if name == "kernel":
            depthwise = len(shape) == 4 and "depthwise" in weight.path
            fan = np.prod(shape[:2]) if depthwise else np.prod(shape[:-1])
            values = rng.normal(0, (2 / fan) ** 0.5, shape)
        elif name == "moving_variance":
            values = rng.uniform(0.5, 1.5, shape)
        elif name == "gamma":
            # Blocks add up: their last norms are small, as training makes them.
            last = weight.path.split("/")[-2].endswith(("_3_bn", "project_BN"))
            values = rng.uniform(0.1, 0.3, shape) if last else rng.uniform(0.8, 1.2, shape)
        else:
            values = rng.normal(0, 0.1, shape)
        weight.assign(values.astype("f4"))
    return model


def keras_scores(model: Any, prepared: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
    """Return what Keras itself computes, without gradients, for (N, H, W, C)."""
    import keras
    import torch

    with torch.no_grad():
        return np.asarray(keras.ops.convert_to_numpy(model(prepared, training=False)))


def save_old_weights(model: Any, path: Path) -> Path:
    """Write a Keras model's weights alone in the layout of Keras 1 and 2."""
    import h5py
    from keras.src.legacy.saving import legacy_h5_format

    with h5py.File(path, "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, model)
    return path


# -- Caffe -------------------------------------------------------------------------------------------


def message(*fields: "tuple[int, Any]") -> bytes:
    """Return a protocol buffer: integers as varints, floats as 32 bits, the rest as bytes."""
    made = b""
    for number, value in fields:
        if isinstance(value, bool | int):
            made += varint(number << 3) + varint(int(value))
        elif isinstance(value, float):
            made += varint(number << 3 | 5) + struct.pack("<f", value)
        else:
            data = value.encode() if isinstance(value, str) else bytes(value)
            made += varint(number << 3 | 2) + varint(len(data)) + data
    return made


def varint(value: int) -> bytes:
    """Return a number as protocol buffers write it."""
    made = b""
    while value > 0x7F:
        made += bytes([value & 0x7F | 0x80])
        value >>= 7
    return made + bytes([value])


def caffe_blob(values: Any, old: bool = False) -> bytes:
    """Return a BlobProto, with four old dimensions or a shape."""
    array = np.asarray(values, "<f4")
    if old:
        sizes = (1,) * (4 - array.ndim) + array.shape
        return message(*zip((1, 2, 3, 4), sizes, strict=True), (5, array.tobytes()))
    shape = message((1, b"".join(varint(n) for n in array.shape)))
    return message((5, array.tobytes()), (7, shape))


V1_TYPES = {
    "Concat": 3, "Convolution": 4, "Data": 5, "Dropout": 6, "InnerProduct": 14, "LRN": 15,
    "Pooling": 17, "ReLU": 18, "Softmax": 20, "SoftmaxWithLoss": 21, "Eltwise": 25,
}  # fmt: skip
V1_SETTINGS = {104: 9, 106: 10, 117: 17, 118: 18, 121: 19, 110: 24, 123: 30, 100: 36}


def caffe_layer(
    name: str,
    kind: str,
    bottoms: Any,
    tops: Any,
    blobs: Any = (),
    old: bool = False,
    **settings: bytes,
) -> bytes:
    """Return one layer; `settings` are `p106=message(...)` by field number of the new generation."""
    groups = [(int(key[1:]), value) for key, value in settings.items()]
    if old:
        return message(
            *((2, b) for b in bottoms), *((3, t) for t in tops), (4, name), (5, V1_TYPES[kind]),
            *((6, caffe_blob(b, old=True)) for b in blobs),
            *((V1_SETTINGS[n], value) for n, value in groups),
        )  # fmt: skip
    return message(
        (1, name), (2, kind), *((3, b) for b in bottoms), *((4, t) for t in tops),
        *((7, caffe_blob(b)) for b in blobs), *groups,
    )  # fmt: skip


def caffe_net(layers: "list[bytes]", old: bool = False) -> bytes:
    """Return a NetParameter."""
    return message((1, "network"), *((2 if old else 100, layer) for layer in layers))


class SmallCaffe:
    """A small network in the manner of CaffeNet, and its arithmetic in NumPy.

    Grouped convolution, ceiling pools of both kinds, response norm, a sum of two branches and (in
    the new generation) batch norm with its scale layer.
    """

    def __init__(self, old: bool = False, seed: int = 0, classes: int = 12) -> None:
        rng = np.random.default_rng(seed)

        def normal(*shape: int) -> Any:
            return rng.normal(0, (2 / np.prod(shape[1:])) ** 0.5, shape).astype("f4")

        self.old = old
        self.w1, self.b1 = normal(8, 3, 5, 5) / 60, rng.normal(0, 0.1, 8).astype("f4")
        self.w2, self.b2 = normal(8, 4, 3, 3), rng.normal(0, 0.1, 8).astype("f4")
        self.mean, self.var = rng.normal(0, 0.5, 8).astype("f4"), rng.uniform(1, 3, 8).astype("f4")
        self.gamma, self.beta = rng.uniform(0.5, 2, 8).astype("f4"), normal(8, 1)[:, 0]
        self.w3, self.b3 = normal(classes, 8 * 8 * 8), rng.normal(0, 1, classes).astype("f4")

    def write(self, path: Path) -> Path:
        """Write the model; pictures are 64 pixels wide."""
        old = self.old

        def layer(*args: Any, **settings: Any) -> bytes:
            return caffe_layer(*args, old=old, **settings)

        crop = message((3, 64), (5, 90.0), (5, 100.0), (5, 110.0))
        norm = [] if old else [
            layer("bn", "BatchNorm", ["conv2"], ["conv2"],
                  [self.mean * 3, self.var * 3, np.array([3.0])]),
            layer("scale", "Scale", ["conv2"], ["conv2"], [self.gamma, self.beta]),
        ]  # fmt: skip
        layers = [
            layer("data", "Data", [], ["data", "label"], p100=crop),
            layer("conv1", "Convolution", ["data"], ["conv1"], [self.w1, self.b1],
                  p106=message((1, 8), (3, 2), (4, 5), (6, 2))),
            layer("relu1", "ReLU", ["conv1"], ["conv1"]),
            layer("norm1", "LRN", ["conv1"], ["norm1"], p118=message((1, 3), (2, 0.5), (3, 0.75))),
            layer("pool1", "Pooling", ["norm1"], ["pool1"], p121=message((2, 3), (3, 2))),
            layer("conv2", "Convolution", ["pool1"], ["conv2"], [self.w2, self.b2],
                  p106=message((1, 8), (3, 1), (4, 3), (5, 2))),
            *norm,
            layer("sum", "Eltwise", ["pool1", "conv2"], ["sum"], p110=message((1, 1))),
            layer("relu2", "ReLU", ["sum"], ["sum"]),
            layer("pool2", "Pooling", ["sum"], ["pool2"], p121=message((1, 1), (2, 3), (3, 2))),
            layer("drop", "Dropout", ["pool2"], ["pool2"]),
            layer("fc", "InnerProduct", ["pool2"], ["fc"], [self.w3, self.b3]),
            layer("loss", "SoftmaxWithLoss", ["fc", "label"], ["loss"]),
        ]  # fmt: skip
        path.write_bytes(caffe_net(layers, old))
        return path

    def scores(self, x: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
        """Return the scores for (3, 64, 64), in float64 and from Caffe's formulas."""
        x = np.maximum(_convolved(x, self.w1, self.b1, 2, 2), 0)
        squares = np.pad(x**2, ((1, 1), (0, 0), (0, 0)))
        x = x / (1 + 0.5 / 3 * (squares[:-2] + squares[1:-1] + squares[2:])) ** 0.75
        pool1 = _pooled(x, np.max)
        halves = [
            _convolved(pool1[4 * g : 4 * g + 4], self.w2[4 * g : 4 * g + 4],
                       self.b2[4 * g : 4 * g + 4], 1, 1)
            for g in (0, 1)
        ]  # fmt: skip
        y = np.concatenate(halves)
        if not self.old:
            y = (y - self.mean[:, None, None]) / np.sqrt(self.var[:, None, None] + 1e-5)
            y = y * self.gamma[:, None, None] + self.beta[:, None, None]
        x = _pooled(np.maximum(pool1 + y, 0), np.mean)
        return self.w3.astype("f8") @ x.reshape(-1) + self.b3


def _convolved(x: Any, weight: Any, bias: Any, stride: int, pad: int) -> Any:
    x = np.pad(np.asarray(x, "f8"), ((0, 0), (pad, pad), (pad, pad)))
    windows = np.lib.stride_tricks.sliding_window_view(x, weight.shape[2:], (1, 2))
    windows = windows[:, ::stride, ::stride]
    return np.einsum("chwij,ocij->ohw", windows, weight) + bias[:, None, None]


def _pooled(x: Any, what: Any) -> Any:
    """Return 3x3 pools at stride 2 that round up: the last window sees what is left."""
    _, height, width = x.shape
    rows = range(0, -(-(height - 3) // 2) * 2 + 1, 2)
    columns = range(0, -(-(width - 3) // 2) * 2 + 1, 2)
    return np.stack(
        [np.stack([what(x[:, r : r + 3, c : c + 3], (1, 2)) for c in columns], -1) for r in rows],
        -2,
    )
