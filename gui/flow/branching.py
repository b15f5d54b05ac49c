"""Which variant a run was started from: the one whose picture it starts with."""

from collections.abc import Mapping, Sequence
from typing import Any

from PySide6.QtCore import QObject

from engine.image import Picture
from engine.job import Job
from gui.run.variant_entry import VariantEntry

MOST = 1000


class Branching(QObject):
    """Knows which pictures were taken from variants, by the checksums of their files."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._taken: dict[str, tuple[str, int]] = {}
        self._entries: Sequence[VariantEntry] = ()

    def watch(self, entries: Sequence[VariantEntry]) -> None:
        """Keep track of these variants from now on."""
        self._entries = entries

    def note(self, digest: str, entry: VariantEntry, iteration: int) -> None:
        """Note that a file holds a variant's picture after an iteration."""
        self._taken[digest] = entry.id, iteration

    def of(self, job: Job) -> tuple[VariantEntry, int] | None:
        """Return the variant, and its iteration, that a job with opened pictures starts from."""
        for source in (job.inputs.start, job.inputs.content):
            found = self._taken.get(source.sha256) if isinstance(source, Picture) else None
            if found is not None:
                entry = next((e for e in self._entries if e.id == found[0]), None)
                return None if entry is None else (entry, found[1])
        return None

    def to_values(self) -> dict[str, Any]:
        """Return all that is known as plain values, for the project."""
        there = {entry.id for entry in self._entries}
        kept = [(d, taken) for d, taken in self._taken.items() if taken[0] in there][-MOST:]
        return {digest: list(taken) for digest, taken in kept}

    def from_values(self, values: Any) -> None:
        """Replace all that is known by what such values say; malformed values are ignored."""
        self._taken = {}
        if isinstance(values, Mapping):
            for digest, taken in values.items():
                if isinstance(taken, list) and len(taken) == 2 and isinstance(taken[1], int):
                    self._taken[str(digest)] = str(taken[0]), taken[1]
