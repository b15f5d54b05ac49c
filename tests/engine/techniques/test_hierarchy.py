"""Hierarchy of features: which channels, where their pictures lie, units that stay off."""

from dataclasses import replace

import pytest
import torch

import engine
from engine.errors import BadInput
from engine.networks.network import Network
from engine.task import Task
from engine.techniques.hierarchy import Hierarchy
from engine.techniques.hierarchy_steps import PATIENCE, lines

STILL = Hierarchy(
    layer="relu1_1, relu3_1", units="3,5,7", iterations=8, parameterization="pixels",
    optimizer="normalised", learning_rate=2.0, jitter=0, zoom=0.0, rotation=0.0, closest=1.0,
)  # fmt: skip
SIZE = 3 * 34 - 2
"""Three pictures of 32 pixels side by side."""


def task_of(technique, network, size=SIZE, seed=0):
    return Task(technique, network, size, torch.Generator().manual_seed(seed))


def run(technique, network, size=SIZE, seed=0):
    task = task_of(technique, network, size, seed)
    return [(frame, frame.picture.clone()) for frame in technique.frames(task)]


def tile(sheet, row, column, side=32):
    top, left = row * (side + 2), column * (side + 2)
    return sheet[:, top : top + side, left : left + side]


def response(network, layer, pictures):
    with torch.no_grad():
        return network.taps(pictures, [layer])[layer].mean((2, 3))


def test_every_picture_moves_its_own_channel_most(tiny):
    sheet = run(replace(STILL, iterations=20), tiny)[-1][1]
    for row, layer in enumerate(("relu1_1", "relu3_1")):
        pictures = torch.stack([tile(sheet, row, column) for column in range(3)])
        of_channels = response(tiny, layer, pictures)[:, [3, 5, 7]]
        assert of_channels.argmax(0).tolist() == [0, 1, 2]


def test_rows_fill_one_after_the_other(tiny):
    technique = STILL
    (stage,) = technique.stages(task_of(technique, tiny))
    found = run(technique, tiny)
    assert stage.iterations == len(found) == 16
    assert [frame.iteration for frame, _ in found] == list(range(1, 17))
    assert {frame.total for frame, _ in found} == {16}
    assert all(tuple(picture.shape) == (3, *stage.size) == (3, 66, 100) for _, picture in found)
    assert all(bool((picture[:, 32:] == 0.5).all()) for _, picture in found[:8])
    assert found[7][1][:, :32].std() > 0.01
    assert all(torch.equal(picture[:, :32], found[7][1][:, :32]) for _, picture in found[8:])
    assert found[-1][1][:, 34:].std() > 0.01
    assert "relu1_1 (1 of 2)" in found[7][0].stage
    assert "relu3_1 (2 of 2)" in found[8][0].stage


def test_channels_are_drawn_by_the_seed(tiny):
    technique = replace(STILL, units="3")

    def drawn(seed):
        task = task_of(technique, tiny, seed=seed)
        return [[t.caption for t in tiles] for _, tiles in lines(task, torch.zeros(3, 66, 100))]

    assert drawn(1) == drawn(1) != drawn(2)
    assert all(len(set(names)) == 3 for names in drawn(1))
    # To look at the plan draws nothing: the run's channels are those of the figure.
    task = task_of(technique, tiny, seed=1)
    technique.stages(task)
    state = torch.Generator().manual_seed(1).get_state()
    assert torch.equal(task.generator.get_state(), state)


def test_a_layer_with_fewer_channels_leaves_gray(tiny):
    technique = replace(STILL, layer="classifier, relu1_1", units="7", iterations=1)
    sheet = run(technique, tiny, size=7 * 34 - 2)[-1][1]
    assert bool((sheet[:, :32, 5 * 34 - 2 :] == 0.5).all())
    assert all(tile(sheet, 0, column).std() > 0 for column in range(5))
    (_, first), (_, second) = lines(task_of(technique, tiny, size=7 * 34 - 2), sheet)
    assert (len(first), len(second)) == (5, 7)


@pytest.fixture
def with_dead(tiny):
    """The tiny network with a channel 5 of relu3_1 that can be anything but its bias."""

    def make(bias, weight):
        network = Network(tiny.twin().module, tiny.card)
        conv = network.module.conv3_1
        for name, value in (("weight", weight), ("bias", bias)):
            changed = getattr(conv, name).clone()
            changed[5] = changed[5] * weight if name == "weight" else value
            setattr(conv, name, torch.nn.Parameter(changed, requires_grad=False))
        network.calls()
        return network

    return make


def test_a_unit_that_never_answers_starts_again_and_is_named(with_dead):
    network = with_dead(-1.0, 0.0)
    technique = replace(STILL, layer="relu3_1", iterations=2 * PATIENCE + 1)
    found = run(technique, network)
    stages = [frame.stage for frame, _ in found]
    assert "other noise" not in stages[PATIENCE - 2]
    assert stages[PATIENCE].endswith(", 1 from other noise")
    before, after = found[PATIENCE - 2][1], found[PATIENCE][1]
    assert (tile(after, 0, 1) - tile(before, 0, 1)).abs().mean() > 0.02, "other noise"
    assert (tile(after, 0, 0) - tile(before, 0, 0)).abs().mean() < 0.02 < 0.1, "goes on"
    ((_, tiles),) = lines(task_of(technique, network), found[-1][1])
    assert [t.caption for t in tiles] == ["channel 3", "channel 5\n(stays off)", "channel 7"]


def test_a_unit_that_is_off_at_the_start_wakes_up(with_dead):
    network = with_dead(-3.0, 1.0)
    technique = replace(STILL, layer="relu3_1", iterations=2 * PATIENCE)
    found = run(technique, network)
    assert response(network, "relu3_1", tile(found[0][1], 0, 1)[None])[0, 5] == 0
    ((_, tiles),) = lines(task_of(technique, network), found[-1][1])
    assert tiles[1].caption == "channel 5"


def test_the_figure_holds_every_picture_unaltered(tiny):
    task = task_of(STILL, tiny)
    sheet = run(STILL, tiny)[-1][1]
    figure = STILL.figure(task, sheet)
    whole = torch.from_numpy(figure.rgb.transpose(2, 0, 1).copy())
    windows = whole.unfold(1, 32, 1).unfold(2, 32, 1)
    corners = []
    for row in range(2):
        for column in range(3):
            wanted = tile(sheet, row, column)[:, None, None]
            off = (windows - wanted).abs().amax((0, 3, 4))
            assert float(off.min()) < 1e-6
            corners.append(divmod(int(off.argmin()), off.shape[1]))
    ys, xs = [y for y, _ in corners], [x for _, x in corners]
    assert ys[0] == ys[1] == ys[2] < ys[3] == ys[4] == ys[5]
    assert xs[:3] == xs[3:] == sorted(set(xs))


def test_left_open_the_layers_are_those_of_the_card(data_folder):
    network = engine.load_network("slim_vgg")
    technique = Hierarchy(units="2", iterations=1)
    task = task_of(technique, network, size=200)
    (stage,) = technique.stages(task)
    side = 202 // 8 - 2
    assert stage.size == (8 * (side + 2) - 2, 2 * (side + 2) - 2)
    found = lines(task, torch.full((3, *stage.size), 0.5))
    assert [name for name, _ in found] == list(network.card.layers)


def test_a_measurement_takes_in_every_layer(tiny):
    short = Hierarchy(layer="relu1_1,relu2_1,relu3_1", units="1").at_one_size(25)
    stages = [frame.stage.split(" ")[0] for frame, _ in run(short, tiny)]
    assert stages == ["relu1_1"] * 2 + ["relu2_1"] * 2 + ["relu3_1"] * 2


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"layer": "relu9_9"}, "no layer 'relu9_9'"), ({"units": "x"}, "--units is 'x'"),
     ({"units": "0"}, "at least 1"), ({"units": ""}, "at least 1"), ({"units": "-1"}, "at least 1"),
     ({"units": "3,99"}, "relu1_1 has channels 0 to 31, not 99"),
     ({"layer": ""}, "suggests no layers")],
)  # fmt: skip
def test_refused(changes, words, tiny):
    with pytest.raises(BadInput, match=words):
        run(replace(STILL, **changes), tiny)


def test_too_small_for_so_many(tiny):
    with pytest.raises(BadInput, match="at least 28"):
        run(STILL, tiny, size=20)
