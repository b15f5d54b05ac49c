"""Loaded networks, shared between the run, the layer tree and the live maps."""

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

from gui.garbage import freeze_soon

if TYPE_CHECKING:
    from engine.job import Job
    from engine.networks.network import Network

NetworkKey = tuple[str, str | None, str | None]
"""Network, place of its weights, and preparation of pictures: what `Networks.get` takes."""
KEPT = 2
"""How many networks are kept in memory: going back to the previous one is instant."""


def network_key_of(job: "Job") -> NetworkKey:
    """Return the key of a job's network."""
    return job.network, job.weights, job.preprocessing


class Networks:
    """Loads each network once; any thread may ask."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loading: dict[NetworkKey, threading.Lock] = {}
        self._loaded: OrderedDict[NetworkKey, Network] = OrderedDict()

    def get(
        self, name: str, weights: str | None = None, preprocessing: str | None = None
    ) -> "Network":
        """Return the network in float32 on the CPU. Raises what `load_network` raises."""
        from engine.networks.loading import load_network

        key = (name, weights, preprocessing)
        with self._lock:
            own = self._loading.setdefault(key, threading.Lock())
        with own:  # only those who ask for the same network wait for it
            with self._lock:
                found = self._loaded.get(key)
            if found is None:
                found = load_network(name, weights, preprocessing=preprocessing)
                freeze_soon()
            with self._lock:
                self._loaded[key] = found
                self._loaded.move_to_end(key)
                while len(self._loaded) > KEPT:
                    self._loaded.popitem(last=False)
            return found

    def forget(self) -> None:
        """Drop all, as weight files have changed. Never waits for a network that is being loaded."""
        with self._lock:
            self._loaded.clear()
