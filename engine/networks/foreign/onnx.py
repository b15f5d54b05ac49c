"""Networks from ONNX files, external data included, rebuilt from PyTorch's modules."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.errors import BadInput
from engine.networks.card import BYTES, CAFFE_VGG, HALF, IMAGENET, UNIT, Preprocessing
from engine.networks.foreign.configuration import beside
from engine.networks.foreign.extras import needs
from engine.networks.foreign.network import Foreign

if TYPE_CHECKING:
    from engine.networks.foreign.graph import Graph

PRODUCERS: tuple[tuple[str, Preprocessing, str], ...] = (
    ("pytorch", IMAGENET, "exported by PyTorch, whose classifiers want torchvision's"),
    ("onnx-caffe2", CAFFE_VGG, "converted from Caffe2, whose networks want Caffe's"),
    ("tf2onnx", HALF, "converted from TensorFlow, most of whose networks want -1 to 1"),
    ("keras2onnx", HALF, "converted from Keras, most of whose networks want -1 to 1"),
)
RANGES: tuple[tuple[tuple[float, float], Preprocessing], ...] = (
    ((0, 1), UNIT),
    ((-1, 1), HALF),
    ((0, 255), BYTES),
)
"""The range that a quantized network can distinguish in its picture -> the preprocessing that fills
it."""
DEFAULT = (IMAGENET, "nothing in the file says, and torchvision's is the most common")


def is_onnx(path: Path, start: bytes) -> bool:
    """Return whether a file is ONNX: a protocol buffer, recognized by its suffix."""
    return path.suffix.lower() == ".onnx"


def read(path: Path) -> Foreign:
    """Return the network in an ONNX file.

    Raises `BadInput` for damaged files, for operations that have no counterpart, for networks that
    do not take one RGB picture, and without the libraries.
    """
    needs("onnx", "onnx", path)
    needs("onnx2pytorch", "onnx", path)
    import warnings

    from engine.networks.foreign import onnx_graph
    from engine.networks.foreign.onnx_cleaning import clean
    from engine.networks.foreign.onnx_weights import load
    from engine.networks.foreign.probing import takes_several
    from engine.networks.foreign.unsupported import UnsupportedLayer

    model, weights = load(path)
    opset = next((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), 0)
    shape = _input_shape(model)
    last = len(shape) == 4 and shape[3] == 3 and shape[1] != 3
    size = shape[1 if last else 2] if len(shape) == 4 else 0
    try:
        made = clean(model, weights)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the library, about what exporters do
            network = onnx_graph.build(made, opset, last, weights.release)
    except UnsupportedLayer as error:
        raise BadInput(f"{path} is an ONNX network with {error}; it cannot be used") from error
    except (KeyError, ValueError, TypeError, IndexError, RuntimeError, AttributeError) as error:
        raise BadInput(f"{path} is an ONNX network that contradicts itself: {error}") from error
    network = network.float().eval().requires_grad_(False)
    network.single = not takes_several(network, size or 224)
    found = beside(path)
    size = size or (found.input_size if found else 0) or 224
    network, classes = _with_scores(network, size, path)
    notes = []
    if made.ending:
        notes.append(f"its {made.ending.lower()} was left out: scores are read before that layer")
    if network.single:
        notes.append("it was written for one picture at a time and is given one at a time")
    if made.quantized:
        notes.append("its integers became the real numbers that they stand for, without rounding")
    preprocessing, reason = _preprocessing(model, found, made.range)
    producer = " ".join(
        p
        for p in (model.producer_name, model.producer_version.partition(" ")[0].partition("+")[0])
        if p
    )
    title = f"ONNX network{f' ({producer})' if producer else ''}"
    names = found.classes if found and len(found.classes) == classes else ()
    return Foreign(
        "onnx",
        title,
        network,
        preprocessing,
        reason,
        classes,
        size,
        tuple(notes),
        classes=names,
        beside=tuple(weights.beside),
    )


def _input_shape(model: Any) -> tuple[int, ...]:
    """Return the picture's shape; 0 for free dimensions."""
    weights = {t.name for t in model.graph.initializer}
    weights |= {name for node in model.graph.node for name in node.output}
    picture = next((i for i in model.graph.input if i.name not in weights), None)
    if picture is None:
        return ()
    return tuple(d.dim_value for d in picture.type.tensor_type.shape.dim)


def _with_scores(network: "Graph", size: int, path: Path) -> "tuple[Graph, int]":
    """Return the network so that it ends in (N, classes), if it ends in scores at all."""
    from engine.networks.foreign.graph import Graph, GraphNode
    from engine.networks.foreign.onnx_modules import Scores
    from engine.networks.foreign.probing import classes_of, given_by

    given = given_by(network, size, path)
    if given.dim() == 2:
        return network, given.shape[1]
    if max(given.shape[1:], default=0) != given[0].numel():
        return network, 0  # maps
    steps = [
        GraphNode(key, name, network.get_submodule(name), inputs)
        for key, name, inputs, _ in network.plan
    ]
    steps.append(GraphNode("scores", "scores", Scores(), (network.output,)))
    made = Graph(steps, network.source, "scores").eval()
    made.single = network.single
    return made, classes_of(made, size, path)


def _preprocessing(
    model: Any, found: Any, limits: tuple[float, float] | None
) -> tuple[Preprocessing, str]:
    if found is not None and found.preprocessing is not None:
        return found.preprocessing, f"{found.file} beside it says so"
    said = {p.key: p.value for p in model.metadata_props}
    if said.get("Image.NominalPixelRange") == "NominalRange_0_255":
        return BYTES, "its metadata says pixels from 0 to 255"
    for (low, high), preprocessing in RANGES if limits else ():
        near = 0.02 * (high - low)
        if limits and abs(limits[0] - low) < near and abs(limits[1] - high) < near:
            return preprocessing, f"its integers begin with pictures from {low:g} to {high:g}"
    for producer, preprocessing, reason in PRODUCERS:
        if model.producer_name == producer:
            return preprocessing, reason
    return DEFAULT
