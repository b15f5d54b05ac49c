"""Networks of other programs take part in everything: techniques, maps, the layer tree."""

import os

os.environ.setdefault("KERAS_BACKEND", "torch")

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from engine.attribution.methods import Question, attribute
from engine.attribution.registry import find_method
from engine.job import Inputs, Job, run
from engine.networks.loading import load_network
from engine.networks.network import Network
from engine.settings import make
from engine.techniques.deep_dream import DeepDream
from engine.techniques.style_transfer import StyleTransfer
from tests.foreign_files import random_keras

SIDE = 48
TIMM = "test_resnet"


def keras_network(folder: Path) -> Network:
    keras = pytest.importorskip("keras")
    pytest.importorskip("h5py")
    layers = keras.layers
    start = keras.Input((SIDE, SIDE, 3))
    x = layers.Rescaling(1 / 127.5, -1)(start)
    for name, channels in (("low", 6), ("high", 8)):
        x = layers.Conv2D(channels, 3, padding="same", activation="relu", name=name)(x)
        x = layers.MaxPooling2D(2, name=f"{name}_pool")(x)
    x = layers.GlobalAveragePooling2D(name="mean")(x)
    model = keras.Model(start, layers.Dense(4, activation="softmax", name="scores")(x))
    random_keras(model).save(folder / "own.keras")
    return load_network("keras", folder / "own.keras")


def onnx_network(folder: Path) -> Network:
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnx2pytorch")
    node, value = onnx.helper.make_node, onnx.helper.make_tensor_value_info
    rng = np.random.default_rng(0)
    shapes = {"v": (6, 3, 3, 3), "w": (8, 6, 3, 3), "u": (4, 8)}
    weights = {
        n: rng.normal(0, (2 / np.prod(s[1:])) ** 0.5, s).astype("f4") for n, s in shapes.items()
    }
    nodes = [
        node("Conv", ["x", "v"], ["a"], "/low/Conv", pads=[1] * 4),
        node("Relu", ["a"], ["b"], "/low/Relu"),
        node("MaxPool", ["b"], ["c"], "/low/MaxPool", kernel_shape=[2, 2], strides=[2, 2]),
        node("Conv", ["c", "w"], ["d"], "/high/Conv", pads=[1] * 4),
        node("Relu", ["d"], ["e"], "/high/Relu"),
        node("GlobalAveragePool", ["e"], ["f"], "/mean"),
        node("Flatten", ["f"], ["g"], "/flat"),
        node("Gemm", ["g", "u"], ["y"], "/scores", transB=1),
    ]
    kind = onnx.TensorProto.FLOAT
    graph = onnx.helper.make_graph(
        nodes, "net", [value("x", kind, ("n", 3, SIDE, SIDE))], [value("y", kind, ("n", 4))],
        [onnx.numpy_helper.from_array(w, n) for n, w in weights.items()],
    )  # fmt: skip
    imports = [onnx.helper.make_opsetid("", 18)]
    made = onnx.helper.make_model(graph, opset_imports=imports, ir_version=9)
    onnx.save(made, folder / "own.onnx")
    return load_network("onnx", folder / "own.onnx")


def timm_network(folder: Path) -> Network:
    timm = pytest.importorskip("timm")
    torch.manual_seed(0)
    model = timm.create_model(TIMM, pretrained=False, num_classes=4)
    save_file(model.state_dict(), folder / "own.safetensors")
    return load_network(f"timm/{TIMM}", folder / "own.safetensors")


KINDS = {
    "keras": (keras_network, {"low", "low_pool", "high", "mean", "scores"}),
    "onnx": (onnx_network, {"low/Conv", "low/Relu", "high/Conv", "mean", "scores"}),
    "timm": (timm_network, {"conv1", "layer1.0.conv1", "layer4.0.conv2", "global_pool", "fc"}),
}


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
@pytest.mark.parametrize("kind", KINDS)
def test_techniques_and_maps(tmp_path: Path, kind: str) -> None:
    build, names = KINDS[kind]
    network = build(tmp_path)
    found = [layer.name for top in network.layers() for layer in top.flat()]
    assert names <= set(found), found

    pixels = np.random.default_rng(1).integers(0, 255, (2, SIDE, SIDE, 3), np.uint8)
    photo, painting = (str(tmp_path / f"{n}.png") for n in ("photo", "painting"))
    for path, each in zip((photo, painting), pixels, strict=True):
        Image.fromarray(each).save(path)
    before = torch.from_numpy(pixels[0]).permute(2, 0, 1) / 255
    short = {"iterations": 2}
    jobs = (
        (make(StyleTransfer, short | {"start": "content"}), Inputs(photo, ((painting, 1.0),))),
        (make(DeepDream, short | {"octaves": 1}), Inputs(photo)),
    )
    for technique, inputs in jobs:
        job = Job(technique, inputs, size=SIDE, device="cpu", precision="fp32")
        *_, last = run(job, network)
        picture = last.picture.reshape(3, SIDE, SIDE)
        assert last.iteration == last.total
        assert picture.isfinite().all()
        assert (picture - before).abs().max() > 0.01, technique

    x = network.prepare(before[None])
    target = int(network.logits(before[None]).argmax())
    for name in ("gradient", "guided-backprop", "grad-cam"):
        heat = attribute(find_method(name), network, x, Question(target))
        assert heat is not None
        assert heat.shape[-2:] == (SIDE, SIDE)
        assert heat.isfinite().all()
        assert heat.abs().max() > 0, name
