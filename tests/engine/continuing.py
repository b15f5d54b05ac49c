"""Runs that go on from checkpoints made on the way, compared with the run that was not broken off."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import closing

import torch
from torch import Tensor

from engine.job import Job, prepare, run
from engine.networks.network import Network
from engine.steering import Steering
from engine.task import Frame
from engine.work.checkpoint_file import decode, encode

Wishes = Mapping[int, Callable[[Steering], None]]
"""What a person asks for while the picture after an iteration is there."""
Drawn = list[tuple[Frame, Tensor]]


def drawn(
    job: Job, network: Network, wishes: Wishes | None = None, afters: Iterable[int] = (),
    past: bytes | None = None,
) -> tuple[Drawn, dict[int, bytes], Steering]:  # fmt: skip
    """Return all frames with their pictures, and checkpoints as bytes."""
    steering, wishes = Steering(), wishes or {}
    checkpoint = None if past is None else decode(past).checkpoint
    if checkpoint is not None and checkpoint.iteration in wishes:
        wishes[checkpoint.iteration](steering)
    found, kept = [], {}
    with closing(run(job, network, steering, checkpoint)) as frames:
        for frame in frames:
            if frame.iteration in afters:
                assert frame.checkpoint is not None, "there is no checkpoint"
                kept[frame.iteration] = encode(frame.checkpoint(), job, prepare(job, network))
            found.append((frame, frame.picture.clone()))
            if frame.iteration in wishes:
                wishes[frame.iteration](steering)
    return found, kept, steering


def differences(one: Drawn, other: Drawn) -> list[str]:
    """Return in what two runs differ."""
    found = [] if len(one) == len(other) else [f"{len(one)} frames, not {len(other)}"]
    for (f, a), (g, b) in zip(one, other, strict=False):
        where = f"iteration {g.iteration}"
        for name in ("iteration", "total", "losses", "stage", "film", "note"):
            mine, theirs = getattr(f, name), getattr(g, name)
            if mine != theirs:
                found.append(f"{where}: {name} {mine!r}, not {theirs!r}")
        if not torch.equal(a, b):
            found.append(f"{where}: the picture, by up to {float((a - b).abs().max()):g}")
    return found


def check_goes_on(
    job: Job, network: Network, afters: Iterable[int], wishes: Wishes | None = None
) -> Drawn:
    """See that a run broken off after each of `afters` goes on bit for bit; return the whole run."""
    whole, _, applied = drawn(job, network, wishes)
    watched, kept, _ = drawn(job, network, wishes, afters)
    assert not differences(watched, whole), "making checkpoints changes the run"
    assert set(kept) == set(afters)
    for after, data in kept.items():
        rest, _, steering = drawn(job, network, wishes, past=data)
        assert not differences(rest, whole[after:]), f"broken off after {after}"
        assert steering.applied == applied.applied
    return whole
