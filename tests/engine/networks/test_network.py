"""Networks against plain calls of their modules, torchvision's own extractor and hand computation."""

import copy
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision import models
from torchvision.models import vgg
from torchvision.models.feature_extraction import create_feature_extractor

from engine.errors import BadInput
from engine.networks.card import BYTES, CAFFE_BVLC, CAFFE_VGG, IMAGENET, Card, Preprocessing
from engine.networks.loading import load_network
from engine.networks.network import Network
from engine.networks.vgg_names import vgg_names
from tests.engine.hooks import hooks_of

PLAIN = Preprocessing(mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))


def made(name: str, **settings: Any) -> nn.Module:
    torch.manual_seed(3)
    if name == "googlenet":
        settings = {"aux_logits": False, "init_weights": False, **settings}
    module: nn.Module = getattr(models, name)(**{"num_classes": 5, **settings})
    return module.eval()


def network_of(module: nn.Module, classes: int = 5, **card: Any) -> Network:
    facts = {"name": "some", "title": "Some", "architecture": "some", **card}
    return Network(module, Card(**facts), [str(i) for i in range(classes)])


def without_inplace(module: nn.Module, part: str = "") -> Any:
    """A copy whose activations nothing overwrites."""
    module = module.get_submodule(part)
    other = copy.deepcopy(module)
    for inner in other.modules():
        if hasattr(inner, "inplace"):
            inner.inplace = False  # type: ignore[assignment]
    return other


def picture(*size: int, seed: int = 0) -> Tensor:
    return torch.rand(*size, generator=torch.Generator().manual_seed(seed))


def normalised(x: Tensor) -> Tensor:
    mean, std = torch.tensor(IMAGENET.mean), torch.tensor(IMAGENET.std)
    return (x - mean.view(3, 1, 1)) / std.view(3, 1, 1)


def assert_close(found: Tensor, expected: Tensor) -> None:
    assert found.shape == expected.shape
    scale = expected.abs().max().clamp_min(1e-6)
    assert (found - expected).abs().max() <= 1e-4 * scale


@pytest.fixture(scope="module")
def resnet() -> Network:
    return network_of(made("resnet18"))


def vgg_features() -> nn.Module:
    """Those of VGG-11 with batch norm, without the classifier's hundred million weights."""
    torch.manual_seed(3)
    features = vgg.make_layers(vgg.cfgs["A"], batch_norm=True)
    return nn.Sequential(OrderedDict(features=features)).eval()


# -- activations -----------------------------------------------------------------------------------


def test_every_layer_of_vgg_equals_plain_calls() -> None:
    module = vgg_features()
    network = network_of(module, classes=0)
    x = picture(1, 3, 40, 33)
    expected: dict[str, Tensor] = {}
    value = normalised(x)
    with torch.no_grad():
        for name, layer in without_inplace(module, "features").named_children():
            value = layer(value)
            expected[f"features.{name}"] = value
    taps = network.taps(x, expected)
    assert list(taps) == list(expected)
    for name, tensor in expected.items():
        assert_close(taps[name], tensor)
    assert (taps["features.0"] < 0).any(), "before the ReLU that follows in place"


def test_residual_network_equals_torchvision_s_extractor(resnet: Network) -> None:
    nodes = {
        "conv1": "conv1",
        "bn1": "bn1",
        "relu": "relu",
        "layer1.0.relu": "layer1.0.relu",
        "layer1.0.relu#2": "layer1.0.relu_1",
        "layer1.1.relu#2": "layer1.1.relu_1",
        "layer3.0.downsample.1": "layer3.0.downsample.1",
        "layer4.1.conv2": "layer4.1.conv2",
        "avgpool": "avgpool",
        "fc": "fc",
    }
    reference = without_inplace(resnet.module)
    extractor = create_feature_extractor(reference, {n: n for n in nodes.values()})
    x = picture(2, 3, 64, 50)
    with torch.no_grad():
        expected = extractor(normalised(x))
    taps = resnet.taps(x, nodes)
    for ours, theirs in nodes.items():
        assert_close(taps[ours], expected[theirs])
    assert not torch.equal(taps["layer1.0.relu"], taps["layer1.0.relu#2"])


def test_sums_in_place_do_not_reach_the_taps(resnet: Network) -> None:
    """ResNet adds the short cut to bn2's output in place, then rectifies it in place."""
    block = without_inplace(resnet.module, "layer1.0")
    x = picture(1, 3, 48, 48)
    taps = resnet.taps(x, ["maxpool", "layer1.0.bn2", "layer1.0", "layer1"])
    with torch.no_grad():
        inner = block.relu(block.bn1(block.conv1(taps["maxpool"])))
        before = block.bn2(block.conv2(inner))
    assert_close(taps["layer1.0.bn2"], before)
    assert_close(taps["layer1.0"], F.relu(before + taps["maxpool"]))


def test_branches_of_googlenet_and_squeezenet() -> None:
    """GoogLeNet rectifies by a function in place, not by a module."""
    network = network_of(made("googlenet"))
    x = picture(1, 3, 70, 64)
    names = ["maxpool2", "inception3a.branch1.bn", "inception3a.branch1", "inception3a"]
    taps = network.taps(x, names)
    branch: Any = network.module.get_submodule("inception3a.branch1")
    with torch.no_grad():
        before = branch.bn(branch.conv(taps["maxpool2"]))
    assert_close(taps["inception3a.branch1.bn"], before)
    assert (before < 0).any()
    assert_close(taps["inception3a"][:, :64], before.relu())

    network = network_of(made("squeezenet1_1"))
    taps = network.taps(x, ["features.2", "features.3.squeeze", "features.3.expand3x3"])
    fire = without_inplace(network.module, "features.3")
    with torch.no_grad():
        squeezed = fire.squeeze(taps["features.2"])
        expanded = fire.expand3x3(squeezed.relu())
    assert_close(taps["features.3.squeeze"], squeezed)
    assert_close(taps["features.3.expand3x3"], expanded)


def test_a_tap_does_not_depend_on_the_others(resnet: Network) -> None:
    x = picture(1, 3, 48, 48)
    names = ["bn1", "layer1.0.bn2", "layer2.0.relu", "layer3"]
    together = resnet.taps(x, names)
    for name in names:
        assert torch.equal(resnet.taps(x, [name])[name], together[name])
    assert list(resnet.taps(x, ["layer2", "conv1", "layer2"])) == ["layer2", "conv1"]
    assert resnet.taps(x, []) == {}


def test_nothing_deeper_runs(resnet: Network) -> None:
    ran: list[str] = []
    handles = [
        m.register_forward_pre_hook(lambda _m, _i, n=n: ran.append(n))
        for n, m in resnet.module.named_modules()
        if not list(m.children())
    ]
    resnet.taps(picture(1, 3, 48, 48), ["layer1.0.conv2", "conv1"])
    for handle in handles:
        handle.remove()
    block = ["layer1.0.conv1", "layer1.0.bn1", "layer1.0.relu", "layer1.0.conv2"]
    assert ran == ["conv1", "bn1", "relu", "maxpool", *block]


def test_gradients_through_layers_that_are_overwritten() -> None:
    module = vgg_features()
    network = network_of(module, classes=0)
    reference = without_inplace(module)
    x = picture(1, 3, 24, 24).requires_grad_(True)
    taps = network.taps(x, ["features.1", "features.5", "features.8"])
    squares = torch.stack([t.square().sum() for t in taps.values()])
    (gradient,) = torch.autograd.grad(squares.sum(), x)
    value, total = normalised(x), torch.zeros(())
    for name, layer in reference.features.named_children():
        value = layer(value)
        if name in ("1", "5", "8"):
            total = total + value.square().sum()
        if name == "8":
            break
    (expected,) = torch.autograd.grad(total, x)
    assert_close(gradient, expected)


def test_parameters_never_get_gradients(resnet: Network) -> None:
    x = picture(1, 3, 48, 48).requires_grad_(True)
    resnet.taps(x, ["layer2"])["layer2"].sum().backward()
    resnet.logits(x)[0, 1].backward()
    assert x.grad is not None
    assert x.grad.abs().sum() > 0
    assert all(p.grad is None and not p.requires_grad for p in resnet.module.parameters())
    assert not resnet.module.training


# -- hooks -----------------------------------------------------------------------------------------


def test_hooks_are_gone_afterwards_also_after_errors(
    resnet: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    x = picture(1, 3, 48, 48)
    resnet.taps(x, ["layer1", "layer1.0.relu#2"])
    assert hooks_of(resnet.module) == 0

    def broken(_x: Tensor) -> Tensor:
        assert hooks_of(resnet.module) == 1
        raise ZeroDivisionError

    monkeypatch.setattr(resnet.module.layer2, "forward", broken)
    with pytest.raises(ZeroDivisionError):
        resnet.taps(x, ["layer4"])
    assert hooks_of(resnet.module) == 0
    with pytest.raises(BadInput):
        resnet.taps(x, ["layer1", "layer9"])
    assert hooks_of(resnet.module) == 0


def test_hooks_of_others_stay(resnet: Network) -> None:
    seen: list[int] = []
    handle = resnet.module.get_submodule("layer1").register_forward_hook(lambda *_: seen.append(1))
    resnet.taps(picture(1, 3, 48, 48), ["layer2"])
    assert (seen, hooks_of(resnet.module)) == ([1], 1)
    handle.remove()


waiting: dict[int, Callable[[], None]] = {}


class Gate(nn.Module):
    """Where a thread does something in the middle of its run."""

    def forward(self, x: Tensor) -> Tensor:
        waiting.get(threading.get_ident(), lambda: None)()
        return x + 0.0


def test_threads_do_not_disturb_each_other() -> None:
    """While one run stands in the middle, another taps other layers, and a copy is made."""
    torch.manual_seed(1)
    layers = nn.Conv2d(3, 4, 3), Gate(), nn.MaxPool2d(2), nn.Conv2d(4, 2, 3, padding=1), nn.ReLU()
    network = network_of(nn.Sequential(*layers), classes=0)
    x = picture(1, 3, 16, 16)
    quiet = {
        pooling: network.taps(x, ["0", "2", "3"], pooling=pooling) for pooling in ("max", "average")
    }
    reached, go_on = threading.Event(), threading.Event()
    found: dict[str, Tensor] = {}

    def stop() -> None:
        reached.set()
        go_on.wait(20)

    def slow() -> None:
        waiting[threading.get_ident()] = stop
        found.update(network.taps(x, ["0", "2", "3"], pooling="average", padding="replicate"))

    thread = threading.Thread(target=slow)
    thread.start()
    assert reached.wait(20)
    meanwhile = network.taps(x, ["0", "2", "3"])
    other = network.at("cpu", torch.bfloat16)
    go_on.set()
    thread.join()
    waiting.clear()
    for name, tensor in quiet["max"].items():
        assert torch.equal(meanwhile[name], tensor)
    assert torch.equal(found["2"], quiet["average"]["2"])
    assert (hooks_of(network.module), hooks_of(other.module)) == (0, 0)


# -- pictures --------------------------------------------------------------------------------------


@pytest.mark.parametrize("preprocessing", [IMAGENET, CAFFE_VGG, CAFFE_BVLC, BYTES])
def test_preprocessing_by_hand(preprocessing: Preprocessing) -> None:
    network = network_of(nn.Conv2d(3, 1, 1), classes=0, preprocessing=preprocessing)
    rgb = np.random.default_rng(0).random((5, 4, 3))
    by_hand = {
        IMAGENET: (rgb - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225],
        CAFFE_VGG: rgb[:, :, ::-1] * 255 - [103.939, 116.779, 123.68],
        CAFFE_BVLC: rgb[:, :, ::-1] * 255 - [104, 117, 123],
        BYTES: rgb * 255,
    }[preprocessing]
    prepared = network.prepare(torch.from_numpy(rgb.transpose(2, 0, 1)))
    assert prepared.dtype == torch.float32
    assert np.allclose(prepared[0].numpy().transpose(1, 2, 0), by_hand, atol=2e-5)


def test_one_picture_a_batch_and_one_pixel(resnet: Network) -> None:
    batch = picture(3, 3, 33, 40)
    taps = resnet.taps(batch, ["layer2", "avgpool"])
    for i in range(3):
        alone = resnet.taps(batch[i], ["layer2", "avgpool"])
        assert alone["layer2"].shape[0] == 1
        assert_close(alone["layer2"], taps["layer2"][i : i + 1])
    assert_close(resnet.logits(batch[1]), resnet.logits(batch)[1:2])
    pixel = picture(3, 1, 1)
    assert_close(
        resnet.taps(pixel, ["conv1"])["conv1"][0, :, 0, 0],
        resnet.module.get_parameter("conv1.weight")[:, :, 3, 3] @ normalised(pixel)[:, 0, 0],
    )


@pytest.mark.parametrize(
    ("tensor", "words"),
    [
        (torch.rand(1, 8, 8), r"float32 \(1, 1, 8, 8\)"),
        (torch.rand(8, 8), r"float32 \(8, 8\)"),
        (torch.rand(1, 4, 8, 8), r"float32 \(1, 4, 8, 8\)"),
        (torch.zeros(3, 8, 8, dtype=torch.uint8), r"uint8 \(1, 3, 8, 8\)"),
    ],
)
def test_what_is_no_picture(resnet: Network, tensor: Tensor, words: str) -> None:
    with pytest.raises(BadInput, match=r"a picture is float \(N, 3, H, W\), not " + words):
        resnet.taps(tensor, ["conv1"])
    with pytest.raises(BadInput, match="a picture is float"):
        resnet.logits(tensor)


def test_too_small_pictures() -> None:
    network = network_of(vgg_features(), classes=0, name="little")
    with pytest.raises(
        BadInput, match=r"little cannot take a picture of 40x7 pixels; use a larger"
    ):
        network.calls((7, 40))
    wanted = r"a picture of 40x7 pixels as far as relu4_1; .*224x224 always works"
    with pytest.raises(BadInput, match=wanted):
        network.taps(picture(3, 7, 40), ["relu1_1", "relu4_1"])
    # What the layer itself needs is enough.
    assert network.taps(picture(3, 7, 40), ["relu3_1"])["relu3_1"].shape == (1, 256, 1, 10)


class Windows(nn.Module):
    """Cuts its maps into windows of 7 x 7, as MaxViT does: other sides than multiples are refused."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        n, channels, height, width = x.shape
        x = x.reshape(n, channels, height // 7, 7, width // 7, 7)
        return x.amax((3, 5))


def test_a_picture_of_the_wrong_shape_need_not_be_larger() -> None:
    network = network_of(Windows().eval(), classes=0, name="windows")
    for size, other in (((300, 224), "another size"), ((60, 80), "a larger one")):
        wanted = f"{size[1]}x{size[0]} pixels; use {other} \\(224x224 always works"
        with pytest.raises(BadInput, match=wanted):
            network.calls(size)
    assert "conv" in network.calls((224, 448))


class OneSize(nn.Module):
    """Takes pictures of 48 x 48 pixels alone, and keeps a tensor of five axes."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.relu, self.head = (
            nn.Conv2d(3, 4, 3, 2),
            nn.ReLU(),
            nn.Linear(4 * 23 * 23, 7),
        )
        self.register_buffer("five", torch.ones(1, 4, 1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        maps = self.relu(self.conv(x)) * self.five[..., 0]
        return self.head(maps.flatten(1))


def test_a_network_of_one_size_says_so() -> None:
    network = network_of(OneSize().eval(), classes=7, name="one", input_size=48)
    with pytest.raises(BadInput, match=r"64x48 pixels; it takes nothing but 48x48$"):
        network.calls((48, 64))
    assert network.reaches(["conv", "relu"], (40, 40))
    assert not network.reaches(["conv", "head"], (40, 40))
    assert network.reaches(["head"], (48, 48))
    with pytest.raises(BadInput, match="no layer 'pool'"):
        network.reaches(["pool"], (48, 48))
    assert network.module.conv.weight.is_contiguous(memory_format=torch.channels_last)


def test_logits() -> None:
    module = made("squeezenet1_1")
    network = network_of(module)
    x = picture(2, 3, 48, 48)
    with torch.no_grad():
        assert_close(network.logits(x), without_inplace(module)(normalised(x)))
        assert network.at("cpu", torch.bfloat16).logits(x).dtype == torch.float32
    with pytest.raises(BadInput, match="3x3 pixels; use a larger one"):
        network.logits(picture(3, 3, 3))
    with pytest.raises(BadInput, match="hold no classifier"):
        network_of(module, classes=0).logits(x)


# -- precision and place ---------------------------------------------------------------------------


def test_copies_in_another_precision(resnet: Network) -> None:
    x = picture(1, 3, 48, 48)
    exact = resnet.taps(x, ["layer2"])["layer2"]
    half = resnet.at("cpu", torch.bfloat16)
    assert half is not resnet
    assert half.dtype == torch.bfloat16
    assert resnet.dtype == torch.float32
    rough = half.taps(x, ["layer2"])["layer2"]
    assert rough.dtype == torch.bfloat16
    error = (rough.float() - exact).abs().mean() / exact.abs().mean()
    assert 0 < error < 0.05
    assert half.at("cpu", torch.bfloat16) is half
    assert resnet.at(torch.device("cpu"), torch.float32) is resnet
    assert torch.equal(resnet.taps(x, ["layer2"])["layer2"], exact)


def test_a_network_on_the_first_card_is_on_cuda(
    resnet: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Network, "device", property(lambda _self: torch.device("cuda:0")))
    assert resnet.at("cuda", torch.float32) is resnet
    assert resnet.at("cuda:0", torch.float32) is resnet
    moved: list[torch.device] = []
    monkeypatch.setattr(Network, "move", lambda _self, device, _dtype: moved.append(device))
    resnet.at("cuda:1", torch.float32)
    assert moved == [torch.device("cuda:1")]


# -- names -----------------------------------------------------------------------------------------


def test_the_field_s_names_of_vgg() -> None:
    network = network_of(vgg_features(), classes=0)
    assert network.resolve("conv3_2") == "features.11"
    assert network.resolve("bn3_2") == "features.12"
    assert network.resolve("relu3_2") == "features.13"
    assert network.resolve("pool3") == "features.14"
    assert network.resolve("features.13") == "features.13"
    assert vgg_names(made("resnet18")) == {}
    assert vgg_names(made("squeezenet1_1")) == {}
    x = picture(1, 3, 32, 32)
    taps = network.taps(x, ["relu3_2", "features.13"])
    assert torch.equal(taps["relu3_2"], taps["features.13"])
    assert {"relu3_2", "pool5"} <= {
        row.field_name for top in network.layers() for row in top.flat()
    }


@pytest.mark.parametrize(
    ("name", "near"), [("relu3_9", "relu3_2"), ("features.99", "features.9"), ("Pool2", "pool2")]
)
def test_unknown_layers_are_answered_with_near_ones(name: str, near: str) -> None:
    network = network_of(vgg_features(), classes=0)
    with pytest.raises(BadInput, match=rf"has no layer '{name}'; similar names are .*{near}"):
        network.taps(picture(1, 3, 32, 32), [name])
    with pytest.raises(BadInput, match=r"similar names are conv1_1, bn1_1, relu1_1"):
        network.resolve("???")


def test_the_layer_tree(resnet: Network) -> None:
    tops = resnet.layers((64, 96))
    assert [t.name for t in tops] == (
        ["conv1", "bn1", "relu", "maxpool", "layer1", "layer2", "layer3", "layer4", "avgpool", "fc"]
    )
    layer1 = tops[4]
    assert [c.name for c in layer1.children] == ["layer1.0", "layer1.1"]
    inner = [c.name.removeprefix("layer1.0.") for c in layer1.children[0].children]
    assert inner == ["conv1", "bn1", "relu", "relu#2", "conv2", "bn2"]
    assert (layer1.kind, layer1.channels, layer1.size) == ("Sequential", 64, (16, 24))
    assert (tops[-1].channels, tops[-1].size, tops[-1].receptive_field) == (5, None, None)
    assert layer1.children[0].children[0].receptive_field == 19  # 7x7/2, 3x3/2, 3x3


@pytest.mark.parametrize("name", ["maxvit_t", "densenet121", "efficientnet_b0"])
def test_no_layer_is_missing_from_the_tree(name: str) -> None:
    """MaxViT keeps its blocks in a list, which is never called itself."""
    with torch.device("meta"):
        module = getattr(models, name)()
    network = network_of(module)
    rows = [row.name for top in network.layers() for row in top.flat()]
    assert sorted(rows) == sorted(network.calls())


def test_a_twin_shares_the_weights_and_no_hooks() -> None:
    slim = load_network("slim_vgg")
    twin = slim.twin()
    pairs = zip(slim.module.parameters(), twin.module.parameters(), strict=True)
    assert all(a.data_ptr() == b.data_ptr() for a, b in pairs)
    called = []
    layer = slim.resolve("relu1_1")
    handle = slim.module.get_submodule(layer).register_forward_hook(
        lambda *_: called.append(1)  # type: ignore[arg-type]
    )
    picture = torch.rand(3, 32, 32)
    ours = twin.taps(picture, ["relu1_1"])["relu1_1"]
    assert not called
    handle.remove()
    assert torch.equal(ours, slim.taps(picture, ["relu1_1"])["relu1_1"])


def test_the_first_run_may_be_in_inference_mode() -> None:
    """A run there counts no changes in place, which the layers are asked for once."""
    pictures = picture(2, 3, 40, 32)
    expected = load_network("slim_vgg")
    fresh = load_network("slim_vgg").twin()
    with torch.inference_mode():
        inside = fresh.taps(pictures, ["conv1_1", "relu3_1"])
        calls, logits = fresh.calls((40, 32)), fresh.logits(pictures)
    assert calls == expected.calls((40, 32))
    assert any(call.changed_later for call in calls.values())
    assert inside["conv1_1"].min() < 0
    for name, values in expected.taps(pictures, ["conv1_1", "relu3_1"]).items():
        assert torch.equal(inside[name], values)
    assert torch.equal(logits, expected.logits(pictures))
    # What was found there serves runs with gradients later.
    x = pictures.clone().requires_grad_()
    fresh.taps(x, ["conv1_1", "relu3_1"])["conv1_1"].sum().backward()
    assert x.grad is not None


def test_a_network_made_in_inference_mode_knows_its_layers() -> None:
    with torch.inference_mode():
        inside = network_of(made("resnet18")).calls((64, 64))
    assert inside == network_of(made("resnet18")).calls((64, 64))
