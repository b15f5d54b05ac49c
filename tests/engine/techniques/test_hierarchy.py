"""Hierarchy of features: which channels, where their pictures lie, units that stay off."""

import os
from dataclasses import replace

import pytest
import torch

import engine
from engine.errors import BadInput
from engine.forecasting import forecast
from engine.job import Job
from engine.job import run as run_job
from engine.networks.network import Network
from engine.task import Task
from engine.techniques.ascent.steps import PATIENCE
from engine.techniques.hierarchy import Hierarchy
from engine.techniques.hierarchy import kept as hierarchy_kept
from engine.techniques.hierarchy import steps as hierarchy_steps
from engine.techniques.hierarchy.steps import lines

STILL = Hierarchy(
    layer="relu1_1, relu3_1", units="3,5,7", iterations=8, parameterization="pixels",
    optimizer="normalised", learning_rate=2.0, jitter=0, zoom=0.0, rotation=0.0, closest=1.0,
)  # fmt: skip
SIZE = 3 * 34 - 2
"""Three pictures of 32 pixels side by side."""


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """Where broken-off runs are kept."""
    monkeypatch.setenv("PAREIDOLIA_HOME", str(tmp_path))
    return tmp_path / "cache"


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


def test_a_measurement_takes_each_row_by_itself(tiny):
    """As many pictures of the same size, of the same channels, and all steps."""
    technique = replace(STILL, layer="classifier, relu1_1, relu2_1", units="7", copies=2)
    task = task_of(technique, tiny, size=14 * 34 - 2)
    whole = {frame.stage.split(" (")[0]: frame.stage.split(", ")[1] for frame, _ in
             run(technique, tiny, task.size)}  # fmt: skip
    chosen = dict(lines(task_of(technique, tiny, task.size), torch.zeros(3, 100, task.size)))
    parts = technique.parts(task)
    assert [part.technique.layer for part in parts] == list(whole) == list(chosen)
    assert [part.technique.iterations for part in parts] == [8, 8, 8]
    longer = replace(technique, iterations=40).parts(
        task_of(replace(technique, iterations=40), tiny, task.size)
    )
    assert [part.technique.iterations for part in longer] == [16, 24] * 3
    assert [part.technique.steady for part in longer] == [False, True] * 3
    for part in parts:
        short = part.technique.at_one_size(3)
        found = run(short, tiny, part.size)
        assert len(found) == 3
        assert {frame.stage.split(", ")[1] for frame, _ in found} == {whole[short.layer]}
        ((_, tiles),) = lines(task_of(short, tiny, part.size), found[0][1])
        names = [tile.caption.split("\n")[0] for tile in tiles]
        assert names == [tile.caption.split("\n")[0] for tile in chosen[short.layer][:14]]
    # To look at the parts draws nothing.
    state = torch.Generator().manual_seed(0).get_state()
    assert torch.equal(task.generator.get_state(), state)


# ---------------------------------------------------------------- runs that are broken off

FULL = Hierarchy(layer="relu1_1, relu2_1, relu3_1", units="3", iterations=5, copies=2)
"""As it is by default: a Fourier spectrum, Adam, random views."""
FULL_SIZE = 6 * 18 - 2


def broken_off(technique, network, after, seed=0):
    frames = technique.frames(task_of(technique, network, FULL_SIZE, seed))
    for frame in frames:
        if frame.iteration == after:
            break
    frames.close()


@pytest.mark.parametrize("after", [1, 5, 7, 14])
@pytest.mark.parametrize("settings", [
    {}, {"parameterization": "phases"},
    {"parameterization": "pixels", "optimizer": "normalised", "learning_rate": 2.0},
])  # fmt: skip
def test_a_run_is_taken_up_where_it_was_broken_off(tiny, cache, after, settings):
    technique = replace(FULL, **settings)
    whole = run(replace(technique, resume=False), tiny, FULL_SIZE)
    assert not cache.exists()
    broken_off(technique, tiny, after)
    assert len(list(cache.iterdir())) == 1
    rest = run(technique, tiny, FULL_SIZE)
    assert [frame.iteration for frame, _ in rest] == list(range(after, 16))
    for (frame, picture), (expected, wanted) in zip(rest, whole[after - 1 :], strict=True):
        assert torch.equal(picture, wanted)
        assert frame.losses == expected.losses
        assert (frame.total, frame.stage) == (expected.total, expected.stage)
    assert list(cache.iterdir()) == [], "a finished run is not kept"


def test_breaking_off_again_and_again_changes_nothing(tiny):
    whole = run(replace(FULL, resume=False), tiny, FULL_SIZE)[-1][1]
    for after in (2, 5, 6, 12):
        broken_off(FULL, tiny, after)
    frames = run(FULL, tiny, FULL_SIZE)
    assert frames[0][0].iteration == 12
    assert torch.equal(frames[-1][1], whole)


def test_a_unit_that_began_again_is_taken_up_too(with_dead):
    network = with_dead(-1.0, 0.0)
    technique = replace(STILL, layer="relu3_1", iterations=2 * PATIENCE + 1, jitter=8)
    whole = run(replace(technique, resume=False), network)
    frames = technique.frames(task_of(technique, network))
    for _ in range(PATIENCE + 3):
        next(frames)
    frames.close()
    rest = run(technique, network)
    assert rest[0][0].stage.endswith("1 from other noise")
    assert len(rest) == PATIENCE - 1
    assert torch.equal(rest[-1][1], whole[-1][1])


@pytest.mark.parametrize(
    ("changes", "seed"),
    [({"learning_rate": 0.06}, 0), ({"iterations": 6}, 0), ({"units": "2"}, 0),
     ({"layer": "relu1_1, relu2_1, relu3_2"}, 0), ({}, 1), ({"resume": False}, 0)],
)  # fmt: skip
def test_another_run_is_not_taken_up(tiny, cache, changes, seed):
    broken_off(FULL, tiny, 7)
    (file,) = cache.iterdir()
    other = replace(FULL, **changes)
    size = FULL_SIZE if other.units == "3" else 4 * 18 - 2
    found = run(other, tiny, size, seed)
    assert found[0][0].iteration == 1
    untouched = run(replace(other, resume=False), tiny, size, seed)
    assert torch.equal(found[-1][1], untouched[-1][1])
    assert list(cache.iterdir()) == [file], "the one that was broken off is still there"


def test_other_weights_or_another_size_are_another_run(tiny):
    broken_off(FULL, tiny, 7)
    other = Network(tiny.twin().module, tiny.card)
    other.module.conv1_1.bias = torch.nn.Parameter(
        tiny.module.conv1_1.bias + 0.01, requires_grad=False
    )
    other.calls()
    assert run(FULL, other, FULL_SIZE)[0][0].iteration == 1
    assert run(FULL, tiny, FULL_SIZE + 6)[0][0].iteration == 1
    assert run(FULL, tiny, FULL_SIZE)[0][0].iteration == 7


def test_what_live_settings_changed_is_not_kept(tiny, cache):
    """A run that was steered is no longer the one that its settings describe."""
    task = task_of(FULL, tiny, FULL_SIZE)
    frames = FULL.frames(task)
    for frame in frames:
        if frame.iteration == 6:
            task.technique = replace(FULL, learning_rate=0.5)
        if frame.iteration == 9:
            break
    frames.close()
    assert not cache.exists()
    whole = run(replace(FULL, resume=False), tiny, FULL_SIZE)[-1][1]
    assert torch.equal(run(FULL, tiny, FULL_SIZE)[-1][1], whole)


@pytest.mark.parametrize(("within", "taken_up"), [(-1.0, 7), (1e9, 5)])
def test_a_crash_costs_what_came_after_the_last_saving(tiny, monkeypatch, within, taken_up):
    """That of the last finished row at least."""
    monkeypatch.setattr(hierarchy_kept, "SAVE_ROW", -1.0)
    monkeypatch.setattr(hierarchy_kept, "SAVE_EVERY", within)
    monkeypatch.setattr(hierarchy_kept, "SAVING_SHARE", 0)
    whole = run(replace(FULL, resume=False), tiny, FULL_SIZE)[-1][1]
    step = hierarchy_steps.AscentRun.step

    def fails(self, settings, iteration):
        if self.goal.layer == "relu2_1" and iteration == 3:
            raise RuntimeError("out of the blue")
        return step(self, settings, iteration)

    monkeypatch.setattr(hierarchy_steps.AscentRun, "step", fails)
    with pytest.raises(RuntimeError, match="blue"):
        run(FULL, tiny, FULL_SIZE)
    monkeypatch.setattr(hierarchy_steps.AscentRun, "step", step)
    rest = run(FULL, tiny, FULL_SIZE)
    assert rest[0][0].iteration == taken_up
    assert torch.equal(rest[-1][1], whole)


@pytest.mark.parametrize("harm", [lambda b: b[: len(b) // 2], lambda b: b"x" * 100, lambda b: b""])
def test_a_damaged_file_is_left_alone(tiny, cache, harm):
    broken_off(FULL, tiny, 7)
    (file,) = cache.iterdir()
    file.write_bytes(harm(file.read_bytes()))
    found = run(FULL, tiny, FULL_SIZE)
    assert found[0][0].iteration == 1
    assert list(cache.iterdir()) == []


def test_where_nothing_can_be_kept_a_run_goes_on(tiny, cache):
    cache.parent.mkdir(exist_ok=True)
    cache.write_bytes(b"a file where the folder should be")
    broken_off(FULL, tiny, 7)
    assert len(run(FULL, tiny, FULL_SIZE)) == 15


def test_only_the_newest_broken_off_runs_are_kept(tiny, cache):
    for seed in range(hierarchy_kept.MOST + 2):
        broken_off(FULL, tiny, 2, seed)
        for file in cache.iterdir():  # a clock that ticks coarsely
            os.utime(file, ns=(file.stat().st_atime_ns, file.stat().st_mtime_ns - 10**9))
    assert len(list(cache.iterdir())) == hierarchy_kept.MOST
    first = [run(FULL, tiny, FULL_SIZE, seed)[0][0].iteration for seed in (0, 1, 2, 5)]
    assert first == [1, 1, 2, 2]


def test_a_stopped_job_goes_on(tiny, cache):
    """As both front doors run it: the run is closed, then the same job begins again."""
    wanted = Job(FULL, size=FULL_SIZE, seed=3, device="cpu", precision="fp32")
    whole = [f.picture.clone() for f in run_job(replace(
        wanted, technique=replace(FULL, resume=False)), tiny)][-1]  # fmt: skip
    frames = run_job(wanted, tiny)
    for _ in range(5):
        next(frames)
    frames.close()
    assert len(list(cache.iterdir())) == 1
    forecast(wanted, tiny)
    rest = [(f.iteration, f.picture.clone()) for f in run_job(wanted, tiny)]
    assert rest[0][0] == 5
    assert torch.equal(rest[-1][1], whole)


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"layer": "relu9_9"}, "no layer 'relu9_9'"), ({"units": "x"}, "units= is 'x'"),
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
