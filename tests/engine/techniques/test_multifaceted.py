"""Multifaceted visualization: groups of photos, the means that an ascent begins from."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from engine.errors import BadInput
from engine.networks.network import Network
from engine.settings import make
from engine.task import Task
from engine.techniques.multifaceted import Multifaceted
from engine.techniques.multifaceted.steps import facets, grouped, lines, photos, square

SHADES = {"dark": (40, 8), "red": ((200, 30, 30), 6), "light": (220, 5)}


@pytest.fixture(scope="module")
def named(tiny):
    """The tiny network with names for its classes and a layer to compare photos by."""
    card = replace(tiny.card, layers=("relu1_1", "relu3_1"))
    network = Network(tiny.module, card, ("a", "b", "c", "d", "e"))
    network.calls()
    return network


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Photos of three kinds, a little noisy, mixed by name; and a file that is none."""
    place = tmp_path_factory.mktemp("photos")
    random = np.random.default_rng(0)
    for kind, (colour, count) in SHADES.items():
        for i in range(count):
            noisy = np.full((40, 48, 3), colour) + random.integers(-8, 9, (40, 48, 3))
            image = Image.fromarray(noisy.clip(0, 255).astype(np.uint8))
            image.save(place / f"{i}-{kind}.png")
    (place / "notes.txt").write_text("no photo")
    return place


def task_of(technique, network, size=32, seed=0):
    return Task(technique, network, size, torch.Generator().manual_seed(seed))


def settings(folder, **changes):
    return Multifaceted(**{"target": "b", "folder": str(folder), "copies": 3, **changes})


def test_groups_are_found_and_ordered_from_their_centres():
    random = np.random.default_rng(1)
    centres = np.zeros((3, 60))
    centres[1, 0], centres[2, 1] = 50, 50
    labels = np.repeat([0, 1, 2], [12, 20, 16])
    rows = centres[labels] + random.normal(size=(48, 60))
    groups = grouped(rows, 3, seed=5)
    assert [set(labels[group]) for group in groups] == [{1}, {2}, {0}]
    assert sorted(i for group in groups for i in group) == list(range(48))
    assert groups == grouped(rows, 3, seed=5)


def test_few_photos_are_grouped_as_they_are():
    # On a line, in two groups: {0, 1, 2} about 1 and {10}.
    groups = grouped(np.array([[0.0], [10.0], [1.1], [2.0]]), 2, seed=0)
    assert groups == [[2, 3, 0], [1]]


@pytest.mark.filterwarnings("error")
def test_photos_that_are_all_the_same(tmp_path, named):
    for i in range(6):
        Image.new("RGB", (40, 48), (90, 120, 30)).save(tmp_path / f"{i}.png")
    with pytest.raises(BadInput, match=r"2 facets need .* there are 1"):
        facets(task_of(settings(tmp_path, copies=2), named), 24)
    (only,) = facets(task_of(settings(tmp_path, copies=1), named), 24)
    assert only.members == 6
    Image.new("RGB", (40, 48), (250, 250, 250)).save(tmp_path / "other.png")
    both = facets(task_of(settings(tmp_path, copies=2), named), 24)
    assert [facet.members for facet in both] == [6, 1]


def test_facets_are_means_of_their_photos(named, folder):
    found = facets(task_of(settings(folder), named), 24)
    assert [facet.members for facet in found] == [8, 6, 5]
    for facet, (colour, _) in zip(found, SHADES.values(), strict=True):
        expected = torch.tensor(np.broadcast_to(colour, 3) / 255, dtype=torch.float32)
        assert tuple(facet.mean.shape) == (3, 24, 24)
        torch.testing.assert_close(facet.mean.mean((1, 2)), expected, atol=0.01, rtol=0)
    one = facets(task_of(settings(folder, nearest=1), named), 24)[0].mean
    dark = [square(folder / f"{i}-dark.png", 24)[0] for i in range(8)]
    assert sum(torch.equal(one, photo) for photo in dark) == 1


def test_the_middle_of_a_photo(tmp_path):
    wide = np.zeros((20, 60, 3), np.uint8)
    wide[:, 20:40] = 255
    Image.fromarray(wide).save(tmp_path / "wide.png")
    middle = square(tmp_path / "wide.png", 10)
    assert tuple(middle.shape) == (1, 3, 10, 10)
    assert float(middle[..., 2:8].min()) > 0.95
    Image.fromarray(wide.transpose(1, 0, 2).copy()).save(tmp_path / "high.png")
    torch.testing.assert_close(square(tmp_path / "high.png", 10), middle.mT)


@pytest.mark.parametrize("form", ["fourier", "pixels"])
def test_a_run_begins_at_the_means(form, named, folder):
    technique = settings(folder, parameterization=form, iterations=1, learning_rate=1e-4)
    task = task_of(technique, named)
    (stage,) = technique.stages(task)
    (frame,) = technique.frames(task)
    assert stage.size == tuple(frame.picture.shape[1:]) == (66, 66)
    means = facets(task_of(technique, named), 32)
    for facet, (y, x) in zip(means, ((0, 0), (0, 34), (34, 0)), strict=True):
        made = frame.picture[:, y : y + 32, x : x + 32]
        assert (made - facet.mean).abs().mean() < 0.01


def test_the_class_grows_and_the_figure_shows_both(named, folder):
    technique = settings(
        folder, iterations=12, closest=1.0, jitter=0, zoom=0.0, rotation=0.0, parameterization="pixels"
    )  # fmt: skip
    frames = [(f, f.picture.clone()) for f in technique.frames(task_of(technique, named))]
    assert frames[-1][0].losses["logit"] > frames[0][0].losses["logit"]
    picture = frames[-1][1]
    (upper, made), (lower, means) = lines(task_of(technique, named), picture)
    assert (upper, lower) == ("facet", "mean")
    assert [t.caption for t in made] == ["8 photos", "6 photos", "5 photos"]
    assert torch.equal(made[1].picture, picture[:, :32, 34:])
    assert abs(float(means[0].picture.mean()) * 255 - 40) < 2
    figure = technique.figure(task_of(technique, named), picture)
    assert figure.width > 3 * 32 and figure.height > 2 * 32


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"folder": ""}, "folder= is empty"), ({"folder": "/no/such/place"}, "there is no folder"),
     ({"target": "zebra"}, "no class 'zebra'"), ({"layer": "relu9_9"}, "no layer 'relu9_9'")],
)  # fmt: skip
def test_refused(changes, words, named, folder):
    with pytest.raises(BadInput, match=words):
        next(iter(replace(settings(folder), **changes).frames(task_of(
            replace(settings(folder), **changes), named))))  # fmt: skip


def test_too_few_photos(folder):
    assert len(photos(str(folder), 19)) == 19
    with pytest.raises(BadInput, match="holds 19 pictures; 20 facets"):
        photos(str(folder), 20)


def test_the_preset_of_pixels_is_a_setting_of_pixels(named, folder):
    technique = make(Multifaceted, Multifaceted.presets["Pixels"])
    assert technique.parameterization == "pixels" and technique.tv > 0
