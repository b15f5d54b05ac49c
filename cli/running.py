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
from engine.errors import BadInput, PareidoliaError
from engine.files import check_writable
from engine.film import Take, check_film, film, partial_film
from engine.image import Picture, from_tensor, open_picture, save_picture
from engine.image_saving import check_target
from engine.job import Job, carried, figure_of, opened, run, verdict_of
from engine.outputs import Output, Sources, keep_apart
from engine.project import sources
from engine.settings import describe
from engine.task import Frame


class _Interrupt:
    """Asked to end once: stop after this iteration. Twice: stop now."""

    def __init__(self, quiet: bool) -> None:
        self.asked = False
        self.quiet = quiet
        self.exit_code = INTERRUPTED

    def __call__(self, number: int, _frame: FrameType | None) -> None:
        if self.asked:
            raise Ended(number)
        self.asked = True
        self.exit_code = 128 + number
        if not self.quiet:
            with suppress(OSError):  # the terminal may have gone
                # Not `print`: the bar may be in the middle of printing.
                os.write(2, b"\nstopping after this iteration; Ctrl-C again stops at once\n")
        let_go_of_terminal(number)


def run_job(
    job: Job, output: Path, *, quiet: bool = False, bits: int = 8, reel: Path | None = None,
    rate: float = 24.0, read: Sources | None = None,
) -> tuple[int, dict[str, Any]]:  # fmt: skip
    """Run `job`, write its picture to `output`; return the exit code and the figures.

    With `reel`, the frames of a film go there as well, `rate` a second. `read` is what is read
    besides the job's own sources.

    Stopped by a signal, or when numbers stop being finite or memory runs out, the picture so far is
    written beside `output` with `.partial` before the suffix, and so is a video. What is finished is
    written even if something else cannot be; the first failure is raised when all has been tried.
    """
    interrupt = _Interrupt(quiet)
    with handled(interrupt):
        check_outputs(job, output, bits, reel, read or Sources())
        drawn = _Drawing(opened(job), interrupt)
        drawn.draw(reel, rate, quiet)
        job, frame = drawn.job, drawn.frame
        if frame is None:
            if drawn.failure is not None:
                raise drawn.failure
            return interrupt.exit_code, {}
        path = _save(job, frame, _partial(output) if drawn.stopped else output, bits)
        figures = _figures(job, frame, path)
        if frame.note:
            figures["note"] = worded(frame.note)
        if reel is not None and drawn.filmed:
            figures["film"] = str(partial_film(reel) if drawn.stopped else reel)
        if drawn.failure is None:
            from engine.networks.loading import load_network  # PyTorch: not for a mistake

            try:
                picture, network = frame.picture, None
                if hasattr(job.technique, "verdict"):
                    network = load_network(
                        job.network, job.weights, preprocessing=job.preprocessing
                    )
                    verdict = verdict_of(job, path, network)
                    assert verdict is not None
                    figures |= {**verdict.numbers, "verdict": verdict.words}
                    picture = open_picture(path).tensor()
                explained = figure_of(job, picture, network)
                if explained is not None:
                    figures["figure"] = str(save_picture(explained, _figure(path)))
            except PareidoliaError as error:
                drawn.failure = error
    failed = drawn.failure or drawn.film_failure
    if isinstance(failed, PareidoliaError):
        kept = "the picture so far" if drawn.stopped else "the picture is finished"
        raise type(failed)(failed, f" ({kept}: {path})") from failed
    if failed is not None:
        raise failed
    return (interrupt.exit_code if drawn.stopped else 0), figures


class _Drawing:
    """A run as far as it got."""

    def __init__(self, job: Job, interrupt: _Interrupt) -> None:
        self.job, self.interrupt = job, interrupt
        self.frame: Frame | None = None
        """The last."""
        self.filmed = 0
        """How many frames of the film are there."""
        self.failure: Exception | None = None
        self.film_failure: BadInput | None = None

    @property
    def stopped(self) -> bool:
        """Whether there should have been more."""
        complete = self.frame is not None and self.frame.iteration >= self.frame.total
        return not complete and (self.failure is not None or self.interrupt.asked)

    def draw(self, reel: Path | None, rate: float, quiet: bool) -> None:
        """Run to the end, or until something comes in the way."""
        frames = run(self.job)
        try:
            with (
                _progress(quiet, self.job) as show,
                film(reel, rate, lambda: self.stopped) as take,
            ):
                self._draw(frames, show, take)
        except BadInput as error:
            if self.filmed or not self.stopped:  # else there simply is no film yet
                self.film_failure = error
        finally:
            frames.close()

    def _draw(
        self, frames: Iterator[Frame], show: Callable[[Frame], None], take: Take
    ) -> None:  # fmt: skip
        try:
            for frame in frames:
                self.frame = frame
                show(frame)
                if frame.film and self.film_failure is None:
                    try:
                        take(frame.picture)
                        self.filmed += 1
                    except BadInput as error:  # the picture can still be finished
                        self.film_failure = error
                if self.interrupt.asked:
                    break
        except Exception as error:  # raised when what there is has been saved
            self.failure = error


def check_outputs(job: Job, output: Path, bits: int, reel: Path | None, read: Sources) -> None:
    """See, before hours of work, that all that a run writes can be, and replaces nothing it reads.

    Raises `BadInput`.
    """
    check_output(output, bits, job)
    planned = [Output(output), Output(_partial(output), "where a stopped run saves its picture")]
    if hasattr(job.technique, "figure"):
        planned.append(Output(_figure(output), "the figure"))
        planned.append(Output(_figure(_partial(output)), "the figure of a stopped run"))
    if reel is not None:
        frames = describe(job.technique)["frame_count"]
        if getattr(job.technique, "frame_count", 1) < 2:
            raise BadInput(f"{reel} needs frames: set {frames.option} to 2 or more for a film")
        check_film(reel)
        planned.append(Output(reel))
        if partial_film(reel) != reel:
            planned.append(Output(partial_film(reel), "where a stopped run saves its film"))
        else:
            planned.append(Output(reel / "frame-00001.png", "a frame of the film"))
    keep_apart(planned, sources(job) + read)


def check_output(output: Path, bits: int = 8, job: Job | None = None) -> None:
    """See, before hours of work, that a picture can be saved at `output`. Raises `BadInput`."""
    check_target(output, bits, (job.size or 0) if job is not None else 0)
    check_writable(output)


def _partial(output: Path) -> Path:
    return output.with_name(f"{output.stem}.partial{output.suffix}")


def _figure(output: Path) -> Path:
    return output.with_name(f"{output.stem}.figure{output.suffix}")


def _save(job: Job, frame: Frame, path: Path, bits: int) -> Path:
    return save_picture(
        from_tensor(frame.picture, carried(job)), path, recipe=job.recipe(), bits=bits
    )


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


class _Lasting:
    """A stream that may go away, with its terminal: that is no reason to lose a picture."""

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


@contextmanager
def _progress(quiet: bool, job: Job) -> Iterator[Callable[[Frame], None]]:
    """Give a function that shows a frame in a bar on standard error."""
    from tqdm import tqdm

    title = job.technique.title
    # Without delay tqdm prints at once, also where nothing follows but one line of what is wrong.
    shown = _Lasting(sys.stderr)
    with tqdm(unit="it", disable=quiet, file=shown, desc=title, delay=1e-3) as bar:

        def show(frame: Frame) -> None:
            if not bar.n and not quiet:
                shown.write("".join(f"{line}\n" for line in about(job)))
            bar.total = frame.total
            main = frame.losses.get("total", frame.losses.get("objective"))
            number = "" if main is None else f", {main:.4g}"
            bar.set_postfix_str(frame.stage + number, refresh=False)
            bar.update(frame.iteration - bar.n)

        yield show


def about(job: Job) -> list[str]:
    """Return what to know of an opened job before it runs: how large the picture will be, first."""
    content = job.inputs.content
    line = f"size {job.size}: the longer side in pixels"
    if isinstance(content, Picture):
        width, height = content.full_size or (content.width, content.height)
        as_large = job.size == max(width, height)
        line += ", as the photo has" if as_large else (
            f"; the photo has {width} x {height} (--size photo is as large)"
        )  # fmt: skip
    inputs = (
        content,
        *(style for style, _ in job.inputs.styles),
        job.inputs.guide,
        job.inputs.start,
    )
    notes = [source.note for source in inputs if isinstance(source, Picture)]
    return [line, *(note for note in notes if note)]


def finish(code: int, figures: dict[str, Any], as_json: bool) -> int:
    """Print what came out and return the exit code."""
    if "note" in figures:
        print(f"pareidolia: {figures['note']}", file=sys.stderr)
    if as_json and figures:
        print(json.dumps(figures))
    elif figures:
        print(
            f"{figures['output']}: {figures['iterations']} iterations in {figures['seconds']:.1f} s "
            f"({figures['network']}, {figures['device']}, {figures['precision']})"
        )
        if "verdict" in figures:
            print(figures["verdict"])
    return code
