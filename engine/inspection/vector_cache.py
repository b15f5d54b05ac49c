"""What was read from folders, cached in the data folder; the oldest entries are dropped."""

import hashlib
import json
import logging
import os
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from engine import places
from engine.errors import BadInput
from engine.files import replacing
from engine.inspection.folder import Mark
from engine.networks.network import Network

FORMAT = 2
"""Raised when pictures are read differently: what was kept before is then not used."""
LIMIT = 1 << 30
"""Bytes that all kept files together may take."""
STALE = 3600.0
"""Seconds after which an unfinished file counts as left over from a crash."""
log = logging.getLogger("pareidolia.inspection")


@dataclass(frozen=True, eq=False)
class CachedVectors:
    """Pictures as vectors and small squares, each with its file's fingerprint."""

    marks: Sequence[Mark]
    vectors: Tensor
    """(N, D) float32."""
    pixels: Tensor
    """(N, 3, side, side) uint8."""


def kept_file(kind: str, text: str) -> Path:
    """Return where something of a kind is kept; `text` holds all that it depends on."""
    key = hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:32]
    return places.data_folder() / "cache" / f"{kind}-{key}.npz"


def save(file: Path, rows: CachedVectors) -> None:
    """Keep rows; a full disk costs the next reading time, not this one."""
    state = np.array(json.dumps({"format": FORMAT, "marks": list(rows.marks)}))
    with suppress(OSError, BadInput):
        file.parent.mkdir(parents=True, exist_ok=True)
        with replacing(file) as opened:  # not compressed: pixels hardly shrink, and it takes long
            np.savez(opened, state=state, vectors=rows.vectors.numpy(), pixels=rows.pixels.numpy())
        make_room(file)


def load(
    file: Path, width: Callable[[], int], known: Collection[Mark] = ()
) -> CachedVectors | None:
    """Return the rows that are kept; None when there are none, or they are damaged.

    Args:
        file: as `kept_file` returns it.
        width: returns how long the vectors have to be; called only if there are any.
        known: files that need no rows; if all rows are theirs, None is returned.
    """
    try:
        with file.open("rb") as opened, np.load(opened) as arrays:
            state = json.loads(str(arrays["state"]))
            if state["format"] != FORMAT:
                return None
            marks = [(str(name), int(size), int(when)) for name, size, when in state["marks"]]
            if set(marks) <= set(known):
                return None
            vectors, pixels = (torch.from_numpy(arrays[name]) for name in ("vectors", "pixels"))
        if not _fit(len(marks), vectors, pixels):
            raise ValueError("its parts do not fit each other")
        if vectors.shape[1] != width():
            raise ValueError("its vectors are not of this length")
    except FileNotFoundError:
        return None
    except Exception as error:  # a damaged file fails in many ways, and is then worth nothing
        log.info("%s cannot be used (%s): the folder is read anew", file, error)
        return None
    used(file)
    return CachedVectors(marks, vectors, pixels)


def _fit(count: int, vectors: Tensor, pixels: Tensor) -> bool:
    return (
        vectors.dim() == 2
        and vectors.dtype == torch.float32
        and pixels.dtype == torch.uint8
        and pixels.shape == (count, 3, *pixels.shape[-1:] * 2)
        and pixels.shape[-1] > 0
        and len(vectors) == count > 0
        and bool(torch.isfinite(vectors).all())
    )


def used(file: Path) -> None:
    """Mark a kept file as used, so that it is the last to be dropped."""
    with suppress(OSError):
        os.utime(file)


def make_room(newest: Path) -> None:
    """Delete the kept files least recently used until the rest is within the limit.

    `newest`, just written, stays whatever its size.
    """
    folder, now = newest.parent, time.time()
    found = []
    for file in (*folder.glob("features-*.npz"), *folder.glob("patches-*.npz")):
        with suppress(OSError):  # another program deletes files too
            status = file.stat()
            found.append((status.st_mtime, status.st_size, file))
    total = sum(size for _, size, _ in found)
    for _, size, file in sorted(found):
        if total > LIMIT and file != newest:
            with suppress(OSError):
                file.unlink()
                total -= size
    for file in folder.glob(".*.part"):
        with suppress(OSError):
            if now - file.stat().st_mtime > STALE:
                file.unlink()


def weights_hash(network: Network) -> str:
    """Return a hash of a network's weights and of their precision."""
    digest = hashlib.sha256(network.card.name.encode())
    for name, tensor in network.module.state_dict().items():
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()
