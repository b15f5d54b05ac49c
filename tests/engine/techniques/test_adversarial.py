"""Attacks: by hand on linear networks, budgets after rounding, and files that still fool SlimVGG."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import engine
from engine.errors import BadInput, Diverged
from engine.image import Picture, from_tensor, open_picture, save_picture
from engine.networks.card import Card, Preprocessing
from engine.networks.fitting import fitted
from engine.networks.network import Network
from engine.settings import describe, make
from engine.task import Task
from engine.techniques.adversarial import Adversarial
from engine.techniques.adversarial import attack as attacks
from engine.techniques.adversarial.attack import original, rounded
from engine.techniques.adversarial.strip import strip

PLAIN = Preprocessing(mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
SIDE = 4
BYTES = 3 * SIDE * SIDE


def linear(weights, bias, names):
    """Return a network whose logits are linear in the pixels."""
    module = nn.Sequential(nn.Flatten(), nn.Linear(BYTES, len(names)))
    with torch.no_grad():
        module[1].weight.copy_(torch.as_tensor(weights, dtype=torch.float32))
        module[1].bias.copy_(torch.as_tensor(bias, dtype=torch.float32))
    card = Card("linear", "Linear", "linear", PLAIN, input_size=SIDE)
    return Network(module, card, names)


@pytest.fixture
def two():
    """Two classes; "cat" is far ahead on every picture used here."""
    weights = np.random.default_rng(0).normal(0, 1, (2, BYTES))
    return linear(weights, [100.0, 0.0], ["cat", "dog"]), weights


@pytest.fixture
def levels():
    """A picture of 8-bit levels far from black and white, but for one pixel of each."""
    random = np.random.default_rng(1).integers(60, 200, (SIDE, SIDE, 3))
    random[0, 0], random[1, 1] = 0, 255
    return random


def attack(technique, network, levels, seed=0, size=SIDE, content=None):
    content = content or Picture(np.ascontiguousarray(levels / 255, dtype=np.float32))
    return Task(technique, network, size, torch.Generator().manual_seed(seed), content=content)


def run(task):
    frames = [(frame, frame.picture) for frame in task.technique.frames(task)]
    return [frame for frame, _ in frames], [picture for _, picture in frames]


def as_levels(picture):
    """Return whole levels (H, W, 3); fails when there are others."""
    scaled = picture.permute(1, 2, 0).numpy().astype(np.float64) * 255
    assert np.abs(scaled - scaled.round()).max() < 1e-4
    return scaled.round().astype(int)


def in_pixels(vector):
    return vector.reshape(3, SIDE, SIDE).transpose(1, 2, 0)


# ---------------------------------------------------------------- by hand


def test_fgsm_is_one_step_by_the_sign(two, levels):
    network, weights = two
    task = attack(Adversarial(target="dog", method="fgsm", epsilon=8.0), network, levels)
    (frame,), (picture,) = run(task)
    # d log p(dog) / dx = p(cat) (w_dog - w_cat).
    expected = np.clip(levels + 8 * np.sign(in_pixels(weights[1] - weights[0])), 0, 255)
    assert (as_levels(picture) == expected).all()
    assert frame.stage == "not fooled"
    assert (frame.iteration, frame.total) == (1, 1)
    logit = weights[1] @ expected.transpose(2, 0, 1).ravel() / 255
    assert frame.losses["target logit"] == pytest.approx(logit, abs=1e-4)
    assert frame.losses["Linf"] == pytest.approx(8)
    change = np.linalg.norm(expected - levels)
    assert frame.losses["L2"] == pytest.approx(change, rel=1e-5)


def test_fgsm_by_l2_is_one_step_along_the_gradient(two, levels):
    network, weights = two
    technique = Adversarial(target="dog", method="fgsm", norm="L2", epsilon_l2=200.0)
    _, (picture,) = run(attack(technique, network, levels))
    g = in_pixels(weights[1] - weights[0])
    wanted = np.clip(levels + 200 * g / np.linalg.norm(g), 0, 255)
    assert np.abs(as_levels(picture) - wanted).max() <= 1


def test_pgd_steps_by_shares_of_the_budget_and_stays_in_it(two, levels):
    network, weights = two
    technique = Adversarial(target="dog", method="pgd", epsilon=8.0, share=0.375, iterations=5)
    frames, pictures = run(attack(technique, network, levels))
    sign = np.sign(in_pixels(weights[1] - weights[0]))
    for picture, so_far in zip(pictures, [3, 6, 8, 8, 8], strict=True):
        assert (as_levels(picture) == np.clip(levels + so_far * sign, 0, 255)).all()
    assert [frame.stage for frame in frames] == ["not fooled yet"] * 4 + ["not fooled"]


def test_pgd_follows_all_classes_and_the_gradient_method_the_targets_logit_alone(levels):
    # Class b rises with red, the target with green: only the log probability minds red.
    weights = np.zeros((3, BYTES))
    weights[1, :16], weights[2, 16:32] = 1.0, 1.0
    network = linear(weights, [0.0, 30.0, 0.0], ["a", "b", "c"])
    changes = {}
    for method in ("pgd", "gradient"):
        technique = Adversarial(target="c", method=method, iterations=1, share=1.0, step=40.0)
        _, (picture,) = run(attack(technique, network, levels))
        changes[method] = (as_levels(picture) - levels)[2:].mean((0, 1))  # the gray rows
    assert changes["pgd"].tolist()[:2] == [-4, 4]
    # |w_c| = 4 over 16 pixels: 40 / 4 each.
    assert changes["gradient"].tolist() == [0, 10, 0]


def test_the_gradient_method_makes_steps_of_one_length(two, levels):
    network, weights = two
    g = in_pixels(weights[1])
    technique = Adversarial(target="dog", step=60.0, iterations=3)
    frames, pictures = run(attack(technique, network, levels))
    inner = (levels > 0) & (levels < 255)
    for n, picture in enumerate(pictures, 1):
        wanted = levels + n * 60 * g / np.linalg.norm(g)
        away = np.abs(as_levels(picture) - wanted)[inner & (wanted > 0) & (wanted < 255)]
        assert away.max() <= 0.501
    assert frames[-1].losses["target logit"] > frames[0].losses["target logit"]


def test_it_stops_as_soon_as_the_rounded_picture_is_ahead_by_the_margin(levels):
    # The logit of b rises by 1 for each level of the whole picture; one step adds 2 levels.
    weights = np.zeros((2, BYTES))
    weights[1] = 255 / BYTES
    levels = np.full((SIDE, SIDE, 3), 100)
    network = linear(weights, [105.0, 0.0], ["a", "b"])  # b is ahead from level 106 on
    # Ahead by tanh(half the logits' difference): at level 106 by 0.46.
    for margin, wanted in ((0.4, 3), (0.5, 4), (0.0, 3)):
        technique = Adversarial(
            target="b", method="pgd", epsilon=20.0, share=0.1, margin=margin, iterations=9
        )
        frames, pictures = run(attack(technique, network, levels))
        assert len(frames) == wanted
        assert (as_levels(pictures[-1]) == 100 + 2 * wanted).all()
        assert frames[-1].stage == "fooled"
        assert frames[-1].total == frames[-1].iteration == wanted
        assert frames[0].total == 9
        assert frames[-1].losses["target probability"] == pytest.approx(
            1 / (1 + np.exp(105 - 100 - 2 * wanted)), rel=1e-3
        )


def test_what_rounding_takes_back_is_no_success():
    # Every step is a fifth of a level: nothing is left of it until it amounts to half of one.
    weights = np.zeros((2, BYTES))
    weights[1] = 255 / BYTES
    network = linear(weights, [100.1, 0.0], ["a", "b"])
    step = 0.2 * np.sqrt(BYTES)
    technique = Adversarial(target="b", step=step, margin=0.0, iterations=9)
    frames, pictures = run(attack(technique, network, np.full((SIDE, SIDE, 3), 100)))
    assert len(frames) == 3  # 0.2 would do without rounding
    assert [frame.losses["Linf"] for frame in frames] == pytest.approx([0, 0, 1], abs=1e-4)
    assert (as_levels(pictures[-1]) == 101).all()


# ---------------------------------------------------------------- budgets


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    epsilon=st.floats(1.0, 60.0),
    norm=st.sampled_from(["Linf", "L2"]),
    method=st.sampled_from(["pgd", "fgsm"]),
    random_start=st.booleans(),
)
def test_budgets_are_kept_after_rounding(seed, epsilon, norm, method, random_start):
    random = np.random.default_rng(seed)
    network = linear(random.normal(0, 1, (2, BYTES)), [50.0, 0.0], ["cat", "dog"])
    levels = random.integers(0, 256, (SIDE, SIDE, 3))
    technique = Adversarial(
        target="dog", method=method, norm=norm, epsilon=epsilon, epsilon_l2=epsilon,
        random_start=random_start, iterations=3,
    )  # fmt: skip
    _, pictures = run(attack(technique, network, levels, seed=seed % 1000))
    for picture in pictures:
        change = as_levels(picture) - levels
        if norm == "Linf":
            assert np.abs(change).max() <= epsilon
        else:
            assert (change**2).sum() <= epsilon**2


def test_rounding_moves_no_entry_by_more_than_it_must():
    generator = torch.Generator().manual_seed(0)
    base = torch.full((1, 3, 30, 30), 0.4)  # level 102
    some = torch.rand(base.shape, generator=generator) < 0.3
    change = torch.randn(base.shape, generator=generator) * some
    change *= 40.0 / change.norm()
    technique = Adversarial(method="pgd", norm="L2", epsilon_l2=40.0)
    steps = (rounded(base + change / 255, base, technique) - base) * 255
    assert float(steps.double().norm()) <= 40.0 + 1e-3
    assert float((steps - change).abs().max()) < 1.001
    # A plain rounding would be too long here, so some entries went back: no more than needed.
    plain = change.round()
    assert plain.norm() > 40.0
    assert float(steps.double().square().sum()) > 1600 - 10
    assert not steps[change == 0].any()


def test_a_random_start_is_within_the_budget_and_drawn_by_the_task(two, levels):
    network, _ = two
    technique = Adversarial(
        target="dog", method="pgd", epsilon=40.0, share=0.01, random_start=True, iterations=1
    )
    first, again, other = (
        run(attack(technique, network, levels, seed=seed))[1][0] for seed in (0, 0, 1)
    )
    assert (first == again).all()
    assert (first != other).any()
    change = (as_levels(first) - levels)[2:]
    assert 8 < np.abs(change).mean() < 32  # 20 on average of a uniform one
    straight = run(attack(replace(technique, random_start=False), network, levels))[1][0]
    assert np.abs(as_levels(straight) - levels).max() <= 1


# ---------------------------------------------------------------- wrong input


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"target": "cat"}, "sees cat in the photo already"),
        ({"target": "horse"}, "no class 'horse'"),
        ({"other_network": "nonsense"}, "no network is called 'nonsense'"),
        ({"other_network": "slim_vgg"}, "no class 'dog'"),
    ],
)
def test_bad_input_is_refused(two, levels, change, words):
    with pytest.raises(BadInput, match=words):
        run(attack(replace(Adversarial(target="dog"), **change), two[0], levels))


def test_it_needs_a_photo(two):
    task = Task(Adversarial(), two[0], SIDE, torch.Generator())
    with pytest.raises(BadInput, match="needs a photo"):
        next(task.technique.frames(task))


def test_numbers_that_are_not_finite_end_the_run(levels):
    weights = np.zeros((2, BYTES))
    weights[1] = np.nan
    network = linear(weights, [0.0, 0.0], ["cat", "dog"])
    with pytest.raises(Diverged, match="iteration 1"):
        run(attack(Adversarial(target="dog"), network, levels))


def test_by_itself_it_takes_the_second_class(levels):
    network = linear(np.zeros((3, BYTES)), [1.0, 3.0, 2.0], ["a", "b", "c"])
    frames, _ = run(attack(Adversarial(iterations=1), network, levels))
    assert frames[0].losses["target logit"] == pytest.approx(2.0)


def test_settings_and_presets_are_valid():
    assert describe(Adversarial)["target"].option == "--class"
    for values in Adversarial.presets.values():
        make(Adversarial, values)


def test_a_measurement_takes_all_its_iterations(levels):
    network = linear(np.zeros((2, BYTES)), [0.01, 0.0], ["a", "b"])
    for method in ("gradient", "fgsm", "pgd"):
        technique = Adversarial(target="b", method=method).at_one_size(4)
        frames, _ = run(attack(technique, network, levels))
        assert len(frames) == 4


# ---------------------------------------------------------------- how a file is looked at


def test_the_attack_goes_through_the_reduction_that_files_are_looked_at_with(levels):
    """Of a picture 4 times as large each pixel counts as antialiased bilinear reduction weighs it."""
    weights = np.zeros((2, BYTES))
    weights[1] = np.random.default_rng(3).normal(0, 1, BYTES)
    network = linear(weights, [50.0, 0.0], ["a", "b"])
    large = np.kron(levels, np.ones((4, 4, 1), int)).clip(60, 200)
    task = attack(
        Adversarial(target="b", step=400.0, iterations=1), network, large, size=4 * SIDE
    )  # fmt: skip
    (frame,), (picture,) = run(task)
    # A triangle of 4 pixels to each side around the middle of a pixel that is looked at.
    places = np.arange(4 * SIDE) + 0.5
    rows = np.maximum(0, 1 - np.abs(places[None] - 4 * (np.arange(SIDE)[:, None] + 0.5)) / 4)
    rows /= rows.sum(1, keepdims=True)
    gradient = np.stack([rows.T @ each @ rows for each in weights[1].reshape(3, SIDE, SIDE)], -1)
    wanted = large + 400 * gradient / np.linalg.norm(gradient)
    assert np.abs(as_levels(picture) - wanted).max() <= 0.51
    small = np.stack([rows @ each @ rows.T for each in as_levels(picture).transpose(2, 0, 1)])
    assert frame.losses["target logit"] == pytest.approx(weights[1] @ small.ravel() / 255, abs=1e-3)


def test_a_tie_in_bfloat16_is_none_in_float32(levels):
    """Weights are compared as they were, not as bfloat16 keeps them: there all classes are alike."""
    names = ["a", "b", "c"]
    network = linear(np.zeros((3, BYTES)), [100.0, 100.1, 100.2], names)
    rough = network.at("cpu", torch.bfloat16)
    assert len(set(rough.logits(torch.zeros(1, 3, SIDE, SIDE))[0].tolist())) == 1
    with pytest.raises(BadInput, match="sees c in the photo already"):
        run(attack(Adversarial(target="c"), rough, levels))
    frames, _ = run(attack(Adversarial(iterations=1), rough, levels))
    assert frames[0].losses["target logit"] == pytest.approx(100.1)  # of b, the second
    assert frames[0].stage == "not fooled"
    technique = Adversarial(target="b", margin=0.0, iterations=1)
    assert run(attack(technique, rough, levels))[0][0].stage == "not fooled"


def test_what_a_lossy_format_loses_is_told(tmp_path):
    """A checkerboard of one level tips the scale; a coarse JPEG has no such thing."""
    sign = np.indices((3, SIDE, SIDE)).sum(0) % 2 * 2 - 1
    weights = np.zeros((2, BYTES))
    weights[1] = sign.ravel() * 255 / BYTES
    network = linear(weights, [0.5, 0.0], ["cat", "dog"])  # dog is ahead from half a level on
    technique = Adversarial(target="dog", method="pgd", epsilon=1.0, margin=0.0)
    task = attack(technique, network, np.full((SIDE, SIDE, 3), 128))
    frames, pictures = run(task)
    assert frames[-1].stage == "fooled"
    whole = save_picture(from_tensor(pictures[-1]), tmp_path / "whole.png")
    told = technique.verdict(task, open_picture(whole))
    assert (
        told.words
        == "linear takes whole.png for dog (62.2%; cat 37.8%), looking at it at 4x4 pixels"
    )
    assert told.numbers["seen"]["fooled"] is True
    assert told.numbers["losses"] == pytest.approx(frames[-1].losses)
    less = save_picture(from_tensor(pictures[-1]), tmp_path / "less.jpg", quality=30)
    told = technique.verdict(task, open_picture(less))
    assert told.words.startswith("linear still takes less.jpg for cat (")
    assert told.words.endswith("; JPEG loses part of the change, PNG and TIFF keep all of it")
    assert told.numbers["seen"]["fooled"] is False
    assert told.numbers["losses"]["Linf"] != frames[-1].losses["Linf"]


# ---------------------------------------------------------------- a real network


@pytest.fixture(scope="module")
def slim():
    return engine.load_network("slim_vgg")


CASES = [
    ("owl.jpg", Adversarial(target="pizza")),
    ("owl.jpg", Adversarial(method="pgd", epsilon=4.0, target="pizza")),
    ("flowers.jpg", Adversarial(method="pgd", norm="L2", target="scorpion", epsilon_l2=900.0)),
    ("flowers.jpg", Adversarial(method="fgsm", epsilon=4.0)),
]


@pytest.mark.parametrize(("name", "technique"), CASES)
def test_the_saved_picture_still_fools(name, technique, slim, data_folder, tmp_path):
    photo = open_picture(data_folder / "images" / "photos" / name)
    task = attack(technique, slim, None, size=96, content=photo)
    frames, pictures = run(task)
    assert frames[-1].stage == "fooled"
    path = save_picture(from_tensor(pictures[-1]), tmp_path / "fooled.png")
    again = open_picture(path).tensor()
    assert (again == pictures[-1]).all()
    before = original(task)[0]
    with torch.no_grad():
        was, now = (slim.logits(fitted(slim, x[None])).softmax(1)[0] for x in (before, again))
    target = int(now.argmax())
    assert target != int(was.argmax())
    if technique.target:
        assert slim.classes[target] == technique.target
    ahead = now.topk(2).values
    assert float(ahead[0] - ahead[1]) >= technique.margin
    assert frames[-1].losses["target probability"] == pytest.approx(float(ahead[0]), rel=1e-4)
    kept = float(now[was.argmax()])
    assert frames[-1].losses["original probability"] == pytest.approx(kept, rel=1e-3)
    change = as_levels(again) - as_levels(before)
    if technique.method != "gradient" and technique.norm == "Linf":
        assert np.abs(change).max() <= technique.epsilon
    if technique.norm == "L2":
        assert (change**2).sum() <= technique.epsilon_l2**2
    assert np.sqrt((change**2).mean()) < 12  # a person sees the same photo


def test_the_strip_shows_what_changed_and_tells_how_much(slim, data_folder):
    photo = open_picture(data_folder / "images" / "photos" / "owl.jpg")
    task = attack(Adversarial(target="pizza", method="pgd"), slim, None, size=96, content=photo)
    frames, pictures = run(task)
    before, after, change, tenfold = strip(task, pictures[-1])
    assert (before.picture == original(task)[0]).all()
    assert (after.picture == pictures[-1]).all()
    difference = (as_levels(pictures[-1]) - as_levels(before.picture)).transpose(2, 0, 1) / 255
    np.testing.assert_allclose(change.picture, 0.5 + difference, atol=1e-6)
    np.testing.assert_allclose(tenfold.picture, 0.5 + 10 * difference, atol=1e-5)
    losses = frames[-1].losses
    assert before.caption.startswith("original: kangaroo ")
    assert f"pizza {100 * losses['target probability']:.1f}%" in after.caption
    assert f"kangaroo {100 * losses['original probability']:.1f}%" in after.caption
    assert change.caption == f"difference: L2 {losses['L2']:.0f}, Linf 4 of 255"


def test_a_second_network_is_asked_about_the_same_class(two, levels, monkeypatch):
    # The other network knows the classes in another order, and is never attacked.
    network, weights = two
    other = linear(-weights, [0.0, 1.0], ["Dog", "cat"])
    monkeypatch.setattr(attacks, "load_network", lambda name, device: {"second": other}[name])
    technique = Adversarial(target="dog", method="fgsm", other_network="second")
    (frame,), (picture,) = run(attack(technique, network, levels))
    pixels = picture.flatten().double().numpy()
    logits = [-weights[0] @ pixels, 1 - weights[1] @ pixels]
    expected = 1 / (1 + np.exp(logits[1] - logits[0]))
    assert frame.losses["transfer probability"] == pytest.approx(expected, rel=1e-4)
    caption = strip(attack(technique, network, levels), picture)[1].caption.splitlines()[1]
    assert f"Dog {100 * expected:.1f}%" in caption


def test_two_real_networks_of_the_same_classes(data_folder, monkeypatch):
    monkeypatch.setenv("PAREIDOLIA_NETWORKS", str(data_folder / "weights"))
    photo = open_picture(data_folder / "images" / "photos" / "owl.jpg")
    network = engine.load_network("squeezenet1_1")
    technique = Adversarial(iterations=2, other_network="googlenet_bvlc")
    task = attack(technique, network, None, size=128, content=photo)
    frames, pictures = run(task)
    seen = network.logits(fitted(network, original(task)))
    name = network.classes[int(seen.topk(2).indices[0, 1])]
    other = engine.load_network("googlenet_bvlc")
    chances = other.logits(fitted(other, pictures[-1][None])).softmax(1)
    chance = chances[0, other.classes.index(name)]
    assert frames[-1].losses["transfer probability"] == pytest.approx(float(chance), rel=1e-4)
    json.dumps(frames[-1].losses)
