"""Checkpoints as bytes: safetensors, with plain values as JSON in the header; nothing is ever run.

A checksum covers all of it: a run continued from a single wrong bit would look right and be a
different one.
"""

import hashlib
import json
import math
import struct
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from engine.checkpoint import Checkpoint
from engine.errors import BadInput

if TYPE_CHECKING:
    from torch import Tensor

FORMAT = 1
"""Version of the file; readers refuse higher ones."""
MOST_HEADER = 16 << 20
"""Most bytes of a header; a run changed a thousand times takes a hundredth of this."""
DAMAGED = "the checkpoint is damaged: begin the run anew"


def to_bytes(checkpoint: Checkpoint, belongs: Mapping[str, Any]) -> bytes:
    """Return a checkpoint as the bytes of a file; `belongs` (JSON values) says what it belongs to."""
    from safetensors.torch import save

    values = {
        "iteration": checkpoint.iteration,
        "seconds": checkpoint.seconds,
        "numbers": checkpoint.numbers,
        "belongs": belongs,
    }
    text, tensors = json.dumps(values), dict(checkpoint.tensors)
    metadata = {"format": str(FORMAT), "values": text, "sha256": _check_sum(text, tensors)}
    return bytes(save(tensors, metadata))


def from_bytes(data: bytes) -> tuple[Checkpoint, dict[str, Any]]:
    """Return a checkpoint from a file's bytes, and what it belongs to.

    Raises `BadInput` for a damaged or newer one.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        (length,) = struct.unpack("<Q", data[:8])
        if length > MOST_HEADER:
            raise BadInput(DAMAGED)
        metadata = json.loads(data[8 : 8 + length])["__metadata__"]
        version = int(metadata["format"])
        if version > FORMAT:
            raise BadInput(
                f"the checkpoint has format {version}; this version reads up to {FORMAT}: update "
                "Pareidolia"
            )
        tensors = load(data)
        if _check_sum(metadata["values"], tensors) != metadata["sha256"]:
            raise BadInput(DAMAGED)
        values = json.loads(metadata["values"])
        iteration, seconds = values["iteration"], float(values["seconds"])
        if type(iteration) is not int or iteration < 1 or not 0 <= seconds < math.inf:
            raise BadInput(DAMAGED)
        checkpoint = Checkpoint(iteration, seconds, dict(values["numbers"]), tensors)
        return checkpoint, dict(values["belongs"])
    except (
        struct.error, SafetensorError, ValueError, KeyError, TypeError, AttributeError,
        RecursionError,
    ) as error:  # fmt: skip
        raise BadInput(DAMAGED) from error


def _check_sum(text: str, tensors: Mapping[str, "Tensor"]) -> str:
    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"\n{name} {tensor.dtype} {list(tensor.shape)}\n".encode())
        digest.update(bytes_of(tensor))
    return digest.hexdigest()


def bytes_of(tensor: "Tensor") -> memoryview:
    """Return the numbers of a tensor on the CPU as they lie in memory, row by row."""
    import torch

    return tensor.reshape(-1).view(torch.uint8).numpy().data
