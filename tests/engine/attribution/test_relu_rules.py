"""Guided backpropagation and the deconvnet, against calculations by hand and captum."""

import threading
from collections.abc import Callable

import pytest
import torch
from captum.attr import Deconvolution, GuidedBackprop
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from engine.attribution import deconvnet, guided_backprop, saliency
from tests.engine.attribution.near import TOLERANCE, assert_near

Method = Callable[..., Tensor]
PEERS = {guided_backprop: GuidedBackprop, deconvnet: Deconvolution}

pytestmark = pytest.mark.filterwarnings("ignore:Setting backward hooks on ReLU")


@pytest.fixture(params=PEERS, ids=lambda method: method.__name__)
def method(request: pytest.FixtureRequest) -> Method:
    return request.param


def captum_of(method: Method, model: nn.Module, x: Tensor, target: list[int]) -> Tensor:
    return PEERS[method](model).attribute(x.clone().requires_grad_(), target=target).detach()


class Rectified(nn.Module):
    """Logits: sum and minus the sum over rectified pixels, each times its weight."""

    def __init__(self, relu: Callable[[Tensor], Tensor], weights: list[float]) -> None:
        super().__init__()
        self.relu, self.weights = relu, torch.tensor(weights)

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(x * 1)
        summed = (y * self.weights).sum((1, 2, 3))
        return torch.stack([summed, -summed], 1)


X = [-1.0, -1.0, 0.0, 2.0, 2.0, 7.0]
WEIGHTS = [3.0, -3.0, 3.0, 3.0, -3.0, 3.0]
GUIDED = [0.0, 0.0, 0.0, 3.0, 0.0, 3.0]
GUIDED_6 = [0.0, 0.0, 0.0, 3.0, 0.0, 0.0]
DECONV = [3.0, 0.0, 3.0, 3.0, 0.0, 3.0]


def statement(name: str, *args: float) -> Callable[[Tensor], Tensor]:
    def run(x: Tensor) -> Tensor:
        getattr(x, name)(*args)
        return x

    return run


RELUS = {
    "nn.ReLU": nn.ReLU(),
    "nn.ReLU in place": nn.ReLU(inplace=True),
    "F.relu": F.relu,
    "F.relu in place": lambda x: F.relu(x, inplace=True),
    "F.relu by name": lambda x: F.relu(input=x),
    "F.relu_": F.relu_,
    "torch.relu": torch.relu,
    "torch.relu_": torch.relu_,
    "Tensor.relu": Tensor.relu,
    "Tensor.relu_": statement("relu_"),
    "F.threshold": lambda x: F.threshold(x, 0, 0),
    "nn.Threshold in place": nn.Threshold(0, 0, inplace=True),
    "threshold_": lambda x: torch.threshold_(x, 0, 0),
    "clamp": lambda x: x.clamp(min=0),
    "clamp_": statement("clamp_", 0),
    "torch.clamp_min": lambda x: torch.clamp_min(x, 0),
    "hardtanh": lambda x: F.hardtanh(x, 0, 20),
}
RELU6S = {
    "nn.ReLU6": nn.ReLU6(),
    "nn.ReLU6 in place": nn.ReLU6(inplace=True),
    "F.relu6": F.relu6,
    "F.hardtanh": lambda x: F.hardtanh(x, 0.0, 6.0),
    "F.hardtanh_": lambda x: F.hardtanh_(x, 0.0, 6.0),
    "clamp": lambda x: torch.clamp(x, 0, 6),
}


@pytest.mark.parametrize(
    ("relu", "guided", "values"),
    [
        *[(relu, GUIDED, [0, 0, 0, 2, 2, 7]) for relu in RELUS.values()],
        *[(relu, GUIDED_6, [0, 0, 0, 2, 2, 6]) for relu in RELU6S.values()],
    ],
    ids=[*RELUS, *RELU6S],
)
def test_every_way_to_write_a_relu_follows_the_rule(
    relu: Callable[[Tensor], Tensor], guided: list[float], values: list[float]
) -> None:
    x = torch.tensor(X).expand(1, 3, 1, 6)
    seen = []

    def watched(x: Tensor) -> Tensor:
        seen.append(relu(x))
        return seen[-1]

    model = Rectified(watched, WEIGHTS).eval()
    assert guided_backprop(model, x, 0)[0, 1, 0].tolist() == guided
    assert deconvnet(model, x, 0)[0, 1, 0].tolist() == DECONV
    # Of minus the logit, what was blocked for its sign passes, and the other way round.
    assert guided_backprop(model, x, 1)[0, 1, 0].tolist() == [0, 0, 0, 0, 3, 0]
    assert deconvnet(model, x, 1)[0, 1, 0].tolist() == [0, 3, 0, 0, 3, 0]
    assert all(maps[0, 0, 0].tolist() == values for maps in seen)


@pytest.mark.parametrize(
    "smooth",
    [
        nn.GELU(),
        nn.SiLU(),
        nn.LeakyReLU(),
        nn.Hardtanh(),
        nn.Threshold(1, 0),
        lambda x: x.clamp(max=5),
        lambda x: x.clamp(-1, 1),
        lambda x: x.clamp(min=torch.zeros(())),
        torch.abs,
    ],
)
def test_other_activations_keep_their_gradient(
    method: Method, smooth: Callable[[Tensor], Tensor]
) -> None:
    x = torch.tensor([-1.5, -0.5, -0.2, 0.2, 1.2, 1.5]).expand(1, 3, 1, 6)
    model = Rectified(smooth, WEIGHTS).eval()
    plain = saliency(model, x, 0, signed=True)
    assert plain.min() < 0
    assert torch.equal(method(model, x, 0), plain)


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_it_equals_captum(
    make_net: Callable[..., nn.Module],
    pictures: Tensor,
    way: str,
    dtype: torch.dtype,
    method: Method,
) -> None:
    """Against captum on the network of modules: of functions it sees nothing."""
    x = pictures.to(dtype)
    theirs = captum_of(method, make_net("module", dtype), x, [0, 3])
    plain = saliency(make_net("module", dtype), x, [0, 3], signed=True)
    assert (theirs - plain).abs().max() > 0.1 * plain.abs().max()
    assert_near(method(make_net(way, dtype), x, [0, 3]), theirs)


class Views(nn.Module):
    """ReLUs in place on parts of a tensor, and what is written into behind the ReLU."""

    def __init__(self, inplace: bool) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 1)
        self.conv.weight.data.normal_(generator=torch.Generator().manual_seed(1))
        self.conv.bias.data.fill_(0.1)
        self.inplace = inplace

    def forward(self, x: Tensor) -> Tensor:
        a = self.conv(x)
        if self.inplace:
            a[:, :2].relu_()
            b = F.relu(a)
            b += 1
        else:
            a = torch.cat([F.relu(a[:, :2]), a[:, 2:]], 1)
            b = F.relu(a) + 1
        return (b**2).mean((2, 3))


def test_relus_on_views_and_values_that_are_overwritten(method: Method, pictures: Tensor) -> None:
    assert_near(method(Views(True), pictures, 1), method(Views(False), pictures, 1))
    assert_near(method(Views(True), pictures, 3), method(Views(False), pictures, 3))


def test_parts_that_are_computed_again_on_the_way_back(
    method: Method, make_net: Callable[..., nn.Module], pictures: Tensor
) -> None:
    net = make_net("functional")

    class Checkpointed(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return checkpoint(net, x, use_reentrant=False)

    assert torch.equal(method(Checkpointed(), pictures, 2), method(net, pictures, 2))


def test_relus_of_what_needs_no_gradient(method: Method, pictures: Tensor) -> None:
    """Positions, masks and frozen branches go through ReLUs too."""

    class Mixed(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            with torch.no_grad():
                frozen = F.relu(x, inplace=False)
            steps = torch.arange(-2, 3).clamp_(min=0).sum()
            out = torch.empty(x.shape)
            torch.clamp(frozen, min=0, out=out)
            return (F.relu(x) * frozen * steps + out).sum((2, 3))

    expected = 3 * pictures.clamp(min=0)
    expected[:, [0, 2]] = 0
    assert torch.equal(method(Mixed(), pictures, 1)[:, [0, 2]], expected[:, [0, 2]])
    assert torch.equal(method(Mixed(), pictures, 1), expected)


def test_other_threads_have_ordinary_gradients_meanwhile(
    method: Method, make_net: Callable[..., nn.Module], pictures: Tensor
) -> None:
    net = make_net()
    expected = saliency(net, pictures, 1)
    seen: list[Tensor] = []

    class WithVisitor(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            visitor = threading.Thread(target=lambda: seen.append(saliency(net, pictures, 1)))
            visitor.start()
            visitor.join()
            return net(x)

    method(WithVisitor().eval(), pictures, 1)
    assert torch.equal(seen[0], expected)


@pytest.mark.filterwarnings("ignore:.torch.jit")
def test_scripted_models_are_refused(
    method: Method, make_net: Callable[..., nn.Module], pictures: Tensor
) -> None:
    """Their ReLUs would keep the ordinary gradient, silently."""
    scripted = torch.jit.trace(make_net(), pictures)
    with pytest.raises(ValueError, match="scripted model are out of reach"):
        method(nn.Sequential(scripted), pictures, 1)
