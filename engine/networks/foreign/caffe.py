"""Any network in a Caffe model: the file holds its layers as well as their weights.

For BVLC GoogLeNet and Oxford's VGG, which are known by their layers' names, there are modules of
their own. Caffe's arithmetic (Jia et al. 2014): pools round up, batch norm and its scale are two
layers, pictures are BGR from 0 to 255 less a mean.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.errors import BadInput
from engine.networks.card import CAFFE_BVLC, Preprocessing
from engine.networks.foreign.network import Foreign
from engine.networks.formats.mapped import Mapped

if TYPE_CHECKING:
    from torch import Tensor, nn

    from engine.networks.foreign.caffe_layers import CaffeLayer

DATA = {"Data", "ImageData", "Input", "MemoryData", "HDF5Data", "DummyData", "Python"}
JUDGES = {"SoftmaxWithLoss", "Softmax", "Accuracy", "EuclideanLoss", "SigmoidCrossEntropyLoss"}
PASSING = {"Dropout", "Split"}


class UnsupportedCaffeLayer(Exception):
    """A layer without a counterpart here; the message names it."""


def read(path: Path) -> Foreign:
    """Return the network in a .caffemodel.

    Raises `BadInput` for damaged files and for layers without a counterpart.
    """
    from engine.networks.foreign.caffe_layers import layers
    from engine.networks.foreign.probing import classes_of

    try:
        found, _ = layers(Mapped.whole(path))
    except (ValueError, IndexError, RuntimeError, UnicodeDecodeError) as error:
        raise BadInput(
            f"{path} is cut off or damaged, or not a Caffe model; get it again"
        ) from error
    if not any(layer.blobs for layer in found):
        raise BadInput(f"{path} holds no weights of a Caffe model")
    try:
        network = build(found)
    except UnsupportedCaffeLayer as error:
        raise BadInput(f"{path} is a Caffe model with {error}; it cannot be used") from error
    except (KeyError, ValueError, IndexError, RuntimeError) as error:
        raise BadInput(f"{path} is a Caffe model that contradicts itself: {error}") from error
    network.eval().requires_grad_(False)
    size = _input_size(found)
    preprocessing, reason = _preprocessing(path, found)
    classes = classes_of(network, size, path)
    ending = [layer.kind for layer in found if layer.kind in ("Softmax", "SoftmaxWithLoss")]
    notes = ("its softmax was left out: scores are read before that layer",) if ending else ()
    return Foreign("caffe", "Caffe network", network, preprocessing, reason, classes, size, notes)


def build(found: "Sequence[CaffeLayer]") -> "nn.Module":
    """Return the network of these layers. Raises `UnsupportedCaffeLayer`."""
    from engine.networks.foreign.graph import Graph, GraphNode

    source = "data"
    now = {"data": source}
    steps: list[GraphNode] = []
    output = ""
    for layer in found:
        if layer.kind in DATA:
            now |= dict.fromkeys(layer.tops[:1], source)
            continue
        if layer.training and not layer.blobs:
            continue
        if layer.kind in JUDGES:
            output = now.get(layer.bottoms[0], output) if layer.bottoms else output
            continue
        inputs = tuple(now.get(bottom, source if not steps else bottom) for bottom in layer.bottoms)
        if layer.kind in PASSING:
            now |= dict.fromkeys(layer.tops, inputs[0])
            continue
        maker = MAKERS.get(layer.kind)
        if maker is None:
            raise UnsupportedCaffeLayer(f"the layer {layer.name}, a {layer.kind}")
        steps.append(GraphNode(layer.name, layer.name, maker(layer), inputs))
        now |= dict.fromkeys(layer.tops, layer.name)
    return Graph(steps, source, output or steps[-1].key)


# -- layers ------------------------------------------------------------------------------------------


def _blobs(layer: "CaffeLayer", least: int) -> "list[Tensor]":
    if len(layer.blobs) < least:
        raise UnsupportedCaffeLayer(f"the layer {layer.name}, whose weights are missing")
    return layer.blobs


def _pair(layer: "CaffeLayer", group: str, both: int, height: int, width: int, default: int) -> Any:
    values = layer.numbers(group, both)
    if values:
        return int(values[0]), int(values[-1])
    high, wide = layer.number(group, height, default), layer.number(group, width, default)
    return int(high), int(wide)


def _convolution(layer: "CaffeLayer") -> "nn.Module":
    from torch import nn

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


def _filled(made: Any, weight: "Tensor", bias: "Sequence[Tensor]") -> "nn.Module":
    from torch import nn

    made.weight = nn.Parameter(weight, False)
    made.bias = nn.Parameter(bias[0].flatten(), False) if bias else None
    return made


def _inner_product(layer: "CaffeLayer") -> "nn.Module":
    from collections import OrderedDict

    from torch import nn

    weight, *bias = _blobs(layer, 1)
    if layer.number("inner_product", 6, 0):
        weight = weight.T
    weight = weight.reshape(weight.shape[-2], weight.shape[-1])
    linear = _filled(
        nn.Linear(weight.shape[1], weight.shape[0], False, device="meta"), weight, bias
    )
    return nn.Sequential(OrderedDict(flatten=nn.Flatten(), linear=linear))


def _pooling(layer: "CaffeLayer") -> "nn.Module":
    from torch import nn

    mean = layer.number("pooling", 1, 0) == 1
    if layer.number("pooling", 12, 0):
        return nn.AdaptiveAvgPool2d(1) if mean else nn.AdaptiveMaxPool2d(1)
    if layer.number("pooling", 1, 0) == 2:
        raise UnsupportedCaffeLayer(f"the layer {layer.name}, a random pool")
    kernel = _pair(layer, "pooling", 2, 5, 6, 1)
    stride, pad = _pair(layer, "pooling", 3, 7, 8, 1), _pair(layer, "pooling", 4, 9, 10, 0)
    up = layer.number("pooling", 13, 0) == 0
    kind: Any = nn.AvgPool2d if mean else nn.MaxPool2d
    made: nn.Module = kind(kernel, stride, pad, ceil_mode=up)
    return made


def _lrn(layer: "CaffeLayer") -> "nn.Module":
    from torch import nn

    if layer.number("lrn", 4, 0):
        raise UnsupportedCaffeLayer(f"the layer {layer.name}, a response norm within maps")
    size = int(layer.number("lrn", 1, 5))
    alpha, beta = layer.number("lrn", 2, 1.0), layer.number("lrn", 3, 0.75)
    return nn.LocalResponseNorm(size, alpha, beta, layer.number("lrn", 5, 1.0))


def _batch_norm(layer: "CaffeLayer") -> "nn.Module":
    import torch
    from torch import nn

    mean, variance, *factor = _blobs(layer, 2)
    divisor = float(factor[0].flatten()[0]) if factor else 1.0
    scale = 1 / divisor if divisor else 0.0
    made: Any = nn.BatchNorm2d(
        mean.numel(), layer.number("batch_norm", 3, 1e-5), affine=False, device="meta"
    )
    made.running_mean, made.running_var = mean.flatten() * scale, variance.flatten() * scale
    made.num_batches_tracked = torch.zeros((), dtype=torch.long)
    return made


def _scale(layer: "CaffeLayer") -> "nn.Module":
    import torch

    from engine.networks.foreign.layers import Affine

    gamma, *beta = _blobs(layer, 1)
    return Affine(gamma.flatten(), beta[0].flatten() if beta else torch.zeros(1))


def _relu(layer: "CaffeLayer") -> "nn.Module":
    from torch import nn

    slope = layer.number("relu", 1, 0.0)
    return nn.LeakyReLU(slope) if slope else nn.ReLU()


def _eltwise(layer: "CaffeLayer") -> "nn.Module":
    from engine.networks.foreign.layers import Combine

    kind = {0: "multiply", 1: "add", 2: "maximum"}[int(layer.number("eltwise", 1, 1))]
    return Combine(kind, layer.numbers("eltwise", 2))


def _concat(layer: "CaffeLayer") -> "nn.Module":
    from engine.networks.foreign.layers import Concat

    if int(layer.number("concat", 2, layer.number("concat", 1, 1))) != 1:
        raise UnsupportedCaffeLayer(f"the layer {layer.name}, which joins other than channels")
    return Concat()


def _power(layer: "CaffeLayer") -> "nn.Module":
    import torch

    from engine.networks.foreign.layers import Affine

    if layer.number("power", 1, 1.0) != 1:
        raise UnsupportedCaffeLayer(f"the layer {layer.name}, a power")
    scale, shift = layer.number("power", 2, 1.0), layer.number("power", 3, 0.0)
    return Affine(torch.tensor([scale]), torch.tensor([shift]))


def _plain(name: str) -> "Callable[[CaffeLayer], nn.Module]":
    def make(_layer: "CaffeLayer") -> "nn.Module":
        from torch import nn

        made: nn.Module = getattr(nn, name)()
        return made

    return make


MAKERS: "dict[str, Callable[[CaffeLayer], nn.Module]]" = {
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

# -- pictures ----------------------------------------------------------------------------------------


def _input_size(found: "Sequence[CaffeLayer]") -> int:
    crops = [n for layer in found for n in layer.numbers("transform", 3)]
    return int(crops[-1]) if crops and 16 <= crops[-1] <= 4096 else 224


def _preprocessing(path: Path, found: "Sequence[CaffeLayer]") -> tuple[Preprocessing, str]:
    """Return what a mean file beside, or the layer that read the training pictures, says."""
    scale = next((n for layer in found for n in layer.numbers("transform", 1)), 1.0)
    if mean_file := mean_beside(path):
        return _bgr(mean_of(mean_file), scale), f"the mean is that of {mean_file.name} beside it"
    values = next((v for layer in found if len(v := layer.numbers("transform", 5)) == 3), None)
    if values:
        return _bgr((values[0], values[1], values[2]), scale), "the file's data layer says so"
    return CAFFE_BVLC, "nothing in the file says, and Caffe's ImageNet mean is the most common"


def _bgr(mean: tuple[float, float, float], scale: float) -> Preprocessing:
    # Caffe takes the mean off before it scales.
    deviation = 1 / scale
    return Preprocessing("BGR", 255.0, mean, (deviation, deviation, deviation))


def mean_beside(path: Path) -> Path | None:
    """Return the mean file that belongs to a model: of its name, or the only one in its folder."""
    own = [path.with_suffix(".binaryproto"), path.with_name(f"{path.stem}_mean.binaryproto")]
    found = [p for p in own if p.is_file()] or sorted(path.parent.glob("*mean*.binaryproto"))
    return found[0] if len(found) == 1 or (found and found[0] in own) else None


def mean_of(path: Path) -> tuple[float, float, float]:
    """Return the mean blue, green and red in a .binaryproto. Raises `BadInput` for others."""
    from engine.networks.caffemodel import blob

    try:
        values = blob(memoryview(path.read_bytes()))
        if values.dim() == 4:
            values = values[0]
        if values.dim() != 3 or values.shape[0] != 3 or not bool(values.isfinite().all()):
            raise ValueError("no picture")
        blue, green, red = (float(n) for n in values.double().mean((1, 2)))
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, IndexError, RuntimeError) as error:
        raise BadInput(f"{path} is not the mean of colour pictures as Caffe writes it") from error
    return blue, green, red
