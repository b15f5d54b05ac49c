"""Weights of layers: signs and sizes are kept, and no layer stands twice."""

import json

import pytest
import torch

from engine.errors import BadInput
from engine.networks.architectures.slim_vgg import slim_vgg
from engine.networks.network import Network
from engine.project import read_job
from engine.settings import mention
from engine.techniques import TECHNIQUES
from engine.techniques.layer_weights import each_once
from engine.techniques.style_matching import weighted
from engine.techniques.style_transfer import StyleTransfer


@pytest.mark.parametrize(
    ("weights", "expected"),
    [
        ({"a": 1.0, "b": -2.0}, (1 * 10 - 2 * 100) / 3),
        ({"a": 1.0, "b": -0.9999}, (10 - 99.99) / 1.9999),
        ({"a": -1.0, "b": -1.0}, -55.0),
        ({"a": 3.0, "b": 1.0}, 32.5),
        ({"a": 0.0, "b": 0.0}, 0.0),
    ],
)
def test_weights_below_zero_keep_their_sign_and_size(weights, expected):
    values = {"a": torch.tensor(10.0).double(), "b": torch.tensor(100.0).double()}
    assert float(weighted(values, weights, torch.zeros(()))) == pytest.approx(expected)


def test_a_layer_with_a_negative_weight_is_led_away_from_the_style(task, pictures_of):
    """What a layer has of the style's statistics falls below what a positive weight leaves."""
    losses = {}
    for weight in (1.0, -1.0):
        technique = TECHNIQUES["style-transfer"](
            iterations=6, content_weight=0.0, tv_weight=0.0, style_statistic="gram",
            style_layers={"relu1_1": weight}, smallest_scale=4096, start="noise", averaging=0.0,
        )  # fmt: skip
        run = task(technique)
        run.styles = [(run.content, 1.0)]
        frames = pictures_of(run)
        losses[weight] = [frame.losses["style"] for frame, _ in (frames[0], frames[-1])]
    assert losses[1.0][1] < losses[1.0][0]
    assert losses[-1.0][0] == pytest.approx(-losses[1.0][0])
    assert losses[-1.0][1] < losses[-1.0][0]


def test_two_names_of_one_layer_are_refused(tiny):
    network = Network(slim_vgg(classes=5), tiny.card)
    dotted, setting = network.resolve("relu2_1"), mention(StyleTransfer, "style_layers")
    assert each_once(network, {"relu2_1": 1.0, "relu2_2": -1.0}, setting)["relu2_2"] == -1
    network.aliases["second"] = dotted
    with pytest.raises(BadInput, match=r"style_layers= .* twice, as relu2_1 and as second"):
        each_once(network, {"relu2_1": 1.0, "second": -1.0}, setting)


def test_a_project_that_names_a_layer_twice_is_refused(tmp_path):
    recipe = {"format": 1, "technique": "deep-dream", "settings": {"layers": {"relu3_1": 1}}}
    text = json.dumps(recipe).replace('"relu3_1": 1', '"relu3_1": 1, "relu3_1": -1')
    (tmp_path / "job.json").write_text(text)
    with pytest.raises(BadInput, match="'relu3_1' stands there twice"):
        read_job(tmp_path / "job.json")
