"""Where and how precisely the engine computes: device, precision, memory."""

import ctypes
import os
import platform
import sys
import time
from contextlib import suppress
from functools import lru_cache

import psutil
import torch
from torch.nn import functional as F

from engine.errors import BadInput, Mention
from engine.free_memory import free_memory

MIB = 1024 * 1024
PROBES = 8
"""How often a convolution is measured in each precision; the first time is to warm up."""
SHARE = 0.6
"""How much of the free memory a run takes by itself."""
LARGE_BLOCK = 4 * MIB
"""Blocks of memory of at least this many bytes return to the system once they are free."""


def choose_device(name: str = "auto") -> torch.device:
    """Return the device called `name` (auto, cpu, cuda, mps). Raises `BadInput` when it is not here."""
    available = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if name == "auto":
        return torch.device(next(n for n, here in available.items() if here))
    if name not in available:
        raise BadInput(Mention("device"), f" is {name!r}; it must be auto, cpu, cuda or mps")
    if not available[name]:
        raise BadInput(
            Mention("device", value=name), " is not on this machine; use ",
            Mention("device", value="auto"),
        )  # fmt: skip
    return torch.device(name)


def choose_precision(name: str, device: torch.device) -> torch.dtype:
    """Return the precision called `name` (auto, fp32, bf16): auto takes bf16 where it is faster.

    Raises `BadInput` for other names.
    """
    if name == "fp32":
        return torch.float32
    if name == "bf16":
        return torch.bfloat16
    if name != "auto":
        raise BadInput(Mention("precision"), f" is {name!r}; it must be auto, fp32 or bf16")
    return torch.bfloat16 if bf16_is_faster(device.type) else torch.float32


@lru_cache
def bf16_is_faster(device_type: str) -> bool:
    """Return whether a convolution was measured to be faster: having the instructions is not enough.

    Without them (x86 up to AVX2) it is so much slower that measuring would take longer than many a
    run.
    """
    if device_type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    x86 = platform.machine().lower() in ("x86_64", "amd64")
    if device_type != "cpu" or (x86 and not has_avx512()):
        return False
    x = torch.rand(1, 64, 128, 128).to(memory_format=torch.channels_last)
    weight = torch.rand(64, 64, 3, 3).to(memory_format=torch.channels_last)

    pictures = {d: (x.to(d), weight.to(d)) for d in (torch.bfloat16, torch.float32)}
    best = dict.fromkeys(pictures, float("inf"))
    # In turns: otherwise another thread's work might slow down only one of them, and the answer is
    # kept for as long as the program runs.
    with torch.inference_mode():
        for _ in range(PROBES):
            for dtype, (a, b) in pictures.items():
                began = time.perf_counter()
                F.conv2d(a, b, padding=1)
                best[dtype] = min(best[dtype], time.perf_counter() - began)
    return best[torch.bfloat16] < 0.9 * best[torch.float32]


def has_avx512() -> bool:
    """Return whether PyTorch uses AVX-512 here."""
    return torch.backends.cpu.get_cpu_capability().startswith("AVX512")


def name_of(dtype: torch.dtype) -> str:
    """Return fp32 or bf16."""
    return {torch.float32: "fp32", torch.bfloat16: "bf16"}.get(dtype, str(dtype))


def available_memory(device: torch.device) -> int:
    """Return the bytes that a run could still take on `device`."""
    if device.type == "cuda":
        free, _total = torch.cuda.mem_get_info(device)
        cached = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(free + cached)
    return free_memory()


def allowed_memory(limit: int | None, device: torch.device) -> int:
    """Return the bytes that a run may take on `device` beyond what this process has taken there.

    `limit`: bytes that the process may take in all; None: 60 % of what is free, which leaves room
    for other programs.
    """
    if limit is None:
        return int(SHARE * available_memory(device))
    if device.type == "cuda":
        return max(limit - int(torch.cuda.memory_allocated(device)), 0)
    return max(limit - int(psutil.Process().memory_info().rss), 0)


def reset_peak_memory(device: torch.device) -> None:
    """Let `peak_memory` count from now on, if the system allows it."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    elif sys.platform == "linux":
        try:
            with open("/proc/self/clear_refs", "w") as file:  # noqa: PTH123
                file.write("5")
        except OSError:
            pass  # then the peak counts from the start of the program


def peak_memory(device: torch.device) -> int:
    """Return the most bytes taken: on the card for CUDA, else by this process as a whole."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    if sys.platform == "linux":
        with open("/proc/self/status") as file:  # noqa: PTH123
            for line in file:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def release_memory(device: torch.device) -> None:
    """Give cached memory back to the card, and what the allocator holds back to the system."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):  # only glibc can
            ctypes.CDLL(None).malloc_trim(0)


@lru_cache
def return_large_blocks() -> None:
    """Make glibc return freed blocks of at least `LARGE_BLOCK` bytes at once, from now on.

    Otherwise it raises that limit to 32 MiB by itself, and keeps what lies between blocks in use:
    style transfer with VGG-19 at 512 pixels (float32) took 1,217 MiB without this, and 1,078 with
    it. A limit that the user has set stays.
    """
    mmap_threshold = -3  # M_MMAP_THRESHOLD of malloc.h
    asked = "MALLOC_MMAP_THRESHOLD_" in os.environ or (
        "glibc.malloc.mmap_threshold" in os.environ.get("GLIBC_TUNABLES", "")
    )
    if sys.platform == "linux" and not asked:
        with suppress(OSError, AttributeError):  # only glibc can
            ctypes.CDLL(None).mallopt(mmap_threshold, LARGE_BLOCK)


def cores() -> int:
    """Return how many processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
