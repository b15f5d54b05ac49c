import numpy as np
import pytest
import torch

from engine.attribution import cam, grad_cam, saliency
from engine.errors import BadInput
from engine.networks.card import IMAGENET, Preprocessing
from engine.networks.importing import import_file
from engine.networks.loading import load_network
from engine.networks.preparing import known_preprocessing

onnx = pytest.importorskip("onnx")
ort = pytest.importorskip("onnxruntime")
pytest.importorskip("onnx2pytorch")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

SIDE = 40
rng = np.random.default_rng(0)


def normal(*shape):
    return rng.normal(0, (2 / np.prod(shape[1:])) ** 0.5, shape).astype("f4")


def model(nodes, constants, outputs=("y",), shape=("n", 3, SIDE, SIDE), opset=18, **more):
    graph = helper.make_graph(
        nodes, "net", [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_empty_tensor_value_info(name) for name in outputs],
        [numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items()],
    )  # fmt: skip
    imports = [helper.make_opsetid("", opset)]
    return helper.make_model(graph, opset_imports=imports, ir_version=9, **more)


def small(**more):
    node = helper.make_node
    constants = {
        "w1": normal(6, 3, 3, 3), "b1": normal(6, 1)[:, 0], "w2": normal(6, 3, 3, 3),
        "g": rng.uniform(0.5, 2, 6).astype("f4"), "h": normal(6, 1)[:, 0],
        "m": normal(6, 1)[:, 0], "v": rng.uniform(0.5, 2, 6).astype("f4"),
        "w3": normal(5, 12), "b3": normal(5, 1)[:, 0], "shape": np.array([1, -1]),
        "low": np.float32(0), "high": np.float32(6), "half": np.float32(0.5),
    }  # fmt: skip
    nodes = [
        node("Conv", ["x", "w1", "b1"], ["a"], "/first/Conv", strides=[2, 2], auto_pad="SAME_UPPER"),
        node("Clip", ["a", "low", "high"], ["b"], "/first/Clip"),
        node("Conv", ["b", "w2"], ["c"], "/second/Conv", pads=[1, 1, 1, 1], group=2),
        node("BatchNormalization", ["c", "g", "h", "m", "v"], ["d"], "/second/Norm"),
        node("Relu", ["d"], ["e"], "/second/Relu"),
        node("Mul", ["e", "half"], ["f"], "/half/Mul"),
        node("Concat", ["b", "f"], ["k"], "/join/Concat", axis=1),
        node("MaxPool", ["k"], ["p"], "/pool/MaxPool", kernel_shape=[3, 3], strides=[2, 2]),
        node("GlobalAveragePool", ["p"], ["q"], "/mean/GlobalAveragePool"),
        node("Reshape", ["q", "shape"], ["r"], "/flat/Reshape"),
        node("Gemm", ["r", "w3", "b3"], ["s"], "/head/Gemm", transB=1),
        node("Softmax", ["s"], ["y"], "/head/Softmax", axis=1),
    ]  # fmt: skip
    return model(nodes, constants, **more)


def pictures(count=2):
    return torch.rand(count, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))


def prepared(x, p=IMAGENET):
    return ((x * p.scale - torch.tensor(p.mean).view(1, 3, 1, 1))
            / torch.tensor(p.std).view(1, 3, 1, 1)).numpy()  # fmt: skip


def theirs(path, x, exact=True):
    options = ort.SessionOptions()
    options.log_severity_level = 3
    if exact:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(str(path), options)
    name = session.get_inputs()[0].name
    return np.concatenate([session.run(None, {name: one[None]})[0] for one in x])


def test_scores_names_and_maps(tmp_path):
    onnx.save(small(producer_name="pytorch"), path := tmp_path / "small.onnx")
    network = load_network("onnx", path)
    x = pictures()
    with torch.no_grad():
        found = network.logits(x)
    assert np.abs(found.softmax(1).numpy() - theirs(path, prepared(x))).max() < 1e-6
    assert np.ptp(found.numpy()) > 0.3
    names = [layer.name for layer in network.layers()]
    assert names[:5] == ["first/Conv", "first/Clip", "second/Conv", "second/Norm", "second/Relu"]
    assert "exported by PyTorch" in network.card.preprocessing_source
    assert "its softmax was left out" in network.card.notes
    given = network.prepare(x)
    assert saliency(network.module, given, 2).shape == (2, SIDE, SIDE)
    # The mean over space and one linear layer: CAM is defined, and is Grad-CAM there.
    low = grad_cam(network.module, given, 2, "pool/MaxPool", relu=False, upsample=False)
    own = cam(network.module, given, 2, relu=False, upsample=False)
    assert torch.allclose(own / own.abs().max(), low / low.abs().max(), atol=1e-5)


def test_what_computes_sizes_is_no_layer(tmp_path):
    """As torch's old exporter writes a view whose batch is free."""
    node = helper.make_node
    constants = {"w": normal(4, 3, 3, 3), "u": normal(5, 4), "zero": np.array(0)}
    constants |= {"axes": np.array([0]), "four": np.array([4])}
    nodes = [
        node("Conv", ["x", "w"], ["a"], "conv"),
        node("GlobalAveragePool", ["a"], ["b"], "mean"),
        node("Shape", ["b"], ["c"], "shape"),
        node("Gather", ["c", "zero"], ["d"], "batch", axis=0),
        node("Unsqueeze", ["d", "axes"], ["e"], "row"),
        node("Concat", ["e", "four"], ["f"], "sizes", axis=0),
        node("Reshape", ["b", "f"], ["g"], "view"),
        node("Gemm", ["g", "u"], ["y"], "scores", transB=1),
    ]
    onnx.save(model(nodes, constants, producer_name="pytorch"), path := tmp_path / "sizes.onnx")
    network = load_network("onnx", path)
    with torch.no_grad():
        found = network.logits(pictures()).numpy()
    assert np.abs(found - theirs(path, prepared(pictures()))).max() < 1e-5
    assert [layer.name for layer in network.layers()] == ["conv", "mean", "view", "scores"]


def test_a_constant_stands_first_in_a_product_and_the_last_axis_is_gathered(tmp_path):
    """onnx2pytorch itself multiplies the other way round, and gathers along the first axis."""
    node = helper.make_node
    constants = {"w": normal(4, 3, 3, 3), "m": normal(6, 4), "u": normal(5, 6)}
    constants |= {"rows": np.array([0, 4, -1]), "maps": np.array([0, 6, SIDE - 2, 5])}
    constants |= {"places": np.array([3, 0, 7, 7, 11])}
    nodes = [
        node("Conv", ["x", "w"], ["a"], "conv"),
        node("Gather", ["a", "places"], ["b"], "columns", axis=-1),
        node("Reshape", ["b", "rows"], ["c"], "rows"),
        node("MatMul", ["m", "c"], ["d"], "mix"),
        node("Reshape", ["d", "maps"], ["e"], "maps"),
        node("Relu", ["e"], ["f"], "relu"),
        node("GlobalAveragePool", ["f"], ["g"], "mean"),
        node("Flatten", ["g"], ["h"], "flat"),
        node("Gemm", ["h", "u"], ["y"], "scores", transB=1),
    ]
    onnx.save(model(nodes, constants, producer_name="pytorch"), path := tmp_path / "first.onnx")
    network = load_network("onnx", path)
    with torch.no_grad():
        found = network.logits(pictures()).numpy()
    assert np.abs(found - theirs(path, prepared(pictures()))).max() < 1e-5
    assert np.ptp(found) > 0.1


def test_weights_beside_go_into_the_copy(tmp_path, monkeypatch):
    monkeypatch.setenv("PAREIDOLIA_HOME", str(tmp_path / "home"))
    made = small()
    path = tmp_path / "big.onnx"
    onnx.save(made, path, save_as_external_data=True, location="big.onnx.data", size_threshold=64)
    wanted = theirs(path, prepared(pictures()))
    card = import_file(path, "copy")
    (tmp_path / "big.onnx.data").unlink()
    with torch.no_grad():
        found = load_network("copy").logits(pictures()).softmax(1).numpy()
    assert np.abs(found - wanted).max() < 1e-6
    assert card.bytes == (tmp_path / "home" / "networks" / card.file).stat().st_size
    with pytest.raises(BadInput, match=r"its weights in big\.onnx\.data, which cannot be read"):
        import_file(path, "again")


def test_integers_become_numbers_and_their_limits_stay(tmp_path):
    """The quantizer takes ReLUs away where the integers' lower limit does their work."""
    from onnxruntime import quantization as q

    plain = small()
    del plain.graph.node[-1]
    del plain.graph.node[3]  # the norm, which stays in real numbers and its ReLU with it
    plain.graph.node[3].input[0] = "c"
    plain.graph.output[0].name = "s"
    onnx.save(plain, path := tmp_path / "plain.onnx")
    batch = prepared(pictures(4))

    class Reader(q.CalibrationDataReader):
        def __init__(self):
            self.left = iter([{"x": one[None]} for one in batch])

        def get_next(self):
            return next(self.left, None)

    x = pictures(4)
    for kind in (q.QuantFormat.QDQ, q.QuantFormat.QOperator, None):
        target = tmp_path / f"{kind}.onnx"
        if kind is None:
            q.quantize_dynamic(path, target, weight_type=q.QuantType.QUInt8)
        else:
            q.quantize_static(path, target, Reader(), kind)
        operations = {n.op_type for n in onnx.load(target).graph.node}
        network = load_network("onnx", target, preprocessing="torchvision")
        with torch.no_grad():
            found = network.logits(x).numpy()
        wanted = theirs(target, batch)
        assert np.abs(found - wanted).max() < 0.05 * np.abs(wanted).max(), kind
        assert "integers became" in network.card.notes
        if kind is q.QuantFormat.QDQ:
            assert "Relu" not in operations
            limited = [n for n, call in network.calls().items() if call.kind == "Hardtanh"]
            with torch.no_grad():
                lows = [float(t.min()) for t in network.taps(x, limited).values()]
            assert 0.0 in lows


@pytest.mark.parametrize(("low", "high", "known"), [(0, 1, "unit"), (-1, 1, "half"), (-2, 2, "")])
def test_a_quantized_network_tells_what_range_its_pictures_have(tmp_path, low, high, known):
    from onnxruntime import quantization as q

    plain = small(producer_name="tf2onnx")
    del plain.graph.node[-1]
    plain.graph.output[0].name = "s"
    onnx.save(plain, path := tmp_path / "plain.onnx")
    x = low + (high - low) * pictures(2).numpy()
    x[0, 0, 0, :2] = low, high  # as photographs do, they reach both ends

    class Reader(q.CalibrationDataReader):
        def __init__(self):
            self.left = iter([{"x": one[None]} for one in x])

        def get_next(self):
            return next(self.left, None)

    q.quantize_static(path, target := tmp_path / "quantized.onnx", Reader(), q.QuantFormat.QDQ)
    card = load_network("onnx", target).card
    if known:
        assert card.preprocessing == known_preprocessing(known)
        assert f"begin with pictures from {low} to {high}" in card.preprocessing_source
    else:
        assert "integers" not in card.preprocessing_source


def test_channels_last_and_scores_with_empty_dimensions(tmp_path):
    node = helper.make_node
    constants = {"w1": normal(4, 3, 3, 3), "w2": normal(6, 4, 1, 1)}
    nodes = [
        node("Transpose", ["x"], ["t"], "turn", perm=[0, 3, 1, 2]),
        node("Conv", ["t", "w1"], ["a"], "conv"),
        node("Relu", ["a"], ["b"], "relu"),
        node("GlobalAveragePool", ["b"], ["c"], "mean"),
        node("Conv", ["c", "w2"], ["y"], "scores"),
    ]
    made = model(nodes, constants, shape=(1, SIDE, SIDE, 3), producer_name="tf2onnx")
    onnx.save(made, path := tmp_path / "last.onnx")
    network = load_network("onnx", path)
    half = Preprocessing(mean=(0.5,) * 3, std=(0.5,) * 3)
    assert network.card.preprocessing == half
    with torch.no_grad():
        found = network.logits(pictures()).numpy()
    wanted = theirs(path, prepared(pictures(), half).transpose(0, 2, 3, 1)).reshape(2, 6)
    assert np.abs(found - wanted).max() < 1e-5


def test_a_configuration_beside_says_how_pictures_are_prepared(tmp_path):
    onnx.save(small(), path := tmp_path / "model.onnx")
    (tmp_path / "preprocessor_config.json").write_text(
        '{"image_mean": [0.1, 0.2, 0.3], "image_std": [0.5, 0.6, 0.7], "do_rescale": true}'
    )
    card = load_network("onnx", path).card
    assert card.preprocessing == Preprocessing(mean=(0.1, 0.2, 0.3), std=(0.5, 0.6, 0.7))
    assert "preprocessor_config.json beside it" in card.preprocessing_source


def test_what_cannot_be_taken_is_said(tmp_path, monkeypatch):
    (path := tmp_path / "cut.onnx").write_bytes(small().SerializeToString()[:500])
    with pytest.raises(BadInput, match="cut off or damaged, or not an ONNX file"):
        load_network("onnx", path)
    made = small()
    made.graph.node[4].op_type, made.graph.node[4].domain = "Strange", "com.example"
    onnx.save(made, path := tmp_path / "strange.onnx")
    with pytest.raises(BadInput, match=r"the operation com\.example\.Strange; it cannot be used"):
        load_network("onnx", path)
    made = small()
    made.graph.input.append(helper.make_tensor_value_info("z", TensorProto.FLOAT, (1, 3, 8, 8)))
    onnx.save(made, path := tmp_path / "two.onnx")
    with pytest.raises(BadInput, match="2 inputs instead of one picture"):
        load_network("onnx", path)
    made = small()
    made.graph.initializer.append(numpy_helper.from_array(np.array([1, 7]), "shape of another"))
    made.graph.node[9].input[1] = "shape of another"
    onnx.save(made, path := tmp_path / "numbers.onnx")
    with pytest.raises(BadInput, match="fails on a picture of 40x40 pixels; it cannot be used"):
        load_network("onnx", path)
    monkeypatch.setattr("engine.networks.foreign.extras.find_spec", lambda _name: None)
    with pytest.raises(BadInput, match=r'install it with: pip install "pareidolia\[onnx\]"'):
        load_network("onnx", path)
