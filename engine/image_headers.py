"""What picture file headers contain but none of our libraries returns.

PNG's cICP chunk (third edition, W3C 2025), the nclx colours of AVIF (ISO/IEC 14496-12, 23008-12),
size and XMP of JPEG XL (ISO/IEC 18181), how many scans a JPEG has. Nothing is decoded here, and a
damaged header yields nothing.
"""

import struct
from collections.abc import Iterator
from typing import IO

JXL_BOX = b"\0\0\0\x0cJXL \r\n\x87\n"
JXL_BARE = b"\xff\x0a"
_FULL_BOXES = (b"meta", b"pitm", b"ipma")


def png_code_points(file: IO[bytes]) -> tuple[int, int, int, bool] | None:
    """Return cICP of a PNG: primaries, transfer, matrix, whether the range is full."""
    file.seek(8)
    while len(head := file.read(8)) == 8:
        length, name = struct.unpack(">I4s", head)
        if name == b"IDAT":
            return None
        if name == b"cICP":
            data = file.read(4)
            return (*data[:3], bool(data[3])) if len(data) == length == 4 else None
        file.seek(length + 4, 1)
    return None


def boxes(data: bytes, start: int = 0, end: int | None = None) -> Iterator[tuple[bytes, int, int]]:
    """Yield each box of an ISO base media file: its name, and where its content begins and ends."""
    end = len(data) if end is None else end
    while start + 8 <= end:
        size, name = struct.unpack_from(">I4s", data, start)
        content = start + 8
        if size == 1 and content + 8 <= end:
            (size,) = struct.unpack_from(">Q", data, content)
            content += 8
        stop = end if size == 0 else start + size
        if not content <= stop <= end:
            return
        yield name, content, stop
        start = stop


def brands(head: bytes) -> set[bytes]:
    """Return the brands of an ISO base media file; other files have none."""
    for name, start, end in boxes(head):
        if name == b"ftyp":
            places = (start, *range(start + 8, end - 3, 4))
            return {head[place : place + 4] for place in places}
        break
    return set()


def code_points(data: bytes) -> tuple[int, int] | None:
    """Return primaries and transfer of the primary item of an AVIF file, if it names any."""
    try:
        meta = _find(data, 0, len(data), b"meta")
        (version,) = struct.unpack_from(">B", data, (primary := _find(data, *meta, b"pitm"))[0] - 4)
        (item,) = struct.unpack_from(">I" if version else ">H", data, primary[0])
        properties = _find(data, *meta, b"iprp")
        found = list(boxes(data, *_find(data, *properties, b"ipco")))
        for index in _associated(data, *_find(data, *properties, b"ipma"), item):
            name, start, _ = found[index - 1]
            if name == b"colr" and data[start : start + 4] == b"nclx":
                first, second = struct.unpack_from(">HH", data, start + 4)
                return first, second
    except (LookupError, struct.error):
        pass
    return None


def _find(data: bytes, start: int, end: int, wanted: bytes) -> tuple[int, int]:
    for name, begin, stop in boxes(data, start, end):
        if name == wanted:  # a full box has version and flags in front
            return begin + (4 if name in _FULL_BOXES else 0), stop
    raise LookupError(wanted)


def _associated(data: bytes, start: int, end: int, wanted: int) -> list[int]:
    """Return the numbers, from 1, of the properties that an item has."""
    version, *_, flags = data[start - 4 : start]
    (count,) = struct.unpack_from(">I", data, start)
    place = start + 4
    for _ in range(count):
        item, properties = struct.unpack_from(">IB" if version else ">HB", data, place)
        place += 5 if version else 3
        width = 2 if flags & 1 else 1
        if item == wanted:
            form, mask = (">%dH", 0x7FFF) if width == 2 else (">%dB", 0x7F)
            numbers = struct.unpack_from(form % properties, data, place)
            return [number & mask for number in numbers if number & mask]
        place += properties * width
        if place > end:
            break
    raise LookupError(wanted)


def jxl_size(data: bytes) -> tuple[int, int] | None:
    """Return width and height of a JPEG XL file, before its orientation."""
    if data.startswith(JXL_BOX):
        streams = {name: start for name, start, _ in reversed(list(boxes(data)))}
        # A part of a divided codestream begins with its number.
        start = streams.get(b"jxlc", streams.get(b"jxlp", -4) + 4)
    else:
        start = 0
    if data[start : start + 2] != JXL_BARE:
        return None
    bits = int.from_bytes(data[start + 2 : start + 16], "little")

    def take(count: int) -> int:
        nonlocal bits
        value = bits & ((1 << count) - 1)
        bits >>= count
        return value

    small = take(1)

    def side() -> int:
        return (take(5) + 1) * 8 if small else take((9, 13, 18, 30)[take(2)]) + 1

    height = side()
    across, down = ((0, 0), (1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))[take(3)]
    return (height * across // down if down else side()), height


def jxl_xmp(data: bytes) -> bytes | None:
    """Return the XMP packet of a JPEG XL file in its container."""
    if data.startswith(JXL_BOX):
        for name, start, end in boxes(data):
            if name == b"xml ":
                return data[start:end]
    return None


def jpeg_scans(file: IO[bytes]) -> int:
    """Return an upper bound on a JPEG's scans: those of its thumbnail are counted as well."""
    file.seek(0)
    count, last = 0, b""
    while block := file.read(2**20):
        count += (last + block).count(b"\xff\xda")
        last = block[-1:]
    return count
