"""`stylize FILM`: each frame of a film in the style of paintings, with its sound."""

import json
import sys
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from cli.wording import worded
from engine.errors import BadInput
from engine.film_reader import is_film

if TYPE_CHECKING:
    from engine.job import Job


def wants_film(options: Namespace) -> bool:
    """Return whether a film takes the photo's place. Raises `BadInput` for options not meant for it."""
    if not is_film(options.content):
        return False
    for given, name in (
        (options.forecast, "--forecast"), (options.project, "--project"),
        (options.sheet, "--sheet"), (options.figure, "--figure"),
    ):  # fmt: skip
        if given:
            raise BadInput(f"{name} takes a photo, and {options.content} is a film")
    return True


def make_film(job: "Job", options: Namespace) -> int:
    """Stylize the film; return the exit code."""
    from tqdm import tqdm

    from cli.interrupting import handled
    from cli.running import Interrupt, progress_stream
    from engine.device import choose_device, choose_precision
    from engine.networks.loading import load_network
    from engine.work.stylized_film import stylize_film

    network = load_network(job.network, job.weights, preprocessing=job.preprocessing)
    device = choose_device(job.device)
    network.move(device, choose_precision(job.precision, device))
    said = "stopping after this frame; Ctrl-C again stops at once"
    interrupt = Interrupt(options.quiet, said)
    bar = tqdm(unit="frame", disable=options.quiet, file=progress_stream(), desc="Film")
    with handled(interrupt), bar:

        def shown(done: int, total: int | None) -> None:
            bar.total = total if total is None or total >= done else None
            bar.update(done - bar.n)

        source, output = Path(str(options.content)), Path(options.output)
        made = stylize_film(job, source, output, network, lambda: interrupt.asked, shown)
    if made.note:
        print(f"pareidolia: {worded(made.note)}", file=sys.stderr)
    figures = {
        "output": str(made.path),
        "frames": made.frames,
        "scenes": made.scenes,
        "size": list(reversed(made.size)),
        "seconds": round(made.seconds, 3),
        "flicker": round(made.flicker, 3),
    }
    if options.json:
        print(json.dumps(figures))
    else:
        pace = made.frames / made.seconds
        print(f"{made.path}: {made.frames} frames in {made.seconds:.1f} s ({pace:.1f} frames/s)")
    return interrupt.exit_code if made.stopped else 0
