"""Goes on with broken-off runs, as another process does: `python -m tests.engine.elsewhere FOLDER`."""

import hashlib
import json
import sys
from itertools import islice
from pathlib import Path

import torch

from engine.image import to_bytes8
from engine.job import Job, frames_of, prepare
from engine.networks.loading import load_network
from engine.task import Frame
from engine.work.checkpoint_file import decode

AFTER = 2
"""Iterations that are compared."""


def summary(frame: Frame) -> list[object]:
    """Return what decides whether two frames are the same, as values of JSON."""
    numbers = frame.picture.contiguous().numpy().tobytes()
    digest = hashlib.sha256(numbers + to_bytes8(frame.picture).tobytes()).hexdigest()
    return [frame.iteration, frame.total, frame.losses, frame.stage, str(frame.note), digest]


if __name__ == "__main__":
    torch.set_num_threads(1)
    network = load_network("slim_vgg")
    for recipe in sorted(Path(sys.argv[1]).glob("*.json")):
        job = Job.from_recipe(json.loads(recipe.read_text("utf-8")))
        task = prepare(job, network)
        file = decode(recipe.with_suffix(".safetensors").read_bytes())
        assert file.check(job, task) == ""
        frames = frames_of(job, task, None, file.checkpoint)
        found = [summary(frame) for frame in islice(frames, AFTER)]
        frames.close()
        print(json.dumps([recipe.stem, found]), flush=True)
