"""Importing a file takes memory for its numbers once, whatever program wrote it."""

import os

os.environ.setdefault("KERAS_BACKEND", "torch")

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torchvision import models

from tests.foreign_files import caffe_layer, caffe_net, message

ROOT = Path(__file__).resolve().parents[3]
SIDE, MAPS = 40, 8
INPUTS = SIDE * SIDE * MAPS
SMALL, LARGE = 3, 1200
"""Classes: of a file whose import pays for the libraries, and of one of 60 MB."""

IMPORTS = """
import sys
from pathlib import Path
from engine.networks.importing import import_file

def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))

small, large, *architectures = sys.argv[1:]
first, second = architectures or ("", "")
import_file(small, "small", architecture=first)
before = peak()
import_file(large, "large", architecture=second)
print(peak() - before)
"""

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="measures through Linux's files")


def normal(*shape: int) -> Any:
    return np.random.default_rng(0).standard_normal(shape, np.float32) / 30


def write_caffe(classes: int, path: Path) -> None:
    layers = [
        caffe_layer("data", "Data", [], ["data", "label"], p100=message((3, SIDE))),
        caffe_layer("conv", "Convolution", ["data"], ["conv"], [normal(MAPS, 3, 3, 3), np.zeros(MAPS)],
                    p106=message((1, MAPS), (3, 1), (4, 3))),
        caffe_layer("fc", "InnerProduct", ["conv"], ["fc"],
                    [normal(classes, INPUTS), np.zeros(classes)]),
    ]  # fmt: skip
    path.write_bytes(caffe_net(layers))


def write_keras(classes: int, path: Path) -> None:
    keras = pytest.importorskip("keras")
    pytest.importorskip("h5py")
    start = keras.Input((SIDE, SIDE, 3))
    x = keras.layers.Flatten()(keras.layers.Conv2D(MAPS, 3, padding="same")(start))
    keras.Model(start, keras.layers.Dense(classes)(x)).save(path)


def write_onnx(classes: int, path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("onnx2pytorch")
    node, value = onnx.helper.make_node, onnx.helper.make_tensor_value_info
    weights = {"w": normal(MAPS, 3, 3, 3), "u": normal(classes, INPUTS)}
    nodes = [
        node("Conv", ["x", "w"], ["a"], pads=[1] * 4),
        node("Flatten", ["a"], ["b"]),
        node("Gemm", ["b", "u"], ["y"], transB=1),
    ]
    kind = onnx.TensorProto.FLOAT
    graph = onnx.helper.make_graph(
        nodes, "net", [value("x", kind, ("n", 3, SIDE, SIDE))], [value("y", kind, ("n", classes))],
        [onnx.numpy_helper.from_array(w, n) for n, w in weights.items()],
    )  # fmt: skip
    imports = [onnx.helper.make_opsetid("", 18)]
    made = onnx.helper.make_model(graph, opset_imports=imports, ir_version=9)
    beside = {"save_as_external_data": True, "location": f"{path.stem}.data"}
    onnx.save(made, path, **(beside if path.stem.startswith("beside") else {}))


def write_torchvision(classes: int, path: Path) -> None:
    module = models.resnet34() if classes == LARGE else models.mnasnet0_5()
    write_state(module.state_dict(), path)


def write_timm(classes: int, path: Path) -> None:
    timm = pytest.importorskip("timm")
    write_state(timm.create_model(TIMM[classes], pretrained=False).state_dict(), path)


def write_state(state: dict[str, torch.Tensor], path: Path) -> None:
    if path.suffix == ".pth":
        torch.save(state, path)
    else:
        save_file(state, path)


TIMM = {SMALL: "test_resnet", LARGE: "resnet34"}
KINDS: dict[str, tuple[Callable[[int, Path], None], str, float]] = {
    "PyTorch": (write_torchvision, ".pth", 0.5),
    "safetensors": (write_torchvision, ".safetensors", 0.5),
    "timm": (write_timm, ".safetensors", 1.5),
    "Caffe": (write_caffe, ".caffemodel", 1.5),
    "Keras, old": (write_keras, ".h5", 1.5),
    "Keras": (write_keras, ".keras", 1.5),
    "ONNX": (write_onnx, ".onnx", 1.5),
    "beside ONNX": (write_onnx, ".onnx", 1.5),
}
"""What writes a file, its suffix, and the most of its size that an import may take. Its network is
built where the file itself describes it: once its size."""


@pytest.fixture(params=KINDS)
def files(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, Path, Path]]:
    write, suffix, _ = KINDS[request.param]
    made = []
    for classes, word in ((SMALL, "small"), (LARGE, "large")):
        made.append(tmp_path / f"{'beside_' * request.param.startswith('beside')}{word}{suffix}")
        write(classes, made[-1])
    yield request.param, made[0], made[1]
    for path in tmp_path.rglob("*"):
        if path.is_file() and path.stat().st_size > 1 << 20:
            path.unlink()


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
def test_an_import_copies_weights_once_at_most(
    files: tuple[str, Path, Path], tmp_path: Path
) -> None:
    kind, small, large = files
    names = [f"timm/{TIMM[n]}" for n in (SMALL, LARGE)] if kind == "timm" else []
    command = [sys.executable, "-c", IMPORTS, str(small), str(large), *names]
    env = {**os.environ, "PAREIDOLIA_HOME": str(tmp_path / "home"), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    size = sum(p.stat().st_size for p in tmp_path.iterdir() if "large" in p.name)
    assert size > 55e6
    assert int(done.stdout) < KINDS[kind][2] * size, (int(done.stdout) / 1e6, size / 1e6)
