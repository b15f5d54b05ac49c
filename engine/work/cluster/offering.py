"""A machine that offers its devices to a Dask scheduler: a process for each, restarted if it dies."""

import asyncio
import ctypes
import os
import platform
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

from engine.errors import PareidoliaError
from engine.work.cluster.address import SchedulerAddress, check_dask, quiet_dask
from engine.work.cluster.connection import CONNECT_SECONDS, DEVICE
from engine.work.cluster.networks import store

AGAIN_SECONDS = 1.0
"""Seconds for each try to reach a scheduler that has gone, and between two tries."""
GRACE_SECONDS = 5.0
"""Seconds for a process to end by itself."""


def devices() -> list[str]:
    """Return what this machine computes on, one entry for each job that it can do at once."""
    if not _may_have_gpu():
        return ["cpu"]
    import torch

    if torch.cuda.is_available():
        return [f"cuda{number}" for number in range(torch.cuda.device_count())]
    return ["mps" if torch.backends.mps.is_available() else "cpu"]


def _may_have_gpu() -> bool:
    """Whether asking PyTorch is worth it, which takes seconds and memory that is never returned."""
    if sys.platform != "linux" or Path("/dev/kfd").exists():  # AMD's
        return True
    try:
        ctypes.CDLL("libcuda.so.1")  # NVIDIA's driver
    except OSError:
        return False
    return True


def offer(where: SchedulerAddress, said: Callable[[str], None], ended: Callable[[], bool]) -> None:
    """Make pictures for a scheduler until `ended` says so, even if it goes and comes back.

    Args:
        where: the scheduler.
        said: called with a sentence: what is offered, and when the scheduler has gone.
        ended: asked often.

    Raises:
        BadInput: Dask or a file for TLS is missing.
        PareidoliaError: no scheduler answers at the start.
    """
    check_dask()
    quiet_dask()
    asyncio.run(_offer(where, said, ended))


async def _offer(
    where: SchedulerAddress, said: Callable[[str], None], ended: Callable[[], bool]
) -> None:
    security = where.security()
    if not await _answers(where, security, CONNECT_SECONDS):
        raise PareidoliaError(
            f"no scheduler answers at {where.address}: start one there (dask scheduler), or check the"
            " address and the certificates"
        )
    store().mkdir(parents=True, exist_ok=True)
    offered = devices()
    while not ended():
        async with AsyncExitStack() as stack:
            nannies = [await _begun(stack, where, security, device) for device in offered]
            said(f"making pictures for {where.address} ({', '.join(offered)}); Ctrl-C ends it")
            while not ended() and not any(n.status.name in ("closed", "failed") for n in nannies):
                await asyncio.sleep(0.1)
        if not ended():
            said(f"the scheduler at {where.address} has ended: waiting for it")
        while not ended() and not await _answers(where, security, AGAIN_SECONDS):
            await asyncio.sleep(AGAIN_SECONDS)


async def _answers(where: SchedulerAddress, security: Any, seconds: float) -> bool:
    from distributed.comm.core import connect

    arguments = security.get_connection_args("worker")
    try:
        comm = await connect(where.address, timeout=seconds, **arguments)
        await comm.close()
    except Exception:  # Dask's, tornado's and the system's own ways
        return False
    return True


async def _begun(stack: AsyncExitStack, where: SchedulerAddress, security: Any, device: str) -> Any:
    from distributed import Nanny

    kind = device.rstrip("0123456789")
    resources = {DEVICE: 1.0}
    environment = {}
    if kind != "cpu":
        resources[f"{DEVICE}-{kind}"] = 1.0
    if kind == "cuda":  # so that each process sees its own card, and calls it cuda
        among = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
        number = int(device[len(kind) :])
        environment["CUDA_VISIBLE_DEVICES"] = among[number] if among != [""] else str(number)
    host = {"host": "127.0.0.1" if where.host != "::1" else "::1"} if where.local else {}
    nanny = Nanny(
        where.address, nthreads=1, resources=resources, security=security, env=environment,
        name=f"{platform.node()} {device} {os.getpid()}", memory_limit=0, silence_logs=50,
        local_directory=str(_scratch()), dashboard=False, death_timeout=60, **host,
    )  # fmt: skip

    async def close() -> None:
        with suppress(Exception):
            await asyncio.wait_for(nanny.close(timeout=GRACE_SECONDS), 2 * GRACE_SECONDS)

    stack.push_async_callback(close)
    await nanny
    return nanny


def _scratch() -> Path:
    """Return where Dask may put files: a lock and, as there is no memory limit, nothing else."""
    return store() / "dask"
