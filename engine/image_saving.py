"""Pictures into files: whole or not at all, with sRGB profile, EXIF and recipe.

Pillow cannot write colour at 16 bits per channel
(https://github.com/python-pillow/Pillow/issues/1888), so PNG of that depth, and TIFF of either, are
put together here, after PNG (third edition, W3C 2025) and TIFF 6.0.
"""

import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from PIL import Image, features
from PIL.PngImagePlugin import PngInfo
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from engine.colour_profile import srgb_profile
from engine.errors import BadInput
from engine.files import check_place, replacing
from engine.image_formats import WRITTEN, need_jxl
from engine.image_metadata import (
    RECIPE_KEY,
    XMP_LIMIT,
    dpi_alone,
    exif_as_tags,
    exif_for_jpeg,
    parsed_exif,
    recipe_json,
    recipe_xmp,
    upright_exif,
)

if TYPE_CHECKING:
    from engine.image import Picture

Integers = npt.NDArray[np.uint8] | npt.NDArray[np.uint16]

_LONGEST_SIDE = {"JPEG": 65500, "WebP": 16383, "AVIF": 65536}  # libjpeg's, the formats' limits
_DEEP = ("PNG", "TIFF")
_BYTES_AT_ONCE = 2**20


def save_picture(
    picture: "Picture",
    path: str | Path,
    *,
    recipe: Mapping[str, Any] | None = None,
    bits: int = 8,
    quality: int = 95,
    subsampling: str = "4:4:4",
    lossless: bool = False,
    profile: bytes | None = None,
    dpi: tuple[float, float] | None = None,
) -> Path:
    """Save a picture as PNG, JPEG, WebP, TIFF, AVIF or JPEG XL, whichever the path ends in.

    The file is written beside its target and then renamed, so that on any failure an existing file
    stays unchanged and nothing is left over. On success it is replaced.

    Args:
        picture: what to save. JPEG has no transparency, so the picture is laid over white.
        path: where to; the folder must exist.
        recipe: what `engine.image.read_recipe` will find in the file: anything that JSON can hold.
        bits: 8 or, for PNG and TIFF, 16 bits per channel.
        quality: 1 to 100, for JPEG, AVIF, WebP and JPEG XL; PNG and TIFF lose nothing.
        subsampling: of colour in JPEG and AVIF: "4:4:4" (none) or "4:2:0".
        lossless: whether WebP and JPEG XL keep every pixel; `quality` is then ignored.
        profile: the ICC profile that the colours are in; None: sRGB; empty: the file gets none.
            JPEG XL is sRGB always.
        dpi: pixels per inch, across and down, that the file names; None: none but what EXIF says.

    Returns:
        The path that was written.

    Raises:
        BadInput: the path cannot be written, has no known suffix, or the format cannot hold the
            picture or the recipe; the sentence says what can.
        TypeError, ValueError: the recipe holds something that JSON has no notation for.
    """
    path = Path(path)
    kind = _format(path, bits)
    if not 1 <= quality <= 100:
        raise BadInput(f"{path} cannot be saved at quality {quality}: use 1 to 100.")
    longest = _LONGEST_SIDE.get(kind)
    if longest and max(picture.width, picture.height) > longest:
        raise BadInput(
            f"{path} cannot hold {picture.width} x {picture.height} pixels, {kind} ends at"
            f" {longest} a side: save as .png or .tiff."
        )
    text = None if recipe is None else recipe_json(recipe)
    size = picture.width, picture.height
    in_srgb = profile is None
    profile = srgb_profile() if profile is None else profile
    exif = upright_exif(parsed_exif(picture.exif), size, in_srgb) if picture.exif else None
    parts = FileParts(exif, text, profile, dpi)
    with replacing(path) as file:
        if kind == "PNG":
            _write_png(file, _integers(picture, bits), parts)
        elif kind == "TIFF":
            _write_tiff(file, _integers(picture, bits), parts)
        elif kind == "JPEG":
            packet = None if text is None else recipe_xmp(text, XMP_LIMIT)
            if text is not None and packet is None:
                raise BadInput(f"{path} cannot hold a recipe this long: save as .png or .webp.")
            options = _present(
                exif=exif and exif_for_jpeg(exif, size), xmp=packet, icc_profile=profile, dpi=dpi
            )
            Image.fromarray(_over_white(picture)).save(
                file, "JPEG", quality=quality, subsampling=subsampling, **options
            )
        else:
            if exif is None and dpi is not None:  # they have no other place for it
                exif = dpi_alone(dpi)
            options = _present(exif=exif, xmp=recipe_xmp(text) if text is not None else None)
            image = Image.fromarray(_integers(picture, 8))
            if kind == "JPEG XL":  # sRGB without a profile: the format says so by itself
                image.save(
                    file, "JXL", quality=quality, lossless=lossless, use_container=True, **options
                )
            elif kind == "WebP":
                image.save(
                    file, "WEBP", quality=quality, lossless=lossless, exact=True,
                    icc_profile=profile or None, **options,
                )  # fmt: skip
            else:
                image.save(
                    file, "AVIF", quality=quality, subsampling=subsampling,
                    icc_profile=profile or None, **options,
                )  # fmt: skip
    return path


@dataclass(frozen=True)
class FileParts:
    """What goes into a file besides the pixels."""

    exif: bytes | None
    recipe: str | None
    """The recipe as JSON."""
    profile: bytes
    """Empty for none."""
    dpi: tuple[float, float] | None


def check_target(path: str | Path, bits: int = 8, long_side: int = 0) -> None:
    """Check, before hours of work, that a picture can be saved at `path`.

    Args:
        path: where to.
        bits: as `save_picture` takes it.
        long_side: of the picture, in pixels, as far as it is known.

    Raises:
        BadInput: what `save_picture` would say about the format, the folder or the file.
    """
    path = Path(path)
    kind = _format(path, bits)
    longest = _LONGEST_SIDE.get(kind, long_side)
    if long_side > longest:
        raise BadInput(
            f"{path} cannot hold {long_side} pixels a side, {kind} ends at {longest}:"
            " save as .png or .tiff."
        )
    check_place(path)


def _format(path: Path, bits: int) -> str:
    kind = WRITTEN.get(path.suffix.lower())
    if kind is None:
        raise BadInput(
            f"{path} has no known suffix: end the name in .png, .jpg, .webp, .tiff, .avif or .jxl."
        )
    if kind == "JPEG XL":
        need_jxl(path)
    if kind == "AVIF" and not features.check("avif"):
        raise BadInput(
            f"{path} cannot be saved as AVIF without Pillow 11.3 or newer: save as .webp."
        )
    if bits not in (8, 16):
        raise BadInput(f"{path} cannot be saved at {bits} bits per channel: use 8 or 16.")
    if bits == 16 and kind not in _DEEP:
        raise BadInput(f"{path} cannot hold 16 bits per channel: save as .png or .tiff.")
    return kind


def _present(**options: Any) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value}


def _integers(picture: "Picture", bits: int) -> Integers:
    """Round colour, and alpha if there is one, to (H, W, 3 or 4) whole numbers."""
    channels = 3 if picture.alpha is None else 4
    dtype = np.uint8 if bits == 8 else np.uint16
    result = np.empty((picture.height, picture.width, channels), dtype)
    result[..., :3] = np.rint(picture.rgb * np.float32(2**bits - 1))
    if picture.alpha is not None:
        result[..., 3] = np.rint(picture.alpha * np.float32(2**bits - 1))
    return result


def _over_white(picture: "Picture") -> npt.NDArray[np.uint8]:
    rgb = picture.rgb
    if picture.alpha is not None:
        alpha = picture.alpha[..., None]
        rgb = rgb * alpha + (1 - alpha)
    rounded: npt.NDArray[np.uint8] = np.rint(rgb * np.float32(255)).astype(np.uint8)
    return rounded


def _write_png(file: IO[bytes], samples: Integers, parts: FileParts) -> None:
    exif, text, profile = parts.exif, parts.recipe, parts.profile
    if samples.dtype == np.uint8:
        notes = PngInfo()
        if text is not None:
            notes.add_itxt(RECIPE_KEY, text)
        options = _present(exif=exif, icc_profile=profile, dpi=parts.dpi)
        Image.fromarray(samples).save(file, "PNG", pnginfo=notes, **options)
        return
    height, width, channels = samples.shape
    colour_type = 2 if channels == 3 else 6
    file.write(b"\x89PNG\r\n\x1a\n")
    _chunk(file, b"IHDR", struct.pack(">2I5B", width, height, 16, colour_type, 0, 0, 0))
    if profile:
        name = b"sRGB" if profile == srgb_profile() else b"ICC Profile"
        _chunk(file, b"iCCP", name + b"\0\0" + zlib.compress(profile))
    if parts.dpi is not None:  # per metre
        _chunk(file, b"pHYs", struct.pack(">2IB", *(round(d / 0.0254) for d in parts.dpi), 1))
    if exif:
        _chunk(file, b"eXIf", exif.removeprefix(b"Exif\0\0"))
    if text is not None:
        _chunk(file, b"iTXt", RECIPE_KEY.encode() + b"\0\0\0\0\0" + text.encode())
    packer = zlib.compressobj()
    for top in range(0, height, rows := _rows_at_once(samples)):
        data = packer.compress(_paeth_filtered(samples, top, top + rows))
        if top + rows >= height:
            data += packer.flush()
        _chunk(file, b"IDAT", data)
    _chunk(file, b"IEND", b"")


def _chunk(file: IO[bytes], name: bytes, data: bytes) -> None:
    checksum = zlib.crc32(data, zlib.crc32(name))
    file.write(struct.pack(">I", len(data)) + name + data + struct.pack(">I", checksum))


def _paeth_filtered(samples: Integers, top: int, bottom: int) -> bytes:
    """Filter rows of a 16-bit PNG by filter type 4: what is left of each byte after a guess."""
    block = samples[max(top - 1, 0) : bottom].astype(">u2")
    count, width, channels = block.shape
    step = 2 * channels
    # The row above the first and the pixel left of each row count as zeros.
    rows = np.zeros((count + (top == 0), (width + 1) * step), np.int16)
    rows[top == 0 :, step:] = block.view(np.uint8).reshape(count, width * step)
    here, left = rows[1:, step:], rows[1:, :-step]
    above, corner = rows[:-1, step:], rows[:-1, :-step]
    from_left, from_above = np.abs(above - corner), np.abs(left - corner)
    from_corner = np.abs(left + above - 2 * corner)
    guess = np.where(from_above <= from_corner, above, corner)
    guess = np.where((from_left <= from_above) & (from_left <= from_corner), left, guess)
    filtered = np.full((len(here), width * step + 1), 4, np.uint8)
    filtered[:, 1:] = (here - guess) & 255
    return filtered.tobytes()


def _write_tiff(file: IO[bytes], samples: Integers, parts: FileParts) -> None:
    height, width, channels = samples.shape
    rows = _rows_at_once(samples)
    strips = [_tiff_strip(samples[top : top + rows]) for top in range(0, height, rows)]
    lengths = [len(strip) for strip in strips]
    directory = ImageFileDirectory_v2()
    for tag, value in (exif_as_tags(parts.exif) if parts.exif else {}).items():
        directory[tag] = value
    directory[256], directory[257] = width, height
    directory[258] = (samples.dtype.itemsize * 8,) * channels  # bits per sample
    directory[259] = 8  # compression: deflate
    directory[262] = 2  # photometric interpretation: RGB
    # Relative to the end of the directory, where Pillow's writer counts from.
    directory[273] = tuple(int(sum(lengths[:index])) for index in range(len(lengths)))
    directory[277] = channels
    directory[278] = rows
    directory[279] = tuple(lengths)
    directory[284] = 1  # channels interleaved
    directory[317] = 2  # predictor: horizontal differences
    if channels == 4:
        directory[338] = 2  # alpha, colour not multiplied by it
    if parts.dpi is not None:
        directory[282], directory[283] = parts.dpi
        directory[296] = 2  # per inch
    if parts.recipe is not None:
        directory[700] = recipe_xmp(parts.recipe)
    if parts.profile:
        directory[34675] = parts.profile
    directory.save(file)
    file.writelines(strips)


def _tiff_strip(samples: Integers) -> bytes:
    differences = samples.copy()
    differences[:, 1:] -= samples[:, :-1]  # wraps around, as the format has it
    return zlib.compress(differences.astype(differences.dtype.newbyteorder("<")).tobytes())


def _rows_at_once(samples: Integers) -> int:
    height, width, channels = samples.shape
    rows = _BYTES_AT_ONCE // int(width * channels * samples.itemsize)
    return max(1, min(int(height), rows))
