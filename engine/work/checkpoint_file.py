"""Checkpoints as files of a project or a queue: which job they belong to, and which weights."""

import hashlib
import json
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np

from engine import settings
from engine.checkpoint import Checkpoint
from engine.checkpoint_bytes import bytes_of, from_bytes, to_bytes
from engine.errors import BadInput
from engine.image import Picture
from engine.job import Job, opened
from engine.stylization.digests import style_weights
from engine.task import Task, Technique

if TYPE_CHECKING:
    import torch

    from engine.networks.network import Network


@dataclass(frozen=True)
class CheckpointFile:
    """A checkpoint from a file, and what it belongs to."""

    checkpoint: Checkpoint
    belongs: Mapping[str, Any]
    """Digests of the job and of the network's weights, and where it was computed (see `place_of`)."""

    def check(self, job: Job, task: Task[Technique]) -> str:
        """Return a sentence if the run will not go on bit for bit; otherwise "".

        Args:
            job: the job to continue, as it was begun. What was changed on the way, where it was
                stopped and how it is finished do not count.
            task: what `prepare` made of it.

        Raises `BadInput` if the checkpoint belongs to another job, or to other weights.
        """
        by_pixels = self.belongs.get("by_pixels")
        if self.belongs.get("job") != digest_of_job(job, by_pixels):
            raise BadInput(
                "the checkpoint is of another job: continue the one that it was made of, or begin anew"
            )
        if self.belongs.get("weights") != digest_of_weights(task.network):
            raise BadInput(
                f"the checkpoint is of other weights of {task.network.card.name}: get them back, or "
                "begin the run anew"
            )
        painted = self.belongs.get("style_networks", {})
        # By digest alone: the same file has another name where it is named from another folder.
        known = set(painted.values())
        others = [name for name, digest in _painted(job).items() if digest not in known]
        if painted and others:
            raise BadInput(
                f"the checkpoint is of other weights of {others[0]}: get them back, or begin the "
                "run anew"
            )
        here, there = place_of(task), dict(self.belongs.get("place") or {})
        others = [name for name in here if name in there and here[name] != there[name]]
        if not others:
            return ""
        was, now = (" and ".join(str(place[name]) for name in others) for place in (there, here))
        return (
            f"The run was begun with {was} and goes on with {now}: what comes may differ a little "
            "from a run without a break."
        )


def encode(checkpoint: Checkpoint, job: Job, task: Task[Technique]) -> bytes:
    """Return a checkpoint of `job`, from which `prepare` made `task`, as the bytes of a file."""
    by_pixels = [isinstance(p, Picture) and not p.sha256 for p in _pictures(job)]
    belongs: dict[str, Any] = {
        "job": digest_of_job(job, by_pixels),
        "weights": digest_of_weights(task.network),
        "place": place_of(task),
    }
    if any(by_pixels):
        belongs["by_pixels"] = by_pixels
    if painted := _painted(job):
        belongs["style_networks"] = painted
    return to_bytes(checkpoint, belongs)


def decode(data: bytes) -> CheckpointFile:
    """Return the checkpoint that `encode` was given. Raises `BadInput` for a damaged or newer one."""
    return CheckpointFile(*from_bytes(data))


def digest_of_job(job: Job, by_pixels: Any = None) -> str:
    """Return 64 hex digits for everything but the weights that determines the steps of a run.

    Pictures count by their content and folders not at all: they may have been moved since. Device
    and precision do not count: a run can go on with others, if not bit for bit.

    Args:
        job: its pictures opened or not.
        by_pixels: which pictures (content, guide, start, styles, those of regions) count by what is
            seen in them: those that were not files when the run began, and may be files of a
            project by now. None: none.
    """
    job = opened(job)
    recipe = job.recipe()
    technique = job.technique
    left_out = settings.folders(technique).keys()
    chosen = {name: v for name, v in recipe["settings"].items() if name not in left_out}
    pictures = _pictures(job)
    seen = by_pixels if isinstance(by_pixels, list) and len(by_pixels) == len(pictures) else ()
    digests = [_digest_of_picture(p, s is True) for p, s in zip_longest(pictures, seen)]
    text = json.dumps(
        [
            technique.command, chosen, recipe["network"], recipe["size"], recipe["seed"],
            job.preprocessing, digests, [weight for _, weight in job.inputs.styles],
            *([each.weight, each.kept, each.network_style] for each in job.inputs.regions),
        ],
        sort_keys=True,
    )  # fmt: skip
    return hashlib.sha256(text.encode()).hexdigest()


def _pictures(job: Job) -> list[Any]:
    i = job.inputs
    own = (picture for region in i.regions for picture in (region.mask, region.style))
    return [i.content, i.guide, i.start, *(p for p, _ in i.styles), *own]


def _digest_of_picture(picture: Any, by_pixels: bool) -> list[Any] | None:
    if not isinstance(picture, Picture):
        return None
    if picture.sha256 and not by_pixels:
        return [picture.sha256, picture.frame]
    digest = hashlib.sha256(str(picture.rgb.shape).encode())
    for values in (picture.rgb, picture.alpha):
        if values is not None:  # as a project keeps it, in 16 bits
            digest.update(np.rint(values * np.float32(65535)).astype("<u2").tobytes())
    return [digest.hexdigest(), 0]


def _painted(job: Job) -> dict[str, str]:
    """Return the SHA-256 of each style network by its name, as they are on this machine."""
    return {w.name: w.sha256 for w in style_weights(job.technique)}


_digests: "WeakKeyDictionary[Network, tuple[int, str]]" = WeakKeyDictionary()
"""Digests of the weights of networks in use, with a number that changes when they do: reading them
takes a second."""


def digest_of_weights(network: "Network") -> str:
    """Return 64 hex digits for a network's weights, the same in every precision."""
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
        digest.update(bytes_of(rounded))
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
