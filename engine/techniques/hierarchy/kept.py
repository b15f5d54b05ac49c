"""Where an interrupted hierarchy of features is kept until it is resumed."""

import hashlib
import json
import time
from contextlib import suppress

import torch

from engine import places, settings
from engine.checkpoint import Checkpoint
from engine.checkpoint_bytes import from_bytes, to_bytes
from engine.errors import BadInput
from engine.files import replacing
from engine.inspection.patches import weights_hash
from engine.task import Task
from engine.techniques.hierarchy.settings import Hierarchy

FORMAT = 3
"""Increased when what is kept, or what a step does, changes: older runs are then not resumed."""
MOST = 4
"""How many interrupted runs are kept, the newest ones."""
SAVE_EVERY = 5.0
"""Seconds between two saves within a row."""
SAVE_ROW = 1.0
"""Seconds since the last save after which a finished row is saved: quicker ones may be lost."""
SAVING_SHARE = 20
"""Saves within a row take at most about one part in this many of the time."""


class HierarchyCheckpoint:
    """A run's place in the data folder, the same for every run that would give the same picture.

    Such runs have the same weights, in the same precision on the same kind of device, and the same
    settings, size and seed. The number of threads is left out, as it is wherever runs are called
    repeatable.
    """

    def __init__(self, task: Task[Hierarchy]) -> None:
        """Look at `task` before anything is drawn from its generator."""
        self.folder = places.data_folder() / "cache"
        self.file = self.folder / f"hierarchy-{_key(task)}.safetensors"
        self._saved, self._took = time.monotonic(), 0.0

    def due(self, row_finished: bool) -> bool:
        """Return whether to save now."""
        wanted = SAVE_ROW if row_finished else max(SAVE_EVERY, SAVING_SHARE * self._took)
        return time.monotonic() - self._saved > wanted

    def save(self, checkpoint: Checkpoint) -> None:
        """Keep this one in place of the last; a full disk costs the next run time, not this one."""
        began = time.monotonic()
        with suppress(OSError, BadInput):
            self.folder.mkdir(parents=True, exist_ok=True)
            with replacing(self.file) as file:
                file.write(to_bytes(checkpoint, {}))
            others = self.folder.glob("hierarchy-*")
            for old in sorted(others, key=lambda p: p.stat().st_mtime)[:-MOST]:
                old.unlink(missing_ok=True)
        self._saved = time.monotonic()
        self._took = self._saved - began

    def load(self) -> Checkpoint | None:
        """Return what is kept; None if nothing is, or it is damaged."""
        try:
            return from_bytes(self.file.read_bytes())[0]
        except (OSError, BadInput):
            return None

    def remove(self) -> None:
        """Keep nothing: the run is finished."""
        with suppress(OSError):
            self.file.unlink(missing_ok=True)


def _key(task: Task[Hierarchy]) -> str:
    chosen = settings.values(task.technique)
    del chosen["resume"]  # does not affect the picture
    card = task.network.card
    text = json.dumps(
        [
            FORMAT, torch.__version__, weights_hash(task.network), str(card.preprocessing),
            card.input_size, list(card.layers), task.device.type, task.size, chosen,
        ]
    )  # fmt: skip
    digest = hashlib.sha256(text.encode())
    digest.update(task.generator.get_state().numpy().tobytes())
    return digest.hexdigest()[:32]
