"""Seconds that class visualizations and a hierarchy of features take, beside the floor."""

import statistics
import time
from collections.abc import Iterator
from itertools import pairwise

import torch

from engine.device import choose_precision, name_of
from engine.job import Job, run
from engine.networks.loading import load_network
from engine.networks.network import Network
from engine.techniques.class_visualization import ClassVisualization
from engine.techniques.hierarchy import Hierarchy
from tests.benchmarks.floor import Floor, floor
from tests.benchmarks.inputs import data_file, network
from tests.benchmarks.speed import REFERENCE_RATE, WARM_UP, iteration_seconds
from tests.benchmarks.table import Absent, Row, at_most

STEPS = 512
TIMES = 20
CLASSES = {"slim_vgg": 60.0, "squeezenet1_1": 90.0}
"""Seconds that a class visualization may take on the processor that the targets were set on."""
SIDE = 224
LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_2", "relu5_1")
CHANNELS = 6
TILE = 128
EACH = 256
"""Steps for each layer of the hierarchy."""
LONGEST = 300.0


def rows(device: torch.device) -> Iterator[Row]:
    """Yield a row for each network's class visualization, and one for a hierarchy."""
    dtype = choose_precision("auto", device)
    for name, target in CLASSES.items():
        try:
            yield _class_row(loaded_network(name, device, dtype), target)
        except Absent as reason:
            yield Row(f"class visualization, {name}", None, note=str(reason))
    yield _hierarchy_row(network("slim_vgg", device, dtype))


def loaded_network(name: str, device: torch.device, dtype: torch.dtype) -> Network:
    if name == "slim_vgg":
        return network(name, device, dtype)
    return load_network(name, data_file(f"weights/{name}.pth")).move(device, dtype)


def _class_row(loaded: Network, target: float) -> Row:
    technique = ClassVisualization(target="0", iterations=WARM_UP + TIMES)
    wanted = Job(
        technique, network=loaded.card.name, size=SIDE, device=loaded.device.type,
        precision=name_of(loaded.dtype),
    )  # fmt: skip
    each = iteration_seconds(wanted, loaded, TIMES)
    # Whatever the picture's size, the network sees views of its own.
    least = floor(loaded, loaded.card.input_size, list(loaded.calls())[-1], 5)
    what = f"{loaded.card.name} {name_of(loaded.dtype)} {SIDE} px: class visualization"
    seconds = STEPS * statistics.median(each)
    return _row(f"{what}, {STEPS} steps", seconds, target, loaded, [least], STEPS, each)


def _hierarchy_row(loaded: Network) -> Row:
    times = TIMES // len(LAYERS)
    size = CHANNELS * (TILE + 2) - 2
    technique = Hierarchy(
        layer=",".join(LAYERS), units=str(CHANNELS), iterations=WARM_UP + times, resume=False,
    )  # fmt: skip
    wanted = Job(
        technique, network=loaded.card.name, size=size, device=loaded.device.type,
        precision=name_of(loaded.dtype),
    )  # fmt: skip
    moments = [time.perf_counter() for _ in run(wanted, loaded)]
    each = []
    for first in range(0, len(moments), WARM_UP + times):
        of_layer = moments[first + WARM_UP - 1 : first + WARM_UP + times]
        each.append(statistics.median(b - a for a, b in pairwise(of_layer)))
    floors = [floor(loaded, loaded.card.input_size, layer, 5) for layer in LAYERS]
    what = f"{loaded.card.name} {name_of(loaded.dtype)}: hierarchy, {len(LAYERS)} layers of"
    return _row(
        f"{what} {CHANNELS} channels, {TILE} px, {EACH} steps", EACH * sum(each), LONGEST, loaded,
        floors, EACH * CHANNELS, each,
    )  # fmt: skip


def _row(
    what: str, seconds: float, target: float, loaded: Network, floors: list[Floor], times: int,
    each: list[float],
) -> Row:  # fmt: skip
    """Return the row; every one of `floors` counts `times`."""
    gflop = times * sum(f.gflop for f in floors)
    on_cpu = loaded.device.type == "cpu"
    return Row(
        what,
        seconds,
        target=at_most(target),
        floor=times * sum(f.seconds for f in floors),
        ratio_target=target / (gflop / REFERENCE_RATE[loaded.dtype]) if on_cpu else None,
        note=f"extrapolated from {len(each)} x {statistics.mean(each):.3g} s",
        details={"all": each, "gflop": gflop},
    )
