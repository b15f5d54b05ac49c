"""A search for patches, some channels of which are looked at even before it has ended.

Importable without torch.
"""

import time
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from engine.colour_map import Bytes
from engine.errors import PareidoliaError
from engine.inspection.progress import Progress, check_read

if TYPE_CHECKING:
    from engine.inspection.patches import Patch, PatchSearch
    from engine.networks.network import Network

T = TypeVar("T")

SIDE = 96
"""Long side of a patch as it is read, in pixels."""
SHOW_EVERY = 0.8
"""Seconds between two looks at what has been found so far."""
KEPT = 4000
"""How many patches' pictures are kept."""


@dataclass(frozen=True)
class ShownChannels:
    """Which channels are looked at."""

    by_number: bool
    """Whether they are in the order of their numbers rather than strongest first."""
    count: int
    only: int | None = None
    """The one channel; None: the first `count`."""


@dataclass(frozen=True)
class FoundPatches(Generic[T]):
    """What has been found so far."""

    rows: ShownChannels
    channels: "list[tuple[int, list[tuple[Patch, T]]]]"
    of: int
    """How many channels the layer has."""
    done: int
    total: int
    taken_up: int
    """How many files had been read in an earlier search."""
    unreadable: dict[Path, str]


class PatchFinder(Generic[T]):
    """One layer's search in one folder; for one thread, except for `rows`."""

    def __init__(
        self, network: "Callable[[], Network]", folder: Path, layer: str, rows: ShownChannels,
        made: Callable[[Bytes], T],
    ) -> None:  # fmt: skip
        """Prepare the search; nothing is read yet.

        Args:
            network: returns what to search with, for this search alone; called when it begins.
            folder: pictures, also in folders below.
            layer: dotted or field name.
            rows: the channels to look at.
            made: turns a patch's pixels (h, w, 3) into what is shown of it.
        """
        self.rows = rows
        """May be replaced at any time, by any thread."""
        self._network, self._folder, self._layer, self._made = network, folder, layer, made
        self._search: PatchSearch | None = None
        self._pictures: dict[tuple[Path, tuple[int, int, int, int]], T] = {}
        self._taken_up = 0

    def run(
        self, may_read: bool = True
    ) -> Generator[Progress | FoundPatches[T] | None, None, FoundPatches[T]]:
        """Search on to the end: yield progress and what has been found, return all of it.

        Raises the errors of `PatchSearch` and its `run`, and `FolderNotRead` if files are left to
        be read and `may_read` is False.
        """
        if self._search is None:
            from engine.inspection.patches import PatchSearch

            self._search = PatchSearch(self._network(), self._folder, [self._layer])
            self._taken_up = self._search.done
        check_read(self._search.done, len(self._search.files), may_read)
        shown = time.monotonic() - SHOW_EVERY / 2
        with closing(self._search.run()) as running:  # closing it saves what was found
            for progress in running:
                yield progress
                if progress.done < progress.total and time.monotonic() - shown > SHOW_EVERY:
                    yield (yield from self.look())
                    shown = time.monotonic()
        return (yield from self.look())

    def look(self) -> Generator[None, None, FoundPatches[T]]:
        """Return what has been found for the channels in `rows`, in a search that has begun."""
        search, rows = self._search, self.rows
        assert search is not None
        of = search.channels(self._layer)
        if rows.only is not None:
            channels = [min(rows.only, of - 1)]
        elif rows.by_number:
            channels = list(range(min(rows.count, of)))
        else:
            channels = search.strongest(self._layer, rows.count)
        found: list[tuple[int, list[tuple[Patch, T]]]] = []
        for channel in channels:
            patches: list[tuple[Patch, T]] = []
            for patch in search.patches(self._layer, channel):
                yield None
                picture = self._picture(patch)
                if picture is not None:
                    patches.append((patch, picture))
            found.append((channel, patches))
        return FoundPatches(
            rows, found, of, search.done, len(search.files), self._taken_up, dict(search.unreadable)
        )

    def _picture(self, patch: "Patch") -> T | None:
        """Return a patch's picture, cut out once; None if its file is gone."""
        from engine.image import to_bytes8
        from engine.inspection.patches import patch_picture

        key = patch.path, patch.box
        if key not in self._pictures:
            try:
                cut = self._made(to_bytes8(patch_picture(patch, SIDE)))
            except PareidoliaError:
                return None
            while len(self._pictures) >= KEPT:
                del self._pictures[next(iter(self._pictures))]
            self._pictures[key] = cut
        return self._pictures[key]
