import pytest
import torch
from torch import nn
from torch.nn import functional as F

from engine.networks.architectures.googlenet_bvlc import (
    ALIASES,
    WIDTHS,
    CrossChannelNorm,
    googlenet_bvlc,
)
from engine.networks.architectures.names import INCEPTION, caffe_modules
from engine.networks.loading import load_network

PHOTOS = {
    "photos/cat_1080p.jpg": {"tabby", "tiger cat", "Egyptian cat"},
    "photos/parrot.jpg": {"macaw"},
    "photos/hot_dog.jpg": {"hotdog"},
    "attribution/cat.jpg": {"tabby", "tiger cat", "Egyptian cat"},
}


@pytest.mark.parametrize("name", ["googlenet_bvlc", "squeezenet1_1"])
def test_photographs_are_named_correctly(data_folder, photo, home, name):
    network = load_network(name, data_folder / "weights")
    for file, right in PHOTOS.items():
        logits = network.logits(photo(file))
        assert logits.shape == (1, 1000)
        assert network.classes[int(logits.argmax())] in right, file


def test_wrong_colour_order_would_show(data_folder, photo, home):
    """The photographs above notice swapped colours: the check on preprocessing is one."""
    network = load_network("googlenet_bvlc", data_folder / "weights")
    right = network.logits(photo("photos/hot_dog.jpg")).softmax(1)
    swapped = network.logits(photo("photos/hot_dog.jpg").flip(0)).softmax(1)
    hotdog = network.classes.index("hotdog")
    assert right[0, hotdog] > 0.7
    assert swapped[0, hotdog] < 0.01


def test_norm_is_local_response_norm():
    x = 300 * torch.randn(2, 64, 5, 7, dtype=torch.float64)
    expected = nn.LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=1.0)(x)
    assert torch.allclose(CrossChannelNorm(64).double()(x), expected, rtol=1e-5)


def test_norm_follows_its_formula_at_the_edge_channels():
    x = torch.tensor([10.0, 20.0, 30.0, 40.0]).view(1, 4, 1, 1)
    neighbours = [
        10**2 + 20**2 + 30**2,
        10**2 + 20**2 + 30**2 + 40**2,
        10**2 + 20**2 + 30**2 + 40**2,
        20**2 + 30**2 + 40**2,
    ]
    norm = CrossChannelNorm(4, window=5, alpha=0.1, beta=0.5, k=2.0)
    expected = [
        v / (2 + 0.1 / 5 * s) ** 0.5 for v, s in zip((10, 20, 30, 40), neighbours, strict=True)
    ]
    assert norm(x).flatten().tolist() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(("side", "sides"), [(224, [56, 28, 14, 7]), (227, [57, 28, 14, 7])])
def test_pools_round_up(side, sides):
    """Caffe's output sizes; 227 pixels tell rounding up from rounding down."""
    module = googlenet_bvlc(10).eval()
    seen = {}
    for name in ("pool1_3x3_s2", "pool2_3x3_s2", "pool3_3x3_s2", "pool4_3x3_s2"):
        layer = module.get_submodule(name)
        layer.register_forward_hook(lambda m, i, o, name=name: seen.update({name: o.shape[-1]}))
    with torch.no_grad():
        assert module(torch.zeros(1, 3, side, side)).shape == (1, 10)
    assert list(seen.values()) == sides


def test_inception_joins_its_branches_in_caffe_s_order():
    module = googlenet_bvlc().get_submodule("inception_3a").eval()
    x = torch.randn(1, 192, 9, 9)
    with torch.no_grad():
        y = module(x)
        one = F.relu(module.conv_1x1(x))
        pool = F.relu(module.conv_pool_proj(F.max_pool2d(x, 3, 1, padding=1)))
    assert y.shape == (1, 256, 9, 9)
    assert torch.allclose(y[:, :64], one, atol=1e-6)
    assert torch.allclose(y[:, 224:], pool, atol=1e-6)


def test_every_alias_is_a_module():
    module = googlenet_bvlc()
    for caffe, dotted in ALIASES.items():
        module.get_submodule(dotted)
        assert "." not in caffe
    assert ALIASES["inception_4c/output"] == "inception_4c"
    assert ALIASES["inception_3b/5x5_reduce"] == "inception_3b.conv_5x5_reduce"
    assert tuple(WIDTHS) == INCEPTION


def test_names_cover_all_weights():
    layers = {name for name, m in googlenet_bvlc().named_modules() if hasattr(m, "weight")}
    assert set(caffe_modules().values()) == layers
    assert len(caffe_modules()) == 58


def test_caffe_names_can_be_tapped(data_folder, photo, home):
    network = load_network("googlenet_bvlc", data_folder / "weights")
    names = ["inception_4c/output", "inception_4c/1x1", "conv2/norm2"]
    found = network.taps(photo("photos/owl.jpg"), names)
    shapes = [tuple(found[name].shape) for name in names]
    assert shapes == [(1, 512, 14, 14), (1, 128, 14, 14), (1, 192, 56, 56)]
    # Before its ReLU: what Caffe hands out when it stops at this layer.
    assert found["inception_4c/1x1"].min() < 0
    assert torch.equal(found["inception_4c/1x1"].relu(), found["inception_4c/output"][:, :128])
