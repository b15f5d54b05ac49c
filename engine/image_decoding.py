"""From a picture file to samples: one guarded way to open files of every supported pixel layout.

Pillow decodes nearly everything. It has no mode for colour at 16 bits per channel and keeps the high
bytes only (https://github.com/python-pillow/Pillow/issues/1888), so such files are decoded a second
time in the opposite byte order, which yields the low bytes.
"""

import stat
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError
from PIL.ImageFile import ImageFile

from engine.errors import BadInput, OutOfMemory, PareidoliaError
from engine.files import split_frame
from engine.image_formats import READABLE, TIFF_HEADS, formats_of
from engine.image_headers import jpeg_scans, jxl_size
from engine.image_limits import bytes_each, check_memory, check_pixels, check_scans
from engine.tiff_layouts import TiffPage

Floats = npt.NDArray[np.float32]
Rows = tuple[Floats, Floats | None]
"""Colour (h, W, C) in [0, 1], C being 1 (grey), 3 (RGB) or 4 (CMYK, 1 is full ink); alpha (h, W)."""

_BITS_PER_SAMPLE, _COMPRESSION, _PHOTOMETRIC, _PLANAR = 258, 259, 262, 284
_WEBP = 50001


@dataclass(frozen=True)
class Samples:
    """What a file holds, before colour management and not yet upright; read in bands of rows."""

    width: int
    height: int
    channels: int
    """Of colour: 1 (grey), 3 (RGB) or 4 (CMYK)."""
    bits: int
    """8 or 16."""
    rows: Callable[[int, int], Rows]
    """Returns the rows from one up to, but not including, another."""


class _PillowsLimit:
    """Lifts Pillow's own pixel limit while any thread decodes: ours is higher, and an error.

    Pillow's is a global that warns first, and is checked again while a TIFF loads.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._limit: int | None = None

    def __enter__(self) -> None:
        with self._lock:
            if not self._users:
                self._limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
            self._users += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._users -= 1
            if not self._users:
                Image.MAX_IMAGE_PIXELS = self._limit


_lifted_limit = _PillowsLimit()


@contextmanager
def opened(path: Path) -> Iterator[tuple[ImageFile | None, IO[bytes]]]:
    """Open a picture file for decoding inside the `with`: Pillow's image and the file under it.

    The image is None for a TIFF that Pillow does not read.

    Raises:
        BadInput: whatever is wrong with the file, found here or while decoding, in one sentence.
        OutOfMemory: the decoded picture does not fit into memory.
    """
    path, _ = split_frame(path)
    _check_readable(path)
    try:
        with _lifted_limit, path.open("rb") as file:
            head = file.read(256)
            formats = formats_of(path, head)
            if formats == ("JXL",):  # decoded as a whole by opening it
                _check_jxl(path, file)
            file.seek(0)
            try:
                image = Image.open(file, formats=formats)
            except UnidentifiedImageError:
                if not head.startswith(TIFF_HEADS):
                    raise
                yield None, file
                return
            with image:
                check_pixels(path, image.width, image.height)
                if _rare(image):
                    yield None, file
                    return
                if image.format in ("JPEG", "MPO") and image.info.get("progressive"):
                    place = file.tell()
                    check_scans(path, jpeg_scans(file))
                    file.seek(place)
                yield image, file
    except PareidoliaError:
        raise
    except MemoryError as error:
        raise OutOfMemory(f"{path} does not fit into memory: make it smaller first.") from error
    except UnidentifiedImageError as error:
        raise BadInput(
            f"{path} cannot be read as a picture: use an intact {READABLE} file."
        ) from error
    except PermissionError as error:
        raise BadInput(f"{path} cannot be read: you have no permission to read it.") from error
    except Exception as error:  # what decoders raise on damaged files has no common type
        raise BadInput(
            f"{path} is damaged or incomplete ({_reason(error)}): use an intact {READABLE} file."
        ) from error


def _check_readable(path: Path) -> None:
    try:
        status = path.stat()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise BadInput(f"{path} does not exist: give the path of a {READABLE} file.") from error
    except (OSError, ValueError) as error:  # ValueError: a path with a null character
        raise BadInput(f"{path} cannot be read ({_reason(error)}): check its path.") from error
    if stat.S_ISDIR(status.st_mode):
        raise BadInput(f"{path} is a folder: give the path of a {READABLE} file.")
    if not stat.S_ISREG(status.st_mode):
        raise BadInput(f"{path} is not a plain file: give the path of a {READABLE} file.")
    if not status.st_size:
        raise BadInput(f"{path} is empty: use a {READABLE} file.")


def _check_jxl(path: Path, file: IO[bytes]) -> None:
    file.seek(0)
    size = jxl_size(file.read())
    if size is None:
        raise UnidentifiedImageError
    check_pixels(path, *size)
    check_memory(path, size[0] * size[1], bytes_each("JXL", "RGBA", False, False), 0)


def _rare(image: ImageFile) -> bool:
    """Return whether an image is a TIFF that Pillow opens but cannot decode, or would get wrong."""
    tags = getattr(image, "tag_v2", {})
    colourful = image.mode in ("RGB", "RGBA", "CMYK")
    # Pillow takes the bytes of such planes for 8-bit pixels.
    planes = colourful and tags.get(_PLANAR) == 2 and 16 in tags.get(_BITS_PER_SAMPLE, ())
    return planes or tags.get(_COMPRESSION) == _WEBP


def _reason(error: Exception) -> str:
    text = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return text.strip().rstrip(".").replace("\n", " ") or type(error).__name__


def read_samples(image: ImageFile, file: IO[bytes], kept: int | None = None) -> Samples:
    """Decode an image that `opened` gave: its current frame, at its own precision.

    The orientation is not applied yet, except for TIFF files, where Pillow applies it itself.

    Args:
        image: the image.
        file: the file under it.
        kept: how many pixels are left if the samples are going to be reduced.

    Raises:
        BadInput: the layout is one of the few that Pillow opens and gets wrong.
        OutOfMemory: there is not enough memory for it.
    """
    layout = _rawmode(image)
    deep = image.mode in ("RGB", "RGBA", "CMYK") and ";16" in layout
    progressive = bool(image.format == "JPEG" and image.info.get("progressive"))
    each = bytes_each(image.format or "", image.mode, deep, progressive)
    pixels = image.width * image.height
    check_memory(Path(file.name), pixels, each, pixels if kept is None else kept)
    tags = getattr(image, "tag_v2", {})
    frame = image.tell()
    image.load()
    if deep:
        return _deep_colour(image, file, layout, frame)
    if image.mode.startswith("I;16"):
        bits = tags.get(_BITS_PER_SAMPLE, (16,))[0]
        return of_grey16(
            np.asarray(image), 2**bits - 1,
            # "White is zero", which Pillow overlooks at 16 bits.
            inverted=tags.get(_PHOTOMETRIC) == 0, key=image.info.get("transparency"),
        )  # fmt: skip
    if image.mode == "F":
        floats = np.asarray(image)

        def rows_of_floats(top: int, bottom: int) -> Rows:
            return _clipped(np.nan_to_num(floats[top:bottom]))[..., None], None

        return Samples(image.width, image.height, 1, 16, rows_of_floats)
    if image.mode == "I":
        raise BadInput(f"{file.name} holds signed or 32-bit numbers: save it with 8 or 16 bits.")
    return _shallow(image)


def of_page(page: TiffPage) -> Samples:
    """Return the samples of a TIFF page that Pillow does not read."""
    values, alpha = page.values, page.alpha
    bits = 8 * values.itemsize
    return _of_array(values, 2**bits - 1, bits, bool(alpha), alpha == "multiplied", None)


def _shallow(image: Image.Image) -> Samples:
    grey = image.mode in ("1", "L", "LA", "La")
    mode = image.mode
    if image.has_transparency_data:
        mode = "LA" if grey else "RGBA"
    elif mode not in ("L", "RGB", "CMYK"):
        mode = "L" if grey else "RGB"

    def rows(top: int, bottom: int) -> Rows:
        band = image.crop((0, top, image.width, bottom))
        if image.mode != mode:
            band = band.convert(mode)
        values = _scaled(np.asarray(band), 255)
        if mode in ("LA", "RGBA"):
            return values[..., :-1], values[..., -1]
        return values.reshape(*values.shape[:2], -1), None

    channels = {"L": 1, "LA": 1, "CMYK": 4}.get(mode, 3)
    return Samples(image.width, image.height, channels, 8, rows)


def of_grey16(values: npt.NDArray[Any], maximum: int, inverted: bool, key: Any) -> Samples:
    """Return the samples of (H, W) whole numbers, one of which may stand for transparent."""

    def rows(top: int, bottom: int) -> Rows:
        band = values[top:bottom, :, None]
        colour = _scaled(band, maximum)
        return 1 - colour if inverted else colour, _keyed_alpha(band, key)

    return Samples(values.shape[1], values.shape[0], 1, 16, rows)


def _rawmode(image: ImageFile) -> str:
    arguments = image.tile[0].args if image.tile else ""
    return str(arguments[0] if isinstance(arguments, tuple) else arguments)


def _decoded_as(file: IO[bytes], layout: str, frame: int) -> npt.NDArray[np.uint8]:
    """Decode the file's bytes once more, taken as another pixel layout of the same size."""
    file.seek(0)
    with Image.open(file, formats=("PNG", "TIFF")) as image:
        image.seek(frame)
        image.tile = [
            tile._replace(args=(layout, *tile.args[1:]) if isinstance(tile.args, tuple) else layout)
            for tile in image.tile
        ]
        image.load()
        return np.asarray(image)


def _deep_colour(image: ImageFile, file: IO[bytes], layout: str, frame: int) -> Samples:
    channels = layout.split(";")[0]
    if layout == "LA;16B":  # as four bytes: grey high, grey low, alpha high, alpha low
        data = _decoded_as(file, "RGBA", frame)
        high, low = data[..., ::2], data[..., 1::2]
    else:
        little = layout.endswith("L") or (layout.endswith("N") and sys.byteorder == "little")
        same, other = ("L", "B") if little else ("B", "L")
        # Pillow divides colour multiplied by alpha in bytes; that is done below, in floats.
        raw = channels == "RGBa"
        high = _decoded_as(file, f"RGBA;16{same}", frame) if raw else np.asarray(image)
        low = _decoded_as(file, f"{channels.upper()};16{other}", frame)
    values = high.astype(np.uint16)
    values <<= 8
    values |= low
    alpha = image.mode == "RGBA"
    key = None if alpha else image.info.get("transparency")
    return _of_array(values, 65535, 16, alpha, channels == "RGBa", key)


def _of_array(
    values: npt.NDArray[Any], maximum: int, bits: int, alpha: bool, multiplied: bool, key: Any
) -> Samples:
    def rows(top: int, bottom: int) -> Rows:
        band = values[top:bottom]
        numbers = _scaled(band, maximum)
        if not alpha:
            return numbers, _keyed_alpha(band, key)
        colour, opaque = numbers[..., :-1], numbers[..., -1]
        if multiplied:
            colour = _clipped(colour / np.maximum(opaque, np.float32(1 / maximum))[..., None])
        return colour, opaque

    height, width, channels = values.shape
    return Samples(width, height, channels - alpha, bits, rows)


def _scaled(values: npt.NDArray[Any], maximum: int) -> Floats:
    result: Floats = np.divide(values, maximum, dtype=np.float32)
    return result


def _clipped(values: npt.NDArray[Any]) -> Floats:
    result: Floats = np.clip(values, 0, 1).astype(np.float32)
    return result


def _keyed_alpha(values: npt.NDArray[Any], key: Any) -> Floats | None:
    """Alpha of a 16-bit PNG in which one colour is declared to be transparent."""
    if key is None:
        return None
    opaque: npt.NDArray[np.bool_] = (values != np.array(key)).any(-1)
    return opaque.astype(np.float32)
