"""Which picture formats are read and written, and the libraries that do it.

Pillow knows most of them. HEIC and JPEG XL come through its plugins pillow-heif and
pillow-jxl-plugin, rare TIFF files through tifffile: the extra `formats`.
"""

import ctypes
import logging
import warnings
from contextlib import suppress
from functools import cache
from importlib import import_module
from pathlib import Path

from engine.errors import BadInput
from engine.image_headers import JXL_BARE, JXL_BOX, brands

READABLE = "JPEG, PNG, WebP, TIFF, AVIF, HEIC, JPEG XL, BMP or GIF"
EXTRA = "pip install 'pareidolia[formats]'"
SUFFIXES = frozenset(
    (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".avif", ".heic", ".heif",
     ".jxl")
)  # fmt: skip
"""The suffixes of picture files."""
WRITTEN = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".webp": "WebP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".avif": "AVIF",
    ".jxl": "JPEG XL",
}
"""The format that is written, by suffix."""
_PILLOWS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF")
_HEIF = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"heif", b"mif1", b"msf1"}
TIFF_HEADS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def formats_of(path: Path, head: bytes) -> tuple[str, ...]:
    """Return the formats, as Pillow calls them, that a file with these first bytes may be in.

    Raises:
        BadInput: it takes a library that is not installed; the sentence names it.
    """
    from PIL import features  # the names above are asked for before any picture is opened

    _silence()
    known = brands(head)
    if known & {b"avif", b"avis"}:
        if not features.check("avif"):
            raise BadInput(f"{path} is an AVIF picture, which needs Pillow 11.3 or newer.")
        return ("AVIF",)
    if known & _HEIF:
        if not has_heif():
            raise BadInput(f"{path} is a HEIC picture, which needs pillow-heif ({EXTRA}).")
        return ("HEIF",)
    if head.startswith((JXL_BARE, JXL_BOX)):
        need_jxl(path)
        return ("JXL",)
    return _PILLOWS


def need_jxl(path: Path) -> None:
    """Load what reads and writes JPEG XL. Raises `BadInput`, saying what to install."""
    if not has_jxl():
        raise BadInput(f"{path} is a JPEG XL picture, which needs pillow-jxl-plugin ({EXTRA}).")


@cache
def has_heif() -> bool:
    """Return whether HEIC can be read; if so, let Pillow read it."""
    try:
        import pillow_heif
    except ImportError:
        return False
    pillow_heif.register_heif_opener(thumbnails=False)
    return True


@cache
def has_jxl() -> bool:
    """Whether JPEG XL can be read and written here."""
    try:
        import pillow_jxl  # noqa: F401  # registers itself
    except ImportError:
        return False
    return True


@cache
def _silence() -> None:
    """Keep what libraries mutter about damaged files off standard error.

    Their errors come as exceptions; warnings about tags that nobody asked for help nobody. Python
    prints log records of level warning that no handler takes.
    """
    warnings.filterwarnings("ignore", module=r"PIL\.")
    for name in ("PIL", "tifffile", "pillow_heif"):
        logging.getLogger(name).addHandler(logging.NullHandler())
    # libtiff prints by itself. Its functions are found through Pillow's module, which is linked to
    # it; where that fails (Windows), it goes on printing.
    with suppress(OSError, AttributeError):
        library = ctypes.CDLL(import_module("PIL._imaging").__file__ or "")
        for name in ("TIFFSetErrorHandler", "TIFFSetWarningHandler"):
            handler = getattr(library, name)
            handler.argtypes, handler.restype = [ctypes.c_void_p], ctypes.c_void_p
            handler(None)
