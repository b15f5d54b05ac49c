"""Checkpoints as bytes: safetensors, with what they belong to; nothing in them is ever run.

The plain values stand in the header's metadata as JSON. A check sum covers all of it: a run that went
on from a single wrong bit would look right and be another.
"""

import hashlib
import json
import math
import platform
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np

from engine import settings
from engine.checkpoint import Checkpoint
from engine.errors import BadInput
from engine.image import Picture
from engine.job import Job, opened
from engine.task import Task, Technique

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from engine.networks.network import Network

FORMAT = 1
"""Version of what stands in the file; readers refuse higher ones."""
MOST_HEADER = 16 << 20
"""Bytes; a run changed a thousand times takes a hundredth of it."""
DAMAGED = "the checkpoint is damaged: begin the run anew"


@dataclass(frozen=True)
class CheckpointFile:
    """A checkpoint out of a file, and what it belongs to."""

    checkpoint: Checkpoint
    job: str
    """Digest of what was to be made: see `digest_of_job`."""
    weights: str
    """Digest of the network's weights: see `digest_of_weights`."""
    place: Mapping[str, str]
    """What it was computed with, in words: see `place_of`."""

    def check(self, job: Job, task: Task[Technique]) -> str:
        """Return a sentence where the run will not go on bit for bit; "": it will.

        Args:
            job: what is to be gone on with, as it was begun. What was changed on the way, where it
                was stopped and how it is finished do not count.
            task: made of it by `prepare`.

        Raises `BadInput` where the checkpoint is that of another job, or of other weights.
        """
        if self.job != digest_of_job(job):
            raise BadInput(
                "the checkpoint is of another job: continue the one that it was made of, or begin anew"
            )
        if self.weights != digest_of_weights(task.network):
            raise BadInput(
                f"the checkpoint is of other weights of {task.network.card.name}: get them back, or "
                "begin the run anew"
            )
        here = place_of(task)
        others = [name for name, was in self.place.items() if here.get(name, was) != was]
        if not others:
            return ""
        was, now = (" and ".join(place[name] for name in others) for place in (self.place, here))
        return (
            f"The run was begun with {was} and goes on with {now}: what comes may differ a little "
            "from a run without a break."
        )


def encode(checkpoint: Checkpoint, job: Job, task: Task[Technique]) -> bytes:
    """Return a checkpoint of `job`, which `prepare` has made `task` of, as the bytes of a file."""
    from safetensors.torch import save

    values = {
        "iteration": checkpoint.iteration,
        "seconds": checkpoint.seconds,
        "numbers": checkpoint.numbers,
        "job": digest_of_job(job),
        "weights": digest_of_weights(task.network),
        "place": place_of(task),
    }
    text = json.dumps(values)
    tensors = dict(checkpoint.tensors)
    metadata = {"format": str(FORMAT), "values": text, "sha256": _check_sum(text, tensors)}
    return bytes(save(tensors, metadata))


def decode(data: bytes) -> CheckpointFile:
    """Return what `encode` made bytes of. Raises `BadInput` for a damaged or newer one."""
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
        return _checked(json.loads(metadata["values"]), tensors)
    except (
        struct.error, SafetensorError, ValueError, KeyError, TypeError, AttributeError,
        RecursionError,
    ) as error:  # fmt: skip
        raise BadInput(DAMAGED) from error


def _checked(values: dict[str, Any], tensors: dict[str, "Tensor"]) -> CheckpointFile:
    iteration, seconds, place = values["iteration"], float(values["seconds"]), values["place"]
    texts = [values["job"], values["weights"], *place.values()]
    fits = type(iteration) is int and iteration > 0 and math.isfinite(seconds) and seconds >= 0
    if not fits or not all(isinstance(text, str) for text in texts):
        raise BadInput(DAMAGED)
    checkpoint = Checkpoint(iteration, seconds, dict(values["numbers"]), tensors)
    return CheckpointFile(checkpoint, values["job"], values["weights"], place)


def _check_sum(text: str, tensors: Mapping[str, "Tensor"]) -> str:
    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"\n{name} {tensor.dtype} {list(tensor.shape)}\n".encode())
        digest.update(_bytes_of(tensor))
    return digest.hexdigest()


def _bytes_of(tensor: "Tensor") -> memoryview:
    import torch

    return tensor.reshape(-1).view(torch.uint8).numpy().data


def digest_of_job(job: Job) -> str:
    """Return 64 hex digits for all that decides about the steps of a run but for the weights.

    Pictures count by their content and folders not at all: they may have been moved meanwhile. Device
    and precision do not count: a run can go on with others, if not bit for bit.
    """
    job = opened(job)
    recipe = job.recipe()
    technique = job.technique
    left_out = settings.folders(technique).keys()
    chosen = {name: v for name, v in recipe["settings"].items() if name not in left_out}
    inputs = job.inputs
    pictures = [inputs.content, inputs.guide, inputs.start, *(p for p, _ in inputs.styles)]
    text = json.dumps(
        [
            technique.command, chosen, recipe["network"], recipe["size"], recipe["seed"],
            job.preprocessing, [_digest_of_picture(p) for p in pictures],
            [weight for _, weight in inputs.styles],
        ],
        sort_keys=True,
    )  # fmt: skip
    return hashlib.sha256(text.encode()).hexdigest()


def _digest_of_picture(picture: Any) -> list[Any] | None:
    if not isinstance(picture, Picture):
        return None
    if picture.sha256:
        return [picture.sha256, picture.frame]
    digest = hashlib.sha256(np.ascontiguousarray(picture.rgb).data)
    if picture.alpha is not None:
        digest.update(np.ascontiguousarray(picture.alpha).data)
    return [digest.hexdigest(), picture.frame]


_digests: "WeakKeyDictionary[Network, tuple[int, str]]" = WeakKeyDictionary()
"""Of the weights of networks in use, with what changes when they do: they take a second to read."""


def digest_of_weights(network: "Network") -> str:
    """Return 64 hex digits for a network's weights, the same for the precisions there are."""
    import torch

    tensors = network.module.state_dict()
    present = hash(tuple((t.data_ptr(), t._version) for t in tensors.values()))
    known = _digests.get(network)
    if known is not None and known[0] == present:
        return known[1]
    digest = hashlib.sha256()
    for name in sorted(tensors):
        rounded = tensors[name].detach().to("cpu", torch.bfloat16)
        digest.update(f"\n{name} {list(rounded.shape)}\n".encode())
        digest.update(_bytes_of(rounded))
    found = digest.hexdigest()
    _digests[network] = present, found
    return found


def place_of(task: Task[Technique]) -> dict[str, str]:
    """Return what decides how a run's numbers are rounded, in words."""
    import torch

    from engine.device import name_of

    threads = torch.get_num_threads()
    return {
        "device": _device_of(task.device),
        "precision": name_of(task.network.dtype),
        "threads": f"{threads} thread{'s' if threads > 1 else ''}",
        "torch": f"PyTorch {torch.__version__}",
    }


def _device_of(device: "torch.device") -> str:
    import torch

    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type == "cpu":
        return f"cpu ({platform.machine()}, {torch.backends.cpu.get_cpu_capability()})"
    return device.type
