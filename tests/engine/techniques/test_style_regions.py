"""Style transfer in regions: one everywhere is none at all; each has its own style; kept is kept."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from engine.errors import BadInput
from engine.image import Picture, from_tensor, open_picture, save_picture
from engine.job import Inputs, Job, run
from engine.networks.loading import load_network
from engine.objectives.regions import mask_of
from engine.objectives.style import gram_matrix
from engine.parameterization.scales import resize_picture
from engine.regions import Region
from engine.techniques.style_transfer import StyleTransfer
from tests.engine.continuing import check_goes_on

STYLE = {"iterations": 4, "smallest_scale": 32}


def mask(values, shape=(32, 48)):
    values = np.broadcast_to(np.asarray(values, np.float32), shape)
    return Picture(np.ascontiguousarray(np.repeat(values[..., None], 3, -1)))


WHITE = mask(1.0)
LEFT = mask(np.arange(48) < 24)
SOFT = mask(np.clip((32 - np.arange(48)) / 16, 0, 1))


@pytest.fixture
def sea(noise_picture):
    return noise_picture(40, 36, seed=5, high=0.5)


@pytest.fixture
def fire(noise_picture):
    return noise_picture(36, 44, seed=6, low=0.6)


def made(pictures_of, task):
    frames = pictures_of(task)
    return frames[-1][1], [frame.losses for frame, _ in frames]


@pytest.mark.parametrize("statistic", ["gram", "wasserstein"])
@pytest.mark.parametrize("palette", ["style", "luminance", "match", "luminance-after"])
def test_one_region_everywhere_is_none_at_all(task, sea, fire, pictures_of, statistic, palette):
    technique = StyleTransfer(**STYLE, style_statistic=statistic, colour=palette)
    plain = made(pictures_of, task(technique, styles=[(sea, 1.0)]))
    for edges in ("simple", "inside"):
        same = replace(technique, region_edges=edges)
        whole = task(same, regions=[Region(LEFT, fire), Region(WHITE, sea)])
        found, losses = made(pictures_of, whole)
        assert torch.equal(found, plain[0])
        assert losses == plain[1]


@pytest.mark.parametrize(
    "more",
    [
        {"optimizer": "lbfgs", "learning_rate": 1.0, "start": "noise"},
        {"loss_scaling": "gradient"}, {"loss_scaling": "raw", "averaging": 0.0},
    ],
)  # fmt: skip
def test_so_with_all_optimizers_and_scalings(task, sea, fire, pictures_of, more):
    technique = StyleTransfer(**STYLE, **more)
    both = [(sea, 2.0), (fire, 1.0)]
    plain = made(pictures_of, task(technique, styles=both))
    whole = made(pictures_of, task(technique, styles=both, regions=[Region(WHITE)]))
    assert torch.equal(whole[0], plain[0])
    assert whole[1] == plain[1]


def test_the_loss_is_the_mean_over_regions_by_area_and_weight(task, tiny, sea, fire, pictures_of):
    """The first iteration's loss, from Gram matrices of the start computed by hand in float64."""
    technique = StyleTransfer(
        iterations=1, smallest_scale=65536, style_statistic="gram", loss_scaling="raw",
        start="content", padding="zeros", style_layers={"relu1_1": 1.0},
    )  # fmt: skip
    third = mask(np.arange(48) < 16)
    the_task = task(technique, styles=[(sea, 1.0)], regions=[Region(third, fire, 2.5)])
    (frame, _), *_ = pictures_of(the_task)

    def features(picture):
        return tiny.taps(picture.tensor()[None], ["relu1_1"])["relu1_1"].double()[0]

    def distance(part, style):
        maps = features(style).flatten(1)
        part = part.flatten(1)
        difference = part @ part.T / part.shape[1] - maps @ maps.T / maps.shape[1]
        return float(difference.square().mean())

    long = 48  # styles are scaled to the result's long side, but never enlarged
    assert max(sea.width, sea.height, fire.width, fire.height) <= long
    maps = features(the_task.content)
    wanted = 2 / 3 * distance(maps[..., 16:], sea) + 2.5 / 3 * distance(maps[..., :16], fire)
    assert frame.losses["style"] == pytest.approx(wanted, rel=1e-5)


def test_each_pixel_is_pulled_as_hard_as_without_regions(task, sea, pictures_of):
    """With the same style on both sides, and statistics that are the same: the same loss."""
    half = np.random.default_rng(2).random((32, 24, 3), dtype=np.float32)
    photo = Picture(np.concatenate([half, half], 1))
    technique = StyleTransfer(
        iterations=1, smallest_scale=65536, start="content", style_layers={"conv1_1": 1.0},
        style_statistic="gram", padding="zeros",
    )  # fmt: skip
    losses = []
    for regions in ([], [Region(LEFT, sea)]):
        the_task = task(technique, content=photo, styles=[(sea, 1.0)], regions=regions)
        losses.append(pictures_of(the_task)[0][0].losses["style"])
    assert losses[1] == pytest.approx(losses[0], rel=0.02)


@pytest.mark.parametrize("palette", ["style", "luminance", "match", "luminance-after"])
@pytest.mark.parametrize("start", ["recoloured", "noise"])
def test_what_is_kept_is_the_photo(task, sea, pictures_of, tmp_path, palette, start):
    technique = StyleTransfer(**STYLE, colour=palette, start=start)
    the_task = task(technique, styles=[(sea, 1.0)], regions=[Region(SOFT, kept=True)])
    for frame, picture in pictures_of(the_task):
        shown = resize_picture(the_task.content.tensor()[None], picture.shape[1:])[0]
        kept = mask_of(the_task.regions[0], picture.shape[1:])[0, 0] == 1
        assert bool(kept.any()) and not bool(kept.all()), frame
        assert torch.equal(picture[:, kept], shown[:, kept])
        assert not torch.allclose(picture[:, ~kept], shown[:, ~kept], atol=0.01)
    written = open_picture(save_picture(from_tensor(picture), tmp_path / "a.png"))
    before = open_picture(save_picture(the_task.content, tmp_path / "b.png"))
    assert np.array_equal(written.rgb[kept.numpy()], before.rgb[kept.numpy()]), "at 8 bits"


@pytest.fixture
def across(slim, task, pictures_of):
    """Return a maker of the mean of each column: light style left, dark style right, a grey photo."""

    def make(region, **settings):
        gray = Picture(np.full((32, 48, 3), 0.5, np.float32))
        dark, light = (Picture(np.full((32, 32, 3), value, np.float32)) for value in (0.3, 0.7))
        technique = StyleTransfer(iterations=60, smallest_scale=65536, **settings)
        regions = [Region(region, light)]
        the_task = task(
            technique, network=slim, content=gray, styles=[(dark, 1.0)], regions=regions
        )
        *_, last = the_task.technique.frames(the_task)
        return last.picture.mean((0, 1)).tolist()

    return make


@pytest.mark.parametrize("region", [SOFT, LEFT])
@pytest.mark.parametrize("edges", ["simple", "inside"])
def test_at_an_edge_nothing_is_brighter_or_darker_than_both_sides(across, region, edges):
    columns = across(region, region_edges=edges)
    assert all(left >= right - 0.01 for left, right in pairwise(columns)), "from light to dark"
    assert columns[0] > 0.62 and columns[-1] < 0.38


def test_inside_keeps_styles_apart_at_a_hard_edge(across):
    simple, inside = (across(LEFT, region_edges=edges) for edges in ("simple", "inside"))
    steps = [columns[21] - columns[26] for columns in (simple, inside)]
    assert steps[1] > 1.5 * steps[0] > 0


def test_each_region_starts_with_the_colours_of_its_own_style(task, pictures_of):
    red, blue = (np.zeros((32, 32, 3), np.float32) for _ in range(2))
    red[..., 0], blue[..., 2] = 0.9, 0.9
    technique = StyleTransfer(iterations=1, smallest_scale=65536, learning_rate=1e-5)
    the_task = task(technique, styles=[(Picture(blue), 1.0)], regions=[Region(LEFT, Picture(red))])
    ((_, picture),) = pictures_of(the_task)
    assert picture[0, :, :24].mean() > 0.85 and picture[2, :, :24].mean() < 0.1
    assert picture[2, :, 24:].mean() > 0.85 and picture[0, :, 24:].mean() < 0.1


def test_a_style_is_matched_to_the_colours_of_its_region(task, sea, pictures_of):
    """Left and right of the photo are dark and light; so are the results, with the same style."""
    rgb = np.concatenate([np.full((32, 24, 3), 0.2), np.full((32, 24, 3), 0.8)], 1)
    photo = Picture((rgb + 0.05 * np.random.default_rng(0).random(rgb.shape)).astype(np.float32))
    technique = StyleTransfer(**{**STYLE, "iterations": 12}, colour="match", start="gray")
    regions = [Region(LEFT, sea), Region(mask(np.arange(48) >= 24), sea)]
    the_task = task(technique, content=photo, regions=regions)
    *_, (_, picture) = pictures_of(the_task)
    means = [float(picture[..., part].mean()) for part in (slice(4, 20), slice(28, 44))]
    assert means[1] - means[0] > 0.15


def test_without_a_usual_style_the_rest_is_kept(task, sea, pictures_of):
    the_task = task(StyleTransfer(**STYLE), regions=[Region(LEFT, sea)])
    *_, (_, picture) = pictures_of(the_task)
    photo = the_task.content.tensor()
    assert torch.equal(picture[..., 24:], photo[..., 24:])
    assert not torch.allclose(picture[..., :24], photo[..., :24], atol=0.05)


def test_the_later_region_lies_on_top(task, sea, fire, pictures_of):
    both = [Region(WHITE, sea), Region(LEFT, kept=True)]
    *_, (_, picture) = pictures_of(task(StyleTransfer(**STYLE), regions=both))
    photo = task(StyleTransfer()).content.tensor()
    assert torch.equal(picture[..., :24], photo[..., :24])
    *_, (_, other) = pictures_of(task(StyleTransfer(**STYLE), regions=both[::-1]))
    assert not torch.allclose(other[..., :24], photo[..., :24], atol=0.05)


def test_of_a_see_through_photo_only_what_is_visible_counts(task, sea, fire, pictures_of):
    """Colours under full transparency, inside of a region or not, decide nothing."""
    visible = task(StyleTransfer()).content.rgb
    alpha = np.zeros((32, 48), np.float32)
    alpha[4:28, 6:40] = 1
    found = []
    for colour_below in (0.0, (1.0, 0.0, 1.0)):
        rgb = np.where(alpha[..., None] > 0, visible, np.float32(colour_below))
        the_task = task(
            StyleTransfer(**STYLE, region_edges="inside"), content=Picture(rgb, alpha),
            styles=[(sea, 1.0)], regions=[Region(SOFT, fire), Region(LEFT, kept=True)],
        )  # fmt: skip
        found.append(made(pictures_of, the_task))
    assert torch.equal(found[0][0], found[1][0])
    assert found[0][1] == found[1][1]


@pytest.mark.parametrize(
    ("styled", "regions", "sentence"),
    [
        (False, [Region(LEFT, kept=True)], "needs at least one style"),
        (False, [Region(LEFT)], "needs at least one style"),
        (False, ["sea", Region(LEFT)], "a region has no style of its own; give it one"),
    ],
)
def test_a_style_is_needed_somewhere(task, sea, pictures_of, styled, regions, sentence):
    regions = [Region(LEFT, sea) if region == "sea" else region for region in regions]
    with pytest.raises(BadInput, match=sentence):
        pictures_of(task(StyleTransfer(**STYLE), regions=regions))


# -- with the real network -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def slim():
    return load_network("slim_vgg")


def test_each_region_gets_the_statistics_of_its_own_style(slim, task, noise_picture, pictures_of):
    """Relative errors of Gram matrices, inside each half: far smaller to its own than to the other's."""
    styles = noise_picture(64, 64, seed=11, high=0.5), noise_picture(64, 64, seed=12, low=0.4)
    left = mask(np.arange(96) < 48, (64, 96))
    the_task = task(
        StyleTransfer(iterations=120, smallest_scale=64, content_weight=0.0),
        network=slim, size=96, content=noise_picture(64, 96, seed=3),
        styles=[(styles[1], 1.0)], regions=[Region(left, styles[0])],
    )  # fmt: skip
    for frame in the_task.technique.frames(the_task):
        last = frame
    picture = last.picture[None]
    for layer in ("relu1_1", "relu2_1"):
        maps = slim.taps(picture, [layer])[layer]
        width = maps.shape[-1]
        halves = maps[..., : width // 2 - 4], maps[..., width // 2 + 4 :]
        wanted = [gram_matrix(slim.taps(s.tensor()[None], [layer])[layer]) for s in styles]
        for own in (0, 1):
            errors = [float((gram_matrix(halves[own]) - w).norm() / w.norm()) for w in wanted]
            assert errors[own] < 0.25
            assert errors[own] < errors[1 - own] / 2, (layer, own, errors)


def test_a_run_with_regions_goes_on_after_a_break(slim, noise_picture, tmp_path):
    """Bit for bit, with weights of the usual styles steered on the way."""
    names = {}
    for seed, name in enumerate(("photo", "sea", "fire")):
        names[name] = save_picture(noise_picture(32, 48, seed=seed), tmp_path / f"{name}.png")
    for name, values in (("left", LEFT), ("soft", SOFT)):
        names[name] = save_picture(values, tmp_path / f"{name}.png")
    inputs = Inputs(
        names["photo"], ((names["sea"], 1.0), (names["fire"], 1.0)),
        regions=(Region(names["left"], names["fire"], 2.0), Region(names["soft"], kept=True)),
    )  # fmt: skip
    job = Job(
        StyleTransfer(iterations=6, smallest_scale=32), inputs, size=48, device="cpu",
        precision="fp32",
    )  # fmt: skip
    whole = check_goes_on(job, slim, (2, 4), {3: lambda s: s.weigh([1.0, 5.0])})
    still = [picture for _, picture in run_all(job, slim)]
    assert torch.equal(whole[2][1], still[2])
    assert not torch.equal(whole[-1][1], still[-1]), "the weights had an effect"


def run_all(job, network):
    return [(frame, frame.picture.clone()) for frame in run(job, network)]
