"""Running a job from the command line: progress, Ctrl-C, the picture, the figures."""

import json
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from cli.guard import INTERRUPTED
from engine.errors import BadInput, Diverged, OutOfMemory
from engine.film import film
from engine.image import Picture, from_tensor, save_picture
from engine.image_saving import check_target
from engine.job import Job, figure_of, opened, run
from engine.project import check_apart
from engine.task import Frame


class _Interrupt:
    """Ctrl-C once: stop after this iteration. Twice: stop now."""

    def __init__(self, quiet: bool) -> None:
        self.asked = False
        self.quiet = quiet

    def __call__(self, _signal: int, _frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
        if not self.quiet:
            # Not `print`: the bar may be in the middle of printing.
            os.write(2, b"\nstopping after this iteration; Ctrl-C again stops at once\n")


@contextmanager
def _ctrl_c(quiet: bool) -> Iterator[_Interrupt]:
    interrupt = _Interrupt(quiet)
    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield interrupt
    finally:
        signal.signal(signal.SIGINT, before)


def run_job(
    job: Job, output: Path, *, quiet: bool = False, bits: int = 8, reel: Path | None = None,
    rate: float = 24.0,
) -> tuple[int, dict[str, Any]]:  # fmt: skip
    """Run `job`, write its picture to `output`; return the exit code and the figures.

    With `reel`, the frames of a film go there as well, `rate` a second.

    Stopped by Ctrl-C, or when numbers stop being finite or memory runs out, the picture so far is
    written beside `output` with `.partial` before the suffix.
    """
    check_output(output, bits)
    with _ctrl_c(quiet) as interrupt:
        job = opened(job)
        check_apart(output, job.inputs)
        frames = run(job)
        frame: Frame | None = None
        try:
            with _progress(quiet, job) as show, film(reel, rate) as take:
                for frame in frames:
                    show(frame)
                    if frame.film:
                        take(frame.picture)
                    if interrupt.asked:
                        break
        except (Diverged, OutOfMemory) as error:
            if frame is None:
                raise
            partial = _save(job, frame, _partial(output), bits)
            raise type(error)(f"{error} (the picture so far: {partial})") from error
        finally:
            frames.close()  # type: ignore[attr-defined]
        if frame is None:
            return INTERRUPTED, {}
        stopped = interrupt.asked and frame.iteration < frame.total
        path = _save(job, frame, _partial(output) if stopped else output, bits)
        figures = _figures(job, frame, path)
        explained = figure_of(job, frame.picture)
        if explained is not None:
            beside = path.with_name(f"{path.stem}.figure{path.suffix}")
            figures["figure"] = str(save_picture(explained, beside))
    return (INTERRUPTED if stopped else 0), figures


def check_output(output: Path, bits: int = 8) -> None:
    """See, before hours of work, that a picture can be saved at `output`. Raises `BadInput`."""
    try:
        check_target(output, bits)
        with tempfile.TemporaryFile(dir=output.parent):
            pass
    except OSError as error:
        reason = error.strerror or error
        raise BadInput(f"{output} cannot be written ({reason}): choose another path.") from error


def _partial(output: Path) -> Path:
    return output.with_name(f"{output.stem}.partial{output.suffix}")


def _save(job: Job, frame: Frame, path: Path, bits: int) -> Path:
    content = job.inputs.content
    like = content if isinstance(content, Picture) else None
    return save_picture(from_tensor(frame.picture, like), path, recipe=job.recipe(), bits=bits)


def _figures(job: Job, frame: Frame, path: Path) -> dict[str, Any]:
    from engine.device import choose_device, peak_memory

    device = choose_device(job.device)
    return {
        "iterations": frame.iteration,
        "seconds": round(frame.seconds, 3),
        "seconds_per_iteration": round(frame.seconds / frame.iteration, 4),
        "losses": frame.losses,
        "peak_memory_mib": round(peak_memory(device) / 2**20, 1),
        "network": job.network,
        "device": device.type,
        "precision": job.precision,
        "seed": job.seed,
        "output": str(path),
    }


@contextmanager
def _progress(quiet: bool, job: Job) -> Iterator[Callable[[Frame], None]]:
    """Give a function that shows a frame in a bar on standard error."""
    from tqdm import tqdm

    title = job.technique.title
    # Without delay tqdm prints at once, also where nothing follows but one line of what is wrong.
    with tqdm(unit="it", disable=quiet, file=sys.stderr, desc=title, delay=1e-3) as bar:

        def show(frame: Frame) -> None:
            bar.total = frame.total
            main = frame.losses.get("total", frame.losses.get("objective"))
            number = "" if main is None else f", {main:.4g}"
            bar.set_postfix_str(frame.stage + number, refresh=False)
            bar.update(frame.iteration - bar.n)

        yield show


def finish(code: int, figures: dict[str, Any], as_json: bool) -> int:
    """Print what came out and return the exit code."""
    if as_json and figures:
        print(json.dumps(figures))
    elif figures:
        print(
            f"{figures['output']}: {figures['iterations']} iterations in {figures['seconds']:.1f} s "
            f"({figures['network']}, {figures['device']}, {figures['precision']})"
        )
    return code
