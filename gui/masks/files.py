"""Painted masks in files of their own: written at once, so that a crash loses no stroke.

Each state of a mask is another file, named after its region and its pixels. What has been undone is
therefore still there, and undoing needs no memory.
"""

import hashlib
import secrets
import struct
import zlib
from collections import OrderedDict
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import numpy as np
import numpy.typing as npt

from engine.errors import BadInput
from engine.files import unfinished
from engine.image import open_picture
from engine.places import data_folder
from gui.masks.mask import LONGEST, Mask, of_picture

Bytes = npt.NDArray[np.uint8]
BLANK = 16 * "0"
"""In the name of a mask with nothing inside, in place of what tells its pixels from others'."""
KEPT = 12
"""Masks in memory, at most; of the largest size they are 3 MiB each."""


class MaskFiles:
    """Writes and reads masks; may be used by any thread that reads."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Bytes] = OrderedDict()
        self._written: set[Path] = set()
        """The files of this session that nothing but an edit has used so far."""

    def write(self, mask: Mask, region: str = "") -> str:
        """Write a mask as it is now; return its path. Raises `BadInput`.

        `region`: what the name begins with, so that all states of a region's mask can be told from
        others' (see `region_of`); empty: a new region.
        """
        pixels = mask.pixels.copy()
        folder = data_folder() / "masks"
        path = folder / f"{region or secrets.token_hex(4)}-{_digest(pixels)}.png"
        if not path.exists():
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise BadInput(f"{folder} cannot be made ({error.strerror})") from error
            # Renamed but not synced, which would take longer than a frame: this outlives a crash of
            # the program, and the project's folder soon has a synced copy.
            with unfinished(path) as (beside, file):
                file.write(png(pixels))
                file.flush()
                beside.replace(path)
            self._written.add(path)
        self._keep(str(path), pixels)
        return str(path)

    def known(self, path: str) -> Mask | None:
        """Return a copy of a mask that is in memory."""
        found = self._kept.get(path)
        return None if found is None else Mask(found.copy())

    def read(self, path: str) -> Mask:
        """Return a mask, from any picture: as the engine takes it. Raises `BadInput`. For a worker."""
        return of_picture(open_picture(path, long_side=LONGEST))

    def take(self, path: str, mask: Mask) -> None:
        """Keep a mask that was read."""
        self._keep(path, mask.pixels.copy())

    def used(self, paths: Iterable[str]) -> None:
        """Note masks that somebody may want again: they stay when the window closes."""
        self._written -= {Path(path) for path in paths}

    def close(self, needed: Iterable[str]) -> None:
        """Delete the states that were only steps on the way, now that nothing can be undone."""
        self.used(needed)
        for path in self._written:
            with suppress(OSError):
                path.unlink(missing_ok=True)
        self._written.clear()

    def _keep(self, path: str, pixels: Bytes) -> None:
        self._kept[path] = pixels
        self._kept.move_to_end(path)
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)


def _digest(pixels: Bytes) -> str:
    """Return what tells these pixels from all others."""
    if not pixels.any():
        return BLANK
    digest = hashlib.sha256(repr(pixels.shape).encode())
    digest.update(pixels.data)
    return digest.hexdigest()[: len(BLANK)]


def is_blank(path: str | None) -> bool:
    """Whether a mask, by its name, has nothing inside: no run can do anything there."""
    return path is not None and bool(region_of(path)) and Path(path).stem.endswith(f"-{BLANK}")


def region_of(path: str) -> str:
    """Return what the names of a region's masks begin with; empty: it is no file of `MaskFiles`."""
    file = Path(path)
    name, _, digest = file.stem.partition("-")
    ours = len(name) == 8 and len(digest) == 16 and file.suffix == ".png"
    return name if ours else ""


def png(pixels: Bytes) -> bytes:
    """Return (H, W) bytes as a grey PNG file (ISO/IEC 15948).

    Written here since OpenCV and Pillow take three times as long, in the thread of the window.
    """
    height, width = pixels.shape
    rows = np.empty((height, width + 1), np.uint8)
    rows[:, 0] = 2  # "up": each row is the difference to the one above, mostly zero
    rows[0, 1:] = pixels[0]
    np.subtract(pixels[1:], pixels[:-1], out=rows[1:, 1:])
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(rows.data, 1)), (b"IEND", b""))
    made = b"\x89PNG\r\n\x1a\n"
    for kind, data in chunks:
        made += struct.pack(">I", len(data)) + kind + data
        made += struct.pack(">I", zlib.crc32(kind + data))
    return made
