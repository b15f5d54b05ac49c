"""python -m tests.benchmarks: measures speed and memory, prints a table, writes it as JSON.

Times depend on what else the machine does: compare the ratios to the floor, which is measured
beside them, rather than seconds of different hours.
"""

import argparse
import time
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import torch

from engine.device import choose_device, choose_precision, name_of
from tests.benchmarks import (
    ascent,
    attribution,
    floor,
    large,
    one_pass,
    program,
    quality,
    race,
    speed,
    style,
)
from tests.benchmarks.inputs import ROOT
from tests.benchmarks.table import Row, gather, processor, render, write_json

TARGETS: dict[str, dict[tuple[str, str], float | None]] = {
    "cpu": {("vgg19", "bf16"): 0.70, ("vgg19", "fp32"): 1.15, ("slim_vgg", "auto"): 0.20},
    "cuda": {("vgg19", "bf16"): 0.010, ("vgg19", "fp32"): None, ("slim_vgg", "auto"): 0.010},
}
"""Seconds per iteration at 512 pixels, by network and precision; devices not named: the CPU's."""

Part = tuple[str, Callable[[], list[Row]]]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    add = parser.add_argument
    add("--quick", action="store_true", help="fewer repetitions, shorter runs")
    add("--json", type=Path, default=ROOT / "out" / "bench.json", metavar="FILE")
    add("--device", default="auto", help="auto, cpu, cuda or mps (default: auto)")
    add("--only", default="", metavar="WORD", help="only the parts whose name has this word")
    add("--race-size", type=int, default=0, metavar="PX",
        help="picture size of both races (default: 256, quick: 128)")  # fmt: skip
    add("--race-share", type=float, default=0.0, metavar="SHARE",
        help="shorten the race with Crowson's style transfer, which takes half an hour, to this "
        "share of its iterations (default: 1, quick: 0.05)")  # fmt: skip
    return parser.parse_args()


def parts(device: torch.device, quick: bool, race_size: int, race_share: float) -> list[Part]:
    """Return the report's parts by name."""
    times = 3 if quick else 9
    side, iterations = (128, 20) if quick else (256, 60)
    race_side = race_size or (128 if quick else 256)
    share = race_share or (0.05 if quick else 1.0)
    found: list[Part] = []

    def add(what: str, part: Callable[[], Iterable[Row]]) -> None:
        found.append((what, lambda: list(part())))

    add("start", program.help_rows)
    if device.type == "cpu":
        add("memory of imports", program.import_rows)
    for dtype in (torch.float32, torch.bfloat16):
        add("convolutions", partial(floor.rate_rows, device, dtype, times))
    for (name, precision), target in TARGETS.get(device.type, TARGETS["cpu"]).items():
        dtype = choose_precision(precision, device)
        add(
            f"speed {name} {precision}",
            partial(speed.rows, name, dtype, device, 512, times, target),
        )
    for name in ("vgg19", "slim_vgg"):
        add(f"memory {name}", partial(program.memory_rows, name, device, 512))
    for name in ("slim_vgg", "vgg19"):
        sides = large.SIDES[: 2 if quick else None]
        add(f"large pictures {name}", partial(large.rows, name, device, sides))
    add("ascent", partial(ascent.rows, device))
    add("attribution", partial(attribution.rows, device))
    if not quick:
        add("style", partial(style.rows, device))
    add("one pass", partial(one_pass.rows, device))
    add("precision", partial(quality.precision_rows, device, side, iterations))
    add("race", partial(quality.race_rows, device, race_side, 40 if quick else 300))
    add("race with Crowson's", partial(race.rows, device, race_side, share))
    add("forecast", partial(program.forecast_rows, device, 30 if quick else 150))
    return found


def main() -> None:
    options = arguments()
    device = choose_device(options.device)
    began = time.time()
    every = parts(device, options.quick, options.race_size, options.race_share)
    wanted = [part for part in every if options.only in part[0]]
    rows = gather(wanted)
    about = {
        "processor": processor(),
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name() if device.type == "cuda" else device.type,
        "torch": torch.__version__,
        "auto precision": name_of(choose_precision("auto", device)),
        "quick": options.quick,
        "seconds": round(time.time() - began),
    }
    print()
    print(", ".join(f"{key} {value}" for key, value in about.items()))
    print(render(rows))
    write_json(options.json, rows, **about)
    print(f"\n{options.json}")


if __name__ == "__main__":
    main()
