"""Pictures and patches that activate a channel most (Zeiler and Fergus 2014; Girshick et al. 2014).

A folder is read once; every channel keeps its best places, at most one in each picture. What was
found is kept in the data folder, even when reading is interrupted, and used again.
"""

import json
import time
from collections.abc import Generator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from math import ceil, floor
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from engine.errors import BadInput, Diverged, Mention
from engine.files import write_npz
from engine.image import from_tensor, open_picture
from engine.inspection.activations import channels_of
from engine.inspection.folder import BATCH, Batch, batches, fingerprint, picture_files
from engine.inspection.progress import Progress
from engine.inspection.receptive_field import Box, fields
from engine.inspection.vector_cache import FORMAT, kept_file, make_room, used
from engine.inspection.vector_cache import weights_hash as weights_hash
from engine.networks.network import Network

BEST = 9
SAVE_EVERY = 20.0
"""Seconds between two saves of what was found."""


@dataclass(frozen=True)
class Patch:
    """One place that activates a channel."""

    value: float
    path: Path
    y: int
    x: int
    """Row and column in the layer's map."""
    box: Box
    """What the unit sees, in the picture's pixels, within the square that the network saw."""


@dataclass(frozen=True, eq=False)
class _Best:
    """A layer's best places, best first: each (best, channels); picture -1 where there is none."""

    value: Tensor
    picture: Tensor
    unit: Tensor
    """Row times the map's width, plus column."""

    def merged(self, maps: Tensor, pictures: Sequence[int]) -> "_Best":
        """Return the best of these and of the pictures' maps (N, C, h, w); of equals, the earlier."""
        value, unit = maps.flatten(2).max(2)
        value, unit = value.float().cpu(), unit.cpu()
        picture = torch.tensor(pictures)[:, None].expand_as(unit)
        together = torch.cat([self.value, value])
        order = together.argsort(dim=0, descending=True, stable=True)[: len(self.value)]
        return _Best(
            together.gather(0, order),
            torch.cat([self.picture, picture]).gather(0, order),
            torch.cat([self.unit, unit]).gather(0, order),
        )


class PatchSearch:
    """The search in one folder for one network's layers.

    `network` runs as it is: on its device, in its precision.
    """

    def __init__(
        self,
        network: Network,
        folder: Path,
        layers: Sequence[str],
        *,
        best: int = BEST,
        side: int = 0,
        batch: int = BATCH,
    ) -> None:
        """List the folder and take up what an earlier search found there.

        Args:
            network: what to search with.
            folder: pictures, also in folders below.
            layers: dotted or field names; all are searched in the same reading.
            best: how many places a channel keeps.
            side: pixels of the square that the network sees; 0: what it was made for.
            batch: pictures at a time.

        Raises:
            BadInput: no such layer or folder, no pictures in it, or a layer without channels.
        """
        self.network, self.folder, self.layers = network, folder, tuple(dict.fromkeys(layers))
        self.side, self.batch = side or network.card.input_size, batch
        self.files = picture_files(folder)
        size = (self.side, self.side)
        self._fields = fields(network, self.layers, size)
        self._widths, self._best = {}, dict[str, _Best]()
        calls = network.calls(size)
        for layer in self.layers:
            shape = calls[network.resolve(layer)].shape
            if len(shape) not in (2, 4):
                raise BadInput(f"{layer} has no channels with a map: its output is {shape}")
            self._widths[layer] = shape[3] if len(shape) == 4 else 1
            none = torch.full((best, shape[1]), -1)
            self._best[layer] = _Best(torch.full(none.shape, -torch.inf), none, none)
        self.done = 0
        self.unreadable: dict[Path, str] = {}
        self._squares = np.zeros((len(self.files), 3), np.int64)
        self.cache_file = kept_file("patches", self._depends_on(best))
        self._take_up()

    def run(self) -> Generator[Progress, None, None]:
        """Read on from where the last reading ended; may be closed at any time.

        Raises `Diverged` when activations are not finite.
        """
        yield Progress(self.done, len(self.files))
        saved, before = time.monotonic(), self.done
        try:
            for found in batches(self.files, self.side, self.batch, self.done):
                self._add(found)
                if time.monotonic() - saved > SAVE_EVERY:
                    self._save()
                    saved = time.monotonic()
                yield Progress(self.done, len(self.files))
        finally:
            if self.done != before:
                self._save()

    def channels(self, layer: str) -> int:
        """Return how many channels a layer has."""
        return self._best[layer].value.shape[1]

    def strongest(self, layer: str, most: int) -> list[int]:
        """Return the channels whose best value is highest, highest first."""
        order = self._best[layer].value[0].argsort(descending=True, stable=True)
        return [int(channel) for channel in order[:most]]

    def patches(self, layer: str, channel: int) -> list[Patch]:
        """Return the best places of a channel, best first, but none where it is 0 (switched off).

        Raises `BadInput` when the layer has no such channel.
        """
        best = self._best[layer]
        if not 0 <= channel < best.value.shape[1]:
            raise BadInput(
                f"{layer} has no channel {channel}; it has 0 to {best.value.shape[1] - 1}"
            )
        rows = zip(
            best.value[:, channel].tolist(),
            best.picture[:, channel].tolist(),
            best.unit[:, channel].tolist(),
            strict=True,
        )
        return [self._patch(layer, *row) for row in rows if row[1] >= 0 and row[0] != 0]

    def _patch(self, layer: str, value: float, picture: int, unit: int) -> Patch:
        y, x = divmod(unit, self._widths[layer])
        seen = self._fields[layer].box((y, x), (self.side, self.side))
        top, left, side = (int(n) for n in self._squares[picture])
        scale = side / self.side
        box = (
            top + floor(seen[0] * scale),
            left + floor(seen[1] * scale),
            top + ceil(seen[2] * scale),
            left + ceil(seen[3] * scale),
        )
        return Patch(value, self.files[picture], y, x, box)

    def _add(self, batch: Batch) -> None:
        for place, reason in batch.unreadable:
            self.unreadable[self.files[place]] = reason
        if batch.places:
            with torch.no_grad():
                taps = self.network.taps(batch.pictures.to(self.network.device), self.layers)
            found: dict[str, _Best] = {}
            for layer, output in taps.items():
                found[layer] = self._best[layer].merged(channels_of(output, layer), batch.places)
                if not torch.isfinite(found[layer].value[0]).all():
                    raise Diverged(
                        f"{layer} answers with NaN or infinity: use ",
                        Mention("precision", value="fp32"), ".",
                    )  # fmt: skip
            self._best.update(found)
        for place, square in zip(batch.places, batch.squares, strict=True):
            self._squares[place] = square.top, square.left, square.side
        self.done = batch.end

    # -- what is kept ---------------------------------------------------------------------

    def _depends_on(self, best: int) -> str:
        settings = (FORMAT, self.network.card.preprocessing, self.layers, self.side, best)
        return f"{weights_hash(self.network)} {fingerprint(self.folder, self.files)} {settings}"

    def _save(self) -> None:
        arrays: dict[str, np.ndarray[tuple[int, ...], np.dtype[np.generic]]] = {
            f"{field}{i}": getattr(self._best[layer], field).numpy()
            for i, layer in enumerate(self.layers)
            for field in ("value", "picture", "unit")
        }
        below = {path.relative_to(self.folder).as_posix(): r for path, r in self.unreadable.items()}
        state = np.array(json.dumps({"done": self.done, "unreadable": below}))
        with suppress(OSError, BadInput):  # a full disk costs the next search time, not this one
            self.cache_file.parent.mkdir(parents=True, exist_ok=True)
            write_npz(self.cache_file, {"state": state, "squares": self._squares, **arrays})
            make_room(self.cache_file)

    def _take_up(self) -> None:
        try:
            with self.cache_file.open("rb") as file, np.load(file) as kept:
                state = json.loads(str(kept["state"]))
                squares = kept["squares"]
                best = {
                    layer: _Best(*(torch.from_numpy(kept[f"{field}{i}"])
                                   for field in ("value", "picture", "unit")))
                    for i, layer in enumerate(self.layers)
                }  # fmt: skip
        except Exception:  # missing or damaged: there is no common type; start from the beginning
            return
        used(self.cache_file)
        self._best, self._squares, self.done = best, squares, int(state["done"])
        self.unreadable = {self.folder / name: text for name, text in state["unreadable"].items()}


def patch_picture(patch: Patch, side: int) -> Tensor:
    """Return a patch cut out of its picture file, (3, h, w) with the long side `side`.

    Raises `BadInput` when the file has gone or cannot be read any more.
    """
    whole = open_picture(patch.path).tensor()
    top, left, bottom, right = patch.box
    return from_tensor(whole[:, top:bottom, left:right]).resized(side).tensor()
