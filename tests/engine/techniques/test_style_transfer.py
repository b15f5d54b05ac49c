"""Style transfer: the loss by scipy, the plan, starts, colours, live changes; and the real VGG-19."""

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import sqrtm
from torch.nn import functional as F

from engine import settings as settings_of
from engine.errors import BadInput, Diverged
from engine.image import Picture
from engine.networks.loading import load_network
from engine.objectives.style import gram_matrix
from engine.recipe_values import technique_of
from engine.settings import make
from engine.task import Task
from engine.techniques.style_transfer import StyleTransfer
from engine.techniques.style_transfer.objective import (
    content_layers,
    deeper_counterpart,
    style_layers,
)
from engine.techniques.style_transfer.steps import scales
from tests.engine.hooks import hooks_of

ONE_SCALE = StyleTransfer(
    start="content",
    iterations=4, smallest_scale=4096, averaging=0.0, learning_rate=0.02,
    content_weight=0.25, style_weight=1.0, tv_weight=2.0,
    style_layers={"relu1_1": 2.0, "relu2_1": 1.0},
)  # fmt: skip


@pytest.fixture
def style_task(task, noise_picture):
    """Return a maker of tasks with one style."""

    def make_task(technique, **changes):
        changes.setdefault("styles", [(noise_picture(40, 36, seed=5, high=0.7), 1.0)])
        return task(technique, **changes)

    return make_task


def tensor(picture):
    return picture.tensor()[None]


def hooks(network):
    return hooks_of(network.module)


# ---------------------------------------------------------------- the loss, by other means


def rows(features):
    return features[0].flatten(1).double().numpy()


def style_loss(f, target, statistic, scaling):
    f, target = rows(f), rows(target)
    channels = len(f)
    second, wanted = f @ f.T / f.shape[1], target @ target.T / target.shape[1]
    if statistic == "gram":
        d = second - wanted
        return {
            "raw": (d**2).mean(),
            "relative": (d**2).mean() / (wanted**2).mean(),
            "gradient": (d**2).sum() / np.abs(d).sum(),
        }[scaling]
    mean, wanted_mean = f.mean(1), target.mean(1)
    floor = (1e-4 if scaling == "raw" else 1e-3 * np.diag(wanted).mean()) * np.eye(channels)
    covariance = second - np.outer(mean, mean) + floor
    wanted_covariance = wanted - np.outer(wanted_mean, wanted_mean) + floor
    root = np.real(sqrtm(wanted_covariance))
    cross = np.real(sqrtm(root @ covariance @ root))
    distance = ((mean - wanted_mean) ** 2).mean()
    distance += np.trace(covariance + wanted_covariance - 2 * cross) / channels
    return {
        "raw": distance,
        "relative": distance / np.diag(wanted).mean(),
        "gradient": math.sqrt(distance),
    }[scaling]


def content_loss(f, target, scaling):
    f, target = rows(f), rows(target)
    d = f - target
    return {
        "raw": (d**2).mean(),
        "relative": (d**2).mean() / (target**2).mean(),
        "gradient": (d**2).sum() / np.abs(d).sum(),
    }[scaling]


@pytest.mark.parametrize("scaling", ["relative", "raw", "gradient"])
@pytest.mark.parametrize("statistic", ["wasserstein", "gram"])
def test_the_losses_are_those_of_the_definition(statistic, scaling, style_task, noise_picture):
    settings = replace(
        ONE_SCALE, iterations=1, start="picture", style_statistic=statistic, loss_scaling=scaling,
        content_weight=0.5, style_weight=3.0, tv_weight=7.0,
        content_layers={"relu3_1": 1.0, "relu2_2": 3.0}, pooling="average", padding="replicate",
    )  # fmt: skip
    start = noise_picture(32, 48, seed=9)
    task = style_task(settings, start=start)
    (frame,) = settings.frames(task)

    def taps(picture):
        names = ["relu1_1", "relu2_1", "relu2_2", "relu3_1"]
        with torch.no_grad():
            return task.network.taps(picture, names, pooling="average", padding="replicate")

    here, content, style = map(
        taps, (tensor(start), tensor(task.content), tensor(task.styles[0][0]))
    )
    contents = [content_loss(here[n], content[n], scaling) for n in ("relu3_1", "relu2_2")]
    assert frame.losses["content"] == pytest.approx(
        0.5 * (contents[0] + 3 * contents[1]) / 4, rel=1e-4
    )
    styles = [style_loss(here[n], style[n], statistic, scaling) for n in ("relu1_1", "relu2_1")]
    assert frame.losses["style"] == pytest.approx(3 * (2 * styles[0] + styles[1]) / 3, rel=1e-3)
    x = np.pad(tensor(start).double().numpy(), ((0, 0), (0, 0), (1, 1), (1, 1)), "edge")
    middle = x[..., 1:-1, 1:-1]
    steps = [x[..., 1:-1, 2:], x[..., 2:, 1:-1], x[..., 2:, 2:], x[..., 2:, :-2]]
    squares = [((s - middle) ** 2).mean() for s in steps]
    variation = 2 * (sum(squares[:2]) / 3 + sum(squares[2:]) / 12)
    assert frame.losses["variation"] == pytest.approx(7 * variation, rel=1e-5)
    parts = sum(frame.losses[name] for name in ("content", "style", "variation"))
    assert frame.losses["total"] == pytest.approx(parts, rel=1e-5)


def test_terms_without_layers_are_nothing(style_task):
    task = style_task(replace(ONE_SCALE, content_layers={}, style_layers={"relu1_1": 0.0}))
    frames = list(task.technique.frames(task))
    assert {frame.losses["content"] for frame in frames} == {0.0}
    assert {frame.losses["style"] for frame in frames} == {0.0}
    assert frames[-1].losses["total"] < frames[0].losses["total"]  # smoothness is left


def test_the_first_step_goes_down_the_gradient_of_the_total(style_task, pictures_of):
    # L-BFGS' first step is the gradient, so it shows; here by differences of the total loss.
    rate = 1e-3
    start = {"start": "picture", "optimizer": "lbfgs", "learning_rate": rate, "clamp": False}
    settings = replace(ONE_SCALE, iterations=1, loss_scaling="raw", tv_weight=50.0, **start)
    task = style_task(settings)

    def total(picture):
        rgb = np.ascontiguousarray(picture[0].permute(1, 2, 0).numpy())
        other = style_task(settings, start=Picture(rgb))
        (frame,) = settings.frames(other)
        return frame.losses["total"]

    x = tensor(task.content) * 0.5 + 0.2
    task.start = Picture(np.ascontiguousarray(x[0].permute(1, 2, 0).numpy()))
    ((frame, after),) = pictures_of(task)
    direction = (after - x[0]) / (after - x[0]).norm()
    # The step is min(1, 1/|g|₁) g: both its length and the slope along it give |g|₂.
    slope = (total(x + 1e-2 * direction) - total(x - 1e-2 * direction)) / 2e-2
    assert slope < 0
    random = torch.randn(x.shape[1:], generator=torch.Generator().manual_seed(0))
    random /= random.norm()
    other = (total(x + 1e-2 * random) - total(x - 1e-2 * random)) / 2e-2
    assert other == pytest.approx(slope * float((random * direction).sum()), abs=0.03 * abs(slope))
    assert frame.losses["total"] == pytest.approx(total(x))


# ---------------------------------------------------------------- the plan


def test_scales_and_their_shares(style_task):
    settings = StyleTransfer(iterations=600, smallest_scale=128, first_share=2.0)
    task = style_task(settings, size=512)
    plan = settings.stages(task)
    assert [s.size for s in plan] == [(85, 128), (121, 181), (171, 256), (241, 362), (341, 512)]
    assert [s.iterations for s in plan] == [200, 100, 100, 100, 100]
    plan = replace(settings, iterations=3).stages(task)
    assert [s.iterations for s in plan] == [1, 1, 1]
    assert [s.size[1] for s in plan] == [256, 362, 512]
    plan = replace(settings, iterations=6, first_share=20.0).stages(task)
    assert [s.iterations for s in plan] == [2, 1, 1, 1, 1]


def test_scales_that_the_network_refuses_are_left_out(style_task, one_size, noise_picture):
    settings = StyleTransfer(iterations=6, smallest_scale=16)
    content, style = noise_picture(64, 64, seed=1), noise_picture(64, 64, seed=2)
    task = style_task(
        settings, size=64, network=one_size, content=content, styles=[(style, 1.0)]
    )  # fmt: skip
    assert [stage.size for stage in settings.stages(task)] == [(64, 64)]
    frames = list(settings.frames(task))
    assert len(frames) == 6 and frames[-1].losses["total"] < frames[0].losses["total"]


@given(
    iterations=st.integers(1, 2000),
    share=st.floats(0.1, 20),
    size=st.integers(32, 3000),
    smallest=st.integers(16, 4096),
)
@settings(max_examples=200, deadline=None)
def test_the_plan_takes_as_many_iterations_as_asked_for(tiny, iterations, share, size, smallest):
    rgb = np.zeros((30, 50, 3), np.float32)
    settings = StyleTransfer(iterations=iterations, first_share=share, smallest_scale=smallest)
    task = Task(settings, tiny, size, torch.Generator(), Picture(rgb), [(Picture(rgb), 1.0)])
    plan = settings.stages(task)
    assert sum(stage.iterations for stage in plan) == iterations
    assert all(stage.iterations >= 1 for stage in plan)
    assert plan[-1].size == (round(size * 30 / 50), size)


def test_a_frame_for_every_iteration_of_the_plan(style_task):
    settings = replace(ONE_SCALE, iterations=7, smallest_scale=32, first_share=2.0)
    task = style_task(settings, size=64)
    plan = settings.stages(task)
    assert [(s.size, s.iterations) for s in plan] == [((21, 32), 3), ((30, 45), 2), ((43, 64), 2)]
    frames = list(settings.frames(task))
    assert [f.iteration for f in frames] == list(range(1, 8))
    assert {f.total for f in frames} == {7}
    labels = [f"{s.size[1]} x {s.size[0]}" for s in plan for _ in range(s.iterations)]
    assert [f.stage for f in frames] == labels
    assert [f.seconds for f in frames] == sorted(f.seconds for f in frames)
    assert frames[-1].picture.shape == (3, 43, 64)
    assert frames[-1].picture.dtype == torch.float32
    assert set(frames[0].losses) == {"content", "style", "variation", "total"}


def test_a_measurement_at_one_size(style_task):
    settings = StyleTransfer(smallest_scale=16).at_one_size(5)
    assert [(s.size, s.iterations) for s in settings.stages(style_task(settings))] == [
        ((32, 48), 5)
    ]


def test_the_next_scale_starts_with_the_mean_of_the_last(style_task, pictures_of):
    settings = replace(
        ONE_SCALE, iterations=5, smallest_scale=32, averaging=0.8, learning_rate=0.05,
        first_share=1.5,
    )  # fmt: skip
    task = style_task(settings, size=45)
    plan = settings.stages(task)
    assert [s.iterations for s in plan] == [3, 2]
    found = pictures_of(task, change={3: {"learning_rate": 1e-5}})
    small, large = found[2][1][None], found[3][1][None]
    expected = F.interpolate(
        small, size=plan[1].size, mode="bicubic", align_corners=False, antialias=True
    ).clamp(0, 1)
    torch.testing.assert_close(large, expected, atol=1e-4, rtol=0)


def test_adam_goes_on_with_its_moments_at_the_next_scale(style_task, pictures_of):
    # A fresh Adam's first step is the learning rate at every pixel; one with a past is not so even.
    settings = replace(
        ONE_SCALE, iterations=6, smallest_scale=32, first_share=1.5, learning_rate=0.01, clamp=False
    )
    task = style_task(settings, size=45)
    assert [s.iterations for s in settings.stages(task)] == [4, 2]
    found = pictures_of(task)
    large = F.interpolate(
        found[3][1][None], size=(30, 45), mode="bicubic", align_corners=False, antialias=True
    )
    inside = (slice(None), slice(2, -2), slice(2, -2))
    change = ((found[4][1] - large[0].clamp(0, 1)).abs() / 0.01)[inside]
    assert change.median() < 0.9
    assert (abs(change - 1) < 0.01).float().mean() < 0.2


def test_styles_are_never_enlarged_and_follow_their_scale(style_task, noise_picture, sizes_seen):
    styles = [(noise_picture(60, 90, seed=5), 1.0), (noise_picture(40, 36, seed=6), 1.0)]
    task = style_task(replace(ONE_SCALE, iterations=1), styles=styles)
    # content, the first style at the result's long side, the second as it is, and the step
    assert sizes_seen(task) == [(32, 48), (32, 48), (40, 36), (32, 48)]
    task = style_task(replace(ONE_SCALE, iterations=1, style_scale=1.5), styles=styles[:1])
    assert sizes_seen(task) == [(32, 48), (48, 72), (32, 48)]
    task = style_task(replace(ONE_SCALE, iterations=1, style_scale=4.0), styles=styles[:1])
    assert sizes_seen(task) == [(32, 48), (60, 90), (32, 48)]


# ---------------------------------------------------------------- start


def started(technique, style_task, pictures_of, **changes):
    """Return the start: the picture after a step of a hundred thousandth."""
    technique = replace(technique, iterations=1, learning_rate=1e-5)
    ((_, picture),) = pictures_of(style_task(technique, **changes))
    return picture


def test_start_content_and_gray(style_task, pictures_of, noise_picture):
    content = noise_picture(32, 48, seed=1).tensor()
    x = started(ONE_SCALE, style_task, pictures_of)
    torch.testing.assert_close(x, content, atol=2e-5, rtol=0)
    x = started(replace(ONE_SCALE, start="gray"), style_task, pictures_of)
    torch.testing.assert_close(x, torch.full_like(content, 0.5), atol=2e-5, rtol=0)


def test_a_recoloured_start_has_the_colours_of_the_heaviest_painting(
    style_task, pictures_of, noise_picture
):
    light = noise_picture(32, 48, seed=5, high=0.3)
    heavy = noise_picture(32, 48, seed=6, high=0.8)
    settings = replace(ONE_SCALE, start="recoloured")
    x = started(settings, style_task, pictures_of, styles=[(light, 1.0), (heavy, 2.0)])
    mean, wanted = (p.flatten(1).mean(1) for p in (x, heavy.tensor()))
    torch.testing.assert_close(mean, wanted, atol=0.01, rtol=0)  # the rest was clamped away
    torch.testing.assert_close(torch.cov(x.flatten(1)), torch.cov(heavy.tensor().flatten(1)),
                               atol=0.01, rtol=0)  # fmt: skip


def test_start_noise_is_drawn_from_the_seed_and_like_the_content(style_task, pictures_of):
    settings = replace(ONE_SCALE, start="noise")
    task = style_task(settings)
    content = tensor(task.content)
    numbers = torch.randn(1, 3, 32, 48, generator=torch.Generator().manual_seed(4))
    noise = (numbers * content.std() + content.mean()).clamp(0, 1)
    x = started(settings, style_task, pictures_of, seed=4)
    torch.testing.assert_close(x[None], noise, atol=2e-5, rtol=0)
    assert (started(settings, style_task, pictures_of, seed=5) - x).abs().mean() > 0.05
    blend = replace(ONE_SCALE, start="blend", start_blend=0.25)
    x = started(blend, style_task, pictures_of, seed=4)
    torch.testing.assert_close(x[None], 0.75 * content + 0.25 * noise, atol=2e-5, rtol=0)


def test_start_picture(style_task, pictures_of, noise_picture):
    settings = replace(ONE_SCALE, start="picture")
    given = noise_picture(32, 48, seed=8)
    x = started(settings, style_task, pictures_of, start=given)
    torch.testing.assert_close(x, given.tensor(), atol=2e-5, rtol=0)
    with pytest.raises(BadInput, match=r"^the start is a picture; give it with start="):
        list(settings.frames(style_task(settings)))


def test_what_is_missing_is_said(task, style_task):
    with pytest.raises(BadInput, match=r"^style transfer needs at least one style; give styles="):
        list(ONE_SCALE.frames(task(ONE_SCALE)))
    with pytest.raises(BadInput, match=r"^style transfer needs a content picture$"):
        list(ONE_SCALE.frames(style_task(ONE_SCALE, content=None)))
    unknown = replace(ONE_SCALE, style_layers={"relu9_9": 1.0})
    with pytest.raises(BadInput, match="tiny has no layer 'relu9_9'"):
        list(unknown.frames(style_task(unknown)))


# ---------------------------------------------------------------- optimizing


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
@pytest.mark.parametrize("statistic", ["wasserstein", "gram"])
@pytest.mark.parametrize("scaling", ["relative", "gradient"])
def test_the_total_falls(optimizer, statistic, scaling, style_task):
    rate = 0.02 if optimizer == "adam" else 1.0
    settings = replace(
        ONE_SCALE, iterations=25, optimizer=optimizer, learning_rate=rate,
        style_statistic=statistic, loss_scaling=scaling, tv_weight=0.2, content_weight=0.05,
    )  # fmt: skip
    losses = [f.losses["total"] for f in settings.frames(style_task(settings))]
    assert min(losses[-3:]) < 0.6 * losses[0]


def test_lbfgs_is_the_textbooks_in_the_presets_named_after_papers_alone(style_task, pictures_of):
    lbfgs = replace(
        ONE_SCALE, iterations=4, optimizer="lbfgs", learning_rate=1.0, averaging=0.0,
        start="content",
    )  # fmt: skip
    longer, usual = (
        pictures_of(style_task(replace(lbfgs, longer_steps=share))) for share in (0.3, 0.0)
    )
    photo = style_task(lbfgs).content.tensor()
    first = [(pictures[0][1] - photo).abs().mean() for pictures in (longer, usual)]
    assert first[0] > 3 * first[1]  # of more pixels the textbook's first step changes less
    assert not torch.equal(longer[-1][1], usual[-1][1])
    for name in ("Gatys 2015", "Johnson's neural-style"):
        assert make(StyleTransfer, StyleTransfer.presets[name]).longer_steps == 0
    assert StyleTransfer().longer_steps > 0


def test_every_preset_runs(style_task):
    for values in StyleTransfer.presets.values():
        settings = replace(make(StyleTransfer, values), iterations=3)
        frames = list(settings.frames(style_task(settings)))
        assert len(frames) == 3
        assert torch.isfinite(frames[-1].picture).all()


def test_the_same_seed_gives_the_same_picture_bit_for_bit(style_task, pictures_of):
    settings = replace(ONE_SCALE, iterations=5, smallest_scale=32, start="noise")
    once, again, other = (pictures_of(style_task(settings, seed=seed))[-1][1] for seed in (3, 3, 4))
    assert torch.equal(once, again)
    assert not torch.equal(once, other)


def test_what_is_shown_is_the_running_mean(style_task, pictures_of):
    raw = [p for _, p in pictures_of(style_task(ONE_SCALE))]
    shown = [p for _, p in pictures_of(style_task(replace(ONE_SCALE, averaging=0.75)))]
    weights = np.array([0.75**3, 0.75**2, 0.75, 1])
    expected = sum(float(w) * x for w, x in zip(weights / weights.sum(), raw, strict=True))
    torch.testing.assert_close(shown[-1], expected, atol=1e-6, rtol=0)
    assert (shown[-1] - raw[-1]).abs().max() > 1e-3


def test_clamped_after_every_step_or_when_shown(style_task, pictures_of):
    settings = replace(ONE_SCALE, iterations=3, learning_rate=0.5)
    clamped = [p for _, p in pictures_of(style_task(settings))]
    free = [p for _, p in pictures_of(style_task(replace(settings, clamp=False)))]
    assert torch.equal(clamped[0], free[0])
    assert not torch.equal(clamped[2], free[2])
    for picture in clamped + free:
        assert 0 <= picture.min() <= picture.max() <= 1


def test_a_picture_that_is_no_number_is_reported_before_it_is_touched(style_task, noise_picture):
    broken = np.array(noise_picture(32, 48).rgb)
    broken[3, 4, 1] = np.nan
    settings = replace(ONE_SCALE, start="picture")
    with pytest.raises(Diverged, match="became nan at iteration 1; the picture before it is kept"):
        list(settings.frames(style_task(settings, start=Picture(broken))))


# ---------------------------------------------------------------- styles


def test_the_same_style_twice_is_that_style(style_task, pictures_of, noise_picture):
    style = noise_picture(40, 36, seed=5)
    once = pictures_of(style_task(ONE_SCALE, styles=[(style, 1.0)]))[-1]
    twice = pictures_of(style_task(ONE_SCALE, styles=[(style, 2.0), (style, 2.0)]))[-1]
    torch.testing.assert_close(twice[1], once[1], atol=1e-5, rtol=0)


def test_two_styles_share_by_weight(style_task, noise_picture):
    bright, dark = noise_picture(40, 36, seed=5, low=0.5), noise_picture(40, 36, seed=6, high=0.4)
    settings = replace(ONE_SCALE, iterations=20, content_weight=0.0, learning_rate=0.06)

    def brightness(*weights):
        styles = [(p, w) for p, w in zip((bright, dark), weights, strict=True) if w]
        return float(list(settings.frames(style_task(settings, styles=styles)))[-1].picture.mean())

    only_bright, mixed, only_dark = brightness(1, 0), brightness(1, 1), brightness(0, 1)
    assert only_dark + 0.1 < mixed < only_bright - 0.1
    assert mixed < brightness(3, 1) < only_bright


def test_live_weights_of_styles_take_effect_at_the_next_iteration(style_task, noise_picture):
    bright, dark = noise_picture(40, 36, seed=5, low=0.5), noise_picture(40, 36, seed=6, high=0.4)
    settings = replace(ONE_SCALE, iterations=20, content_weight=0.0, learning_rate=0.06)

    def frames_of(changed=None):
        task = style_task(settings, styles=[(bright, 1.0), (dark, 1.0)])
        for frame in settings.frames(task):
            yield frame.losses["style"], float(frame.picture.mean())
            if frame.iteration == 3 and changed:
                task.styles = [(p, w) for (p, _), w in zip(task.styles, changed, strict=True)]

    mixed, brighter, darker = (list(frames_of(w)) for w in (None, (9.0, 1.0), (1.0, 9.0)))
    assert mixed[:3] == brighter[:3] == darker[:3]
    assert mixed[3][0] != brighter[3][0]
    assert darker[-1][1] + 0.05 < mixed[-1][1] < brighter[-1][1] - 0.05


def test_the_order_of_styles_does_not_matter(style_task, pictures_of, noise_picture):
    a, b = (noise_picture(40, 36, seed=5), 1.0), (noise_picture(33, 50, seed=6, high=0.4), 3.0)
    forth = pictures_of(style_task(ONE_SCALE, styles=[a, b]))[-1][1]
    back = pictures_of(style_task(ONE_SCALE, styles=[b, a]))[-1][1]
    torch.testing.assert_close(forth, back, atol=1e-4, rtol=0)


# ---------------------------------------------------------------- colours


def chroma(picture):
    y = (picture * torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)).sum(0)
    return torch.stack([picture[0] - y, picture[2] - y])


@pytest.mark.parametrize("colour", ["luminance", "luminance-after"])
def test_luminance_leaves_the_contents_colours_alone(
    colour, style_task, pictures_of, noise_picture
):
    content = noise_picture(32, 48, seed=1, low=0.35, high=0.65)
    settings = replace(ONE_SCALE, iterations=6, learning_rate=0.05, colour=colour)
    _, result = pictures_of(style_task(settings, content=content))[-1]
    inside = ((result > 1e-3) & (result < 1 - 1e-3)).all(0)
    assert inside.float().mean() > 0.8
    difference = (chroma(result) - chroma(content.tensor()))[:, inside]
    assert difference.abs().max() < 1e-5
    assert (result - content.tensor()).abs().mean() > 0.02  # light and dark did change
    _, plain = pictures_of(style_task(replace(settings, colour="style"), content=content))[-1]
    assert (chroma(plain) - chroma(content.tensor())).abs().mean() > 0.01


def test_with_luminance_the_painting_is_seen_in_gray_with_the_contents_light(
    style_task, noise_picture
):
    # The same painting in other colours, its luma scaled and shifted, is the same style.
    painting = np.array(noise_picture(40, 36, seed=5).rgb)
    y = painting @ np.array([0.299, 0.587, 0.114], np.float32)
    faded = np.repeat((0.3 + 0.2 * y)[..., None], 3, axis=2)
    settings = replace(ONE_SCALE, colour="luminance")
    frames = [
        list(settings.frames(style_task(settings, styles=[(Picture(p), 1.0)])))[-1]
        for p in (painting, faded)
    ]
    torch.testing.assert_close(frames[0].picture, frames[1].picture, atol=5e-3, rtol=0)
    assert (frames[0].picture - tensor(noise_picture(32, 48, seed=1))[0]).abs().mean() > 0.02


def test_with_luminance_the_content_is_sought_in_gray(style_task):
    settings = replace(ONE_SCALE, colour="luminance", iterations=2)
    first, second = settings.frames(style_task(settings))
    assert first.losses["content"] == pytest.approx(0, abs=1e-9)  # the start is the content in gray
    assert second.losses["content"] > 1e-6


def test_match_gives_the_painting_the_photos_colours(style_task, noise_picture):
    blue = np.array(noise_picture(40, 36, seed=5).rgb) * np.float32([0.2, 0.3, 1.0])
    content = noise_picture(32, 48, seed=1)
    settings = replace(ONE_SCALE, iterations=20, learning_rate=0.06, content_weight=0.0)
    plain, matched = (
        list(s.frames(style_task(s, content=content, styles=[(Picture(blue), 1.0)])))[-1].picture
        for s in (settings, replace(settings, colour="match"))
    )
    wanted = content.tensor().mean((1, 2))
    assert (matched.mean((1, 2)) - wanted).abs().max() < 0.06
    assert (plain.mean((1, 2)) - wanted).abs().max() > 0.15


# ---------------------------------------------------------------- while it runs


def test_a_live_weight_takes_effect_at_the_next_iteration(style_task, pictures_of):
    plain = pictures_of(style_task(ONE_SCALE))
    steered = pictures_of(style_task(ONE_SCALE), change={2: {"content_weight": 1.0}})
    for i in (0, 1):
        assert steered[i][0].losses == plain[i][0].losses
        assert torch.equal(steered[i][1], plain[i][1])
    # the same picture, another weight: 1 instead of 0.25
    assert steered[2][0].losses["style"] == plain[2][0].losses["style"]
    assert steered[2][0].losses["content"] == pytest.approx(4 * plain[2][0].losses["content"])
    assert not torch.equal(steered[2][1], plain[2][1])


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_a_live_learning_rate_takes_effect_at_the_next_iteration(
    optimizer, style_task, pictures_of
):
    settings = replace(ONE_SCALE, optimizer=optimizer)
    found = pictures_of(style_task(settings), change={2: {"learning_rate": 1e-5}})
    steps = [float((b[1] - a[1]).abs().mean()) for a, b in pairwise(found)]
    assert steps[0] > 1e-4
    assert steps[1] < 0.01 * steps[0]


def test_a_live_colour_strength_is_seen_at_once(style_task, pictures_of):
    settings = replace(ONE_SCALE, colour="luminance-after")
    found = pictures_of(style_task(settings), change={2: {"colour_strength": 0.0}})
    raw = pictures_of(style_task(replace(settings, colour="style")))
    assert torch.equal(found[2][1], raw[2][1])
    assert not torch.equal(found[1][1], raw[1][1])


def test_closing_stops_the_work(style_task):
    task = style_task(replace(ONE_SCALE, iterations=1000))
    runs = []
    handle = task.network.module.conv1_1.register_forward_hook(lambda *_: runs.append(1))
    try:
        frames = task.technique.frames(task)
        for _ in range(3):
            next(frames)
        done = len(runs)
        assert done == 2 + 3  # content, style, three steps: none ahead of what was asked for
        frames.close()
        assert next(frames, None) is None
        assert len(runs) == done
    finally:
        handle.remove()
    assert hooks(task.network) == 0


def test_the_network_keeps_its_weights_and_gets_no_gradients(style_task):
    task = style_task(replace(ONE_SCALE, pooling="average"))
    before = {n: t.clone() for n, t in task.network.module.state_dict().items()}
    for _ in task.technique.frames(task):
        pass
    assert all(torch.equal(t, before[n]) for n, t in task.network.module.state_dict().items())
    assert all(p.grad is None for p in task.network.module.parameters())
    assert hooks(task.network) == 0


# ---------------------------------------------------------------- content depth


def test_content_blend_moves_weight_to_the_deeper_layer(tiny):
    layers = {"relu2_2": 1.0, "relu4_2": 3.0}
    plain = StyleTransfer(content_layers=layers)
    assert content_layers(plain, tiny) == layers
    half = content_layers(replace(plain, content_blend=0.25), tiny)
    assert half == {"relu2_2": 0.75, "relu4_2": 2.25, "relu5_2": 1.0}
    assert content_layers(replace(plain, content_blend=1.0), tiny) == {"relu5_2": 4.0}
    both = StyleTransfer(content_layers={"relu5_2": 1.0, "relu4_2": 3.0}, content_blend=0.25)
    assert content_layers(both, tiny) == {"relu5_2": 1.75, "relu4_2": 2.25}
    assert content_layers(StyleTransfer(content_blend=1.0), tiny) == {"relu4_2": 1.0}


@pytest.mark.parametrize(
    ("name", "deeper"),
    [
        ("relu4_2", "relu5_2"),
        ("conv4_2", "conv5_2"),
        ("relu2_1", "relu3_1"),
        ("relu3_4", "relu4_4"),
        ("relu5_1", "relu5_1"),  # nothing is deeper
    ],
)
def test_the_counterpart_after_the_next_reduction(name, deeper, tiny):
    assert deeper_counterpart(tiny, name) == deeper


def test_content_blend_names_relu5_2_of_vgg19(vgg19):
    assert content_layers(StyleTransfer(content_blend=0.0), vgg19) == {"relu4_2": 1.0}
    (name,) = content_layers(StyleTransfer(content_blend=1.0), vgg19)
    assert vgg19.resolve(name) == vgg19.resolve("relu5_2")


def test_style_layers_have_the_weights_of_their_statistic(vgg19):
    names = ["relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"]
    wasserstein = style_layers(StyleTransfer(style_statistic="wasserstein"), vgg19)
    assert list(wasserstein) == names
    weights = np.array(list(wasserstein.values()))
    np.testing.assert_allclose(weights / weights.sum(), np.array([16, 8, 4, 2, 1]) / 31)
    gram = style_layers(StyleTransfer(style_statistic="gram"), vgg19)
    assert list(gram) == names
    assert len(set(gram.values())) == 1
    assert style_layers(StyleTransfer(style_layers={"relu3_1": 2.0}), vgg19) == {"relu3_1": 2.0}


# ---------------------------------------------------------------- on the real VGG-19


@pytest.fixture(scope="module")
def real(vgg19, photo):
    """Run on the cat and The Starry Night at 96 pixels; return task and frames with pictures."""

    def run(technique, seed=0):
        task = Task(
            technique, vgg19, 96, torch.Generator().manual_seed(seed),
            photo("photos/cat_1080p.jpg"), [(photo("paintings/starry_night.jpg", 160), 1.0)],
        )  # fmt: skip
        return task, [(f, f.picture.clone()) for f in technique.frames(task)]

    return run


def test_the_loss_falls_on_vgg19_and_the_photo_becomes_a_painting(real):
    technique = replace(ONE_SCALE, iterations=12, learning_rate=0.05, style_layers=None)
    task, frames = real(technique)
    first, last = frames[0][0].losses, frames[-1][0].losses
    assert last["total"] < 0.45 * first["total"]
    assert last["style"] < 0.45 * first["style"]
    photo, result = task.content.tensor(), frames[-1][1]
    painting = task.styles[0][0].tensor().mean((1, 2))
    before, after = (float((x.mean((1, 2)) - painting).norm()) for x in (photo, result))
    assert after < 0.8 * before  # nearer to the painting's mean colour
    assert (result - photo).abs().mean() > 0.03
    shades = np.corrcoef(photo.mean(0).numpy().ravel(), result.mean(0).numpy().ravel())
    assert shades[0, 1] > 0.6  # and still the photo


def test_gatys_loss_falls_on_vgg19(real):
    technique = replace(
        ONE_SCALE, iterations=12, style_statistic="gram", style_layers=None, tv_weight=0.0,
        optimizer="lbfgs", learning_rate=1.0, padding="zeros", pooling="average",
    )  # fmt: skip
    _, frames = real(technique)
    assert frames[-1][0].losses["total"] < 0.5 * frames[0][0].losses["total"]


def test_the_same_seed_gives_the_same_picture_on_vgg19_also_with_two_threads(real):
    technique = replace(ONE_SCALE, iterations=3, smallest_scale=64, start="blend")
    torch.set_num_threads(2)
    (_, once), (_, again) = real(technique, seed=11), real(technique, seed=11)
    torch.set_num_threads(1)
    assert torch.equal(once[-1][1], again[-1][1])
    assert [f.losses for f, _ in once] == [f.losses for f, _ in again]


def test_fine_texture_leaves_coarse_shapes_alone(task, pictures_of, noise_picture):
    """The shallow statistics become those of the fine picture; what is large stays where it is."""
    network = load_network("slim_vgg")
    steps = np.kron(np.random.default_rng(0).random((2, 3)), np.ones((32, 32)))[..., None]
    coarse = Picture(np.repeat(steps, 3, -1).astype(np.float32))
    fine = noise_picture(64, 96, seed=4)
    technique = StyleTransfer(**{**StyleTransfer.presets["Fine texture"], "iterations": 60})
    the_task = task(
        technique, network=network, content=coarse, styles=[(fine, 1.0)], size=96
    )  # fmt: skip
    picture = pictures_of(the_task)[-1][1][None]

    def gram(x, layer):
        return gram_matrix(network.taps(x, [layer])[layer])

    for layer in ("relu1_1", "relu2_1"):
        before, after, wanted = (
            gram(x, layer) for x in (coarse.tensor()[None], picture, fine.tensor()[None])
        )
        assert (after - wanted).norm() < 0.3 * (before - wanted).norm(), layer
    blocks = [x.mean(1).unfold(1, 32, 32).unfold(2, 32, 32).mean((3, 4)).flatten() for x in
              (coarse.tensor()[None], picture)]  # fmt: skip
    assert float(torch.corrcoef(torch.stack(blocks))[0, 1]) > 0.9


def test_large_scales_get_fewer_iterations():
    """Above 512 px each doubling halves them; up to there nothing changes."""
    counts = dict(scales(StyleTransfer(iterations=2000), 4096))
    assert counts[1024] / counts[512] == pytest.approx(0.5, abs=0.01)
    assert counts[4096] / counts[1024] == pytest.approx(0.25, abs=0.02)
    assert counts[256] == counts[512]
    alike = dict(scales(StyleTransfer(iterations=2000, large_share=1.0), 4096))
    assert alike[4096] == pytest.approx(alike[256], abs=10)
    for large in (True, False):
        plan = scales(StyleTransfer(iterations=100, large_share=0.5 if large else 1.0), 512)
        assert plan == scales(StyleTransfer(iterations=100), 512)


def test_a_recipe_from_before_gives_its_picture_again():
    whole = settings_of.values(StyleTransfer())
    del whole["large_share"]
    assert technique_of(StyleTransfer, whole, None).large_share == 1.0
    assert technique_of(StyleTransfer, {"iterations": 5}, None).large_share == 0.5
