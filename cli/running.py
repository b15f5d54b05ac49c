"""Running a job from the command line: progress, Ctrl-C, the picture, the film, the figures."""

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import IO, Any

from cli.guard import INTERRUPTED
from cli.interrupting import Ended, handled, let_go_of_terminal
from cli.wording import worded
from engine.export import Export
from engine.image import Picture
from engine.job import Job
from engine.outputs import Sources
from engine.task import Frame
from engine.work.making import Frames, Keep, MakeRequest, make


class Interrupt:
    """The first signal stops after this iteration, the second at once."""

    def __init__(
        self, quiet: bool, said: str = "stopping after this iteration; Ctrl-C again stops at once"
    ) -> None:
        self.asked = False
        self.said = said
        self.quiet = quiet
        self.exit_code = INTERRUPTED

    def __call__(self, number: int, _frame: FrameType | None) -> None:
        """Handle a signal."""
        if self.asked:
            raise Ended(number)
        self.asked = True
        self.exit_code = 128 + number
        if not self.quiet:
            with suppress(OSError):  # the terminal may be gone
                # Not `print`: the bar may be in the middle of printing.
                os.write(2, f"\n{self.said}\n".encode())
        let_go_of_terminal(number)


def run_job(
    job: Job, output: Path, *, quiet: bool = False, bits: int = 8, reel: Path | None = None,
    rate: float = 24.0, read: Sources | None = None, export: Export | None = None,
    checkpoint: Callable[[], bytes | None] | None = None, keep: Keep | None = None,
) -> tuple[int, dict[str, Any]]:  # fmt: skip
    """Run `job`, write its picture to `output`; return the exit code and the figures.

    With `reel`, the frames of a film go there too, `rate` a second. `read` are files read besides the
    job's own sources; `export` says how the picture is written. `engine.work.making`, which also gets
    `checkpoint` and `keep`, decides what is kept of a run that ends early.
    """
    interrupt = Interrupt(quiet)

    def shown(opened: Job, frames: Frames) -> Frames:
        with _progress(quiet, opened) as show:
            for frame in frames:
                show(frame)
                yield frame

    with handled(interrupt):
        order = MakeRequest(
            job,
            output,
            bits,
            reel,
            rate,
            read or Sources(),
            export or Export(),
            checkpoint=checkpoint,
            keep=keep,
            rescued=True,
        )
        made = make(order, lambda: interrupt.asked, shown)
    notes = [made.continued] if made.continued else []
    if made.frame is not None and made.frame.note:
        notes.append(worded(made.frame.note))
    if notes and made.figures:
        made.figures["note"] = " ".join(notes)
    ended_early = made.stopped or made.frame is None
    return (interrupt.exit_code if ended_early else 0), made.figures


class _Lasting:
    """A stream whose terminal may disappear, which must not cost the picture."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> None:
        with suppress(OSError):
            self._stream.write(text)

    def flush(self) -> None:
        with suppress(OSError):
            self._stream.flush()


def progress_stream() -> Any:
    """Return standard error for a progress bar, guarded against losing its terminal."""
    return _Lasting(sys.stderr)


@contextmanager
def _progress(quiet: bool, job: Job) -> Iterator[Callable[[Frame], None]]:
    """Give a function that shows a frame in a bar on standard error."""
    from tqdm import tqdm

    title = job.technique.title
    # Without delay tqdm prints at once, even if only a line about an error follows.
    shown = progress_stream()
    with tqdm(unit="it", disable=quiet, file=shown, desc=title, delay=1e-3) as bar:

        def show(frame: Frame) -> None:
            if not bar.n and not quiet:
                shown.write("".join(f"{line}\n" for line in about(job)))
                # The steps of an earlier run, which this one continues, took none of its time.
                bar.initial = bar.n = frame.iteration - 1
            bar.total = frame.total
            main = frame.losses.get("total", frame.losses.get("objective"))
            number = "" if main is None else f", {main:.4g}"
            bar.set_postfix_str(frame.stage + number, refresh=False)
            bar.update(frame.iteration - bar.n)

        yield show


def about(job: Job) -> list[str]:
    """Return what to say of an opened job before it runs: first, how large the picture will be."""
    content = job.inputs.content
    line = f"size {job.size}: the longer side in pixels"
    if isinstance(content, Picture):
        width, height = content.full_size or (content.width, content.height)
        as_large = job.size == max(width, height)
        line += ", as the photo has" if as_large else (
            f"; the photo has {width} x {height} (--size photo is as large)"
        )  # fmt: skip
    notes = [source.note for source in job.inputs.sources if isinstance(source, Picture)]
    return [line, *(note for note in notes if note)]


def finish(code: int, figures: dict[str, Any], as_json: bool) -> int:
    """Print the result and return the exit code."""
    if "note" in figures:
        print(f"pareidolia: {figures['note']}", file=sys.stderr)
    if as_json and figures:
        print(json.dumps(figures))
    elif figures:
        counted = "iteration" if figures["iterations"] == 1 else "iterations"
        print(
            f"{figures['output']}: {figures['iterations']} {counted} in {figures['seconds']:.1f} s "
            f"({figures['network']}, {figures['device']}, {figures['precision']})"
        )
        for name in ("verdict", "speed"):
            if name in figures:
                print(figures[name])
    return code
