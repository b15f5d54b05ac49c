"""What a file may cost, tried with small limits; what libraries print; files of several pictures."""

import subprocess
import sys

import numpy as np
import pytest
import tifffile
from PIL import Image

from engine import image_limits
from engine.errors import BadInput, OutOfMemory
from engine.files import split_frame
from engine.image import open_picture
from engine.outputs import Sources, keep_apart

MIB = 2**20


def noise(*shape, dtype=np.uint8):
    return np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape, dtype, True)


# ---------------------------------------------------------------- memory and time


def test_memory_is_checked_before_decoding(tmp_path, monkeypatch):
    Image.fromarray(noise(300, 400, 3)).save(tmp_path / "a.png")
    # 120,000 pixels: 4 bytes in Pillow, 16 as numbers.
    monkeypatch.setattr(image_limits, "free_memory", lambda: int(120_000 * 20 / 0.9) + 100)
    open_picture(tmp_path / "a.png")
    monkeypatch.setattr(image_limits, "free_memory", lambda: int(120_000 * 20 / 0.9) - 100)
    with pytest.raises(OutOfMemory, match=r"a\.png takes 2 MiB to open and 3 MiB are free: .*\.$"):
        open_picture(tmp_path / "a.png")
    open_picture(tmp_path / "a.png", long_side=100)  # as numbers it is small then


def test_16_bits_take_more(tmp_path, monkeypatch):
    tifffile.imwrite(tmp_path / "a.tif", noise(300, 400, 4, dtype=np.uint16), photometric="rgb",
                     extrasamples=["unassalpha"])  # fmt: skip
    monkeypatch.setattr(image_limits, "free_memory", lambda: 120_000 * 36)
    with pytest.raises(OutOfMemory, match="free"):
        open_picture(tmp_path / "a.tif")
    monkeypatch.setattr(image_limits, "free_memory", lambda: 120_000 * 60)
    open_picture(tmp_path / "a.tif")


@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")
def test_what_opening_takes_is_forecast(tmp_path):
    """The peak of a process that opens a file, against what the check would ask for."""
    Image.fromarray(noise(2000, 3000, 3)).save(tmp_path / "a.png", compress_level=0)
    tifffile.imwrite(tmp_path / "b.tif", noise(1500, 2000, 4, dtype=np.uint16), photometric="rgb",
                     extrasamples=["unassalpha"])  # fmt: skip
    code = (
        "import re, sys; from pathlib import Path; from engine import image, image_limits\n"
        "asked = []; check = image_limits.check_memory\n"
        "from engine import image_decoding\n"
        "image_decoding.check_memory = lambda *a: asked.append(a[1] * a[2] + a[3] * 16)\n"
        "status = Path('/proc/self/status')\n"
        "peak = lambda: int(re.search(r'VmHWM:\\s+(\\d+)', status.read_text())[1]) * 1024\n"
        "image.open_picture(sys.argv[2]); before = peak(); image.open_picture(sys.argv[1])\n"
        "print(peak() - before, asked[-1])"
    )
    Image.new("RGB", (8, 8)).save(tmp_path / "small.png")
    for name in ("a.png", "b.tif"):
        run = subprocess.run(
            [sys.executable, "-c", code, tmp_path / name, tmp_path / "small.png"],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        taken, asked = map(int, run.stdout.split())
        assert 0.6 * asked < taken < 1.2 * asked + 16 * MIB, name


def test_very_many_scans_are_refused(tmp_path, monkeypatch):
    Image.fromarray(noise(64, 64, 3)).save(tmp_path / "a.jpg", progressive=True)
    open_picture(tmp_path / "a.jpg")
    monkeypatch.setattr(image_limits, "MAX_SCANS", 5)
    with pytest.raises(BadInput, match=r"JPEG of 10 scans, more than the 5 .*progressive"):
        open_picture(tmp_path / "a.jpg")
    Image.fromarray(noise(64, 64, 3)).save(tmp_path / "a.jpg")
    open_picture(tmp_path / "a.jpg")


# ---------------------------------------------------------------- chatter


@pytest.mark.parametrize("kind", ["cut", "damaged", "tags", "jpeg"])
def test_libraries_keep_quiet(tmp_path, kind):
    path = tmp_path / "a.tif"
    Image.fromarray(noise(64, 64, 3)).save(path, compression="tiff_lzw")
    data = bytearray(path.read_bytes())
    if kind == "cut":
        data = data[:5000]
    elif kind == "damaged":
        data[3000:3100] = bytes(100)
    elif kind == "tags":  # the value of a tag lies beyond the end
        tifffile.imwrite(path, noise(9, 9, 3), photometric="rgb",
                         extratags=[(315, 2, 20, "x" * 19, True)])  # fmt: skip
        data = bytearray(path.read_bytes())
        place = data.index(b"x" * 19)
        entry = data.index(place.to_bytes(4, "little"))
        data[entry : entry + 4] = (2**30).to_bytes(4, "little")
    else:
        path = tmp_path / "a.jpg"
        Image.fromarray(noise(9, 9, 3)).save(path, exif=b"Exif\0\0II*\0\x08\0\0\0\x09\0\x12\x01")
        data = bytearray(path.read_bytes())
    path.write_bytes(data)
    code = (
        "import sys; from engine.image import open_picture; from engine.errors import BadInput\n"
        "try: open_picture(sys.argv[1])\nexcept BadInput as error: print(error)"
    )
    run = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True)
    assert run.returncode == 0 and run.stderr == ""
    assert ("damaged or incomplete" in run.stdout) == (kind in ("cut", "damaged"))


# ---------------------------------------------------------------- several pictures in a file


@pytest.mark.parametrize("name", ["a.gif", "a.webp", "a.png", "a.tif", "a.avif"])
def test_one_frame_is_chosen(tmp_path, name):
    path = tmp_path / name
    colours = [(200, 30, 30), (30, 200, 30), (30, 30, 200)]
    frames = [Image.new("RGB", (16, 16), colour) for colour in colours]
    options = {"a.webp": {"lossless": True}, "a.avif": {"quality": 95}}.get(name, {})
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=100, **options)
    for number, colour in enumerate(colours, 1):
        picture = open_picture(f"{path}#{number}")
        assert (picture.frame, picture.frames) == (number, 3)
        assert np.abs(picture.rgb * 255 - colour).max() < 4
        assert str(picture.path).endswith(f"#{number}")
        assert f"number {number}" in picture.note
    first = open_picture(path)
    assert first.note == (
        f"{path} holds 3 pictures, of which number 1 was taken; {name}#2 would be number 2."
    )
    assert first.sha256 == open_picture(f"{path}#3").sha256
    with pytest.raises(BadInput, match="has no frame 4: it holds 3, from 1 to 3"):
        open_picture(f"{path}#4")


def test_16_bit_page(tmp_path):
    values = noise(2, 9, 11, 3, dtype=np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="rgb")
    for number in (1, 2):
        picture = open_picture(tmp_path / f"a.tif#{number}")
        np.testing.assert_allclose(picture.rgb, values[number - 1] / 65535, atol=1e-7)


def test_rare_page(tmp_path):
    values = noise(2, 9, 11, dtype=np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="miniswhite", byteorder=">")
    picture = open_picture(tmp_path / "a.tif#2")
    np.testing.assert_allclose(picture.rgb[..., 0], 1 - values[1] / 65535, atol=1e-6)
    assert picture.frames == 2


def test_smaller_copies_are_no_pages(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        writer.write(noise(16, 16, 3), photometric="rgb", metadata=None)
        writer.write(noise(8, 8, 3), photometric="rgb", subfiletype=1, metadata=None)
    assert open_picture(tmp_path / "a.tif").frames == 1


def test_one_picture_says_nothing(tmp_path):
    Image.new("RGB", (2, 2)).save(tmp_path / "a.gif")
    assert open_picture(tmp_path / "a.gif").note == ""
    assert open_picture(tmp_path / "a.gif#1").frames == 1
    with pytest.raises(BadInput, match="no frame 2: it holds one"):
        open_picture(tmp_path / "a.gif#2")


def test_a_name_with_a_number_is_a_name(tmp_path):
    for name in ("a.png", "a.png#2"):
        Image.new("RGB", (2, 2)).save(tmp_path / name, "PNG")
    assert split_frame(tmp_path / "a.png#2") == (tmp_path / "a.png#2", None)
    assert split_frame(tmp_path / "a.png#3") == (tmp_path / "a.png", 3)
    assert split_frame(tmp_path / "b.png#3") == (tmp_path / "b.png#3", None)


def test_a_frame_is_not_written_over(tmp_path):
    path = tmp_path / "a.gif"
    Image.new("RGB", (2, 2)).save(path)
    with pytest.raises(BadInput, match="to work from"):
        keep_apart([path], Sources((tmp_path / "a.gif#1",)))
