"""DeepDream: what it makes larger, its octaves, its steps by scipy; and the real VGG-19."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter
from torch.nn import functional as F

from engine.errors import BadInput, Diverged
from engine.image import Picture, from_tensor
from engine.settings import make
from engine.task import Task
from engine.techniques.deep_dream import DeepDream
from engine.techniques.deep_dream.objective import parse_channels
from engine.techniques.deep_dream.steps import zoomed
from tests.engine.hooks import hooks_of

PLAIN = DeepDream(
    iterations=1, octaves=1, jitter=0, smoothing=0.0, clip=False, step_size=1.5,
    objective="squares",
)  # fmt: skip
"""One size and nothing random."""


def soft(noise_picture, height=32, width=48, seed=1):
    """Return a picture far from 0 and 1, so that nothing is clamped when it is shown."""
    return noise_picture(height, width, seed=seed, low=0.3, high=0.7)


def taps(task, picture, *names):
    with torch.no_grad():
        found = task.network.taps(picture, names)
    return [found[name][0].double().numpy() for name in names]


# ---------------------------------------------------------------- what is made larger


def test_the_objective_is_the_weighted_sum_over_layers(task):
    technique = replace(PLAIN, layers={"relu2_1": 2.0, "relu3_1": -0.5})
    dream = task(technique)
    a, b = taps(dream, dream.content.tensor(), "relu2_1", "relu3_1")
    (frame,) = technique.frames(dream)
    expected = 2 * (a**2).mean() / 2 - 0.5 * (b**2).mean() / 2
    assert frame.losses == {"objective": pytest.approx(expected, rel=1e-5)}
    mean = replace(technique, objective="mean")
    (frame,) = mean.frames(task(mean))
    assert frame.losses["objective"] == pytest.approx(2 * a.mean() - 0.5 * b.mean(), rel=1e-5)


def test_only_the_channels_asked_for_count(task):
    technique = replace(PLAIN, layers={"relu2_1": 1.0}, channels="12, 40")
    dream = task(technique)
    (a,) = taps(dream, dream.content.tensor(), "relu2_1")
    (frame,) = technique.frames(dream)
    assert frame.losses["objective"] == pytest.approx((a[[12, 40]] ** 2).mean() / 2, rel=1e-5)


def test_by_itself_it_takes_the_networks_own_layers(task):
    (frame,) = PLAIN.frames(task(PLAIN))
    named = replace(PLAIN, layers={"relu2_2": 1.0, "relu3_1": 2.0})
    (same,) = named.frames(task(named))
    assert frame.losses == same.losses


@pytest.mark.parametrize("objective", ["squares", "mean"])
@pytest.mark.parametrize("octaves", [1, 2])
def test_the_objective_rises(objective, octaves, task):
    technique = replace(PLAIN, iterations=12, octaves=octaves, objective=objective, jitter=4)
    dream = task(technique, size=72)
    values = [frame.losses["objective"] for frame in technique.frames(dream)]
    plan = technique.stages(dream)
    assert len(plan) == octaves
    for stage in plan:
        here, values = values[: stage.iterations], values[stage.iterations :]
        assert here[-1] > 1.05 * here[0]


def test_a_negative_weight_makes_a_layer_respond_less(task, pictures_of):
    technique = replace(PLAIN, iterations=10, layers={"relu3_1": -1.0})
    dream = task(technique)
    (before,) = taps(dream, dream.content.tensor(), "relu3_1")
    (after,) = taps(dream, pictures_of(dream)[-1][1], "relu3_1")
    assert (after**2).mean() < 0.9 * (before**2).mean()


def test_the_step_goes_up_the_slope(task, pictures_of, noise_picture):
    # By differences of the objective along the step and along a random direction.
    dream = task(PLAIN, content=soft(noise_picture))
    x = dream.content.tensor()

    def objective(picture):
        a, b = taps(dream, picture, "relu2_2", "relu3_1")
        return (a**2).mean() / 2 + 2 * (b**2).mean() / 2

    ((_, after),) = pictures_of(dream)
    step = after - x
    generator = torch.Generator().manual_seed(0)
    along = step / step.norm()
    random = torch.randn(x.shape, generator=generator)
    random /= random.norm()
    slopes = [(objective(x + 0.05 * d) - objective(x - 0.05 * d)) / 0.1 for d in (along, random)]
    assert slopes[0] > 0
    expected = slopes[0] * float((random * along).sum())
    assert slopes[1] == pytest.approx(expected, abs=0.02 * slopes[0])


# ---------------------------------------------------------------- steps


def change(found, start):
    """Return the mean absolute change of every step, times 255."""
    pictures = [start, *(picture for _, picture in found)]
    return [float((b - a).double().abs().mean()) * 255 for a, b in pairwise(pictures)]


@pytest.mark.parametrize("smoothing", [0.0, 1.0])
def test_every_step_changes_pixels_by_the_step_size_on_average(
    smoothing, task, pictures_of, noise_picture
):
    technique = replace(
        PLAIN, iterations=4, step_size=0.75, jitter=6, clip=True, smoothing=smoothing
    )
    dream = task(technique, content=soft(noise_picture))
    steps = change(pictures_of(dream), dream.content.tensor())
    assert steps == pytest.approx([0.75] * 4, rel=1e-4)


def test_a_step_of_nothing_leaves_the_photo_whatever_the_jitter(task, pictures_of):
    dream = task(replace(PLAIN, iterations=3, step_size=0.0, jitter=20))
    for _, picture in pictures_of(dream):
        assert torch.equal(picture, dream.content.tensor())


def test_the_shift_is_undone(task, pictures_of, noise_picture):
    # A 3x3 layer sees the shifted picture as the shifted layer, so far from the border the gradient
    # is the same one; only its mean size, which counts the border, differs.
    technique = replace(PLAIN, layers={"relu1_1": 1.0})
    content = soft(noise_picture)
    plain, shifted = (
        pictures_of(task(replace(technique, jitter=reach), content=content, seed=3))[0][1]
        - content.tensor()
        for reach in (0, 5)
    )
    inside = (slice(None), slice(8, -8), slice(8, -8))
    assert not torch.equal(plain, shifted)
    ratio = float(shifted[inside].norm() / plain[inside].norm())
    assert ratio == pytest.approx(1, abs=0.1)
    torch.testing.assert_close(shifted[inside], ratio * plain[inside], atol=1e-5, rtol=1e-4)


def test_shifts_are_drawn_from_the_seed(task, pictures_of):
    technique = replace(PLAIN, iterations=3, jitter=8)
    once, again, other = (pictures_of(task(technique, seed=s))[-1][1] for s in (5, 5, 6))
    assert torch.equal(once, again)
    assert not torch.equal(once, other)


def test_smoothing_is_the_mean_of_three_gaussians(task, pictures_of, noise_picture):
    content = soft(noise_picture)
    start = content.tensor()
    rough, smooth = (
        (pictures_of(task(replace(PLAIN, smoothing=s), content=content))[0][1] - start)
        for s in (0.0, 0.8)
    )
    widest = 0.8 * 1.5  # at the end of an octave, and of one iteration that is all
    blurs = []
    for sigma in (widest / 2, widest, widest * 2):
        radius = int(np.ceil(3 * sigma))
        blurs.append(
            gaussian_filter(
                rough.double().numpy(),
                (0, sigma, sigma),
                mode="nearest",
                radius=(0, radius, radius),
            )
        )
    expected = sum(blurs)
    expected *= 1.5 / 255 / np.abs(expected).mean()
    np.testing.assert_allclose(smooth.numpy(), expected, atol=2e-6)


def test_smoothing_widens_through_an_octave(task, pictures_of, noise_picture):
    technique = replace(PLAIN, iterations=4, smoothing=1.0, step_size=0.01)
    dream = task(technique, content=soft(noise_picture))
    pictures = [dream.content.tensor(), *(p for _, p in pictures_of(dream))]
    steps = [b - a for a, b in pairwise(pictures)]
    roughness = [float((s[..., 1:] - s[..., :-1]).norm() / s.norm()) for s in steps]
    assert roughness == sorted(roughness, reverse=True)
    assert roughness[-1] < 0.9 * roughness[0]


def test_clipping_keeps_the_picture_that_is_worked_on_in_range(task, pictures_of):
    technique = replace(PLAIN, iterations=6, step_size=40.0)
    clipped, free = (
        pictures_of(task(replace(technique, clip=clip)))[-1][1] for clip in (True, False)
    )
    assert not torch.equal(clipped, free)
    for picture in (clipped, free):  # what is shown is in range either way
        assert 0 <= picture.min() <= picture.max() <= 1


def test_where_there_is_no_slope_nothing_moves(task, pictures_of):
    dream = task(replace(PLAIN, iterations=2, layers={"relu2_1": 0.0}))
    for _, picture in pictures_of(dream):
        assert torch.equal(picture, dream.content.tensor())


def test_a_photo_that_is_no_number_is_reported(task, noise_picture):
    broken = np.array(noise_picture(32, 48).rgb)
    broken[3, 4, 1] = np.nan
    with pytest.raises(Diverged, match="the objective became nan at iteration 1"):
        list(PLAIN.frames(task(PLAIN, content=Picture(broken))))


# ---------------------------------------------------------------- octaves


@pytest.mark.parametrize(
    ("size", "octaves", "iterations", "expected"),
    [
        # 200, 142.9, 102.0, 72.9 by 100, 71.5 (even: 72), 51, 36.5 (even: 36)
        (200, 4, 10, [((36, 73), 3), ((51, 102), 3), ((72, 143), 2), ((100, 200), 2)]),
        (200, 2, 10, [((72, 143), 5), ((100, 200), 5)]),
        (200, 1, 7, [((100, 200), 7)]),
        (200, 4, 3, [((51, 102), 1), ((72, 143), 1), ((100, 200), 1)]),
        # the next would be 51 x 26: under 32
        (100, 4, 5, [((36, 71), 3), ((50, 100), 2)]),
        (48, 3, 5, [((24, 48), 5)]),
    ],
)
def test_the_plan_of_octaves(size, octaves, iterations, expected, task, noise_picture):
    technique = DeepDream(octaves=octaves, octave_scale=1.4, iterations=iterations)
    dream = task(technique, content=noise_picture(50, 100), size=size)
    assert [(s.size, s.iterations) for s in technique.stages(dream)] == expected
    one = technique.at_one_size(9).stages(dream)
    assert [(s.size, s.iterations) for s in one] == [(expected[-1][0], 9)]


@given(
    iterations=st.integers(1, 300),
    octaves=st.integers(1, 20),
    scale=st.floats(1.05, 4),
    size=st.integers(1, 3000),
    shape=st.tuples(st.integers(1, 60), st.integers(1, 60)),
)
@settings(max_examples=200, deadline=None)
def test_any_plan_takes_as_many_iterations_as_asked_for(iterations, octaves, scale, size, shape):
    content = Picture(np.zeros((*shape, 3), np.float32))
    technique = DeepDream(iterations=iterations, octaves=octaves, octave_scale=scale)
    plan = technique.stages(Task(technique, None, size, torch.Generator(), content))
    assert sum(stage.iterations for stage in plan) == iterations
    assert all(stage.iterations >= 1 for stage in plan)
    assert max(plan[-1].size) == size
    least = min(32, *plan[-1].size)
    assert all(min(stage.size) >= least for stage in plan)
    areas = [stage.size[0] * stage.size[1] for stage in plan]
    assert areas == sorted(areas)


def test_a_frame_for_every_iteration_of_the_plan(task, noise_picture):
    technique = replace(PLAIN, iterations=5, octaves=2, octave_scale=1.5)
    dream = task(technique, content=noise_picture(50, 50), size=60)
    frames = list(technique.frames(dream))
    assert [f.iteration for f in frames] == [1, 2, 3, 4, 5]
    assert {f.total for f in frames} == {5}
    assert [f.stage for f in frames] == ["octave 1 of 2, 40 x 40"] * 3 + [
        "octave 2 of 2, 60 x 60"
    ] * 2
    assert [f.seconds for f in frames] == sorted(f.seconds for f in frames)
    assert frames[-1].picture.shape == (3, 60, 60)


def test_only_the_detail_goes_on_to_the_next_octave(task, pictures_of, noise_picture):
    # No step in the second octave: what it shows is the photo at that size plus what was dreamt.
    technique = replace(PLAIN, iterations=4, octaves=2, octave_scale=1.5)
    content = soft(noise_picture, 60, 60)
    dream = task(technique, content=content, size=60)
    found = pictures_of(dream, change={2: {"step_size": 0.0}})
    assert [tuple(p.shape[1:]) for _, p in found] == [(40, 40)] * 2 + [(60, 60)] * 2
    base = F.interpolate(
        content.tensor()[None], (40, 40), mode="bicubic", align_corners=False, antialias=True
    )
    detail = found[1][1][None] - base.clamp(0, 1)
    grown = F.interpolate(detail, (60, 60), mode="bilinear", align_corners=False)
    expected = content.tensor() + grown[0]
    torch.testing.assert_close(found[2][1], expected, atol=1e-6, rtol=0)
    assert torch.equal(found[3][1], found[2][1])
    assert detail.abs().mean() > 1 / 255


# ---------------------------------------------------------------- guide


def test_the_guides_features_are_what_is_sought(task, noise_picture):
    guide = noise_picture(20, 30, seed=7)
    technique = replace(PLAIN, layers={"relu2_1": 3.0}, channels="1,2,3,4,5,6,7,8")
    dream = task(technique, guide=guide)
    scaled = F.interpolate(
        guide.tensor()[None], (32, 48), mode="bicubic", align_corners=False, antialias=True
    )
    here, there = (
        taps(dream, x, "relu2_1")[0][1:9].reshape(8, -1)
        for x in (dream.content.tensor(), scaled.clamp(0, 1))
    )
    best = (here.T @ there).max(1)
    (frame,) = technique.frames(dream)
    assert frame.losses["objective"] == pytest.approx(3 * best.mean() / 8, rel=1e-4)


def test_a_guide_draws_the_picture_to_itself(task, pictures_of, noise_picture):
    technique = replace(PLAIN, iterations=12, octaves=2, octave_scale=1.5)
    content = soft(noise_picture, 48, 48)
    results = []
    for color in ([0.9, 0.1, 0.1], [0.1, 0.1, 0.9]):
        guide = np.array(noise_picture(48, 48, seed=7).rgb) * np.float32(color)
        found = pictures_of(task(technique, content=content, guide=Picture(guide)))
        values = [f.losses["objective"] for f, _ in found]
        assert values[5] > 1.05 * values[0]
        assert values[11] > 1.05 * values[6]
        results.append(found[-1][1])
    plain = pictures_of(task(technique, content=content))[-1][1]
    assert (results[0] - results[1]).abs().mean() > 0.005
    assert (results[0] - plain).abs().mean() > 0.005


def test_a_very_long_guide_is_fine(task, noise_picture):
    technique = replace(PLAIN, layers={"relu4_1": 1.0})
    (frame,) = technique.frames(task(technique, guide=noise_picture(2, 200, seed=7)))
    assert frame.losses["objective"] > 0


# ---------------------------------------------------------------- what cannot be done


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"channels": "12;40"}, "channels= is '12;40'; use numbers such as 12,40"),
        ({"channels": "1.5"}, "channels= is '1.5'; use numbers such as 12,40"),
        (
            {"channels": "3,64", "layers": {"relu2_1": 1.0}},
            "layer relu2_1 has channels 0 to 63, not 64",
        ),
        (
            {"channels": "-1", "layers": {"relu2_1": 1.0}},
            "layer relu2_1 has channels 0 to 63, not -1",
        ),
        (
            {"channels": "100", "layers": {"relu3_1": 1.0, "relu2_1": 1.0}},
            "layer relu2_1 has channels 0 to 63, not 100",
        ),
        (
            {"layers": {"classifier": 1.0}},
            "layer classifier has no map to dream with; take a convolutional layer",
        ),
        ({"layers": {}}, "tiny suggests no layer to dream with; give layers="),
    ],
)
def test_what_cannot_be_dreamt_with_is_said(changes, said, task):
    technique = replace(PLAIN, **changes)
    with pytest.raises(BadInput) as caught:
        next(technique.frames(task(technique)))
    assert str(caught.value) == said


def test_unknown_layers_and_no_photo(task):
    technique = replace(PLAIN, layers={"relu2_9": 1.0})
    with pytest.raises(BadInput, match="tiny has no layer 'relu2_9'; similar names are relu2_"):
        next(technique.frames(task(technique)))
    with pytest.raises(BadInput, match=r"^DeepDream needs a photo to dream on$"):
        next(PLAIN.frames(task(PLAIN, content=None)))


@pytest.mark.parametrize(
    ("text", "channels"),
    [("", []), ("7", [7]), ("12,40", [12, 40]), (" 12, 40 ,3", [12, 40, 3]), ("1 2", [1, 2])],
)
def test_channels(text, channels):
    assert parse_channels(text) == channels


# ---------------------------------------------------------------- while it runs


def test_a_live_step_takes_effect_at_the_next_iteration(task, pictures_of, noise_picture):
    technique = replace(PLAIN, iterations=5)
    dream = task(technique, content=soft(noise_picture))
    found = pictures_of(dream, change={2: {"step_size": 0.25}, 4: {"step_size": 3.0}})
    steps = change(found, dream.content.tensor())
    assert steps == pytest.approx([1.5, 1.5, 0.25, 0.25, 3.0], rel=1e-3)


def test_live_jitter_and_smoothing_take_effect_at_the_next_iteration(task, pictures_of):
    technique = replace(PLAIN, iterations=3)
    plain = pictures_of(task(technique))
    for live in ({"jitter": 9}, {"smoothing": 1.0}):
        steered = pictures_of(task(technique), change={2: live})
        assert torch.equal(steered[1][1], plain[1][1])
        assert not torch.equal(steered[2][1], plain[2][1])


def test_closing_stops_the_work(task):
    dream = task(replace(PLAIN, iterations=1000))
    runs = []
    handle = dream.network.module.conv1_1.register_forward_hook(lambda *_: runs.append(1))
    try:
        frames = dream.technique.frames(dream)
        for done in (1, 2, 3):
            next(frames)
            assert len(runs) == done  # none ahead of what was asked for
        frames.close()
        assert next(frames, None) is None
        assert len(runs) == 3
    finally:
        handle.remove()
    assert not hooks_of(dream.network.module)


def test_every_preset_runs(task):
    for values in DeepDream.presets.values():
        technique = replace(make(DeepDream, values), iterations=3)
        frames = list(technique.frames(task(technique, size=64)))
        assert len(frames) == 3
        assert torch.isfinite(frames[-1].picture).all()


# ---------------------------------------------------------------- on the real VGG-19


def test_vgg19_sees_more_of_what_it_sees(vgg19, photo, pictures_of):
    technique = replace(PLAIN, iterations=10, octaves=2, jitter=16, clip=True)
    sky = photo("photos/sky1024px.jpg", 96)
    once, again = (
        pictures_of(Task(technique, vgg19, 96, torch.Generator().manual_seed(2), sky))
        for _ in range(2)
    )
    assert torch.equal(once[-1][1], again[-1][1])
    values = [frame.losses["objective"] for frame, _ in once]
    assert values[4] > 1.3 * values[0]
    assert values[9] > 1.3 * values[5]


# -- films -----------------------------------------------------------------------------------------


def test_zooming_keeps_the_middle_and_turns_counter_clockwise() -> None:
    picture = torch.zeros(1, 3, 41, 61)
    picture[:, :, 20, 40] = 1.0  # right of the middle (20, 30) by 10
    turned = zoomed(picture, 1.0, 90.0)[0, 0]
    assert divmod(int(turned.argmax()), 61) == (10, 30), "now above it by 10"
    larger = zoomed(picture, 1.5, 0.0)[0, 0]
    assert divmod(int(larger.argmax()), 61) == (20, 45), "now 15 to the right"


def test_no_zoom_and_no_turn_change_nothing() -> None:
    picture = torch.rand(1, 3, 12, 19)
    assert torch.allclose(zoomed(picture, 1.0, 0.0), picture, atol=1e-5)


def test_a_film_dreams_on_from_the_frame_before(task):
    technique = replace(PLAIN, iterations=2, frame_count=3, zoom=1.2, rotation=5.0, clip=True)
    frames, pictures = [], []
    for frame in technique.frames(task(technique)):
        frames.append((frame.iteration, frame.total, frame.film))
        pictures.append(frame.picture)
    assert frames == [(1, 6, 0), (2, 6, 1), (3, 6, 0), (4, 6, 2), (5, 6, 0), (6, 6, 3)]
    start = zoomed(pictures[1][None], 1.2, 5.0)[0]
    once = replace(PLAIN, clip=True)
    (again,) = once.frames(task(once, content=from_tensor(start)))
    assert (again.picture - pictures[2]).abs().max() < 1e-4
