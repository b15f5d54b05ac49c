"""Seconds per iteration of style transfer, beside the floor."""

import statistics
import time
from collections.abc import Iterator
from itertools import islice

import torch

from engine.device import name_of
from engine.job import Job, run
from engine.networks.network import Network
from engine.techniques.style_transfer import StyleTransfer
from tests.benchmarks.floor import Floor, floor
from tests.benchmarks.inputs import inputs, network
from tests.benchmarks.table import Row, at_most

STATISTICS = ("gram", "wasserstein")
REFERENCE_RATE = {torch.float32: 525.0, torch.bfloat16: 1060.0}
"""GFLOP/s of convolutions on the two processor cores that the CPU's targets were set on."""
WARM_UP = 2
DEEPEST = "relu5_1"


def job(name: str, side: int, dtype: torch.dtype, device: torch.device, **settings: object) -> Job:
    """Return a style transfer at one size on the pictures that all rows share."""
    technique = StyleTransfer(**{"smallest_scale": 65536, **settings})  # type: ignore[arg-type]
    return Job(
        technique, inputs(side), name, size=side, device=device.type, precision=name_of(dtype)
    )


def iteration_seconds(wanted: Job, loaded: Network, times: int) -> list[float]:
    """Return the seconds of single iterations after warming up."""
    frames = run(wanted, loaded)
    moments = []
    for _ in islice(frames, WARM_UP + times):
        moments.append(time.perf_counter())
    frames.close()  # type: ignore[attr-defined]
    return [b - a for a, b in zip(moments[WARM_UP - 1 :], moments[WARM_UP:], strict=False)]


def rows(
    name: str, dtype: torch.dtype, device: torch.device, side: int, times: int, target: float | None
) -> Iterator[Row]:
    """Yield a row for the floor and one for each style statistic."""
    loaded = network(name, device, dtype)
    least = floor(loaded, side, DEEPEST, times)
    label = f"{name} {name_of(dtype)} {side} px"
    yield Row(
        f"{label}: its convolutions", least.seconds, note=f"{least.gflop:.1f} GFLOP, the floor"
    )
    for statistic in STATISTICS:
        yield _row(label, statistic, dtype, loaded, least, side, times, target)


def _row(
    label: str, statistic: str, dtype: torch.dtype, loaded: Network, least: Floor, side: int,
    times: int, target: float | None,
) -> Row:  # fmt: skip
    wanted = job(
        loaded.card.name, side, dtype, loaded.device,
        style_statistic=statistic, iterations=WARM_UP + times,
    )  # fmt: skip
    measured = iteration_seconds(wanted, loaded, times)
    on_cpu = loaded.device.type == "cpu"
    return Row(
        f"{label}: iteration, {statistic}",
        statistics.median(measured),
        target=at_most(target),
        floor=least.seconds,
        ratio_target=target / (least.gflop / REFERENCE_RATE[dtype]) if target and on_cpu else None,
        note=f"best {min(measured):.3g} s",
        details={"best": min(measured), "all": measured, "gflop": least.gflop},
    )
