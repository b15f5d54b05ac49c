"""Class visualization: what it maximizes, its steps, and the network that ships."""

from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import engine
from engine.errors import BadInput, Diverged
from engine.image import Picture
from engine.networks.card import CAFFE_BVLC, IMAGENET, Card
from engine.networks.network import Network
from engine.parameterization.transforms import View, seen
from engine.settings import describe, make
from engine.task import Task
from engine.techniques.ascent.forms import start_colour
from engine.techniques.ascent.importance import faded, importance
from engine.techniques.ascent.start_steps import first_pictures
from engine.techniques.ascent.steps import AscentRun, side_of
from engine.techniques.class_visualization import ClassVisualization
from engine.techniques.class_visualization.steps import Logits, _shrunk, find_classes, tiles

STILL = ClassVisualization(
    target="b", rivals=0.0, iterations=1, parameterization="pixels", optimizer="plain", jitter=0,
    zoom=0.0, rotation=0.0, closest=1.0,
)  # fmt: skip


@pytest.fixture(scope="module")
def named(tiny):
    """The tiny network with names for its classes, in float64."""
    network = Network(tiny.module, tiny.card, ("a", "b", "c", "d, with a comma", "e"))
    network.calls()
    return network


@pytest.fixture(scope="module")
def slim():
    return engine.load_network("slim_vgg")


def job(technique, network, size=32, seed=0):
    return Task(technique, network, size, torch.Generator().manual_seed(seed))


def run(technique, network, size=32, seed=0, change=None):
    task = job(technique, network, size, seed)
    found = []
    for frame in technique.frames(task):
        found.append((frame, frame.picture.clone()))
        if change and frame.iteration in change:
            task.technique = replace(task.technique, **change[frame.iteration])
    return found


def logits(network, picture):
    side = network.card.input_size
    with torch.no_grad():
        whole = seen(
            picture[None], View(*(s / 2 for s in picture.shape[1:]), picture.shape[1]), side
        )
        return network.logits(whole)[0]


# ---------------------------------------------------------------- steps, worked out apart


def start_of(network, side=32, count=1, deviation=10 / 255, seed=0):
    """Return the pixels that a run starts from: the mean colour and noise."""
    noise = torch.randn(count, 3, side, side, generator=torch.Generator().manual_seed(seed))
    mean = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
    return mean + deviation * noise


def slope_of(network, picture, number):
    x = picture.clone().requires_grad_()
    value = network.logits(x)[:, number].sum()
    return float(value.detach()), torch.autograd.grad(value, x)[0]


def test_a_plain_step_is_the_gradient_of_the_logit(named):
    ((frame, after),) = run(replace(STILL, learning_rate=1e4), named)
    x = start_of(named)
    value, gradient = slope_of(named, x, 1)
    assert frame.losses == {"logit": pytest.approx(value, rel=1e-4)}
    expected = (x + 1e4 / 255**2 * gradient).clamp(0, 1)[0]
    torch.testing.assert_close(after, expected, atol=1e-5, rtol=0)
    assert (after - x[0]).abs().max() > 1e-3


def test_progress_gains_what_was_asked_for(named):
    technique = replace(STILL, optimizer="progress", progress=0.001, learning_rate=1e9)
    ((before, picture),) = run(technique, named)
    assert slope_of(named, picture[None], 1)[0] - before.losses["logit"] == pytest.approx(
        0.001, rel=0.05
    )
    capped = run(replace(technique, learning_rate=1e4, progress=1000.0), named)
    plain = run(replace(technique, learning_rate=1e4, optimizer="plain"), named)
    torch.testing.assert_close(capped[0][1], plain[0][1], atol=1e-7, rtol=0)


def test_a_normalised_step_moves_pixels_by_the_rate_on_average(named):
    technique = replace(STILL, optimizer="normalised", learning_rate=2.0)
    ((_, after),) = run(technique, named)
    assert float((after - start_of(named)[0]).abs().mean()) * 255 == pytest.approx(2, rel=1e-3)


def test_no_noise_starts_from_the_mean_colour(named):
    technique = replace(STILL, start_noise=0.0, learning_rate=1e-4)
    ((_, after),) = run(technique, named)
    expected = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1).expand_as(after)
    torch.testing.assert_close(after, expected, atol=1e-5, rtol=0)


def test_total_variation_and_decay_take_contrast(named):
    technique = replace(STILL, iterations=10, learning_rate=1e-4)
    still, decayed = run(technique, named)[-1][1], run(replace(technique, l2=0.1), named)[-1][1]
    mean = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
    torch.testing.assert_close(decayed - mean, (still - mean) * 0.9**10, atol=1e-5, rtol=0)
    found = run(replace(technique, iterations=1, tv=1e3), named)
    x = start_of(named)[0].double().numpy()
    right, down = np.diff(x, axis=2) ** 2, np.diff(x, axis=1) ** 2
    expected = (right.sum() + down.sum()) / x.size
    assert found[0][0].losses["total variation"] == pytest.approx(expected, rel=1e-4)
    found = run(replace(technique, iterations=1, tv=1e3, tv_beta=1.0, alpha_norm=5.0), named)
    steps = np.zeros((*x.shape, 2))
    steps[:, :, :-1, 0], steps[:, :-1, :, 1] = np.diff(x, axis=2), np.diff(x, axis=1)
    expected = np.hypot(steps[..., 0], steps[..., 1]).sum() / x.size
    assert found[0][0].losses["total variation"] == pytest.approx(expected, rel=1e-3)
    extremes = ((x - mean.double().numpy()) ** 6).mean()
    assert found[0][0].losses["alpha norm"] == pytest.approx(extremes, rel=1e-3)


def test_the_alpha_norm_holds_extremes_back(named):
    """By its closed-form gradient, 6 d^5, taken off what the logit alone would give."""
    technique = replace(STILL, learning_rate=1e4)
    mean = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
    d = start_of(named)[0] - mean
    weight = 1e8
    free, held = (
        run(replace(technique, alpha_norm=value), named)[-1][1] for value in (0.0, weight)
    )
    rate = technique.learning_rate / 255**2 * (32 / named.card.input_size) ** 2
    expected = -rate * weight * 6 * d**5 / d.numel()
    inside = ((held > 0) & (held < 1) & (free > 0) & (free < 1)).float()
    torch.testing.assert_close((held - free) * inside, expected * inside, rtol=1e-3, atol=1e-6)
    assert (expected * inside).abs().max() > 1e-4


@pytest.mark.parametrize(
    ("settings", "zero"), [({"small_norm": 50.0}, 512), ({"small_contribution": 90.0}, 922)]
)
def test_clipped_pixels_have_the_mean_colour(settings, zero, named):
    ((_, after),) = run(replace(STILL, learning_rate=1e4, **settings), named)
    mean = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
    assert int(((after - mean).abs().amax(0) < 1e-6).sum()) == zero


def test_blur_comes_every_few_steps(named):
    technique = replace(STILL, iterations=4, learning_rate=1e-4, blur=1.0, blur_every=3)
    steps = [picture for _, picture in run(technique, named)]
    rough = [float((p[:, 1:] - p[:, :-1]).abs().mean()) for p in steps]
    assert rough[1] == pytest.approx(rough[0], rel=0.01)
    assert rough[2] < 0.5 * rough[1]
    assert rough[3] == pytest.approx(rough[2], rel=0.01)


@pytest.mark.parametrize("preset", ClassVisualization.presets)
def test_presets_make_their_class_likelier(preset, slim):
    values = {**ClassVisualization.presets[preset], "target": "pizza", "iterations": 20}
    found = run(make(ClassVisualization, values), slim, 96)
    number = slim.classes.index("pizza")
    before, after = (logits(slim, found[i][1]).log_softmax(0)[number] for i in (0, -1))
    assert after > before + 1
    assert bool(((found[-1][1] >= 0) & (found[-1][1] <= 1)).all())


# ---------------------------------------------------------------- several pictures


def test_classes_side_by_side_each_for_itself(named):
    technique = replace(STILL, target="b, 4,c", optimizer="normalised", iterations=12)
    (stage,) = technique.stages(job(technique, named, 32))
    found = run(technique, named, 32)
    picture = found[-1][1]
    assert picture.shape == (3, 66, 66)
    assert stage.size == (66, 66)
    assert stage.iterations == len(found) == found[0][0].total
    labels = technique.labels(job(technique, named, 32))
    assert labels.columns == 2
    assert labels.texts == ("b", "e", "c")
    shown = [picture[:, :32, :32], picture[:, :32, 34:], picture[:, 34:, :32]]
    scores = torch.stack([logits(named, tile) for tile in shown])
    assert scores[:, [1, 4, 2]].argmax(0).tolist() == [0, 1, 2]
    assert bool((picture[:, 34:, 34:] == 0.5).all())


def test_diverse_copies_are_less_alike(named):
    technique = replace(
        STILL, copies=2, parameterization="fourier", optimizer="adam", iterations=20, diversity=1e-6
    )
    alike = run(technique, named, 32)[-1][0].losses["likeness"]
    apart = run(replace(technique, diversity=1e4), named, 32)[-1][0].losses["likeness"]
    assert 0 < apart < alike <= 1.0001


def test_the_same_seed_the_same_picture(named):
    technique = ClassVisualization(target="a", iterations=3, view_noise=0.1)
    first, again = run(technique, named), run(technique, named)
    other = run(technique, named, seed=1)
    assert torch.equal(first[-1][1], again[-1][1])
    assert not torch.allclose(first[-1][1], other[-1][1], atol=1e-4)


def test_live_settings_take_effect_at_the_next_step(named):
    technique = replace(STILL, iterations=3, optimizer="normalised")
    assert describe(technique)["learning_rate"].live
    found = run(technique, named, change={2: {"learning_rate": 20.0}})
    change = [float((b - a).abs().mean()) * 255 for (_, a), (_, b) in pairwise(found)]
    assert change[0] == pytest.approx(0.05, rel=0.01)
    assert change[1] > 15


# ---------------------------------------------------------------- where it begins


def flat(side, *rgb):
    return torch.tensor(rgb).view(3, 1, 1).expand(3, side, side)


def begun(task) -> AscentRun:
    settings = task.technique
    goal = Logits(task.network, find_classes(task.network, settings.target), settings.copies)
    side = side_of(goal.count, task)
    return AscentRun(task, goal, side, first_pictures(task, goal.count, side))


@pytest.mark.parametrize(
    ("start", "pixels", "fourier"),
    [("zeros", (0.485, 0.456, 0.406), (0.5,) * 3), ("gray", (0.5,) * 3, (0.5,) * 3),
     ("mean", (0.485, 0.456, 0.406), (0.485, 0.456, 0.406))],
)  # fmt: skip
def test_flat_starts(start, pixels, fourier, named):
    for how, colour in (("pixels", pixels), ("fourier", fourier)):
        technique = replace(STILL, start=start, parameterization=how, optimizer="adam")
        climb = begun(job(technique, named))
        torch.testing.assert_close(climb.pictures()[0], flat(32, *colour), atol=1e-5, rtol=0)


@pytest.mark.parametrize("how", ["pixels", "fourier", "pyramid", "phases"])
def test_every_parameterization_begins_with_the_middle_of_a_photo(how, named, noise_picture):
    photo = noise_picture(32, 48, seed=5, low=0.05, high=0.95)
    technique = replace(STILL, target="b, c", start="picture", parameterization=how,
                        optimizer="adam", learning_rate=1e-4)  # fmt: skip
    task = job(technique, named, 32)
    task.start = photo
    expected = photo.tensor()[:, :, 8:40]
    climb = begun(task)
    for picture in climb.pictures():
        torch.testing.assert_close(picture, expected, atol=1e-4, rtol=0)
    last = list(technique.frames(task))[-1].picture
    moved = (last[:, :32, :32] - expected).abs().max()
    assert 0 < moved < 0.05


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"start": "picture"}, "give it with start="), ({"start": "gray", "copies": 2}, "stay alike"),
     ({"start": "gray", "parameterization": "phases", "optimizer": "adam"}, "no phases")],
)  # fmt: skip
def test_starts_refused(changes, words, named):
    with pytest.raises(BadInput, match=words):
        run(replace(STILL, **changes), named, 32)


def test_one_colour_has_no_phases(named):
    technique = replace(STILL, start="picture", parameterization="phases", optimizer="adam")
    task = job(technique, named)
    task.start = Picture(np.full((8, 8, 3), 0.3, np.float32))
    with pytest.raises(BadInput, match="of one colour"):
        next(technique.frames(task))


# ---------------------------------------------------------------- MACO


def test_views_shrink_from_the_farthest_to_the_closest():
    technique = ClassVisualization(closest=0.2, farthest=0.8)
    generator = torch.Generator().manual_seed(0)

    def sizes(done):
        found = [_shrunk(technique, done, generator) for _ in range(300)]
        assert all(f.closest == f.farthest for f in found)
        return torch.tensor([f.closest for f in found])

    for done, expected in ((0.0, 0.8), (0.5, 0.5), (1.0, 0.2)):
        assert float(sizes(done).mean()) == pytest.approx(expected, abs=0.015)
        assert float(sizes(done).std()) == pytest.approx(0.05, rel=0.2)
    least = _shrunk(replace(technique, closest=0.05, farthest=0.05), 1.0, generator)
    assert 0.05 <= least.closest <= 1


def test_importance_is_the_mean_gradient_with_its_top_cut_off():
    weights = torch.rand(3, 32, 32, generator=torch.Generator().manual_seed(2)) - 0.5

    class Linear:
        def __call__(self, view, diverse):
            return (view * weights).sum((1, 2, 3)), None

    task = SimpleNamespace(
        device="cpu", generator=torch.Generator(),
        network=SimpleNamespace(card=SimpleNamespace(input_size=32)),
    )  # fmt: skip
    found = importance(task, Linear(), torch.rand(2, 3, 32, 32), 1.0, 1.0)
    expected = weights.abs().mean(0).numpy()  # the whole picture, each time
    level = np.sort(expected.ravel())[round(0.8 * 1024) - 1]
    np.testing.assert_allclose(found[1], np.minimum(expected / level, 1), atol=1e-5)
    assert torch.equal(found[0], found[1])


def test_what_does_not_matter_fades_to_white():
    picture = torch.linspace(0.2, 0.6, 300).view(3, 10, 10)
    opacity = torch.zeros(10, 10)
    opacity[5:] = 1
    shown = faded(picture, opacity)
    assert bool((shown[:, :5] == 1).all())
    low, high = np.sort(picture.numpy().ravel())[[2, 296]]
    expected = ((picture - float(low)) / float(high - low)).clamp(0, 1)
    torch.testing.assert_close(shown[:, 5:], expected[:, 5:], atol=1e-6, rtol=0)


def test_phases_are_shown_with_what_matters(named):
    technique = replace(STILL, target="b, c", parameterization="phases", optimizer="adam")
    task = job(technique, named, 32)
    picture = torch.rand(3, 66, 32)
    picture = torch.cat([picture, torch.full((3, 66, 2), 0.5), picture], 2)[:, :32]
    shown = tiles(task, picture)
    assert [t.caption for t in shown] == ["b", "b\nwhat matters", "c", "c\nwhat matters"]
    assert torch.equal(shown[2].picture, picture[:, :, 34:])
    assert technique.figure(job(technique, named, 32), picture).width > 66


# ---------------------------------------------------------------- what cannot be


def test_pictures_that_are_too_small_are_refused(named):
    with pytest.raises(BadInput, match="size= is 7"):
        run(replace(STILL, copies=2), named, 7)


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"target": ""}, "target= is empty"), ({"target": " , "}, "target= is empty"),
     ({"target": "zebra"}, "no class 'zebra'"),
     ({"parameterization": "fourier"}, "takes adam")],
)  # fmt: skip
def test_refused(changes, words, named):
    technique = replace(STILL, **changes)
    with pytest.raises(BadInput, match=words):
        run(technique, named)


def test_a_name_may_have_a_comma(named):
    assert find_classes(named, "D, with a comma") == [3]
    assert find_classes(named, "e, a") == [4, 0]


def test_without_classes_there_is_nothing_to_show(tiny):
    with pytest.raises(BadInput, match="no classifier"):
        STILL.stages(job(STILL, tiny))


def test_a_step_that_cannot_be_leaves_the_picture(named):
    task = job(replace(STILL, iterations=3), named)
    steps = task.technique.frames(task)
    frame = next(steps)
    before = frame.picture.clone()
    task.technique = replace(task.technique, tv=float("inf"))
    with pytest.raises(Diverged, match=r"the gradient became (nan|inf)"):
        next(steps)
    assert torch.equal(before, frame.render())


def test_mean_colours_of_cards():
    assert start_colour(IMAGENET).tolist() == pytest.approx([0.485, 0.456, 0.406])
    red, green, blue = start_colour(CAFFE_BVLC).tolist()
    assert (red, green, blue) == pytest.approx((123 / 255, 117 / 255, 104 / 255))
    bytes_ = Card("x", "X", "x", preprocessing=replace(CAFFE_BVLC, mean=(0.0, 0.0, 0.0)))
    assert start_colour(bytes_.preprocessing).tolist() == [0.5, 0.5, 0.5]


# ---------------------------------------------------------------- the network that ships


@pytest.mark.parametrize("target", ["pizza", "dalmatian"])
def test_a_class_scores_above_every_photo_and_first(target, slim, data_folder):
    technique = ClassVisualization(target=target, iterations=48)
    picture = run(technique, slim, 128)[-1][1]
    number = slim.classes.index(target)
    score = logits(slim, picture)
    assert int(score.argmax()) == number
    for path in sorted((data_folder / "images").rglob("*.[jp][pn]g")):
        photo = engine.image.open_picture(path).resized(160).tensor()
        with torch.no_grad():
            assert slim.logits(photo)[0, number] < score[number]
