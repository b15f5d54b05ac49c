"""DeepDream in regions: dreamed of there alone, and everywhere else the photo to the last bit."""

import numpy as np
import pytest
import torch

from engine.image import Picture
from engine.parameterization.scales import resize_picture
from engine.regions import Region
from engine.techniques.deep_dream import DeepDream


def mask(values, shape=(40, 60)):
    values = np.broadcast_to(np.asarray(values, np.float32), shape)
    return Picture(np.ascontiguousarray(np.repeat(values[..., None], 3, -1)))


LEFT = mask(np.arange(60) < 20)
SOFT = mask(np.clip((40 - np.arange(60)) / 20, 0, 1))


@pytest.fixture
def dream(task, noise_picture, pictures_of):
    def run(*regions, **settings):
        technique = DeepDream(**{"iterations": 6, "octaves": 2, **settings})
        photo = noise_picture(40, 60, seed=1)
        return photo.tensor(), pictures_of(task(technique, content=photo, size=60, regions=regions))

    return run


def test_one_region_everywhere_is_none_at_all(dream):
    plain, found = dream()[1], dream(Region(LEFT), Region(mask(1.0)))[1]
    assert [frame.losses for frame, _ in found] == [frame.losses for frame, _ in plain]
    assert all(torch.equal(a, b) for (_, a), (_, b) in zip(found, plain, strict=True))


@pytest.mark.parametrize("settings", [{}, {"smoothing": 1.5}, {"clip": False, "objective": "mean"}])
@pytest.mark.parametrize("region", [Region(LEFT), Region(SOFT)])
def test_outside_is_the_photo(dream, region, settings):
    photo, found = dream(region, **settings)
    for frame, picture in found:
        shown = resize_picture(photo[None], picture.shape[1:])[0]
        outside = torch.zeros(picture.shape[1:], dtype=torch.bool)
        outside[:, round(picture.shape[2] * 0.75) :] = True
        assert torch.equal(picture[:, outside], shown[:, outside]), frame
        assert not torch.allclose(picture, shown, atol=1 / 255)


def test_what_is_kept_is_the_photo_and_the_rest_is_dreamed_of(dream):
    photo, found = dream(Region(LEFT, kept=True))
    picture = found[-1][1]
    assert torch.equal(picture[..., :20], photo[..., :20])
    assert (picture - photo)[..., 20:].abs().mean() > 4 / 255


def test_a_step_is_as_large_in_a_region_as_without_one(dream):
    """The mean change in a region is the step, times its weight; less where it is soft."""
    one = {"iterations": 1, "octaves": 1, "step_size": 4.0, "clip": False}
    for region, wanted in ((Region(LEFT), 4.0), (Region(LEFT, weight=2.0), 8.0)):
        photo, ((_, picture),) = dream(region, **one)
        change = (picture - photo).abs()[..., :20].mean() * 255
        assert float(change) == pytest.approx(wanted, rel=0.01)  # what is shown is in the range
    photo, ((_, picture),) = dream(Region(SOFT), **one)
    change = (picture - photo).abs().mean((0, 1)) * 255
    assert float(change[:20].mean()) > 2 * float(change[30:40].mean()) > 0
