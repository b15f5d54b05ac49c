"""A folder's pictures as vectors, read once: features and raw pixels.

Further questions, such as for another picture's neighbours or another map, read no file. The
vectors are also kept in the data folder: next time, only files are read that are new, changed, or
could not be read before.
"""

import time
from collections.abc import Generator, Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from engine.errors import BadInput
from engine.inspection.distances import Metric, Neighbors, distances, nearest
from engine.inspection.features import Features
from engine.inspection.folder import Batch, Mark, batches, mark
from engine.inspection.progress import Progress
from engine.inspection.vector_cache import CachedVectors, kept_file, load, save, weights_hash

PIXEL_BYTES = 256 << 20
"""The most bytes that the pixels of all pictures together may take; more pictures are kept
smaller."""
LARGEST, SMALLEST = 128, 16
"""Side in pixels of the squares that are kept."""
SAME = 0.02
"""Root mean square difference (of 1) below which two pictures count as the same file."""
CHUNK = 64
SAVE_EVERY = 20.0
"""Seconds between two saves of what has been read."""
SHARE = 20
"""Saves on the way take at most about one part in this many of the time."""


class Album:
    """Features and pixels of picture files; reading may be interrupted and resumed."""

    def __init__(
        self, features: Features, files: Sequence[Path], folder: Path | None = None, *,
        side: int = 0,
    ) -> None:  # fmt: skip
        """Prepare for `files`; with the `folder` that they lie in, reuse what is known of them.

        What is then read is kept for the next time. The network sees the central square of each
        picture at `side` pixels (0: the size it was made for); pixels are kept at a side of at most
        128.
        """
        self.features, self.files = features, list(files)
        self.seen_side = side or features.network.card.input_size
        self.side = min(self.seen_side, LARGEST)
        room = PIXEL_BYTES // (3 * max(len(self.files), 1))
        while self.side**2 > room and self.side // 2 >= SMALLEST:
            self.side //= 2
        self.paths: list[Path] = []
        self.unreadable: dict[Path, str] = {}
        self._unread = self.files
        self._vectors: list[Tensor] = []
        self._pixels: list[Tensor] = []
        self._marks: dict[Path, Mark] = {}
        self._folder = folder
        self._file: Path | None = None
        self._unsaved = False
        if folder is not None:
            self._marks = {path: mark(folder, path) for path in self.files}
            self._file = kept_file("features", self._depends_on(folder))
            self._take_up(self._file)

    @property
    def done(self) -> int:
        """How many files need no more reading, including those that could not be read."""
        return len(self.files) - len(self._unread)

    def read(self) -> Generator[Progress, None, None]:
        """Read the files not read yet; what was read is kept even if this is closed or fails."""
        if self.done:
            yield Progress(self.done, len(self.files))
        todo, due = self._unread, time.monotonic() + SAVE_EVERY
        try:
            for batch in batches(todo, self.seen_side):
                self._add(batch, todo)
                yield Progress(self.done, len(self.files))
                if time.monotonic() > due and self._unread:
                    due = time.monotonic() + max(SAVE_EVERY, SHARE * self._save())
            self._put_in_order()
        finally:
            if self._unsaved:
                self._save()

    def _add(self, batch: Batch, files: Sequence[Path]) -> None:
        if batch.places:
            pictures = batch.pictures
            self._vectors.append(self.features(pictures.to(self.features.network.device)))
            self._pixels.append(self._kept(pictures))
            self._unsaved = True
        self.unreadable.update({files[at]: reason for at, reason in batch.unreadable})
        self.paths += [files[at] for at in batch.places]
        self._unread = list(files[batch.end :])

    def _put_in_order(self) -> None:
        """Bring what was known before and what was added to it into the order of the files."""
        if self.paths:
            place = {path: i for i, path in enumerate(self.files)}
            order = sorted(range(len(self.paths)), key=lambda i: place[self.paths[i]])
            self.paths = [self.paths[i] for i in order]
            self._vectors = [_chosen(_joined(self._vectors), order)]
            self._pixels = [_chosen(_joined(self._pixels), order)]

    def vectors(self) -> npt.NDArray[np.float32]:
        """Return the features (N, D) of `paths`. Raises `BadInput` when there are none."""
        return _joined(self._readable(self._vectors)).numpy()

    def pixels(self) -> npt.NDArray[np.uint8]:
        """Return the pictures of `paths` (N, side, side, 3), sRGB. Raises as `vectors`."""
        return _joined(self._readable(self._pixels)).permute(0, 2, 3, 1).contiguous().numpy()

    def pixels_of(self, paths: Iterable[Path]) -> dict[Path, npt.NDArray[np.uint8]]:
        """Return the pictures (side, side, 3) of some of `paths`, which have all been read."""
        (pixels,), at = self._readable(self._pixels), {path: i for i, path in enumerate(self.paths)}
        return {path: pixels[at[path]].permute(1, 2, 0).contiguous().numpy() for path in paths}

    def nearest(
        self, picture: Tensor, count: int = 9, metric: Metric = "l2", itself: Path | None = None
    ) -> Neighbors:
        """Return the neighbours of a square (3, seen_side, seen_side) in [0, 1].

        Its own file `itself` (resolved) is left out or, if that is not given, whatever is the same
        pixel by pixel. Raises `BadInput` if there is no other picture.
        """
        own = picture[None]
        vectors = _joined(self._readable(self._vectors))
        features = distances(self.features(own.to(self.features.network.device)), vectors, metric)
        small, pixels, alike = self._kept(own), [torch.empty(0)], [torch.empty(0)]
        for part in self._pixels:
            for chunk in part.split(CHUNK):
                a, b = (kept.flatten(1).float() / 255 for kept in (small, chunk))
                pixels.append(distances(a, b, metric))
                alike.append((a - b).square().mean(1).sqrt())
        other = torch.cat(alike) >= SAME
        if itself is not None:
            other = torch.tensor([path.resolve() != itself for path in self.paths])
        others = other.nonzero()[:, 0]
        if not len(others):
            raise BadInput("there is no other picture to compare it with; use another folder")
        paths = [self.paths[int(i)] for i in others]
        return Neighbors(
            nearest(paths, features[others], count),
            nearest(paths, torch.cat(pixels)[others], count),
            dict(self.unreadable),
        )

    def _kept(self, pictures: Tensor) -> Tensor:
        return _small(pictures, self.side)

    def _readable(self, parts: list[Tensor]) -> list[Tensor]:
        if not parts:
            raise BadInput("none of the pictures can be read; choose another folder")
        return parts

    # -- what is kept ---------------------------------------------------------------------

    def _depends_on(self, folder: Path) -> str:
        network, layer = self.features.network, self.features.layer or self.features.name
        settings = network.card.preprocessing, layer, self.seen_side
        return f"{weights_hash(network)} {folder.resolve()} {settings}"

    def _take_up(self, file: Path) -> None:
        """Reuse what is known of files that have not changed; forget files that are gone."""
        rows = load(file, self._width)
        if rows is None:
            return
        known = {each: i for i, each in enumerate(rows.marks)}
        self.paths = [path for path in self.files if self._marks[path] in known]
        self._unsaved = len(self.paths) < len(known)
        if self.paths:
            self._unread = [path for path in self.files if self._marks[path] not in known]
            at = [known[self._marks[path]] for path in self.paths]
            pixels = _chosen(rows.pixels, at)
            self.side = min(self.side, pixels.shape[-1])  # larger where the folder has grown since
            self._vectors = [_chosen(rows.vectors, at)]
            self._pixels = [_shrunk(pixels, self.side)]

    def _width(self) -> int:
        """Return how long the vectors are, by making one."""
        blank = torch.zeros(1, 3, self.seen_side, self.seen_side)
        return self.features(blank.to(self.features.network.device)).shape[1]

    def _save(self) -> float:
        """Keep what has been read so far; return how many seconds that took."""
        began = time.monotonic()
        if self._folder is not None and self._file is not None and self.paths:
            marks = [self._marks[path] for path in self.paths]
            rows = CachedVectors(marks, _joined(self._vectors), _joined(self._pixels))
            save(self._file, with_others(rows, self._file, self._folder))
        self._unsaved = False
        return time.monotonic() - began


def with_others(rows: CachedVectors, file: Path, folder: Path) -> CachedVectors:
    """Return rows, plus those that another window has kept since of files that have not changed."""
    ours = set(rows.marks)
    kept = load(file, lambda: rows.vectors.shape[1], ours)
    if kept is None:
        return rows
    others = [i for i, each in enumerate(kept.marks) if each not in ours]
    at = [i for i in others if kept.marks[i] == mark(folder, folder / kept.marks[i][0])]
    if not at:
        return rows
    side = min(rows.pixels.shape[-1], kept.pixels.shape[-1])
    pixels = _shrunk(rows.pixels, side), _shrunk(_chosen(kept.pixels, at), side)
    return CachedVectors(
        [*rows.marks, *(kept.marks[i] for i in at)],
        torch.cat((rows.vectors, _chosen(kept.vectors, at))), torch.cat(pixels),
    )  # fmt: skip


def _small(pictures: Tensor, side: int) -> Tensor:
    """Return pictures (N, 3, H, W) in [0, 1] as bytes of `side` pixels."""
    small = F.adaptive_avg_pool2d(pictures, side)
    return (small * 255).round().clamp(0, 255).to(torch.uint8).cpu()


def _shrunk(pixels: Tensor, side: int) -> Tensor:
    """Return squares (N, 3, H, H) of bytes at a side of `side` pixels, at most their own."""
    if pixels.shape[-1] == side:
        return pixels
    return torch.cat([_small(chunk.float() / 255, side) for chunk in pixels.split(CHUNK)])


def _joined(parts: list[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def _chosen(rows: Tensor, at: list[int]) -> Tensor:
    """Return some rows; the tensor itself when that is all of them as they are."""
    return rows if at == list(range(len(rows))) else rows[at]
