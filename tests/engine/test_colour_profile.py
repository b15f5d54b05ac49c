"""Colour conversion, against hand-computed values and LittleCMS."""

import struct
from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageCms

from engine.colour_profile import srgb_profile, to_srgb

# Columns of the Bradford-adapted D50 matrix of Adobe RGB (1998), as its specification lists them.
ADOBE = {
    b"rXYZ": (0.60974, 0.31111, 0.01947),
    b"gXYZ": (0.20528, 0.62567, 0.06087),
    b"bXYZ": (0.14919, 0.06322, 0.74457),
}
DISPLAY_P3 = {
    b"rXYZ": (0.51512, 0.24120, -0.00105),
    b"gXYZ": (0.29198, 0.69225, 0.04189),
    b"bXYZ": (0.15710, 0.06657, 0.78407),
}


def fixed(*numbers: float) -> bytes:
    return struct.pack(f">{len(numbers)}i", *(round(n * 65536) for n in numbers))


def gamma_curve(gamma: float) -> bytes:
    return b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256)) + bytes(2)


def table_curve(values: np.ndarray) -> bytes:
    points = np.rint(np.asarray(values) * 65535).astype(">u2").tobytes()
    return b"curv" + bytes(4) + struct.pack(">I", len(values)) + points


def para_curve(kind: int, *numbers: float) -> bytes:
    return b"para" + bytes(4) + struct.pack(">HH", kind, 0) + fixed(*numbers)


def profile(space: bytes, connection: bytes, tags: dict[bytes, bytes]) -> bytes:
    """Assemble an ICC profile, version 2.1, from the bodies of its tags."""
    tags = {b"desc": b"desc" + bytes(4) + struct.pack(">I", 2) + b"x\0" + bytes(79), **tags}
    tags[b"wtpt"] = b"XYZ " + bytes(4) + fixed(0.9642, 1.0, 0.8249)
    start = 132 + 12 * len(tags)
    table, body = struct.pack(">I", len(tags)), b""
    for name, data in tags.items():
        table += struct.pack(">4sII", name, start + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    kind = b"prtr" if space == b"CMYK" else b"mntr"
    header = struct.pack(">I4sI4s4s4s", start + len(body), b"", 0x02100000, kind, space, connection)
    header += struct.pack(">6H4s", 2000, 1, 1, 0, 0, 0, b"acsp") + bytes(28)
    header += fixed(0.9642, 1.0, 0.8249)
    return header.ljust(128, b"\0") + table + body


def matrix_profile(columns: dict[bytes, tuple[float, ...]], curve: bytes) -> bytes:
    tags = {name: b"XYZ " + bytes(4) + fixed(*column) for name, column in columns.items()}
    return profile(b"RGB ", b"XYZ ", tags | dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve))


def grey_profile(curve: bytes) -> bytes:
    return profile(b"GRAY", b"XYZ ", {b"kTRC": curve})


def table_profile(space: bytes, corners: np.ndarray) -> bytes:
    """A profile made of a table of Lab colours at the corners of its colour space (lut8Type)."""
    channels = corners.ndim - 1
    ramp = bytes(range(256))
    lut = b"mft1" + bytes(4) + struct.pack(">4B", channels, 3, 2, 0)
    lut += fixed(1, 0, 0, 0, 1, 0, 0, 0, 1) + ramp * channels
    lightness, a, b = np.moveaxis(corners, -1, 0)
    encoded = np.stack([lightness * 2.55, a + 128, b + 128], -1)
    lut += np.rint(encoded).astype(np.uint8).tobytes() + ramp * 3
    return profile(space, b"Lab ", {b"A2B0": lut, b"A2B1": lut})


def ink_profile() -> bytes:
    """CMYK in which every ink darkens by a fifth and black ends at L* = 0; cyan is bluish."""
    inks = np.stack(np.meshgrid(*[[0.0, 1.0]] * 4, indexing="ij"), -1)
    lightness = 100 * (1 - inks[..., :3].sum(-1) / 5) * (1 - inks[..., 3])
    return table_profile(b"CMYK", np.stack([lightness, -30 * inks[..., 0], -40 * inks[..., 0]], -1))


def scanner_profile() -> bytes:
    """RGB whose table is a plain grey of the mean of the channels."""
    levels = np.stack(np.meshgrid(*[[0.0, 1.0]] * 3, indexing="ij"), -1)
    lightness = 100 * levels.mean(-1)
    return table_profile(b"RGB ", np.stack([lightness, 0 * lightness, 0 * lightness], -1))


def by_littlecms(
    samples: np.ndarray,
    data: bytes,
    mode: str,
    flags: ImageCms.Flags = ImageCms.Flags.BLACKPOINTCOMPENSATION,
) -> np.ndarray:
    height, width = samples.shape[:2]
    image = Image.frombytes(
        mode, (width, height), np.rint(samples * 255).astype(np.uint8).tobytes()
    )
    converted = ImageCms.profileToProfile(
        image,
        ImageCms.ImageCmsProfile(BytesIO(data)),
        ImageCms.createProfile("sRGB"),
        ImageCms.Intent.RELATIVE_COLORIMETRIC,
        "RGB",
        flags=flags,
    )
    return np.asarray(converted) / 255


def colours(channels: int, steps: int = 6) -> np.ndarray:
    axes = [np.linspace(0, 1, steps, dtype=np.float32)] * channels  # exact 8-bit levels for 6
    return np.stack(np.meshgrid(*axes), -1).reshape(steps, -1, channels)


SRGB_PARA = para_curve(3, 2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)


@pytest.mark.parametrize(
    "data",
    [
        matrix_profile(ADOBE, gamma_curve(563 / 256)),
        matrix_profile(ADOBE, table_curve(np.linspace(0, 1, 1024) ** 1.8)),
        matrix_profile(DISPLAY_P3, SRGB_PARA),
        matrix_profile(DISPLAY_P3, para_curve(0, 2.0)),
        matrix_profile(DISPLAY_P3, para_curve(1, 2.2, 1.1, -0.1)),
        matrix_profile(DISPLAY_P3, para_curve(2, 2.2, 0.9, -0.1, 0.1)),
        matrix_profile(DISPLAY_P3, para_curve(4, 2.4, 0.9, 0.05, 0.08, 0.04, 0.02, 0.01)),
    ],
    ids=["gamma", "table", "para3", "para0", "para1", "para2", "para4"],
)
@pytest.mark.parametrize("bits", [8, 16])
def test_curves_and_matrix_agree_with_littlecms(data, bits):
    samples = colours(3)
    theirs = by_littlecms(samples, data, "RGB", ImageCms.Flags.NONE)
    # Theirs is rounded to 8 bits on the way.
    assert np.abs(to_srgb(samples, data, bits) - theirs).max() < 1.6 / 255


def test_adobe_rgb_by_hand():
    samples = np.float32([[[0.2, 0.6, 0.4], [1, 1, 1], [0, 1, 0]]])
    linear = samples.astype(float) ** (563 / 256)
    to_linear_srgb = np.array(
        [[1.39836, -0.39836, 0.0], [0.0, 1.0, 0.0], [0.0, -0.04293, 1.04293]]
    )  # Adobe RGB and sRGB share two primaries and the white: most of it is 0 and 1
    linear = np.clip(linear @ to_linear_srgb.T, 0, 1)
    expected = np.where(linear < 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    result = to_srgb(samples, matrix_profile(ADOBE, gamma_curve(563 / 256)), 16)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, expected, atol=1e-3)


def test_curves_keep_sixteen_bits_apart():
    ramp = np.linspace(0.25, 0.75, 4000, dtype=np.float32)
    samples = np.repeat(ramp[None, :, None], 3, -1)
    result = to_srgb(samples, matrix_profile(ADOBE, gamma_curve(563 / 256)), 16)
    assert (np.diff(result[0, :, 1]) > 0).all()


@pytest.mark.parametrize(
    "data",
    [
        srgb_profile(),
        ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(),
        matrix_profile(
            {  # as Hewlett-Packard's widespread profile rounds them
                b"rXYZ": (0.43607, 0.22249, 0.01392),
                b"gXYZ": (0.38515, 0.71687, 0.09708),
                b"bXYZ": (0.14307, 0.06061, 0.71410),
            },
            SRGB_PARA,
        ),
    ],
    ids=["ours", "littlecms", "hp"],
)
def test_srgb_profiles_change_nothing_at_all(data):
    samples = np.random.default_rng(0).random((4, 5, 3), dtype=np.float32)
    assert np.array_equal(to_srgb(samples, data, 16), samples)
    assert np.array_equal(to_srgb(samples[..., :1], data, 16), np.repeat(samples[..., :1], 3, -1))


def test_linear_grey_is_encoded():
    samples = np.float32([[[0.0], [0.5], [1.0]]])
    result = to_srgb(samples, grey_profile(gamma_curve(1.0)), 16)
    np.testing.assert_allclose(result[0, :, 0], [0, 0.735357, 1], atol=1e-5)
    assert np.array_equal(result[..., 0], result[..., 2])


def test_ink_follows_its_profile():
    samples = colours(4)
    data = ink_profile()
    eight, sixteen = to_srgb(samples, data, 8), to_srgb(samples, data, 16)
    np.testing.assert_array_equal(eight, by_littlecms(samples, data, "CMYK").astype(np.float32))
    assert np.abs(sixteen - eight).max() < 0.03  # interpolated, coarsest where it is darkest
    assert np.abs(sixteen - eight).mean() < 0.5 / 255
    assert np.abs(to_srgb(samples, None, 8) - eight).max() > 0.2
    # Paper is white, full black is black, and half of L* is mid grey: 0.4663 in sRGB.
    paper = to_srgb(np.float32([[[0, 0, 0, 0], [0, 0, 0, 1], [0, 0, 0, 0.5]]]), data, 16)
    np.testing.assert_allclose(paper[0].mean(-1), [1, 0, 0.4663], atol=0.006)


def test_tables_keep_sixteen_bits_apart():
    ramp = np.linspace(0.4, 0.6, 1000, dtype=np.float32)
    result = to_srgb(np.repeat(ramp[None, :, None], 3, -1), scanner_profile(), 16)
    assert (np.diff(result[0, :, 0]) > 0).all()
    direct = by_littlecms(np.repeat(ramp[None, :, None], 3, -1), scanner_profile(), "RGB")
    assert np.abs(result[0] - direct[0]).max() < 1.6 / 255
    assert len(np.unique(direct)) < 100  # which 8 bits could not have told apart


def test_ink_without_profile_by_hand():
    samples = np.float32([[[0.2, 0.5, 1.0, 0.1]]])
    np.testing.assert_allclose(to_srgb(samples, None, 8)[0, 0], [0.72, 0.45, 0.0], atol=1e-6)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"nonsense",
        srgb_profile()[:200],
        grey_profile(gamma_curve(1.0)),
        ink_profile(),
        matrix_profile(ADOBE, b"abcd" + bytes(20)),
        matrix_profile(ADOBE, para_curve(1, -5.0, 1.0, 0.0)),
        matrix_profile(ADOBE, para_curve(9, 1.0)),
    ],
    ids=["empty", "nonsense", "cut", "grey", "ink", "no curve", "infinite curve", "unknown curve"],
)
def test_unusable_profiles_are_passed_over(data):
    samples = colours(3)
    result = to_srgb(samples, data, 8)
    assert np.isfinite(result).all()
    if data != matrix_profile(ADOBE, para_curve(1, -5.0, 1.0, 0.0)):  # LittleCMS may read that one
        assert np.array_equal(result, samples)


def test_pictures_higher_than_a_band():
    samples = np.random.default_rng(0).random((700, 3, 3), dtype=np.float32)
    data = matrix_profile(DISPLAY_P3, SRGB_PARA)
    whole = to_srgb(samples, data, 16)
    rows = np.concatenate([to_srgb(samples[i : i + 1], data, 16) for i in range(700)])
    np.testing.assert_array_equal(whole, rows)
