"""Units as targets, against a calculation by hand, captum, and the same unit made a class."""

from collections.abc import Callable, Iterator

import pytest
import torch
from captum.attr import NeuronDeconvolution, NeuronGradient, NeuronGuidedBackprop
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from engine.attribution import (
    Unit,
    cam,
    deconvnet,
    grad_cam,
    gradient_times_input,
    guided_backprop,
    guided_grad_cam,
    occlusion,
    occlusion_steps,
    saliency,
    smooth_grad,
)
from tests.engine.attribution.near import TOLERANCE, assert_near
from tests.engine.hooks import hooks_of, hooks_of_all

Method = Callable[..., Tensor]
Make = Callable[..., nn.Module]

pytestmark = pytest.mark.filterwarnings("ignore:Setting backward hooks on ReLU")


def signed(model: nn.Module, x: Tensor, target: object) -> Tensor:
    return saliency(model, x, target, signed=True)


def smooth(model: nn.Module, x: Tensor, target: object) -> Tensor:
    return smooth_grad(model, x, target, 3, 0.1, torch.Generator().manual_seed(1), signed=True)


METHODS: dict[str, Method] = {
    "saliency": saliency,
    "signed": signed,
    "gradient_times_input": gradient_times_input,
    "smooth_grad": smooth,
    "guided_backprop": guided_backprop,
    "deconvnet": deconvnet,
    "occlusion": lambda model, x, target: occlusion(model, x, target, 4, 3, batch=5),
    "grad_cam": lambda model, x, target: grad_cam(model, x, target, "conv1"),
    "guided_grad_cam": lambda model, x, target: guided_grad_cam(model, x, target, "conv1"),
}


@pytest.fixture(params=METHODS.values(), ids=METHODS)
def method(request: pytest.FixtureRequest) -> Method:
    return request.param


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    yield
    assert not hooks_of_all()


# -- by hand ----------------------------------------------------------------------------------


@pytest.fixture
def by_hand() -> nn.Module:
    """Channel 0 of the convolution: -5, 4, 31, 40 for the picture of 0 to 15; 1: 25 less."""
    model = nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(8, 4), nn.ReLU()
    )
    model[0].weight.data.fill_(1)
    model[0].bias.data.copy_(torch.tensor([-50.0, -75]))
    return model.eval()


COUNTING = torch.arange(16.0).view(1, 1, 4, 4)


def rows(values: Tensor) -> list[str]:
    return ["".join(str(int(v)) for v in row) for row in values.view(4, 4)]


def test_the_hand_computed_net(by_hand: nn.Module) -> None:
    top_left, bottom_right = ["1110", "1110", "1110", "0000"], ["0000", "0111", "0111", "0111"]
    nothing = ["0000"] * 4
    for layer, off in [("0", top_left), ("1", nothing)]:
        # The convolution answers below 0 too, though the ReLU behind overwrites it in place.
        assert rows(saliency(by_hand, COUNTING, Unit(layer, 0, (0, 0)))) == off
        assert rows(saliency(by_hand, COUNTING, Unit(layer, 0))) == bottom_right
        assert rows(saliency(by_hand, COUNTING, Unit(layer, 1, (1, 1)))) == bottom_right
    assert rows(guided_backprop(by_hand, COUNTING, Unit("1", 0, (0, 0)))) == nothing
    assert rows(deconvnet(by_hand, COUNTING, Unit("1", 0, (0, 0)))) == top_left
    by_input = gradient_times_input(by_hand, COUNTING, Unit("0", 0, (0, 0)))
    assert by_input.sum() == 45
    # Of the unit's pixels the windows cover 5; 6 and 7; 9 and 13; and 50, of which 40 are to lose.
    drop = occlusion(by_hand, COUNTING, Unit("1", 0), 2, 2)[0, ::2, ::2]
    assert drop.tolist() == [[5, 13], [22, 40]]
    drop = occlusion(by_hand, COUNTING, Unit("0", 0), 2, 2)[0, ::2, ::2]
    assert drop.tolist() == [[5, 13], [22, 50]]


def test_grad_cam_of_a_unit_by_hand(by_hand: nn.Module) -> None:
    by_hand[3].weight.data.zero_()
    by_hand[3].weight.data[2, :5] = 1
    # Unit 2 of the linear layer: the sum of channel 0 and one of channel 1.
    at_conv = grad_cam(by_hand, COUNTING, Unit("3", 2), "0", relu=False, upsample=False)
    # Gradients pass three of four places of channel 0, and of channel 1 none.
    assert at_conv.flatten().tolist() == [0.75 * v for v in (-5, 4, 31, 40)]
    at_relu = grad_cam(by_hand, COUNTING, Unit("3", 2), "1", upsample=False)
    assert at_relu.flatten().tolist() == [0, 4, 31 + 6 / 4, 40 + 15 / 4]


# -- against others ---------------------------------------------------------------------------

PEERS = {
    signed: NeuronGradient,
    guided_backprop: NeuronGuidedBackprop,
    deconvnet: NeuronDeconvolution,
}


@pytest.mark.parametrize("ours", PEERS)
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize(
    "unit", [Unit("conv1", 2, (5, 7)), Unit("conv2", 3, (1, 4)), Unit("conv2", 0, (0, 0))]
)
def test_it_equals_captum(
    make_net: Make, pictures: Tensor, ours: Method, dtype: torch.dtype, unit: Unit
) -> None:
    net, x = make_net("module", dtype), pictures.to(dtype)
    peer = PEERS[ours](net, net.get_submodule(unit.layer))
    theirs = peer.attribute(x.clone().requires_grad_(), (unit.channel, *unit.position)).detach()
    assert_near(ours(net, x, unit), theirs)


class AsClasses(nn.Module):
    """A network that ends at conv2, of which some units are the classes; no ReLU in place."""

    def __init__(self, make_net: Make, dtype: torch.dtype, units: list[tuple[int, int, int]]):
        super().__init__()
        net = make_net("module", dtype)
        self.conv1, self.conv2, self.units = net.conv1, net.conv2, units

    def forward(self, x: Tensor) -> Tensor:
        maps = self.conv2(F.max_pool2d(F.relu(self.conv1(x)), 2))
        return torch.stack([maps[:, c, y, x] for c, y, x in self.units], 1)


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_a_unit_is_as_good_as_a_class(
    make_net: Make, pictures: Tensor, way: str, dtype: torch.dtype, method: Method
) -> None:
    x = pictures.to(dtype)
    model = AsClasses(make_net, dtype, [(3, 1, 4), (5, 4, 0)]).eval()
    for k, unit in enumerate([Unit("conv2", 3, (1, 4)), Unit("conv2", 5, (4, 0))]):
        assert_near(method(make_net(way, dtype), x, unit), method(model, x, k))


def test_without_a_position_it_is_where_the_channel_is_highest(
    make_net: Make, pictures: Tensor, method: Method
) -> None:
    """In each picture for itself, and with nothing covered or added."""
    net, x = make_net("shared"), pictures
    with torch.no_grad():
        maps = net.conv2(F.max_pool2d(F.relu(net.conv1(x)), 2))[:, 5]
    places = [divmod(int(m.argmax()), m.shape[1]) for m in maps]
    assert places[0] != places[1]
    ours = method(net, x, Unit("conv2", 5))
    for n, place in enumerate(places):
        alone = method(net, x[n : n + 1], Unit("conv2", 5, place))
        assert_near(ours[n : n + 1], alone)


def test_a_unit_of_the_last_layer_is_its_class(
    make_net: Make, pictures: Tensor, way: str, method: Method
) -> None:
    net = make_net(way)
    assert_near(method(net, pictures, Unit("fc", 3)), method(net, pictures, 3))


def test_calls_of_a_shared_layer_are_told_apart(make_net: Make, pictures: Tensor) -> None:
    shared, twin = make_net("shared"), make_net("module")
    for own, other in [("relu#1", "relu1"), ("relu#2", "relu2"), ("relu", "relu2")]:
        ours = saliency(shared, pictures, Unit(own, 4, (2, 3)))
        assert_near(ours, saliency(twin, pictures, Unit(other, 4, (2, 3))))
    ours = grad_cam(shared, pictures, Unit("relu#2", 4), "relu#1")
    assert_near(ours, grad_cam(twin, pictures, Unit("relu2", 4), "relu1"))


def test_tokens_are_asked_where_the_channel_is_highest(pictures: Tensor) -> None:
    class Tokens(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.conv, self.norm = nn.Conv2d(3, 4, 2, 2), nn.LayerNorm(4)

        def forward(self, x: Tensor) -> Tensor:
            return self.norm(self.conv(x).flatten(2).mT).mean(1)

    model = Tokens().eval()
    ours = saliency(model, pictures, Unit("norm", 2))
    x = pictures.clone().requires_grad_()
    tokens = model.norm(model.conv(x).flatten(2).mT)[..., 2]
    tokens.amax(1).sum().backward()
    assert_near(ours, x.grad.abs().amax(1))
    assert ((ours > 0).sum((1, 2)) == 4).all()  # one patch of 2 x 2 in each picture


def test_a_tie_has_one_winner(pictures: Tensor) -> None:
    model = nn.Sequential(nn.Conv2d(3, 2, 1))
    flat = saliency(model, torch.ones_like(pictures), Unit("0", 1))
    assert (flat > 0).sum((1, 2)).tolist() == [1, 1]
    assert (flat[:, 0, 0] > 0).all()


# -- what the model may be --------------------------------------------------------------------


def test_the_model_may_return_anything(make_net: Make, pictures: Tensor) -> None:
    net = make_net()

    class Features(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = net

        def forward(self, x: Tensor) -> dict[str, Tensor]:
            return {"logits": self.net(x)}

    for method in (saliency, METHODS["occlusion"]):
        expected = method(net, pictures, Unit("conv2", 1))
        assert_near(method(Features().eval(), pictures, Unit("net.conv2", 1)), expected)


def test_parts_that_are_computed_again_on_the_way_back(make_net: Make, pictures: Tensor) -> None:
    net = make_net()

    class Checkpointed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = net

        def forward(self, x: Tensor) -> Tensor:
            return checkpoint(self.net, x, use_reentrant=False)

    for unit in ("conv2", "conv2#1"):
        ours = guided_backprop(Checkpointed(), pictures, Unit(f"net.{unit}", 2))
        assert torch.equal(ours, guided_backprop(net, pictures, Unit(unit, 2)))


def test_covered_pictures_go_no_deeper_than_the_unit(make_net: Make, pictures: Tensor) -> None:
    net = make_net()
    deep: list[int] = []
    net.fc.register_forward_pre_hook(lambda _m, x: deep.append(len(x[0])))
    seen: list[int] = []
    net.conv2.register_forward_pre_hook(lambda _m, x: seen.append(len(x[0])))
    steps = list(occlusion_steps(net, pictures, Unit("conv2", 2), 4, 4, batch=8))
    assert seen == [2, 8, 8, 2]  # 3 times 3 windows
    assert deep == [2]  # whether the layer is called again is known after the first run
    assert steps[-1].probability.isnan().all()
    assert (steps[-1].label == -1).all()


def test_the_model_is_left_as_it_was(make_net: Make, pictures: Tensor, method: Method) -> None:
    net = make_net("module in place").train()
    net.conv1.weight.requires_grad_(False)
    net.fc.eval()

    def state() -> list[object]:
        modules = [(id(m), m.training, hooks_of(m)) for m in net.modules()]
        tensors = [(p._version, p.requires_grad, p.grad) for p in net.parameters()]
        return [modules, tensors]

    before, x = state(), pictures.clone()
    result = method(net, x, Unit("conv2", 2))
    assert state() == before
    assert torch.equal(x, pictures)
    assert not result.requires_grad
    with torch.inference_mode():
        assert torch.equal(method(net, x.clone(), Unit("conv2", 2)), result)
    for wrong in (Unit("conv2", 99), Unit("conv3", 0), Unit("conv2", 0, (9, 0))):
        with pytest.raises(ValueError):
            method(net, x, wrong)
        assert state() == before


# -- what cannot be ---------------------------------------------------------------------------


class Odd(nn.Module):
    """Layers that give other things than maps."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.frozen = nn.Conv2d(3, 4, 1), nn.Conv2d(3, 4, 1)
        self.unused, self.fc = nn.Identity(), nn.Linear(4, 2)
        self.tokens, self.several = (
            nn.Unflatten(1, (2, 2)),
            nn.AdaptiveMaxPool2d(2, return_indices=True),
        )
        self.together, self.constant = nn.Flatten(0), nn.Embedding(2, 4)

    def forward(self, x: Tensor) -> Tensor:
        a = self.conv(x)
        with torch.no_grad():
            self.frozen(x)
        self.tokens(a.mean((2, 3))), self.several(a), self.together(a)
        self.constant(torch.zeros(len(x), dtype=torch.long))
        return self.fc(a.mean((2, 3)))


@pytest.mark.parametrize(
    ("unit", "says"),
    [
        (Unit("conv", 4), "'conv' has no channel 4: its channels are 0 to 3"),
        (Unit("conv", -1), "channel counts from 0 in whole numbers, not -1"),
        (Unit("conv", 1.5), "channel counts .* not 1.5"),
        (
            Unit("conv", 0, (12, 0)),
            r"no unit at \(12, 0\): its rows are 0 to 11, its columns 0 to 9",
        ),
        (Unit("conv", 0, (0, 10)), "no unit at"),
        (Unit("conv", 0, (0, -1)), "position counts from 0 .* not -1"),
        (Unit("conv", 0, (1, 2, 3)), r"position is \(row, column\), not \(1, 2, 3\)"),
        (Unit("conv", 0, 5), r"position is \(row, column\), not 5"),
        (Unit("fc", 0, (0, 0)), "'fc' gives vectors, which have no rows and columns"),
        (Unit("fc", 2), "'fc' has no channel 2"),
        (Unit("tokens", 0, (0, 0)), "'tokens' gives tokens, which have no rows"),
        (Unit("several", 0), "'several' returns a tuple, not one tensor"),
        (Unit("together", 0), r"'together' gives a tensor \(960,\), not maps"),
        (Unit("unused", 0), "does not call layer 'unused'"),
        (Unit("conf", 0), "no layer 'conf'; similar names are conv"),
        (Unit("conv#2", 0), "there is no 'conv#2'"),
    ],
)
def test_units_that_are_none(unit: Unit, says: str, pictures: Tensor) -> None:
    for method in (saliency, METHODS["occlusion"]):
        with pytest.raises(ValueError, match=says):
            method(Odd().eval(), pictures, unit)


@pytest.mark.parametrize(
    ("unit", "says"), [("frozen", "'frozen' carries no gradient"), ("constant", "depend on x")]
)
def test_units_without_a_way_to_the_picture(unit: str, says: str, pictures: Tensor) -> None:
    with pytest.raises(ValueError, match=says):
        saliency(Odd().eval(), pictures, Unit(unit, 0))


@pytest.mark.parametrize("layer", ["conv2", "conv2#1", "relu2"])
def test_grad_cam_needs_a_layer_before_the_unit(
    make_net: Make, pictures: Tensor, layer: str
) -> None:
    for unit in (Unit("conv2", 0), Unit("conv2#1", 0)):
        with pytest.raises(ValueError, match=f"the unit does not depend on layer '{layer}'"):
            grad_cam(make_net(), pictures, unit, layer)


def test_cam_is_for_classes(make_net: Make, pictures: Tensor) -> None:
    with pytest.raises(ValueError, match="CAM answers for classes only"):
        cam(make_net(), pictures, Unit("conv2", 0))
