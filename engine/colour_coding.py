"""Colours given by code points (ITU-T H.273) or by a gamma and chromaticities, converted to sRGB.

So do PNG's cICP, gAMA and cHRM chunks, the nclx box of AVIF and HEIC, and the cicp tag of ICC
profiles. PQ and HLG reach far above paper white: they are rolled off towards white with the hue
kept, using the reference white of 203 nits and the peak of 1000 nits of Rec. ITU-R BT.2408.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Wide = npt.NDArray[np.floating[Any]]
Conversion = Callable[[Floats], Floats]

SRGB_TRANSFER, PQ, HLG = 13, 16, 18
REFERENCE_WHITE, PEAK = 203.0, 1000.0
KNEE = 0.5
"""Linear light, reference white being 1, up to which bright HDR pictures stay as they are."""

_D65 = (0.3127, 0.3290)
# White, red, green, blue; x and y of CIE 1931 (H.273, table 2).
_PRIMARIES: dict[int, tuple[float, ...]] = {
    1: (*_D65, 0.640, 0.330, 0.300, 0.600, 0.150, 0.060),
    4: (0.310, 0.316, 0.670, 0.330, 0.210, 0.710, 0.140, 0.080),
    5: (*_D65, 0.640, 0.330, 0.290, 0.600, 0.150, 0.060),
    6: (*_D65, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070),
    7: (*_D65, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070),
    8: (0.310, 0.316, 0.681, 0.319, 0.243, 0.692, 0.145, 0.049),
    9: (*_D65, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046),
    11: (0.314, 0.351, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
    12: (*_D65, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
    22: (*_D65, 0.630, 0.340, 0.295, 0.605, 0.155, 0.077),
}
_UNSPECIFIED = 2
_BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)
# What encoders write for the sRGB curve where they can only give a power; libpng and browsers, too,
# take it for sRGB.
_SRGB_GAMMA = 0.45455
_SAME_XY = 0.0015  # chromaticities are rounded in many ways


@dataclass(frozen=True)
class Coding:
    """What the numbers of a picture mean."""

    primaries: tuple[float, ...] = _PRIMARIES[1]
    """White, red, green and blue point, x and y each (CIE 1931)."""
    transfer: int = SRGB_TRANSFER
    """Code point of H.273, unless there is a `gamma`."""
    gamma: float | None = None
    """The power by which light was encoded, 1 being linear (PNG's gAMA)."""
    full_range: bool = True
    """Whether black and white are the least and greatest number rather than 16 and 235 of 255."""

    @property
    def is_srgb(self) -> bool:
        """Whether there is nothing to convert."""
        srgb = self.gamma is None and self.transfer == SRGB_TRANSFER
        return srgb and self.primaries == _PRIMARIES[1] and self.full_range


def from_code_points(primaries: int, transfer: int, full_range: bool = True) -> Coding | None:
    """Return the coding of H.273's numbers; unspecified ones mean sRGB. None: not known here."""
    primaries = 1 if primaries == _UNSPECIFIED else primaries
    transfer = SRGB_TRANSFER if transfer == _UNSPECIFIED else transfer
    if primaries not in _PRIMARIES or _linear(np.zeros(1), transfer) is None:
        return None
    return Coding(_PRIMARIES[primaries], transfer, None, full_range)


def from_gamma(gamma: float | None, chromaticities: tuple[float, ...] | None) -> Coding | None:
    """Return the coding of PNG's gAMA and cHRM. None if there is neither, or they make no sense."""
    if gamma is None and chromaticities is None:
        return None
    if gamma is not None and not 0.01 <= gamma <= 100:
        return None
    if gamma is not None and abs(gamma - _SRGB_GAMMA) < 1e-5:
        gamma = None
    primaries = _PRIMARIES[1]
    if chromaticities is not None and np.abs(np.subtract(chromaticities, primaries)).max() > (
        _SAME_XY
    ):
        primaries = tuple(chromaticities)
    try:
        matrix_to_srgb(primaries)
    except (np.linalg.LinAlgError, ZeroDivisionError, FloatingPointError):
        return None
    return Coding(primaries, SRGB_TRANSFER, gamma)


def conversion(coding: Coding, channels: int) -> Conversion | None:
    """Return what converts (H, W, 1 or 3) samples in [0, 1] to sRGB; None if already sRGB, or ink."""
    if channels not in (1, 3) or coding.is_srgb:
        return None
    x = np.linspace(0, 1, 65536)
    if not coding.full_range:
        x = np.clip((x * 255 - 16) / 219, 0, 1)
    light = x ** (1 / coding.gamma) if coding.gamma else _linear(x, coding.transfer)
    assert light is not None
    table = light.astype(np.float32)
    matrix = matrix_to_srgb(coding.primaries).astype(np.float32)
    luminance = _to_xyz(coding.primaries)[1].astype(np.float32)
    bright = coding.gamma is None and coding.transfer in (PQ, HLG)

    def convert(samples: Floats) -> Floats:
        linear = table[whole_steps(samples)]
        if channels == 1:
            linear = np.repeat(linear, 3, -1)
        if bright and coding.transfer == HLG:  # system gamma of a screen of 1000 nits (BT.2100)
            shine = np.maximum(linear @ luminance, 1e-6)[..., None]
            linear = linear * shine ** np.float32(0.2) * np.float32(PEAK / REFERENCE_WHITE)
        if bright:
            linear = rolled_off(linear)
        return srgb_encoded(linear if channels == 1 else linear @ matrix.T)

    return convert


def rolled_off(linear: Floats) -> Floats:
    """Bring light (…, 3) of up to PEAK into [0, 1]; up to KNEE it stays as it is.

    Beyond the knee the brightest channel follows Reinhard's extended curve (2002, equation 4),
    which reaches 1 at the peak, and the others are scaled with it.
    """
    greatest = linear.max(-1, keepdims=True)
    above = np.maximum(greatest - KNEE, 0) / (1 - KNEE)
    peak = (PEAK / REFERENCE_WHITE - KNEE) / (1 - KNEE)
    curve = KNEE + (1 - KNEE) * np.minimum(above * (1 + above / peak**2) / (1 + above), 1)
    share = np.where(greatest > KNEE, curve / np.maximum(greatest, KNEE), 1)
    result: Floats = (linear * share).astype(np.float32)
    return result


def whole_steps(samples: Floats) -> npt.NDArray[np.intp]:
    """Return samples in [0, 1] as whole 65535ths, exact for n / 255 and n / 65535 alike."""
    whole: npt.NDArray[np.intp] = np.rint(samples * np.float32(65535)).astype(np.intp)
    return whole


def srgb_decoded(samples: Floats) -> Floats:
    """Take sRGB's tone curve off: values in [0, 1] become linear."""
    bent = ((samples + np.float32(0.055)) / np.float32(1.055)) ** np.float32(2.4)
    linear: Floats = np.where(samples <= 0.04045, samples / np.float32(12.92), bent)
    return linear


def srgb_encoded(linear: Floats) -> Floats:
    """Apply the sRGB curve to linear light, clipped to [0, 1]."""
    linear = np.clip(linear, 0, 1)
    high = np.float32(1.055) * linear ** np.float32(1 / 2.4) - np.float32(0.055)
    return np.where(linear <= np.float32(0.0031308), np.float32(12.92) * linear, high)


def matrix_to_srgb(primaries: tuple[float, ...]) -> Wide:
    """Return the matrix (3, 3) from linear light of these primaries to that of sRGB."""
    with np.errstate(all="raise"):
        adapted = _adaptation(primaries[:2], _D65) @ _to_xyz(primaries)
        matrix: Wide = np.linalg.solve(_to_xyz(_PRIMARIES[1]), adapted)
    return matrix


def _to_xyz(primaries: tuple[float, ...]) -> Wide:
    white, *points = (_xyz(*primaries[i : i + 2]) for i in (0, 2, 4, 6))
    columns = np.stack(points, -1)
    result: Wide = columns * np.linalg.solve(columns, white)
    return result


def _xyz(x: float, y: float) -> Wide:
    return np.array([x / y, 1, (1 - x - y) / y])


def _adaptation(before: tuple[float, ...], after: tuple[float, ...]) -> Wide:
    one, other = (_BRADFORD @ _xyz(*point[:2]) for point in (before, after))
    result: Wide = np.linalg.solve(_BRADFORD, np.diag(other / one) @ _BRADFORD)
    return result


def _linear(x: Wide, transfer: int) -> Wide | None:
    """Return linear light of a signal (H.273, table 3); paper white is 1. None: not known here."""
    if transfer in (1, 6, 14, 15):
        return np.where(x < 0.081243, x / 4.5, ((x + 0.0992968) / 1.0992968) ** (1 / 0.45))
    if transfer in (4, 5):
        return x ** (2.2 if transfer == 4 else 2.8)
    if transfer == 7:
        return np.where(x < 0.0912863, x / 4, ((x + 0.1115722) / 1.1115722) ** (1 / 0.45))
    if transfer == 8:
        return x
    if transfer == SRGB_TRANSFER:
        return np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)
    if transfer == PQ:  # SMPTE ST 2084
        power = x ** (32 / 2523)
        light = np.maximum(power - 107 / 128, 0) / (2413 / 128 - 2392 / 128 * power)
        return light ** (8192 / 1305) * 10000 / REFERENCE_WHITE
    if transfer == HLG:  # of the scene: 1 is the signal's own peak
        a, b, c = 0.17883277, 0.28466892, 0.55991073
        return np.where(x <= 0.5, x**2 / 3, (np.exp((x - c) / a) + b) / 12)
    return None
