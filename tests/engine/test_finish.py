"""What is done to a finished picture: colours, strength, and that the recipe does it again."""

import json
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from cli import commands
from cli.running import run_job
from engine import settings
from engine.errors import BadInput
from engine.finish import Finish, Finisher
from engine.image import Picture, open_picture, read_recipe
from engine.job import Inputs, Job, run
from engine.lightness import to_oklab
from engine.techniques.deep_dream import DeepDream

YIQ = np.array([[0.299, 0.587, 0.114], [0.596, -0.274, -0.322], [0.211, -0.523, 0.312]])
"""NTSC's primaries to luma and two colour coordinates, to three digits."""


def noise(*shape: int, seed: int, low: float = 0.3, high: float = 0.7) -> Any:
    values = np.random.default_rng(seed).uniform(low, high, shape)
    return values.astype(np.float32)


@pytest.fixture
def photo() -> Picture:
    return Picture(noise(20, 30, 3, seed=1))


@pytest.fixture
def picture() -> torch.Tensor:
    return torch.from_numpy(noise(3, 20, 30, seed=2, low=0.4, high=0.6))


def test_by_itself_a_picture_stays_what_it_is(photo: Picture, picture: torch.Tensor) -> None:
    assert Finisher(photo)(picture, Finish()) is picture


def test_luminance_has_the_light_of_the_result_and_the_colours_of_the_photo(
    photo: Picture, picture: torch.Tensor
) -> None:
    found = Finisher(photo)(picture, Finish(recolour="luminance")).numpy()
    y, i, q = np.tensordot(YIQ, found, 1)
    np.testing.assert_allclose(y, np.tensordot(YIQ[0], picture.numpy(), 1), atol=2e-3)
    np.testing.assert_allclose([i, q], np.tensordot(YIQ[1:], photo.rgb.transpose(2, 0, 1), 1),
                               atol=2e-3)  # fmt: skip


def test_match_has_the_photos_mean_and_spread(photo: Picture, picture: torch.Tensor) -> None:
    found = Finisher(photo)(picture, Finish(recolour="match")).numpy().reshape(3, -1)
    target = photo.rgb.reshape(-1, 3).T
    np.testing.assert_allclose(found.mean(1), target.mean(1), atol=0.02)
    np.testing.assert_allclose(np.cov(found), np.cov(target), atol=2e-3)


def test_gray_needs_no_photo(picture: torch.Tensor) -> None:
    found = Finisher(None)(picture, Finish(recolour="gray")).numpy()
    luma = np.tensordot(YIQ[0], picture.numpy(), 1)
    np.testing.assert_allclose(found, np.stack([luma] * 3), atol=1e-6)
    half = Finisher(None)(picture, Finish(recolour="gray", recolour_strength=0.5)).numpy()
    np.testing.assert_allclose(half, (picture.numpy() + luma) / 2, atol=1e-6)


def test_strength_is_how_much_of_the_result_there_is(photo: Picture, picture: torch.Tensor) -> None:
    for share in (0.0, 0.25):
        found = Finisher(photo)(picture, Finish(strength=share, blend="rgb")).numpy()
        expected = share * picture.numpy() + (1 - share) * photo.rgb.transpose(2, 0, 1)
        np.testing.assert_allclose(found, expected, atol=1e-6)


def test_strength_mixes_what_the_eye_sees(photo: Picture, picture: torch.Tensor) -> None:
    found = Finisher(photo)(picture, Finish(strength=0.25))
    parts = [to_oklab(each[None]) for each in (photo.tensor(), picture)]
    np.testing.assert_allclose(to_oklab(found[None]), 0.75 * parts[0] + 0.25 * parts[1], atol=1e-5)
    assert torch.equal(Finisher(photo)(picture, Finish(strength=0.0)), photo.tensor())


def test_white_halfway_to_black_is_the_gray_that_looks_so() -> None:
    """L = 0.5 is (0.5³) of the light, as sRGB encodes it: 0.3885."""
    black = Picture(np.zeros((4, 4, 3), np.float32))
    found = Finisher(black)(torch.ones(3, 4, 4), Finish(strength=0.5))
    np.testing.assert_allclose(found, 1.055 * 0.125 ** (1 / 2.4) - 0.055, atol=1e-5)


def test_sharpening_and_grain_need_no_photo(picture: torch.Tensor) -> None:
    sharp = Finisher(None)(picture, Finish(sharpen=1.0, sharpen_radius=2.0))
    assert float(sharp.std()) > 1.2 * float(picture.std())
    grainy = Finisher(None)(picture, Finish(grain=0.1))
    before, after = (to_oklab(each[None]) for each in (picture, grainy))
    assert float((after - before)[:, 0].std()) == pytest.approx(0.1, rel=0.2)
    assert not torch.equal(grainy, Finisher(None)(picture, Finish(grain=0.1, grain_seed=1)))


def test_the_radius_grows_with_the_picture() -> None:
    """An edge has a rim of the same share of the picture at any size."""
    rims = []
    for side in (200, 600):
        edge = torch.full((3, side, side), 0.3)
        edge[..., side // 2 :] = 0.6
        sharp = Finisher(None)(edge, Finish(sharpen=1.0, sharpen_radius=1.0))
        rims.append(float((sharp - edge).abs().mean()))
    assert rims[0] == pytest.approx(rims[1], rel=0.1)
    assert rims[0] > 1e-3


def test_the_photo_is_taken_at_the_results_size(photo: Picture) -> None:
    picture = torch.full((3, 40, 60), 0.5)
    found = Finisher(photo)(picture, Finish(strength=0.0)).numpy()
    expected = photo.resized(size=(60, 40)).rgb.transpose(2, 0, 1)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("finish", [Finish(recolour="luminance"), Finish(strength=0.0)])
def test_of_another_shape_than_the_photo_it_stays(photo: Picture, finish: Finish) -> None:
    sheet = torch.full((3, 30, 30), 0.5)
    assert torch.equal(Finisher(photo)(sheet, finish), sheet)
    assert torch.equal(Finisher(None)(sheet, finish), sheet)


@pytest.fixture
def job(tmp_path: Path) -> Job:
    path = tmp_path / "photo.png"
    Image.fromarray((noise(24, 32, 3, seed=4, low=0, high=1) * 255).astype(np.uint8)).save(path)
    technique = DeepDream(iterations=1, octaves=1)
    return Job(technique, Inputs(str(path)), size=48, device="cpu", precision="fp32")


@pytest.mark.parametrize(
    ("finish", "version"),
    [
        (Finish("match", 0.5, 0.25), 3),
        (Finish("match", 0.5, 0.25, "rgb"), 2),
        (Finish("gray"), 2),
        (Finish("gray", blend="rgb"), 3),
        (Finish(grain=0.05, grain_seed=7), 3),
        (Finish(sharpen=1.0), 3),
    ],
)
def test_a_recipe_says_how_it_was_finished(job: Job, finish: Finish, version: int) -> None:
    assert job.recipe()["format"] == 1
    assert "finish" not in job.recipe()
    recipe = json.loads(json.dumps(replace(job, finish=finish).recipe()))
    assert recipe["format"] == version, "an older version would make another picture of it"
    assert Job.from_recipe(recipe).finish == finish


def test_an_old_recipe_gives_the_same_bytes(
    job: Job, photo: Picture, picture: torch.Tensor
) -> None:
    """Before there was a choice, the photo was blended in as `torch.lerp` has it, in RGB."""
    old = {"recolour": "none", "recolour_strength": 1.0, "strength": 0.3}
    finish = Job.from_recipe({**job.recipe(), "format": 2, "finish": old}).finish
    expected = torch.lerp(photo.tensor(), picture, 0.3)
    assert torch.equal(Finisher(photo)(picture, finish), expected)
    assert replace(job, finish=finish).recipe()["finish"] == old


@pytest.mark.parametrize(
    "damaged", [{"strength": 2}, {"recolour": "blue"}, {"shine": 1}, [1], "x", None]
)
def test_damaged_finishes_are_refused(job: Job, damaged: object) -> None:
    with pytest.raises(BadInput):
        Job.from_recipe({**job.recipe(), "format": 2, "finish": damaged})


def test_a_run_finishes_its_pictures_and_only_them(job: Job) -> None:
    *_, plain = run(job)
    *_, gray = run(replace(job, finish=Finish(recolour="gray")))
    assert gray.losses == plain.losses
    assert float((gray.picture - gray.picture.mean(0)).abs().max()) < 1e-6
    assert float((plain.picture - plain.picture.mean(0)).abs().max()) > 0.1


def test_the_command_finishes_and_renders_it_again(job: Job, tmp_path: Path) -> None:
    out, again = tmp_path / "out.png", tmp_path / "again.png"
    photo = str(job.inputs.content)
    words = ["deep-dream", photo, "--iterations", "1", "--octaves", "1", "--size", "48", "--quiet",
             "--device", "cpu", "--recolour", "gray", "--strength", "0.5", "--sharpen", "1",
             "--grain", "0.05", "--grain-seed", "4", "-o", str(out)]  # fmt: skip
    assert commands.run(words) == 0
    recipe = read_recipe(out)
    assert recipe is not None
    finish = Finish("gray", strength=0.5, sharpen=1.0, grain=0.05, grain_seed=4)
    assert recipe["finish"] == settings.values(finish)
    assert commands.run(["render", str(out), "-o", str(again), "--quiet"]) == 0
    assert np.array_equal(open_picture(out).rgb, open_picture(again).rgb)


def test_each_frame_of_a_film_has_a_grain_of_its_own(job: Job, tmp_path: Path) -> None:
    dream = replace(job.technique, iterations=1, frame_count=3)  # type: ignore[call-arg]
    filmed = replace(job, technique=dream, finish=Finish(grain=0.1))
    plain = replace(filmed, finish=Finish())
    for each, name in ((filmed, "a"), (filmed, "again"), (plain, "plain")):
        assert run_job(each, tmp_path / f"{name}.png", quiet=True, reel=tmp_path / name)[0] == 0
    frames = {
        name: [open_picture(p).rgb for p in sorted((tmp_path / name).iterdir())]
        for name in ("a", "again", "plain")
    }
    grains = [a - b for a, b in zip(frames["a"], frames["plain"], strict=True)]
    for one, other in combinations(grains, 2):
        assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 0.2
    assert all(map(np.array_equal, frames["a"], frames["again"])), "the same film"
    last = torch.from_numpy(open_picture(tmp_path / "plain.png").rgb.transpose(2, 0, 1).copy())
    still = Finisher(None)(last, Finish(grain=0.1)).numpy().transpose(1, 2, 0)
    assert np.abs(open_picture(tmp_path / "a.png").rgb - still).max() < 0.01, "the recipe's seed"
