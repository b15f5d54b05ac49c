"""From a picture file to samples: one guarded way to open it, every pixel layout that is read.

Pillow decodes everything. It has no mode for colour at 16 bits per channel and keeps the high
bytes only (https://github.com/python-pillow/Pillow/issues/1888), so such files are decoded a second
time in the opposite byte order, which yields the low bytes.
"""

import stat
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError
from PIL.ImageFile import ImageFile

from engine.errors import BadInput, OutOfMemory, PareidoliaError

Floats = npt.NDArray[np.float32]

MAX_MEGAPIXELS = 200
READABLE = "JPEG, PNG, WebP, TIFF (8 or 16 bits), BMP or GIF"
_FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF")
_BITS_PER_SAMPLE, _PHOTOMETRIC, _PLANAR = 258, 262, 284


class Samples(NamedTuple):
    """What a file holds, before colour management."""

    colour: Floats  # (H, W, C) in [0, 1]; C is 1 (grey), 3 (RGB) or 4 (CMYK, 1 is full ink)
    alpha: Floats | None  # (H, W) in [0, 1]
    bits: int  # 8 or 16


class _PillowsLimit:
    """Lifts Pillow's own limit on pixels while any thread decodes: ours is higher, and an error.

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
def opened(path: Path) -> Iterator[tuple[ImageFile, IO[bytes]]]:
    """Open a picture file for decoding inside the `with`: Pillow's image and the file under it.

    Raises:
        BadInput: whatever is wrong with the file, found here or while decoding, in one sentence.
        OutOfMemory: the decoded picture does not fit into memory.
    """
    _check_readable(path)
    try:
        with _lifted_limit, path.open("rb") as file, Image.open(file, formats=_FORMATS) as image:
            megapixels = image.width * image.height / 1e6
            if megapixels > MAX_MEGAPIXELS:
                raise BadInput(
                    f"{path} has {image.width} x {image.height} pixels, more than the"
                    f" {MAX_MEGAPIXELS} megapixels that are opened: make it smaller first."
                )
            yield image, file
    except PareidoliaError:
        raise
    except MemoryError as error:
        raise OutOfMemory(f"{path} does not fit into memory: make it smaller first.") from error
    except UnidentifiedImageError as error:
        raise BadInput(
            f"{path} cannot be read as a picture: it should be a whole {READABLE} file."
        ) from error
    except PermissionError as error:
        raise BadInput(f"{path} may not be read: give yourself permission to read it.") from error
    except Exception as error:  # what decoders raise on damaged files has no common type
        raise BadInput(
            f"{path} is damaged or cut short ({_reason(error)}): a whole {READABLE} file is needed."
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
        raise BadInput(f"{path} is empty: it should be a {READABLE} file.")


def _reason(error: Exception) -> str:
    text = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return text.strip().rstrip(".").replace("\n", " ") or type(error).__name__


def read_samples(image: ImageFile, file: IO[bytes]) -> Samples:
    """Decode the first frame of an image that `opened` gave, at the precision it has.

    The orientation is not applied yet, but for TIFF files, where Pillow does it itself.

    Raises:
        BadInput: the layout is one of the few that Pillow opens and gets wrong.
    """
    layout = _rawmode(image)
    colourful = image.mode in ("RGB", "RGBA", "CMYK")
    deep = colourful and ";16" in layout
    tags = getattr(image, "tag_v2", {})
    # Pillow takes the bytes of such planes for the pixels of 8-bit ones.
    if colourful and tags.get(_PLANAR) == 2 and 16 in tags.get(_BITS_PER_SAMPLE, ()):
        raise BadInput(f"{file.name} keeps 16-bit channels apart: save it with them interleaved.")
    image.load()
    if deep:
        return _deep_colour(image, file, layout)
    if image.mode.startswith("I;16"):
        values = np.asarray(image)
        bits = tags.get(_BITS_PER_SAMPLE, (16,))[0]
        colour = _scaled(values[..., None], 2**bits - 1)
        if tags.get(_PHOTOMETRIC) == 0:  # "white is zero", which Pillow overlooks at 16 bits
            colour = 1 - colour
        return Samples(colour, _keyed_alpha(values[..., None], image), 16)
    if image.mode == "F":
        return Samples(_clipped(np.nan_to_num(np.asarray(image)))[..., None], None, 16)
    if image.mode == "I":
        raise BadInput(f"{file.name} holds signed or 32-bit numbers: save it with 8 or 16 bits.")
    return _shallow(image)


def _shallow(image: Image.Image) -> Samples:
    grey = image.mode in ("1", "L", "LA", "La")
    if image.has_transparency_data:
        image = image.convert("LA" if grey else "RGBA")
    elif image.mode not in ("L", "RGB", "CMYK"):
        image = image.convert("L" if grey else "RGB")
    values = _scaled(np.asarray(image), 255)
    if image.mode in ("LA", "RGBA"):
        return Samples(values[..., :-1], values[..., -1], 8)
    return Samples(values.reshape(*values.shape[:2], -1), None, 8)


def _rawmode(image: ImageFile) -> str:
    arguments = image.tile[0].args if image.tile else ""
    return str(arguments[0] if isinstance(arguments, tuple) else arguments)


def _decoded_as(file: IO[bytes], layout: str) -> npt.NDArray[np.uint8]:
    """Decode the file's bytes once more, taken as another pixel layout of the same size."""
    file.seek(0)
    with Image.open(file, formats=("PNG", "TIFF")) as image:
        image.tile = [
            tile._replace(args=(layout, *tile.args[1:]) if isinstance(tile.args, tuple) else layout)
            for tile in image.tile
        ]
        image.load()
        return np.asarray(image)


def _deep_colour(image: Image.Image, file: IO[bytes], layout: str) -> Samples:
    channels = layout.split(";")[0]
    if layout == "LA;16B":  # as four bytes: grey high, grey low, alpha high, alpha low
        data = _decoded_as(file, "RGBA")
        high, low = data[..., ::2], data[..., 1::2]
    else:
        little = layout.endswith("L") or (layout.endswith("N") and sys.byteorder == "little")
        same, other = ("L", "B") if little else ("B", "L")
        # Colour multiplied by alpha Pillow divides in bytes; that is done below, in floats.
        raw = channels == "RGBa"
        high = _decoded_as(file, f"RGBA;16{same}") if raw else np.asarray(image)
        low = _decoded_as(file, f"{channels.upper()};16{other}")
    values = high * np.uint16(256) + low
    colour = _scaled(values, 65535)
    if image.mode != "RGBA":
        return Samples(colour, _keyed_alpha(values, image), 16)
    colour, alpha = colour[..., :-1], colour[..., -1]
    if channels == "RGBa":
        colour = _clipped(colour / np.maximum(alpha, np.float32(1 / 65535))[..., None])
    return Samples(colour, alpha, 16)


def _scaled(values: npt.NDArray[Any], maximum: int) -> Floats:
    result: Floats = np.divide(values, maximum, dtype=np.float32)
    return result


def _clipped(values: npt.NDArray[Any]) -> Floats:
    result: Floats = np.clip(values, 0, 1).astype(np.float32)
    return result


def _keyed_alpha(values: npt.NDArray[Any], image: Image.Image) -> Floats | None:
    """Alpha of a 16-bit PNG in which one colour is declared to be transparent."""
    key = image.info.get("transparency")
    if key is None:
        return None
    opaque: npt.NDArray[np.bool_] = (values != np.array(key)).any(-1)
    return opaque.astype(np.float32)
