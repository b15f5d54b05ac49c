"""Caffe's layers as PyTorch modules. Numbers of settings are those of caffe.proto."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from engine.networks.foreign.caffe_layers import CaffeLayer
from engine.networks.foreign.layers import Affine, Combine, Concat
from engine.networks.foreign.unsupported import UnsupportedLayer


def _blobs(layer: CaffeLayer, least: int) -> list[Tensor]:
    if len(layer.blobs) < least:
        raise UnsupportedLayer(f"the layer {layer.name}, whose weights are missing")
    return layer.blobs


def _pair(layer: CaffeLayer, group: str, both: int, height: int, width: int, default: int) -> Any:
    values = layer.numbers(group, both)
    if values:
        return int(values[0]), int(values[-1])
    high, wide = layer.number(group, height, default), layer.number(group, width, default)
    return int(high), int(wide)


def _convolution(layer: CaffeLayer) -> nn.Module:
    weight, *bias = _blobs(layer, 1)
    groups = int(layer.number("convolution", 5, 1))
    if weight.dim() != 4:  # old files say (1, 1, height, width) of whatever has no more
        kernel = _pair(layer, "convolution", 4, 11, 12, 1)
        weight = weight.reshape(int(layer.number("convolution", 1, weight.shape[0])), -1, *kernel)
    made = nn.Conv2d(
        weight.shape[1] * groups,
        weight.shape[0],
        (weight.shape[2], weight.shape[3]),
        _pair(layer, "convolution", 6, 13, 14, 1),
        _pair(layer, "convolution", 3, 9, 10, 0),
        _pair(layer, "convolution", 18, 18, 18, 1),
        groups,
        bias=False,
        device="meta",
    )
    return _filled(made, weight, bias)


def _filled(made: Any, weight: Tensor, bias: Sequence[Tensor]) -> nn.Module:
    made.weight = nn.Parameter(weight, False)
    made.bias = nn.Parameter(bias[0].flatten(), False) if bias else None
    return made


def _inner_product(layer: CaffeLayer) -> nn.Module:
    weight, *bias = _blobs(layer, 1)
    if layer.number("inner_product", 6, 0):
        weight = weight.T
    weight = weight.reshape(weight.shape[-2], weight.shape[-1])
    linear = _filled(
        nn.Linear(weight.shape[1], weight.shape[0], False, device="meta"), weight, bias
    )
    return nn.Sequential(OrderedDict(flatten=nn.Flatten(), linear=linear))


def _pooling(layer: CaffeLayer) -> nn.Module:
    mean = layer.number("pooling", 1, 0) == 1
    if layer.number("pooling", 12, 0):
        return nn.AdaptiveAvgPool2d(1) if mean else nn.AdaptiveMaxPool2d(1)
    if layer.number("pooling", 1, 0) == 2:
        raise UnsupportedLayer(f"the layer {layer.name}, a random pool")
    kernel = _pair(layer, "pooling", 2, 5, 6, 1)
    stride, pad = _pair(layer, "pooling", 3, 7, 8, 1), _pair(layer, "pooling", 4, 9, 10, 0)
    up = layer.number("pooling", 13, 0) == 0
    kind: Any = nn.AvgPool2d if mean else nn.MaxPool2d
    made: nn.Module = kind(kernel, stride, pad, ceil_mode=up)
    return made


def _lrn(layer: CaffeLayer) -> nn.Module:
    if layer.number("lrn", 4, 0):
        raise UnsupportedLayer(f"the layer {layer.name}, a response norm within maps")
    size = int(layer.number("lrn", 1, 5))
    alpha, beta = layer.number("lrn", 2, 1.0), layer.number("lrn", 3, 0.75)
    return nn.LocalResponseNorm(size, alpha, beta, layer.number("lrn", 5, 1.0))


def _batch_norm(layer: CaffeLayer) -> nn.Module:
    mean, variance, *factor = _blobs(layer, 2)
    divisor = float(factor[0].flatten()[0]) if factor else 1.0
    scale = 1 / divisor if divisor else 0.0
    made: Any = nn.BatchNorm2d(
        mean.numel(), layer.number("batch_norm", 3, 1e-5), affine=False, device="meta"
    )
    made.running_mean, made.running_var = mean.flatten() * scale, variance.flatten() * scale
    made.num_batches_tracked = torch.zeros((), dtype=torch.long)
    return made


def _scale(layer: CaffeLayer) -> nn.Module:
    gamma, *beta = _blobs(layer, 1)
    return Affine(gamma.flatten(), beta[0].flatten() if beta else torch.zeros(1))


def _relu(layer: CaffeLayer) -> nn.Module:
    slope = layer.number("relu", 1, 0.0)
    return nn.LeakyReLU(slope) if slope else nn.ReLU()


def _eltwise(layer: CaffeLayer) -> nn.Module:
    kind = {0: "multiply", 1: "add", 2: "maximum"}[int(layer.number("eltwise", 1, 1))]
    return Combine(kind, layer.numbers("eltwise", 2))


def _concat(layer: CaffeLayer) -> nn.Module:
    if int(layer.number("concat", 2, layer.number("concat", 1, 1))) != 1:
        raise UnsupportedLayer(f"the layer {layer.name}, which joins other than channels")
    return Concat()


def _power(layer: CaffeLayer) -> nn.Module:
    if layer.number("power", 1, 1.0) != 1:
        raise UnsupportedLayer(f"the layer {layer.name}, a power")
    scale, shift = layer.number("power", 2, 1.0), layer.number("power", 3, 0.0)
    return Affine(torch.tensor([scale]), torch.tensor([shift]))


def _plain(name: str) -> Callable[[CaffeLayer], nn.Module]:
    def make(_layer: CaffeLayer) -> nn.Module:
        made: nn.Module = getattr(nn, name)()
        return made

    return make


MAKERS: dict[str, Callable[[CaffeLayer], nn.Module]] = {
    "Convolution": _convolution,
    "InnerProduct": _inner_product,
    "Pooling": _pooling,
    "LRN": _lrn,
    "BatchNorm": _batch_norm,
    "Scale": _scale,
    "ReLU": _relu,
    "Sigmoid": _plain("Sigmoid"),
    "TanH": _plain("Tanh"),
    "ELU": _plain("ELU"),
    "Eltwise": _eltwise,
    "Concat": _concat,
    "Flatten": _plain("Flatten"),
    "Power": _power,
}
