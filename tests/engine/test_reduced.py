"""Large photos are opened only as large as a job needs, and its recipe finds the same numbers."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from engine.errors import BadInput
from engine.image import open_picture
from engine.job import Inputs, Job, opened
from engine.parameterization.scales import fit, resize_picture
from engine.techniques.class_visualization import ClassVisualization
from engine.techniques.deep_dream import DeepDream
from engine.techniques.style_transfer import StyleTransfer


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A JPEG of 6 megapixels with shapes and fine noise."""
    random = np.random.default_rng(0)
    y, x = np.mgrid[0:2000, 0:3000]
    waves = [np.sin(x / (23 + 9 * i)) * np.cos(y / (31 + 5 * i)) for i in range(3)]
    noise = random.integers(-8, 9, (2000, 3000, 1))
    values = (128 + 90 * np.stack(waves, -1) + noise).clip(0, 255).astype(np.uint8)
    path = tmp_path_factory.mktemp("photo") / "photo.jpg"
    Image.fromarray(values).save(path, quality=92)
    return path


def job_of(photo: Path | str, size: int | None = 128) -> Job:
    inputs = Inputs(content=str(photo), guide=str(photo))
    return Job(DeepDream(), inputs, size=size, precision="fp32")


def test_what_is_opened_is_a_few_times_the_result(photo: Path) -> None:
    content = opened(job_of(photo)).inputs.content
    assert content.full_size == (3000, 2000) and 1024 <= content.width < 1100
    assert opened(job_of(photo, 1500)).inputs.content.full_size is None


def test_the_technique_sees_the_same_to_rounding(photo: Path) -> None:
    whole, reduced = open_picture(photo), opened(job_of(photo)).inputs.content
    for side in (128, 90, 40):
        size = fit((whole.height, whole.width), side)
        assert size == fit((reduced.height, reduced.width), side)
        seen = [resize_picture(p.tensor()[None], size) for p in (whole, reduced)]
        difference = 255 * (seen[0] - seen[1]).abs()
        assert difference.max() < 1.5 and difference.mean() < 0.2


def test_a_recipe_finds_the_very_numbers(photo: Path) -> None:
    ran = opened(job_of(photo))
    again = opened(Job.from_recipe(ran.recipe()))
    for one, other in (
        (ran.inputs.content, again.inputs.content), (ran.inputs.guide, again.inputs.guide),
    ):  # fmt: skip
        assert torch.equal(one.tensor(), other.tensor())


@pytest.mark.parametrize("other", [None, 700])
def test_pictures_opened_otherwise_are_opened_again(photo: Path, other: int | None) -> None:
    given = open_picture(photo, long_side=other)
    job = opened(replace(job_of(photo), inputs=Inputs(content=given)))
    assert torch.equal(job.inputs.content.tensor(), opened(job_of(photo)).inputs.content.tensor())


def test_a_file_that_changed_meanwhile_does_not_matter(photo: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.jpg"
    copy.write_bytes(photo.read_bytes())
    given = open_picture(copy)
    Image.new("RGB", (3000, 2000)).save(copy)
    job = opened(replace(job_of(copy), inputs=Inputs(content=given)))
    assert job.inputs.content is given


def test_styles_scaled_up_are_opened_larger(photo: Path) -> None:
    inputs = Inputs(content=str(photo), styles=((str(photo), 1.0),))
    job = opened(Job(StyleTransfer(style_scale=2.0), inputs, size=256, precision="fp32"))
    ((style, _),) = job.inputs.styles
    assert 2048 <= style.width < 2112


def test_as_large_as_the_photo(photo: Path, tmp_path: Path) -> None:
    small = tmp_path / "small.png"
    Image.new("RGB", (60, 90)).save(small)
    job = job_of(small, None)
    assert opened(job).size == 90 and opened(job).recipe()["size"] == 90
    assert job.recipe()["size"] == 90
    assert opened(job_of(photo, None)).size == 3000
    with pytest.raises(BadInput, match="size=photo needs a photo"):
        opened(Job(ClassVisualization(), size=None))
