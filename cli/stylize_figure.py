"""`stylize --figure FIGURE`: one pass against optimization, measured and drawn."""

import math
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import BadInput

if TYPE_CHECKING:
    from engine.job import Job


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
    from engine.work.speed_comparison import compare, training_minutes, usual_judges
    from engine.work.speed_figure import draw as draw_figure
    from engine.work.speed_figure import in_words

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
            job, usual_judges(job, options.judge or ()), options.figure_seconds,
            training_minutes(job.technique.style_network),  # type: ignore[attr-defined]
            lambda: interrupt.asked, shown,
        )  # fmt: skip
    draw_figure(found, options.figure)
    return in_words(found)
