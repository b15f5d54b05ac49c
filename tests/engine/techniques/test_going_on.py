"""A run that is broken off goes on bit for bit: each technique, wherever it was broken off."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from engine.image import Picture, save_picture
from engine.job import Inputs, Job, run
from engine.networks.network import Network
from engine.task import Technique
from engine.techniques.activation_maximization import ActivationMaximization
from engine.techniques.adversarial import Adversarial
from engine.techniques.ascent.steps import PATIENCE
from engine.techniques.class_visualization import ClassVisualization
from engine.techniques.deep_dream import DeepDream
from engine.techniques.feature_inversion import FeatureInversion
from engine.techniques.hierarchy import Hierarchy
from engine.techniques.langevin import LangevinSampling
from engine.techniques.multifaceted import Multifaceted
from engine.techniques.style_transfer import StyleTransfer
from engine.techniques.texture_synthesis import TextureSynthesis
from tests.engine.continuing import check_goes_on, differences, drawn

Noise = Callable[..., Picture]


def job(technique: Technique, inputs: Inputs, **changes: Any) -> Job:
    return replace(Job(technique, inputs, size=48, device="cpu", precision="fp32"), **changes)


# -- style transfer --------------------------------------------------------------------------------

STYLE = StyleTransfer(iterations=8, smallest_scale=24, averaging=0.5)
"""Scales of 24, 34 and 48 pixels, with 4, 2 and 2 iterations."""
ENDS = (1, 3, 4, 6, 7)
"""After which it is broken off: the first, within a scale, at the end of two, the last but one."""


@pytest.fixture
def two_styles(noise_picture: Noise) -> Inputs:
    styles = (noise_picture(40, 30, seed=2), 2.0), (noise_picture(36, 36, seed=3), 1.0)
    return Inputs(noise_picture(32, 48, seed=1), styles, start=noise_picture(20, 30, seed=4))


@pytest.mark.parametrize(
    "settings",
    [
        {}, {"optimizer": "lbfgs", "learning_rate": 1.0, "history": 2, "start": "noise"},
        {"optimizer": "lbfgs", "learning_rate": 1.0, "longer_steps": 0.0, "start": "picture"},
        {"start": "blend", "style_statistic": "gram", "loss_scaling": "gradient", "clamp": False},
        {"colour": "luminance", "averaging": 0.0}, {"colour": "match", "pooling": "average"},
        {"colour": "luminance-after", "smallest_scale": 48},
    ],
    ids=lambda settings: " ".join(map(str, settings.values())),
)  # fmt: skip
def test_style_transfer(tiny: Network, two_styles: Inputs, settings: dict[str, Any]) -> None:
    whole = check_goes_on(job(replace(STYLE, **settings), two_styles), tiny, ENDS)
    if "smallest_scale" not in settings:
        assert [frame.stage for frame, _ in whole] == ["24 x 16"] * 4 + ["34 x 23"] * 2 + [
            "48 x 32"
        ] * 2


def test_style_transfer_steered(tiny: Network, two_styles: Inputs) -> None:
    """Also where a scale begins with what was changed, and with other weights of the styles."""
    wishes = {
        2: lambda s: s.weigh([0.5, 3.0]),
        3: lambda s: s.change(replace(STYLE, learning_rate=0.1, colour_strength=0.5)),
        4: lambda s: s.change(replace(STYLE, content_weight=0.5)),
        6: lambda s: s.weigh([1.0, 1.0]),
        7: lambda s: s.change(replace(STYLE, style_weight=0.5, tv_weight=3.0)),
    }
    technique = replace(STYLE, colour="match")
    check_goes_on(job(technique, two_styles), tiny, (2, 3, 4, 5, 7), wishes)
    changes = (
        (1, {"style_weights": [1.0, 3.0], "learning_rate": 0.2}), (4, {"tv_weight": 0.0}),
        (6, {"colour_strength": 0.25}),
    )  # fmt: skip
    technique = replace(STYLE, colour="match", colour_strength=0.75)
    check_goes_on(job(technique, two_styles, changes=changes), tiny, (1, 4, 6))


def test_style_transfer_of_what_is_not_opaque(
    tiny: Network, two_styles: Inputs, noise_picture: Noise
) -> None:
    alpha = torch.linspace(0, 1, 48).expand(32, 48).contiguous().numpy()
    photo = Picture(noise_picture(32, 48, seed=1).rgb, alpha)
    check_goes_on(job(STYLE, replace(two_styles, content=photo)), tiny, (4, 6))


def test_style_transfer_of_gray_says_so_all_the_way(tiny: Network, noise_picture: Noise) -> None:
    def gray(seed: int) -> Picture:
        picture = noise_picture(32, 48, seed=seed)
        return Picture(picture.rgb.mean(2, keepdims=True).repeat(3, 2))

    whole = check_goes_on(job(STYLE, Inputs(gray(1), ((gray(2), 1.0),))), tiny, (1, 4, 7))
    assert all(frame.note for frame, _ in whole)


def test_style_transfer_in_bf16(tiny: Network, two_styles: Inputs) -> None:
    technique = replace(STYLE, optimizer="lbfgs", iterations=4, smallest_scale=34)
    check_goes_on(job(technique, two_styles, precision="bf16"), tiny, (2, 3))


# -- texture synthesis -----------------------------------------------------------------------------

TEXTURE = TextureSynthesis(iterations=8, smallest_scale=16, averaging=0.5)


@pytest.fixture
def sample(noise_picture: Noise) -> Inputs:
    return Inputs(noise_picture(33, 40, seed=1))


@pytest.mark.parametrize(
    "settings", [{}, {"seamless": False, "method": "gram"}, {"series": True, "depth": 2}],
    ids=["seamless", "open", "series"],
)  # fmt: skip
def test_texture_synthesis(tiny: Network, sample: Inputs, settings: dict[str, Any]) -> None:
    technique = replace(TEXTURE, **settings)
    size = 34 * 2 - 2 if settings.get("series") else 32
    wanted = job(technique, sample, size=size, changes=((3, {"learning_rate": 0.1}),))
    wishes = {5: lambda s: s.change(replace(technique, tv_weight=2.0, learning_rate=0.1))}
    stages = [frame.stage for frame, _ in check_goes_on(wanted, tiny, ENDS, wishes)]
    assert len(set(stages)) == 3


@pytest.mark.parametrize("opaque", [True, False])
@pytest.mark.parametrize("method", ["efros-leung", "wei-levoy"])
def test_texture_synthesis_without_a_network(
    tiny: Network, noise_picture: Noise, method: str, opaque: bool
) -> None:
    alpha = torch.ones(20, 24)
    alpha[:4, 5:] = 0
    picture = Picture(noise_picture(20, 24, seed=3).rgb, None if opaque else alpha.numpy())
    technique = TextureSynthesis(method=method, neighbourhood=5, levels=3, sample_size=24)
    check_goes_on(job(technique, Inputs(picture), size=16), tiny, range(1, 16, 2))


# -- DeepDream -------------------------------------------------------------------------------------

DREAM = DeepDream(
    iterations=6, octaves=3, octave_scale=1.1, layers={"relu2_2": 1.0, "relu1_1": 0.5}
)
"""Octaves of 40, 44 and 48 pixels, two iterations each."""


@pytest.mark.parametrize("settings", [{}, {"clip": False, "objective": "mean"}, {"smoothing": 1.0}])
def test_deep_dream(tiny: Network, noise_picture: Noise, settings: dict[str, Any]) -> None:
    technique = replace(DREAM, **settings)
    wishes = {
        1: lambda s: s.change(replace(technique, jitter=3)),
        4: lambda s: s.change(replace(technique, step_size=4.0)),
    }
    inputs = Inputs(noise_picture(40, 48, seed=1))
    whole = check_goes_on(job(technique, inputs), tiny, (1, 2, 3, 4, 5), wishes)
    assert len({frame.stage for frame, _ in whole}) == 3


def test_deep_dream_towards_a_guide(tiny: Network, noise_picture: Noise) -> None:
    alpha = torch.ones(40, 48)
    alpha[:10] = 0
    photo = Picture(noise_picture(40, 48, seed=1).rgb, alpha.numpy())
    inputs = Inputs(photo, guide=noise_picture(30, 30, seed=2))
    check_goes_on(job(DREAM, inputs), tiny, (1, 2, 3, 5))


def test_a_film_goes_on_in_any_of_its_frames(tiny: Network, noise_picture: Noise) -> None:
    technique = replace(DREAM, iterations=4, octaves=2, frame_count=3, zoom=1.2, rotation=5.0)
    inputs = Inputs(noise_picture(40, 48, seed=1))
    changes = ((5, {"step_size": 4.0}),)
    whole = check_goes_on(job(technique, inputs, changes=changes), tiny, range(1, 12))
    assert [frame.film for frame, _ in whole] == [0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3]


def test_what_a_dream_says_of_silent_channels_stays(tiny: Network, noise_picture: Noise) -> None:
    """Also where they answered before the break, and no more after it."""
    silent = replace(DREAM, layers={"relu1_1": 1.0}, channels="3", iterations=4, octaves=1)
    network = with_bias(tiny, "conv1_1", 3, -1e6)
    inputs = Inputs(noise_picture(40, 48, seed=1))
    whole = check_goes_on(job(silent, inputs), network, (1, 3))
    assert all("channel 3 of relu1_1" in str(frame.note) for frame, _ in whole)
    data = drawn(job(silent, inputs), tiny, afters=(2,))[1][2]
    rest, _, _ = drawn(job(silent, inputs), network, past=data)
    assert not any(frame.note for frame, _ in rest)


def with_bias(network: Network, layer: str, channel: int, bias: float) -> Network:
    """Return a network that differs in one bias."""
    other = Network(network.twin().module, network.card, network.classes)
    changed = other.module.get_submodule(layer).bias.detach().clone()
    changed[channel] = bias
    other.module.get_submodule(layer).bias = torch.nn.Parameter(changed, requires_grad=False)
    other.calls()
    return other


# -- ascent ----------------------------------------------------------------------------------------

WAYS: list[dict[str, Any]] = [
    {}, {"parameterization": "pyramid", "view_noise": 0.1, "views": 2},
    {"parameterization": "phases", "closest": 0.5},
    {"parameterization": "pixels", "optimizer": "normalised", "learning_rate": 2.0, "blur": 0.5,
     "blur_every": 2, "small_norm": 10.0, "small_contribution": 10.0, "tv": 3.0},
    {"parameterization": "pixels", "optimizer": "progress", "learning_rate": 1e8, "l2": 0.01},
]  # fmt: skip


@pytest.fixture
def named(tiny: Network) -> Network:
    """The tiny network with names for its classes."""
    network = Network(
        tiny.module, replace(tiny.card, layers=("relu1_1", "relu3_1")), tuple("abcde")
    )
    network.calls()
    return network


@pytest.mark.parametrize("settings", WAYS, ids=lambda ways: " ".join(map(str, ways.values())))
def test_class_visualization(named: Network, settings: dict[str, Any]) -> None:
    technique = ClassVisualization(target="b, d", iterations=4, copies=2, diversity=1.0, **settings)
    wishes = {
        2: lambda s: s.change(replace(technique, jitter=3)),
        3: lambda s: s.change(replace(technique, learning_rate=technique.learning_rate / 2)),
    }
    check_goes_on(job(technique, Inputs(), size=24), named, (1, 2, 3), wishes)


@pytest.mark.parametrize("start", ["mean", "picture"])
def test_class_visualization_from_a_picture(
    named: Network, noise_picture: Noise, start: str
) -> None:
    ways = "phases" if start == "picture" else "fourier"
    technique = ClassVisualization(
        target="c", iterations=5, start=start, parameterization=ways, shrinking=True
    )
    inputs = Inputs(start=noise_picture(40, 40, seed=5))
    check_goes_on(job(technique, inputs, size=32), named, (1, 4))


@pytest.mark.parametrize("settings", [*WAYS[:1], *WAYS[2:4]])
def test_activation_maximization(
    tiny: Network, noise_picture: Noise, settings: dict[str, Any]
) -> None:
    technique = ActivationMaximization(layer="relu3_1", channel="3, 5", iterations=5, **settings)
    check_goes_on(job(technique, Inputs(), size=32), tiny, (1, 3, 4))
    guided = replace(technique, channel="")
    inputs = Inputs(guide=noise_picture(30, 30, seed=2))
    check_goes_on(job(guided, inputs, size=32), tiny, (1, 4))


def test_units_that_stay_off_begin_again_as_they_would_have(tiny: Network) -> None:
    """Patience, waking and the note are counted over a break."""
    network = with_bias(tiny, "conv1_1", 5, -1e6)
    technique = ActivationMaximization(
        layer="relu1_1", channel="3, 5", iterations=PATIENCE * 2 + 2, closest=1.0
    )
    afters = (PATIENCE - 1, PATIENCE, PATIENCE * 2)
    whole = check_goes_on(job(technique, Inputs(), size=16), network, afters)
    assert whole[-1][0].stage.endswith("1 from other noise")
    assert all("channel 5 of relu1_1" in str(frame.note) for frame, _ in whole)


@pytest.mark.parametrize("settings", [{}, {"parameterization": "pixels", "learning_rate": 0.01}])
def test_multifaceted_without_its_photos(
    named: Network, noise_picture: Noise, tmp_path: Path, settings: dict[str, Any]
) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for seed in range(6):
        save_picture(noise_picture(24, 24, seed=seed), folder / f"{seed}.png")
    technique = Multifaceted(target="b", folder=str(folder), copies=2, iterations=5, **settings)
    wanted = job(technique, Inputs(), size=32)
    whole, kept, _ = drawn(wanted, named, afters=(1, 3))
    shutil.rmtree(folder)
    for after, data in kept.items():
        assert not differences(drawn(wanted, named, past=data)[0], whole[after:])


# -- hierarchy -------------------------------------------------------------------------------------

ROWS = Hierarchy(layer="relu1_1, relu2_1, relu3_1", units="2", iterations=4)


@pytest.mark.parametrize("settings", [{}, *WAYS[2:4]])
def test_hierarchy(tiny: Network, home: Path, settings: dict[str, Any]) -> None:
    technique = replace(ROWS, **settings, resume=False)
    wishes = {6: lambda s: s.change(replace(technique, jitter=3))}
    check_goes_on(job(technique, Inputs(), size=3 * 18 - 2), tiny, (1, 4, 5, 8), wishes)


def test_a_checkpoint_goes_before_what_a_hierarchy_keeps(tiny: Network, home: Path) -> None:
    wanted = job(ROWS, Inputs(), size=3 * 18 - 2)
    whole, _, _ = drawn(replace(wanted, technique=replace(ROWS, resume=False)), tiny)
    data = drawn(wanted, tiny, afters=(3,))[1][3]
    frames = run(wanted, tiny)
    for _ in range(7):
        next(frames)
    frames.close()
    cache = home.parent / "cache"
    assert len(list(cache.iterdir())) == 1
    rest, _, _ = drawn(wanted, tiny, past=data)
    assert not differences(rest, whole[3:])
    assert not list(cache.iterdir()), "a finished run is not kept"


# -- feature inversion, Langevin sampling, adversarial examples ------------------------------------


@pytest.mark.parametrize("settings", [{"layer": "relu1_1, relu3_1", "repeats": 2}, {}])
def test_feature_inversion(tiny: Network, noise_picture: Noise, settings: dict[str, Any]) -> None:
    technique = FeatureInversion(iterations=6, **settings)
    wishes = {3: lambda s: s.change(replace(technique, smoothness=2.0, learning_rate=0.3))}
    inputs = Inputs(noise_picture(40, 48, seed=1))
    check_goes_on(job(technique, inputs), tiny, (1, 3, 5), wishes)


@pytest.mark.parametrize("sampler", ["ULA", "MALA"])
def test_langevin(named: Network, sampler: str) -> None:
    """Also where it is steered just before and after, which measures the density anew."""
    technique = LangevinSampling(
        target="b", iterations=10, sampler=sampler, chains=2, samples=3, thinning=2, burn_in=0.5,
        class_step=0.01, prior_step=0.0001,
    )  # fmt: skip
    wishes = {
        3: lambda s: s.change(replace(technique, noise=0.02)),
        7: lambda s: s.change(replace(technique, prior_step=0.0003, noise=0.02)),
    }
    afters = (1, 3, 5, 8)
    whole = check_goes_on(job(technique, Inputs(), size=32), named, afters, wishes)
    if sampler == "MALA":
        taken = [frame.losses["acceptance"] for frame, _ in whole]
        assert any(0 < share < 1 for share in taken), "some steps are taken, some not"


@pytest.mark.parametrize(
    "settings",
    [{"method": "pgd", "random_start": True}, {"method": "pgd", "norm": "L2", "random_start": True},
     {"method": "gradient", "step": 5.0}],
)  # fmt: skip
def test_adversarial(named: Network, noise_picture: Noise, settings: dict[str, Any]) -> None:
    technique = Adversarial(iterations=6, margin=0.99, **settings)
    wishes = {3: lambda s: s.change(replace(technique, step=20.0, share=0.1))}
    inputs = Inputs(noise_picture(40, 48, seed=1))
    check_goes_on(job(technique, inputs), named, (1, 3, 5), wishes)


def test_an_attack_that_has_fooled_the_network_is_over(
    named: Network, noise_picture: Noise
) -> None:
    technique = Adversarial(iterations=100, margin=0.0, step=100.0)
    wanted = job(technique, Inputs(noise_picture(40, 48, seed=1)))
    whole, _, _ = drawn(wanted, named)
    last = len(whole)
    assert 1 < last < 100
    assert check_goes_on(wanted, named, (1, last - 1, last))[-1][0].total == last
