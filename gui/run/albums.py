"""The folder that was read last, as vectors: the neighbours and the map share one reading."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from gui.run.networks import Networks

if TYPE_CHECKING:
    from engine.inspection.album import Album
    from engine.networks.network import Network

WAIT = 0.05
"""Seconds between two looks at whether a folder is still wanted."""


class Albums:
    """Reads a folder with a network, and remembers the last; not for the GUI thread."""

    def __init__(self, networks: Networks) -> None:
        self._networks = networks
        self._reading = threading.Lock()
        self._kept: tuple[Network, Path, str, Album] | None = None

    def read(
        self, folder: Path, network: str, weights: str | None,
        tell: Callable[[int, int], None], stopped: Callable[[], bool],
    ) -> "Album | None":  # fmt: skip
        """Return a folder's album; None when stopped, then the next call goes on from there.

        Raises `PareidoliaError`s: no folder, no pictures in it, no such network.
        """
        from engine.inspection.album import Album
        from engine.inspection.features import Features
        from engine.inspection.folder import fingerprint, picture_files

        files = picture_files(folder)
        mark = fingerprint(folder, files)
        shared = self._networks.get(network, weights)
        while not self._reading.acquire(timeout=WAIT):  # the other panel is reading
            if stopped():
                return None
        try:
            kept = self._kept
            if kept is None or kept[0] is not shared or kept[1:3] != (folder, mark):
                self._kept = kept = shared, folder, mark, Album(Features(shared.twin()), files)
            return kept[3] if kept[3].read(tell, stopped) else None
        finally:
            self._reading.release()
