"""Colour samples under an embedded ICC profile, converted to sRGB (ICC.1:2022, IEC 61966-2-1).

Profiles made of curves and a matrix (every camera and editing space: Adobe RGB, Display P3,
ProPhoto, grey gammas) are evaluated here in floating point, because LittleCMS is reachable from
Pillow at 8 bits only. Profiles made of tables (print, scanners) go through LittleCMS: directly for
8-bit pictures; for 16-bit ones on a lattice of colours, interpolated between its points, so that
smooth gradients stay smooth.
"""

import struct
from functools import cache
from io import BytesIO
from itertools import product

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms

from engine.colour_coding import (
    HLG,
    PQ,
    Coding,
    Conversion,
    conversion,
    from_code_points,
    srgb_decoded,
    srgb_encoded,
    whole_steps,
)

Floats = npt.NDArray[np.float32]

_CHANNELS = {b"GRAY": 1, b"RGB ": 3, b"CMYK": 4}
_MODES = {1: "L", 3: "RGB", 4: "CMYK"}
# Steps that divide 255, so that the lattice points are exact 8-bit colours.
_LATTICE_STEPS = {1: 255, 3: 51, 4: 17}
# A quarter of an 8-bit step: the many slightly different "sRGB" profiles then count as exactly
# sRGB.
_SAME = 0.25 / 255
_ROWS_AT_ONCE = 256

_SRGB_TO_XYZ_D50 = np.array(
    [
        [0.4360747, 0.3850649, 0.1430804],
        [0.2225045, 0.7168786, 0.0606169],
        [0.0139322, 0.0971045, 0.7141733],
    ]
)


def to_srgb(
    samples: Floats, profile: bytes | None, bits: int, coding: Coding | None = None
) -> Floats:
    """Convert colour samples to sRGB.

    A profile that is missing, broken or made for another kind of picture is passed over, as
    browsers do: grey and RGB then count as sRGB, and CMYK becomes (1 - ink) (1 - black). The intent
    is relative colorimetric (for tables, with black point compensation); colours outside sRGB are
    clipped.

    Args:
        samples: (H, W, C) in [0, 1], C being 1 (grey), 3 (RGB) or 4 (CMYK, 1 is full ink).
        profile: the ICC profile found in the file.
        bits: 8 or 16, the precision that the samples came with.
        coding: what else the file says about its colours; it counts if there is no profile.

    Returns:
        (H, W, 3) float32 sRGB in [0, 1].
    """
    if profile and profile[16:20] == b"RGB " and samples.shape[-1] == 1:
        samples = np.repeat(samples, 3, axis=-1)
    convert = converter(profile, samples.shape[-1], bits, coding)
    result = np.empty((*samples.shape[:2], 3), np.float32)
    for top in range(0, len(samples), _ROWS_AT_ONCE):  # in bands, to keep temporaries small
        rows = slice(top, top + _ROWS_AT_ONCE)
        np.clip(convert(samples[rows]), 0, 1, out=result[rows])
    return result


def converter(
    profile: bytes | None, channels: int, bits: int, coding: Coding | None = None
) -> Conversion:
    """Return the conversion that `to_srgb` applies to each band, for callers that read in bands."""
    if profile and (found := _conversion(profile, channels, bits)):
        return found
    return (coding and conversion(coding, channels)) or _without_profile


def from_srgb(samples: Floats, profile: bytes) -> Floats | None:
    """Convert sRGB samples (H, W, 3) in [0, 1] to an RGB profile of curves and a matrix.

    Returns None if the profile is of another kind. Colours outside its gamut are clipped.
    """
    try:
        parts = _curves_and_matrix(profile)
    except (struct.error, KeyError, IndexError, ValueError):
        return None
    if parts is None:
        return None
    if profile == srgb_profile():
        return samples
    curves, matrix = parts
    from_linear = np.linalg.inv(matrix.astype(np.float64)).T.astype(np.float32)
    steps = np.linspace(0, 1, 65536)
    rising = [np.maximum.accumulate(curve) for curve in curves]
    result = np.empty_like(samples)
    for top in range(0, len(samples), _ROWS_AT_ONCE):
        rows = slice(top, top + _ROWS_AT_ONCE)
        linear = srgb_decoded(samples[rows]) @ from_linear
        for i, curve in enumerate(rising):
            result[rows, :, i] = np.interp(linear[..., i], curve, steps)
    return result


@cache
def srgb_profile() -> bytes:
    """Return the sRGB profile that saved pictures carry: LittleCMS's own, with a fixed date."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    data[24:36] = struct.pack(">6H", 2000, 1, 1, 0, 0, 0)  # same picture, same bytes
    return bytes(data)


def _conversion(profile: bytes, channels: int, bits: int) -> Conversion | None:
    if _CHANNELS.get(profile[16:20]) != channels:
        return None
    if (bright := _high_range(profile)) is not None:
        return conversion(bright, channels)
    try:
        formula = _formula(profile)
    except (struct.error, KeyError, IndexError, ValueError):
        formula = None
    if formula:
        steps = np.linspace(0, 1, 9, dtype=np.float32)
        probe = np.stack(np.meshgrid(*[steps] * channels), -1).reshape(-1, 1, channels)
        same = np.abs(formula(probe) - probe).max() < _SAME
        return _without_profile if same else formula
    try:
        transform = ImageCms.buildTransform(
            ImageCms.ImageCmsProfile(BytesIO(profile)),
            ImageCms.createProfile("sRGB"),
            _MODES[channels],
            "RGB",
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            ImageCms.Flags.BLACKPOINTCOMPENSATION,
        )
    except (ImageCms.PyCMSError, OSError):
        return None
    if bits == 8:
        return lambda samples: _by_littlecms(samples, transform)
    steps = np.linspace(0, 1, _LATTICE_STEPS[channels] + 1, dtype=np.float32)
    points = np.stack(np.meshgrid(*[steps] * channels, indexing="ij"), -1)
    flat = points.reshape(-1, 1, channels)
    lattice = _by_littlecms(flat, transform).reshape(*points.shape[:-1], 3)
    return lambda samples: _interpolated(samples, lattice)


def _without_profile(samples: Floats) -> Floats:
    if samples.shape[-1] == 4:
        return (1 - samples[..., :3]) * (1 - samples[..., 3:])
    return np.broadcast_to(samples, (*samples.shape[:-1], 3))


def _tags(profile: bytes) -> dict[bytes, bytes]:
    (count,) = struct.unpack_from(">I", profile, 128)
    tags: dict[bytes, bytes] = {}
    for index in range(count):
        name, start, size = struct.unpack_from(">4sII", profile, 132 + 12 * index)
        tags[name] = profile[start : start + size]
    return tags


def _high_range(profile: bytes) -> Coding | None:
    """Return the coding of a profile whose cicp tag (ICC.1:2022, 9.2.17) says PQ or HLG.

    The curves of such profiles are only a stand-in, for programs that know neither.
    """
    try:
        primaries, transfer = _tags(profile)[b"cicp"][8:10]
    except (struct.error, KeyError, ValueError):
        return None
    return from_code_points(primaries, transfer) if transfer in (PQ, HLG) else None


def _formula(profile: bytes) -> Conversion | None:
    """Read a curves-and-matrix profile; None if it is made of tables instead."""
    tags = _tags(profile)
    if profile[20:24] != b"XYZ " or b"A2B0" in tags or b"A2B1" in tags:
        return None
    if profile[16:20] == b"GRAY":
        grey = _curve(tags[b"kTRC"])
        return lambda samples: srgb_encoded(grey[whole_steps(samples)])
    parts = _curves_and_matrix(profile)
    if parts is None:
        return None
    curves, matrix = parts

    def convert(samples: Floats) -> Floats:
        places = whole_steps(samples)
        linear = np.stack([curve[places[..., i]] for i, curve in enumerate(curves)], -1)
        return srgb_encoded(linear @ matrix.T)

    return convert


def _curves_and_matrix(profile: bytes) -> tuple[list[Floats], Floats] | None:
    """Return the tone curves of an RGB profile, and its linear colours in linear sRGB: (3, 3).

    Returns None if it is of another kind.
    """
    tags = _tags(profile)
    tables = b"A2B0" in tags or b"A2B1" in tags
    if profile[16:20] != b"RGB " or profile[20:24] != b"XYZ " or tables:
        return None
    curves = [_curve(tags[name]) for name in (b"rTRC", b"gTRC", b"bTRC")]
    columns = [
        np.array(struct.unpack_from(">3i", tags[name], 8)) / 65536
        for name in (b"rXYZ", b"gXYZ", b"bXYZ")
    ]
    matrix = np.linalg.solve(_SRGB_TO_XYZ_D50, np.stack(columns, -1)).astype(np.float32)
    if np.abs(matrix - np.eye(3)).max() < 1e-3:  # sRGB's primaries, rounded some other way
        matrix = np.eye(3, dtype=np.float32)
    return curves, matrix


def _curve(data: bytes) -> Floats:
    """Tabulate a tone curve (ICC types curv and para) at every 16-bit value: (65536,), linear."""
    x = np.linspace(0, 1, 65536)
    if data[:4] == b"curv":
        (count,) = struct.unpack_from(">I", data, 8)
        if count == 0:
            y = x
        elif count == 1:
            y = x ** (struct.unpack_from(">H", data, 12)[0] / 256)
        else:
            points = np.array(struct.unpack_from(f">{count}H", data, 12)) / 65535
            y = np.interp(x, np.linspace(0, 1, count), points)
    elif data[:4] == b"para":
        (kind,) = struct.unpack_from(">H", data, 8)
        numbers = (1, 3, 4, 5, 7)[kind]
        g, *rest = (n / 65536 for n in struct.unpack_from(f">{numbers}i", data, 12))
        a, b, c, d, e, f = (rest + [0.0] * 6)[:6] if rest else (1.0, 0.0, 0.0, 0.0, 0.0, 0.0)
        if kind in (1, 2):  # X >= -b / a; below it a constant, which type 2 also adds above
            d, e, f, c = -b / a if a else 0.0, c, c, 0.0
        with np.errstate(all="ignore"):  # a nonsensical curve is caught below
            y = np.where(x >= d, np.maximum(a * x + b, 0) ** g + e, c * x + f)
    else:
        raise ValueError("neither curv nor para")
    if not np.isfinite(y).all():
        raise ValueError("the curve is not finite")
    return y.astype(np.float32)


def _by_littlecms(samples: Floats, transform: ImageCms.ImageCmsTransform) -> Floats:
    height, width, channels = samples.shape
    data = np.rint(samples * 255).astype(np.uint8).tobytes()
    image = Image.frombytes(_MODES[channels], (width, height), data)
    converted = ImageCms.applyTransform(image, transform)
    assert converted is not None  # only None when done in place
    result: Floats = np.divide(np.asarray(converted), 255, dtype=np.float32)
    return result


def _interpolated(samples: Floats, lattice: Floats) -> Floats:
    """Multilinear interpolation of (H, W, C) samples in a lattice of shape (n, …, n, 3)."""
    last = lattice.shape[0] - 1
    position = samples * np.float32(last)
    lower = np.minimum(position.astype(np.intp), last - 1)
    fraction = position - lower.astype(np.float32)
    result = np.zeros((*samples.shape[:-1], 3), np.float32)
    for corner in product((0, 1), repeat=samples.shape[-1]):
        weight = np.where(corner, fraction, 1 - fraction).prod(-1, keepdims=True)
        result += weight * lattice[tuple(np.moveaxis(lower + corner, -1, 0))]
    return result
