"""GrabCut from saliency, on objects that are known."""

from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image

from engine.attribution import Selection, grab_cut, saliency
from engine.errors import BadInput
from engine.networks.loading import load_network

Bools = npt.NDArray[np.bool_]
Bytes = npt.NDArray[np.uint8]


def disc(shape: tuple[int, int], middle: tuple[int, int], radius: float) -> Bools:
    y, x = np.mgrid[: shape[0], : shape[1]]
    return (y - middle[0]) ** 2 + (x - middle[1]) ** 2 <= radius**2


def painted(mask: Bools, seed: int = 0) -> Bytes:
    """Orange where the mask is, blue elsewhere, both with noise."""
    random = np.random.default_rng(seed)
    picture = np.where(mask[..., None], (210.0, 120.0, 40.0), (50.0, 90.0, 160.0))
    return np.clip(picture + random.normal(0, 12, picture.shape), 0, 255).astype(np.uint8)


def spotty(mask: Bools, seed: int = 1) -> npt.NDArray[np.float64]:
    """Like a gradient: of both signs and patchy inside, weak outside."""
    random = np.random.default_rng(seed)
    return random.normal(0, 1, mask.shape) * np.where(mask, 1.0, 0.05)


def overlap(a: Bools, b: Bools) -> float:
    return float((a & b).sum() / (a | b).sum())


OBJECT = disc((120, 150), (50, 90), 28)


def test_an_object_is_cut_along_its_colours() -> None:
    """The map fades from the disc's middle and covers but a part: the rest follows from colours."""
    y, x = np.mgrid[:120, :150]
    fading = np.exp(-((y - 50) ** 2 + (x - 90) ** 2) / (2 * 12**2))
    noise = np.random.default_rng(1).normal(0, 1, fading.shape)
    found = grab_cut(painted(OBJECT), noise * fading)
    assert found.mask.dtype == np.bool_
    assert found.mask.shape == (120, 150)
    assert overlap(found.mask, OBJECT) > 0.97
    assert np.abs(np.subtract(found.box, (62, 22, 119, 79))).max() <= 1


def test_the_box_is_of_the_mask_and_one_beyond() -> None:
    mask = np.zeros((60, 90), bool)
    mask[10:30, 40:75] = True
    found = grab_cut(painted(mask), mask * 1.0)
    assert overlap(found.mask, mask) == 1
    assert found.box == (40, 10, 75, 30)


def test_only_the_largest_piece_is_kept() -> None:
    large, small = disc((120, 150), (40, 40), 25), disc((120, 150), (90, 120), 12)
    found = grab_cut(painted(large | small), spotty(large | small))
    assert overlap(found.mask, large) > 0.97
    assert not found.mask[small].any()
    assert found.box[2] <= 67


def test_floats_bytes_and_tensors_give_the_same() -> None:
    picture, map_ = painted(OBJECT), spotty(OBJECT)
    first = grab_cut(picture, map_)
    for other in (
        grab_cut(picture / 255, map_),
        grab_cut((picture / 255).astype(np.float32), -1000 * map_),
        grab_cut(picture, torch.from_numpy(map_)),
        grab_cut(np.asfortranarray(picture), map_ * 1e-12),
    ):
        assert np.array_equal(first.mask, other.mask)
        assert first.box == other.box


def test_it_is_the_same_each_time_whatever_was_drawn_before() -> None:
    picture, map_ = painted(OBJECT, 5), spotty(OBJECT, 6)
    first = grab_cut(picture, map_)
    for seed in (3, 99):
        cv2.setRNGSeed(seed)
        before = picture.copy(), map_.copy()
        assert np.array_equal(grab_cut(picture, map_).mask, first.mask)
        assert np.array_equal(picture, before[0])
        assert np.array_equal(map_, before[1])


def test_quantiles_are_the_seeds() -> None:
    """In a picture of one colour nothing but the map decides: the surest pixels, joined."""
    gray = np.full((50, 50, 3), 128, np.uint8)
    slope = np.tile(np.arange(50.0), (50, 1))
    for foreground, columns in [(0.9, 5), (0.8, 10)]:
        found = grab_cut(gray, slope, foreground, background=foreground - 0.02)
        assert found.mask[:, -columns:].all()
        assert not found.mask[:, : -columns - 1].any()


def test_maps_that_are_mostly_nothing() -> None:
    """Both quantiles are 0 then: what stands out is the seed, the rest undecided."""
    map_ = np.zeros((120, 150))
    map_[48:52, 88:92] = 1
    assert overlap(grab_cut(painted(OBJECT), map_).mask, OBJECT) > 0.95


def test_everything_may_be_the_object() -> None:
    """All of one colour but for a pixel where the map has nothing."""
    map_ = np.ones((40, 40))
    map_[0, 0] = 0
    found = grab_cut(np.full((40, 40, 3), 200, np.uint8), map_, 0.5, 0.0)
    assert found.mask.mean() > 0.9
    assert found.box == (0, 0, 40, 40)


@pytest.mark.parametrize("shape", [(1, 2), (2, 1), (2, 2), (3, 3), (1, 40)])
def test_tiny_pictures(shape: tuple[int, int]) -> None:
    map_ = np.zeros(shape)
    map_.flat[-1] = 1
    found = grab_cut(np.full((*shape, 3), 90, np.uint8), map_)
    assert isinstance(found, Selection)
    assert found.mask[-1, -1]
    left, top, right, bottom = found.box
    assert 0 <= left < right == shape[1]
    assert 0 <= top < bottom == shape[0]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"saliency_map": np.zeros((20, 30))}, "the same everywhere and points at nothing"),
        ({"saliency_map": np.full((20, 30), 7.0)}, "the same everywhere"),
        ({"picture": np.ones((1, 1, 3)), "saliency_map": np.ones((1, 1))}, "same everywhere"),
        ({"saliency_map": np.full((20, 30), np.nan)}, "map holds numbers that are not finite"),
        ({"saliency_map": np.zeros((30, 20))}, "picture has 30x20 pixels and .* map 20x30; scale"),
        ({"saliency_map": np.zeros((1, 20, 30))}, r"map must be \(H, W\), not \(1, 20, 30\)"),
        ({"picture": np.ones((20, 30))}, r"picture must be \(H, W, 3\), not \(20, 30\)"),
        ({"picture": np.full((20, 30, 3), np.inf)}, "picture holds numbers that are not finite"),
        ({"picture": np.ones((0, 30, 3))}, "picture must be"),
        ({"foreground": 0.3}, "the background's below the foreground's"),
        ({"foreground": 1.1}, "quantiles must be between 0 and 1"),
        ({"background": -0.1}, "quantiles must be"),
        ({"iterations": 0}, "iterations at least 1, not .* 0"),
    ],
)
def test_what_cannot_be(change: dict[str, object], says: str) -> None:
    good = {"picture": np.zeros((20, 30, 3)), "saliency_map": np.eye(20, 30)}
    with pytest.raises(BadInput, match=says):
        grab_cut(**(good | change))


def test_a_cat_in_the_grass(data_folder: Path) -> None:
    image = Image.open(data_folder / "images" / "attribution" / "cat.jpg").convert("RGB")
    image.thumbnail((224, 224))
    pixels = np.asarray(image)
    network = load_network("slim_vgg")
    picture = torch.from_numpy(pixels / 255).float().permute(2, 0, 1)[None]
    target = int(network.logits(picture).argmax())
    found = grab_cut(pixels, saliency(network.module, network.prepare(picture), target)[0])
    # Read off the photograph by eye: ears, paws and back of the cat.
    cat = np.zeros(found.mask.shape, bool)
    cat[8:165, 78:166] = True
    box = np.zeros_like(cat)
    left, top, right, bottom = found.box
    box[top:bottom, left:right] = True
    assert overlap(box, cat) > 0.9
    # Its fur is orange and white, what is around it green.
    red, green, _ = pixels[found.mask].mean(0)
    assert red > 1.1 * green
    red, green, _ = pixels[~found.mask].mean(0)
    assert red < green
