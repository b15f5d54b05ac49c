"""A folder's pictures as vectors, read once: features, and the pixels themselves.

What is asked of it again and again, neighbours of another picture or another map, reads no file.
"""

from collections.abc import Callable, Iterable, Sequence
from math import isqrt
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from engine.errors import BadInput
from engine.inspection.features import Features
from engine.inspection.folder import batches
from engine.inspection.neighbors import Metric, Neighbors, distances, nearest

PIXEL_BYTES = 256 << 20
"""What the pixels of all pictures together may take; more pictures are kept smaller."""
LARGEST, SMALLEST = 128, 16
"""Side in pixels of the squares that are kept."""
SAME = 0.02
"""Root mean square difference, of 1, below which two pictures are taken for the same file."""
CHUNK = 64


class Album:
    """Features and pixels of picture files; reading may be broken off and gone on with."""

    def __init__(self, features: Features, files: Sequence[Path]) -> None:
        """Prepare for `files`; nothing is read yet.

        Pixels are kept as squares of at most 128 pixels, the middle of each picture.
        """
        self.features, self.files = features, list(files)
        self.seen_side = features.network.card.input_size
        fitting = isqrt(PIXEL_BYTES // (3 * max(len(self.files), 1)))
        self.side = max(SMALLEST, min(self.seen_side, LARGEST, fitting))
        self.paths: list[Path] = []
        self.unreadable: dict[Path, str] = {}
        self.done = 0
        """Files read, also those that could not be."""
        self._vectors: list[Tensor] = []
        self._pixels: list[Tensor] = []

    def read(
        self,
        progress: Callable[[int, int], None] | None = None,
        stopped: Callable[[], bool] | None = None,
    ) -> bool:
        """Read what has not been read yet; return False when `stopped()` before the end."""
        if self.done == len(self.files):
            return True
        for batch in batches(self.files, self.seen_side, start=self.done):
            if stopped is not None and stopped():
                return False
            if batch.places:
                pictures = batch.pictures
                self._vectors.append(self.features(pictures.to(self.features.network.device)))
                self._pixels.append(self._kept(pictures))
            self.unreadable.update({self.files[at]: reason for at, reason in batch.unreadable})
            self.paths += [self.files[at] for at in batch.places]
            self.done = batch.end
            if progress is not None:
                progress(batch.end, len(self.files))
        self._vectors = [torch.cat(self._vectors)] if self._vectors else []
        self._pixels = [torch.cat(self._pixels)] if self._pixels else []
        return True

    def vectors(self) -> npt.NDArray[np.float32]:
        """Return the features (N, D) of `paths`. Raises `BadInput` when there are none."""
        return torch.cat(self._readable(self._vectors)).numpy()

    def pixels(self) -> npt.NDArray[np.uint8]:
        """Return the pictures of `paths` (N, side, side, 3), sRGB. Raises as `vectors`."""
        return torch.cat(self._readable(self._pixels)).permute(0, 2, 3, 1).contiguous().numpy()

    def pixels_of(self, paths: Iterable[Path]) -> dict[Path, npt.NDArray[np.uint8]]:
        """Return the pictures (side, side, 3) of some of `paths`, which have all been read."""
        (pixels,), at = self._readable(self._pixels), {path: i for i, path in enumerate(self.paths)}
        return {path: pixels[at[path]].permute(1, 2, 0).contiguous().numpy() for path in paths}

    def nearest(self, picture: Tensor, count: int = 9, metric: Metric = "l2") -> Neighbors:
        """Return the neighbours of a square (3, seen_side, seen_side) in [0, 1].

        A picture that is the same, pixel by pixel, is left out. Raises `BadInput` when there is no
        other.
        """
        own = picture[None]
        vectors = torch.cat(self._readable(self._vectors))
        features = distances(self.features(own.to(self.features.network.device)), vectors, metric)
        small, pixels, alike = self._kept(own), [torch.empty(0)], [torch.empty(0)]
        for part in self._pixels:
            for chunk in part.split(CHUNK):
                a, b = (kept.flatten(1).float() / 255 for kept in (small, chunk))
                pixels.append(distances(a, b, metric))
                alike.append((a - b).square().mean(1).sqrt())
        others = (torch.cat(alike) >= SAME).nonzero()[:, 0]
        if not len(others):
            raise BadInput("there is no other picture to compare with; use another folder")
        paths = [self.paths[int(i)] for i in others]
        return Neighbors(
            nearest(paths, features[others], count),
            nearest(paths, torch.cat(pixels)[others], count),
            dict(self.unreadable),
        )

    def _kept(self, pictures: Tensor) -> Tensor:
        small = F.adaptive_avg_pool2d(pictures, self.side)
        return (small * 255).round().clamp(0, 255).to(torch.uint8).cpu()

    def _readable(self, parts: list[Tensor]) -> list[Tensor]:
        if not parts:
            raise BadInput("none of the pictures can be read; choose another folder")
        return parts
