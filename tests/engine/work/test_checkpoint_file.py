"""Checkpoints as bytes: all comes back; what is damaged or belongs elsewhere is refused."""

import json
import random
import struct
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save

from engine.checkpoint import Checkpoint
from engine.errors import BadInput
from engine.finish import Finish
from engine.image import Picture, open_picture
from engine.job import Inputs, Job, prepare
from engine.networks.loading import load_network
from engine.networks.network import Network
from engine.task import Task, Technique
from engine.techniques.deep_dream import DeepDream
from engine.work.checkpoint_file import decode, digest_of_weights, encode
from tests.cli.conftest import noise


@pytest.fixture(scope="module")
def network() -> Network:
    return load_network("slim_vgg")


@pytest.fixture
def job(tmp_path: Path) -> Job:
    noise(24, 32, 3, 0).save(tmp_path / "photo.png")
    photo = str(tmp_path / "photo.png")
    return Job(DeepDream(iterations=4), Inputs(photo), size=32, device="cpu", precision="fp32")


@pytest.fixture
def task(job: Job, network: Network) -> Task[Technique]:
    return prepare(job, network)


@pytest.fixture
def checkpoint() -> Checkpoint:
    tensors = {
        "mean": torch.rand(1, 3, 4, 5), "count": torch.tensor(3), "half": torch.rand(3).bfloat16(),
        "seen": torch.tensor([True, False]), "generator": torch.Generator().get_state(),
    }  # fmt: skip
    return Checkpoint(7, 1.25, {"kept": {"steps": 7, "rate": 0.1}, "changes": []}, tensors)


def test_all_comes_back(checkpoint: Checkpoint, job: Job, task: Task[Technique]) -> None:
    file = decode(encode(checkpoint, job, task))
    back = file.checkpoint
    assert (back.iteration, back.seconds) == (7, 1.25)
    assert back.numbers == checkpoint.numbers
    assert back.tensors.keys() == checkpoint.tensors.keys()
    for name, tensor in checkpoint.tensors.items():
        assert back.tensors[name].dtype == tensor.dtype
        assert torch.equal(back.tensors[name], tensor)
    assert file.check(job, task) == ""


def test_any_damage_is_refused(checkpoint: Checkpoint, job: Job, task: Task[Technique]) -> None:
    data = encode(checkpoint, job, task)
    chance = random.Random(0)
    for _ in range(200):
        harmed = bytearray(data)
        at = chance.randrange(len(data))
        harmed[at] ^= 1 << chance.randrange(8)
        try:
            back = decode(bytes(harmed)).checkpoint
        except BadInput as error:
            assert str(error).count(":") == 1
        else:  # a space of the header, say, or its order
            assert back.numbers == checkpoint.numbers
            assert all(torch.equal(back.tensors[n], t) for n, t in checkpoint.tensors.items())
    for cut in (0, 7, 8, 100, len(data) // 2, len(data) - 1):
        with pytest.raises(BadInput, match="damaged"):
            decode(data[:cut])
    with pytest.raises(BadInput, match="damaged"):
        decode(data + b"\0")


@pytest.mark.parametrize(
    "data",
    [
        struct.pack("<Q", 2**60), struct.pack("<Q", 20) + b"[" * 20, b"PK\x03\x04" * 100,
        save({"x": torch.zeros(1)}), save({"x": torch.zeros(1)}, {"format": "one"}),
        struct.pack("<Q", 100_000) + b'{"__metadata__":' + b"[" * 99_984,
    ],
)  # fmt: skip
def test_what_is_no_checkpoint_is_refused(data: bytes) -> None:
    with pytest.raises(BadInput, match="damaged"):
        decode(data)


def test_one_of_a_newer_version_is_refused() -> None:
    with pytest.raises(BadInput, match="has format 9; this version reads up to 1: update"):
        decode(save({"x": torch.zeros(1)}, {"format": "9", "values": "{}", "sha256": ""}))


def test_other_jobs_are_refused(
    checkpoint: Checkpoint, job: Job, task: Task[Technique], tmp_path: Path
) -> None:
    noise(24, 32, 3, 1).save(tmp_path / "other.png")
    file = decode(encode(checkpoint, job, task))
    for changes in (
        {"seed": 1}, {"size": 31}, {"inputs": Inputs(str(tmp_path / "other.png"))},
        {"technique": DeepDream(iterations=4, step_size=2.0)},
        {"technique": DeepDream(iterations=5)}, {"inputs": replace(job.inputs, guide="photo.png")},
    ):  # fmt: skip
        other = replace(job, **changes)  # type: ignore[arg-type]
        if changes.get("inputs") and other.inputs.guide:
            other = replace(other, inputs=replace(other.inputs, guide=job.inputs.content))
        with pytest.raises(BadInput, match="of another job"):
            file.check(other, task)


def test_what_does_not_decide_about_the_steps_does_not_count(
    checkpoint: Checkpoint, job: Job, task: Task[Technique], tmp_path: Path
) -> None:
    file = decode(encode(checkpoint, job, task))
    moved = tmp_path / "moved.png"
    Path(str(job.inputs.content)).rename(moved)
    for changes in (
        {}, {"finish": Finish(recolour="gray")}, {"stop_after": 3},
        {"changes": ((2, {"step_size": 2.0}),)}, {"device": "auto"}, {"precision": "bf16"},
    ):  # fmt: skip
        same = replace(job, inputs=Inputs(str(moved)), **changes)  # type: ignore[arg-type]
        assert file.check(same, task) == ""


def test_pictures_without_a_file_count_by_their_pixels(
    checkpoint: Checkpoint, job: Job, task: Task[Technique]
) -> None:
    photo = open_picture(Path(str(job.inputs.content)))
    first = replace(job, inputs=Inputs(Picture(photo.rgb)))
    darker = replace(job, inputs=Inputs(Picture(photo.rgb / 2)))
    file = decode(encode(checkpoint, first, task))
    assert file.check(replace(job, inputs=Inputs(Picture(photo.rgb.copy()))), task) == ""
    with pytest.raises(BadInput, match="of another job"):
        file.check(darker, task)


def test_other_weights_are_refused(
    checkpoint: Checkpoint, job: Job, task: Task[Technique], network: Network
) -> None:
    file = decode(encode(checkpoint, job, task))
    other = load_network("slim_vgg")
    digest = digest_of_weights(other)
    with torch.no_grad():
        next(other.module.parameters())[0] += 0.5
    assert digest_of_weights(other) != digest
    with pytest.raises(BadInput, match="of other weights of slim_vgg"):
        file.check(job, replace(task, network=other))
    # The same in another precision, also where the first one is not kept.
    half = load_network("slim_vgg").move("cpu", torch.bfloat16)
    assert digest_of_weights(half) == digest_of_weights(network) == digest


def test_a_sentence_says_what_is_different_here(
    checkpoint: Checkpoint, job: Job, task: Task[Technique], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = decode(encode(checkpoint, job, task))
    half = replace(task, network=task.network.at("cpu", torch.bfloat16))
    threads = torch.get_num_threads()
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads + 1)
    said = file.check(job, half)
    was = f"{threads} thread{'s' if threads > 1 else ''}"
    assert said == (
        f"The run was begun with fp32 and {was} and goes on with bf16 and {threads + 1} threads: "
        "what comes may differ a little from a run without a break."
    )


def test_nothing_but_safetensors_is_needed_to_read_it(
    checkpoint: Checkpoint, job: Job, task: Task[Technique]
) -> None:
    data = encode(checkpoint, job, task)
    (length,) = struct.unpack("<Q", data[:8])
    values = json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["values"])
    assert values["numbers"] == checkpoint.numbers
