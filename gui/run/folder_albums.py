"""The vectors of the folder read last, shared by the neighbours and the map.

What was read in earlier sessions is known: `engine.inspection.album` keeps it.
"""

import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from gui.run.networks import NetworkKey, Networks
from gui.run.progress import ProgressReporter

if TYPE_CHECKING:
    from engine.inspection.album import Album
    from engine.networks.network import Network

WAIT = 0.05
"""Seconds between two looks at whether a folder is still wanted."""


class FolderAlbums:
    """Reads a folder with a network, and remembers the last; not for the GUI thread."""

    def __init__(self, networks: Networks) -> None:
        self._networks = networks
        self._reading = threading.Lock()
        self._kept: tuple[Network, Path, str, Album] | None = None
        self._reader = ("", 0, 0)
        """Who is reading, how much of it is done, and how much there is."""

    def read(
        self, folder: Path, network_key: NetworkKey,
        report: ProgressReporter, stopped: Callable[[], bool],
    ) -> "Album | None":  # fmt: skip
        """Return a folder's album; None when stopped, then the next call goes on from there.

        Raises `PareidoliaError`s: no folder, no pictures in it, no such network; `FolderNotRead` when
        files would have to be read that nobody has asked for.
        """
        from engine.inspection.album import Album
        from engine.inspection.features import Features
        from engine.inspection.folder import fingerprint, picture_files

        files = picture_files(folder)
        mark = fingerprint(folder, files)
        shared = self._networks.get(*network_key)
        while not self._reading.acquire(timeout=WAIT):  # the other panel is reading
            if stopped():
                return None
            report.waits(*self._reader)
        try:
            self._reader = report.who, 0, 0
            kept = self._kept
            if kept is None or kept[0] is not shared or kept[1:3] != (folder, mark):
                album = Album(Features(shared.twin()), files, folder)
                self._kept = kept = shared, folder, mark, album
            album = kept[3]
            report.check(album.done, len(files))
            return album if album.read(partial(self._on_read, report), stopped) else None
        finally:
            self._reading.release()

    def _on_read(self, report: ProgressReporter, done: int, total: int) -> None:
        self._reader = report.who, done, total
        report(done, total)
