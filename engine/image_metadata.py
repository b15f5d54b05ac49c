"""What a picture file contains besides pixels: the photo's EXIF and the recipe.

The recipe is JSON. PNG carries it as text (an iTXt chunk named "pareidolia"), GIF as a comment, all
other formats as the property `pareidolia:recipe` of an XMP packet. There a recipe too long for the
64 KiB segment of JPEG is "zlib:" and the base64 of its compressed JSON.
"""

import base64
import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from PIL import Image
from PIL.ExifTags import IFD, Base

from engine.errors import BadInput
from engine.files import read_json
from engine.image_decoding import opened
from engine.image_headers import jxl_xmp

RECIPE_KEY = "pareidolia"
RECIPE_LIMIT = 16 * 2**20  # bytes of JSON; also guards the decompression of strangers' recipes
GIF_MARK = b"pareidolia:"
"""How the comment that holds a recipe begins in a GIF."""
# What fits into one segment of a JPEG beside the name of the segment (XMP part 3, 1.1.3).
XMP_LIMIT = 65502
EXIF_LIMIT = 65533

_NAMESPACE = "urn:pareidolia:"
_PACKET = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    f'<rdf:Description rdf:about="" xmlns:pareidolia="{_NAMESPACE}">'
    "<pareidolia:recipe>{}</pareidolia:recipe>"
    '</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
)
# Tags that describe the photograph. All others of the first directory describe how one file
# stores its pixels, and the second directory is a thumbnail of what the picture was before.
_DESCRIPTIVE = (
    Base.ImageDescription,
    Base.Make,
    Base.Model,
    Base.XResolution,
    Base.YResolution,
    Base.ResolutionUnit,
    Base.Software,
    Base.DateTime,
    Base.Artist,
    Base.HostComputer,
    Base.Copyright,
    Base.Rating,
    Base.RatingPercent,
    Base.XPTitle,
    Base.XPComment,
    Base.XPAuthor,
    Base.XPKeywords,
    Base.XPSubject,
)


def described(text: str) -> bytes:
    """Return an EXIF block, as `Picture.exif`, that says what a picture shows."""
    exif = Image.Exif()
    exif[Base.ImageDescription] = text
    return exif.tobytes()


def upright_exif(source: Image.Exif, size: tuple[int, int], srgb: bool = True) -> bytes | None:
    """Rewrite EXIF for an upright picture of a size (width, height), in sRGB, without thumbnail.

    Returns:
        The EXIF block, beginning with "Exif" and two zeros; None if there is nothing in it, or it
        is too broken to be written again.
    """
    try:
        kept = Image.Exif()
        for tag in _DESCRIPTIVE:
            if tag in source:
                kept[tag] = _byte_for_byte(source[tag])
        for directory in (IFD.Exif, IFD.GPSInfo):
            if tags := source.get_ifd(directory):
                kept[directory] = {tag: _byte_for_byte(value) for tag, value in tags.items()}
        if not len(kept):
            return None
        kept[Base.Orientation] = 1
        if photograph := kept.get(IFD.Exif):
            photograph.pop(IFD.Interop, None)  # it could still claim Adobe RGB
            photograph[Base.ColorSpace] = 1 if srgb else 0xFFFF  # sRGB, or another one
            photograph[Base.ExifImageWidth], photograph[Base.ExifImageHeight] = size
        return kept.tobytes()
    except Exception:  # Pillow meets broken EXIF with errors of any type
        return None


def kept_exif(block: bytes, location: bool, dpi: tuple[float, float] | None) -> bytes | None:
    """Return an EXIF block, as `Picture.exif`, with what is to be kept of it; None if nothing is left.

    Args:
        block: as `upright_exif` gives it.
        location: whether to keep where the photo was taken.
        dpi: the pixels per inch that it is to name; None for none.
    """
    tags = exif_as_tags(block)
    if not location:
        tags.pop(IFD.GPSInfo, None)
    kept = Image.Exif()
    for tag, value in tags.items():
        kept[tag] = value
    return _with_dpi(kept, dpi).tobytes() if len(kept) or dpi else None


def dpi_alone(dpi: tuple[float, float]) -> bytes:
    """Return an EXIF block that says nothing but pixels per inch, across and down."""
    return _with_dpi(Image.Exif(), dpi).tobytes()


def _with_dpi(exif: Image.Exif, dpi: tuple[float, float] | None) -> Image.Exif:
    for tag in (Base.XResolution, Base.YResolution, Base.ResolutionUnit):
        exif.pop(tag, None)
    if dpi is not None:
        exif[Base.XResolution], exif[Base.YResolution] = dpi
        exif[Base.ResolutionUnit] = 2  # inches
    return exif


def parsed_exif(block: bytes) -> Image.Exif:
    """Parse an EXIF block as `upright_exif` gives it."""
    exif = Image.Exif()
    exif.load(block)
    return exif


def exif_as_tags(block: bytes) -> dict[int, Any]:
    """Take an EXIF block apart into the tags of a TIFF, directories being dictionaries."""
    exif = parsed_exif(block)
    tags: dict[int, Any] = {}
    for tag in exif:
        if tag in (IFD.Exif, IFD.GPSInfo):
            directory = exif.get_ifd(tag)
            tags[tag] = {name: _byte_for_byte(value) for name, value in directory.items()}
        else:
            tags[tag] = _byte_for_byte(exif[tag])
    return tags


def exif_for_jpeg(block: bytes, size: tuple[int, int]) -> bytes | None:
    """Make an EXIF block fit into a JPEG, dropping the maker's private note first, then everything."""
    if len(block) > EXIF_LIMIT:
        exif = parsed_exif(block)
        exif.get_ifd(IFD.Exif).pop(IFD.MakerNote, None)
        block = upright_exif(exif, size) or b""
    return block if 0 < len(block) <= EXIF_LIMIT else None


def recipe_json(recipe: Mapping[str, Any]) -> str:
    """Write a recipe as JSON in ASCII.

    Raises:
        BadInput: it is longer than `RECIPE_LIMIT`.
        TypeError, ValueError: it holds something that JSON has no notation for.
    """
    text = json.dumps(recipe, allow_nan=False)
    if len(text) > RECIPE_LIMIT:
        raise BadInput(
            f"The recipe needs {len(text) / 2**20:.0f} MiB, more than the"
            f" {RECIPE_LIMIT >> 20} MiB that a picture can carry: save without it."
        )
    return text


def recipe_xmp(text: str, limit: int | None = None) -> bytes | None:
    """Wrap a recipe's JSON in an XMP packet of at most `limit` bytes; None if it cannot fit."""
    packet = _PACKET.format(escape(text)).encode()
    if limit and len(packet) > limit:
        packed = base64.b64encode(zlib.compress(text.encode(), 9)).decode()
        packet = _PACKET.format(f"zlib:{packed}").encode()
    return packet if not limit or len(packet) <= limit else None


def read_recipe(path: str | Path) -> dict[str, Any] | None:
    """Read the recipe that `save_picture` put into a picture file.

    Returns:
        The recipe; None if the picture carries none.

    Raises:
        BadInput: the file cannot be read as a picture, or its recipe is broken.
    """
    path = Path(path)
    with opened(path) as (image, file):
        if image is None:
            return None
        text, packet = image.info.get(RECIPE_KEY), image.info.get("xmp")
        note = image.info.get("comment") if image.format == "GIF" else None
        if isinstance(note, bytes) and note.startswith(GIF_MARK):
            text = note.removeprefix(GIF_MARK).decode("ascii", "replace")
        if text is None and packet is None and hasattr(image, "text"):
            text = image.text.get(RECIPE_KEY)  # decodes all of a PNG, for text after the pixels
        if image.format == "JXL":
            file.seek(0)
            packet = jxl_xmp(file.read())
    try:
        if not isinstance(text, str):
            text = _recipe_in_xmp(packet) if isinstance(packet, bytes) else None
        if text is None:
            return None
        if text.startswith("zlib:"):
            unpacker = zlib.decompressobj()
            text = unpacker.decompress(base64.b64decode(text[5:]), RECIPE_LIMIT).decode()
        recipe = read_json(text)
        if not isinstance(recipe, dict):
            raise ValueError("not an object")
    except (ValueError, zlib.error, ElementTree.ParseError, RecursionError) as error:
        raise BadInput(
            f"The recipe in {path} is damaged: use the picture as it was saved, unedited."
        ) from error
    return recipe


def _recipe_in_xmp(packet: bytes) -> str | None:
    if _NAMESPACE.encode() not in packet:
        return None
    name = f"{{{_NAMESPACE}}}recipe"
    for element in ElementTree.fromstring(packet.rstrip(b"\0")).iter():
        if element.tag == name:
            return (element.text or "").strip()
        if name in element.attrib:  # other programs may rewrite the property like this
            return element.attrib[name]
    return None


def _byte_for_byte(value: Any) -> Any:
    # Pillow reads text as Latin-1 and writes ASCII: bytes keep what is neither.
    if isinstance(value, str) and not value.isascii():
        return value.encode("latin-1", "replace")
    return value
