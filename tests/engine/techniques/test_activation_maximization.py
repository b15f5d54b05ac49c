"""Activation maximization: layer, channel, neuron; and where there is none such."""

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

STILL = ActivationMaximization(
    layer="relu3_1", iterations=1, parameterization="pixels", optimizer="normalised",
    learning_rate=2.0, jitter=0, zoom=0.0, rotation=0.0, closest=1.0,
)  # fmt: skip


def run(technique, network, size=32, seed=0):
    task = Task(technique, network, size, torch.Generator().manual_seed(seed))
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


def test_channels_side_by_side(tiny):
    technique = replace(STILL, channel="3, 5", iterations=10)
    task = Task(technique, tiny, 66, torch.Generator())
    (stage,) = technique.stages(task)
    picture = run(technique, tiny, 66)[-1][1]
    assert stage.size == tuple(picture.shape[1:]) == (32, 66)
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
    [({"layer": "relu9_9"}, "no layer 'relu9_9'"), ({"channel": "x"}, "--channel is 'x'"),
     ({"channel": "128"}, "channels 0 to 127, not 128"), ({"position": "1,1"}, "its --channel"),
     ({"channel": "1", "position": "1"}, "--position is '1'"),
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
    for path in sorted((data_folder / "images").rglob("*.[jp][pn]g")):
        photo = engine.image.open_picture(path).resized(128).tensor()
        assert features(network, photo, "relu4_3")[40].mean() < value
