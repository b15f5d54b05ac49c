"""One forward pass for logits, activations and Grad-CAM, against the same by hand in torch."""

import gc
import weakref

import pytest
import torch
from captum.attr import LayerGradCam
from torch import nn
from torch.nn import functional as F

from engine.attribution.class_activation import GradCamPass, grad_cam
from engine.attribution.methods import Question, attribute
from engine.attribution.one_pass import one_pass
from engine.attribution.registry import find_method
from engine.errors import BadInput, OutOfMemory
from engine.networks.card import Card, Preprocessing
from engine.networks.loading import load_network
from engine.networks.network import Network
from tests.engine.hooks import hooks_of, hooks_of_all

GRAD_CAM = find_method("grad-cam")
PLAIN = Preprocessing(mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))


def named(module, classes=5):
    names = tuple("abcdefgh"[:classes])
    return Network(module, Card("some", "Some", "some", preprocessing=PLAIN, input_size=12), names)


def counted(module):
    """Return a list that grows with every run of `module`."""
    runs = []
    module.register_forward_pre_hook(lambda *_: runs.append(1))
    return runs


def by_hand(network, picture, kept, layer, target):
    """Logits without a graph; what a layer gives; Grad-CAM, each with a run of its own."""
    x, module = network.prepare(picture), network.module
    taken = {}

    def keep(name):
        def hook(_module, _inputs, output):
            taken[name] = output.clone()  # what runs on gets the copy, which nobody overwrites
            return taken[name].clone()

        return module.get_submodule(name).register_forward_hook(hook)

    with torch.no_grad():
        logits = module(x)
        handle = keep(kept)
        module(x)
        handle.remove()
        activations = taken[kept]
    handle = keep(layer)
    with torch.enable_grad():
        answer = module(x.clone().requires_grad_())[0, target]
        handle.remove()
        maps = taken[layer]
        (gradient,) = torch.autograd.grad(answer, maps)
    cam = torch.einsum("nc,nchw->nhw", gradient.mean((2, 3)), maps.detach()).relu()
    cam = F.interpolate(cam[:, None], x.shape[2:], mode="bilinear", align_corners=False)[0, 0]
    return logits, activations, cam


@pytest.mark.parametrize(
    ("name", "kept", "layer"),
    [
        ("slim_vgg", "relu4_2", "relu5_4"),
        ("slim_vgg", "conv3_1", "conv3_1"),  # one layer for both, overwritten by its ReLU
        ("googlenet_bvlc", "inception_4c/output", "inception_5b/output"),
        ("squeezenet1_1", "features.7", "features.12"),
    ],
)
def test_of_trained_networks_every_bit_is_as_by_hand(data_folder, monkeypatch, name, kept, layer):
    monkeypatch.setenv("PAREIDOLIA_NETWORKS", str(data_folder / "weights"))
    network = load_network(name)
    picture = torch.rand(1, 3, 96, 136, generator=torch.Generator().manual_seed(4))
    target = 3
    logits, activations, cam = by_hand(
        network, picture, network.resolve(kept), network.resolve(layer), target
    )
    runs = counted(network.module)
    seen = one_pass(network, picture, [kept], layer)
    x = network.prepare(picture)
    found = attribute(GRAD_CAM, network, x, Question(target, layer), known=seen.cam)
    assert len(runs) == 1
    assert torch.equal(seen.logits, logits)
    assert torch.equal(seen.activations[kept], activations)
    assert torch.equal(found, cam)
    assert found.max() > 0
    assert not any(t.requires_grad for t in (seen.logits, found, *seen.activations.values()))
    plain = one_pass(network, picture, [kept])  # no map is wanted
    assert len(runs) == 2
    assert plain.cam is None
    assert torch.equal(plain.logits, logits)
    assert torch.equal(plain.activations[kept], activations)


def test_any_class_can_be_asked_of_one_pass(make_net, pictures, way):
    plain, net = make_net(), make_net(way)
    runs = counted(net)
    kept = GradCamPass(net, pictures, "conv1")
    for target in (0, [3, 1], 0):
        theirs = LayerGradCam(plain, plain.conv1).attribute(
            pictures, target, relu_attributions=True
        )
        ours = kept.grad_cam(target, upsample=False)
        assert theirs.max() > 0
        assert torch.allclose(ours, theirs.detach()[:, 0], atol=1e-6)
        assert torch.equal(ours, grad_cam(make_net(way), pictures, target, "conv1", upsample=False))
    assert len(runs) == 1
    with pytest.raises(ValueError, match="no class 5"):
        kept.grad_cam(5)


def test_an_overwritten_layer_is_kept_as_it_was(make_net, pictures):
    network = named(make_net("module in place"))
    conv1, relu1 = network.module.conv1, network.module.relu1
    with torch.no_grad():
        before = conv1(network.prepare(pictures[:1])).clone()
    seen = one_pass(network, pictures[:1], ["conv1", "relu1"], "conv1")
    assert torch.equal(seen.activations["conv1"], before)
    assert before.min() < 0
    assert torch.equal(seen.activations["relu1"], before.relu())
    assert relu1.inplace


@pytest.mark.parametrize("switched_off", [torch.no_grad, torch.inference_mode])
def test_it_works_where_gradients_are_switched_off(make_net, pictures, switched_off):
    wanted = grad_cam(make_net(), pictures, [1, 1], "conv2")
    with switched_off():
        kept = GradCamPass(make_net(), pictures, "conv2")
        assert torch.equal(kept.grad_cam(1), wanted)


# -- where there can be none ------------------------------------------------------------------


class NoWayBack(nn.Module):
    """Its logits have no graph."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 5, 3)

    def forward(self, x):
        return self.conv(x).detach().mean((2, 3))


class Broken(nn.Module):
    """Fails behind its convolution."""

    def __init__(self):
        super().__init__()
        self.conv, self.broken = nn.Conv2d(3, 5, 3), ""

    def forward(self, x):
        x = self.conv(x)
        if self.broken:
            raise RuntimeError(str(self.broken))
        return x.mean((2, 3))


@pytest.mark.parametrize("layer", ["fc", "no such layer"])
def test_a_layer_without_a_map_leaves_the_rest(make_net, pictures, layer):
    network = named(make_net())
    seen = one_pass(network, pictures[:1], ["conv1"], layer)
    assert seen.cam is None
    with torch.no_grad():
        assert torch.equal(seen.logits, network.module(pictures[:1]))
        assert torch.equal(seen.activations["conv1"], network.module.conv1(pictures[:1]))


def test_without_a_way_back_the_rest_is_there(pictures):
    network = named(NoWayBack())
    seen = one_pass(network, pictures[:1], ["conv"], "conv")
    assert seen.cam is None
    assert list(seen.activations) == ["conv"]
    assert torch.equal(seen.logits, network.module(pictures[:1]))
    with pytest.raises(BadInput, match="carry no gradient"):
        attribute(GRAD_CAM, network, pictures[:1], Question(0, "conv"), known=seen.cam)


def test_a_class_that_does_not_depend_on_the_layer_is_said(make_net, pictures):
    class Aside(nn.Module):
        def __init__(self):
            super().__init__()
            self.net, self.aside = make_net(), nn.Conv2d(3, 2, 1)

        def forward(self, x):
            self.aside(x)
            return self.net(x)

    network = named(Aside())
    seen = one_pass(network, pictures[:1], (), "aside")
    with pytest.raises(BadInput, match=r"Grad-CAM on some: .* not depend on layer 'aside'"):
        attribute(GRAD_CAM, network, pictures[:1], Question(0, "aside"), known=seen.cam)


def test_what_cannot_be_kept_is_said(make_net, pictures):
    with pytest.raises(BadInput, match="no layer 'relu9'"):
        one_pass(named(make_net()), pictures[:1], ["relu9"])
    with pytest.raises(BadInput, match="no classifier"):
        one_pass(named(make_net(), classes=0), pictures[:1], ["conv1"], "conv1")


class Cramped(nn.Module):
    """Runs out of memory where a graph is kept, or on its way back."""

    def __init__(self, error, backwards):
        super().__init__()
        self.conv, self.error, self.backwards = nn.Conv2d(3, 5, 3), None, backwards
        self.later, self.held = error, []

    def forward(self, x):
        x = self.conv(x)
        if not torch.is_grad_enabled() or self.error is None:
            assert not [ref for ref in self.held if ref() is not None], "the first pass is kept"
            return x.mean((2, 3))
        if self.backwards:
            x.register_hook(self._fail)
            return x.mean((2, 3))
        self.held.append(weakref.ref(x))
        raise self.error

    def _fail(self, _gradient):
        raise self.error


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize(
    "error",
    [torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB."), MemoryError(),
     RuntimeError("DefaultCPUAllocator: can't allocate memory")],
    ids=lambda error: type(error).__name__,
)  # fmt: skip
def test_without_memory_for_a_graph_the_map_alone_is_refused(pictures, error, backwards):
    network = named(Cramped(error, backwards))
    network.calls((12, 10))
    network.module.error = error
    gc.disable()  # as in the window, where nothing but the count of references frees in time
    try:
        seen = one_pass(network, pictures[:1], ["conv"], "conv")
    finally:
        gc.enable()
    with torch.no_grad():
        maps = network.module.conv(pictures[:1])
    assert torch.equal(seen.activations["conv"], maps)
    assert torch.equal(seen.logits, maps.mean((2, 3)))
    sentence = "Grad-CAM on some at 10x12 pixels needs more memory than is free on cpu: end other "
    with pytest.raises(OutOfMemory, match=sentence):
        attribute(GRAD_CAM, network, pictures[:1], Question(0, "conv"), known=seen.cam)
    assert not any(t.requires_grad for t in (seen.logits, *seen.activations.values()))


def test_without_memory_for_any_pass_the_error_is_said(pictures):
    network = named(Broken())
    network.calls((12, 10))
    network.module.broken = "out of memory"
    with pytest.raises(RuntimeError, match="out of memory"):
        one_pass(network, pictures[:1], ["conv"], "conv")


@pytest.mark.parametrize("cam_layer", ["", "conv"])
def test_after_an_error_nothing_is_left_on_the_network(pictures, cam_layer):
    network = named(Broken())
    network.calls((12, 10))
    network.module.broken = "broken"
    network.module.conv.training = True
    before = hooks_of(network.module) + hooks_of_all()
    with pytest.raises(RuntimeError, match="broken"):
        one_pass(network, pictures[:1], ["conv"], cam_layer)
    assert hooks_of(network.module) + hooks_of_all() == before
    assert network.module.conv.training
    assert not network.module.training
    assert not any(p.requires_grad for p in network.module.parameters())
    assert torch.is_grad_enabled()
