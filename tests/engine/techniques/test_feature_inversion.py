"""Feature inversion: the objective by numpy, the sheet, the priors by depth, and real photos."""

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

import engine
from engine.errors import BadInput, Diverged
from engine.image import Picture
from engine.networks.network import Network
from engine.settings import make
from engine.task import Task
from engine.techniques.feature_inversion import FeatureInversion
from engine.techniques.feature_inversion.steps import (
    UNIT_FIELD,
    WHOLE_PICTURE,
    _Inversion,
    depth_weight,
    layer_names,
)

SHORT = FeatureInversion(iterations=3, layer="relu2_1")


def psnr(picture, photo):
    return -10 * math.log10(float((picture - photo).square().mean()))


@pytest.fixture(scope="module")
def slim_vgg():
    return engine.load_network("slim_vgg")


# ---------------------------------------------------------------- the objective


@pytest.mark.parametrize("beta", [2.0, 1.0])
def test_the_objective_is_that_of_the_definition(beta, task, tiny, pictures_of):
    settings = replace(SHORT, iterations=1, smoothness=3.0, range_weight=0.7, beta=beta, alpha=4.0)
    run = task(settings)
    ((frame, _),) = pictures_of(run)
    # the start: gray and noise from the same seed
    noise = torch.randn(1, 3, 32, 48, generator=torch.Generator().manual_seed(0))
    start = (0.5 + 0.1 * noise).clamp(0, 1)
    with torch.no_grad():
        here, there = (
            tiny.taps(x, ["relu2_1"])["relu2_1"].double().numpy()
            for x in (start, run.content.tensor()[None])
        )
    assert frame.losses["features"] == pytest.approx(
        ((here - there) ** 2).sum() / (there**2).sum(), rel=1e-5
    )
    z = (start.double().numpy() - 0.5) / 0.27
    assert frame.losses["range"] == pytest.approx(0.7 / 2 * (z**4).mean(), rel=1e-5)
    dx, dy = np.zeros_like(z), np.zeros_like(z)
    dx[..., :-1] = z[..., 1:] - z[..., :-1]
    dy[..., :-1, :] = z[..., 1:, :] - z[..., :-1, :]
    variation = ((dx**2 + dy**2) ** (beta / 2)).mean()
    assert frame.losses["variation"] == pytest.approx(3.0 / 2 * variation, rel=1e-5)
    parts = sum(frame.losses[name] for name in ("features", "range", "variation"))
    assert frame.losses["total"] == pytest.approx(parts, rel=1e-6)


def test_the_gradient_by_differences(tiny):
    network = tiny.at("cpu", torch.float64)
    random = torch.Generator().manual_seed(3)
    photo, x = torch.rand(2, 1, 3, 8, 8, dtype=torch.float64, generator=random)
    settings = FeatureInversion(layer="relu1_2", smoothness=0.5, range_weight=0.2)
    inversion = _Inversion(network, "relu1_2", photo, None)
    _, gradient = inversion.gradient(x, settings)

    def total(y):
        with torch.no_grad():
            return float(sum(inversion.terms(y, settings).values()))

    for place in [(0, 0, 0, 0), (0, 1, 3, 4), (0, 2, 7, 7), (0, 0, 5, 2)]:
        step = torch.zeros_like(x)
        step[place] = 1e-6
        slope = (total(x + step) - total(x - step)) / 2e-6
        assert gradient[place].item() == pytest.approx(slope, rel=1e-4)


def test_priors_grow_with_the_receptive_field(tiny):
    # two 3x3 convolutions: 5 pixels; pooled, then another: 10
    assert depth_weight(tiny, "relu1_2") == pytest.approx(5 / UNIT_FIELD)
    assert depth_weight(tiny, "relu2_1") == pytest.approx(10 / UNIT_FIELD)
    assert depth_weight(tiny, "classifier") == WHOLE_PICTURE


def test_weights_may_be_given_and_changed_live(task, pictures_of):
    changed = pictures_of(task(SHORT), change={1: {"smoothness": 0.0, "range_weight": 0.0}})
    assert changed[0][0].losses["variation"] > 0
    assert changed[0][0].losses["range"] > 0
    assert changed[1][0].losses["variation"] == changed[1][0].losses["range"] == 0
    plain = pictures_of(task(SHORT))
    assert torch.equal(plain[0][1], changed[0][1])
    assert not torch.equal(plain[1][1], changed[1][1])


def test_the_step_falls_to_nothing(task, pictures_of):
    frames = pictures_of(task(replace(SHORT, iterations=20)))
    steps = [float((b - a).abs().mean()) for (_, a), (_, b) in pairwise(frames)]
    assert steps[-1] < 0.2 * steps[0]
    assert min(float(p.min()) for _, p in frames) >= 0
    assert max(float(p.max()) for _, p in frames) <= 1


# ---------------------------------------------------------------- sheets


def test_one_picture_has_the_photos_shape(task, pictures_of):
    run = task(SHORT)
    (stage,) = SHORT.stages(run)
    assert (stage.size, stage.iterations) == ((32, 48), 3)
    frames = pictures_of(run)
    assert [f.iteration for f, _ in frames] == [1, 2, 3]
    assert all(f.total == 3 and p.shape == (3, 32, 48) for f, p in frames)


def test_repeats_are_other_pictures_on_one_sheet(task, pictures_of):
    settings = replace(SHORT, repeats=4)
    run = task(settings, size=98)
    (stage,) = settings.stages(run)
    assert stage.size == (66, 98)  # two by two of 32 x 48, 2 pixels apart
    picture = pictures_of(run)[-1][1]
    assert picture.shape == (3, 66, 98)
    tiles = [picture[:, y : y + 32, x : x + 48] for y in (0, 34) for x in (0, 50)]
    assert all(not torch.equal(tiles[0], other) for other in tiles[1:])
    assert torch.equal(picture[:, 32:34], torch.full((3, 2, 98), 0.5))


def test_several_layers_are_what_each_gives_alone(task, pictures_of):
    both = replace(SHORT, layer="relu1_1, relu2_1,relu1_1")
    frames = pictures_of(task(both, size=98, content=task(SHORT).content))
    frame, picture = frames[-1]
    assert picture.shape == (3, 32, 98)
    assert {"relu1_1", "relu2_1"} < set(frame.losses)
    mean = (frame.losses["relu1_1"] + frame.losses["relu2_1"]) / 2
    assert frame.losses["features"] == pytest.approx(mean, rel=1e-5)
    alone, first = pictures_of(task(replace(SHORT, layer="relu1_1")))[-1]
    assert torch.equal(picture[:, :, :48], first)  # the first tile draws the same noise
    assert frame.losses["relu1_1"] == pytest.approx(alone.losses["features"], rel=1e-6)


def test_layers_with_repeats_have_a_row_each(task):
    settings = replace(SHORT, layer="relu1_1,relu2_1,relu3_1", repeats=2)
    (stage,) = settings.stages(task(settings, size=98))
    assert stage.size == (3 * 31 + 4, 2 * 47 + 2)  # three rows of 32 would need 100


def test_the_sheet_is_as_long_as_asked(task):
    for size in (17, 48, 100, 301):
        settings = replace(SHORT, repeats=5)
        (stage,) = settings.stages(task(settings, size=size))
        assert size - 3 <= max(stage.size) <= size


# ---------------------------------------------------------------- names and bad input


def test_names_of_layers(tiny):
    assert layer_names(FeatureInversion(), tiny) == ["relu3_2"]  # the content layer of the card
    assert layer_names(FeatureInversion(layer=" relu1_1 ,, conv2_1"), tiny) == [
        "relu1_1",
        "conv2_1",
    ]
    offered = Network(tiny.module, replace(tiny.card, layers=("relu1_1", "relu2_2")))
    assert layer_names(FeatureInversion(layer="all"), offered) == ["relu1_1", "relu2_2"]
    with pytest.raises(BadInput, match="relu9_9"):
        layer_names(FeatureInversion(layer="relu1_1,relu9_9"), tiny)
    with pytest.raises(BadInput, match="give layer="):
        layer_names(FeatureInversion(layer="all"), tiny)
    bare = Network(tiny.module, replace(tiny.card, content_layers={}))
    with pytest.raises(BadInput, match="give layer="):
        layer_names(FeatureInversion(), bare)


def test_what_cannot_be_inverted(task, tiny):
    with pytest.raises(BadInput, match="photo"):
        list(SHORT.frames(task(SHORT, content=None)))
    many = replace(SHORT, repeats=64)
    with pytest.raises(BadInput, match="too small"):
        many.stages(task(many, size=8))
    dead = tiny.at("cpu", torch.float64)  # a copy
    with torch.no_grad():
        dead.module.relu1_1.register_forward_hook(lambda *_: torch.zeros(1, 32, 32, 48))
    settings = replace(SHORT, layer="relu1_1")
    with pytest.raises(BadInput, match="zero"):
        next(iter(settings.frames(task(settings, network=dead))))


def test_a_loss_beyond_numbers_leaves_the_picture(task):
    run = task(replace(SHORT, iterations=5))
    frames = run.technique.frames(run)
    kept = next(frames).picture
    run.technique = replace(run.technique, smoothness=1e300, beta=4.0)
    with pytest.raises(Diverged, match="variation"):
        next(frames)
    assert bool(kept.isfinite().all())


def test_presets_and_measurements(task):
    for preset in FeatureInversion.presets.values():
        make(FeatureInversion, preset)
    assert SHORT.at_one_size(7) == replace(SHORT, iterations=7)
    network = task(SHORT).network
    suggested = SHORT.suggested_layers(network)
    assert list(suggested["layer"]) == layer_names(replace(SHORT, layer=""), network)


def test_the_seed_decides(task, pictures_of):
    last = [pictures_of(task(SHORT, seed=seed))[-1][1] for seed in (1, 1, 2)]
    assert torch.equal(last[0], last[1])
    assert not torch.equal(last[0], last[2])


# ---------------------------------------------------------------- the network that ships


def test_a_photo_comes_back_and_less_of_it_from_deeper_layers(slim_vgg, data_folder):
    whole = engine.image.open_picture(data_folder / "images/attribution/cat_and_dog.png")
    photo = Picture(np.ascontiguousarray(whole.resized(64).tensor().permute(1, 2, 0).numpy()))
    names = ["relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"]
    settings = FeatureInversion(iterations=80, layer=",".join(names))
    task = Task(settings, slim_vgg, 196, torch.Generator().manual_seed(0), content=photo)
    picture = list(settings.frames(task))[-1].picture
    tiles = [picture[:, y : y + 64, x : x + 64] for y in (0, 66) for x in (0, 66, 132)]
    found = [psnr(tile, photo.tensor()) for tile in tiles[: len(names)]]
    assert found[0] >= 25
    assert found == sorted(found, reverse=True)
    assert found[-1] > psnr(torch.full((3, 64, 64), 0.5), photo.tensor())
