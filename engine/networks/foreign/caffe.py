"""Any network in a Caffe model: the file holds its layers as well as their weights.

BVLC GoogLeNet and Oxford's VGG, recognized by the names of their layers, have modules of their own.
Caffe's arithmetic (Jia et al. 2014): pools round up, batch norm and its scale are two layers,
pictures are BGR from 0 to 255 minus a mean.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import BadInput
from engine.networks.card import CAFFE_BVLC, Preprocessing
from engine.networks.foreign.network import Foreign
from engine.networks.foreign.unsupported import UnsupportedLayer
from engine.networks.formats.mapped import Mapped

if TYPE_CHECKING:
    from torch import nn

    from engine.networks.foreign.caffe_layers import CaffeLayer

DATA = {"Data", "ImageData", "Input", "MemoryData", "HDF5Data", "DummyData", "Python"}
JUDGES = {"SoftmaxWithLoss", "Softmax", "Accuracy", "EuclideanLoss", "SigmoidCrossEntropyLoss"}
PASSING = {"Dropout", "Split"}


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
    except UnsupportedLayer as error:
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
    """Return the network of these layers. Raises `UnsupportedLayer`."""
    from engine.networks.foreign.caffe_modules import MAKERS
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
            raise UnsupportedLayer(f"the layer {layer.name}, a {layer.kind}")
        steps.append(GraphNode(layer.name, layer.name, maker(layer), inputs))
        now |= dict.fromkeys(layer.tops, layer.name)
    return Graph(steps, source, output or steps[-1].key)


# -- pictures ----------------------------------------------------------------------------------------


def _input_size(found: "Sequence[CaffeLayer]") -> int:
    crops = [n for layer in found for n in layer.numbers("transform", 3)]
    return int(crops[-1]) if crops and 16 <= crops[-1] <= 4096 else 224


def _preprocessing(path: Path, found: "Sequence[CaffeLayer]") -> tuple[Preprocessing, str]:
    """Return what a mean file beside the model, or the layer that read the pictures, says."""
    scale = next((n for layer in found for n in layer.numbers("transform", 1)), 1.0)
    if mean_file := mean_beside(path):
        return _bgr(mean_of(mean_file), scale), f"the mean is that of {mean_file.name} beside it"
    values = next((v for layer in found if len(v := layer.numbers("transform", 5)) == 3), None)
    if values:
        return _bgr((values[0], values[1], values[2]), scale), "the file's data layer says so"
    return CAFFE_BVLC, "nothing in the file says, and Caffe's ImageNet mean is the most common"


def _bgr(mean: tuple[float, float, float], scale: float) -> Preprocessing:
    # Caffe subtracts the mean before it scales.
    deviation = 1 / scale
    return Preprocessing("BGR", 255.0, mean, (deviation, deviation, deviation))


def mean_beside(path: Path) -> Path | None:
    """Return the mean file that belongs to a model: the one of its name, or the only one beside it."""
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
