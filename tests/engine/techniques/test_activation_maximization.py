"""Activation maximization: layer, channel, neuron, direction; and where there is none such."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import engine
from engine.errors import BadInput
from engine.networks.network import Network
from engine.settings import make
from engine.task import Task
from engine.techniques.activation_maximization import ActivationMaximization
from engine.techniques.activation_maximization.steps import tiles
from engine.techniques.ascent.steps import PATIENCE

STILL = ActivationMaximization(
    layer="relu3_1", iterations=1, parameterization="pixels", optimizer="normalised",
    learning_rate=2.0, jitter=0, zoom=0.0, rotation=0.0, closest=1.0,
)  # fmt: skip


def run(technique, network, size=32, seed=0, guide=None):
    task = Task(technique, network, size, torch.Generator().manual_seed(seed), guide=guide)
    return [(frame, frame.picture.clone()) for frame in technique.frames(task)]


def features(network, picture, layer="relu3_1"):
    with torch.no_grad():
        return network.taps(picture, [layer])[layer][0].double().numpy()


def start(seed=0):
    noise = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(seed))
    return torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1) + 10 / 255 * noise


def test_what_is_made_large(tiny):
    a = features(tiny, start())

    def first_value(**settings):
        (frame, _), *_ = run(replace(STILL, **settings), tiny)
        return frame.losses["activation"]

    busy = int(a[:, 2, 5].argmax())
    assert first_value() == pytest.approx((a**2).mean() / 2, rel=1e-4)
    assert first_value(channel="7") == pytest.approx(a[7].mean(), rel=1e-4)
    at = {"channel": str(busy), "position": "2,5"}
    assert first_value(**at) == pytest.approx(a[busy, 2, 5], rel=1e-4)
    assert a[busy, 2, 5] > 0
    middle = a[busy, a.shape[1] // 2, a.shape[2] // 2]
    centre = first_value(channel=str(busy), position="center")
    assert centre == pytest.approx(middle, rel=1e-4, abs=1e-6)


def test_left_open_it_is_the_deepest_layer_to_dream_with(tiny):
    (frame, _), *_ = run(replace(STILL, layer=""), tiny)
    assert frame.losses["activation"] == pytest.approx(
        (features(tiny, start()) ** 2).mean() / 2, rel=1e-4
    )


def test_a_neuron_changes_only_what_it_sees(tiny):
    # relu2_1 sees 10 pixels: two 3x3 convolutions, a pool of 2, one more convolution.
    technique = replace(STILL, layer="relu2_1", channel="3", position="8,8", iterations=4)
    change = (run(technique, tiny)[-1][1] - start()[0]).abs().amax(0).numpy()
    rows, columns = np.nonzero(change > 1e-6)
    assert rows.size
    assert rows.min() >= 16 - 4 and rows.max() <= 17 + 4
    assert columns.min() >= 16 - 4 and columns.max() <= 17 + 4


def test_a_neuron_sees_the_whole_picture_whatever_the_views(tiny):
    technique = replace(STILL, channel="3", position="center", optimizer="normalised")
    whole, close = run(technique, tiny), run(replace(technique, closest=0.1), tiny)
    assert torch.equal(whole[0][1], close[0][1])
    technique = replace(technique, position="")
    whole, close = run(technique, tiny), run(replace(technique, closest=0.1), tiny)
    assert not torch.equal(whole[0][1], close[0][1])


def test_a_dead_unit_wakes_up(tiny):
    # A bias so low that the start leaves the channel at 0 everywhere: no gradient without redirect.
    network = Network(tiny.twin().module, tiny.card)
    bias = dict(network.module.named_parameters())["conv3_1.bias"]
    network.module.conv3_1.bias = torch.nn.Parameter(bias.clone(), requires_grad=False)
    network.module.conv3_1.bias[5] = -3.0
    technique = replace(STILL, channel="5", iterations=30, learning_rate=4.0)
    found = run(technique, network)
    assert found[0][0].losses["activation"] == 0
    assert found[-1][0].losses["activation"] > 0


def test_a_unit_that_never_answers_begins_again(tiny):
    network = Network(tiny.twin().module, tiny.card)
    conv = network.module.conv3_1
    conv.weight = torch.nn.Parameter(conv.weight.clone(), requires_grad=False)
    conv.bias = torch.nn.Parameter(conv.bias.clone(), requires_grad=False)
    conv.weight[5], conv.bias[5] = 0, -1
    network.calls()
    technique = replace(STILL, channel="3,5", iterations=2 * PATIENCE)
    found = run(technique, network, 32)
    assert "other noise" not in found[PATIENCE - 2][0].stage
    assert found[-1][0].stage == "2 pictures, 32 x 32, 1 from other noise"
    moved = (found[PATIENCE - 1][1] - found[PATIENCE - 2][1]).abs()
    assert moved[:, :, 34:].mean() > 0.02 > moved[:, :, :32].mean(), "only that one"
    # From a flat picture there is no other start.
    flat = run(replace(technique, start_noise=0.0, channel="5"), network)
    assert "other noise" not in flat[-1][0].stage


def test_no_unit_of_the_network_that_ships_stays_off(data_folder):
    """Channels of a deep layer of which most are 0 all over the start."""
    network = engine.load_network("slim_vgg")
    chosen = [0, 3, 5, 6, 10, 13, 19, 21]
    technique = ActivationMaximization(
        layer="relu5_1", channel=",".join(map(str, chosen)), iterations=24
    )
    found = run(technique, network, 64)

    def cut_out(sheet):
        corners = [(66 * (i // 3), 66 * (i % 3)) for i in range(len(chosen))]
        return [sheet[:, y : y + 64, x : x + 64] for y, x in corners]

    def largest(sheet):
        for channel, one in zip(chosen, cut_out(sheet), strict=True):
            whole = engine.image.from_tensor(one).resized(size=(224, 224)).tensor()
            yield features(network, whole, "relu5_1")[channel].max()

    assert sum(value == 0 for value in largest(found[0][1])) >= 4
    assert min(largest(found[-1][1])) > 0
    assert max(one.std() for one in cut_out(found[0][1])) < 0.02, "gray at first"
    assert min(one.std() for one in cut_out(found[-1][1])) > 0.04


# ---------------------------------------------------------------- the direction of a guide


def cut(picture, side):
    """The middle square of a picture, (1, 3, side, side)."""
    height, width = picture.rgb.shape[:2]
    short = min(height, width)
    top, left = (height - short) // 2, (width - short) // 2
    square = np.ascontiguousarray(picture.rgb[top : top + short, left : left + short])
    return engine.image.Picture(square).resized(size=(side, side)).tensor()[None]


def along(a, v, power):
    """Mean over positions of <a, v> max(0.1, cos)^power of features (C, ...) and a unit vector."""
    a = a.reshape(len(a), -1)
    dots = v @ a
    cosines = np.maximum(dots / np.linalg.norm(a, axis=0).clip(1e-12), 0.1)
    return (dots * cosines**power).mean()


@pytest.mark.parametrize("power", [0.0, 2.0, 3.5])
def test_a_guide_gives_the_direction(tiny, noise_picture, power):
    guide = noise_picture(40, 72, seed=3)
    technique = replace(STILL, cosine_power=power)
    a, b = features(tiny, start()), features(tiny, cut(guide, 32))
    v = b.mean((1, 2))
    (frame, _), *_ = run(technique, tiny, guide=guide)
    wanted = along(a, v / np.linalg.norm(v), power)
    assert frame.losses["direction"] == pytest.approx(wanted, rel=1e-4)
    # At one neuron: what is seen there, and there alone.
    v = b[:, 2, 5]
    (frame, _), *_ = run(replace(technique, position="2,5"), tiny, guide=guide)
    wanted = along(a[:, 2, 5], v / np.linalg.norm(v), power)
    assert frame.losses["direction"] == pytest.approx(wanted, rel=1e-4)


def test_a_direction_at_a_neuron_changes_only_what_it_sees(tiny, noise_picture):
    guide = noise_picture(32, 32, seed=3)
    technique = replace(STILL, layer="relu2_1", position="8,8", iterations=4)
    change = (run(technique, tiny, guide=guide)[-1][1] - start()[0]).abs().amax(0).numpy()
    rows, columns = np.nonzero(change > 1e-6)
    assert rows.size
    assert rows.min() >= 16 - 4 and rows.max() <= 17 + 4
    assert columns.min() >= 16 - 4 and columns.max() <= 17 + 4


def test_a_direction_in_a_layer_without_positions(tiny, noise_picture):
    guide = noise_picture(32, 32, seed=3)
    technique = replace(STILL, layer="classifier", cosine_power=0.0)
    with torch.no_grad():
        a = tiny.module(tiny.prepare(start()))[0].double().numpy()
        v = tiny.module(tiny.prepare(cut(guide, 32)))[0].double().numpy()
    (frame, _), *_ = run(technique, tiny, guide=guide)
    assert frame.losses["direction"] == pytest.approx(a @ v / np.linalg.norm(v), rel=1e-3)


def test_copies_of_a_direction_are_kept_apart(tiny, noise_picture):
    guide = noise_picture(32, 32, seed=3)
    technique = replace(STILL, copies=2, diversity=1.0)
    (frame, picture), *_ = run(technique, tiny, 32, guide=guide)
    assert tuple(picture.shape) == (3, 32, 66)
    assert 0 < frame.losses["likeness"] < 1


@pytest.mark.parametrize("layer", ["relu3_1", "relu5_1"])
def test_the_real_network_turns_towards_the_guide(layer, photo):
    network = engine.load_network("slim_vgg")
    guides = [photo("photos/parrot.jpg", 320), photo("photos/owl.jpg", 320)]
    vectors = [features(network, cut(guide, 224), layer).mean((1, 2)) for guide in guides]

    def cosine(picture, v):
        whole = engine.image.from_tensor(picture).resized(size=(224, 224)).tensor()
        a = features(network, whole, layer).mean((1, 2))
        return a @ v / np.linalg.norm(a) / np.linalg.norm(v)

    technique = ActivationMaximization(layer=layer, iterations=24)
    ends = []
    for guide, v in zip(guides, vectors, strict=True):
        found = run(technique, network, 96, guide=guide)
        ends.append(found[-1][1])
        assert cosine(ends[-1], v) > cosine(found[0][1], v) + 0.1
        assert found[-1][0].losses["direction"] > 2 * found[0][0].losses["direction"]
    # Each is nearer to its own guide than the other picture is.
    assert cosine(ends[0], vectors[0]) > cosine(ends[1], vectors[0]) + 0.02
    assert cosine(ends[1], vectors[1]) > cosine(ends[0], vectors[1]) + 0.02


def test_the_figure_names_the_guide(tiny, photo):
    guide = photo("photos/parrot.jpg", 64)
    technique = replace(STILL, position="2,5")
    task = Task(technique, tiny, 32, torch.Generator(), guide=guide)
    (tile,) = tiles(task, torch.zeros(3, 32, 32))
    assert tile.caption == "relu3_1\ntowards parrot.jpg\nat 2, 5"


def test_refused_guides(tiny, noise_picture):
    guide = noise_picture(32, 32)
    with pytest.raises(BadInput, match="leave channel= empty"):
        run(replace(STILL, channel="3"), tiny, guide=guide)
    with pytest.raises(BadInput, match="rows 0 to 7"):
        run(replace(STILL, position="8,0"), tiny, guide=guide)
    blind = Network(tiny.twin().module, tiny.card)
    blind.module.conv3_1.bias = torch.nn.Parameter(torch.full((128,), -1e4), requires_grad=False)
    blind.calls()
    with pytest.raises(BadInput, match="relu3_1 sees nothing in the guide"):
        run(STILL, blind, guide=guide)


def test_channels_side_by_side(tiny):
    technique = replace(STILL, channel="3, 5", iterations=10)
    task = Task(technique, tiny, 32, torch.Generator())
    (stage,) = technique.stages(task)
    picture = run(technique, tiny, 32)[-1][1]
    assert stage.size == tuple(picture.shape[1:]) == (32, 66), "the size is that of each picture"
    labels = technique.labels(task)
    assert labels.texts == ("relu3_1\nchannel 3", "relu3_1\nchannel 5")
    assert labels.columns == 2
    left, right = features(tiny, picture[:, :, :32]), features(tiny, picture[:, :, 34:])
    assert left[3].mean() > right[3].mean()
    assert right[5].mean() > left[5].mean()


def test_a_layer_without_positions(tiny):
    (frame, _), *_ = run(replace(STILL, layer="classifier", channel="4"), tiny)
    with torch.no_grad():
        logit = tiny.module(tiny.prepare(start()))[0, 4]
    assert frame.losses["activation"] == pytest.approx(float(logit), rel=1e-3)


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"layer": "relu9_9"}, "no layer 'relu9_9'"), ({"channel": "x"}, "channel= is 'x'"),
     ({"channel": "128"}, "channels 0 to 127, not 128"), ({"position": "1,1"}, "its channel="),
     ({"channel": "1", "position": "1"}, "position= is '1'"),
     ({"channel": "1", "position": "8,0"}, "rows 0 to 7"),
     ({"layer": "classifier", "channel": "1", "position": "0,0"}, "no positions")],
)  # fmt: skip
def test_refused(changes, words, tiny):
    with pytest.raises(BadInput, match=words):
        run(replace(STILL, **changes), tiny)


@pytest.mark.parametrize("preset", ["Fourier + transformations", "MACO"])
def test_a_channel_of_the_network_that_ships_answers_more_than_to_photos(preset, data_folder):
    network = engine.load_network("slim_vgg")
    values = {**ActivationMaximization.presets[preset], "layer": "relu4_3", "channel": "40"}
    technique = make(ActivationMaximization, {**values, "iterations": 32, "views": 1})
    picture = run(technique, network, 128)[-1][1]
    value = features(network, picture, "relu4_3")[40].mean()
    paths = sorted((data_folder / "images").rglob("*.[jp][pn]g"))
    assert len(paths) > 5
    for path in paths:
        photo = engine.image.open_picture(path).resized(128).tensor()
        assert features(network, photo, "relu4_3")[40].mean() < value
