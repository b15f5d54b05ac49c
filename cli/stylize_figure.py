"""`stylize --figure FIGURE`: one pass against optimization, measured and drawn."""

import math
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import BadInput, WeightsMissing

if TYPE_CHECKING:
    from engine.job import Job
    from engine.networks.network import Network

JUDGES = ("slim_vgg", "vgg19")


def check(options: Namespace) -> None:
    """See, before the picture is made, that the figure can be. Raises `BadInput`."""
    if options.figure is None:
        if options.judge:
            raise BadInput("--judge is for a figure: give --figure FIGURE as well")
        return
    from engine.files import check_writable
    from engine.work.speed_figure import check_figure

    seconds = options.figure_seconds
    if not (math.isfinite(seconds) and 0 < seconds <= 86_400):
        raise BadInput(f"--figure-seconds is {seconds:g}; it must be above 0, and at most 86400")
    check_figure(options.figure)
    check_writable(options.figure)
    if options.figure.resolve() == Path(options.output).resolve():
        raise BadInput(f"--figure and --output are both {options.output}: name two files")


def draw(job: "Job", options: Namespace) -> str:
    """Measure and draw; return what the figure says."""
    from tqdm import tqdm

    from cli.interrupting import handled
    from cli.running import Interrupt, progress_stream
    from engine.stylization.finding import load_style_network, parse_networks
    from engine.work.speed_comparison import compare
    from engine.work.speed_figure import draw as draw_figure
    from engine.work.speed_figure import in_words

    painter = load_style_network(parse_networks(job.technique.style_network)[0][0])  # type: ignore[attr-defined]
    interrupt = Interrupt(options.quiet, "stopping after this step; Ctrl-C again stops at once")
    bar = tqdm(total=round(2 * options.figure_seconds), unit="s", disable=options.quiet,
               file=progress_stream(), desc="Figure")  # fmt: skip
    done: dict[str, float] = {}
    with handled(interrupt), bar:

        def shown(name: str, seconds: float) -> None:
            done[name] = min(seconds, options.figure_seconds)
            bar.set_postfix_str(name, refresh=False)
            bar.update(round(sum(done.values())) - bar.n)

        found = compare(
            job, _judges(options.judge, job), options.figure_seconds, painter.training_minutes,
            lambda: interrupt.asked, shown,
        )  # fmt: skip
    draw_figure(found, options.figure)
    return in_words(found)


def _judges(names: list[str] | None, job: "Job") -> "list[Network]":
    from engine.device import choose_device
    from engine.networks.loading import load_network

    device, found = choose_device(job.device), []
    for name in names or JUDGES:
        try:
            found.append(load_network(name, device=device))
        except WeightsMissing:
            if names or not found:
                raise
    return found
