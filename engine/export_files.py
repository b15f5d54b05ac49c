"""Writing what `engine.export` describes: pictures and pairs, with what is kept of the photo."""

import importlib.util
import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import features
from PIL.ExifTags import Base

from engine.colour_profile import from_srgb, srgb_profile
from engine.errors import BadInput, PareidoliaError
from engine.export import SUFFIXES, Export
from engine.image import Picture, save_picture
from engine.image_decoding import opened
from engine.image_formats import has_jxl
from engine.image_metadata import kept_exif

GAP_SHARE = 100
"""A pair's gap is its height divided by this."""
INCH = 2.54
"""Centimetres per inch."""


def formats_here() -> tuple[str, ...]:
    """Return the formats of pictures that can be written on this machine."""
    missing = {"avif": not features.check("avif"), "jpeg xl": not has_jxl()}
    every = ("png", "jpeg", "webp", "avif", "jpeg xl", "tiff")
    return tuple(each for each in every if not missing.get(each))


def films_here() -> tuple[str, ...]:
    """Return the formats of films that can be written on this machine."""
    return ("mp4", "gif", "webp") if importlib.util.find_spec("av") else ("gif", "webp")


def export_picture(
    picture: Picture,
    path: Path,
    export: Export,
    recipe: Mapping[str, Any] | None = None,
    photo: Path | None = None,
) -> Path:
    """Write a picture; return its path.

    Args:
        picture: the result, with the EXIF that may be kept.
        path: where to; its suffix decides the format.
        export: how.
        recipe: written into the file.
        photo: the file whose profile and resolution may be kept.

    Raises `BadInput` as `save_picture` does, and if the photo's profile cannot be written.
    """
    if path.suffix.lower() == SUFFIXES["jpeg xl"]:
        export = replace(export, profile="srgb")
    profile, dpi = None if export.profile == "srgb" else b"", None
    if photo is not None and (export.profile == "photo" or export.resolution):
        found, dpi = _of_photo(photo)
        if export.profile == "photo":
            profile = found
    if export.profile == "photo":  # a photo without a profile counts as sRGB
        profile = profile or srgb_profile()
        converted = from_srgb(picture.rgb, profile)
        if converted is None:
            raise BadInput(
                f"{path} cannot have the colour profile of {photo}, which is not one of plain"
                " RGB curves: use the profile srgb."
            )
        picture = replace(picture, rgb=converted)
    dpi = dpi if export.resolution else None
    if picture.exif is not None:
        exif = kept_exif(picture.exif, export.location, dpi) if export.exif else None
        picture = replace(picture, exif=exif)
    return save_picture(
        picture, path, recipe=recipe, bits=int(export.bits), quality=export.quality,
        subsampling=export.subsampling, lossless=export.lossless, profile=profile, dpi=dpi,
    )  # fmt: skip


def pair(before: Picture, after: Picture, gap: bool) -> Picture:
    """Return two pictures side by side, the first one at the height of the second.

    Metadata is taken from the second one; transparency becomes white. With `gap`, a thin white gap
    is left between them.
    """
    width = max(1, round(before.width * after.height / before.height))
    one = before.resized(size=(width, after.height))
    between = max(2, round(after.height / GAP_SHARE)) if gap else 0
    white = np.ones((after.height, between, 3), np.float32)
    rgb = np.concatenate((_over_white(one), white, _over_white(after)), axis=1)
    return replace(after, rgb=np.ascontiguousarray(rgb), alpha=None)


def _over_white(picture: Picture) -> Any:
    if picture.alpha is None:
        return picture.rgb
    alpha = picture.alpha[..., None]
    return picture.rgb * alpha + (1 - alpha)


def _of_photo(path: Path) -> tuple[bytes | None, tuple[float, float] | None]:
    """Return a photo's ICC profile and its pixels per inch, across and down, as far as it has them.

    A photo that no longer exists has neither.
    """
    try:
        with opened(path) as (image, _):
            if image is None:
                return None, None
            profile = image.info.get("icc_profile")
            return profile if isinstance(profile, bytes) and profile else None, _dpi(image)
    except PareidoliaError:
        return None, None


def _dpi(image: Any) -> tuple[float, float] | None:
    try:
        # For a TIFF that names none, Pillow says 1.
        found = image.info.get("dpi") if image.format != "TIFF" else None
        if not found:
            exif = image.getexif()
            found = exif.get(Base.XResolution), exif.get(Base.YResolution)
            unit = exif.get(Base.ResolutionUnit, 2)
            found = tuple(float(each) * {2: 1.0, 3: INCH}[unit] for each in found)
        across, down = (float(each) for each in found)
    except Exception:  # broken EXIF comes as errors of any type
        return None
    whole = all(math.isfinite(each) and 1 <= each <= 65535 for each in (across, down))
    return (across, down) if whole else None
