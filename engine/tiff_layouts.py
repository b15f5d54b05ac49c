"""TIFF files that Pillow does not read: through tifffile, strips and tiles of WebP through Pillow.

Grey with alpha at 16 bits, 16-bit channels in planes of their own, big-endian files in which white
is zero; and WebP compression, which Pillow's libtiff is built without.
"""

import io
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from engine.errors import BadInput
from engine.image_formats import EXTRA
from engine.image_frames import frame_of
from engine.image_limits import check_memory, check_pixels

_EACH = (
    16  # bytes for each pixel: four channels of 16 bits, and once more while they are put together
)
_WEBP = 50001
_KEPT_ALPHA, _MULTIPLIED_ALPHA = 2, 1


class TiffPage:
    """One page of a TIFF file.

    Attributes:
        values: (H, W, C) uint8 or uint16; grey is never inverted.
        alpha: whether the last channel is alpha: "kept", "multiplied" (into the colour) or "".
        profile: the ICC profile.
        orientation: EXIF's, 1 to 8.
        frame, frames: which page, from 1, of how many.
    """

    def __init__(self, path: Path, file: IO[bytes], frame: int | None) -> None:
        try:
            import tifffile
        except ImportError:
            raise BadInput(
                f"{path} is a TIFF of a rare kind, which takes tifffile ({EXTRA})."
            ) from None
        file.seek(0)
        with tifffile.TiffFile(file) as tiff:
            pages: Any = tiff.pages
            self.frames = len(pages)
            self.frame = frame_of(path, frame, self.frames)
            page = pages[self.frame - 1]
            check_pixels(path, page.imagewidth, page.imagelength)
            pixels = page.imagewidth * page.imagelength
            check_memory(path, pixels, _EACH, pixels)
            white_is_zero = self._check(path, page)
            tag = page.tags.get(34675)
            self.profile = tag.value if tag is not None and isinstance(tag.value, bytes) else None
            turned = page.tags.get(274)
            self.orientation = int(turned.value) if turned is not None else 1
            values = _webp(page, file) if page.compression == _WEBP else _decoded(path, page)
        self.values = ~values if white_is_zero else values
        extra = page.extrasamples[0] if page.extrasamples else 0
        self.alpha = {_KEPT_ALPHA: "kept", _MULTIPLIED_ALPHA: "multiplied"}.get(int(extra), "")
        colours = values.shape[-1] - len(page.extrasamples)
        self.values = self.values[..., : colours + bool(self.alpha)]

    def _check(self, path: Path, page: Any) -> bool:
        kind = page.photometric.name
        channels = page.samplesperpixel - len(page.extrasamples)
        wanted = {"MINISBLACK": 1, "MINISWHITE": 1, "RGB": 3, "YCBCR": 3, "SEPARATED": 4}
        ycbcr = kind == "YCBCR" and page.compression != _WEBP
        if page.dtype not in (np.uint8, np.uint16) or wanted.get(kind) != channels or ycbcr:
            raise BadInput(
                f"{path} is a TIFF of {page.bitspersample}-bit {kind} samples: save it with 8 or 16"
                " bits as grey, RGB or CMYK."
            )
        white_is_zero: bool = kind == "MINISWHITE"
        return white_is_zero and not page.extrasamples


def _decoded(path: Path, page: Any) -> npt.NDArray[Any]:
    try:
        values: npt.NDArray[Any] = page.asarray(maxworkers=1)
    except ValueError as error:
        if "imagecodecs" not in str(error):
            raise
        raise BadInput(
            f"{path} is compressed by {page.compression.name}, which takes imagecodecs"
            " (pip install imagecodecs)."
        ) from error
    if page.planarconfig == 2 and page.samplesperpixel > 1:
        values = np.moveaxis(values, 0, -1)
    native = values.astype(values.dtype.newbyteorder("="), copy=False)
    return native.reshape(page.imagelength, page.imagewidth, -1)


def _webp(page: Any, file: IO[bytes]) -> npt.NDArray[np.uint8]:
    """Decode strips or tiles, each of which is a WebP file of its own."""
    width, height = page.imagewidth, page.imagelength
    tile_width = page.tilewidth if page.is_tiled else width
    tile_height = page.tilelength if page.is_tiled else page.rowsperstrip
    across = -(-width // tile_width)
    channels = page.samplesperpixel
    values = np.empty((height, width, channels), np.uint8)
    for index, (start, length) in enumerate(
        zip(page.dataoffsets, page.databytecounts, strict=True)
    ):
        file.seek(start)
        top, left = index // across * tile_height, index % across * tile_width
        with Image.open(io.BytesIO(file.read(length)), formats=("WEBP",)) as part:
            if part.width > tile_width or part.height > tile_height:
                raise ValueError("a part is larger than its place")
            pixels = np.asarray(part.convert("RGBA" if channels == 4 else "RGB"))
        place = values[top : top + tile_height, left : left + tile_width]
        place[...] = pixels[: place.shape[0], : place.shape[1], :channels]
    return values
