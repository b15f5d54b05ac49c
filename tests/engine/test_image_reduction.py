"""Pictures reduced while they are decoded: the same as reducing the whole, to rounding."""

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from engine.image import open_picture
from engine.image_reduction import reduced_size


def detailed(height=480, width=640, channels=3):
    """Smooth shapes with fine noise on them, as a photo has."""
    random = np.random.default_rng(0)
    y, x = np.mgrid[0:height, 0:width]
    waves = [np.sin(x / (9 + 7 * i)) * np.cos(y / (13 + 5 * i)) for i in range(channels)]
    values = 128 + 90 * np.stack(waves, -1) + random.normal(0, 6, (height, width, channels))
    return values.clip(0, 255).astype(np.uint8)


def whole_then_small(path, picture):
    return open_picture(path).resized(size=(picture.width, picture.height))


@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.webp", "a.bmp", "grey.png", "alpha.png"])
def test_bit_for_bit_where_everything_is_decoded(tmp_path, name):
    values = detailed(channels=4 if name == "alpha.png" else 3)
    image = Image.fromarray(values).convert("L") if name == "grey.png" else Image.fromarray(values)
    image.save(tmp_path / name, **({"lossless": True} if name == "a.webp" else {}))
    picture = open_picture(tmp_path / name, long_side=128)
    expected = whole_then_small(tmp_path / name, picture)
    assert 128 <= picture.width < 192 and picture.full_size == (640, 480)
    assert (picture.rgb == expected.rgb).all()
    if expected.alpha is not None:
        assert (picture.alpha == expected.alpha).all()


def test_16_bits(tmp_path):
    values = detailed().astype(np.uint16) * 257
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="rgb")
    picture = open_picture(tmp_path / "a.tif", long_side=100)
    assert (picture.rgb == whole_then_small(tmp_path / "a.tif", picture).rgb).all()


@pytest.mark.parametrize("size", [(640, 480), (637, 475), (1001, 333)])
@pytest.mark.parametrize("shrunk", [2, 4, 8])
def test_jpeg_at_a_smaller_scale(tmp_path, size, shrunk):
    """JPEG files are decoded at a smaller scale, whose last row may be only partly picture."""
    image = Image.fromarray(detailed(size[1], size[0]))
    image.save(tmp_path / "a.jpg", quality=92, subsampling=0)
    picture = open_picture(tmp_path / "a.jpg", long_side=size[0] // (2 * shrunk))
    # Halved again, as the job does that asked for twice what it needs.
    half = (picture.width // 2, picture.height // 2)
    theirs = open_picture(tmp_path / "a.jpg").resized(size=half).rgb
    difference = 255 * np.abs(picture.resized(size=half).rgb - theirs)
    assert difference.mean() < 1.2 and difference.max() < 6


def test_same_file_same_numbers(tmp_path):
    Image.fromarray(detailed()).save(tmp_path / "a.jpg")
    one, other = (open_picture(tmp_path / "a.jpg", long_side=100) for _ in range(2))
    assert (one.rgb == other.rgb).all() and one.sha256 == other.sha256


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
@pytest.mark.parametrize("name", ["a.jpg", "a.tif", "a.png"])
def test_turned(tmp_path, name, orientation):
    exif = Image.Exif()
    exif[274] = orientation
    Image.fromarray(detailed()).save(tmp_path / name, exif=exif)
    picture = open_picture(tmp_path / name, long_side=120)
    expected = whole_then_small(tmp_path / name, picture)
    assert picture.full_size == ((480, 640) if orientation > 4 else (640, 480))
    assert (picture.width < picture.height) == (orientation > 4)
    assert 255 * np.abs(picture.rgb - expected.rgb).max() < 6


def test_profile_comes_before_the_reduction(tmp_path):
    data = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    start = data.index(b"para")
    linear = data[:start] + b"curv" + bytes(28) + data[start + 32 :]
    Image.fromarray(detailed()).save(tmp_path / "a.png", icc_profile=linear)
    picture = open_picture(tmp_path / "a.png", long_side=128)
    assert (picture.rgb == whole_then_small(tmp_path / "a.png", picture).rgb).all()
    assert picture.rgb.mean() > 0.6


def test_small_pictures_stay(tmp_path):
    Image.fromarray(detailed(48, 64)).save(tmp_path / "a.jpg")
    picture = open_picture(tmp_path / "a.jpg", long_side=60)
    assert (picture.width, picture.full_size, picture.long_side) == (64, None, 64)


@pytest.mark.parametrize(
    "size", [(6000, 4000), (4000, 6000), (4032, 3024), (5001, 3337), (12000, 9)]
)
@pytest.mark.parametrize("side", [512, 1024, 2048])
def test_shape_is_kept(size, side):
    reduced = reduced_size(size, side, None)
    assert side <= max(reduced) < side + 64
    assert abs(reduced[0] / reduced[1] * size[1] / size[0] - 1) < (1e-3 if min(size) > 9 else 1)
    short = reduced_size(size, None, side)
    assert short is None or min(short) >= side
