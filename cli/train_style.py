"""`train-style`: train your own style network, with progress, Ctrl-C and resuming."""

import json
import time
from argparse import Namespace
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli.guard import say
from cli.options import Parser, add_device, add_output_options, add_setting, chosen_of
from cli.wording import program, worded
from engine import settings
from engine.errors import BadInput
from engine.training.styles.settings import Order, StyleTraining

if TYPE_CHECKING:
    from engine.training.styles.kept import Kept
    from engine.training.styles.train import Progress

EVERY = 0.2
"""Seconds between two updates of the progress bar."""
ENDS = ("minutes", "steps")
"""Settings that may be changed when a training is resumed."""


def parser() -> Parser:
    """Return the command's parser."""
    made = Parser(
        prog=f"{program()} train-style",
        description="Train a style network from a painting. Use it like any style network: "
        "stylize PHOTO --style-network FILE. Ctrl-C keeps what has been learned; --resume continues.",
    )
    add = made.add_argument
    add("paintings", metavar="PAINTING", nargs="*", type=Path, help="the paintings to learn")
    add("-o", "--output", metavar="FILE.safetensors", type=Path,
        help="the network to write; may be left out with --resume")  # fmt: skip
    add("--resume", metavar="FILE", type=Path,
        help="continue the interrupted training of this network; --minutes and --steps then count "
        "from its beginning")  # fmt: skip
    add("--add-to", metavar="FILE", type=Path,
        help="with --kind many: a network for many styles, which learns these as well; only their "
        "scales and shifts are trained, and the styles it knows stay as they are")  # fmt: skip
    add_device(add, "auto")
    add("--precision", default="auto", choices=("auto", "fp32", "bf16"), metavar="PRECISION",
        help="auto (bf16 where it is faster), fp32 or bf16 (default: auto)")  # fmt: skip
    add_output_options(add)
    groups: dict[str, Any] = {}
    for entry in settings.describe(StyleTraining).values():
        if entry.group not in groups:
            groups[entry.group] = made.add_argument_group(entry.group.lower())
        add_setting(groups[entry.group], entry)
    return made


def run(argv: list[str]) -> int:
    """Train; return the exit code. Raises `PareidoliaError`s."""
    options = parser().parse_args(argv)
    order, kept = _begun(options) if options.resume is None else _gone_on(options)
    order.check()
    from cli.interrupting import handled
    from cli.running import Interrupt
    from engine.training.styles.train import train

    interrupt = Interrupt(options.quiet, "stopping after this step; Ctrl-C again stops at once")
    with (
        handled(interrupt),
        closing(train(order, kept)) as training,
        _Shown(options.quiet) as shown,
    ):
        for progress in training:
            shown.show(progress)
            if interrupt.asked:
                break
    if shown.last.stage == "reading photos":
        return interrupt.exit_code
    _tell(order, shown.last, options)
    return 0 if shown.last.stage == "done" else interrupt.exit_code


def _begun(options: Namespace) -> "tuple[Order, Kept | None]":
    if options.output is None:
        raise BadInput("-o FILE.safetensors is missing: it says where the network goes")
    chosen = chosen_of(settings.describe(StyleTraining), options)
    made = settings.make(StyleTraining, chosen)
    paintings = tuple(path.expanduser() for path in options.paintings)
    add_to = None if options.add_to is None else options.add_to.expanduser()
    output = options.output.expanduser()
    return Order(output, paintings, made, add_to, options.device, options.precision), None


def _gone_on(options: Namespace) -> "tuple[Order, Kept | None]":
    from engine.training.styles.kept import changed, read_kept

    kept = read_kept(options.resume)
    if options.paintings or options.add_to is not None:
        what = "paintings" if options.paintings else "network"
        raise BadInput(f"--resume goes on with the {what} that it was begun with: leave out others")
    output = kept.order.output
    if options.output is not None and options.output.expanduser().absolute() != output.absolute():
        raise BadInput(f"--resume goes on with {output}: leave out -o, or give the same")
    chosen = chosen_of(settings.describe(StyleTraining), options)
    if others := [name for name in chosen if name not in ENDS]:
        own = settings.describe(StyleTraining)[others[0]]
        raise BadInput(own.mention(), " stays as the training was begun: leave it out of --resume")
    where = {"device": options.device, "precision": options.precision}
    kept = changed(kept, **chosen, **{n: text for n, text in where.items() if text != "auto"})
    return kept.order, kept


class _Shown:
    """A bar on standard error, with the losses and the time that is left."""

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet
        self._told = ""
        self._due = 0.0

    def __enter__(self) -> "_Shown":
        from tqdm import tqdm

        from cli.running import progress_stream

        form = "{desc}{percentage:3.0f}%|{bar}| {postfix}"
        self._bar = tqdm(
            total=1.0, disable=self._quiet, file=progress_stream(), bar_format=form, delay=1e-3
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def show(self, progress: "Progress") -> None:
        """Show how far it is."""
        self.last = progress
        if progress.note != self._told:
            self._told = progress.note
            if not self._quiet:
                self._bar.clear()
                say(progress.note)
        now = time.monotonic()
        if self._quiet or (now < self._due and progress.share < 1):
            return
        self._due = now + EVERY
        self._bar.set_description_str(f"{progress.stage}: ", refresh=False)
        if progress.step:
            words = [f"step {progress.step}", *_losses(progress)]
            if progress.left is not None:
                words.append(f"{_clock(progress.left)} left")
            self._bar.set_postfix_str(", ".join(words), refresh=False)
        self._bar.n = progress.share
        self._bar.refresh()


def _losses(progress: "Progress") -> list[str]:
    return [f"{name} {value:.3g}" for name, value in progress.losses.items()]


def _clock(seconds: float) -> str:
    hours, rest = divmod(round(seconds), 3600)
    minutes, seconds = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{seconds:02.0f}" if hours else f"{minutes}:{seconds:02.0f}"


def _tell(order: Order, last: "Progress", options: Namespace) -> None:
    """Print the result, and what to do with it."""
    finished = last.stage == "done"
    file = order.output if finished else order.checkpoint
    if options.json:
        from engine.device import MIB, choose_device, choose_precision, name_of, peak_memory
        from engine.training.styles.paintings import Judge

        device = choose_device(order.device)
        figures = {
            "output": str(file),
            "finished": finished,
            "kind": order.settings.kind,
            "iterations": last.step,
            "seconds": round(last.seconds, 2),
            "seconds_per_iteration": round(last.seconds / max(last.step, 1), 4),
            "losses": {name: round(value, 5) for name, value in last.losses.items()},
            "peak_memory_mib": round(peak_memory(device) / MIB, 1),
            "network": Judge.NAME,
            "device": device.type,
            "precision": name_of(choose_precision(order.precision, device)),
            "seed": order.settings.seed,
        }
        print(json.dumps(figures))
        return
    told = f"{file}: {last.step} steps in {_clock(last.seconds)}; {', '.join(_losses(last))}"
    print(worded(told))
    if not finished:
        print(f"to continue: {program()} train-style --resume {order.output}")
