"""Keras's layers as PyTorch modules: kernels transposed to (out, in, H, W), TensorFlow's padding kept."""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from engine.networks.foreign import layers
from engine.networks.foreign.keras_activations import activation, activation_name
from engine.networks.foreign.keras_store import Arrays
from engine.networks.foreign.unsupported import UnsupportedLayer

Config = Mapping[str, Any]

NOTHING_TO_DO = {
    "Dropout", "SpatialDropout2D", "GaussianNoise", "GaussianDropout", "AlphaDropout",
    "ActivityRegularization", "RandomFlip", "RandomRotation", "RandomZoom", "RandomContrast",
    "RandomTranslation", "RandomBrightness", "RandomCrop", "RandomHeight", "RandomWidth",
    "RandomColorJitter", "RandomSaturation", "RandomHue", "RandomSharpness", "RandomErasing",
    "AugMix", "CutMix", "MixUp", "RandAugment",
}  # fmt: skip
"""Layers that only training needs (RandomCrop: pictures come in the network's size)."""
CODE = {"Lambda", "TFSMLayer", "TorchModuleWrapper", "FlaxLayer", "JaxLayer"}
"""Layers that contain code."""


def layer(kind: str, config: Config, arrays: Arrays, channels_last: bool) -> nn.Module:
    """Return the module for a layer of class `kind`. Raises `UnsupportedLayer`.

    `channels_last` says how the Keras model orders axes; the module always takes (N, C, H, W).
    """
    if kind in NOTHING_TO_DO:
        return nn.Identity()
    made = MAKERS.get(kind)
    if made is None:
        raise UnsupportedLayer(f"a layer of the class {kind}")
    module = made(config, arrays, channels_last)
    name = activation_name(config.get("activation"))
    if kind in ("Activation", "Softmax") or name == "linear":
        return module
    return nn.Sequential(OrderedDict([(_part(module), module), (name, activation(name))]))


def _part(module: nn.Module) -> str:
    return "conv" if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Sequential)) else "dense"


def _tensor(array: "np.ndarray[Any, Any]", *axes: int) -> nn.Parameter:
    turned = array.transpose(axes) if axes else array
    return nn.Parameter(torch.from_numpy(np.ascontiguousarray(turned)).float(), False)


def _need(arrays: Arrays, role: str) -> "np.ndarray[Any, Any]":
    if role not in arrays:
        raise UnsupportedLayer(f"a layer whose {role} is missing from the file")
    return arrays[role]


def _filled(module: Any, weight: nn.Parameter, arrays: Arrays) -> nn.Module:
    module.weight = weight
    module.bias = _tensor(arrays["bias"]) if "bias" in arrays else None
    filled: nn.Module = module
    return filled


def _convolution(config: Config, arrays: Arrays, _last: bool) -> nn.Module:
    weight = _tensor(_need(arrays, "kernel"), 3, 2, 0, 1)
    return _kernel(weight, config, arrays, int(config.get("groups") or 1))


def _depthwise(config: Config, arrays: Arrays, _last: bool) -> nn.Module:
    kernel = _need(arrays, "kernel")
    return _kernel(_depth_weight(kernel), config, arrays, kernel.shape[2])


def _separable(config: Config, arrays: Arrays, _last: bool) -> nn.Module:
    kernel = _need(arrays, "depthwise_kernel")
    depth = _kernel(_depth_weight(kernel), config, {}, kernel.shape[2])
    weight = _tensor(_need(arrays, "pointwise_kernel"), 3, 2, 0, 1)
    plain = {"strides": 1, "dilation_rate": 1, "padding": "valid"}
    point = _kernel(weight, plain, arrays, 1)
    return nn.Sequential(OrderedDict(depthwise=depth, pointwise=point))


def _depth_weight(kernel: "np.ndarray[Any, Any]") -> nn.Parameter:
    height, width, channels, times = kernel.shape
    return _tensor(kernel.transpose(2, 3, 0, 1).reshape(channels * times, 1, height, width))


def _kernel(weight: nn.Parameter, config: Config, arrays: Arrays, groups: int) -> nn.Module:
    padding = config.get("padding", "valid")
    if padding not in ("same", "valid"):
        raise UnsupportedLayer(f"a convolution with the padding {padding}")
    kernel = (weight.shape[2], weight.shape[3])
    stride, dilation = _two(config.get("strides", 1)), _two(config.get("dilation_rate", 1))
    kind = nn.Conv2d
    pads: tuple[int, int] = (0, 0)
    if padding == "same":
        reach = tuple((k - 1) * d for k, d in zip(kernel, dilation, strict=True))
        if stride == (1, 1) and not any(r % 2 for r in reach):
            pads = (reach[0] // 2, reach[1] // 2)
        else:
            kind = layers.SameConv2d
    inputs = weight.shape[1] * groups
    module = kind(
        inputs, weight.shape[0], kernel, stride, pads, dilation, groups, False, device="meta"
    )
    return _filled(module, weight, arrays)


def _dense(_config: Config, arrays: Arrays, _last: bool) -> nn.Module:
    kernel = _need(arrays, "kernel")
    module = nn.Linear(kernel.shape[0], kernel.shape[1], bias=False, device="meta")
    # Transposed as a view: a copy would double the memory of VGG's largest layer.
    weight = torch.from_numpy(np.ascontiguousarray(kernel)).float().T
    return _filled(module, nn.Parameter(weight, False), arrays)


def _batch_norm(config: Config, arrays: Arrays, last: bool) -> nn.Module:
    if axis(config.get("axis", -1), last) != 1:
        raise UnsupportedLayer(f"a batch norm over the axis {config.get('axis')}")
    mean = _need(arrays, "moving_mean")
    module = nn.BatchNorm2d(len(mean), eps=float(config.get("epsilon", 1e-3)), device="meta")
    ones, zeros = np.ones_like(mean), np.zeros_like(mean)
    module.weight = _tensor(arrays.get("gamma", ones))
    module.bias = _tensor(arrays.get("beta", zeros))
    module.running_mean = _tensor(mean).data
    module.running_var = _tensor(_need(arrays, "moving_variance")).data
    module.num_batches_tracked = torch.zeros((), dtype=torch.long)
    return module


def axis(value: Any, channels_last: bool) -> int:
    """Return the axis of (N, C, H, W) that Keras's `value` means for maps."""
    value = value[0] if isinstance(value, (list, tuple)) else value
    value = int(value) % 4
    return (0, 2, 3, 1)[value] if channels_last else value


def _activation(config: Config, _arrays: Arrays, _last: bool) -> nn.Module:
    return activation(activation_name(config.get("activation")))


def _relu(config: Config, _arrays: Arrays, _last: bool) -> nn.Module:
    top, slope = config.get("max_value"), float(config.get("negative_slope") or 0)
    threshold = float(config.get("threshold") or 0)
    if top is None and not slope and not threshold:
        return nn.ReLU()
    if top == 6 and not slope and not threshold:
        return nn.ReLU6()
    return layers.ClippedReLU(None if top is None else float(top), slope, threshold)


def _leaky(config: Config, _arrays: Arrays, _last: bool) -> nn.Module:
    return nn.LeakyReLU(float(config.get("negative_slope", config.get("alpha", 0.3))))


def _pool(kind: str) -> "Callable[[Config, Arrays, bool], nn.Module]":
    def make(config: Config, _arrays: Arrays, _last: bool) -> nn.Module:
        window = _two(config.get("pool_size", 2))
        stride = _two(config.get("strides") or window)
        if config.get("padding", "valid") == "valid":
            plain: type[nn.Module] = nn.MaxPool2d if kind == "max" else nn.AvgPool2d
            return plain(window, stride)
        same = layers.SameMaxPool2d if kind == "max" else layers.SameAvgPool2d
        return same(window, stride)

    return make


def _global(kind: str) -> "Callable[[Config, Arrays, bool], nn.Module]":
    def make(config: Config, _arrays: Arrays, _last: bool) -> nn.Module:
        return layers.GlobalPool(kind, bool(config.get("keepdims")))

    return make


def _combine(kind: str) -> "Callable[[Config, Arrays, bool], nn.Module]":
    return lambda _config, _arrays, _last: layers.Combine(kind)


def _concatenate(config: Config, _arrays: Arrays, last: bool) -> nn.Module:
    if axis(config.get("axis", -1), last) != 1:
        raise UnsupportedLayer(f"maps joined along the axis {config.get('axis')}")
    return layers.Concat()


def _flatten(config: Config, _arrays: Arrays, last: bool) -> nn.Module:
    # Keras turns channels-first maps to channels-last before it flattens them, if told that they
    # are.
    return layers.Flatten(last or config.get("data_format") == "channels_first")


def _reshape(config: Config, _arrays: Arrays, last: bool) -> nn.Module:
    return layers.Reshape(config["target_shape"], last)


def _zero_padding(config: Config, _arrays: Arrays, _last: bool) -> nn.Module:
    (top, bottom), (left, right) = _borders(config.get("padding", 1))
    return nn.ZeroPad2d((left, right, top, bottom))


def _cropping(config: Config, _arrays: Arrays, _last: bool) -> nn.Module:
    (top, bottom), (left, right) = _borders(config.get("cropping", 0))
    return nn.ZeroPad2d((-left, -right, -top, -bottom))


def _borders(value: Any) -> tuple[tuple[int, int], tuple[int, int]]:
    if isinstance(value, int):
        return (value, value), (value, value)
    first, second = (_two(side) for side in value)
    return first, second


def _upsampling(config: Config, _arrays: Arrays, _last: bool) -> nn.Module:
    mode = config.get("interpolation", "nearest")
    if mode not in ("nearest", "bilinear"):
        raise UnsupportedLayer(f"upsampling by {mode}")
    scale = tuple(float(n) for n in _two(config.get("size", 2)))
    return nn.Upsample(scale_factor=scale, mode=mode)


def _rescaling(config: Config, _arrays: Arrays, _last: bool) -> nn.Module:
    numbers = [config.get("scale", 1.0), config.get("offset", 0.0)]
    return layers.Affine(*(torch.tensor(np.asarray(_plain(n), "f4")) for n in numbers))


def _normalization(config: Config, arrays: Arrays, last: bool) -> nn.Module:
    if axis(config.get("axis", -1) or -1, last) != 1:
        raise UnsupportedLayer("a normalization of places instead of channels")
    mean = arrays.get("mean", _plain(config.get("mean")))
    variance = arrays.get("variance", _plain(config.get("variance")))
    if mean is None or variance is None:
        raise UnsupportedLayer("a normalization without its mean and variance")
    std = np.maximum(np.sqrt(np.asarray(variance, "f8").reshape(-1)), 1e-7)
    centre = np.asarray(mean, "f8").reshape(-1)
    scale, shift = (std, centre) if config.get("invert") else (1 / std, -centre / std)
    return layers.Affine(torch.from_numpy(scale), torch.from_numpy(shift))


def _plain(value: Any) -> Any:
    """Return the number or list in a setting, which Keras 3 may wrap."""
    if isinstance(value, Mapping):
        inner = value.get("config", {})
        return _plain(inner.get("value") if isinstance(inner, Mapping) else inner)
    return value


def _two(value: Any) -> tuple[int, int]:
    first, *rest = value if isinstance(value, (list, tuple)) else (value,)
    return int(first), int(rest[0] if rest else first)


MAKERS: dict[str, Callable[[Config, Arrays, bool], nn.Module]] = {
    "Conv2D": _convolution,
    "Convolution2D": _convolution,
    "DepthwiseConv2D": _depthwise,
    "SeparableConv2D": _separable,
    "Dense": _dense,
    "BatchNormalization": _batch_norm,
    "Activation": _activation,
    "Softmax": lambda _c, _a, _l: nn.Softmax(1),
    "ReLU": _relu,
    "LeakyReLU": _leaky,
    "ELU": lambda c, _a, _l: nn.ELU(float(c.get("alpha", 1.0))),
    "MaxPooling2D": _pool("max"),
    "AveragePooling2D": _pool("mean"),
    "GlobalAveragePooling2D": _global("mean"),
    "GlobalMaxPooling2D": _global("max"),
    "Add": _combine("add"),
    "Multiply": _combine("multiply"),
    "Average": _combine("average"),
    "Subtract": _combine("subtract"),
    "Maximum": _combine("maximum"),
    "Minimum": _combine("minimum"),
    "Concatenate": _concatenate,
    "Flatten": _flatten,
    "Reshape": _reshape,
    "ZeroPadding2D": _zero_padding,
    "Cropping2D": _cropping,
    "UpSampling2D": _upsampling,
    "Rescaling": _rescaling,
    "Normalization": _normalization,
}
"""Class of layer -> what makes its module from settings and variables."""
