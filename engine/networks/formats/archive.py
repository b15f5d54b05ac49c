"""Zip archives as PyTorch writes them: with uncompressed entries that can be mapped."""

import io
import struct
import zipfile
from typing import BinaryIO

from engine.networks.formats.mapped import Mapped

MOST_ENTRIES = 200_000
LARGEST_DIRECTORY = 64 << 20
"""Most bytes of the list of entries."""


OFTEN = 16 << 20
"""Bytes after which the memory of what was read is released."""


class _Window(io.RawIOBase):
    """A piece of a mapped file as a stream."""

    def __init__(self, piece: Mapped) -> None:
        self.piece, self.place = piece, 0
        self.kept = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.place

    def seek(self, offset: int, whence: int = 0) -> int:
        self.place = max(0, offset + (0, self.place, self.piece.length)[whence])
        return self.place

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        count = max(0, min(len(buffer), self.piece.length - self.place))
        for start in range(0, count, OFTEN):
            part = min(OFTEN, count - start)
            buffer[start : start + part] = self.piece.bytes(self.place + start, part)
            self.kept += part
            if self.kept >= OFTEN:
                self.piece.release()
                self.kept = 0
        self.place += count
        return count


def stream(piece: Mapped) -> BinaryIO:
    """Return a piece of a mapped file as a buffered stream."""
    return io.BufferedReader(_Window(piece))


class Archive:
    """The entries of a zip archive within a mapped file."""

    def __init__(self, piece: Mapped) -> None:
        """Read the list of entries. Raises `ValueError` for anything but a complete archive."""
        self.piece = piece
        _check_directory(piece)
        try:
            with zipfile.ZipFile(stream(piece)) as file:
                entries = file.infolist()
        except (zipfile.BadZipFile, NotImplementedError, OSError, struct.error) as error:
            raise ValueError(f"no archive: {error}") from error
        self.entries = {entry.filename: entry for entry in entries}
        tops = {name.partition("/")[0] for name in self.entries}
        self.top = f"{tops.pop()}/" if len(tops) == 1 else ""
        """The prefix of all names."""

    def __contains__(self, name: str) -> bool:
        """Return whether there is an entry called `name`, within the top folder."""
        return self.top + name in self.entries

    def entry(self, name: str) -> Mapped:
        """Return the content of an entry. Raises `Packed` if it is compressed, else `ValueError`."""
        found = self.entries.get(self.top + name)
        if found is None:
            raise ValueError(f"no entry {name}")
        if found.compress_type != zipfile.ZIP_STORED or found.flag_bits & 1:
            raise Packed(name)
        head = self.piece.bytes(found.header_offset, 30)
        if head[:4] != b"PK\3\4":
            raise ValueError("an entry that is none")
        name_length, extra_length = struct.unpack("<HH", head[26:30])
        start = found.header_offset + 30 + name_length + extra_length
        return self.piece.piece(start, found.file_size)


class Packed(ValueError):
    """An entry is compressed or encrypted; carries its name."""


def _check_directory(piece: Mapped) -> None:
    """Raise `ValueError` for a list of entries that would take too much memory to read."""
    tail = piece.bytes(max(0, piece.length - 65_557))
    place = tail.rfind(b"PK\5\6")
    if place < 0 or len(tail) < place + 22:
        raise ValueError("no end of the list of entries")
    _, entries, size, _ = struct.unpack("<HHII", tail[place + 8 : place + 20])
    far = tail.rfind(b"PK\6\6", 0, place)
    if 0xFFFF in (entries,) or size == 0xFFFFFFFF:
        if far < 0 or place < far + 56:
            raise ValueError("no end of the list of entries")
        entries, size = struct.unpack("<QQ", tail[far + 32 : far + 48])
    if entries > MOST_ENTRIES or size > LARGEST_DIRECTORY:
        raise ValueError("a list of entries that is too long")
