"""Figures of class visualization, activation maximization and feature inversion: words and tiles."""

import math

import pytest
import torch

from engine.networks.network import Network
from engine.parameterization.scales import resize_picture
from engine.task import Task
from engine.techniques.activation_maximization import ActivationMaximization
from engine.techniques.activation_maximization import steps as activation_maximization_steps
from engine.techniques.class_visualization import ClassVisualization
from engine.techniques.class_visualization import steps as class_visualization_steps
from engine.techniques.feature_inversion import FeatureInversion
from engine.techniques.feature_inversion import steps as feature_inversion_steps
from engine.techniques.feature_inversion.steps import psnr


@pytest.fixture(scope="module")
def named(tiny):
    network = Network(tiny.module, tiny.card, ("ant", "bee", "cat", "dog, with a comma", "elk"))
    network.calls()
    return network


def task_of(technique, network, size=66, content=None):
    return Task(technique, network, size, torch.Generator().manual_seed(0), content=content)


def numbered(count, side=32):
    """Return a sheet of two columns whose tiles have the value i / 10, and the tiles' values."""
    whole = torch.full((3, side * 2 + 2, side * 2 + 2), 0.5)
    for i in range(count):
        y, x = divmod(i, 2)
        whole[:, y * (side + 2) :, x * (side + 2) :][:, :side, :side] = i / 10
    return whole


def values(tiles):
    return [pytest.approx(round(float(t.picture.mean()), 6)) for t in tiles]


def test_classes_have_their_names(named):
    technique = ClassVisualization(target="bee, elk", copies=2)
    task = task_of(technique, named)
    tiles = class_visualization_steps.tiles(task, numbered(4))
    assert [t.caption for t in tiles] == ["bee", "bee", "elk", "elk"]
    assert values(tiles) == [0.0, 0.1, 0.2, 0.3]
    figure = technique.figure(task, numbered(4))
    assert figure.height > 66


@pytest.mark.parametrize(
    ("settings", "captions"),
    [({"channel": "7, 3"}, ["relu3_1\nchannel 7", "relu3_1\nchannel 3"]),
     ({"channel": "7,3", "position": "1,2"},
      ["relu3_1\nchannel 7\nat 1, 2", "relu3_1\nchannel 3\nat 1, 2"]),
     ({"copies": 2}, ["relu3_1", "relu3_1"])],
)  # fmt: skip
def test_units_have_layer_and_channel(settings, captions, tiny):
    technique = ActivationMaximization(layer="relu3_1", **settings)
    task = task_of(technique, tiny)
    sheet = numbered(2)[:, :32]
    tiles = activation_maximization_steps.tiles(task, sheet)
    assert [t.caption for t in tiles] == captions
    assert values(tiles) == [0.0, 0.1]
    figure = technique.figure(task, sheet)
    assert figure.height > 32 and figure.width > 66


def test_psnr_by_hand():
    x = torch.full((3, 4, 4), 0.5)
    assert psnr(x + 0.1, x) == pytest.approx(20, abs=1e-4)
    half = x.clone()
    half[:, :2] += 0.1
    assert psnr(half, x) == pytest.approx(10 * math.log10(200), abs=1e-4)
    assert psnr(x, x) == math.inf


@pytest.mark.parametrize("repeats", [1, 2])
def test_inversions_stand_beside_the_photo(repeats, tiny, noise_picture):
    technique = FeatureInversion(layer="relu1_1, relu2_1", repeats=repeats)
    content = noise_picture(32, 32)
    task = task_of(technique, tiny, 66, content)
    photo = resize_picture(content.tensor()[None], (32, 32))[0]
    better, worse = (photo + 0.01), (photo + 0.1)  # 40 and 20 dB
    row = [better] * repeats, [worse] * repeats
    gap = torch.full((3, 32, 2), 0.5)
    if repeats == 1:
        sheet = torch.cat([better, gap, worse], 2)
    else:
        across = [torch.cat([r[0], gap, r[1]], 2) for r in row]
        sheet = torch.cat([across[0], torch.full((3, 2, 66), 0.5), across[1]], 1)
    found = feature_inversion_steps.lines(task, sheet)
    assert [name for name, _ in found] == ["photo", "relu1_1", "relu2_1"]
    assert torch.equal(found[0][1][0].picture, photo)
    head = ["relu1_1\n", "relu2_1\n"] if repeats == 1 else ["", ""]
    assert [t.caption for t in found[1][1]] == [f"{head[0]}40.0 dB"] * repeats
    assert [t.caption for t in found[2][1]] == [f"{head[1]}20.0 dB"] * repeats
    figure = technique.figure(task, sheet)
    assert figure.width > 66 and figure.height > 66
