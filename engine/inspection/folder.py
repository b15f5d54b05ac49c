"""A folder's pictures, read once in batches; a thread decodes ahead while the network runs."""

import hashlib
import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor

from engine.errors import BadInput, OutOfMemory
from engine.image import open_picture
from engine.image_formats import SUFFIXES
from engine.networks.square import middle_square

BATCH = 16
"""How many pictures a network sees at a time."""
AHEAD = 2
"""How many batches are decoded while one is processed."""
Mark = tuple[str, int, int]
"""A file's name below its folder, its size and its time of change."""


@dataclass(frozen=True)
class CentreSquare:
    """The part of a picture that the network sees: the central square, in pixels."""

    top: int
    left: int
    side: int


@dataclass(frozen=True, eq=False)
class Batch:
    """Some of a folder's pictures, in its order."""

    start: int
    """Index of the batch's first file among all."""
    end: int
    """Index of the next batch's first file."""
    places: tuple[int, ...]
    """Index of each picture among all files; unreadable ones are missing."""
    pictures: Tensor
    """(N, 3, side, side) in [0, 1]."""
    squares: tuple[CentreSquare, ...]
    unreadable: tuple[tuple[int, str], ...]
    """Index and reason of each file that was skipped."""


def picture_files(folder: Path) -> list[Path]:
    """Return the files in `folder` and below whose names are those of pictures, sorted.

    Raises `BadInput` if it is not a folder or holds none.
    """
    if not folder.is_dir():
        raise BadInput(f"{folder} is not a folder; give the path of a folder of pictures")
    found = [
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in SUFFIXES
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and path.is_file()
    ]
    if not found:
        raise BadInput(f"{folder} holds no pictures ({', '.join(sorted(SUFFIXES))})")
    return sorted(found)


def fingerprint(folder: Path, files: Sequence[Path]) -> str:
    """Return a hash of the files' names below `folder`, sizes and times of change."""
    digest = hashlib.sha256()
    for path in files:
        digest.update(repr(mark(folder, path)).encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def mark(folder: Path, path: Path) -> Mark:
    """Return what identifies a file of a folder and differs once the file has changed."""
    name = path.relative_to(folder).as_posix()
    try:
        status = path.stat()
    except OSError:  # gone in the meantime; whoever reads it will say so
        return name, -1, -1
    return name, status.st_size, status.st_mtime_ns


def batches(files: Sequence[Path], side: int, size: int = BATCH, start: int = 0) -> Iterator[Batch]:
    """Yield `files` from place `start` on as squares of `side` pixels, `size` files at a time."""
    starts = iter(range(start, len(files), size))
    # Two threads: Pillow works without Python's lock, and one core decodes too slowly for a GPU.
    with ThreadPoolExecutor(min(2, os.cpu_count() or 1), "pictures") as pool:

        def begin(first: int) -> "tuple[int, list[Future[tuple[Tensor, CentreSquare] | str]]]":
            chosen = files[first : first + size]
            return first, [pool.submit(_read, path, side) for path in chosen]

        waiting = deque(begin(first) for first in islice(starts, AHEAD))
        try:
            while waiting:
                first, futures = waiting.popleft()
                batch = _collected(first, [future.result() for future in futures], side)
                waiting.extend(
                    begin(following) for following in [next(starts, -1)] if following >= 0
                )
                yield batch
        finally:
            for _, futures in waiting:
                for future in futures:
                    future.cancel()


def _collected(first: int, read: "list[tuple[Tensor, CentreSquare] | str]", side: int) -> Batch:
    good = [(first + i, found) for i, found in enumerate(read) if not isinstance(found, str)]
    bad = [(first + i, found) for i, found in enumerate(read) if isinstance(found, str)]
    pictures = [picture for _, (picture, _) in good]
    return Batch(
        first,
        first + len(read),
        tuple(place for place, _ in good),
        torch.stack(pictures) if pictures else torch.empty(0, 3, side, side),
        tuple(square for _, (_, square) in good),
        tuple(bad),
    )


def _read(path: Path, side: int) -> "tuple[Tensor, CentreSquare] | str":
    try:
        return square_of(path, side)
    except (BadInput, OutOfMemory) as error:
        return str(error)


def square_of(path: Path, side: int) -> tuple[Tensor, CentreSquare]:
    """Return the central square of a picture file as (3, side, side) in [0, 1], and where it was.

    Raises `BadInput` for files that cannot be read.
    """
    picture = open_picture(path, short_side=2 * side)
    width, height = picture.full_size or (picture.width, picture.height)
    whole = min(width, height)
    square = CentreSquare((height - whole) // 2, (width - whole) // 2, whole)
    return middle_square(picture, side), square


def thumbnail(path: Path, side: int) -> Tensor:
    """Return a picture file as (3, h, w) in [0, 1] with the long side `side`."""
    return open_picture(path, long_side=2 * side).resized(side).tensor()
