"""The program as a person starts it: how much memory it takes, how soon it answers, its forecasts."""

import json
import math
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import torch

from engine.device import choose_precision, name_of
from engine.forecasting import forecast
from engine.image import save_picture
from engine.job import Inputs, Job, run
from engine.networks.network import Network
from engine.techniques.deep_dream import DeepDream
from engine.techniques.style_transfer import StyleTransfer
from tests.benchmarks.inputs import ROOT, inputs, network, painting, photo, weights
from tests.benchmarks.table import Row, at_most

SET_BY_THE_TESTS = {"OMP_WAIT_POLICY"}
MEMORY_LIMIT = 1126.0
"""MiB: 1.1 GiB."""
HELP_LIMIT = 0.5
FORECAST = (0.7, 1.3)


def main_py(*arguments: str, options: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """Run the command line in a fresh process."""
    command = [sys.executable, *options, str(ROOT / "main.py"), *arguments]
    # As a person has it: without what the tests' conftest sets for themselves.
    plain = {k: v for k, v in os.environ.items() if k not in SET_BY_THE_TESTS}
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env=plain)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done


def memory_rows(name: str, device: torch.device, side: int) -> Iterator[Row]:
    """Yield the most memory that the command line takes for a run of few iterations."""
    for precision in ("bf16", "fp32") if name == "vgg19" else ("auto",):
        with tempfile.TemporaryDirectory() as folder:
            content = save_picture(photo(side), Path(folder, "content.png"))
            style = save_picture(painting(side), Path(folder, "style.png"))
            file = weights(name)
            figures = json.loads(
                main_py(
                    "style-transfer", str(content), "--style", str(style),
                    "-o", str(Path(folder, "out.png")), "--network", name,
                    *(("--weights", str(file)) if file else ()),
                    "--size", str(side), "--iterations", "4", "--smallest-scale", "65536",
                    "--precision", precision, "--device", device.type, "--quiet", "--json",
                ).stdout
            )  # fmt: skip
        yield Row(
            f"{name} {figures['precision']} {side} px: most memory",
            figures["peak_memory_mib"],
            "MiB",
            at_most(MEMORY_LIMIT),
            note="of the card" if device.type == "cuda" else "the whole process",
        )


def import_rows() -> Iterator[Row]:
    """Yield what a process holds before it does anything: a floor under its memory."""
    script = (
        "import torch, psutil; print(psutil.Process().memory_info().rss / 2**20)",
        "import torch, torchvision, psutil; print(psutil.Process().memory_info().rss / 2**20)",
    )
    for what, text in zip(("torch", "torch and torchvision"), script, strict=True):
        done = subprocess.run(
            [sys.executable, "-c", text], capture_output=True, text=True, check=True
        )
        yield Row(f"memory after importing {what}", float(done.stdout), "MiB")


def help_rows(times: int = 5) -> Iterator[Row]:
    """Yield how soon `main.py --help` answers, and whether it imports torch for that."""
    measured = []
    for _ in range(times):
        began = time.perf_counter()
        main_py("--help")
        measured.append(time.perf_counter() - began)
    modules = main_py("--help", options=("-X", "importtime")).stderr
    torch_too = bool(re.search(r"\|\s+torch$", modules, re.MULTILINE))
    yield Row(
        "main.py --help",
        statistics.median(measured),
        target=at_most(HELP_LIMIT),
        details={"all": measured},
    )
    yield Row("main.py --help: imports of torch", float(torch_too), unit="", target=at_most(0))


def forecast_rows(device: torch.device, iterations: int) -> Iterator[Row]:
    """Yield how long two small jobs took, relative to what was forecast."""
    side = 256
    dtype = choose_precision("auto", device)
    loaded = network("slim_vgg", device, dtype)
    jobs = (
        Job(StyleTransfer(iterations=iterations), inputs(side), size=side, device=device.type,
            precision=name_of(dtype)),
        Job(DeepDream(iterations=iterations), Inputs(photo(side)), size=side, device=device.type,
            precision=name_of(dtype)),
    )  # fmt: skip
    for wanted in jobs:
        yield _forecast_row(wanted, loaded)


def _forecast_row(wanted: Job, loaded: Network) -> Row:
    told = forecast(wanted, loaded)
    began = time.perf_counter()
    for _ in run(wanted, loaded):
        pass
    real = time.perf_counter() - began
    return Row(
        f"{wanted.technique.command} {wanted.size} px: forecast / real time",
        told.seconds / real if real else math.inf,
        unit="",
        target=FORECAST,
        note=f"{told.seconds:.3g} s / {real:.3g} s",
        details={"forecast": told.seconds, "real": real, "processors": os.cpu_count()},
    )
