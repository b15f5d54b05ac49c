import numpy as np
import pytest
import torch

from engine.attribution import grad_cam
from engine.errors import BadInput
from engine.networks.card import Preprocessing
from engine.networks.importing import import_file
from engine.networks.loading import load_network
from tests.foreign_files import SmallCaffe, caffe_blob, caffe_layer, caffe_net


def pictures():
    return np.random.default_rng(5).uniform(0, 1, (3, 64, 64)).astype("f4")


def prepared(x, mean=(90, 100, 110)):
    return x[::-1] * 255 - np.float32(mean).reshape(3, 1, 1)


@pytest.mark.parametrize("old", [False, True], ids=["V2", "V1"])
def test_scores_are_those_of_caffes_formulas(tmp_path, old):
    small = SmallCaffe(old)
    path = small.write(tmp_path / "small.caffemodel")
    network = load_network("caffe", path)
    with torch.no_grad():
        found = network.logits(torch.from_numpy(pictures()))[0].numpy()
    assert np.abs(found - small.scores(prepared(pictures()))).max() < 1e-4
    assert network.card.preprocessing == Preprocessing(
        "BGR", 255.0, (90.0, 100.0, 110.0), (1.0,) * 3
    )
    assert network.card.input_size == 64
    assert [layer.name for layer in network.layers()][:3] == ["conv1", "relu1", "norm1"]
    x = network.prepare(torch.from_numpy(pictures()))
    assert grad_cam(network.module, x, 1, "sum").shape == (1, 64, 64)


def test_a_mean_file_beside_decides(tmp_path, monkeypatch):
    monkeypatch.setenv("PAREIDOLIA_HOME", str(tmp_path / "home"))
    small = SmallCaffe()
    path = small.write(tmp_path / "small.caffemodel")
    mean = np.full((3, 8, 8), 0.0) + np.array([50.0, 60.0, 70.0]).reshape(3, 1, 1)
    mean[:, 0] += 8  # the mean over all pixels counts
    (tmp_path / "small_mean.binaryproto").write_bytes(caffe_blob(mean, old=True))
    card = import_file(path)
    assert card.preprocessing.mean == (51.0, 61.0, 71.0)
    assert "small_mean.binaryproto beside it" in card.notes
    with torch.no_grad():
        found = load_network("small").logits(torch.from_numpy(pictures()))[0].numpy()
    assert np.abs(found - small.scores(prepared(pictures(), (51, 61, 71)))).max() < 1e-4
    (tmp_path / "small_mean.binaryproto").write_bytes(b"\x2a\x03abc")
    with pytest.raises(
        BadInput, match=r"small_mean\.binaryproto is not the mean of colour pictures"
    ):
        load_network("caffe", path)


def test_what_cannot_be_taken_is_said(tmp_path):
    layers = [
        caffe_layer("conv", "Convolution", ["data"], ["conv"], [np.ones((4, 3, 3, 3))]),
        caffe_layer("where", "SpatialPyramid", ["conv"], ["where"]),
    ]
    (path := tmp_path / "strange.caffemodel").write_bytes(caffe_net(layers))
    with pytest.raises(BadInput, match="the layer where, a SpatialPyramid; it cannot be used"):
        load_network("caffe", path)
    whole = SmallCaffe().write(tmp_path / "cut.caffemodel")
    whole.write_bytes(whole.read_bytes()[:3000])
    with pytest.raises(BadInput, match="cut off or damaged, or not a Caffe model"):
        load_network("caffe", whole)
