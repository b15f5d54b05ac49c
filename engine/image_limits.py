"""What an untrusted file may cost before it is refused: pixels, memory, time."""

from pathlib import Path

from engine.errors import BadInput, OutOfMemory
from engine.free_memory import free_memory

MAX_MEGAPIXELS = 200
MAX_SCANS = 100
"""Most scans of a progressive JPEG: each takes the time of a whole picture; cameras and editors
write 10."""
SHARE = 0.9
"""The share of free memory that may be used."""
_IN_PILLOW = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2}  # else 4 bytes for each pixel
# Bytes that decoders keep for each pixel besides the finished picture.
_DECODERS = {"WEBP": 4, "AVIF": 8, "HEIF": 8, "JXL": 16, "GIF": 8}
_PROGRESSIVE = 6  # coefficients of three channels, two bytes each
_SECOND_DECODING = 28  # of 16-bit colour: high and low bytes apart, then together
_NUMBERS = 16  # colour and alpha as float32


def check_pixels(path: Path, width: int, height: int) -> None:
    """Refuse, by `BadInput`, pictures of more pixels than are ever opened."""
    if width * height > MAX_MEGAPIXELS * 1e6:
        raise BadInput(
            f"{path} has {width} x {height} pixels, more than the"
            f" {MAX_MEGAPIXELS} megapixels allowed: make it smaller first."
        )


def check_scans(path: Path, scans: int) -> None:
    """Refuse, by `BadInput`, JPEG files of very many scans."""
    if scans > MAX_SCANS:
        raise BadInput(
            f"{path} is a JPEG of {scans} scans, more than the {MAX_SCANS} allowed: save it again as a "
            "non-progressive JPEG."
        )


def check_memory(path: Path, pixels: int, each: int, kept: int) -> None:
    """Refuse, by `OutOfMemory`, a picture that cannot be decoded in the memory that is free.

    Args:
        path: the file.
        pixels: how many are decoded.
        each: bytes that decoding takes for each of them.
        kept: how many pixels stay, as numbers, after all reduction.
    """
    needed = pixels * each + kept * _NUMBERS
    free = free_memory()
    if needed > SHARE * free:
        raise OutOfMemory(
            f"{path} takes {needed / 2**20:.0f} MiB to open and {free / 2**20:.0f} MiB are free:"
            " close other programs or make it smaller first."
        )


def bytes_each(format: str, mode: str, deep: bool, progressive: bool) -> int:
    """Return the bytes that decoding takes for each pixel, by Pillow's format and mode.

    Args:
        format: Pillow's name of the format.
        mode: Pillow's name of the layout.
        deep: whether colour has 16 bits and is decoded twice.
        progressive: whether it is a progressive JPEG.
    """
    own = _IN_PILLOW.get(mode, 4) + _DECODERS.get(format, 0)
    return own + deep * _SECOND_DECODING + progressive * _PROGRESSIVE
