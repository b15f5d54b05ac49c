"""When a run's pictures are looked at in tiles, and how much memory these may take."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import prod
from traceback import clear_frames
from typing import Any, ClassVar, TypeVar

from engine.errors import BadInput, is_out_of_memory
from engine.networks.network import Network
from engine.networks.parts import Rewiring
from engine.networks.tile_plan import MIB, PER_PIXEL, for_regions, nearest_plan, untiled_bytes
from engine.objectives.tiled import Tiled
from engine.task import Task, Technique

T = TypeVar("T")

UPFRONT = 100 * MIB
"""Bytes that a first run takes whatever its size: mathematics libraries, matrices of channels."""
LEAST = 1 << 24
"""Bytes below which the smallest tiles are taken anyway."""


@dataclass
class Room:
    """How many bytes a run's activations may take; part of its state, as it decides how it rounds."""

    bytes: int | None
    """None: as many as there are."""
    newer: ClassVar[bool] = True
    """Checkpoints of earlier versions do without it."""
    pause: Callable[[], None] = field(default=lambda: None, repr=False, compare=False)
    _known: dict[Any, Tiled | None] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def of(cls, task: Task[Technique], size: tuple[int, int]) -> "Room":
        """Return the room beside the pictures of a run at `size` (height, width)."""
        if task.memory is None:
            return cls(None, task.between_tiles)
        remembered = task.technique.pairs_remembered * 2 * 12
        pictures = prod(size) * (PER_PIXEL + remembered)
        left = max(task.memory - pictures - UPFRONT, 0) / for_regions(len(task.regions))
        return cls(int(left), task.between_tiles)

    def state(self) -> int | None:
        """Return the bytes, for a checkpoint."""
        return self.bytes

    def take_up(self, state: int | None) -> None:
        """Go on with the bytes of a checkpoint."""
        self.bytes = state

    def tiled(
        self, network: Network, names: Sequence[str], size: tuple[int, int], rewiring: Rewiring
    ) -> Tiled | None:
        """Return the network in tiles for pictures of `size`; None: as a whole it fits, or must.

        `names` are the layers that are looked at.
        """
        key = (id(network), tuple(names), size, rewiring, self.bytes)
        if key not in self._known:
            self._known[key] = self._made(network, names, size, rewiring)
        return self._known[key]

    def _made(
        self, network: Network, names: Sequence[str], size: tuple[int, int], rewiring: Rewiring
    ) -> Tiled | None:
        if self.bytes is None or not names or untiled_bytes(network, names, size) <= self.bytes:
            return None
        try:
            plan = nearest_plan(network, names, size, self.bytes)  # the run was let begin
        except (ValueError, BadInput):
            return None
        return Tiled(network, plan, names, rewiring, self.pause)

    def used(self, work: Callable[[], T]) -> T:
        """Return what `work` does in this room; in half of it, and so on, if memory runs out."""
        while True:
            try:
                return work()
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error) or self.bytes is None or self.bytes < LEAST:
                    raise
                clear_frames(error.__traceback__)  # or what failed would still hold its memory
                self.bytes //= 2
