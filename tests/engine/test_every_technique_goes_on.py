"""Every technique goes on in another process as if its run had never been broken off."""

import json
import subprocess
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pytest
import torch

from engine.job import frames_of, prepare
from engine.networks.loading import load_network
from engine.project import read_job
from engine.techniques import TECHNIQUES
from engine.work.checkpoint_file import encode
from tests.engine.elsewhere import AFTER, summary

ROOT = Path(__file__).parents[2]
RECIPES = ROOT / "tests" / "recipes"
BEFORE = 2
"""Iterations after which each is broken off."""
TIMEOUT = 600


@pytest.fixture
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_every_technique_goes_on(tmp_path: Path, home: Path, one_thread: None) -> None:
    network = load_network("slim_vgg")
    wanted = {}
    for command in sorted(TECHNIQUES):
        job = read_job(RECIPES / f"{command}.json")
        task = prepare(job, network)
        frames = frames_of(job, task)
        for frame in islice(frames, BEFORE):
            last = frame
        assert last.checkpoint is not None, f"{command} cannot be continued"
        (tmp_path / f"{command}.safetensors").write_bytes(encode(last.checkpoint(), job, task))
        (tmp_path / f"{command}.json").write_text(json.dumps(job.recipe()))
        wanted[command] = [json.loads(json.dumps(summary(f))) for f in islice(frames, AFTER)]
        frames.close()
    assert all(wanted.values()), "there is something left of each"
    done = subprocess.run(
        [sys.executable, "-m", "tests.engine.elsewhere", str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, timeout=TIMEOUT, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    got = dict(json.loads(line) for line in done.stdout.splitlines())
    assert got.keys() == wanted.keys()
    for command, frames in wanted.items():
        assert got[command] == frames, command
