from collections import OrderedDict

import numpy as np
import pytest
import safetensors.torch
import torch
from PIL import Image
from torchvision import models

from engine.errors import BadInput, WeightsMissing
from engine.networks.card import CAFFE_VGG, HALF, IMAGENET, Preprocessing
from engine.networks.importing import import_file
from engine.networks.loading import load_module, load_network
from engine.networks.reading import read_file


def test_vgg19_features_equal_torchvision_s_module(data_folder, home):
    """Prepared by hand from bytes: BGR, minus Oxford's mean."""
    path = data_folder / "weights" / "vgg19_features.safetensors"
    picture = Image.open(data_folder / "images" / "photos" / "flowers.jpg").convert("RGB")
    rgb = np.asarray(picture.resize((64, 48)))
    bgr = rgb[:, :, ::-1].astype(np.float32) - np.array([103.939, 116.779, 123.68], np.float32)
    features = models.vgg19(weights=None).features.eval()
    state = {n.removeprefix("features."): t for n, t in safetensors.torch.load_file(path).items()}
    features.load_state_dict(state)
    x = torch.from_numpy(bgr.transpose(2, 0, 1).copy())[None]
    with torch.no_grad():
        relu4_2 = features[:23](x)
        relu5_4 = features[:36](x)

    network = load_network("vgg19", weights=path)
    assert network.card.preprocessing == CAFFE_VGG
    assert network.card.licence == "CC BY 4.0"
    assert network.classes == ()
    names = ["relu4_2", "features.22", "relu5_4"]
    found = network.taps(torch.from_numpy(rgb.copy()).permute(2, 0, 1) / 255, names)
    assert torch.allclose(found["relu4_2"], relu4_2, rtol=1e-3, atol=0.05)
    assert torch.equal(found["relu4_2"], found["features.22"])
    assert torch.allclose(found["relu5_4"], relu5_4, rtol=1e-3, atol=0.01)
    assert relu4_2.mean() > 100  # of the size that pictures in bytes give
    with pytest.raises(BadInput, match="no classifier"):
        network.logits(torch.zeros(3, 64, 64))


def test_what_comes_out_is_ready_for_use(data_folder, home):
    network = load_network("googlenet_bvlc", data_folder / "weights")
    parameters = list(network.module.parameters())
    assert all(p.dtype == torch.float32 and not p.requires_grad for p in parameters)
    assert not any(p.is_meta for p in (*parameters, *network.module.buffers()))
    assert not network.module.training
    assert sum(p.numel() for p in parameters) == 6_998_552


def test_folder_named_by_the_environment(data_folder, home, monkeypatch):
    monkeypatch.setenv("PAREIDOLIA_NETWORKS", str(data_folder / "weights"))
    assert load_network("vgg19").card.preprocessing == CAFFE_VGG
    assert load_network("squeezenet1_1").card.preprocessing == IMAGENET


def test_preprocessing_can_be_set(data_folder, home):
    path = data_folder / "weights" / "vgg19_features.safetensors"
    network = load_network("vgg19", path, preprocessing="imagenet")
    assert network.card.preprocessing == IMAGENET
    assert load_network("vgg19", path, preprocessing="tf").card.preprocessing == HALF
    spelled = load_network("vgg19", path, preprocessing="mean=1,2,3 std=4 range=255 order=BGR")
    assert spelled.card.preprocessing == Preprocessing("BGR", 255.0, (1.0, 2.0, 3.0), (4.0,) * 3)
    with pytest.raises(BadInput, match=r"'zero'; there are imagenet, caffe-vgg"):
        load_network("vgg19", path, preprocessing="zero")
    for wrong in ("mean=1,2", "std=0", "mean=a", "colour=3", "order=RBG", "mean=1 mean=2"):
        with pytest.raises(BadInput, match="is not a preprocessing; write it as"):
            load_network("vgg19", path, preprocessing=wrong)


def test_weights_of_another_network(data_folder, home):
    path = data_folder / "weights" / "squeezenet1_1.pth"
    with pytest.raises(BadInput, match=r"weights of squeezenet1_1, not of vgg16; try network="):
        load_network("vgg16", path)


def test_weights_of_no_known_network(home, tmp_path):
    safetensors.torch.save_file({"x": torch.ones(3)}, tmp_path / "x.safetensors")
    with pytest.raises(BadInput, match=r"x\.safetensors holds the weights of no known network"):
        load_network("vgg16", tmp_path / "x.safetensors")
    with pytest.raises(BadInput, match="no known network"):
        load_module(tmp_path / "x.safetensors")


def test_nothing_to_load(home):
    with pytest.raises(WeightsMissing, match=r"get them with .*'resnet18'"):
        load_network("resnet18")
    with pytest.raises(BadInput, match="did you mean resnet18"):
        load_network("resnet-18")


def lively(name, **settings):
    """A random network of torchvision whose batch norm lets differences of the input through."""
    torch.manual_seed(0)
    module = models.get_model(name, **settings)
    for part in module.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.momentum = 1.0
    with torch.no_grad():
        module.train()(torch.randn(2, 3, 64, 64))
    return module.eval()


@pytest.mark.parametrize("name", ["mnasnet0_5", "squeezenet1_0", "resnet18"])
def test_torchvision_networks_give_torchvision_s_logits(home, tmp_path, name):
    reference = lively(name, num_classes=11)
    torch.save(reference.state_dict(), tmp_path / f"{name}.pth")
    network = load_network(name, tmp_path)
    picture = torch.rand(2, 3, 64, 64)
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (IMAGENET.mean, IMAGENET.std))
    with torch.no_grad():
        expected, other = reference((picture - mean) / std), reference(picture)
    assert torch.allclose(network.logits(picture), expected, rtol=1e-3, atol=1e-4)
    assert not torch.allclose(other, expected, rtol=1e-2, atol=1e-3)
    assert network.classes[:2] == ("class 0", "class 1") and len(network.classes) == 11


def test_googlenet_of_torchvision(home, tmp_path):
    """With the heads for training in the file, and pictures rescaled inside the network."""
    reference = lively(
        "googlenet", num_classes=5, aux_logits=True, transform_input=True, init_weights=False
    )
    torch.save(reference.state_dict(), tmp_path / "googlenet.pth")
    network = load_network("googlenet", tmp_path)
    picture = torch.rand(1, 3, 96, 96)
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (IMAGENET.mean, IMAGENET.std))
    with torch.no_grad():
        expected = reference((picture - mean) / std)
        reference.transform_input = False
        other = reference((picture - mean) / std)
    assert torch.allclose(network.logits(picture), expected, rtol=1e-3, atol=1e-4)
    assert not torch.allclose(other, expected, rtol=1e-2, atol=1e-3)


def test_without_the_last_layer(home, tmp_path):
    torch.manual_seed(0)
    reference = models.resnet18().eval()
    state = {n: t for n, t in reference.state_dict().items() if not n.startswith("fc.")}
    torch.save(state, tmp_path / "resnet18.pth")
    network = load_network("resnet18", tmp_path)
    assert network.classes == ()
    assert network.taps(torch.rand(3, 64, 64), ["layer4"])["layer4"].shape == (1, 512, 2, 2)


def test_class_names_from_the_file(data_folder, home):
    path = data_folder / "weights" / "slim_vgg_pilot.safetensors"
    network = load_network("slim_vgg", path)
    assert len(network.classes) == 101
    assert network.classes[:2] == ("Faces", "Faces_easy")


def test_old_files_without_batch_counters(home, tmp_path):
    state = models.resnet18().state_dict()
    old = OrderedDict((n, t) for n, t in state.items() if not n.endswith("num_batches_tracked"))
    assert len(old) < len(state)
    torch.save(old, tmp_path / "resnet18.pth")
    network = load_network("resnet18", tmp_path)
    assert torch.equal(network.module.bn1.running_var, state["bn1.running_var"])


def test_half_precision_is_exact(data_folder, home):
    path = data_folder / "weights" / "googlenet_bvlc.safetensors"
    state = read_file(path).groups[0].tensors
    module = load_module(path)
    stored = state["inception_4c/3x3.weight"]
    assert stored.dtype == torch.float16
    assert torch.equal(module.get_submodule("inception_4c.conv_3x3").weight, stored.float())


def test_a_network_that_paints_is_no_judge(data_folder, home):
    import_file(data_folder / "weights" / "style_mosaic.pth")
    with pytest.raises(BadInput, match="style_mosaic is a fast style network: it paints"):
        load_network("style_mosaic")
    module = load_module(data_folder / "weights" / "style_mosaic.pth")
    assert module(torch.zeros(1, 3, 32, 32)).shape == (1, 3, 32, 32)
