"""Formats beside Pillow's own: read as other readers read them, written with their recipe."""

import io
import struct
import sys

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps
from PIL.ExifTags import Base

from engine import image_formats
from engine.errors import BadInput
from engine.image import open_picture, read_recipe, save_picture
from engine.image_headers import code_points, jxl_size

pillow_heif = pytest.importorskip("pillow_heif")
pytest.importorskip("pillow_jxl")


# What 120 of 255 in PQ look like: light by SMPTE ST 2084, of a white of 203 nits, as sRGB.
_POWER = (120 / 255) ** (1 / 78.84375)
_LIGHT = (
    10000 / 203 * ((_POWER - 0.8359375) / (18.8515625 - 18.6875 * _POWER)) ** (1 / 0.1593017578125)
)
PQ_120 = 1.055 * _LIGHT ** (1 / 2.4) - 0.055
assert _LIGHT < 0.5  # none of it is rolled off


def smooth(height=48, width=64, channels=3):
    """Colours that compression hardly touches, different in every corner."""
    y, x = np.mgrid[0:height, 0:width]
    planes = [255 * x / width, 255 * y / height, 255 * (x + y) / (width + height), 200 - y]
    return np.stack(planes[:channels], -1).astype(np.uint8)


def noise(*shape, dtype=np.uint16):
    return np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape, dtype, True)


def oriented(number):
    exif = Image.Exif()
    exif[Base.Orientation], exif[Base.Artist] = number, "Ada"
    return exif


def close(picture, values, most):
    assert picture.rgb.shape == values.shape
    assert np.abs(picture.rgb * 255 - values).max() <= most


# ---------------------------------------------------------------- HEIC


def test_heic(tmp_path):
    path = tmp_path / "a.heic"
    heif = pillow_heif.from_pillow(Image.fromarray(smooth()))
    heif.save(path, quality=95, chroma=444)
    close(open_picture(path), smooth(), 6)


def test_heic_is_turned_once(tmp_path):
    image = Image.fromarray(smooth())
    pillow_heif.register_heif_opener(thumbnails=False)
    image.save(tmp_path / "a.heic", "HEIF", quality=95, exif=oriented(6).tobytes())
    picture = open_picture(tmp_path / "a.heic")
    close(picture, np.rot90(smooth(), -1), 8)
    assert b"Ada" in picture.exif


def test_heic_of_several(tmp_path):
    heif = pillow_heif.HeifFile()
    for level in (50, 150):
        heif.add_from_pillow(Image.new("RGB", (32, 32), (level,) * 3))
    heif.save(tmp_path / "a.heic", quality=95)
    first, second = open_picture(tmp_path / "a.heic"), open_picture(tmp_path / "a.heic#2")
    assert (first.frame, first.frames) == (1, 2) and "number 1" in first.note
    levels = [round(float(p.rgb.mean()) * 255) for p in (first, second)]
    assert np.abs(np.subtract(levels, [50, 150])).max() <= 2


def test_colours_of_heic(tmp_path):
    pillow_heif.register_heif_opener(thumbnails=False)
    image = Image.new("RGB", (32, 32), (120, 120, 120))
    tags = {"color_primaries": 9, "transfer_characteristics": 16, "matrix_coefficients": 9}
    image.save(tmp_path / "a.heic", "HEIF", quality=98, full_range_flag=1, **tags)
    assert open_picture(tmp_path / "a.heic").rgb.mean() == pytest.approx(PQ_120, abs=0.01)


# ---------------------------------------------------------------- AVIF


def test_avif(tmp_path):
    Image.fromarray(smooth()).save(tmp_path / "a.avif", quality=95, subsampling="4:4:4")
    close(open_picture(tmp_path / "a.avif"), smooth(), 6)


@pytest.mark.parametrize("number", range(1, 9))
def test_avif_is_turned_once(tmp_path, number):
    path = tmp_path / "a.avif"
    Image.fromarray(smooth()).save(path, quality=95, subsampling="4:4:4", exif=oriented(number))
    image = Image.fromarray(smooth())
    image.getexif()[Base.Orientation] = number
    close(open_picture(path), np.asarray(ImageOps.exif_transpose(image)), 6)
    # Pillow writes the orientation into the format's own boxes, not into EXIF.
    assert any(box in path.read_bytes() for box in (b"irot", b"imir")) == (number > 1)


def patched_nclx(path, primaries, transfer):
    """Let an AVIF without profile say other colours."""
    data = path.read_bytes()
    place = data.index(b"colrnclx") + 8
    path.write_bytes(data[:place] + struct.pack(">HH", primaries, transfer) + data[place + 4 :])


def test_colours_of_avif(tmp_path):
    path = tmp_path / "a.avif"
    Image.new("RGB", (32, 32), (120, 120, 120)).save(path, quality=98)
    assert open_picture(path).rgb.mean() == pytest.approx(120 / 255, abs=0.005)
    patched_nclx(path, 9, 16)
    assert code_points(path.read_bytes()) == (9, 16)
    assert open_picture(path).rgb.mean() == pytest.approx(PQ_120, abs=0.01)


def test_damaged_avif_head_says_nothing(tmp_path):
    path = tmp_path / "a.avif"
    Image.new("RGB", (32, 32)).save(path)
    data = path.read_bytes()
    for end in range(0, 300, 7):
        code_points(data[:end])  # raises nothing
    for place in range(20, 300, 3):
        code_points(data[:place] + b"\xff\xff" + data[place + 2 :])


# ---------------------------------------------------------------- JPEG XL


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_jpeg_xl(tmp_path, mode):
    open_jxl()
    values = np.asarray(Image.fromarray(smooth(channels=4)).convert(mode))
    Image.fromarray(values).save(tmp_path / "a.jxl", lossless=True)
    picture = open_picture(tmp_path / "a.jxl")
    expected = np.asarray(Image.fromarray(values).convert("RGB"))
    close(picture, expected, 0.01)
    assert (picture.alpha is not None) == mode.endswith("A")


def open_jxl():
    image_formats.need_jxl("a.jxl")


def test_jpeg_xl_is_turned_once(tmp_path):
    open_jxl()
    exif = oriented(6)
    Image.fromarray(smooth()).save(tmp_path / "a.jxl", lossless=True, exif=exif.tobytes(),
                                   use_container=True)  # fmt: skip
    # The codestream says upright, and that counts (ISO/IEC 18181-2).
    close(open_picture(tmp_path / "a.jxl"), smooth(), 0.01)


def test_jpeg_in_jpeg_xl_is_turned_once(tmp_path):
    open_jxl()
    Image.fromarray(smooth()).save(tmp_path / "a.jpg", quality=95, exif=oriented(6))
    with Image.open(tmp_path / "a.jpg") as image:
        image.save(tmp_path / "a.jxl", lossless_jpeg=True)
    close(open_picture(tmp_path / "a.jxl"), open_picture(tmp_path / "a.jpg").rgb * 255, 3)


@pytest.mark.parametrize(
    "size", [(64, 48), (7, 5), (8, 8), (256, 256), (257, 1), (1000, 3), (160, 90)]
)
@pytest.mark.parametrize("container", [False, True])
def test_size_in_the_head_of_jpeg_xl(size, container):
    open_jxl()
    file = io.BytesIO()
    Image.new("RGB", size).save(file, "JXL", use_container=container)
    assert jxl_size(file.getvalue()) == size


def test_too_large_jpeg_xl_is_not_even_decoded(tmp_path):
    # Codestream head by hand: not small, height 2^18 and width 2^18 in 18 bits less one.
    bits = 0 | 2 << 1 | (2**18 - 1) << 3 | 0 << 21 | 2 << 24 | (2**18 - 1) << 26
    (tmp_path / "a.jxl").write_bytes(b"\xff\x0a" + bits.to_bytes(8, "little") + bytes(20))
    with pytest.raises(BadInput, match="262144 x 262144 pixels"):
        open_picture(tmp_path / "a.jxl")


# ---------------------------------------------------------------- rare TIFF files


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_tiff_of_16_bit_grey_and_alpha(tmp_path, byteorder, compression):
    values = noise(9, 11, 2)
    tifffile.imwrite(
        tmp_path / "a.tif", values, photometric="minisblack", extrasamples=["unassalpha"],
        byteorder=byteorder, compression=compression, predictor=compression is not None,
    )  # fmt: skip
    picture = open_picture(tmp_path / "a.tif")
    np.testing.assert_allclose(picture.rgb[..., 2], values[..., 0] / 65535, atol=1e-7)
    np.testing.assert_allclose(picture.alpha, values[..., 1] / 65535, atol=1e-7)


def test_big_endian_tiff_in_which_white_is_zero(tmp_path):
    values = noise(9, 11)
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="miniswhite", byteorder=">")
    picture = open_picture(tmp_path / "a.tif")
    np.testing.assert_allclose(picture.rgb[..., 0], 1 - values / 65535, atol=1e-6)


def test_tiff_of_16_bit_planes(tmp_path):
    values = noise(3, 4, 5)
    tag = (274, 3, 1, 6, True)  # the orientation
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="rgb", planarconfig="separate",
                     extratags=[tag])  # fmt: skip
    expected = np.rot90(np.moveaxis(values, 0, -1), -1) / 65535
    np.testing.assert_allclose(open_picture(tmp_path / "a.tif").rgb, expected, atol=1e-7)


def webp_tiff(path, values, tile=None):
    """A TIFF whose strips, or tiles, are WebP files, put together by hand."""
    height, width, channels = values.shape
    down, across = tile or (16, width)
    parts = []
    for top in range(0, height, down):
        for left in range(0, width, across):
            part = np.zeros((down if tile else min(down, height - top), across, channels), np.uint8)
            piece = values[top : top + down, left : left + across]
            part[: piece.shape[0], : piece.shape[1]] = piece
            file = io.BytesIO()
            Image.fromarray(part).save(file, "WEBP", lossless=True, exact=True)
            parts.append(file.getvalue())
    places = {True: (322, 323, 324, 325), False: (0, 278, 273, 279)}[tile is not None]
    entries = [
        (256, 3, [width]), (257, 3, [height]), (258, 3, [8] * channels), (259, 3, [50001]),
        (262, 3, [2]), (277, 3, [channels]), (places[1], 3, [down]),
        (places[2], 4, [0] * len(parts)), (places[3], 4, [len(p) for p in parts]),
    ]  # fmt: skip
    entries += [(322, 3, [across])] if tile else []
    entries += [(338, 3, [2])] if channels == 4 else []
    entries.sort()
    start = 8 + 2 + 12 * len(entries) + 4
    long = {t: v for t, k, v in entries if len(v) * (2 if k == 3 else 4) > 4}
    kinds = {t: k for t, k, _ in entries}
    data_at = start + sum(len(v) * (2 if kinds[t] == 3 else 4) for t, v in long.items())
    offsets = [data_at + sum(len(p) for p in parts[:i]) for i in range(len(parts))]
    head, tail = struct.pack("<2sHIH", b"II", 42, 8, len(entries)), b""
    for tag, kind, numbers in entries:
        numbers = offsets if tag == places[2] else numbers
        packed = struct.pack(f"<{len(numbers)}{'H' if kind == 3 else 'I'}", *numbers)
        head += struct.pack("<HHI", tag, kind, len(numbers))
        if len(packed) > 4:
            head += struct.pack("<I", start + len(tail))
            tail += packed
        else:
            head += packed.ljust(4, b"\0")
    path.write_bytes(head + bytes(4) + tail + b"".join(parts))


@pytest.mark.parametrize("tile", [None, (16, 32)])
@pytest.mark.parametrize("channels", [3, 4])
def test_tiff_of_webp(tmp_path, tile, channels):
    values = smooth(40, 50, channels)
    webp_tiff(tmp_path / "a.tif", values, tile)
    picture = open_picture(tmp_path / "a.tif")
    close(picture, values[..., :3], 0.01)
    if channels == 4:
        np.testing.assert_allclose(picture.alpha, values[..., 3] / 255, atol=1e-6)


# ---------------------------------------------------------------- written


@pytest.mark.parametrize("suffix", [".avif", ".jxl"])
@pytest.mark.parametrize("channels", [3, 4])
def test_written_and_read_again(tmp_path, suffix, channels):
    Image.fromarray(smooth(channels=channels)).save(tmp_path / "a.png", exif=oriented(1))
    picture = open_picture(tmp_path / "a.png")
    recipe = {"words": "Zoë & <co>", "numbers": list(range(30000))}
    path = save_picture(picture, tmp_path / f"a{suffix}", recipe=recipe, quality=98)
    again = open_picture(path)
    close(again, smooth(), 25)  # JPEG XL's are differences that nobody sees
    assert np.abs(again.rgb * 255 - smooth()).mean() < 1
    assert (again.alpha is None) == (channels == 3)
    assert read_recipe(path) == recipe
    assert b"Ada" in again.exif


def test_no_16_bits_there(tmp_path):
    Image.fromarray(smooth()).save(tmp_path / "a.png")
    for name in ("a.avif", "a.jxl"):
        with pytest.raises(BadInput, match="16 bits"):
            save_picture(open_picture(tmp_path / "a.png"), tmp_path / name, bits=16)


# ---------------------------------------------------------------- without the extra


def test_what_is_missing_is_named(tmp_path, monkeypatch):
    pillow_heif.from_pillow(Image.fromarray(smooth())).save(tmp_path / "a.heic")
    open_jxl()
    Image.fromarray(smooth()).save(tmp_path / "a.jxl")
    tifffile.imwrite(tmp_path / "a.tif", noise(4, 4), photometric="miniswhite", byteorder=">")
    Image.fromarray(smooth()).save(tmp_path / "a.png")
    good = open_picture(tmp_path / "a.png")
    for module in ("pillow_heif", "pillow_jxl", "tifffile"):
        monkeypatch.setitem(sys.modules, module, None)
    for cached in (image_formats.has_heif, image_formats.has_jxl):
        cached.cache_clear()
    try:
        for name, package in [
            ("a.heic", "pillow-heif"), ("a.jxl", "pillow-jxl-plugin"), ("a.tif", "tifffile"),
        ]:  # fmt: skip
            with pytest.raises(BadInput, match=rf"{package} \(pip install"):
                open_picture(tmp_path / name)
        with pytest.raises(BadInput, match="pillow-jxl-plugin"):
            save_picture(good, tmp_path / "b.jxl")
    finally:
        for cached in (image_formats.has_heif, image_formats.has_jxl):
            cached.cache_clear()
