"""The folder read last, shared by those that ask for its vectors; known without torch."""

import threading
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING

from engine.inspection.progress import Progress, check_read

if TYPE_CHECKING:
    from engine.inspection.album import Album
    from engine.networks.network import Network

WAIT = 0.05
"""Seconds between two checks whether a folder is still wanted."""


class Albums:
    """Keeps one album, for one reader at a time; any thread may ask."""

    def __init__(self) -> None:
        self._reading = threading.Lock()
        self._kept: tuple[Network, Path, str, Album] | None = None
        self._reader = Progress(0, 0)

    def read(
        self, folder: Path, network: "Network", who: str = "", may_read: bool = True
    ) -> "Generator[Progress, None, Album]":
        """Yield progress, return the album; if closed on the way, the next call goes on from there.

        Others that wait meanwhile are told `who` is reading. A twin of the network is used.

        Raises:
            BadInput: no such folder, or no pictures in it.
            FolderNotRead: files are left to be read, and `may_read` is False.
        """
        from engine.inspection.album import Album
        from engine.inspection.features import Features
        from engine.inspection.folder import fingerprint, picture_files

        files = picture_files(folder)
        mark = fingerprint(folder, files)
        while not self._reading.acquire(timeout=WAIT):
            yield self._reader
        try:
            self._reader = Progress(0, 0, who)
            kept = self._kept
            if kept is None or kept[0] is not network or kept[1:3] != (folder, mark):
                album = Album(Features(network.twin()), files, folder)
                self._kept = kept = network, folder, mark, album
            album = kept[3]
            check_read(album.done, len(files), may_read)
            for step in album.read():
                self._reader = Progress(step.done, step.total, who)
                yield step
            return album
        finally:
            self._reading.release()
