"""Device, precision and memory, as far as a machine without a card can tell."""

import ctypes
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
import torch

from engine import device, free_memory
from engine.errors import BadInput

CPU = torch.device("cpu")
linux = pytest.mark.skipif(sys.platform != "linux", reason="reads Linux's files")


def without_cards(monkeypatch: pytest.MonkeyPatch, cuda: bool = False, mps: bool = False) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)


def test_auto_takes_the_fastest_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    for cuda, mps, name in [(True, True, "cuda"), (False, True, "mps"), (False, False, "cpu")]:
        without_cards(monkeypatch, cuda, mps)
        assert device.choose_device("auto") == torch.device(name)
        assert device.choose_device(name) == torch.device(name)
    assert device.choose_device() == CPU


@pytest.mark.parametrize("name", ["cuda", "mps"])
def test_a_device_that_is_not_here(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    without_cards(monkeypatch)
    with pytest.raises(BadInput, match=f"device={name} is not on this machine; use device=auto"):
        device.choose_device(name)


def test_names_that_do_not_exist() -> None:
    with pytest.raises(BadInput, match="device= is 'gpu'; it must be auto, cpu, cuda or mps"):
        device.choose_device("gpu")
    with pytest.raises(BadInput, match="precision= is 'fp16'; it must be auto, fp32 or bf16"):
        device.choose_precision("fp16", CPU)


def test_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    assert device.choose_precision("fp32", CPU) == torch.float32
    assert device.choose_precision("bf16", CPU) == torch.bfloat16
    for faster, dtype in [(True, torch.bfloat16), (False, torch.float32)]:
        monkeypatch.setattr(device, "bf16_is_faster", lambda _type, faster=faster: faster)
        assert device.choose_precision("auto", CPU) == dtype
        assert device.name_of(dtype) == {True: "bf16", False: "fp32"}[faster]
    assert device.name_of(torch.float64) == "torch.float64"


def test_bf16_is_measured_once(monkeypatch: pytest.MonkeyPatch) -> None:
    device.bf16_is_faster.cache_clear()
    first = device.bf16_is_faster("cpu")
    assert isinstance(first, bool)
    monkeypatch.setattr("time.perf_counter", lambda: pytest.fail("measured again"))
    assert device.bf16_is_faster("cpu") is first
    assert device.bf16_is_faster("mps") is False


@pytest.mark.parametrize(("half", "faster"), [(1.0, True), (1.9, False), (3.0, False)])
@pytest.mark.parametrize("busy", [range(6), range(6, 30), range(0)])
def test_other_work_meanwhile_does_not_decide_the_precision(monkeypatch, half, faster, busy):
    clock, calls = [0.0], [0]

    def convolution(x, weight, padding):
        seconds = half if x.dtype == torch.bfloat16 else 2.0
        clock[0] += seconds * (4 if calls[0] in busy else 1)
        calls[0] += 1

    monkeypatch.setattr(device, "has_avx512", lambda: True)
    monkeypatch.setattr(device.F, "conv2d", convolution)
    monkeypatch.setattr(device.time, "perf_counter", lambda: clock[0])
    assert device.bf16_is_faster.__wrapped__("cpu") is faster


@pytest.mark.parametrize("machine", ["x86_64", "AMD64"])
def test_without_its_instructions_bf16_is_not_even_measured(monkeypatch, machine):
    monkeypatch.setattr(device.platform, "machine", lambda: machine)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
    monkeypatch.setattr(device.F, "conv2d", lambda *_a, **_k: pytest.fail("measured"))
    assert device.bf16_is_faster.__wrapped__("cpu") is False


def test_available_memory_is_what_the_system_says() -> None:
    there_is = psutil.virtual_memory()
    assert 0 < device.available_memory(CPU) <= there_is.total


def container(folder: Path, version: int, limit: str, used: int, cache: int) -> Path:
    names: tuple[str, ...]
    if version == 2:
        names = "memory.max", "memory.current", "memory.stat"
        statistics = f"anon 5\ninactive_file {cache}"
    else:
        names = tuple(f"memory/memory.{n}" for n in ("limit_in_bytes", "usage_in_bytes", "stat"))
        statistics = f"inactive_file 3\ntotal_inactive_file {cache}"
    (folder / "memory").mkdir()
    for name, text in zip(names, (limit, str(used), statistics), strict=True):
        (folder / name).write_text(f"{text}\n")
    return folder


def container_of(folder: Path, version: int, limit: str, used: int, cache: int) -> Path:
    """The files of one group alone."""
    folder.mkdir(parents=True)
    made = container(folder, version, limit, used, cache)
    return made if version == 2 else made / "memory"


@pytest.mark.parametrize("version", [1, 2])
def test_a_container_s_limit_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: int
) -> None:
    """What the container has read from files it can do without again."""
    mib = device.MIB
    folder = container(tmp_path, version, str(500 * mib), 450 * mib, 30 * mib)
    monkeypatch.setattr(free_memory, "CGROUPS", folder)
    assert device.available_memory(CPU) == 80 * mib


@pytest.mark.parametrize(
    ("version", "line"),
    [(2, "0::/work.slice/job.scope"), (1, "7:cpu,memory:/work.slice/job.scope")],
)
@pytest.mark.parametrize("tightest", [0, 1, 2])
def test_the_smallest_limit_of_nested_groups_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: int, line: str, tightest: int
) -> None:
    mib = device.MIB
    sides, root = tmp_path / "sides", tmp_path / "root"
    folders = [root, root / "work.slice", root / "work.slice" / "job.scope"]
    for depth, folder in enumerate(folders):
        limit = (70 if depth == tightest else 900 + depth) * mib
        made = container_of(sides / str(depth), version, str(limit), 50 * mib, 10 * mib)
        folder.mkdir(parents=True, exist_ok=True)
        for file in made.iterdir():
            if file.is_file():
                (folder / file.name).write_text(file.read_text())
    (tmp_path / "own").write_text(f"1:name=systemd:/elsewhere\n{line}\n")
    if version == 1:
        (tmp_path / "mounted").mkdir()
        root.rename(tmp_path / "mounted" / "memory")
        root = tmp_path / "mounted"
    monkeypatch.setattr(free_memory, "CGROUPS", root)
    monkeypatch.setattr(free_memory, "OWN_GROUPS", tmp_path / "own")
    assert device.available_memory(CPU) == 30 * mib


def test_a_group_outside_of_what_is_mounted_leaves_the_roots_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a container the kernel may name groups of the machine around it."""
    mib = device.MIB
    folder = container(tmp_path, 2, str(60 * mib), 50 * mib, 10 * mib)
    monkeypatch.setattr(free_memory, "CGROUPS", folder)
    for line in ("0::/../../other", "0::/system.slice/docker-1.scope"):
        (tmp_path / "own").write_text(f"{line}\n")
        monkeypatch.setattr(free_memory, "OWN_GROUPS", tmp_path / "own")
        assert device.available_memory(CPU) == 20 * mib


def test_no_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(free_memory, "CGROUPS", container(tmp_path, 2, "max", 5, 5))
    total = psutil.virtual_memory().total
    assert total / 100 < device.available_memory(CPU) <= total
    monkeypatch.setattr(free_memory, "CGROUPS", tmp_path / "nowhere")
    assert total / 100 < device.available_memory(CPU) <= total


@linux
def test_peak_memory_counts_what_is_gone_again() -> None:
    device.reset_peak_memory(CPU)
    before = device.peak_memory(CPU)
    size = 96 * device.MIB
    block = bytearray(size)
    del block
    device.release_memory(CPU)
    assert device.peak_memory(CPU) >= before + 0.9 * size
    if os.access("/proc/self/clear_refs", os.W_OK):
        device.reset_peak_memory(CPU)
        assert device.peak_memory(CPU) < before + 0.5 * size


def test_cores() -> None:
    assert 1 <= device.cores() <= (os.cpu_count() or 1)


KEPT = """
import sys
import psutil, torch
from engine.device import MIB, return_large_blocks

torch.ones(31 * MIB, dtype=torch.uint8)  # freeing it lifts glibc's own limit to as much
if sys.argv[1] == "ours":
    return_large_blocks()
resident = psutil.Process().memory_info
before = resident().rss
blocks = [
    (torch.ones(16 * MIB, dtype=torch.uint8), torch.ones(MIB // 16, dtype=torch.uint8))
    for _ in range(8)
]
small = [block.pop() for block in map(list, blocks)]  # lie between the large ones, and stay
del blocks
print((resident().rss - before) / MIB)
"""


@pytest.mark.skipif(
    sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "mallopt"), reason="needs glibc"
)
def test_large_blocks_return_to_the_system() -> None:
    limits = ("MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES")
    plain = {name: value for name, value in os.environ.items() if name not in limits}

    def left(how: str) -> float:
        done = subprocess.run(
            [sys.executable, "-c", KEPT, how], capture_output=True, text=True, check=True,
            cwd=Path(__file__).parents[2], env=plain,
        )  # fmt: skip
        return float(done.stdout)

    assert left("ours") < 16
    assert left("glibc") > 100


@linux
@pytest.mark.parametrize(
    ("name", "value", "calls"),
    [
        ("MALLOC_MMAP_THRESHOLD_", "65536", 0),
        ("GLIBC_TUNABLES", "glibc.malloc.mmap_threshold=65536", 0),
        ("GLIBC_TUNABLES", "glibc.malloc.arena_max=2", 1),
    ],
)
def test_a_limit_for_blocks_that_the_user_has_set_stays(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, calls: int
) -> None:
    asked: list[tuple[int, int]] = []
    library = SimpleNamespace(mallopt=lambda *to: asked.append(to))
    monkeypatch.setattr(device.ctypes, "CDLL", lambda _name: library)
    monkeypatch.delenv("MALLOC_MMAP_THRESHOLD_", raising=False)
    monkeypatch.delenv("GLIBC_TUNABLES", raising=False)
    monkeypatch.setenv(name, value)
    device.return_large_blocks.__wrapped__()
    assert asked == [(-3, device.LARGE_BLOCK)] * calls


@linux
def test_a_library_without_the_call_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MALLOC_MMAP_THRESHOLD_", raising=False)
    monkeypatch.delenv("GLIBC_TUNABLES", raising=False)
    monkeypatch.setattr(device.ctypes, "CDLL", lambda _name: SimpleNamespace())
    device.return_large_blocks.__wrapped__()
