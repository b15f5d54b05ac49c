"""How time and memory grow with the size of a picture, whole and in tiles."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from engine.image import save_picture
from tests.benchmarks.inputs import ROOT, painting, photo, weights
from tests.benchmarks.table import Row

SIDES = (512, 1024, 2048, 4096)
STYLE_SIDE = 512
LEAST = 2048
"""MiB of a run above which it is measured again with half of them: smaller ones are mostly PyTorch."""


def rows(name: str, device: torch.device, sides: tuple[int, ...] = SIDES) -> Iterator[Row]:
    """Yield the seconds of an iteration on square pictures: as large as it likes, then in half of that.

    Every run is a process of its own, as the most memory is a process's.
    """
    file = weights(name)
    with tempfile.TemporaryDirectory() as folder:
        style = save_picture(painting(STYLE_SIDE), Path(folder, "style.png"))
        for side in sides:
            content = save_picture(photo(side), Path(folder, f"{side}.png"))
            row = _row(name, file, content, style, side, None, device)
            yield row
            memory = float(row.details.get("memory", 0))
            if memory >= LEAST:
                yield _row(name, file, content, style, side, round(memory / 2), device)


def _row(
    name: str, file: Path | None, content: Path, style: Path, side: int, memory: int | None,
    device: torch.device,
) -> Row:  # fmt: skip
    label = f"{name} {side} px, " + ("memory auto" if memory is None else f"memory {memory} MiB")
    command = [
        sys.executable, "-m", "tests.benchmarks.measured_run", str(content), str(style),
        "--network", name, "--size", str(side), "--device", device.type,
        *(("--weights", str(file)) if file else ()),
        *(("--memory", str(memory)) if memory else ()),
    ]  # fmt: skip
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        return Row(f"{label}: iteration", None, note=reason)
    found: dict[str, Any] = json.loads(done.stdout)
    each = found["seconds"] / (side * side / 1e6)
    tiles = "whole" if found["tiles"] == 1 else f"{found['tiles']} tiles"
    return Row(
        f"{label}: iteration",
        found["seconds"],
        note=f"{each:.3g} s/megapixel; {found['memory']:,.0f} MiB at most; {tiles}",
        details={**found, "seconds_per_megapixel": each},
    )
