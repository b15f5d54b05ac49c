"""Opening pictures: every layout against hand-made values, every bad file with its sentence."""

import hashlib
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import png
import pytest
import tifffile
import torch
from PIL import Image, ImageCms, ImageOps
from PIL.ExifTags import IFD, Base

from engine.errors import BadInput, Diverged
from engine.image import Picture, from_tensor, open_picture, to_bytes8

RNG_SEED = 20


def noise(*shape, dtype=np.uint8):
    return np.random.default_rng(RNG_SEED).integers(0, np.iinfo(dtype).max, shape, dtype, True)


def memory(height=5, width=7, alpha=False):
    random = np.random.default_rng(RNG_SEED)
    return Picture(
        random.random((height, width, 3), dtype=np.float32),
        random.random((height, width), dtype=np.float32) if alpha else None,
    )


def write_png16(path, values, **options):
    height, width, channels = values.shape
    writer = png.Writer(
        width, height, bitdepth=16, greyscale=channels < 3, alpha=channels in (2, 4), **options
    )
    with path.open("wb") as file:
        writer.write(file, values.reshape(height, -1).tolist())
    return path


# ---------------------------------------------------------------- layouts, 8 bits


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.png", {}),
        ("a.bmp", {}),
        ("a.tif", {}),
        ("a.tif", {"compression": "tiff_lzw"}),
        ("a.tif", {"compression": "tiff_adobe_deflate"}),
        ("a.webp", {"lossless": True}),
    ],
)
def test_lossless_files_give_their_values(tmp_path, name, options):
    values = noise(5, 7, 3)
    Image.fromarray(values).save(tmp_path / name, **options)
    picture = open_picture(tmp_path / name)
    assert picture.rgb.dtype == np.float32
    assert (picture.width, picture.height) == (7, 5)
    assert picture.alpha is None and picture.exif is None
    np.testing.assert_allclose(picture.rgb, values / 255, atol=1e-7)


def test_jpeg_is_what_pillow_reads(tmp_path):
    path = tmp_path / "a.jpg"
    Image.fromarray(noise(16, 16, 3)).save(path)
    np.testing.assert_allclose(
        open_picture(path).rgb, np.asarray(Image.open(path).convert("RGB")) / 255, atol=1e-7
    )


def test_content_decides_not_the_name(tmp_path):
    path = tmp_path / "photo.jpg"
    Image.fromarray(noise(2, 2, 3)).save(path, "PNG")
    np.testing.assert_allclose(open_picture(path).rgb, noise(2, 2, 3) / 255, atol=1e-7)


def test_path_and_digest(tmp_path):
    path = tmp_path / "a.png"
    Image.new("RGB", (1, 1)).save(path)
    picture = open_picture(str(path))
    assert picture.path == path
    assert picture.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_grey(tmp_path):
    values = noise(3, 4)
    Image.fromarray(values).save(tmp_path / "a.png")
    picture = open_picture(tmp_path / "a.png")
    np.testing.assert_allclose(picture.rgb, np.stack([values / 255] * 3, -1), atol=1e-7)
    assert picture.alpha is None


def test_one_bit(tmp_path):
    image = Image.new("1", (2, 1))
    image.putpixel((1, 0), 1)
    image.save(tmp_path / "a.png")
    assert open_picture(tmp_path / "a.png").rgb.tolist() == [[[0, 0, 0], [1, 1, 1]]]


def test_grey_with_alpha(tmp_path):
    values = noise(3, 4, 2)
    Image.fromarray(values).save(tmp_path / "a.png")
    picture = open_picture(tmp_path / "a.png")
    np.testing.assert_allclose(picture.rgb[..., 1], values[..., 0] / 255, atol=1e-7)
    np.testing.assert_allclose(picture.alpha, values[..., 1] / 255, atol=1e-7)


@pytest.mark.parametrize("name", ["a.png", "a.webp", "a.tif"])
def test_alpha_and_the_colour_under_it(tmp_path, name):
    values = noise(3, 4, 4)
    values[0, :, 3] = 0
    options = {"lossless": True, "exact": True} if name == "a.webp" else {}
    Image.fromarray(values).save(tmp_path / name, **options)
    picture = open_picture(tmp_path / name)
    np.testing.assert_allclose(picture.rgb, values[..., :3] / 255, atol=1e-7)
    np.testing.assert_allclose(picture.alpha, values[..., 3] / 255, atol=1e-7)


@pytest.mark.parametrize(
    ("name", "transparency"),
    [
        ("a.png", None),
        ("a.png", 1),
        ("a.png", bytes([255, 0, 128])),
        ("a.gif", None),
        ("a.gif", 1),
        ("a.bmp", None),
        ("a.tif", None),
    ],
)
def test_palette(tmp_path, name, transparency):
    image = Image.new("P", (3, 1))
    image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    image.putdata([0, 1, 2])
    image.save(tmp_path / name, **({} if transparency is None else {"transparency": transparency}))
    picture = open_picture(tmp_path / name)
    opaque = {None: None, 1: [1, 0, 1]}.get(transparency, [1, 0, 128 / 255])
    if opaque is None:
        assert picture.alpha is None
    else:
        np.testing.assert_allclose(picture.alpha[0], opaque, atol=1e-7)
    assert picture.rgb[0].tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1]]


@pytest.mark.parametrize(("mode", "key"), [("L", 7), ("RGB", (7, 7, 7))])
def test_one_colour_declared_transparent(tmp_path, mode, key):
    image = Image.new(mode, (2, 1), key)
    image.putpixel((1, 0), 8 if mode == "L" else (7, 7, 8))
    image.save(tmp_path / "a.png", transparency=key)
    assert open_picture(tmp_path / "a.png").alpha.tolist() == [[0, 1]]


@pytest.mark.parametrize("name", ["a.gif", "a.webp", "a.png", "a.tif"])
def test_first_frame(tmp_path, name):
    frames = [Image.new("RGB", (4, 3), colour) for colour in ("red", "lime", "blue")]
    options = {"lossless": True} if name == "a.webp" else {}
    frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:], **options)
    picture = open_picture(tmp_path / name)
    assert (picture.rgb == np.float32([1, 0, 0])).all()


@pytest.mark.parametrize("name", ["a.jpg", "a.tif"])
def test_cmyk(tmp_path, name):
    # Cyan 0.2, magenta 0.4, yellow 0.6, black 0.2. JPEG keeps Adobe's inverted ink; one flat colour
    # and the best quality leave little to its losses.
    Image.new("CMYK", (16, 16), (51, 102, 153, 51)).save(
        tmp_path / name, **({"quality": 100} if name == "a.jpg" else {})
    )
    expected = [0.8 * 0.8, 0.6 * 0.8, 0.4 * 0.8]
    np.testing.assert_allclose(open_picture(tmp_path / name).rgb[8, 8], expected, atol=0.01)


# ---------------------------------------------------------------- layouts, 16 bits


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("interlace", [False, True])
def test_png_of_16_bits(tmp_path, channels, interlace):
    values = noise(9, 11, channels, dtype=np.uint16)
    picture = open_picture(write_png16(tmp_path / "a.png", values, interlace=interlace))
    colour, alpha = (values, None) if channels % 2 else (values[..., :-1], values[..., -1])
    expected = np.broadcast_to(colour / 65535, (9, 11, 3))
    np.testing.assert_allclose(picture.rgb, expected, atol=1e-7)
    if alpha is None:
        assert picture.alpha is None
    else:
        np.testing.assert_allclose(picture.alpha, alpha / 65535, atol=1e-7)


@pytest.mark.parametrize("key", [(258,), (258, 2, 65535)])
def test_png_of_16_bits_with_a_transparent_colour(tmp_path, key):
    values = np.uint16([[key, key, key]])
    values[0, 1, 0] = 257  # told apart by the low byte only
    path = write_png16(tmp_path / "a.png", values, transparent=key if len(key) > 1 else key[0])
    assert open_picture(path).alpha.tolist() == [[0, 1, 0]]


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_tiff_of_16_bits(tmp_path, byteorder, compression, channels):
    values = noise(9, 11, channels, dtype=np.uint16)
    tifffile.imwrite(
        tmp_path / "a.tif",
        values if channels > 1 else values[..., 0],
        byteorder=byteorder,
        compression=compression,
        predictor=compression is not None,
        photometric="rgb" if channels > 1 else "minisblack",
        extrasamples=["unassalpha"] if channels == 4 else None,
    )
    picture = open_picture(tmp_path / "a.tif")
    expected = np.broadcast_to(values[..., :3] / 65535, (9, 11, 3))
    np.testing.assert_allclose(picture.rgb, expected, atol=1e-7)
    if channels == 4:
        np.testing.assert_allclose(picture.alpha, values[..., 3] / 65535, atol=1e-7)
    else:
        assert picture.alpha is None


def test_tiff_of_16_bits_with_multiplied_alpha(tmp_path):
    values = np.uint16([[[1000, 2000, 30000, 40000], [0, 0, 0, 0]]])
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="rgb", extrasamples=["assocalpha"])
    picture = open_picture(tmp_path / "a.tif")
    np.testing.assert_allclose(picture.rgb[0], [[0.025, 0.05, 0.75], [0, 0, 0]], atol=1e-6)
    np.testing.assert_allclose(picture.alpha[0], [40000 / 65535, 0], atol=1e-7)


def test_tiff_of_16_bits_of_ink(tmp_path):
    values = np.uint16([[[13107, 0, 65535, 6554]]])  # 0.2, 0, 1, and 6554 / 65535 of black
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="separated")
    black = 6554 / 65535
    expected = [0.8 * (1 - black), 1 - black, 0]
    np.testing.assert_allclose(open_picture(tmp_path / "a.tif").rgb[0, 0], expected, atol=1e-6)


def test_tiff_in_which_white_is_zero(tmp_path):
    values = noise(3, 4, dtype=np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="miniswhite")
    picture = open_picture(tmp_path / "a.tif")
    np.testing.assert_allclose(picture.rgb[..., 0], 1 - values / 65535, atol=1e-6)


def test_tiff_of_floats_is_clipped(tmp_path):
    Image.fromarray(np.float32([[-1, 0.123456, 2]])).save(tmp_path / "a.tif")
    np.testing.assert_allclose(
        open_picture(tmp_path / "a.tif").rgb[0, :, 0], [0, 0.123456, 1], atol=1e-7
    )


# ---------------------------------------------------------------- orientation and EXIF


def exif_with(orientation):
    exif = Image.Exif()
    exif[Base.Orientation] = orientation
    exif[Base.Artist] = "Ada"
    return exif


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["a.png", "a.tif", "deflate.tif", "a.webp"])
def test_orientation(tmp_path, name, orientation):
    image = Image.fromarray(noise(3, 5, 4))
    options = {"a.webp": {"lossless": True, "exact": True}}.get(name, {})
    if name == "deflate.tif":
        options = {"compression": "tiff_adobe_deflate"}
    image.save(tmp_path / name, exif=exif_with(orientation), **options)
    image.getexif()[Base.Orientation] = orientation
    upright = np.asarray(ImageOps.exif_transpose(image)) / 255
    picture = open_picture(tmp_path / name)
    np.testing.assert_allclose(np.dstack([picture.rgb, picture.alpha]), upright, atol=1e-7)
    kept = Image.Exif()
    kept.load(picture.exif)
    assert kept[Base.Orientation] == 1
    assert kept[Base.Artist] == "Ada"


def test_turned_right_by_hand(tmp_path):
    Image.fromarray(np.uint8([[[10] * 3, [20] * 3]])).save(tmp_path / "a.png", exif=exif_with(6))
    rows = np.rint(open_picture(tmp_path / "a.png").rgb[..., 0] * 255).tolist()
    assert rows == [[10], [20]]  # 6: the camera's left is the picture's top


def test_orientation_of_16_bits(tmp_path):
    values = noise(2, 3, 3, dtype=np.uint16)
    tag = (274, 3, 1, 8, True)  # the orientation, as a short
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="rgb", extratags=[tag])
    np.testing.assert_allclose(
        open_picture(tmp_path / "a.tif").rgb, np.rot90(values) / 65535, atol=1e-7
    )


def test_exif_of_the_photograph_only(tmp_path):
    exif = exif_with(6)
    exif[Base.Artist] = "Zoë".encode()
    exif.get_ifd(IFD.Exif).update(
        {
            Base.DateTimeOriginal: "2001:02:03 04:05:06",
            Base.FNumber: 2.8,
            Base.MakerNote: b"private",
            Base.ExifImageWidth: 9999,
            Base.ColorSpace: 65535,
        }
    )
    exif.get_ifd(IFD.GPSInfo).update({1: "N", 2: (52.0, 30.0, 15.5)})
    Image.fromarray(noise(3, 5, 3)).save(tmp_path / "a.jpg", exif=exif)
    kept = Image.Exif()
    kept.load(open_picture(tmp_path / "a.jpg").exif)
    assert kept[Base.Artist].encode("latin-1").decode() == "Zoë"
    details, place = kept.get_ifd(IFD.Exif), kept.get_ifd(IFD.GPSInfo)
    assert details[Base.DateTimeOriginal] == "2001:02:03 04:05:06"
    assert details[Base.FNumber] == pytest.approx(2.8)
    assert details[Base.MakerNote] == b"private"
    assert details[Base.ColorSpace] == 1
    assert (details[Base.ExifImageWidth], details[Base.ExifImageHeight]) == (3, 5)
    assert place[2] == (52.0, 30.0, 15.5)


def test_tags_of_the_file_and_the_thumbnail_are_left_behind(tmp_path):
    # By hand: a first directory of one tag (orientation), then a second one with a thumbnail.
    first = struct.pack("<HHHIHHI", 1, 274, 3, 1, 3, 0, 26)
    second = struct.pack("<HHHII", 1, 513, 4, 1, 44) + struct.pack("<I", 0)
    block = b"Exif\0\0II*\0" + struct.pack("<I", 8) + first + second + b"thumbnail"
    Image.fromarray(noise(3, 5, 3)).save(tmp_path / "a.jpg", exif=block)
    picture = open_picture(tmp_path / "a.jpg")
    assert picture.exif is None  # upright now, there is nothing left to say
    expected = np.rot90(np.asarray(Image.open(tmp_path / "a.jpg")), 2) / 255
    np.testing.assert_allclose(picture.rgb, expected, atol=1e-7)
    Image.fromarray(noise(3, 5, 3)).save(tmp_path / "a.tif", description="sea", compression="raw")
    kept = Image.Exif()
    kept.load(open_picture(tmp_path / "a.tif").exif)
    assert dict(kept) == {Base.ImageDescription: "sea", Base.Orientation: 1}


def test_broken_exif_is_passed_over(tmp_path):
    Image.fromarray(noise(3, 5, 3)).save(tmp_path / "a.png", exif=b"Exif\0\0nonsense")
    assert open_picture(tmp_path / "a.png").exif is None


def linear_light_profile():
    """LittleCMS's sRGB profile with its tone curve replaced by a straight line."""
    data = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    start = data.index(b"para")
    return data[:start] + b"curv" + bytes(28) + data[start + 32 :]


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp", "a.tif"])
def test_profile_is_applied(tmp_path, name):
    Image.new("RGB", (8, 8), (128, 128, 128)).save(
        tmp_path / name, icc_profile=linear_light_profile()
    )
    expected = 1.055 * (128 / 255) ** (1 / 2.4) - 0.055
    np.testing.assert_allclose(open_picture(tmp_path / name).rgb, expected, atol=1e-3)


def test_profile_is_applied_at_16_bits(tmp_path):
    values = np.uint16([[[30000, 30000, 30000], [30001, 30001, 30001]]])
    tifffile.imwrite(
        tmp_path / "a.tif", values, photometric="rgb", iccprofile=linear_light_profile()
    )
    expected = 1.055 * (values / 65535) ** (1 / 2.4) - 0.055
    np.testing.assert_allclose(open_picture(tmp_path / "a.tif").rgb, expected, atol=2e-6)


# ---------------------------------------------------------------- bad files


def sentence_for(path):
    with pytest.raises(BadInput) as caught:
        open_picture(path)
    sentence = str(caught.value)
    assert str(path) in sentence and sentence.endswith(".") and "\n" not in sentence
    return sentence


def test_missing_file(tmp_path):
    assert "does not exist" in sentence_for(tmp_path / "a.png")
    (tmp_path / "b").touch()
    assert "does not exist" in sentence_for(tmp_path / "b" / "a.png")


def test_folder(tmp_path):
    assert "is a folder" in sentence_for(tmp_path)


def test_empty_file(tmp_path):
    (tmp_path / "a.png").touch()
    assert "is empty" in sentence_for(tmp_path / "a.png")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.png")
    assert "not a plain file" in sentence_for(tmp_path / "a.png")


@pytest.mark.parametrize("content", [b"hello", b"%PDF-1.7 ...", bytes(1000), b"\xff\xd8\xff"])
def test_no_picture(tmp_path, content):
    (tmp_path / "a.jpg").write_bytes(content)
    assert "cannot be read as a picture" in sentence_for(tmp_path / "a.jpg")


def test_format_that_is_not_offered(tmp_path):
    Image.new("RGB", (2, 2)).save(tmp_path / "a.ppm")
    assert "JPEG, PNG, WebP, TIFF" in sentence_for(tmp_path / "a.ppm")


def test_null_character():
    with pytest.raises(BadInput, match="cannot be read"):
        open_picture("a\0b.png")


def test_no_permission(tmp_path, monkeypatch):
    path = tmp_path / "a.png"
    Image.new("RGB", (2, 2)).save(path)

    def refuse(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)  # the superuser may read whatever the mode says
    assert "no permission to read" in sentence_for(path)


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp", "a.tif", "b.tif", "a.bmp", "a.gif"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_cut_short(tmp_path, name, share):
    options = {"compression": "tiff_lzw"} if name == "b.tif" else {}
    Image.fromarray(noise(64, 64, 3)).save(tmp_path / name, **options)
    data = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(data[: int(len(data) * share)])
    # A TIFF keeps its directory at the end or the start: cut, it may not be recognised at all.
    assert "intact" in sentence_for(tmp_path / name)


@pytest.mark.parametrize("kind", ["png", "tif"])
def test_cut_short_at_16_bits(tmp_path, kind):
    values = noise(64, 64, 3, dtype=np.uint16)
    path = tmp_path / f"a.{kind}"
    if kind == "png":
        write_png16(path, values)
    else:
        tifffile.imwrite(path, values, photometric="rgb")
    path.write_bytes(path.read_bytes()[:9000])
    assert "intact" in sentence_for(path)


def test_damaged_in_the_middle(tmp_path):
    Image.fromarray(noise(64, 64, 3)).save(tmp_path / "a.png")
    data = bytearray((tmp_path / "a.png").read_bytes())
    data[5000:5100] = bytes(100)
    (tmp_path / "a.png").write_bytes(data)
    assert "damaged or incomplete" in sentence_for(tmp_path / "a.png")


@pytest.mark.parametrize("side", [15_000, 30_000, 2_000_000_000])
def test_decompression_bomb(tmp_path, side):
    chunk = b"IHDR" + struct.pack(">2I5B", side, side, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    data = b"\x89PNG\r\n\x1a\n" + chunk + struct.pack(">I", 0) + b"IDAT" + bytes(4)
    (tmp_path / "a.png").write_bytes(data)
    limit = Image.MAX_IMAGE_PIXELS
    assert f"{side} x {side} pixels" in sentence_for(tmp_path / "a.png")
    assert Image.MAX_IMAGE_PIXELS == limit is not None


@pytest.mark.parametrize("kind", ["png", "tif"])
def test_pillows_lower_limit_does_not_count(tmp_path, kind, monkeypatch):
    Image.fromarray(noise(20, 20, 3)).save(tmp_path / f"a.{kind}")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert open_picture(tmp_path / f"a.{kind}").width == 20
    assert Image.MAX_IMAGE_PIXELS == 100


@pytest.mark.parametrize(
    ("values", "options"),
    [
        (noise(4, 4, dtype=np.int32), {"photometric": "minisblack"}),
        (noise(4, 4, 3, dtype=np.uint32), {"photometric": "rgb"}),
    ],
    ids=["signed", "32 bits"],
)
def test_tiff_that_is_not_read_says_what_is(tmp_path, values, options):
    tifffile.imwrite(tmp_path / "a.tif", values, **options)
    assert "save it with" in sentence_for(tmp_path / "a.tif")


# ---------------------------------------------------------------- pictures and tensors


def test_no_torch_before_it_is_needed():
    code = "import engine.image, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_picture_is_read_only_and_checked():
    picture = memory(alpha=True)
    with pytest.raises(ValueError, match="read-only"):
        picture.rgb[0] = 0
    for rgb, alpha in [
        (np.zeros((2, 2), np.float32), None),
        (np.zeros((2, 2, 3)), None),
        (np.zeros((0, 2, 3), np.float32), None),
        (np.zeros((2, 2, 3), np.float32), np.zeros((2, 1), np.float32)),
    ]:
        with pytest.raises(ValueError, match="float32"):
            Picture(rgb, alpha)


def test_tensor_is_a_copy():
    for picture in (memory(), memory(1, 1)):
        tensor = picture.tensor()
        assert tensor.dtype == torch.float32
        assert tensor.shape == (3, picture.height, picture.width)
        np.testing.assert_array_equal(tensor.numpy().transpose(1, 2, 0), picture.rgb)
        before = picture.rgb.copy()
        tensor.zero_()
        np.testing.assert_array_equal(picture.rgb, before)


def test_from_tensor_and_back():
    picture = memory()
    for tensor in (picture.tensor(), picture.tensor()[None].requires_grad_()):
        np.testing.assert_array_equal(from_tensor(tensor).rgb, picture.rgb)
    clipped = from_tensor(torch.tensor([-1.0, 0.5, 2.0]).reshape(3, 1, 1).half())
    assert clipped.rgb.tolist() == [[[0, 0.5, 1]]]


def test_from_tensor_like_another():
    alpha = np.zeros((4, 6), np.float32)
    alpha[:, 3:] = 1
    like = Picture(np.zeros((4, 6, 3), np.float32), alpha, exif_with(1).tobytes(), sha256="ab")
    picture = from_tensor(torch.full((3, 2, 3), 0.5), like)
    assert picture.exif == like.exif and picture.sha256 == "" and picture.path is None
    assert picture.alpha.shape == (2, 3)
    assert picture.alpha[0, 0] < 0.05 and picture.alpha[0, 2] > 0.95
    assert (picture.rgb == 0.5).all()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_diverged_tensor(value):
    tensor = torch.zeros(3, 2, 2)
    tensor[0, 0, 0] = value
    with pytest.raises(Diverged):
        from_tensor(tensor)
    assert to_bytes8(tensor)[0, 0, 0] == (0 if value != value else 255)


@pytest.mark.parametrize("shape", [(2, 2), (1, 2, 2), (2, 3, 4, 4), (4, 2, 2)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(ValueError, match=r"not \(3, H, W\)"):
        from_tensor(torch.zeros(shape))
    with pytest.raises(ValueError, match=r"not \(3, H, W\)"):
        to_bytes8(torch.zeros(shape))


def test_bytes_are_rounded():
    values = torch.tensor([-0.1, 0.0, 0.49 / 255, 0.51 / 255, 254.49 / 255, 254.6 / 255, 1.1])
    bytes8 = to_bytes8(values.expand(1, 3, 1, 7))
    assert bytes8.dtype == np.uint8 and bytes8.shape == (1, 7, 3)
    assert bytes8[0, :, 2].tolist() == [0, 0, 0, 1, 254, 255, 255]
    every = torch.arange(256).expand(3, 1, 256) / 255
    assert to_bytes8(every)[0, :, 0].tolist() == list(range(256))


# ---------------------------------------------------------------- resizing


@pytest.mark.parametrize(
    ("own", "arguments", "expected"),
    [
        ((7, 5), {"long_side": 14}, (14, 10)),
        ((5, 7), {"long_side": 14}, (10, 14)),
        ((7, 5), {"long_side": 14, "enlarge": False}, (7, 5)),
        ((7, 5), {"long_side": 3, "enlarge": False}, (3, 2)),
        ((1000, 1), {"long_side": 10}, (10, 1)),
        ((7, 5), {"size": (2, 9)}, (2, 9)),
        ((8, 8), {"size": (16, 32), "enlarge": False}, (4, 8)),
        ((7, 5), {"size": (1, 1)}, (1, 1)),
        ((1, 1), {"long_side": 3}, (3, 3)),
    ],
)
def test_size_after_resizing(own, arguments, expected):
    resized = memory(own[1], own[0], alpha=True).resized(**arguments)
    assert (resized.width, resized.height) == expected
    assert resized.alpha.shape == resized.rgb.shape[:2]
    assert resized.rgb.min() >= 0 and resized.rgb.max() <= 1


def test_resizing_keeps_what_came_along(tmp_path):
    Image.fromarray(noise(4, 4, 3)).save(tmp_path / "a.png", exif=exif_with(1))
    picture = open_picture(tmp_path / "a.png")
    resized = picture.resized(long_side=2)
    assert (resized.exif, resized.path, resized.sha256) == (
        picture.exif,
        picture.path,
        picture.sha256,
    )
    assert picture.resized(long_side=4) is picture


def test_shrinking_averages():
    board = np.indices((64, 64)).sum(0) % 2
    picture = Picture(np.repeat(board[..., None], 3, -1).astype(np.float32))
    shrunk = picture.resized(long_side=8)
    np.testing.assert_allclose(shrunk.rgb[1:-1, 1:-1], 0.5, atol=0.02)


def test_resizing_is_not_rounded_to_bytes():
    flat = np.full((8, 8, 3), 0.123456, np.float32)
    np.testing.assert_allclose(Picture(flat).resized(long_side=5).rgb, 0.123456, atol=1e-6)
    ramp = np.linspace(0.4, 0.45, 2000, dtype=np.float32)
    shrunk = Picture(np.repeat(ramp[None, :, None], 3, -1)).resized(size=(500, 1)).rgb[0, :, 0]
    assert (np.diff(shrunk[5:-5]) > 0).all()  # bytes would show 13 steps


@pytest.mark.parametrize(
    "arguments", [{}, {"long_side": 4, "size": (4, 4)}, {"long_side": 0}, {"size": (0, 4)}]
)
def test_senseless_sizes_are_refused(arguments):
    with pytest.raises(ValueError, match=r"long_side|below 1"):
        memory().resized(**arguments)


# ---------------------------------------------------------------- real photographs


def test_real_photographs(data_folder):
    photos = sorted((data_folder / "images").rglob("*.[jp][pn]g"))
    assert len(photos) >= 5
    for path in photos:
        picture = open_picture(path)
        with Image.open(path) as image:
            upright = ImageOps.exif_transpose(image)
            assert (picture.width, picture.height) == upright.size
            if "icc_profile" not in image.info:
                np.testing.assert_allclose(
                    picture.rgb, np.asarray(upright.convert("RGB")) / 255, atol=1e-6
                )
        assert 0.02 < picture.rgb.std() < 0.5
