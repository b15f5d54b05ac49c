"""Grad-CAM, against a calculation by hand and captum, however a network writes its ReLUs."""

import threading
from collections.abc import Callable

import pytest
import torch
from captum.attr import LayerGradCam
from torch import Tensor, nn
from torch.nn import functional as F

from engine.attribution import grad_cam
from tests.engine.attribution.near import TOLERANCE, assert_near


class ByHand(nn.Module):
    """Two maps: red and minus green. Logit 0 = 3 (sum of red), logit 1 = sum of (minus green)²."""

    def __init__(self) -> None:
        super().__init__()
        self.maps = nn.Conv2d(3, 2, 1, bias=False)
        self.maps.weight.data = torch.tensor([[1.0, 0, 0], [0, -1, 0]]).view(2, 3, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        a = self.maps(x)
        return torch.stack([3 * a[:, 0].sum((1, 2)), (a[:, 1] ** 2).sum((1, 2))], dim=1)


def test_it_equals_a_calculation_by_hand() -> None:
    red = torch.tensor([[1.0, -2], [0, 4]])
    green = torch.tensor([[1.0, 2], [3, -2]])
    x = torch.stack([red, green, torch.zeros(2, 2)])[None]
    model = ByHand().eval()
    # Class 0: weights 3 and 0, so 3 red.
    assert grad_cam(model, x, 0, "maps", relu=False).tolist() == [[[3, -6], [0, 12]]]
    assert grad_cam(model, x, 0, "maps").tolist() == [[[3, 0], [0, 12]]]
    # Class 1: weights 0 and the mean of 2 * (-green) = -2, so 2 green.
    assert grad_cam(model, x, 1, "maps", relu=False).tolist() == [[[2, 4], [6, -4]]]


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("layer", ["conv1", "conv2"])
@pytest.mark.parametrize("relu", [True, False])
def test_it_equals_captum(
    make_net: Callable[..., nn.Module],
    pictures: Tensor,
    way: str,
    layer: str,
    dtype: torch.dtype,
    relu: bool,
) -> None:
    """Against captum on the plain network: with ReLUs in place many tools go wrong."""
    x = pictures.to(dtype)
    plain = make_net("module", dtype)
    captum = LayerGradCam(plain, plain.get_submodule(layer))
    theirs = captum.attribute(x, target=[0, 3], relu_attributions=relu).detach()[:, 0]
    net = make_net(way, dtype)
    assert_near(grad_cam(net, x, [0, 3], layer, relu, upsample=False), theirs)
    bigger = F.interpolate(theirs[:, None], (12, 10), mode="bilinear", align_corners=False)[:, 0]
    assert_near(grad_cam(net, x, [0, 3], layer, relu), bigger)


@pytest.mark.parametrize("way_of_modules", ["module", "module in place"])
def test_the_layer_may_be_a_relu_itself(
    make_net: Callable[..., nn.Module], pictures: Tensor, way_of_modules: str
) -> None:
    plain = make_net()
    theirs = LayerGradCam(plain, plain.relu1).attribute(pictures, target=2).detach()[:, 0]
    net = make_net(way_of_modules)
    assert_near(grad_cam(net, pictures, 2, "relu1", relu=False, upsample=False), theirs)


def test_of_several_calls_the_last_or_the_asked_one_counts(
    make_net: Callable[..., nn.Module], pictures: Tensor
) -> None:
    plain, shared = make_net(), make_net("shared")
    for name, same in [("relu", "relu2"), ("relu#2", "relu2"), ("relu#1", "relu1")]:
        ours = grad_cam(shared, pictures, 1, name, upsample=False)
        assert_near(ours, grad_cam(plain, pictures, 1, same, upsample=False))
    with pytest.raises(ValueError, match=r"no 'relu#3': .* are 2"):
        grad_cam(shared, pictures, 1, "relu#3")


class Tapped(nn.Module):
    """A convolution, `inner`, whatever overwrites its output, and a classifier."""

    def __init__(self, inner: nn.Module, overwrite: bool, ignored: bool = False) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1)
        self.conv.weight.data.normal_(generator=torch.Generator().manual_seed(1))
        self.conv.bias.data.fill_(0.1)
        self.inner = inner
        self.overwrite, self.ignored = overwrite, ignored

    def forward(self, x: Tensor) -> Tensor:
        a = self.conv(x)
        b = self.inner(a)
        if self.ignored:
            b = a
        b = F.relu(b, inplace=self.overwrite)
        return (b**2).mean((2, 3))


@pytest.mark.parametrize(
    "inner",
    [nn.Identity(), nn.Dropout(), nn.ChannelShuffle(2), nn.Unflatten(1, (4,)), nn.PixelShuffle(1)],
    ids=lambda inner: type(inner).__name__,
)
def test_outputs_that_share_memory_with_others(inner: nn.Module, pictures: Tensor) -> None:
    """A view that is overwritten gets a new history: it must not be lost or be the wrong one."""
    kept = grad_cam(Tapped(inner, overwrite=False).eval(), pictures, 2, "inner", relu=False)
    ours = grad_cam(Tapped(inner, overwrite=True).eval(), pictures, 2, "inner", relu=False)
    assert_near(ours, kept)


def test_a_relu_in_place_whose_result_nobody_takes(pictures: Tensor) -> None:
    used = Tapped(nn.ReLU(), overwrite=False).eval()
    unused = Tapped(nn.ReLU(inplace=True), overwrite=True, ignored=True).eval()
    ours = grad_cam(unused, pictures, 2, "inner")
    assert_near(ours, grad_cam(used, pictures, 2, "inner"))


def test_the_tap_changes_no_logit(make_net: Callable[..., nn.Module], pictures: Tensor) -> None:
    seen = []

    class Recorder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = make_net("shared")

        def forward(self, x: Tensor) -> Tensor:
            seen.append(self.net(x))
            return seen[-1]

    model = Recorder().eval()
    model(pictures)
    grad_cam(model, pictures, 0, "net.conv1")
    assert torch.equal(seen[0], seen[1])


def test_another_thread_may_run_the_model_meanwhile(
    make_net: Callable[..., nn.Module], pictures: Tensor
) -> None:
    """Its activations are not ours, though they come later."""
    net = make_net()
    expected = grad_cam(net, pictures, 1, "conv2", upsample=False)

    class WithVisitor(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = net

        def forward(self, x: Tensor) -> Tensor:
            logits = self.net(x)
            visitor = threading.Thread(target=self.net, args=(torch.zeros(2, 3, 12, 10),))
            visitor.start()
            visitor.join()
            return logits

    ours = grad_cam(WithVisitor().eval(), pictures, 1, "net.conv2", upsample=False)
    assert torch.equal(ours, expected)


# -- layers that cannot be ---------------------------------------------------------------------


class Many(nn.Module):
    """Layers with outputs of every kind."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1)
        self.norm = nn.LayerNorm(4)
        self.attention = nn.MultiheadAttention(4, 1, batch_first=True)
        self.beside = nn.Conv2d(4, 4, 1)
        self.frozen = nn.Conv2d(4, 4, 1)
        self.windows = nn.Conv2d(4, 4, 1)
        self.blocks = nn.ModuleList([nn.Linear(4, 4)])
        self.fc = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        a = self.conv(x)
        self.beside(a)
        with torch.no_grad():
            self.frozen(a)
        b = self.windows(torch.cat([a, a])).chunk(2)[0]
        tokens = self.norm(b.flatten(2).mT[:, ::2])
        tokens = self.attention(tokens, tokens, tokens)[0]
        return self.fc(self.blocks[0](tokens.mean(1)))


@pytest.mark.parametrize(
    ("layer", "says"),
    [
        ("fc", r"vectors \(2, 2\), not maps \(N, C, H, W\)"),
        ("norm", r"tokens \(2, 60, 4\), not maps"),
        ("attention", "returns a tuple, not one tensor"),
        ("windows", r"\(4, 4, 12, 10\), not maps .* with N = 2"),
        ("beside", "logit does not depend on layer 'beside'"),
        ("frozen", "'frozen' carries no gradient"),
        ("blocks", "the model does not call layer 'blocks'"),
        ("fc#2", "no 'fc#2': the model's calls of that layer are 1"),
        ("conf", "no layer 'conf'; similar names are conv"),
        ("conv#0", "no layer 'conv#0'"),
        ("conv#x", "no layer 'conv#x'"),
        ("", "no layer ''"),
    ],
)
def test_layers_without_maps_are_explained(layer: str, says: str, pictures: Tensor) -> None:
    with pytest.raises(ValueError, match=says):
        grad_cam(Many().eval(), pictures, 0, layer)


def test_a_model_without_layers_is_explained(pictures: Tensor) -> None:
    with pytest.raises(ValueError, match="it has no layers"):
        grad_cam(nn.Flatten().eval(), pictures, 0, "conv")


def test_layers_on_a_frozen_trunk_work_from_where_gradients_begin(pictures: Tensor) -> None:
    """Nobody needs gradients of weights."""
    model = Many().eval().requires_grad_(False)
    assert grad_cam(model, pictures, 1, "conv").shape == (2, 12, 10)
