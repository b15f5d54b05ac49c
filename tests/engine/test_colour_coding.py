"""Colours by code points, gamma and chromaticities: against the standards' own numbers."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from engine.colour_coding import Coding, conversion, from_code_points, from_gamma, rolled_off
from engine.image import open_picture

# Display P3 to linear sRGB, as CSS Color 4 publishes it (20.1, lin_P3 to XYZ to lin_sRGB).
P3_TO_SRGB = np.array(
    [
        [1.2249401762805598, -0.22494017628055996, 0],
        [-0.042056954709688163, 1.0420569547096881, 0],
        [-0.019637554590334432, -0.078636045550631889, 1.0982736001409663],
    ]
)
# Rec. 2020 to linear sRGB (Rec. ITU-R BT.2087-0, annex 2).
BT2020_TO_SRGB = np.array(
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]]
)


def decoded(v):
    return np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4)


def encoded(v):
    v = np.clip(v, 0, 1)
    return np.where(v <= 0.0031308, v * 12.92, 1.055 * v ** (1 / 2.4) - 0.055)


def pq(nits):
    """The signal for an absolute luminance: SMPTE ST 2084, the other way than ours."""
    y = (nits / 10000) ** 0.1593017578125
    return ((0.8359375 + 18.8515625 * y) / (1 + 18.6875 * y)) ** 78.84375


def with_chunks(path: Path, colour, *chunks, depth=8, kind=2):
    """A PNG of one colour, its chunks put between header and pixels."""
    values = np.broadcast_to(np.array(colour, f">u{depth // 8}"), (2, 2, len(colour)))
    header = struct.pack(">2I5B", 2, 2, depth, kind, 0, 0, 0)
    rows = b"".join(b"\0" + row.tobytes() for row in values)
    data = b"\x89PNG\r\n\x1a\n"
    for name, content in (
        (b"IHDR", header),
        *chunks,
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    ):
        checksum = zlib.crc32(name + content)
        data += struct.pack(">I", len(content)) + name + content + struct.pack(">I", checksum)
    path.write_bytes(data)
    return path


def cicp(*numbers):
    return b"cICP", bytes(numbers)


def gama(value):
    return b"gAMA", struct.pack(">I", round(value * 100000))


def chrm(*numbers):
    return b"cHRM", struct.pack(">8I", *(round(n * 100000) for n in numbers))


def iccp(profile):
    return b"iCCP", b"p\0\0" + zlib.compress(profile)


SRGB_POINTS = (0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)
P3_POINTS = (0.3127, 0.329, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06)
COLOUR = (200, 100, 50)
AS_P3 = encoded(P3_TO_SRGB @ decoded(np.array(COLOUR) / 255))


def seen(path):
    return open_picture(path).rgb[0, 0]


def test_gamma_of_one_is_linear_light(tmp_path):
    path = with_chunks(tmp_path / "a.png", (55, 55, 55), gama(1.0))
    assert np.rint(seen(path) * 255).tolist() == [128, 128, 128]


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("gamma", [1.0, 0.5, 0.45])
def test_gamma_is_a_power(tmp_path, depth, gamma):
    most = 2**depth - 1
    value = most // 3
    path = with_chunks(tmp_path / "a.png", (value, value, value), gama(gamma), depth=depth)
    np.testing.assert_allclose(seen(path), encoded((value / most) ** (1 / gamma)), atol=2e-4)


def test_gamma_of_grey(tmp_path):
    path = with_chunks(tmp_path / "a.png", (55,), gama(1.0), kind=0)
    assert np.rint(seen(path) * 255).tolist() == [128, 128, 128]


def test_the_usual_gamma_means_srgb(tmp_path):
    path = with_chunks(tmp_path / "a.png", COLOUR, gama(0.45455), chrm(*SRGB_POINTS))
    np.testing.assert_allclose(seen(path), np.array(COLOUR) / 255, atol=1e-6)


def test_chromaticities(tmp_path):
    path = with_chunks(tmp_path / "a.png", COLOUR, gama(0.45455), chrm(*P3_POINTS))
    np.testing.assert_allclose(seen(path), AS_P3, atol=5e-4)


@pytest.mark.parametrize(
    "points", [(0.3127, 0.329, 0, 0, 0, 0, 0, 0), (0.3, 0, *SRGB_POINTS[2:]), (0.3,) * 8]
)
def test_senseless_chromaticities_are_passed_over(tmp_path, points):
    path = with_chunks(tmp_path / "a.png", COLOUR, chrm(*points))
    np.testing.assert_allclose(seen(path), np.array(COLOUR) / 255, atol=1e-6)


def test_display_p3(tmp_path):
    path = with_chunks(tmp_path / "a.png", COLOUR, cicp(12, 13, 0, 1))
    np.testing.assert_allclose(seen(path), AS_P3, atol=5e-4)


def test_display_p3_as_littlecms_has_it(tmp_path):
    """A profile of the same points, read by a colour management system that is not ours."""
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    data, place = bytearray(srgb), {}
    (count,) = struct.unpack_from(">I", data, 128)
    for entry in range(132, 132 + 12 * count, 12):
        name, start, _ = struct.unpack_from(">4sII", data, entry)
        place[name] = start
    # Columns of Display P3 under D50 (its profile by the ICC).
    columns = {b"rXYZ": (0.51512, 0.2412, -0.00105), b"gXYZ": (0.29198, 0.69225, 0.04189),
               b"bXYZ": (0.1571, 0.06657, 0.78407)}  # fmt: skip
    for name, column in columns.items():
        struct.pack_into(">3i", data, place[name] + 8, *(round(c * 65536) for c in column))
    image = Image.new("RGB", (1, 1), COLOUR)
    profile = ImageCms.ImageCmsProfile(io.BytesIO(bytes(data)))
    theirs = ImageCms.profileToProfile(image, profile, ImageCms.createProfile("sRGB"))
    path = with_chunks(tmp_path / "a.png", COLOUR, cicp(12, 13, 0, 1))
    assert np.abs(np.array(theirs.getpixel((0, 0))) - seen(path) * 255).max() < 1.01


def test_the_order_of_the_third_edition(tmp_path):
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    linear, p3, as_srgb = gama(1.0), cicp(12, 13, 0, 1), (b"sRGB", b"\0")
    plain = np.array(COLOUR) / 255
    for chunks, expected in [
        ((p3, iccp(srgb), as_srgb, linear), AS_P3),
        ((iccp(srgb), linear), plain),
        ((as_srgb, linear), plain),
        ((linear,), encoded(plain)),
        ((cicp(12, 13, 9, 1), linear), encoded(plain)),  # a matrix has no place in PNG
        ((cicp(200, 13, 0, 1),), plain),  # a number that is reserved
    ]:
        path = with_chunks(tmp_path / "a.png", COLOUR, *chunks)
        np.testing.assert_allclose(seen(path), expected, atol=5e-4)


def test_narrow_range(tmp_path):
    path = with_chunks(tmp_path / "a.png", (16, 235, 126), cicp(1, 13, 0, 0))
    np.testing.assert_allclose(seen(path), [0, 1, 110 / 219], atol=1e-4)


@pytest.mark.parametrize("nits", [1.0, 10.0, 50.0, 101.0])
def test_pq_keeps_what_is_not_bright(tmp_path, nits):
    value = round(float(pq(nits)) * 65535)
    path = with_chunks(tmp_path / "a.png", (value,) * 3, cicp(9, 16, 0, 1), depth=16)
    np.testing.assert_allclose(seen(path), encoded(nits / 203), atol=1e-3)


def test_pq_colour(tmp_path):
    nits = np.array([80.0, 60.0, 40.0])
    values = np.rint(pq(nits) * 65535).astype(int)
    path = with_chunks(tmp_path / "a.png", values, cicp(9, 16, 0, 1), depth=16)
    expected = encoded(BT2020_TO_SRGB @ (nits / 203))
    np.testing.assert_allclose(seen(path), expected, atol=1.5e-3)


def test_reference_white_is_the_same_in_pq_and_hlg():
    """58 % of PQ and 75 % of HLG are the white of 203 nits (Rec. ITU-R BT.2408, table 1)."""
    whites = []
    for transfer, signal in ((16, pq(203)), (18, 0.75)):
        convert = conversion(from_code_points(9, transfer), 3)
        whites.append(convert(np.full((1, 1, 3), signal, np.float32))[0, 0])
    assert abs(pq(203) - 0.58) < 0.002
    np.testing.assert_allclose(whites[0], whites[1], atol=2e-3)
    assert 0.85 < whites[0][0] < 0.95


def test_hlg_keeps_what_is_not_bright():
    scene = 0.04  # the lower, square-root part of the curve
    convert = conversion(from_code_points(9, 18), 3)
    result = convert(np.full((1, 1, 3), (3 * scene) ** 0.5, np.float32))
    np.testing.assert_allclose(result[0, 0], encoded(scene**1.2 * 1000 / 203), atol=1e-3)


def test_highlights_roll_off():
    light = np.linspace(0, 1000 / 203, 500)[:, None] * np.float32([1, 0.5, 0.25])
    result = rolled_off(light.astype(np.float32))
    assert (np.diff(result[:, 0]) > 0).all() and result[-1, 0] == pytest.approx(1, abs=1e-5)
    np.testing.assert_allclose(result[:50], light[:50], atol=1e-6)
    np.testing.assert_allclose(result[1:, 1] / result[1:, 0], 0.5, rtol=1e-4)  # hue stays
    assert np.abs(np.diff(result[:, 0], 2)).max() < 1e-3  # no corner


@pytest.mark.parametrize("transfer", [1, 4, 5, 6, 7, 8, 13, 14, 15, 16, 18])
def test_every_curve_rises_from_black(transfer):
    convert = conversion(from_code_points(9, transfer), 3)
    ramp = np.repeat(np.linspace(0, 1, 300, dtype=np.float32)[None, :, None], 3, -1)
    grey = convert(ramp)[0]
    assert (np.diff(grey[:, 1]) >= -1e-6).all()
    assert grey[0].max() < 0.01 and grey[-1].min() > 0.99
    assert np.abs(grey - grey[:, :1]).max() < 5e-3  # grey stays grey


def test_what_is_not_known_is_none():
    assert from_code_points(3, 13) is None and from_code_points(1, 12) is None
    assert from_gamma(None, None) is None and from_gamma(0.0, None) is None
    assert from_code_points(2, 2).is_srgb and Coding().is_srgb
    assert conversion(Coding(), 3) is None


def test_profile_that_says_pq(tmp_path):
    """ICC.1:2022's cicp tag: the profile's own curve is only a stand-in."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    (count,) = struct.unpack_from(">I", data, 128)
    for place in range(132, 132 + 12 * count, 12):
        name, start, size = struct.unpack_from(">4sII", data, place)
        if name == b"cprt":  # text gives way to the tag
            struct.pack_into(">4sII", data, place, b"cicp", start, 12)
            data[start : start + 12] = b"cicp" + bytes(4) + bytes((9, 16, 0, 1))
            assert size >= 12
    value = round(float(pq(50)) * 65535)
    path = with_chunks(tmp_path / "a.png", (value,) * 3, iccp(bytes(data)), depth=16)
    np.testing.assert_allclose(seen(path), encoded(50 / 203), atol=1e-3)
