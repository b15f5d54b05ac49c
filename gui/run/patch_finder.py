"""The background search for patches; what has been found so far can be looked at."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtGui import QImage

from engine.errors import PareidoliaError
from gui.pixels import to_image
from gui.run.networks import NetworkKey, Networks
from gui.run.progress import ProgressReporter

if TYPE_CHECKING:
    from engine.inspection.patches import Patch, PatchSearch

SIDE = 96
"""Long side of a patch as it is read, in pixels."""
SHOW_EVERY = 0.8
"""Seconds between two looks at what has been found so far."""
KEPT = 4000
"""Patches whose pictures are kept."""


@dataclass(frozen=True)
class ShownChannels:
    """Which channels are to be shown."""

    by_number: bool
    count: int
    only: int | None
    """The one channel to show; None: the first `count`."""


@dataclass(frozen=True)
class FoundPatches:
    """What has been found so far."""

    rows: ShownChannels
    channels: list[tuple[int, list[tuple["Patch", QImage]]]]
    of: int
    """Channels that the layer has."""
    done: int
    total: int
    taken_up: int
    """Files that had been read in an earlier search."""
    unreadable: dict[Path, str]


class PatchFinder:
    """One search; runs behind the window, except for setting `rows`."""

    def __init__(
        self, networks: Networks, network_key: NetworkKey, folder: Path, layer: str,
        rows: ShownChannels,
    ) -> None:  # fmt: skip
        self.rows = rows
        """May be replaced at any time, by any thread."""
        self.layer = layer
        self._networks, self._network_key = networks, network_key
        self._folder = folder
        self._search: PatchSearch | None = None
        self._images: dict[tuple[Path, tuple[int, int, int, int]], QImage] = {}
        self._taken_up = 0

    def run(
        self,
        publish: Callable[[FoundPatches], None],
        report: ProgressReporter,
        stopped: Callable[[], bool],
    ) -> FoundPatches | None:
        """Search on to the end; None when stopped. Raises `PareidoliaError`s, as `FolderAlbums.read`."""
        if self._search is None:
            from engine.inspection.patches import PatchSearch

            network = self._networks.get(*self._network_key).twin()
            self._search = PatchSearch(network, self._folder, [self.layer])
            self._taken_up = self._search.done
        report.check(self._search.done, len(self._search.files))
        running = self._search.run()
        shown = time.monotonic() - SHOW_EVERY / 2
        try:
            for progress in running:
                if stopped():
                    return None
                report(progress.done, progress.total)
                if progress.done < progress.total and time.monotonic() - shown > SHOW_EVERY:
                    part = self.look(stopped)
                    if part is None:
                        return None
                    publish(part)
                    shown = time.monotonic()
        finally:
            running.close()  # what was found is written down
        return self.look(stopped)

    def look(self, stopped: Callable[[], bool]) -> FoundPatches | None:
        """Return what has been found of the channels in `rows`; None when stopped."""
        search, rows = self._search, self.rows
        assert search is not None
        of = search.channels(self.layer)
        if rows.only is not None:
            channels = [min(rows.only, of - 1)]
        elif rows.by_number:
            channels = list(range(min(rows.count, of)))
        else:
            channels = search.strongest(self.layer, rows.count)
        found: list[tuple[int, list[tuple[Patch, QImage]]]] = []
        for channel in channels:
            tiles: list[tuple[Patch, QImage]] = []
            for patch in search.patches(self.layer, channel):
                if stopped():
                    return None
                image = self._image(patch)
                if image is not None:
                    tiles.append((patch, image))
            found.append((channel, tiles))
        return FoundPatches(
            rows, found, of, search.done, len(search.files), self._taken_up, dict(search.unreadable)
        )

    def _image(self, patch: "Patch") -> QImage | None:
        """Return a patch's picture, cut out once; None when its file has gone meanwhile."""
        from engine.image import to_bytes8
        from engine.inspection.patches import patch_picture

        key = patch.path, patch.box
        if key not in self._images:
            try:
                cut = to_image(to_bytes8(patch_picture(patch, SIDE)))
            except PareidoliaError:
                return None
            while len(self._images) >= KEPT:
                del self._images[next(iter(self._images))]
            self._images[key] = cut
        return self._images[key]
