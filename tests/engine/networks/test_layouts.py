"""Where tensors hold their channels, against networks whose layout their authors document."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision import models
from torchvision.models.vision_transformer import VisionTransformer

from engine.attribution import grad_cam, saliency
from engine.attribution.unit import Unit
from engine.networks.card import Card, Preprocessing
from engine.networks.fitting import last_map
from engine.networks.layout import FIRST, LAST
from engine.networks.network import Network
from engine.networks.tracing import trace, without_memory
from engine.objectives import gram_matrix


def network(module: nn.Module, size: int = 64) -> Network:
    card = Card("net", "net", Preprocessing((0.5, 0.5, 0.5), (0.25, 0.25, 0.25)), input_size=size)
    return Network(module.eval(), card, [str(i) for i in range(7)])


def calls_of(name: str, size: int = 64):
    torch.manual_seed(0)
    calls, refused = trace(
        without_memory(getattr(models, name)(num_classes=7).eval()), (size, size)
    )
    assert refused is None
    return {call.name: call for call in calls}


def swin(size: int = 64) -> Network:
    torch.manual_seed(0)
    return network(models.swin_t(num_classes=7), size)


def test_maps_of_swin_are_told_by_their_channels() -> None:
    calls = calls_of("swin_t")
    shapes = {name: calls[name].shape for name in ("features.0.0", "features.0", "features.3.1")}
    assert shapes == {
        "features.0.0": (1, 96, 16, 16),
        "features.0": (1, 96, 16, 16),
        "features.3.1": (1, 192, 8, 8),
    }
    assert calls["features.0.0"].layout.axes == FIRST
    for inner in ("features.0", "features.1.0.attn", "features.1.0.mlp.0", "features.7", "norm"):
        assert calls[inner].layout.axes == LAST, inner
    assert calls["permute"].layout.axes == FIRST


def test_inside_convnext_channels_are_last_and_outside_first() -> None:
    calls = calls_of("convnext_tiny")
    assert calls["features.1.0.block.0"].layout.axes == FIRST
    assert calls["features.1.0.block.3"].layout.axes == LAST
    assert calls["features.1.0.block.3"].shape == (1, 384, 16, 16)
    assert calls["features.1.0"].layout.axes == FIRST


def test_shuffled_channels_are_known_by_the_convolution_behind() -> None:
    calls = calls_of("shufflenet_v2_x0_5")
    assert {c.layout.axes for c in calls.values() if len(c.shape) == 4} == {FIRST}


def test_tokens_of_patches_are_maps_and_tokens_in_windows_are_none() -> None:
    patches = calls_of("vit_b_32", 224)["encoder.layers.encoder_layer_11.ln_1"]
    assert patches.shape == (1, 768, 7, 7)
    assert (patches.layout.grid, patches.layout.before) == ((7, 7), 1)
    windows = calls_of("maxvit_t", 224)
    inner = "blocks.0.layers.0.layers.window_attention.attn_layer.0"
    assert windows[inner].shape == (1, 64 * 49, 64)


def test_taps_of_swin_roll_with_the_picture() -> None:
    """Patches are 4 pixels wide: rolled by 8, the map rolls by 2, and its Gram matrix stays."""
    net = swin()
    picture = torch.rand(1, 3, 64, 96, generator=torch.Generator().manual_seed(1))
    tap = net.taps(picture, ["features.0"])["features.0"]
    rolled = net.taps(picture.roll(8, 3), ["features.0"])["features.0"]
    assert tap.shape == (1, 96, 16, 24)
    torch.testing.assert_close(rolled, tap.roll(2, 3))
    torch.testing.assert_close(gram_matrix(rolled), gram_matrix(tap), rtol=1e-6, atol=1e-7)


def raw_output(module: nn.Module, layer: str, x: Tensor, index: Tensor) -> tuple[Tensor, Tensor]:
    """A layer's output and the logit's gradient there, by a hook and PyTorch alone."""
    kept: list[Tensor] = []
    handle = module.get_submodule(layer).register_forward_hook(lambda _m, _i, o: kept.append(o))
    logits = module(x.clone().requires_grad_())
    handle.remove()
    (gradient,) = torch.autograd.grad(logits.gather(1, index[:, None]).sum(), kept[0])
    return kept[0].detach(), gradient


@pytest.mark.parametrize("traced", [False, True])
@pytest.mark.parametrize("layer", ["features.3", "features.7", "features.5.0"])
def test_grad_cam_of_swin_weighs_channels(layer: str, traced: bool) -> None:
    net = swin()
    x = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(2))
    index = torch.tensor([3, 5])
    values, gradient = raw_output(net.module, layer, x, index)
    expected = torch.einsum("nc,nhwc->nhw", gradient.mean((1, 2)), values).relu()
    if traced:
        net.calls((64, 64))
    found = grad_cam(net.module, x, index, layer, upsample=False)
    assert expected.abs().max() > 0
    torch.testing.assert_close(found, expected)


def test_grad_cam_of_a_vision_transformer_weighs_its_patches() -> None:
    torch.manual_seed(0)
    module = models.vit_b_32(num_classes=7).eval()
    nn.init.normal_(module.heads.head.weight)
    layer = "encoder.layers.encoder_layer_11.ln_1"
    x = torch.rand(1, 3, 224, 224)
    values, gradient = raw_output(module, layer, x, torch.tensor([3]))
    patches = torch.einsum("nc,ntc->nt", gradient[:, 1:].mean(1), values[:, 1:]).relu()
    found = grad_cam(module, x, 3, layer, upsample=False)
    assert patches.max() > 0
    torch.testing.assert_close(found, patches.unflatten(1, (7, 7)))


def test_the_last_map_of_a_vision_transformer_is_one_that_matters() -> None:
    """Behind the last attention the classes see one token alone: patches have no gradient there."""
    torch.manual_seed(0)
    module = VisionTransformer(32, 8, 2, 2, 16, 16, num_classes=7)
    nn.init.normal_(module.heads.head.weight)
    net, x = network(module, 32), torch.rand(1, 3, 32, 32)
    found = {}
    for layer in ("encoder", last_map(net)):
        found[layer] = grad_cam(net.module, net.prepare(x), 3, layer, relu=False)
    assert list(found) == ["encoder", "encoder.layers.encoder_layer_1.ln_1"]
    assert [bool(heat.abs().max() > 0) for heat in found.values()] == [False, True]


def test_every_channel_of_swin_can_be_asked_and_has_a_place() -> None:
    net = swin()
    x = torch.rand(1, 3, 64, 64)
    asked = Unit("features.5", 383, (3, 1))
    leaf = x.clone().requires_grad_()
    kept: list[Tensor] = []
    handle = net.module.features[5].register_forward_hook(lambda _m, _i, o: kept.append(o))
    net.module(leaf)
    handle.remove()
    kept[0][0, 3, 1, 383].backward()
    torch.testing.assert_close(saliency(net.module, x, asked), leaf.grad.abs().amax(1))


def test_what_a_visitor_returns_goes_on_where_it_belongs() -> None:
    """Doubling what a layer gives, through the visitor as (N, C, H, W) and by hand as it lies."""

    class Halves(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.norm, self.mix = nn.Conv2d(3, 5, 4, 4), nn.LayerNorm(5), nn.Linear(5, 5)
            self.head = nn.Linear(5, 7)

        def forward(self, x: Tensor) -> Tensor:
            maps = self.norm(self.conv(x).permute(0, 2, 3, 1))
            tokens = torch.cat([maps.new_ones(len(x), 2, 5), maps.flatten(1, 2)], 1)
            return self.head(self.mix(tokens).mean(1))

    torch.manual_seed(0)
    module = Halves()
    net = network(module, 16)
    picture = torch.rand(2, 3, 16, 24)
    scale = torch.rand(4, 6)
    shapes = []

    def scaled(_name: str, activations: Tensor) -> Tensor:
        shapes.append(tuple(activations.shape))
        return activations * scale

    x = net.prepare(picture)
    with torch.no_grad():
        maps = module.norm(module.conv(x).permute(0, 2, 3, 1)) * scale[:, :, None]
        before = module.mix(torch.ones(2, 2, 5))
        patches = module.mix(maps.flatten(1, 2)) * scale.flatten()[:, None]
        expected = module.head(torch.cat([before, patches], 1).mean(1))
        found: dict[str, Tensor] = {}

        def visit(name: str, activations: Tensor) -> Tensor:
            if name == "head":
                found[name] = activations
                return activations
            return scaled(name, activations)

        net.visit(picture, ["norm", "mix", "head"], visit)
    assert shapes == [(2, 5, 4, 6), (2, 5, 4, 6)]
    torch.testing.assert_close(found["head"], expected)


def test_what_is_added_to_a_map_lies_as_it_does() -> None:
    class Added(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.other = nn.Conv2d(3, 4, 2, 2), nn.Identity()

        def forward(self, x: Tensor) -> Tensor:
            maps = self.conv(x).permute(0, 2, 3, 1)
            return maps + self.other(F.gelu(maps.reshape(len(x), -1, 4)).view(maps.shape))

    calls, _ = trace(without_memory(Added().eval()), (8, 6))
    found = {call.name: call for call in calls}
    assert (found["other"].layout.axes, found["other"].shape) == (LAST, (1, 4, 4, 3))


class Merging(nn.Module):
    """Makes channels of every 2 x 2 places by six axes, as timm's Swin does, or the other way round."""

    def __init__(self, last: bool) -> None:
        super().__init__()
        self.conv, self.last = nn.Conv2d(3, 4, 1), last
        self.merged, self.head = nn.Identity(), nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        n, c, h, w = x.shape
        if self.last:
            x = x.permute(0, 2, 3, 1).reshape(n, h // 2, 2, w // 2, 2, c)
            x = x.permute(0, 1, 3, 4, 2, 5).reshape(n, h // 2, w // 2, 4 * c)
        else:
            x = x.reshape(n, c, h // 2, 2, w // 2, 2)
            x = x.permute(0, 1, 3, 5, 2, 4).reshape(n, 4 * c, h // 2, w // 2)
        return self.head(self.merged(x))


@pytest.mark.parametrize("last", [True, False])
def test_maps_whose_places_become_channels_stay_maps(last: bool) -> None:
    torch.manual_seed(0)
    net = network(Merging(last))
    picture = torch.rand(1, 3, 8, 12)
    tap = net.taps(picture, ["merged"])["merged"]
    kept = net.taps(picture, ["conv"])["conv"]
    assert tap.shape == (1, 16, 4, 6)
    # At every place the same numbers, whatever their order.
    wanted = F.pixel_unshuffle(kept, 2)
    torch.testing.assert_close(tap.sort(1).values, wanted.sort(1).values)
    assert net.calls((8, 12))["merged"].layout.axes == (LAST if last else FIRST)


def test_windows_are_no_maps_until_they_are_put_together() -> None:
    class Windows(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.cut, self.whole = nn.Conv2d(3, 4, 1), nn.Identity(), nn.Identity()

        def forward(self, x: Tensor) -> Tensor:
            x = self.conv(x).permute(0, 2, 3, 1)
            n, h, w, c = x.shape
            x = x.reshape(n, h // 4, 4, w // 4, 4, c).permute(0, 1, 3, 2, 4, 5)
            x = self.cut(x).permute(0, 1, 3, 2, 4, 5)
            return self.whole(x.reshape(n, h, w, c))

    calls = network(Windows()).calls((8, 12))
    assert calls["cut"].shape == (1, 2, 3, 4, 4, 4)
    assert calls["whole"].shape == (1, 4, 8, 12)
    assert calls["whole"].layout.axes == LAST
