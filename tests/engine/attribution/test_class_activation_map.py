"""CAM and Guided Grad-CAM, against weights times maps by hand and captum."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from captum.attr import GuidedGradCam
from torch import Tensor, nn
from torch.nn import functional as F

from engine.attribution import cam, grad_cam, guided_backprop, guided_grad_cam
from engine.image import open_picture
from engine.networks.loading import load_network
from tests.engine.attribution.near import TOLERANCE, assert_near


def weighted_by_hand(net: nn.Module, x: Tensor, classes: list[int]) -> Tensor:
    """Return the last layer's weights times the maps that the network averages."""
    with torch.no_grad():
        maps = F.max_pool2d(F.relu(net.conv1(x)), 2)
        maps = F.relu(net.conv2(maps))
        return torch.einsum("nc,nchw->nhw", net.fc.weight[classes], maps)


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_cam_is_the_weights_times_the_maps(
    make_net: Callable[..., nn.Module], pictures: Tensor, way: str, dtype: torch.dtype
) -> None:
    net, x = make_net(way, dtype), pictures.to(dtype)
    theirs = weighted_by_hand(make_net("module", dtype), x, [0, 3])
    assert theirs.min() < 0
    assert_near(cam(net, x, [0, 3], relu=False, upsample=False), theirs)
    assert_near(cam(net, x, [0, 3], upsample=False), theirs.relu())
    bigger = F.interpolate(theirs.relu()[:, None], (12, 10), mode="bilinear")[:, 0]
    assert_near(cam(net, x, [0, 3]), bigger)


def test_cam_is_grad_cam_times_the_places(
    make_net: Callable[..., nn.Module], pictures: Tensor
) -> None:
    net = make_net()
    assert_near(cam(net, pictures, [0, 3]), 30 * grad_cam(net, pictures, [0, 3], "relu2"))


class Ending(nn.Module):
    """Maps, and what `end` makes of them; `fc` is a linear layer of 4 to 2."""

    def __init__(self, end: Callable[..., Tensor]) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(4)
        self.conv, self.fc, self.other = nn.Conv2d(3, 4, 3), nn.Linear(4, 2), nn.Linear(4, 4)
        self.head = nn.Conv2d(4, 2, 1)
        self.norm = nn.LayerNorm(4)
        for parameter in self.parameters():
            parameter.data.normal_(generator=generator)
        self.head.weight.data.copy_(self.fc.weight.data[:, :, None, None])
        self.end = end

    def forward(self, x: Tensor) -> Tensor:
        return self.end(self, self.conv(x))


def overwritten(net: Ending, a: Tensor) -> Tensor:
    pooled = a.mean((2, 3))
    a.zero_()
    return net.fc(pooled)


ENDS: dict[str, Callable[..., Tensor]] = {
    "module": lambda net, a: net.fc(nn.AdaptiveAvgPool2d(1)(a).flatten(1)),
    "function": lambda net, a: net.fc(F.adaptive_avg_pool2d(a, (1, 1)).squeeze(3).squeeze(2)),
    "mean": lambda net, a: net.fc(a.mean([2, 3])),
    "mean twice": lambda net, a: net.fc(a.mean(3).mean(2)),
    "mean kept": lambda net, a: net.fc(torch.mean(a, (2, 3), keepdim=True)[:, :, 0, 0]),
    "flat mean": lambda net, a: net.fc(a.view(len(a), 4, -1).mean(-1)),
    "whole window": lambda net, a: net.fc(F.avg_pool2d(a, a.shape[2:]).reshape(len(a), -1)),
    "dropout": lambda net, a: net.fc(nn.Dropout(0.5).eval()(a.mean((2, 3)))),
    "convolution": lambda net, a: net.head(F.adaptive_avg_pool2d(a, 1)).flatten(1),
    "product": lambda net, a: a.mean((2, 3)) @ net.fc.weight.T + net.fc.bias,
    "overwritten": overwritten,
    "gated before": lambda net, a: net.fc((a * torch.ones_like(a.mean((2, 3), True))).mean((2, 3))),
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_however_the_average_is_written(end: Callable[..., Tensor], pictures: Tensor) -> None:
    net = Ending(end).eval()
    maps = net.conv(pictures).detach()
    theirs = torch.einsum("nc,nchw->nhw", net.fc.weight.detach()[[0, 1]], maps)
    assert_near(cam(net, pictures, [0, 1], relu=False, upsample=False), theirs)


@pytest.mark.parametrize("end", ["module", "mean", "mean twice", "flat mean", "whole window"])
def test_maps_of_a_single_place(end: str) -> None:
    net, x = Ending(ENDS[end]).eval(), torch.randn(2, 3, 3, 3)
    maps = net.conv(x).detach()
    theirs = torch.einsum("c,nchw->nhw", net.fc.weight.detach()[1], maps)
    assert_near(cam(net, x, 1, relu=False, upsample=False), theirs)


def test_a_temperature_scales_the_map(pictures: Tensor) -> None:
    net = Ending(lambda net, a: net.fc(a.mean((2, 3))) / 4 + 1).eval()
    plain = cam(Ending(ENDS["mean"]).eval(), pictures, 1)
    assert_near(cam(net, pictures, 1), plain / 4)


OTHERS: dict[str, Callable[..., Tensor]] = {
    "flattened": lambda net, a: F.linear(a.flatten(1), torch.ones(2, 320)),
    "maximum": lambda net, a: net.fc(a.amax((2, 3))),
    "sum": lambda net, a: net.fc(a.sum((2, 3))),
    "one place": lambda net, a: net.fc(a[:, :, 0, 0]),
    "layer norm": lambda net, a: net.fc(net.norm(a.mean((2, 3)))),
    "layer norm of pixels": lambda net, a: net.fc(
        net.norm(F.adaptive_avg_pool2d(a, 1).permute(0, 2, 3, 1)).permute(0, 3, 1, 2).flatten(1)
    ),
    "two layers": lambda net, a: net.fc(F.relu(net.other(a.mean((2, 3))))),
    "softmax": lambda net, a: net.fc(a.mean((2, 3))).softmax(1),
    "gated": lambda net, a: net.fc(a.mean((2, 3)) * a.amax((2, 3)).sigmoid()),
    "two ways": lambda net, a: net.fc(a.mean((2, 3)) + a.mean((2, 3)).relu()),
    "divisor": lambda net, a: torch.div(torch.ones(2), net.fc(a.mean((2, 3)))),
    "written into": lambda net, a: net.fc(a.mean((2, 3)).relu_()),
    "one place of one": lambda net, a: net.fc(a[:, :, :1, :1].flatten(1)),
}


@pytest.mark.parametrize("end", OTHERS.values(), ids=OTHERS)
def test_other_networks_are_refused(end: Callable[..., Tensor], pictures: Tensor) -> None:
    with pytest.raises(
        ValueError, match=r"CAM needs .* global average pooling and one linear layer"
    ):
        cam(Ending(end).eval(), pictures, 1)


def test_the_number_of_layers_is_said(pictures: Tensor) -> None:
    net = Ending(lambda net, a: net.fc(net.other(a.mean((2, 3))))).eval()
    with pytest.raises(ValueError, match="has 2 linear layers"):
        cam(net, pictures, 1)


@pytest.mark.parametrize("end", ["mean", "mean of the rectified", "module", "scaled"])
def test_a_class_with_a_map_of_its_own(end: str, pictures: Tensor) -> None:
    """The linear layer is a 1x1 convolution before the average: the map's mean is the logit."""
    ends: dict[str, Callable[..., Tensor]] = {
        "mean": lambda net, a: net.head(a).mean((2, 3)),
        "mean of the rectified": lambda net, a: net.head(a).relu_().mean((2, 3)),
        "module": lambda net, a: nn.AdaptiveAvgPool2d(1)(F.relu(net.head(a))).flatten(1),
        "scaled": lambda net, a: net.head(a).mean((2, 3)) / 4,
    }
    net = Ending(ends[end]).eval()
    with torch.no_grad():
        weight, bias = net.head.weight[:, :, 0, 0], net.head.bias
        assert bias is not None
        own = torch.einsum("kc,nchw->nkhw", weight, net.conv(pictures)) + bias[:, None, None]
        logits = net(pictures)
    assert own.min() < 0 < own.max()
    own = own / 4 if end == "scaled" else own if end == "mean" else own.relu()
    for target in range(2):
        found = cam(net, pictures, target, relu=False, upsample=False)
        assert_near(found, own[:, target])
        assert_near(found.mean((1, 2)), logits[:, target])
        assert_near(cam(net, pictures, target, upsample=False), own[:, target].relu())


def test_squeezenets_map_of_a_class_averages_to_its_logit(data_folder: Path) -> None:
    network = load_network("squeezenet1_1", data_folder / "weights")
    photo = open_picture(data_folder / "images/attribution/cat_and_dog.png")
    picture = photo.tensor()[None]
    x = network.prepare(picture)
    logits = network.logits(picture)[0].detach()
    convolution = network.taps(picture, ["classifier.1"])["classifier.1"].detach()
    for target in logits.topk(3).indices.tolist():
        found = cam(network.module, x, target, upsample=False)
        assert_near(found, convolution[:, target].relu())
        assert_near(found.mean(), logits[target])


# -- Guided Grad-CAM ----------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:Setting backward hooks on ReLU")
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("layer", ["conv1", "conv2"])
def test_guided_grad_cam_equals_captum(
    make_net: Callable[..., nn.Module],
    pictures: Tensor,
    way: str,
    dtype: torch.dtype,
    layer: str,
) -> None:
    x, plain = pictures.to(dtype), make_net("module", dtype)
    captum = GuidedGradCam(plain, plain.get_submodule(layer))
    theirs = captum.attribute(
        x.clone().requires_grad_(), target=[1, 3], interpolate_mode="bilinear"
    ).detach()
    assert_near(guided_grad_cam(make_net(way, dtype), x, [1, 3], layer), theirs)


def test_guided_grad_cam_is_zero_where_grad_cam_is(
    make_net: Callable[..., nn.Module], pictures: Tensor
) -> None:
    net = make_net()
    where = grad_cam(net, pictures, 1, "conv2") == 0
    product = guided_grad_cam(net, pictures, 1, "conv2")
    assert 0 < where.sum() < where.numel()
    assert product[where[:, None].expand_as(product)].abs().max() == 0
    assert guided_backprop(net, pictures, 1)[where[:, None].expand_as(product)].abs().max() > 0
