"""What is exported, as other programs read it: depth, colours, profile, EXIF, resolution, recipe."""

from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms
from PIL.ExifTags import IFD, Base

from cli import commands
from engine import settings
from engine.colour_profile import srgb_profile
from engine.errors import BadInput
from engine.export import FILE, Export
from engine.export_files import export_picture, formats_here, pair
from engine.image import Picture, open_picture, read_recipe
from engine.techniques import TECHNIQUES

RECIPE = {"technique": "deep-dream", "list": [1]}
SUFFIX = {"png": "png", "jpeg": "jpg", "webp": "webp", "avif": "avif", "jpeg xl": "jxl",
          "tiff": "tif"}  # fmt: skip
FORMATS = [name for name in SUFFIX if name in formats_here()]


def photo_exif() -> Image.Exif:
    exif = Image.Exif()
    exif[Base.Make], exif[Base.Artist] = "Lens & Co", "Ann"
    exif[Base.XResolution] = exif[Base.YResolution] = 300.0
    exif[Base.ResolutionUnit] = 2
    exif.get_ifd(IFD.Exif)[Base.DateTimeOriginal] = "2024:05:06 07:08:09"
    exif.get_ifd(IFD.GPSInfo).update({1: "N", 2: (52.0, 30.0, 15.5)})
    return exif


@pytest.fixture
def photo(tmp_path: Path) -> Picture:
    """A smooth photo of 300 dpi, taken somewhere."""
    y, x = np.mgrid[0:48, 0:64] / 64
    rgb = (np.stack([x, y, 1 - x], -1) * 200 + 20).astype(np.uint8)
    path = tmp_path / "photo.jpg"
    Image.fromarray(rgb).save(path, quality=95, exif=photo_exif(), dpi=(300, 300))
    return open_picture(path)


def exported(photo: Picture, tmp_path: Path, **chosen: Any) -> Path:
    export = settings.make(Export, chosen)
    path = tmp_path / f"out.{SUFFIX[export.format]}"
    return export_picture(photo, path, export, RECIPE, photo.path)


@pytest.mark.parametrize("name", FORMATS)
def test_all_that_is_asked_for_goes_along(photo: Picture, tmp_path: Path, name: str) -> None:
    path = exported(photo, tmp_path, format=name, location=True)
    with Image.open(path) as image:
        exif = image.getexif()
        assert exif[Base.Make] == "Lens & Co"
        assert exif.get_ifd(IFD.Exif)[Base.DateTimeOriginal] == "2024:05:06 07:08:09"
        assert exif.get_ifd(IFD.GPSInfo)[2] == (52.0, 30.0, 15.5)
        assert float(exif[Base.XResolution]) == 300
        if name in ("png", "jpeg", "tiff"):
            assert [round(float(each), 1) for each in image.info["dpi"]] == [300, 300]
        if name != "jpeg xl":
            assert image.info["icc_profile"] == srgb_profile()
    assert read_recipe(path) == RECIPE
    np.testing.assert_allclose(open_picture(path).rgb, photo.rgb, atol=0.08)


@pytest.mark.parametrize("name", FORMATS)
def test_nothing_goes_along_that_is_not_asked_for(
    photo: Picture, tmp_path: Path, name: str
) -> None:
    path = exported(photo, tmp_path, format=name, exif=False, resolution=False, profile="none")
    with Image.open(path) as image:
        exif = image.getexif()
        assert not {Base.Make, Base.XResolution, IFD.Exif, IFD.GPSInfo} & set(exif)
        assert name == "jpeg xl" or not image.info.get("icc_profile")
        assert image.info.get("dpi", (1, 1)) == (1, 1)  # what Pillow says of a TIFF without
    assert b"Lens & Co" not in path.read_bytes()
    assert read_recipe(path) == RECIPE, "the recipe always does"


@pytest.mark.parametrize("name", FORMATS)
def test_where_it_was_taken_stays_out_by_itself(photo: Picture, tmp_path: Path, name: str) -> None:
    with Image.open(exported(photo, tmp_path, format=name)) as image:
        exif = image.getexif()
        assert exif[Base.Artist] == "Ann"
        assert not exif.get_ifd(IFD.GPSInfo)


@pytest.mark.parametrize("name", FORMATS)
def test_resolution_goes_without_exif(photo: Picture, tmp_path: Path, name: str) -> None:
    with Image.open(exported(photo, tmp_path, format=name, exif=False)) as image:
        if name in ("png", "jpeg", "tiff"):
            assert [round(float(each), 1) for each in image.info["dpi"]] == [300, 300]
        else:
            assert float(image.getexif()[Base.XResolution]) == 300
        assert Base.Make not in image.getexif()


def test_resolution_per_centimetre_is_told_per_inch(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[Base.XResolution], exif[Base.YResolution], exif[Base.ResolutionUnit] = 100.0, 50.0, 3
    Image.new("RGB", (8, 8)).save(tmp_path / "a.webp", exif=exif)
    with Image.open(exported(open_picture(tmp_path / "a.webp"), tmp_path, format="jpeg")) as image:
        assert image.info["dpi"] == (254, 127)


@pytest.mark.parametrize("name", ["png", "tiff"])
def test_16_bits(photo: Picture, tmp_path: Path, name: str) -> None:
    fine = replace(photo, rgb=np.linspace(0.5, 0.51, photo.rgb.size, dtype=np.float32).reshape(
        photo.rgb.shape))  # fmt: skip
    path = exported(fine, tmp_path, format=name, bits="16")
    if name == "tiff":
        values = tifffile.imread(path)
        assert values.dtype == np.uint16
        assert len(np.unique(values)) > 500
        with tifffile.TiffFile(path) as file:
            assert file.pages[0].tags["XResolution"].value == (300, 1)
    else:
        header = path.read_bytes()
        assert header[24] == 16, "the depth in IHDR"
        assert header[header.index(b"pHYs") + 4 :][:9] == (11811).to_bytes(4) * 2 + b"\1"
    np.testing.assert_allclose(open_picture(path).rgb, fine.rgb, atol=1 / 65535)


def sampling(path: Path, name: str) -> str:
    if name == "jpeg":
        with Image.open(path) as image:
            factors = [layer[1:3] for layer in image.layer]  # type: ignore[attr-defined]
        return {((1, 1),) * 3: "4:4:4", ((2, 2), (1, 1), (1, 1)): "4:2:0"}[tuple(factors)]
    data = path.read_bytes()  # AV1 codec configuration (AV1-ISOBMFF 2.3): x and y subsampled
    flags = data[data.index(b"av1C") + 6]
    return "4:2:0" if flags >> 2 & 3 == 3 else "4:4:4"


@pytest.mark.parametrize("name", [name for name in ("jpeg", "avif") if name in FORMATS])
@pytest.mark.parametrize("wanted", ["4:4:4", "4:2:0"])
def test_colour_detail(photo: Picture, tmp_path: Path, name: str, wanted: str) -> None:
    path = exported(photo, tmp_path, format=name, subsampling=wanted)
    assert sampling(path, name) == wanted


@pytest.mark.parametrize("name", [name for name in ("webp", "jpeg xl") if name in FORMATS])
def test_lossless(photo: Picture, tmp_path: Path, name: str) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (32, 32, 3), np.uint8)
    picture = replace(photo, rgb=(noise / np.float32(255)).astype(np.float32))
    with Image.open(exported(picture, tmp_path, format=name, lossless=True)) as image:
        assert np.array_equal(np.asarray(image.convert("RGB")), noise)
    with Image.open(exported(picture, tmp_path, format=name)) as image:
        assert not np.array_equal(np.asarray(image.convert("RGB")), noise)


@pytest.mark.parametrize("name", ["jpeg", "webp", "avif"])
def test_quality(photo: Picture, tmp_path: Path, name: str) -> None:
    if name not in FORMATS:
        pytest.skip("it cannot be written here")
    high = exported(photo, tmp_path, format=name, quality=98).stat().st_size
    assert exported(photo, tmp_path, format=name, quality=20).stat().st_size < high


# -- the photo's own profile -------------------------------------------------------------------------


def wide_profile() -> bytes:
    """Display P3 as LittleCMS-independent bytes: sRGB's profile with P3's primaries (D50)."""
    import struct

    data = bytearray(srgb_profile())
    columns = {b"rXYZ": (0.51512, 0.24120, -0.00105), b"gXYZ": (0.29198, 0.69225, 0.04189),
               b"bXYZ": (0.15710, 0.06657, 0.78407)}  # fmt: skip
    (count,) = struct.unpack_from(">I", data, 128)
    for index in range(count):
        name, start, _ = struct.unpack_from(">4sII", data, 132 + 12 * index)
        if name in columns:
            values = (round(each * 65536) for each in columns[name])
            struct.pack_into(">3i", data, start + 8, *values)
    return bytes(data)


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "jpeg xl"])
def test_the_photos_own_profile_is_kept_with_the_colours(tmp_path: Path, name: str) -> None:
    pixels = np.full((16, 16, 3), (180, 120, 90), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "wide.png", icc_profile=wide_profile())
    photo = open_picture(tmp_path / "wide.png")
    path = exported(photo, tmp_path, format=name, profile="photo")
    with Image.open(path) as image:
        assert image.info["icc_profile"] == wide_profile()
        assert np.abs(np.asarray(image.convert("RGB")).astype(int) - pixels).max() <= 2
        profile = ImageCms.ImageCmsProfile(BytesIO(image.info["icc_profile"]))
        seen = ImageCms.profileToProfile(
            image.convert("RGB"), profile, ImageCms.createProfile("sRGB")
        )
    assert np.abs(np.asarray(seen) / 255 - photo.rgb).max() < 0.012, "LittleCMS sees the same"
    if name not in ("png", "tiff"):
        return
    deep = exported(photo, tmp_path, format=name, profile="photo", bits="16")
    np.testing.assert_allclose(open_picture(deep).rgb, photo.rgb, atol=3e-4)


def test_a_photo_without_a_profile_is_srgb(photo: Picture, tmp_path: Path) -> None:
    with Image.open(exported(photo, tmp_path, profile="photo")) as image:
        assert image.info["icc_profile"] == srgb_profile()


def test_a_profile_of_another_kind_is_refused(tmp_path: Path) -> None:
    gray = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    Image.new("RGB", (8, 8)).save(tmp_path / "lab.png", icc_profile=gray)
    with pytest.raises(BadInput, match="use the profile srgb"):
        exported(open_picture(tmp_path / "lab.png"), tmp_path, profile="photo")


# -- pairs ---------------------------------------------------------------------------------------------


def test_a_pair_shows_both_at_the_height_of_the_result(photo: Picture) -> None:
    after = Picture(np.full((96, 128, 3), 0.25, np.float32), exif=photo.exif)
    found = pair(photo, after, gap=True)
    assert (found.height, found.width) == (96, 128 + 2 + 128)
    np.testing.assert_array_equal(found.rgb[:, :128], photo.resized(size=(128, 96)).rgb)
    assert (found.rgb[:, 128:130] == 1).all()
    assert (found.rgb[:, 130:] == 0.25).all()
    assert found.exif == photo.exif
    assert pair(photo, after, gap=False).width == 256


def test_a_pair_lies_over_white(photo: Picture) -> None:
    clear = Picture(np.zeros((48, 64, 3), np.float32), np.zeros((48, 64), np.float32))
    found = pair(photo, clear, gap=False)
    assert found.alpha is None
    assert (found.rgb[:, 64:] == 1).all()


# -- settings ------------------------------------------------------------------------------------------


def test_only_settings_that_make_a_difference_are_offered() -> None:
    assert {"bits"} <= Export().applying().keys()
    assert not {"quality", "gap", "seconds"} & Export().applying().keys()
    assert "location" not in Export(exif=False).applying()
    assert "quality" not in Export(format="webp", lossless=True).applying()
    assert "profile" not in Export(format="jpeg xl").applying()
    timeline = Export(what="timeline").applying()
    assert {"film", "seconds", "ease", "hold"} <= timeline.keys()
    assert not {"format", "exif"} & timeline.keys()


def test_no_technique_has_a_setting_of_that_name() -> None:
    described = settings.describe(Export)
    ours = {described[name].option for name in FILE}
    for kind in TECHNIQUES.values():
        assert not ours & {each.option for each in settings.describe(kind).values()}


def test_the_command_takes_them(photo: Picture, tmp_path: Path) -> None:
    out = tmp_path / "out.jpg"
    words = ["deep-dream", str(photo.path), "--iterations", "1", "--octaves", "1", "--size", "64",
             "--device", "cpu", "--quiet", "-o", str(out)]  # fmt: skip
    assert commands.run([*words, "--subsampling", "4:2:0", "--location", "on"]) == 0
    assert sampling(out, "jpeg") == "4:2:0"
    with Image.open(out) as image:
        assert image.info["dpi"] == (300, 300)
        assert image.getexif().get_ifd(IFD.GPSInfo)[1] == "N"
    again = tmp_path / "again.jpg"
    assert commands.run(["render", str(out), "-o", str(again), "--exif", "off", "--quiet"]) == 0
    with Image.open(again) as image:
        assert Base.Make not in image.getexif()
