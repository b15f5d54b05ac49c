"""Any method by its name: raw values as the methods themselves make them, about classes and units."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from engine.attribution import Unit, deconvnet, guided_backprop, occlusion, saliency
from engine.attribution.comparison import Column, Prepared, compare, row_label, sanity_check
from engine.attribution.cut_out import enlarged, mask_picture, without_background
from engine.attribution.heat import Heat
from engine.attribution.methods import Question, attribute, layer_of, located, without_rule
from engine.attribution.registry import METHODS, find_method
from engine.attribution.tiles import Notes
from engine.attribution.unit_name import UnitName
from engine.errors import BadInput
from engine.image import Picture
from engine.looking import Request, look
from engine.networks.card import Card, Preprocessing
from engine.networks.network import Network
from tests.engine.hooks import hooks_of

RGB = Preprocessing(mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
BGR = Preprocessing("BGR", 1.0, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
CLASSES = ("ant", "bee", "cow", "dog", "elk")
SIZE = (12, 10)


def named(module, preprocessing=RGB, classes=CLASSES, side=12):
    card = Card("some", "Some", "some", preprocessing=preprocessing, input_size=side)
    return Network(module, card, classes)


def asked(network, name, x, target, **about):
    return attribute(find_method(name), network, x, Question(target, **about))


@pytest.fixture
def x():
    return torch.randn(1, 3, *SIZE, generator=torch.Generator().manual_seed(8))


class Gelu(nn.Module):
    """One convolution, an activation that is no ReLU, two classes."""

    def __init__(self):
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 4, 3, padding=1), nn.Linear(4, 2)

    def forward(self, x):
        return self.fc(F.silu(F.gelu(self.conv(x))).mean((2, 3)))


class Joined(nn.Module):
    """Two branches whose maps are joined by a module, as in SqueezeNet and GoogLeNet."""

    def __init__(self):
        super().__init__()
        self.one, self.two = (nn.Conv2d(3, 3, 3, padding=1) for _ in range(2))
        self.joined = nn.Identity()

    def forward(self, x):
        return self.joined(torch.cat((self.one(x), self.two(x)), 1))


class Branches(nn.Module):
    """Two branches beside each other: none is on the way to the other."""

    def __init__(self):
        super().__init__()
        self.stem, self.one, self.two = (nn.Conv2d(3, 3, 3, padding=1) for _ in range(3))

    def forward(self, x):
        x = self.stem(x)
        return torch.cat((self.one(x), self.two(x)), 1)


# -- classes and units against the methods themselves -----------------------------------------


@pytest.mark.parametrize(
    ("name", "direct"), [("guided-backprop", guided_backprop), ("deconvnet", deconvnet)]
)
def test_colours_come_back_as_rgb_whatever_order_the_network_takes(make_net, x, name, direct):
    plain, swapped = named(make_net()), named(make_net(), BGR)
    wanted = direct(make_net(), x, 2)[0]
    assert torch.allclose(asked(plain, name, x, 2), wanted, atol=1e-6)
    assert torch.allclose(asked(swapped, name, x, 2), wanted[[2, 1, 0]], atol=1e-6)


def test_the_gradient_of_a_unit_is_its_filter_where_it_looks(make_net, x):
    # The first layer: what moves a unit that is on is its own 3x3 filter, around its place.
    net = make_net("shared")
    values = F.conv2d(x, net.conv1.weight, net.conv1.bias, padding=1)[0, 4]
    row, column = divmod(int(values[1:-1, 1:-1].argmax()), SIZE[1] - 2)
    place = (row + 1, column + 1)
    assert values[place] > 0
    wanted = torch.zeros(3, *SIZE)
    wanted[:, row : row + 3, column : column + 3] = net.conv1.weight[4].detach()
    # One ReLU is called twice; in the layer tree its plain name is the first call.
    found = asked(named(net), "guided-backprop", x, Unit("relu", 4, place))
    assert torch.allclose(found, wanted, atol=1e-6)
    found = asked(named(make_net("shared"), BGR), "guided-backprop", x, Unit("relu", 4, place))
    assert torch.allclose(found, wanted.flip(0), atol=1e-6)
    heights = asked(named(net), "gradient", x, Unit("relu", 4, place))
    assert torch.allclose(heights, wanted.abs().amax(0), atol=1e-6)


def test_a_unit_without_a_place_is_where_its_channel_is_highest(make_net, x):
    net = make_net("shared")
    values = F.conv2d(x, net.conv1.weight, net.conv1.bias, padding=1)[0, 2].detach()
    place = divmod(int(values.argmax()), SIZE[1])
    unit, activation = located(named(net), x, Unit("relu", 2))
    assert unit == Unit("relu", 2, place)
    assert activation == pytest.approx(float(values.max()), rel=1e-5)
    vector, logit = located(named(net), x, Unit("fc", 3))
    assert vector.position is None
    assert logit == pytest.approx(float(net(x)[0, 3].detach()), rel=1e-5)


class Cube(nn.Module):
    """Its only logit is the sum of the first colour's third powers."""

    def forward(self, x):
        return x[:, 0].pow(3).sum((1, 2))[:, None]


@pytest.mark.parametrize(
    ("preprocessing", "white"),
    [(RGB, 1.0), (Preprocessing("RGB", 255.0, (0.0,) * 3, (1.0,) * 3), 255.0)],
)
def test_the_noise_of_smooth_grad_is_a_part_of_the_networks_own_range(preprocessing, white):
    network = named(Cube(), preprocessing, classes=("sum",))
    black = torch.zeros(1, 3, *SIZE)
    found = asked(network, "smoothgrad", black, 0)
    # The gradient is 3 x², whose mean at x = 0 is three times the variance of the noise.
    assert float(found.mean()) == pytest.approx(3 * (0.15 * white) ** 2, rel=0.1)
    assert torch.equal(found, asked(network, "smoothgrad", black, 0)), "the same figure again"


def test_what_red_and_blue_mean_is_said_of_signed_maps_and_is_so(x):
    assert [bool(method.key) for method in METHODS] == [method.signed for method in METHODS]
    method = find_method("signed-gradient")
    network = named(Cube(), classes=("sum",))
    halves = torch.full((1, 3, *SIZE), 0.5)
    values = attribute(method, network, halves, Question(0))
    red, _, blue = Heat.of(method, values).coloured("viridis")[0, 0].tolist()
    assert red > blue
    raised = network.module(halves + 0.1), network.module(halves)
    assert raised[0] > raised[1], "brighter raises it"


def test_smooth_grad_can_be_stopped_between_its_copies(make_net, x):
    asked_so_far = []

    def stopped():
        asked_so_far.append(None)
        return len(asked_so_far) == 3

    network = named(make_net())
    assert attribute(find_method("smoothgrad"), network, x, Question(1), stopped=stopped) is None
    assert len(asked_so_far) == 3
    assert not any(p.requires_grad for p in network.module.parameters())
    assert not hooks_of(network.module)


@pytest.mark.parametrize("method", [m for m in METHODS if m.command != "cam"], ids=str)
def test_every_method_but_cam_takes_a_unit_of_a_network_without_classes(make_net, x, method):
    network = named(make_net(), classes=())
    found = attribute(method, network, x, Question(Unit("relu2", 5)))
    assert found.shape[-2:] == SIZE
    assert torch.isfinite(found).all()
    assert found.abs().max() > 0


def test_a_unit_is_covered_like_a_class(make_net, x):
    found = asked(named(make_net()), "occlusion", x, Unit("relu2", 5, (1, 1)), window=4, stride=2)
    wanted = occlusion(make_net(), x, Unit("relu2", 5, (1, 1)), 4, 2)[0]
    assert torch.allclose(found, wanted, atol=1e-5)


def test_cam_says_that_it_answers_for_classes(make_net, x):
    with pytest.raises(BadInput, match="classes only"):
        asked(named(make_net()), "cam", x, Unit("relu2", 5))


@pytest.mark.parametrize(
    ("unit", "words"),
    [
        (Unit("relu9", 0), "relu9"),
        (Unit("relu2", 99), "channels are 0 to 7"),
        (Unit("relu2", 0, (6, 0)), "rows are 0 to 5"),
        (Unit("fc", 0, (0, 0)), "leave the unit's position out"),
    ],
)
def test_a_unit_that_is_not_there_is_refused(make_net, x, unit, words):
    for call in (located, lambda *given: asked(given[0], "gradient", given[1], given[2])):
        with pytest.raises(BadInput, match=words):
            call(named(make_net()), x, unit)


# -- the layer that the CAM family looks at ----------------------------------------------------


def test_the_layer_of_a_unit_is_the_last_on_the_way_to_it(make_net, x):
    assert layer_of(named(make_net()), x, Question(1)) == "relu2"
    assert layer_of(named(make_net()), x, Question(Unit("relu2", 1))) == "conv2"
    assert layer_of(named(make_net()), x, Question(Unit("conv2", 1), "conv1")) == "conv1"
    branches = named(Branches(), classes=())
    assert layer_of(branches, x, Question(Unit("two", 0))) == "stem"  # not "one", beside it
    joined = named(Joined())
    assert layer_of(joined, x, Question(Unit("joined", 5))) == "two"
    assert layer_of(joined, x, Question(Unit("joined", 2))) == "one"  # "two" gives others' channels
    joined.module.one.weight.data.zero_()
    joined.module.one.bias.data.zero_()
    assert layer_of(joined, x, Question(Unit("joined", 2))) == "two", "all are silent: the last"
    with pytest.raises(BadInput, match="no layer before stem"):
        layer_of(branches, x, Question(Unit("stem", 0)))


# -- activations without a rule ------------------------------------------------------------------


def test_activations_without_a_rule_are_named(make_net, x):
    network = named(Gelu(), classes=CLASSES[:2])
    for name in ("guided-backprop", "deconvnet", "guided-grad-cam"):
        assert without_rule(find_method(name), network, x) == ("GELU", "SiLU")
    assert without_rule(find_method("gradient"), network, x) == ()
    assert without_rule(find_method("guided-backprop"), named(make_net()), x) == ()
    prepared = [Prepared.of(Column(network, Question(0)), torch.rand(1, 3, *SIZE))] * 2
    told = row_label(find_method("deconvnet"), prepared)
    assert told == "deconvnet (no rule for GELU, SiLU)"
    assert row_label(find_method("gradient"), prepared) == "gradient"


# -- figures ----------------------------------------------------------------------------------


def test_columns_may_be_classes_and_units(make_net):
    network, picture = named(make_net()), torch.rand(1, 3, 14, 12)
    columns = [Column(network, Question(t)) for t in (3, Unit("relu2", 5, (2, 1)))]
    made = compare(picture, columns, [find_method("gradient")])
    keys = ["gradient - dog", "gradient - relu2 channel 5 at 2, 1"]
    assert list(made.values) == keys
    small = F.interpolate(picture, (14, 12), mode="bilinear")
    for key, column in zip(keys, columns, strict=True):
        wanted = saliency(make_net(), small, column.question.target)[0]
        assert np.allclose(made.values[key], wanted, atol=1e-6)


def test_values_are_named_after_what_their_method_depends_on(make_net):
    """The layer is no part of a gradient's name, and no two different maps have the same name."""
    first, second = named(make_net()), named(make_net())
    with torch.no_grad():
        for weight in second.module.parameters():
            weight.mul_(1.5)
    columns = [
        Column(network, Question(3, layer))
        for network in (first, second)
        for layer in ("relu1", "relu2")
    ]
    methods = [find_method(name) for name in ("gradient", "grad-cam")]
    made = compare(torch.rand(1, 3, 12, 12), columns, methods).values
    assert list(made) == [
        "gradient - dog (1)", "gradient - dog (3)", "Grad-CAM - relu1 (1)", "Grad-CAM - relu2 (2)",
        "Grad-CAM - relu1 (3)", "Grad-CAM - relu2 (4)",
    ]  # fmt: skip
    assert len({values.tobytes() for values in made.values()}) == len(made)
    one = compare(torch.rand(1, 3, 12, 12), columns[:2], methods).values
    assert list(one) == ["gradient - dog", "Grad-CAM - relu1", "Grad-CAM - relu2"]


def test_networks_whose_inputs_have_other_units_keep_scales_of_their_own(make_net):
    """A network that takes 0 to 255 has gradients a 255th as large: they would not be seen."""

    class In255(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = make_net()

        def forward(self, x):
            return self.inner(x / 255)

    wide = Preprocessing("RGB", 255.0, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    plain = named(make_net())
    other = Network(
        In255(), Card("other", "Other", "some", preprocessing=wide, input_size=12), CLASSES
    )
    picture = torch.rand(1, 3, 12, 12)
    gradient = [find_method("gradient")]
    both = compare(picture, [Column(n, Question(3)) for n in (plain, other)], gradient)
    small, large = (np.abs(v).max() for v in reversed(both.values.values()))
    assert large == pytest.approx(255 * small, rel=1e-3)
    shown = {
        pixel.tobytes() for pixel in both.figure.rgb[:, both.figure.width // 2 :].reshape(-1, 3)
    }
    alone = compare(picture, [Column(plain, Question(3))] * 2, gradient)
    wanted = {p.tobytes() for p in alone.figure.rgb[:, alone.figure.width // 2 :].reshape(-1, 3)}
    coloured = {c for c in wanted if np.ptp(np.frombuffer(c, np.float32)) > 0.1}
    assert len(coloured) > 10
    assert coloured <= shown, "the same map in the same colours"


def test_a_caption_tells_the_unit_its_place_and_its_activation(make_net, x):
    network, picture = named(make_net(), classes=()), torch.rand(1, 3, *SIZE)
    prepared = Prepared.of(Column(network, Question(Unit("relu1", 3))), picture)
    values = F.relu(F.conv2d(prepared.x, make_net().conv1.weight, make_net().conv1.bias, padding=1))
    row, column = divmod(int(values[0, 3].argmax()), values.shape[3])
    caption = prepared.caption(find_method("gradient"), False)
    assert (
        caption == f"relu1 channel 3 at {row}, {column}: {float(values[0, 3].detach().max()):.4g}"
    )


def test_a_units_place_stays_when_weights_become_random(make_net):
    network = named(make_net(), classes=())
    column = Column(network, Question(Unit("relu1", 3)))
    made = sanity_check(torch.rand(1, 3, *SIZE), [column], [find_method("gradient")])
    places = [set(zip(*np.nonzero(values), strict=True)) for values in made.values.values()]
    seen = [p for p in places if p]
    assert len(made.values) >= 3
    assert seen[0]
    for place in seen:  # one and the same 3x3 window, wherever the random unit is on at all
        assert place <= seen[0]


class Opposed(nn.Module):
    """All its units are active, and every gradient that reaches the first ReLU is negative."""

    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
        self.relu1, self.relu2, self.fc = nn.ReLU(), nn.ReLU(), nn.Linear(4, 5)
        for layer, weight, bias in ((self.conv1, 0.1, 1), (self.conv2, -0.01, 9), (self.fc, 1, 0)):
            nn.init.constant_(layer.weight, weight)  # without spread: random ones are the same
            nn.init.constant_(layer.bias, bias)

    def forward(self, x):
        return self.fc(self.relu2(self.conv2(self.relu1(self.conv1(x)))).mean((2, 3)))


@pytest.mark.parametrize(
    ("method", "said"),
    [("gradient", []), ("guided-backprop", ["guided backprop passes a ReLU only"])],
)
def test_a_map_that_is_0_everywhere_is_explained_below_the_figure(monkeypatch, method, said):
    notes = []
    below = Notes.below
    monkeypatch.setattr(
        Notes, "below", lambda self, *a: notes.extend(self.texts) or below(self, *a)
    )
    column = Column(named(Opposed()), Question(3))
    made = sanity_check(torch.rand(1, 3, *SIZE), [column], [find_method(method)])
    assert all(values.any() == (not said) for values in made.values.values())
    assert [note[: len(start)] for note, start in zip(notes, said, strict=True)] == said


# -- names of units -----------------------------------------------------------------------------


def test_a_unit_is_read_as_it_is_written():
    assert UnitName.parse(" relu4_2:17:12,5 ") == UnitName("relu4_2", 17, (12, 5))
    assert UnitName.parse("a.b#2:0") == UnitName("a.b#2", 0)
    for text in ("relu4_2:17:12,5", "layer1.0.relu#2:3"):
        assert str(UnitName.parse(text)) == text
    assert UnitName.parse("relu4_2:17:12,5").words == "relu4_2 channel 17 at 12, 5"


@pytest.mark.parametrize(
    "text", ["", "relu", "relu:", "relu:x", "relu:-1", "relu:1:2", "relu:1:2,", ":1", "a:1:2,3,4",
             "a:1.5", "a b:1", "a:" + "9" * 40]
)  # fmt: skip
def test_what_is_no_unit_is_refused_with_an_example(text):
    with pytest.raises(BadInput, match="relu4_2:17:12,5"):
        UnitName.parse(text)


# -- cutting out --------------------------------------------------------------------------------


class Weighted(nn.Module):
    """The logit adds the pixels up, each with its weight: the gradient is the weights."""

    def __init__(self, weights):
        super().__init__()
        self.weights = nn.Parameter(weights)

    def forward(self, x):
        summed = (x * self.weights).sum((1, 2, 3))
        return torch.stack((summed, -summed), 1)


def test_what_the_gradient_points_at_is_cut_out():
    y, x = np.mgrid[:40, :40]
    disc = (y - 18) ** 2 + (x - 24) ** 2 < 81
    photo = np.full((40, 40, 3), 0.2, np.float32)
    photo[disc] = (0.9, 0.5, 0.1)
    weights = torch.full((40, 40), 0.01)
    weights[14:22, 20:28] = 1.0  # within the disc, not all of it
    network = named(Weighted(weights), classes=CLASSES[:2], side=40)
    request = Request(target=0, classes=False, pointed=True)
    *_, answer = look(network, Picture(photo).tensor(), request)
    pointed = answer.pointed
    assert np.array_equal(pointed.pixels, np.rint(photo * 255))
    assert np.array_equal(pointed.saliency, weights.numpy())
    mask = pointed.selected().mask
    assert (mask & disc).sum() / (mask | disc).sum() > 0.9


def test_a_mask_grows_about_the_middles_of_its_pixels():
    mask = np.array([[True, False]])
    wanted = np.array([[True] * 4 + [False] * 4] * 3)
    assert np.array_equal(enlarged(mask, 8, 3), wanted)
    assert np.array_equal(enlarged(wanted, 8, 3), wanted)


def test_a_cut_out_keeps_its_colours_and_what_was_transparent():
    rgb = np.random.default_rng(0).random((2, 2, 3), np.float32)
    alpha = np.array([[1, 0.5], [1, 1]], np.float32)
    mask = np.array([[True, True], [False, False]])
    cut = without_background(Picture(rgb, alpha), mask)
    assert np.array_equal(cut.rgb, rgb)
    assert np.array_equal(cut.alpha, [[1, 0.5], [0, 0]])
    assert np.array_equal(without_background(Picture(rgb), mask).alpha, mask)
    assert np.array_equal(mask_picture(mask).rgb[..., 1], mask)


def test_an_occluding_square_may_be_black(make_net):
    network = named(make_net(), Preprocessing(mean=(0.4, 0.5, 0.6), std=(0.2, 0.2, 0.2)))
    x = network.prepare(torch.rand(1, 3, *SIZE, generator=torch.Generator().manual_seed(4)))
    black = torch.tensor([-2.0, -2.5, -3.0]).view(3, 1, 1)
    found = asked(network, "occlusion", x, 2, window=4, stride=2, fill="black")
    wanted = occlusion(make_net(), x, 2, 4, 2, baseline=black)[0]
    torch.testing.assert_close(found, wanted, atol=1e-5, rtol=0)
    assert not torch.allclose(found, asked(network, "occlusion", x, 2, window=4, stride=2))


# -- numbers beside maps ------------------------------------------------------------------------


def test_maps_of_a_row_share_a_scale_in_their_own_colours_too(make_net, monkeypatch):
    from engine.attribution import tiles

    drawn = []
    plain = tiles.Look.tile
    monkeypatch.setattr(
        tiles.Look, "tile",
        lambda self, found, caption, *rest: drawn.append((found, caption))
        or plain(self, found, caption, *rest),
    )  # fmt: skip
    network, picture = named(make_net()), torch.rand(1, 3, *SIZE)
    columns = [Column(network, Question(target)) for target in (0, 1)]
    for one_scale in (True, False):
        drawn.clear()
        made = compare(
            picture, columns, [find_method("guided-backprop")], own_colours=True,
            one_scale=one_scale,
        )  # fmt: skip
        (a, told_a), (b, told_b) = drawn
        first, second = (torch.from_numpy(values) for values in made.values.values())
        inside = (
            (a > 0) & (a < 1) & (b > 0) & (b < 1) & (first.abs() > 1e-4) & (second.abs() > 1e-4)
        )
        ratios = [((each - 0.5) / raw)[inside] for each, raw in ((a, first), (b, second))]
        same = float((ratios[0].median() / ratios[1].median()).log().abs()) < 1e-3
        assert same == one_scale
        scales = [told.splitlines()[1].split(",")[0] for told in (told_a, told_b)]
        assert (scales[0] == scales[1]) == one_scale
        assert told_a.endswith(f", maximum {float(first.abs().max()):.3g}")


@pytest.mark.parametrize("method", [method.command for method in METHODS])
def test_a_picture_too_small_for_the_network_is_a_sentence(method):
    head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 5))
    network = named(nn.Sequential(nn.Conv2d(3, 3, 3), nn.ReLU(), nn.MaxPool2d(4), *head).eval())
    small = torch.rand(1, 3, 12, 5)
    with pytest.raises(BadInput, match="some cannot take a picture of 5x12 pixels; use a larger"):
        asked(network, method, small, 2)
