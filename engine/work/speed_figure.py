"""The figure of a comparison of one pass with optimization: a line, and curves that cross it."""

import textwrap
from math import ceil
from pathlib import Path

from engine.errors import BadInput
from engine.files import replacing
from engine.work.speed_comparison import SpeedComparison

KINDS = (".png", ".svg", ".pdf")
WIDTH, HEIGHT = 5.6, 5.0
"""Size of a panel, in inches."""
LEAST = 1e-4
"""Of a loss: one of 0, as of a photo that is its own painting, has no logarithm."""
LETTERS = 15
"""Letters per inch in a line of small type."""


def check_figure(path: Path) -> None:
    """Check, before anything is measured, that the figure can be drawn. Raises `BadInput`."""
    if path.suffix.lower() not in KINDS:
        raise BadInput(f"{path} cannot be a figure: end its name in {', '.join(KINDS)}")
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise BadInput(f"{path} needs the package matplotlib (pip install matplotlib)") from None


def draw(found: SpeedComparison, path: Path) -> None:
    """Draw loss over time, one panel for each judge. Raises `BadInput` if it cannot be written."""
    from matplotlib.figure import Figure

    wide = WIDTH * len(found.judges)
    figure = Figure(figsize=(wide, HEIGHT), layout="constrained", dpi=150)
    panels = figure.subplots(1, len(found.judges), squeeze=False)[0]
    for panel, judge in zip(panels, found.judges, strict=True):
        line, start = max(found.pass_losses[judge], LEAST), max(found.start_losses[judge], LEAST)
        panel.axhline(line, color="C3", linewidth=1)
        panel.plot([found.pass_seconds], [line], "o", color="C3",
                   label=f"one pass, {_seconds(found.pass_seconds)}")  # fmt: skip
        for number, curve in enumerate(found.curves):
            reached = curve.reaches(judge, line)
            name = curve.name if reached is None else f"{curve.name}, as far in {_seconds(reached)}"
            panel.plot(
                curve.seconds,
                [max(v, LEAST) for v in curve.losses[judge]],
                color=f"C{number}",
                label=name,
            )
            if reached is not None:
                panel.axvline(reached, color=f"C{number}", linewidth=0.8, linestyle=":")
        panel.axhline(start, color="0.6", linewidth=0.8, linestyle="--")
        panel.annotate("the photo itself", (0.02, start), (0, -12),
                       xycoords=("axes fraction", "data"), textcoords="offset points",
                       color="0.4", fontsize="small")  # fmt: skip
        panel.set(xscale="log", yscale="log", xlabel="seconds, without loading", ylabel="loss",
                  title=f"judged by {judge}")  # fmt: skip
        panel.legend(fontsize="small", loc="lower left")
    height, width = found.size
    figure.suptitle(f"{width} x {height} pixels on the {found.device.upper()}", fontsize="medium")
    figure.supxlabel(textwrap.fill(in_words(found), round(LETTERS * wide)), fontsize="small")
    with replacing(path) as file:
        figure.savefig(file, format=path.suffix[1:].lower())


def in_words(found: SpeedComparison) -> str:
    """Return what the figure says, in sentences."""
    said = [f"One pass takes {_seconds(found.pass_seconds)}."]
    for judge in found.judges:
        reached = [(c.reaches(judge, found.pass_losses[judge]), c.name) for c in found.curves]
        known = [(at, name) for at, name in reached if at is not None]
        if known:
            at, name = min(known)
            said.append(f"Judged by {judge}, {name} gets as far in {_seconds(at)}.")
        elif reached:
            said.append(f"Judged by {judge}, optimization does not get as far in the time given.")
    if found.training_minutes:
        training = f"Training took {_number(found.training_minutes)} minutes"
        pays = found.pays_after(found.judges[0])
        pays_words = "" if pays is None else f": that pays after {ceil(pays)} pictures"
        said.append(f"{training}{pays_words}.")
    return " ".join(said)


def _seconds(seconds: float) -> str:
    return f"{_number(seconds)} s"


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 20 else f"{value:.2g}"
