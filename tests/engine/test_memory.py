"""Estimates of memory: arithmetic on a small network, and a real run's growth."""

import json
import subprocess
import sys
import weakref
from collections import OrderedDict
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from engine import memory
from engine.device import MIB
from engine.errors import BadInput, OutOfMemory
from engine.image import Picture
from engine.networks.card import Card
from engine.networks.network import Network
from engine.task import Task
from engine.techniques.adversarial import Adversarial
from engine.techniques.deep_dream import DeepDream
from engine.techniques.style_transfer import StyleTransfer
from engine.techniques.texture_synthesis import TextureSynthesis
from tests.engine.fake_technique import Fake

ROOT = Path(__file__).resolve().parents[2]


def gray(height: int, width: int) -> Picture:
    return Picture(np.full((height, width, 3), 0.5, np.float32))


@pytest.fixture(scope="module")
def network() -> Network:
    """8 numbers a pixel at `a`, and 16 at half the size at `b`."""
    layers = OrderedDict(
        a=nn.Conv2d(3, 8, 3, padding=1),
        relu=nn.ReLU(inplace=True),
        b=nn.Conv2d(8, 16, 3, stride=2, padding=1),
        rest=nn.Conv2d(16, 64, 1),
    )
    card = Card(
        "small", "Small", "small", input_size=32,
        content_layers={"relu": 1.0}, style_layers={"a": 1.0}, dream_layers={"b": 1.0},
    )  # fmt: skip
    return Network(nn.Sequential(layers), card)


def task_for(network: Network, technique: Any, size: int = 100, **inputs: Any) -> Task:
    return Task(technique, network, size, torch.Generator(), **inputs)


def free(monkeypatch: pytest.MonkeyPatch, amount: int) -> None:
    monkeypatch.setattr(memory, "available_memory", lambda _device: amount)


@pytest.mark.parametrize(
    ("technique", "numbers"),
    [
        (StyleTransfer(), 8),  # the card's layers: relu and a
        (DeepDream(), 8 + 4),  # the card's: b
        (DeepDream(layers={"rest": 1.0}), 8 + 4 + 16),
        (StyleTransfer(style_layers={"b": 1.0}), 8 + 4),
        (StyleTransfer(content_layers={}, style_layers={}), 8 + 4 + 16),
        (Fake(layers={"a": 1.0}), 8),
    ],
)
def test_only_layers_down_to_the_deepest_one_count(
    network: Network, technique: Any, numbers: int
) -> None:
    task = task_for(network, technique)
    assert memory.numbers_needed(task) == numbers * 32 * 32
    # A whole network gives logits, and keeps what PyTorch keeps.
    each = memory.FRUGAL[4] if memory.layers_needed(task) else 4 + memory.ON_TOP
    assert memory.bytes_at(task, 100) == 100 * 100 * numbers * each


def test_shape_precision_styles_and_history(network: Network) -> None:
    dream = task_for(network, DeepDream(), content=gray(10, 40))
    square = task_for(network, DeepDream())
    assert memory.bytes_at(dream, 200) == memory.bytes_at(square, 200) / 4
    half = replace(square, network=network.at("cpu", torch.bfloat16))
    assert memory.bytes_at(half, 200) == pytest.approx(
        memory.bytes_at(square, 200) * 4.5 / 5.5, abs=1
    )
    # A large style at twice the result's size counts half.
    inputs: dict[str, Any] = {"content": gray(50, 50), "styles": [(gray(500, 500), 1.0)]}
    same = memory.bytes_at(task_for(network, StyleTransfer(), **inputs), 100)
    twice = memory.bytes_at(task_for(network, StyleTransfer(style_scale=2.0), **inputs), 100)
    assert twice == same * 4 / 2
    few = StyleTransfer(optimizer="lbfgs", history=50, iterations=11)
    assert memory.remembered(task_for(network, few), 100.0) == 10 * 2 * 100 * 12
    many = replace(few, iterations=600)
    assert memory.remembered(task_for(network, many), 100.0, already=2) == 48 * 2 * 100 * 12
    assert memory.remembered(task_for(network, StyleTransfer()), 100.0) == 0


def test_the_size_that_fits(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    task = task_for(network, DeepDream(), size=4000, content=gray(30, 40))
    needed = memory.bytes_at(task, 4000)
    free(monkeypatch, int((needed + memory.UPFRONT) / 0.9) + 1000)
    assert memory.size_that_fits(task) == 4000
    memory.check_fits(task)
    free(monkeypatch, int((needed / 4 + memory.UPFRONT) / 0.9))
    fitting = memory.size_that_fits(task)
    assert 1980 <= fitting <= 2000
    assert fitting % 16 == 0
    assert memory.bytes_at(task, fitting) <= needed / 4
    sentence = rf"small at 4000 pixels needs more memory than is free on cpu; size={fitting} would"
    with pytest.raises(OutOfMemory, match=sentence):
        memory.check_fits(task)
    free(monkeypatch, 0)
    assert memory.size_that_fits(task) == 16
    assert memory.size_that_fits(replace(task, size=9)) == 9


def test_a_textures_sample_counts_at_its_own_size(network: Network) -> None:
    plain = task_for(network, TextureSynthesis(style_layers={"a": 1.0}), content=gray(50, 100))
    large = replace(plain, technique=replace(plain.technique, sample_size=4000))
    each = 8 * memory.FRUGAL[4]
    # Half of a sample's activations are kept; it is half as high as wide.
    assert memory.bytes_at(large, 100) == pytest.approx(0.5 * 4000 * 2000 * each)
    assert memory.bytes_at(large, 50) == pytest.approx(0.5 * 2000 * 1000 * each)
    assert memory.bytes_at(plain, 100) < memory.bytes_at(large, 100) / 100


def test_an_attack_looks_at_the_networks_size(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a large photo the pixels grow, not the activations: 28 numbers at 32 x 64 pixels."""
    task = task_for(network, Adversarial(), size=4000, content=gray(300, 600))
    look = 32 * 64 * 28 * (4 + memory.ON_TOP)
    assert memory.bytes_at(task, 4000) == look + 2000 * 4000 * memory.ATTACKED
    free(monkeypatch, int((look + 1000 * 2000 * memory.ATTACKED + memory.UPFRONT) / 0.9) + 1000)
    fitting = memory.size_that_fits(task)
    assert 1984 <= fitting <= 2000
    assert memory.size_that_fits(replace(task, size=fitting)) == fitting
    free(monkeypatch, int((look / 2 + memory.UPFRONT) / 0.9))
    assert memory.size_that_fits(task) == 16


def test_a_look_is_checked_before_it_begins(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    # 8 + 4 + 16 numbers a pixel, of 5 bytes, and what a pixel itself takes.
    needed = 300 * 400 * (28 * (4 + memory.KEPT) + memory.BESIDE)
    free(monkeypatch, int((needed + memory.UPFRONT) / 0.9) + 100)
    memory.check_look(network, (300, 400))
    free(monkeypatch, int((needed / 4 + memory.UPFRONT) / 0.9) + 1000)
    sentence = r"small at 400 pixels needs more memory than is free on cpu; size=192 would fit"
    with pytest.raises(OutOfMemory, match=sentence):
        memory.check_look(network, (300, 400))
    memory.check_look(network, (150, 200))
    # Without a gradient a layer is gone as soon as the next one is there, but many are seen at once.
    memory.check_look(network, (150, 200), graph=False)
    with pytest.raises(OutOfMemory):
        memory.check_look(network, (150, 200), graph=False, count=100)


def test_networks_of_large_least_sizes_and_long_pictures(network: Network) -> None:
    """The estimate itself must not run the network at a size that it refuses."""
    card = replace(network.card, input_size=64)
    needs_40 = nn.Sequential(OrderedDict(a=nn.Conv2d(3, 8, 40), b=nn.Conv2d(8, 8, 1)))
    picky = Network(needs_40, card)
    task = task_for(picky, DeepDream(), content=gray(3, 1000), size=512)
    assert memory.size_that_fits(task) == 512


def test_unknown_layers_are_found_before_the_run(network: Network) -> None:
    with pytest.raises(BadInput, match="has no layer 'c'"):
        memory.check_fits(task_for(network, DeepDream(layers={"c": 1.0})))


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB."),
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp:121] DefaultCPUAllocator: can't allocate memory"
        ),
        RuntimeError("MPS backend out of memory (MPS allocated: 5.05 GB)"),
        RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 8 bytes."),
    ],
)
def test_a_failed_allocation_is_explained(network: Network, error: Exception) -> None:
    task = task_for(network, DeepDream(), size=400)
    held: list[weakref.ref[torch.Tensor]] = []

    def fail() -> None:
        activations = torch.zeros(10)
        held.append(weakref.ref(activations))
        raise error

    sentence = r"small at 400 pixels .*; size=300 would fit"
    with pytest.raises(OutOfMemory, match=sentence), memory.explained(task):
        fail()
    assert held[0]() is None, "what the failed run computed is still in memory"


def test_other_errors_stay_what_they_are(network: Network) -> None:
    task = task_for(network, DeepDream())
    for error in (RuntimeError("shapes do not match"), ValueError("out of memory")):
        with pytest.raises(type(error), match=str(error)), memory.explained(task):
            raise error


GROWTH = """
import json, sys
import numpy as np, psutil
from engine.device import peak_memory, reset_peak_memory
from engine.image import Picture
from engine.job import Inputs, Job, prepare
from engine.memory import bytes_at
from engine.techniques.style_transfer import StyleTransfer
from engine.techniques.texture_synthesis import TextureSynthesis

noise = Picture(np.random.default_rng(0).random((256, 256, 3), dtype=np.float32))
technique = StyleTransfer(iterations=2, smallest_scale=65536)
for size in (64, 256):  # the first pays for what does not depend on the size
    task = prepare(Job(technique, Inputs(noise, ((noise, 1.0),)), size=size, precision="fp32"))
    before = psutil.Process().memory_info().rss
    reset_peak_memory(task.device)
    for frame in technique.frames(task):
        pass
    growth = peak_memory(task.device) - before
print(json.dumps([growth, bytes_at(task, 256)]))
"""


ATTACK = (
    GROWTH.replace("StyleTransfer(iterations=2, smallest_scale=65536)", "Adversarial(iterations=1)")
    .replace("style_transfer import StyleTransfer", "adversarial import Adversarial")
    .replace("(256, 256, 3)", "(1536, 1536, 3)")
    .replace("((noise, 1.0),)", "()")
    .replace("256", "1536")
)


@pytest.mark.skipif(sys.platform != "linux", reason="measures through Linux's files")
@pytest.mark.parametrize("program", [GROWTH, ATTACK], ids=["style transfer", "large attack"])
def test_the_estimate_against_a_real_run(program: str) -> None:
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    growth, estimate = json.loads(done.stdout)
    assert 0.5 * growth < estimate < 2 * growth, (growth / MIB, estimate / MIB)
