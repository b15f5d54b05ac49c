"""Pictures in tiles: the gradient, statistics and losses are those of the picture as a whole."""

from dataclasses import replace
from functools import partial
from itertools import pairwise
from math import prod

import pytest
import torch
from torch import nn

from engine.errors import Cancelled, OutOfMemory
from engine.memory import check_fits, expected_bytes_at, least_bytes_at
from engine.networks.card import Card
from engine.networks.network import Network
from engine.networks.parts import Rewiring, chain, cut
from engine.networks.tile_plan import NoPlan, nearest_plan, plan_tiles
from engine.objectives.coverage import Coverage
from engine.objectives.regions import Guide
from engine.objectives.style import Statistics
from engine.objectives.tiled import Tiled
from engine.techniques.deep_dream import DeepDream
from engine.techniques.deep_dream.objective import DreamObjective
from engine.techniques.feature_inversion import FeatureInversion
from engine.techniques.feature_inversion.steps import _Inversion
from engine.techniques.style_transfer import StyleTransfer
from engine.techniques.style_transfer.objective import Objective
from engine.techniques.style_transfer.regions import Part
from engine.techniques.texture_synthesis import TextureSynthesis
from engine.techniques.texture_synthesis.steps import TextureLoss
from engine.techniques.tiling import Room

SIZE = (51, 78)
LAYERS = ["relu1_1", "relu2_1", "relu3_2"]
ROOMS = (1, 600_000)
"""Bytes: the smallest tiles, and larger ones in other parts."""


@pytest.fixture(scope="module")
def precise(tiny):
    """The random network in float64, in which nothing is lost by rounding."""
    return tiny.at("cpu", torch.float64)


class Branches(nn.Module):
    """Two ways through, one of them with fewer positions: it cannot be cut."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 6, 5, stride=2, padding=2)
        self.wide, self.narrow = nn.Conv2d(6, 4, 5, padding=2), nn.Conv2d(6, 4, 1)
        self.pool, self.last = nn.MaxPool2d(3, 2, ceil_mode=True), nn.Conv2d(8, 5, 3, padding=1)

    def forward(self, x):
        x = self.first(x).relu()
        x = torch.cat([self.wide(x), self.narrow(x)], 1).relu()
        return self.last(self.pool(x)).relu()


@pytest.fixture(scope="module")
def branching():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        module = Branches()
    card = Card(
        name="branches", title="", architecture="", input_size=32, dream_layers={"last": 1.0},
        content_layers={"narrow": 1.0}, style_layers={"first": 1.0, "wide": 1.0, "last": 0.5},
    )  # fmt: skip
    return Network(module.double(), card)


def noise(seed, size=SIZE):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(1, 3, *size, generator=generator, dtype=torch.float64)


def agrees(found, wanted, error=1e-9):
    assert (found - wanted).abs().max() <= error * wanted.abs().max()


def gradient_of(network, settings, room, coverage=None, guides=None, styles=None):
    """Return the terms and the gradient of a picture in a room."""
    styles = styles or [noise(5, (60, 90))]
    parts = [(Part(1.0, None, None, None), [(style, None) for style in styles])]
    if guides:
        parts = [
            (Part(share, where, Guide(network, where, "inside"), None), [(style, None)])
            for share, where, style in guides
        ]
    objective = Objective(settings, network, noise(1), parts, coverage, Room(room))
    objective.weigh([1.0] * len(styles))
    noted = {}
    return noted, objective.gradient(settings, 1, noted, noise(2))


@pytest.mark.parametrize("room", ROOMS)
@pytest.mark.parametrize("scaling", ["relative", "gradient"])
@pytest.mark.parametrize("statistic", ["gram", "wasserstein"])
def test_style_transfer_in_tiles(precise, statistic, scaling, room):
    settings = StyleTransfer(style_statistic=statistic, loss_scaling=scaling)
    wanted, whole = gradient_of(precise, settings, None)
    found, tiled = gradient_of(precise, settings, room)
    assert found == pytest.approx(wanted, rel=1e-9)
    agrees(tiled, whole)


@pytest.mark.parametrize("room", ROOMS)
@pytest.mark.parametrize("more", [
    {"pooling": "average"}, {"padding": "zeros"}, {"tv_weight": 50.0}, {"tv_weight": 0.0},
    {"content_layers": {}}, {"style_layers": {"relu2_1": 1.0, "conv1_2": 1.0}},
    {"style_layers": {"relu5_1": 1.0}}, {"content_layers": {"relu1_1": 1.0, "relu3_2": -0.5}},
])  # fmt: skip
def test_so_with_other_settings(precise, more, room):
    settings = StyleTransfer(**more)
    wanted, whole = gradient_of(precise, settings, None)
    found, tiled = gradient_of(precise, settings, room)
    assert found == pytest.approx(wanted, rel=1e-9)
    agrees(tiled, whole)


@pytest.mark.parametrize("room", ROOMS)
def test_so_where_it_is_seen_through_and_in_regions(precise, room):
    alpha = torch.linspace(0.0, 1.0, SIZE[1]).repeat(1, 1, SIZE[0], 1)
    left = (torch.arange(SIZE[1]) < 50).double().repeat(1, 1, SIZE[0], 1)
    guides = [(0.6, left, noise(6)), (0.4, 1 - left, noise(7).square())]
    for statistic in ("gram", "wasserstein"):
        settings = StyleTransfer(style_statistic=statistic)
        for more in ({"coverage": Coverage(alpha)}, {"guides": guides}):
            wanted, whole = gradient_of(precise, settings, None, **more)
            found, tiled = gradient_of(precise, settings, room, **more)
            assert found == pytest.approx(wanted, rel=1e-6)  # masks are float32
            agrees(tiled, whole, 1e-6)


@pytest.mark.parametrize("room", (1, 200_000))
def test_a_network_that_branches(branching, room):
    assert chain(branching, ["last"], SIZE) is None
    settings = StyleTransfer()
    wanted, whole = gradient_of(branching, settings, None)
    found, tiled = gradient_of(branching, settings, room)
    assert found == pytest.approx(wanted, rel=1e-9)
    agrees(tiled, whole)


def test_statistics_in_tiles(precise):
    picture = noise(3)
    whole = precise.taps(picture, LAYERS)
    for room in ROOMS:
        tiled = Room(room).tiled(precise, LAYERS, SIZE, Rewiring())
        assert tiled.plan.tiles > 1
        for name, (mean, second) in tiled.moments(picture, None).items():
            wanted = Statistics.of(whole[name])
            agrees(mean, wanted.mean, 1e-12)
            agrees(second, wanted.second, 1e-12)
        for name, maps in tiled.maps(picture, LAYERS).items():
            agrees(maps, whole[name], 1e-12)


def test_what_is_behind_the_last_layer_compared_is_not_computed_again(precise, monkeypatch):
    """On the way back through a part in tiles, its convolutions run only as far as that layer."""
    ran = []
    plain = torch.conv2d

    class Counting(torch.overrides.TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):
            if func is plain:
                ran.append(tuple(args[1].shape[:2]))
            return func(*args, **(kwargs or {}))

    monkeypatch.setattr("engine.networks.parts.frugally", Counting)
    gradient_of(precise, StyleTransfer(style_layers={"relu1_1": 1.0, "relu3_1": 1.0}), 600_000)
    names = dict(precise.module.named_modules())
    first, second = (
        tuple(names[precise.resolve(n)].weight.shape[:2]) for n in ("conv1_1", "conv1_2")
    )
    assert ran.count(first) > ran.count(second) > 0


@pytest.mark.parametrize("after", [[], ["pool1"], ["pool2"], ["pool1", "pool2"]])
@pytest.mark.parametrize("keeps_last", [True, False])
def test_wherever_the_network_is_cut(precise, after, keeps_last):
    links = chain(precise, LAYERS, SIZE)
    parts = tuple(cut(precise, links, after, SIZE))
    assert [len(part.links) > 0 for part in parts] == [True] * (len(after) + 1)
    plan = plan_tiles(precise, LAYERS, SIZE, 1 << 40)
    plan = replace(plan, parts=parts, keeps_last=keeps_last and len(parts) > 1, tile_bytes=2e5)
    settings = StyleTransfer()
    wanted, whole = gradient_of(precise, settings, None)

    class Cut(Room):
        def tiled(self, network, names, size, rewiring):
            return Tiled(network, plan, names, rewiring) if size == SIZE else None

    part = (Part(1.0, None, None, None), [(noise(5, (60, 90)), None)])
    objective = Objective(settings, precise, noise(1), [part], None, Cut(1))
    objective.weigh([1.0])
    found = {}
    agrees(objective.gradient(settings, 1, found, noise(2)), whole)
    assert found == pytest.approx(wanted, rel=1e-9)


@pytest.mark.parametrize("room", ROOMS)
@pytest.mark.parametrize("objective", ["squares", "mean"])
@pytest.mark.parametrize("kind", ["precise", "branching"])
def test_dreams_in_tiles(request, task, noise_picture, kind, objective, room):
    network = request.getfixturevalue(kind)
    settings = DeepDream(objective=objective)
    for guide in (None, noise_picture(30, 40, seed=8)):
        job = task(settings, guide=guide)
        job.network = network
        dream = DreamObjective(job, SIZE, {})
        value, whole = dream.gradient(noise(2), settings)
        dream.room = Room(room)
        found, tiled = dream.gradient(noise(2), settings)
        assert float(found) == pytest.approx(float(value), rel=1e-9)
        agrees(tiled, whole)


@pytest.mark.parametrize("room", ROOMS)
@pytest.mark.parametrize("seamless", [False, True])
def test_textures_in_tiles(task, precise, room, seamless):
    settings = TextureSynthesis(seamless=seamless)
    job = task(settings)
    job.network = precise
    picture = noise(2, (96, 96))
    losses = [TextureLoss(job, settings, noise(4), None, Room(r)) for r in (None, room)]
    losses[0].turned = lambda x: x  # where a torus is cut open makes no difference in tiles
    (wanted, whole), (found, tiled) = [
        (noted := {}, loss.gradient(settings, 1, noted, picture)) for loss in losses
    ]
    if seamless:  # as a whole, the picture is not continued for its smoothness
        settings = replace(settings, tv_weight=0.0)
        whole, tiled = (loss.gradient(settings, 1, {}, picture) for loss in losses)
    assert found["style"] == pytest.approx(wanted["style"], rel=1e-9)
    agrees(tiled, whole)


def test_a_torus_has_no_border(task, precise):
    """Wherever it is cut open, its gradient is the same, smoothness included."""
    settings = TextureSynthesis(seamless=True, tv_weight=5.0)
    job = task(settings)
    job.network = precise
    loss = TextureLoss(job, settings, noise(4), None, Room(300_000))
    picture = noise(2, (96, 96))
    here = loss.gradient(settings, 1, {}, picture)
    there = loss.gradient(settings, 1, {}, picture.roll((16, 40), (2, 3)))
    agrees(there.roll((-16, -40), (2, 3)), here)


@pytest.mark.parametrize("layer", ["relu1_2", "conv2_1", "relu3_1", "classifier"])
@pytest.mark.parametrize("room", ROOMS)
def test_features_inverted_in_tiles(precise, layer, room):
    settings = FeatureInversion()
    covered = Coverage(torch.linspace(0.0, 1.0, SIZE[1]).repeat(1, 1, SIZE[0], 1))
    for coverage in (None, covered):
        whole, tiled = (
            _Inversion(precise, layer, noise(1), coverage, Room(r)) for r in (None, room)
        )
        wanted, gradient = whole.gradient(noise(2), settings)
        found, same = tiled.gradient(noise(2), settings)
        assert found.keys() == wanted.keys()
        for name, value in wanted.items():
            assert float(found[name]) == pytest.approx(float(value), rel=1e-6)
        agrees(same, gradient, 1e-6)


def test_plans_keep_within_their_memory(tiny):
    names = ["relu1_1", "relu5_1", "relu4_2"]
    for size in ((1536, 2048), (3072, 4096), (6144, 8192), (500, 8192), (8192, 33)):
        plans = [plan_tiles(tiny, names, size, room << 20) for room in (2000, 1000, 700, 400)]
        for plan, room in zip(plans, (2000, 1000, 700, 400), strict=True):
            assert plan.memory <= room << 20
            for part in plan.parts:
                cores = [core for core, _ in part.tiles(plan.area_of(part))]
                assert sum(prod(core.size) for core in cores) == prod(part.size)
        assert all(more.work <= less.work for more, less in pairwise(plans))
    with pytest.raises(NoPlan) as small:
        plan_tiles(tiny, names, (6144, 8192), 1 << 20)
    needed = small.value.needed
    least = plan_tiles(tiny, names, (6144, 8192), needed)
    assert least.memory <= needed
    nearest = nearest_plan(tiny, names, (6144, 8192), 1 << 20)
    assert nearest.memory <= 2 * needed
    assert nearest.work < 0.7 * least.work, "a little more memory saves much of the time"


def test_a_run_in_tiles_gives_the_same_picture(task, pictures_of, noise_picture):
    settings = StyleTransfer(iterations=6, smallest_scale=32)
    styles = [(noise_picture(40, 36, seed=5), 1.0)]
    plain = pictures_of(task(settings, styles=styles))
    limited = task(settings, styles=styles)
    limited.memory = 1
    for (frame, picture), (other, same) in zip(plain, pictures_of(limited), strict=True):
        assert other.losses == pytest.approx(frame.losses, rel=1e-4)
        assert (picture - same).abs().max() < 1e-3


def test_memory_that_runs_out_halves_the_room(precise, monkeypatch):
    settings = StyleTransfer()
    wanted, whole = gradient_of(precise, settings, None)
    real, rooms = Tiled.gradient, []

    def short(self, *args):
        rooms.append(self.plan.tile_bytes)
        if len(rooms) < 3:
            raise MemoryError
        return real(self, *args)

    monkeypatch.setattr(Tiled, "gradient", short)
    monkeypatch.setattr("engine.techniques.tiling.LEAST", 1)
    found, tiled = gradient_of(precise, settings, 3_000_000)
    assert len(rooms) == 3
    assert rooms[0] > rooms[2]
    assert found == pytest.approx(wanted, rel=1e-9)
    agrees(tiled, whole)
    monkeypatch.setattr(Tiled, "gradient", lambda *_: (_ for _ in ()).throw(MemoryError()))
    with pytest.raises(MemoryError):
        gradient_of(precise, settings, 3_000_000)


@pytest.mark.parametrize("technique", [
    StyleTransfer(iterations=5, smallest_scale=64), DeepDream(iterations=5, octaves=1),
    TextureSynthesis(iterations=5, smallest_scale=64),
])  # fmt: skip
def test_a_run_stops_between_two_tiles(task, noise_picture, technique):
    """What there is stays as it was after the last whole step, from which the run can go on."""
    styles = [(noise_picture(40, 36, seed=5), 1.0)] if technique.needs_styles else []

    def new():
        made = task(technique, styles=styles)
        made.memory = 1
        return made

    whole = [(frame.losses, frame.picture.clone()) for frame in technique.frames(new())]
    stopped, seen, last = new(), [], False

    def pause():
        seen.append(1)
        if last and len(seen) > tiles + 1:
            raise Cancelled

    stopped.between_tiles = pause
    frames = technique.frames(stopped)
    next(frames)
    frame = next(frames)
    before, tiles, last = frame.picture.clone(), len(seen), True
    with pytest.raises(Cancelled):
        next(frames)
    assert tiles > 6
    assert len(seen) == tiles + 2
    assert torch.equal(frame.render(), before)
    resumed = new()
    resumed.checkpoint = frame.checkpoint()
    rest = [(frame.losses, frame.picture.clone()) for frame in technique.frames(resumed)]
    assert [losses for losses, _ in rest] == [losses for losses, _ in whole[2:]]
    assert torch.equal(rest[-1][1], whole[-1][1])


@pytest.mark.parametrize("technique", [
    StyleTransfer(iterations=6, smallest_scale=32), DeepDream(iterations=6, octaves=2),
    TextureSynthesis(iterations=6, smallest_scale=16),
])  # fmt: skip
def test_a_run_stopped_in_the_first_step_of_a_scale_goes_on(task, noise_picture, technique):
    """Wherever between two scales it is stopped: while targets are made, or in the step itself."""
    styles = [(noise_picture(40, 36, seed=5), 1.0)] if technique.needs_styles else []

    def new():
        made = task(technique, styles=styles, size=96)
        made.memory = 1
        return made

    whole = [
        (frame.stage, frame.losses, frame.picture.clone()) for frame in technique.frames(new())
    ]
    last = next(i for i, (a, b) in enumerate(pairwise(whole), 1) if a[0] != b[0])
    stopped, left = new(), [1 << 30]

    def pause():
        left[0] -= 1
        if left[0] < 0:
            raise Cancelled

    for allowed in (0, 1, 5, 20):
        stopped = new()
        stopped.between_tiles, left[0] = pause, 1 << 30
        frames = technique.frames(stopped)
        for _ in range(last):
            frame = next(frames)
        left[0] = allowed
        with pytest.raises(Cancelled):
            next(frames)
        resumed = new()
        resumed.checkpoint = frame.checkpoint()
        rest = [(one.losses, one.picture.clone()) for one in technique.frames(resumed)]
        assert [losses for losses, _ in rest] == [losses for _, losses, _ in whole[last:]]
        assert torch.equal(rest[-1][1], whole[-1][2])


def test_a_part_that_runs_as_a_whole_stops_too(precise):
    """On the way there and on the way back, at each layer that is looked at."""
    settings = StyleTransfer()
    part = (Part(1.0, None, None, None), [(noise(5, (60, 90)), None)])
    counted, most = [], [1 << 30]

    def pause():
        counted.append(1)
        if len(counted) > most[0]:
            raise Cancelled

    class Kept(Room):
        def tiled(self, network, names, size, rewiring):
            parts = tuple(cut(network, chain(network, names, size), ["pool1"], size))
            plan = replace(plan_tiles(network, names, size, 1 << 40), parts=parts, keeps_last=True)
            return Tiled(network, plan, names, rewiring, pause)

    objective = Objective(settings, precise, noise(1), [part], None, Kept(1))
    objective.weigh([1.0])
    counted.clear()
    wanted = objective.gradient(settings, 1, {}, noise(2))
    total = len(counted)
    assert total >= 6
    for allowed in range(total):
        counted.clear()
        most[0] = allowed
        with pytest.raises(Cancelled):
            objective.gradient(settings, 1, {}, noise(2))
    most[0] = total
    counted.clear()
    assert torch.equal(objective.gradient(settings, 1, {}, noise(2)), wanted)


def test_what_a_run_takes_is_forecast(task):
    large = partial(replace, task(StyleTransfer()), size=4096)
    whole, limited = large(memory=None), large(memory=2 << 30)
    assert expected_bytes_at(whole, 4096) > 3 << 30
    assert expected_bytes_at(limited, 4096) <= 2 << 30
    assert least_bytes_at(whole, 4096) <= expected_bytes_at(limited, 4096)


def test_a_picture_fits_that_only_tiles_can_take(task, monkeypatch):
    monkeypatch.setattr("engine.memory.available_memory", lambda _device: 3 << 30)
    large = replace(task(StyleTransfer()), size=4096)
    check_fits(large)
    monkeypatch.setattr(StyleTransfer, "in_tiles", False)
    with pytest.raises(OutOfMemory):
        check_fits(large)
