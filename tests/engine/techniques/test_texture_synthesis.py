"""Texture synthesis: losses by numpy, scales, the torus, the methods by pixels, and real textures."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

import engine
from engine.errors import BadInput, Diverged
from engine.image import Picture
from engine.networks.network import Network
from engine.parameterization.sheet import tiles_of
from engine.settings import make
from engine.task import Task
from engine.techniques.texture_synthesis import TextureSynthesis
from engine.techniques.texture_synthesis.figure import shown
from engine.techniques.texture_synthesis.plan import sample_size, side_of, style_layers
from engine.techniques.texture_synthesis.steps import (
    TextureLoss,
    enlarged,
    resized,
)
from tests.engine.hooks import hooks_of

SHORT = TextureSynthesis(iterations=3, smallest_scale=4096, averaging=0.0)


@pytest.fixture
def texture_task(task, noise_picture):
    """Return a maker of tasks with a square sample."""

    def make_task(technique, **changes):
        changes.setdefault("content", noise_picture(40, 40, seed=4, high=0.8))
        return task(technique, **changes)

    return make_task


@pytest.fixture(scope="module")
def slim_vgg():
    return engine.load_network("slim_vgg")


def wrapped_taps(network, picture, names):
    """Return activations on a torus: those in the middle of the picture tiled 3 x 3."""
    with torch.no_grad():
        taps = network.taps(picture.repeat(1, 1, 3, 3), names)
    middle = {}
    for name, tap in taps.items():
        height, width = tap.shape[2] // 3, tap.shape[3] // 3
        middle[name] = tap[..., height : 2 * height, width : 2 * width]
    return middle


# ---------------------------------------------------------------- the losses


def test_the_loss_is_gatys_on_a_torus(texture_task, tiny):
    settings = replace(SHORT, method="gram", tv_weight=0.5, style_layers={"relu1_1": 3.0})
    run = texture_task(settings, size=32)
    sample = run.content.tensor()[None]
    texture = TextureLoss(run, settings, sample, None)
    x = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(8))
    noted: dict[str, float] = {}
    texture.gradient(settings, 1, noted, x)

    def gram(features):
        rows = features[0].flatten(1).double().numpy()
        return rows @ rows.T / rows.shape[1]

    with torch.no_grad():  # the first convolution of the sample: the border continued
        target = gram(tiny.taps(sample, ["relu1_1"], padding="replicate")["relu1_1"])
    here = gram(wrapped_taps(tiny, x, ["relu1_1"])["relu1_1"])
    expected = ((here - target) ** 2).sum() / (target**2).sum()
    assert noted["style"] == pytest.approx(expected, rel=1e-4)
    assert noted["total"] == pytest.approx(noted["style"] + noted["variation"], rel=1e-6)


@pytest.mark.parametrize("method", ["gram", "wasserstein"])
def test_all_places_of_a_seamless_picture_are_alike(method, texture_task):
    # 64 is a multiple of every pool: shifts by 16 move the gradient along and change nothing else
    settings = replace(
        SHORT, method=method, tv_weight=0.0, style_layers={"relu2_2": 1, "relu3_2": 1}
    )
    run = texture_task(settings, size=64)
    texture = TextureLoss(run, settings, run.content.tensor()[None], None)
    texture.turned = lambda picture: picture
    x = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(8))
    plain = texture.gradient(settings, 1, {}, x)
    moved = texture.gradient(settings, 1, {}, x.roll((16, 48), (2, 3))).roll((-16, -48), (2, 3))
    torch.testing.assert_close(moved, plain, rtol=1e-3, atol=float(plain.abs().max()) * 1e-3)
    edged = replace(settings, seamless=False)
    other = TextureLoss(run, edged, run.content.tensor()[None], None)
    plain = other.gradient(edged, 1, {}, x)
    moved = other.gradient(edged, 1, {}, x.roll((16, 48), (2, 3))).roll((-16, -48), (2, 3))
    assert (moved - plain).abs().max() > 0.1 * plain.abs().max()


@pytest.mark.parametrize("seamless", [True, False])
def test_the_gradient_by_differences(seamless, texture_task, tiny):
    settings = replace(SHORT, seamless=seamless, style_layers={"relu1_1": 2.0, "relu2_1": 1.0})
    run = texture_task(settings, network=tiny.at("cpu", torch.float64), size=8)
    texture = TextureLoss(run, settings, run.content.tensor()[None].double(), None)
    texture.turned = lambda picture: picture.roll((3, 2), (2, 3))
    x = torch.rand(1, 3, 8, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(8))
    gradient = texture.gradient(settings, 1, {}, x)

    def total(y):
        with torch.no_grad():
            return float(texture.terms(y, settings)["total"])

    for place in [(0, 0, 0, 0), (0, 1, 3, 4), (0, 2, 7, 7)]:
        step = torch.zeros_like(x)
        step[place] = 1e-5
        slope = (total(x + step) - total(x - step)) / 2e-5
        assert gradient[place].item() == pytest.approx(slope, rel=1e-3)


def test_depth_takes_the_first_layers(tiny, texture_task):
    layers = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
    card = replace(tiny.card, style_layers=dict.fromkeys(layers, 1.0))
    network = Network(tiny.module, card)
    assert style_layers(replace(SHORT, depth=2), network) == {"relu1_1": 16.0, "relu2_1": 8.0}
    gram = TextureSynthesis(method="gram", depth=3)
    assert style_layers(gram, network) == dict.fromkeys(layers[:3], 1.0)
    assert gram.suggested_layers(network)["style_layers"] == style_layers(gram, network)
    own = TextureSynthesis(style_layers={"relu2_2": 3.0, "relu1_1": 1.0}, depth=1)
    assert style_layers(own, network) == {"relu2_2": 3.0}
    with pytest.raises(BadInput, match="give style_layers="):
        style_layers(SHORT, Network(tiny.module, replace(tiny.card, style_layers={})))


# ---------------------------------------------------------------- scales


def test_scales_that_the_network_refuses_are_left_out(texture_task, one_size, noise_picture):
    settings = TextureSynthesis(iterations=4, smallest_scale=16)
    run = texture_task(settings, size=64, network=one_size, content=noise_picture(64, 64))
    assert [stage.size for stage in settings.stages(run)] == [(64, 64)]
    assert [frame.stage for frame in settings.frames(run)] == ["64 x 64"] * 4


def test_the_scales_end_with_a_square_and_begin_with_a_sample_large_enough(texture_task):
    settings = TextureSynthesis(iterations=100, smallest_scale=32)
    run = texture_task(settings, size=160)  # the sample has 40 pixels, the result four times that
    found = settings.stages(run)
    assert [s.size for s in found] == [(160, 160)]  # one step down, 28 pixels are left
    settings = replace(settings, smallest_scale=20)
    found = settings.stages(run)
    assert [s.size for s in found] == [(80, 80), (113, 113), (160, 160)]
    assert [s.iterations for s in found] == [50, 25, 25]
    assert len(replace(settings, iterations=2).stages(run)) == 2
    assert settings.at_one_size(5).stages(run)[0].iterations == 5
    assert len(settings.at_one_size(5).stages(run)) == 1


def test_the_sample_keeps_its_size_and_shrinks_with_the_result(texture_task):
    run = texture_task(SHORT, size=160)
    assert sample_size(run, 160) == (40, 40)
    assert sample_size(run, 140) == (35, 35)
    assert sample_size(run, 40) == (32, 32)  # below this the network sees too little
    assert sample_size(texture_task(SHORT, size=36), 36) == (36, 36)
    larger = texture_task(replace(SHORT, sample_size=80), size=160)
    assert sample_size(larger, 160) == (80, 80)


@pytest.mark.parametrize("grow", [enlarged, resized])
@pytest.mark.parametrize(("side", "moved", "becomes"), [(24, 2, 3), (20, 4, 5), (32, 5, 10)])
def test_a_seamless_picture_grows_alike_everywhere(grow, side, moved, becomes):
    x = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(6))

    def both(seamless):
        grown = grow(x, side, seamless)
        of_moved = grow(x.roll((moved, 2 * moved), (2, 3)), side, seamless)
        return grown.roll((becomes, 2 * becomes), (2, 3)), of_moved

    torch.testing.assert_close(*both(True))
    one, other = both(False)
    assert one.shape == other.shape == (1, 3, side, side)
    assert (one - other).abs().max() > 0.05  # borders that are continued each by itself


def test_moments_of_a_seamless_picture_grow_as_others_do_inside():
    x = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(6))
    middle = resized(x, 24, True)[..., 8:-8, 8:-8]
    torch.testing.assert_close(middle, resized(x, 24, False)[..., 8:-8, 8:-8])
    assert float(resized(x, 24, True).min()) >= float(x.min())


def test_no_line_of_an_enlarged_seamless_picture_is_sharper_than_another():
    # Cubic interpolation keeps what falls on a pixel and blurs what falls between: by its weights,
    # steps between neighbours vary by some 20 % from line to line, and are largest at the border.
    x = 0.5 + 0.1 * torch.randn(64, 3, 40, 40, generator=torch.Generator().manual_seed(6))

    def lines(grown):
        steps = (grown - grown.roll(1, 3)).square().mean((0, 1, 2)).sqrt()
        return steps / steps.mean()

    assert lines(enlarged(x, 57, True)).sub(1).abs().max() < 0.04
    cubic = lines(enlarged(x, 57, False))[1:]
    assert cubic.std() > 0.1


def test_a_run_is_square_in_range_and_repeatable(texture_task, pictures_of):
    settings = TextureSynthesis(iterations=6, smallest_scale=20)
    run = texture_task(settings, size=56)
    frames = pictures_of(run)
    assert [f.iteration for f, _ in frames] == [1, 2, 3, 4, 5, 6]
    assert all(f.total == 6 for f, _ in frames)
    plan = [s.size for s in settings.stages(run) for _ in range(s.iterations)]
    assert [tuple(p.shape[1:]) for _, p in frames] == plan
    assert all(0 <= float(p.min()) <= float(p.max()) <= 1 for _, p in frames)
    again = pictures_of(texture_task(settings, size=56))
    assert torch.equal(again[-1][1], frames[-1][1])
    assert not torch.equal(
        pictures_of(texture_task(settings, size=56, seed=1))[-1][1], again[-1][1]
    )


def test_live_settings_take_effect_at_the_next_iteration(texture_task, pictures_of):
    change = {1: {"tv_weight": 0.0, "learning_rate": 1e-5}}
    frames = pictures_of(texture_task(SHORT), change=change)
    assert frames[0][0].losses["variation"] > 0
    assert frames[1][0].losses["variation"] == 0
    assert float((frames[2][1] - frames[1][1]).abs().max()) < 1e-4
    assert float((frames[1][1] - frames[0][1]).abs().max()) < 1e-4


def test_a_texture_needs_a_sample_and_numbers(texture_task):
    for method in ("gram", "efros-leung"):
        settings = replace(SHORT, method=method)
        with pytest.raises(BadInput, match="texture"):
            list(settings.frames(texture_task(settings, content=None)))
    run = texture_task(SHORT)
    frames = run.technique.frames(run)
    next(frames)
    run.technique = replace(run.technique, tv_weight=float("inf"))
    with pytest.raises(Diverged, match="variation"):
        next(frames)


def test_presets_are_settings():
    for preset in TextureSynthesis.presets.values():
        make(TextureSynthesis, preset)


# ---------------------------------------------------------------- depth by depth

SERIES = replace(
    SHORT, series=True, style_layers={"relu1_1": 1.0, "relu2_1": 2.0, "relu3_1": 1.0}, depth=3
)


def test_a_series_is_the_textures_of_each_depth_from_the_same_noise(texture_task, pictures_of):
    # without shifts, whose draws the pictures of a series share out
    settings = replace(SERIES, seamless=False, smallest_scale=20, iterations=6)
    run = texture_task(settings, size=102)
    assert side_of(run) == 50
    assert [s.size for s in settings.stages(run)] == [(2 * s + 2,) * 2 for s in (25, 35, 50)]
    frames = pictures_of(run)
    assert [tuple(p.shape[1:]) for _, p in frames] == [
        s.size for s in settings.stages(run) for _ in range(s.iterations)
    ]
    tiles = tiles_of(frames[-1][1], 3)
    styles = []
    for depth, tile in enumerate(tiles, start=1):
        single = replace(settings, series=False, depth=depth)
        alone = pictures_of(texture_task(single, size=50))
        torch.testing.assert_close(tile, alone[-1][1], atol=1e-5, rtol=0)
        styles.append(alone[-1][0].losses["style"])
    losses = frames[-1][0].losses
    named = [losses[name] for name in ("relu1_1", "relu2_1", "relu3_1")]
    assert named == pytest.approx(styles, rel=1e-4)
    assert losses["style"] == pytest.approx(sum(styles) / 3, rel=1e-4)


def test_the_figure_of_a_series_says_how_deep_each_is(texture_task):
    run = texture_task(SERIES, size=102)
    sheet = torch.full((3, 102, 102), 0.5)
    sheet[:, :50, 52:] = 0.2
    sheet[:, 52:, :50] = 0.3
    sample, *made = shown(run, sheet)
    assert [t.caption for t in made] == ["relu1_1", "up to relu2_1", "up to relu3_1"]
    assert [float(t.picture.mean()) for t in made] == pytest.approx([0.5, 0.2, 0.3])
    assert sample.caption == "sample"
    torch.testing.assert_close(sample.picture, run.content.tensor())
    figure = SERIES.figure(run, sheet)
    assert figure.height > 100 and figure.width > 100


def test_a_seamless_result_is_shown_tiled(texture_task):
    run = texture_task(SHORT, size=24)
    made = torch.rand(3, 24, 24)
    _, tiled = shown(run, made)
    assert tiled.caption == "tiled 3 x 3"
    assert tiled.picture.shape == (3, 72, 72)
    for y, x in [(0, 0), (23, 24), (47, 71), (50, 30)]:
        assert torch.equal(tiled.picture[:, y, x], made[:, y % 24, x % 24])
    assert replace(SHORT, method="wei-levoy", seamless=False).tiles
    for other in (replace(SHORT, seamless=False), replace(SHORT, method="efros-leung")):
        assert not other.tiles
        assert shown(replace(run, technique=other), made)[1].picture is made
    assert SHORT.figure(run, made).width > 24 + 72


def test_a_series_needs_layers_and_room(texture_task):
    by_pixels = replace(SERIES, method="wei-levoy")
    with pytest.raises(BadInput, match="take gram or wasserstein"):
        list(by_pixels.frames(texture_task(by_pixels)))
    with pytest.raises(BadInput, match="series of 3 pictures needs at least 66"):
        SERIES.stages(texture_task(SERIES, size=65))
    assert SERIES.stages(texture_task(SERIES, size=66))[-1].size == (66, 66)


# ---------------------------------------------------------------- by pixels


@pytest.mark.parametrize("method", ["efros-leung", "wei-levoy"])
def test_methods_without_a_network_take_pixels_of_the_sample(method, texture_task, pictures_of):
    settings = TextureSynthesis(method=method, neighbourhood=5, levels=2)
    random = np.random.default_rng(3)
    colours = np.float32([[0.1, 0.2, 0.9], [0.8, 0.7, 0.1], [0.3, 0.9, 0.4]])
    sample = Picture(colours[random.integers(0, 3, (16, 16))])
    run = texture_task(settings, size=20, content=sample)
    (stage,) = settings.stages(run)
    assert (stage.size, stage.iterations) == ((20, 20), 20)
    frames = pictures_of(run)
    assert [f.iteration for f, _ in frames] == list(range(1, 21))
    assert all(f.total == 20 and f.losses == {} for f, _ in frames)
    last = frames[-1][1]
    assert last.shape == (3, 20, 20)
    seen = {tuple(np.round(p, 4)) for p in last.flatten(1).T.numpy()}
    assert seen <= {tuple(np.round(c, 4)) for c in colours}
    assert len(seen) == 3


# ---------------------------------------------------------------- the network that ships


def seam(picture):
    """Return how much larger the step across the borders is than elsewhere, the worse of both."""
    across = (picture - picture.roll(1, 2)).abs().mean((0, 1))
    down = (picture - picture.roll(1, 1)).abs().mean((0, 2))
    return max(float(steps[0] / steps[1:].mean()) for steps in (across, down))


def test_a_real_texture_grows_and_tiles(slim_vgg, data_folder):
    whole = engine.image.open_picture(data_folder / "images/photos/flowers.jpg")
    crop = whole.tensor()[:, 90:170, 60:140].permute(1, 2, 0)
    sample = Picture(np.ascontiguousarray(crop.numpy()))
    settings = TextureSynthesis(iterations=40, averaging=0.8)
    first = next(m for m in slim_vgg.module.modules() if isinstance(m, nn.Conv2d))

    def run(technique):
        task = Task(technique, slim_vgg, 112, torch.Generator().manual_seed(0), content=sample)
        frames = list(technique.frames(task))
        return frames[0].losses["style"], frames[-1].losses["style"], frames[-1].picture

    before, after, picture = run(settings)
    assert after < 0.3 * before
    _, _, edged = run(replace(settings, seamless=False))
    assert seam(picture) < 1.6 < seam(edged)
    assert not hooks_of(first)


def test_real_borders_are_as_smooth_as_the_inside(slim_vgg, data_folder):
    whole = engine.image.open_picture(data_folder / "images/photos/flowers.jpg")
    crop = whole.tensor()[:, 90:170, 60:140].permute(1, 2, 0)
    sample = Picture(np.ascontiguousarray(crop.numpy()))
    settings = TextureSynthesis(iterations=24, averaging=0.8, depth=2, smallest_scale=48)
    lines = torch.zeros(112)
    for seed in range(8):
        task = Task(settings, slim_vgg, 112, torch.Generator().manual_seed(seed), content=sample)
        assert len(settings.stages(task)) > 1
        *_, last = settings.frames(task)
        for axis in (1, 2):
            steps = (last.picture - last.picture.roll(1, axis)).abs().mean((0, 3 - axis))
            lines += steps / steps.mean() / 16
    # One picture's line is known to a third only; the mean of sixteen to under a tenth.
    assert 0.85 < float(lines[0]) < 1.12
