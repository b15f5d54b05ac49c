"""Saving pictures: values, profile, EXIF and recipe in every format; nothing lost on failure."""

import errno
import json
import os
import random
import stat
import struct
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import png
import pytest
import tifffile
from PIL import Image, ImageCms
from PIL.ExifTags import IFD, Base

from engine import image_metadata
from engine.errors import BadInput
from engine.image import Picture, open_picture, read_recipe, save_picture

RECIPE = {
    "technique": "deep_dream",
    "scale": 1.4,
    "note": 'Zoë <&"> \u0000 \U0001f600',
    "list": [1],
}
NAMES = ["a.png", "a.jpg", "a.jpeg", "a.webp", "a.tif", "a.TIFF"]


def picture_of(height=5, width=7, alpha=False, exif=None):
    values = np.random.default_rng(3).integers(0, 65536, (height, width, 4)) / np.float32(65535)
    values = values.astype(np.float32)
    return Picture(values[..., :3], values[..., 3] if alpha else None, exif)


def quantized(picture, bits):
    layers = [picture.rgb] if picture.alpha is None else [picture.rgb, picture.alpha]
    return np.floor(np.dstack(layers).astype(float) * (2**bits - 1) + 0.5)


# ---------------------------------------------------------------- values


@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_values_of_8_bits(tmp_path, name, alpha):
    picture = picture_of(alpha=alpha)
    assert save_picture(picture, str(tmp_path / name)) == tmp_path / name
    with Image.open(tmp_path / name) as image:
        assert image.mode == ("RGBA" if alpha else "RGB")
        np.testing.assert_array_equal(np.asarray(image), quantized(picture, 8))


# The larger one needs several blocks of rows.
@pytest.mark.parametrize("size", [(5, 7), (1, 1), (1, 9), (9, 1), (300, 700)])
@pytest.mark.parametrize("alpha", [False, True])
def test_values_of_16_bits_in_png(tmp_path, size, alpha):
    picture = picture_of(*size, alpha=alpha)
    path = save_picture(picture, tmp_path / "a.png", bits=16)
    width, height, rows, about = png.Reader(bytes=path.read_bytes()).read()
    assert (about["bitdepth"], about["alpha"], about["greyscale"]) == (16, alpha, False)
    values = np.array([list(row) for row in rows]).reshape(height, width, -1)
    np.testing.assert_array_equal(values, quantized(picture, 16))
    np.testing.assert_allclose(open_picture(path).rgb, picture.rgb, atol=0.51 / 65535)


@pytest.mark.parametrize("size", [(5, 7), (1, 1), (1, 9), (9, 1), (300, 700)])
@pytest.mark.parametrize("alpha", [False, True])
def test_values_of_16_bits_in_tiff(tmp_path, size, alpha):
    picture = picture_of(*size, alpha=alpha)
    path = save_picture(picture, tmp_path / "a.tif", bits=16)
    values = tifffile.imread(path)
    assert values.dtype == np.uint16
    np.testing.assert_array_equal(values.reshape(*size, -1), quantized(picture, 16))
    reopened = open_picture(path)
    np.testing.assert_allclose(reopened.rgb, picture.rgb, atol=0.51 / 65535)
    if alpha:
        np.testing.assert_allclose(reopened.alpha, picture.alpha, atol=0.51 / 65535)


def test_photograph_is_close_in_jpeg_and_webp(tmp_path):
    y, x = np.mgrid[0:64, 0:64] / 64
    picture = Picture(np.stack([x, y, (x + y) / 2], -1).astype(np.float32))
    for name in ("a.jpg", "a.webp"):
        worst = save_picture(picture, tmp_path / name, quality=30).stat().st_size
        path = save_picture(picture, tmp_path / name)
        np.testing.assert_allclose(open_picture(path).rgb, picture.rgb, atol=0.03)
        assert path.stat().st_size > worst


def test_jpeg_keeps_all_colour(tmp_path):
    with Image.open(save_picture(picture_of(16, 16), tmp_path / "a.jpg")) as image:
        assert [layer[1:3] for layer in image.layer] == [(1, 1)] * 3  # 4:4:4
        Image.new("RGB", (1, 1)).save(tmp_path / "b.jpg", quality=95)
        with Image.open(tmp_path / "b.jpg") as reference:
            assert image.quantization == reference.quantization


def test_webp_keeps_alpha_exactly(tmp_path):
    picture = picture_of(alpha=True)
    with Image.open(save_picture(picture, tmp_path / "a.webp")) as image:
        np.testing.assert_array_equal(np.asarray(image)[..., 3], quantized(picture, 8)[..., 3])


def test_webp_keeps_the_colour_under_alpha(tmp_path):
    ramp = np.tile(np.linspace(0, 1, 64, dtype=np.float32), (64, 1))
    picture = Picture(np.stack([ramp] * 3, -1), np.zeros((64, 64), np.float32))
    reopened = open_picture(save_picture(picture, tmp_path / "a.webp"))
    np.testing.assert_allclose(reopened.rgb, picture.rgb, atol=0.03)


def test_jpeg_lies_over_white(tmp_path):
    alpha = np.float32([[0] * 8 + [1] * 8] * 16)
    picture = Picture(np.full((16, 16, 3), 0.2, np.float32), alpha)
    rgb = open_picture(save_picture(picture, tmp_path / "a.jpg")).rgb
    np.testing.assert_allclose(rgb[:, :8], 1, atol=0.01)
    np.testing.assert_allclose(rgb[:, 8:], 0.2, atol=0.01)


@pytest.mark.parametrize("name", NAMES)
def test_one_pixel(tmp_path, name):
    picture = Picture(np.full((1, 1, 3), 0.5, np.float32))
    reopened = open_picture(save_picture(picture, tmp_path / name, recipe=RECIPE))
    np.testing.assert_allclose(reopened.rgb, 0.5, atol=0.02)


# ---------------------------------------------------------------- profile and EXIF

FILES = [("a.png", 8), ("a.png", 16), ("a.jpg", 8), ("a.webp", 8), ("a.tif", 8), ("a.tif", 16)]


@pytest.mark.parametrize(("name", "bits"), FILES)
def test_profile(tmp_path, name, bits):
    with Image.open(save_picture(picture_of(), tmp_path / name, bits=bits)) as image:
        profile = ImageCms.ImageCmsProfile(BytesIO(image.info["icc_profile"]))
    assert "sRGB" in ImageCms.getProfileDescription(profile)


@pytest.mark.parametrize(("name", "bits"), FILES)
def test_same_picture_same_bytes(tmp_path, name, bits):
    first = save_picture(picture_of(), tmp_path / name, bits=bits, recipe=RECIPE).read_bytes()
    assert (
        save_picture(picture_of(), tmp_path / name, bits=bits, recipe=RECIPE).read_bytes() == first
    )


@pytest.mark.parametrize(("name", "bits"), FILES)
def test_exif_of_the_content_photograph(tmp_path, name, bits):
    exif = Image.Exif()
    exif[Base.Orientation] = 6
    exif[Base.Artist] = "Zoë".encode()
    exif[Base.XResolution] = 300
    exif.get_ifd(IFD.Exif).update(
        {Base.ExposureTime: 0.01, Base.MakerNote: b"note", 36864: b"0232"}
    )
    exif.get_ifd(IFD.GPSInfo).update({1: "N", 2: (52.0, 30.0, 15.5)})
    picture = picture_of(exif=exif.tobytes())
    path = save_picture(picture, tmp_path / name, bits=bits, recipe=RECIPE)
    with Image.open(path) as image:
        image.load()
        saved = image.getexif()
        assert saved.get(Base.Orientation, 1) == 1
        assert saved[Base.Artist].encode("latin-1").decode() == "Zoë"
        assert saved[Base.XResolution] == 300
        details, place = saved.get_ifd(IFD.Exif), saved.get_ifd(IFD.GPSInfo)
    assert details[Base.ExposureTime] == pytest.approx(0.01)
    assert details[Base.MakerNote] == b"note"
    assert details[36864] == b"0232"
    assert (details[Base.ExifImageWidth], details[Base.ExifImageHeight]) == (7, 5)
    assert place == {1: "N", 2: (52.0, 30.0, 15.5)}
    assert read_recipe(path) == RECIPE
    assert open_picture(path).exif is not None


def test_tiff_is_sound_for_another_reader(tmp_path):
    exif = Image.Exif()
    exif[Base.Make] = "Leica"
    exif.get_ifd(IFD.Exif)[Base.ISOSpeedRatings] = 400
    path = save_picture(picture_of(exif=exif.tobytes()), tmp_path / "a.tif", bits=16, recipe=RECIPE)
    with tifffile.TiffFile(path) as tiff:
        tags = {tag.name: tag.value for tag in tiff.pages[0].tags}
    assert tags["Make"] == "Leica" and tags["ExifTag"]["ISOSpeedRatings"] == 400
    assert tags["Orientation"] == 1 and tags["Predictor"] == 2 and len(tags["InterColorProfile"])
    assert b"pareidolia:recipe" in tags["XMP"]


def test_jpeg_drops_what_exif_does_not_fit(tmp_path):
    exif = Image.Exif()
    exif[Base.Artist] = "Ada"
    exif.get_ifd(IFD.Exif).update({Base.FNumber: 4.0, Base.MakerNote: bytes(70_000)})
    path = save_picture(picture_of(exif=exif.tobytes()), tmp_path / "a.jpg")
    with Image.open(path) as image:
        saved = image.getexif()
        assert saved[Base.Artist] == "Ada"
        assert saved.get_ifd(IFD.Exif)[Base.FNumber] == 4
        assert Base.MakerNote not in saved.get_ifd(IFD.Exif)
    exif[Base.Artist] = "A" * 70_000
    with Image.open(save_picture(picture_of(exif=exif.tobytes()), path)) as image:
        assert not image.getexif()
    png_path = save_picture(picture_of(exif=exif.tobytes()), tmp_path / "a.png")
    with Image.open(png_path) as image:
        assert len(image.getexif()[Base.Artist]) == 70_000


# ---------------------------------------------------------------- recipe


@pytest.mark.parametrize(("name", "bits"), FILES)
@pytest.mark.parametrize(
    "recipe", [RECIPE, {}, {"long": "again and " * 30_000}], ids=["small", "empty", "long"]
)
def test_recipe(tmp_path, name, bits, recipe):
    path = save_picture(picture_of(), tmp_path / name, recipe=recipe, bits=bits)
    assert read_recipe(str(path)) == recipe
    assert open_picture(path).width == 7


@pytest.mark.parametrize(("name", "bits"), FILES)
def test_no_recipe(tmp_path, name, bits):
    assert read_recipe(save_picture(picture_of(), tmp_path / name, bits=bits)) is None


def test_recipe_where_others_find_it(tmp_path):
    with Image.open(save_picture(picture_of(), tmp_path / "a.png", recipe=RECIPE)) as image:
        assert json.loads(image.text["pareidolia"]) == RECIPE
    with Image.open(save_picture(picture_of(), tmp_path / "a.jpg", recipe={"a": "<"})) as image:
        assert b'<pareidolia:recipe>{"a": "&lt;"}</pareidolia:recipe>' in image.info["xmp"]


def test_recipe_that_does_not_compress(tmp_path):
    letters = random.Random(0).choices("0123456789abcdef", k=200_000)
    recipe = {"noise": "".join(letters)}
    path = tmp_path / "a.jpg"
    path.write_bytes(b"before")
    with pytest.raises(BadInput, match=r"a recipe this long: save as \.png"):
        save_picture(picture_of(), path, recipe=recipe)
    assert path.read_bytes() == b"before"
    for name in ("a.png", "a.webp", "a.tif"):
        assert read_recipe(save_picture(picture_of(), tmp_path / name, recipe=recipe)) == recipe


def test_recipe_beyond_all_measure(tmp_path, monkeypatch):
    monkeypatch.setattr(image_metadata, "RECIPE_LIMIT", 100)
    with pytest.raises(BadInput, match="The recipe needs"):
        save_picture(picture_of(), tmp_path / "a.png", recipe={"a": "b" * 100})


@pytest.mark.parametrize("recipe", [{"a": object()}, {"a": float("nan")}])
def test_recipe_that_is_not_json(tmp_path, recipe):
    with pytest.raises((TypeError, ValueError)):
        save_picture(picture_of(), tmp_path / "a.png", recipe=recipe)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", ["png", "jpg", "webp", "tif"])
def test_foreign_pictures_have_no_recipe(tmp_path, kind):
    path = tmp_path / f"a.{kind}"
    Image.new("RGB", (2, 2)).save(path, xmp=b"<x:xmpmeta/>")
    assert read_recipe(path) is None
    Image.new("RGB", (2, 2)).save(path)
    assert read_recipe(path) is None


def test_recipe_that_another_program_rewrote(tmp_path):
    packet = (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF'
        ' xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description'
        ' xmlns:q="urn:pareidolia:" q:recipe="{&quot;a&quot;: 1}"/></rdf:RDF></x:xmpmeta>'
    )
    Image.new("RGB", (2, 2)).save(tmp_path / "a.webp", xmp=packet.encode())
    assert read_recipe(tmp_path / "a.webp") == {"a": 1}


def test_recipe_after_the_pixels(tmp_path):
    data = save_picture(picture_of(), tmp_path / "a.png").read_bytes()
    chunk = b"iTXtpareidolia" + bytes(5) + b'{"a": 1}'
    chunk = struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk))
    (tmp_path / "a.png").write_bytes(data[:-12] + chunk + data[-12:])
    assert read_recipe(tmp_path / "a.png") == {"a": 1}


@pytest.mark.parametrize(
    "text", ["{", "[1]", "zlib:", "zlib:AAAA", "zlib:?", "[" * 100_000, "<b></a>"]
)
def test_broken_recipe(tmp_path, text):
    packet = f'<x xmlns:p="urn:pareidolia:"><p:recipe>{text}</p:recipe></x>'.encode()
    Image.new("RGB", (2, 2)).save(tmp_path / "a.webp", xmp=packet)
    with pytest.raises(BadInput, match=r"^The recipe in .*a\.webp is damaged: .*\.$"):
        read_recipe(tmp_path / "a.webp")


def test_recipe_of_bad_files(tmp_path):
    with pytest.raises(BadInput, match="does not exist"):
        read_recipe(tmp_path / "a.png")
    (tmp_path / "a.png").write_bytes(b"hello")
    with pytest.raises(BadInput, match="cannot be read as a picture"):
        read_recipe(tmp_path / "a.png")


# ---------------------------------------------------------------- refusals


def refusal(path, **options):
    picture = options.pop("picture", picture_of())
    with pytest.raises(BadInput) as caught:
        save_picture(picture, path, **options)
    sentence = str(caught.value)
    assert str(path) in sentence and sentence.endswith(".") and "\n" not in sentence
    return sentence


@pytest.mark.parametrize("name", ["a", "a.bmp", "a.gif", "a.png.txt", ".png"])
def test_unknown_suffix(tmp_path, name):
    assert "end the name in .png" in refusal(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_depth_and_quality(tmp_path):
    assert "save as .png or .tiff" in refusal(tmp_path / "a.jpg", bits=16)
    assert "save as .png or .tiff" in refusal(tmp_path / "a.webp", bits=16)
    assert "8 or 16" in refusal(tmp_path / "a.png", bits=12)
    assert "1 to 100" in refusal(tmp_path / "a.jpg", quality=0)
    assert "1 to 100" in refusal(tmp_path / "a.webp", quality=101)


def test_too_long_a_side(tmp_path):
    long = Picture(np.zeros((1, 16384, 3), np.float32))
    assert "16383" in refusal(tmp_path / "a.webp", picture=long)
    assert open_picture(save_picture(long, tmp_path / "a.jpg")).width == 16384
    longer = Picture(np.zeros((65501, 1, 3), np.float32))
    assert "65500" in refusal(tmp_path / "a.jpg", picture=longer)


def test_target_that_cannot_be(tmp_path):
    assert "does not exist" in refusal(tmp_path / "nowhere" / "a.png")
    (tmp_path / "folder.png").mkdir()
    assert "is a folder" in refusal(tmp_path / "folder.png")
    (tmp_path / "file").touch()
    assert "does not exist" in refusal(tmp_path / "file" / "a.png")
    assert "cannot be written" in refusal(tmp_path / ("a" * 300 + ".png"))
    with pytest.raises(BadInput, match="null character"):
        save_picture(picture_of(), tmp_path / "a\0.png")
    assert {path.name for path in tmp_path.iterdir()} == {"folder.png", "file"}


def test_write_protected_target(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    path.write_bytes(b"before")
    path.chmod(0o444)
    monkeypatch.setattr(os, "access", lambda *_: False)  # the superuser may write everything
    assert "write-protected" in refusal(path)
    assert path.read_bytes() == b"before"


# ---------------------------------------------------------------- whole or not at all


@pytest.mark.parametrize(("name", "bits"), FILES)
@pytest.mark.parametrize("before", [None, b"before"])
@pytest.mark.parametrize(("owner", "function"), [(os, "fsync"), (Path, "replace")])
def test_disk_full(tmp_path, monkeypatch, name, bits, before, owner, function):
    path = tmp_path / name
    if before:
        path.write_bytes(before)

    def fail(*_):
        assert len(list(tmp_path.iterdir())) == 1 + bool(before)  # the new file is there, beside
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(owner, function, fail)
    assert "No space left on device" in refusal(path, bits=bits, recipe=RECIPE)
    assert [p.read_bytes() for p in tmp_path.iterdir()] == ([before] if before else [])


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_interruption(tmp_path, monkeypatch, error):
    path = tmp_path / "a.png"
    path.write_bytes(b"before")

    def interrupt(*_):
        raise error

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(error):
        save_picture(picture_of(), path)
    assert [p.read_bytes() for p in tmp_path.iterdir()] == [b"before"]


def test_saving_over_a_file(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(b"before")
    path.chmod(0o640)
    save_picture(picture_of(), path)
    assert open_picture(path).width == 7
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]


def test_new_files_are_as_readable_as_others(tmp_path):
    (tmp_path / "usual").touch()
    path = save_picture(picture_of(), tmp_path / "a.png")
    assert path.stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_link_stays_a_link(tmp_path):
    (tmp_path / "real.png").write_bytes(b"before")
    (tmp_path / "link.png").symlink_to("real.png")
    save_picture(picture_of(), tmp_path / "link.png")
    assert (tmp_path / "link.png").is_symlink()
    assert open_picture(tmp_path / "real.png").width == 7
