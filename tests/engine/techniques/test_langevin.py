"""Langevin sampling of pictures: steps by hand on a linear network, its density, and SlimVGG."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

import engine
from engine.errors import BadInput, Diverged
from engine.networks.card import CAFFE_VGG, Card, Preprocessing
from engine.networks.colours import mean_colour
from engine.networks.network import Network
from engine.settings import describe, make
from engine.task import Task
from engine.techniques.langevin import LangevinSampling
from engine.techniques.langevin.steps import kept_at, like_the_prior

MEAN = (0.4, 0.5, 0.6)
SIDE = 6
NUMBERS = 3 * SIDE * SIDE
FEW = LangevinSampling(
    target="dog", iterations=2, prior_step=0.05, class_step=0.3, noise=0.01, smoothing=0.0,
    start_noise=0.0,
)  # fmt: skip


def linear(weights, bias=(0.0, 0.0), names=("cat", "dog")):
    module = nn.Sequential(nn.Flatten(), nn.Linear(NUMBERS, len(names)))
    with torch.no_grad():
        module[1].weight.copy_(torch.as_tensor(weights, dtype=torch.float32))
        module[1].bias.copy_(torch.as_tensor(bias, dtype=torch.float32))
    plain = Preprocessing(mean=MEAN, std=(1.0, 1.0, 1.0))
    return Network(module, Card("linear", "Linear", "linear", plain, input_size=SIDE), names)


@pytest.fixture
def weights():
    return np.random.default_rng(0).normal(0, 0.1, (2, NUMBERS))


def sampling(technique, network, seed=0, size=SIDE):
    return Task(technique, network, size, torch.Generator().manual_seed(seed))


def run(task, change=None):
    found = []
    for frame in task.technique.frames(task):
        found.append((frame, frame.picture.double().numpy()))
        if change and frame.iteration in change:
            task.technique = replace(task.technique, **change[frame.iteration])
    return [frame for frame, _ in found], [picture for _, picture in found]


def tv_slope(x):
    """Return the gradient of the sum of squared differences to the neighbours."""
    slope = np.zeros_like(x)
    for axis in (1, 2):
        step = np.diff(x, axis=axis)
        before = [(0, 0)] * 3
        after = [(0, 0)] * 3
        before[axis], after[axis] = (1, 0), (0, 1)
        slope += 2 * np.pad(step, before) - 2 * np.pad(step, after)
    return slope


def by_hand(weights, settings, iterations, seed=0):
    """Return pictures and log p(dog | x) before each step."""
    generator = torch.Generator().manual_seed(seed)
    torch.randn(1, 3, SIDE, SIDE, generator=generator)  # the start's, of weight 0
    mean = np.array(MEAN)[:, None, None]
    x = np.broadcast_to(mean, (3, SIDE, SIDE)).copy()
    pictures, values = [], []
    for s in (settings(i) for i in range(1, iterations + 1)):
        logits = weights @ (x - mean).ravel()  # the network subtracts its mean
        value = logits[1] - np.logaddexp(*logits)
        up = (1 - np.exp(value)) * (weights[1] - weights[0]).reshape(x.shape)
        prior = mean - x - s.smoothing * tv_slope(x)
        noise = torch.randn(1, 3, SIDE, SIDE, generator=generator)[0].double().numpy()
        x = x + s.prior_step * prior + s.class_step * up + s.noise * noise
        if s.clip:
            x = x.clip(0, 1)
        pictures.append(x)
        values.append(value)
    return pictures, values


@pytest.mark.parametrize("smoothing", [0.0, 0.8])
@pytest.mark.parametrize(("clip", "class_step"), [(True, 0.3), (True, 20.0), (False, 0.3)])
def test_ula_is_the_published_step(weights, smoothing, clip, class_step):
    technique = replace(FEW, iterations=4, smoothing=smoothing, clip=clip, class_step=class_step)
    frames, pictures = run(sampling(technique, linear(weights)))
    expected, values = by_hand(weights, lambda _: technique, 4)
    for picture, wanted in zip(pictures, expected, strict=True):
        np.testing.assert_allclose(picture, wanted.clip(0, 1), atol=2e-6)
    assert [f.losses["log p(y|x)"] for f in frames] == pytest.approx(values, abs=1e-5)
    assert "acceptance" not in frames[0].losses
    assert [f.iteration for f in frames] == [1, 2, 3, 4]


def test_live_settings_count_from_the_next_iteration(weights):
    change = {1: {"prior_step": 0.2}, 2: {"class_step": 1.0, "smoothing": 0.3}, 3: {"noise": 0.0}}
    technique = replace(FEW, iterations=4, clip=False)
    current = [technique]
    for i in (1, 2, 3):
        current.append(replace(current[-1], **change[i]))
    _, pictures = run(sampling(technique, linear(weights)), change)
    expected, _ = by_hand(weights, lambda i: current[i - 1], 4)
    np.testing.assert_allclose(pictures[-1], expected[-1].clip(0, 1), atol=2e-6)


def test_losses_are_of_the_chains_on_average_with_the_whole_prior(weights):
    technique = replace(FEW, iterations=1, chains=2, start_noise=0.1, smoothing=0.5, clip=False)
    task = sampling(technique, linear(weights))
    (frame,), _ = run(task)
    noise = torch.randn(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    mean = np.array(MEAN)[:, None, None]
    x = mean + 0.1 * like_the_prior(noise, 0.5).double().numpy()
    tv = sum((np.diff(x, axis=axis) ** 2).sum() for axis in (2, 3))
    prior = -0.5 * ((x - mean) ** 2).sum() - 0.5 * tv
    assert frame.losses["log p(x)"] == pytest.approx(prior / 2, rel=1e-4)


@pytest.mark.parametrize("sampler", ["ULA", "MALA"])
def test_without_a_class_the_samples_are_the_priors(sampler):
    # The density is exp(2 f / e3²): variance e3² / (2 e1), which ULA overshoots by a known factor.
    technique = LangevinSampling(
        target="dog", sampler=sampler, iterations=500, burn_in=0.4, prior_step=0.08,
        class_step=0.0, noise=0.04, smoothing=0.0, start_noise=0.1, chains=16,
    )  # fmt: skip
    squares, acceptance, steps = [], [], []
    task = sampling(technique, linear(np.zeros((2, NUMBERS))))
    for frame in technique.frames(task):
        if frame.iteration > 200:
            acceptance.append(frame.losses.get("acceptance"))
            steps.append(frame.losses.get("step"))
            squares.append(-2 * frame.losses["log p(x)"] / NUMBERS)
    exact = 0.04**2 / (2 * 0.08)
    factor = 1.0 if sampler == "MALA" else 1 / (1 - 0.08 / 2)
    assert np.mean(squares) == pytest.approx(exact * factor, rel=0.012)
    if sampler == "MALA":
        assert np.mean(acceptance) == pytest.approx(0.574, abs=0.12)
        assert len(set(steps[1:])) == 1  # no adaptation after the burn-in
        assert steps[-1] > 1
    tile = frame.picture[:, :SIDE, :SIDE].mean((1, 2)).numpy()
    assert tile == pytest.approx(np.array(MEAN), abs=0.06)


def test_mala_shows_the_losses_of_the_state_that_it_kept(weights):
    # A huge first step is rejected, and the chain still has the value of its start.
    technique = replace(FEW, sampler="MALA", noise=0.05, start_noise=0.1, prior_step=2.0, chains=3)
    technique = replace(technique, iterations=1, smoothing=1.0)
    task = sampling(technique, linear(weights))
    (frame,), _ = run(task)
    assert frame.losses["acceptance"] == 0
    noise = torch.randn(3, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    x = 0.1 * like_the_prior(noise, 1.0).double().numpy().reshape(3, -1)
    logits = x @ weights.T
    expected = (logits[:, 1] - np.logaddexp(logits[:, 0], logits[:, 1])).mean()
    assert frame.losses["log p(y|x)"] == pytest.approx(expected, abs=1e-5)


def test_a_live_change_lets_mala_weigh_both_states_anew(weights):
    technique = replace(FEW, sampler="MALA", iterations=40, burn_in=1.0, start_noise=0.1)
    task = sampling(technique, linear(weights))
    frames, _ = run(task, {20: {"smoothing": 50.0}})
    before, after = frames[19].losses["log p(x)"], frames[20].losses["log p(x)"]
    assert after < before - 1  # the same picture, or one beside it, is far less likely now


# ---------------------------------------------------------------- pictures


def test_a_sheet_has_a_row_for_each_chain_and_a_sample_in_each_column(weights):
    technique = replace(FEW, iterations=10, chains=2, samples=3, thinning=2, burn_in=0.5, noise=0.1)
    task = sampling(technique, linear(weights))
    assert [(s.size, s.iterations) for s in technique.stages(task)] == [((14, 22), 10)]
    assert kept_at(technique) == [6, 8, 10]
    frames, pictures = run(task)
    assert [f.stage for f in frames] == ["burn-in"] * 5 + ["sampling"] * 5

    def tile(iteration, row, column):
        top, left = row * (SIDE + 2), column * (SIDE + 2)
        return pictures[iteration - 1][:, top : top + SIDE, left : left + SIDE]

    assert pictures[-1].shape == (3, 14, 22)
    for row in (0, 1):
        for column in (0, 1, 2):  # before the first sample is taken all show the chain
            assert (tile(5, row, column) == tile(5, row, 0)).all()
        assert (tile(10, row, 0) == tile(6, row, 0)).all()
        assert (tile(10, row, 1) == tile(8, row, 2)).all()
        assert (tile(10, row, 2) != tile(8, row, 2)).any()
    assert (tile(10, 0, 2) != tile(10, 1, 2)).any()
    assert (pictures[-1][:, SIDE : SIDE + 2] == 0.5).all()


def test_chains_alone_are_laid_out_as_a_square(weights):
    technique = replace(FEW, chains=4)
    task = sampling(technique, linear(weights))
    assert technique.stages(task)[0].size == (14, 14)
    assert run(task)[1][-1].shape == (3, 14, 14)


def test_the_same_seed_gives_the_same_samples(weights):
    technique = replace(FEW, sampler="MALA", iterations=5)
    first, again, other = (
        run(sampling(technique, linear(weights), seed))[1][-1] for seed in (0, 0, 1)
    )
    assert (first == again).all()
    assert (first != other).any()


def test_the_start_has_the_priors_spectrum():
    # The covariance of the prior on a ring: the inverse of 1 + 2 w times the Laplacian's matrix.
    noise = torch.randn(4000, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    clouds = like_the_prior(noise, 3.0)
    assert float(clouds.square().mean()) == pytest.approx(1, rel=1e-3)
    eye = torch.eye(64).view(64, 8, 8)
    laplace = 4 * eye - sum(eye.roll(s, a) for s in (1, -1) for a in (1, 2))
    precision = (eye + 2 * 3.0 * laplace).view(64, 64)
    covariance = precision.inverse()
    covariance = covariance / covariance[0, 0]
    found = torch.einsum("nhw,n->hw", clouds[:, 0], clouds[:, 0, 0, 0]) / 4000
    torch.testing.assert_close(found, covariance[0].view(8, 8), atol=0.06, rtol=0)


def test_the_mean_colour_is_the_networks_own(weights):
    own = linear(weights).card.preprocessing
    torch.testing.assert_close(mean_colour(own), torch.tensor(MEAN))
    expected = torch.tensor([123.68, 116.779, 103.939]) / 255  # red first
    torch.testing.assert_close(mean_colour(CAFFE_VGG), expected)


# ---------------------------------------------------------------- wrong input


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"target": ""}, "needs a class; give its name or number with target="),
        ({"target": "horse"}, "no class 'horse'"),
        ({"sampler": "MALA", "noise": 0.0}, "noise= is 0"),
        ({"samples": 3, "thinning": 5, "iterations": 12, "burn_in": 0.2}, "at least 11 after"),
        ({"smoothing": 3.0}, "use less than 2.44"),
    ],
)
def test_bad_input_is_refused(weights, change, words):
    with pytest.raises(BadInput, match=words):
        run(sampling(replace(FEW, **change), linear(weights)))


def test_the_largest_smoothness_is_where_it_swings(weights):
    # The spread of a chain stays where it is below the limit, and grows without end above.
    far = {}
    for smoothing in (2.2, 3.0):
        technique = replace(FEW, iterations=150, clip=False, noise=0.001, sampler="ULA")
        network = linear(np.zeros((2, NUMBERS)))
        task = sampling(technique, network)
        frames, _ = run(task, {1: {"smoothing": smoothing}})
        far[smoothing] = -frames[-1].losses["log p(x)"]
    assert far[2.2] < 0.01
    assert far[3.0] > 1


def test_numbers_that_are_not_finite_end_the_run(weights):
    weights[1] = np.nan
    with pytest.raises(Diverged, match="iteration 1"):
        run(sampling(FEW, linear(weights)))


def test_settings_and_presets_are_valid():
    described = describe(LangevinSampling)
    assert described["target"].option == "--class"
    for values in LangevinSampling.presets.values():
        technique = make(LangevinSampling, values)
        assert kept_at(technique)[-1] == technique.iterations


def test_a_measurement_takes_all_chains_and_keeps_no_samples():
    technique = replace(FEW, chains=4, samples=5, thinning=1).at_one_size(3)
    assert (technique.iterations, technique.chains, technique.samples) == (3, 4, 1)


# ---------------------------------------------------------------- a real network


def test_slim_vgg_sees_the_class_in_the_sample():
    network = engine.load_network("slim_vgg")
    technique = LangevinSampling(target="sunflower", iterations=30)
    task = sampling(technique, network, size=64)
    frames, pictures = run(task)
    assert frames[0].losses["log p(y|x)"] < -2
    assert frames[-1].losses["log p(y|x)"] > -0.1
    with torch.no_grad():
        shown = network.logits(torch.from_numpy(pictures[-1]).float()).softmax(1)[0]
    assert network.classes[int(shown.argmax())] == "sunflower"
    assert pictures[-1].std() > 0.05
