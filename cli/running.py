"""Running a job from the command line: progress, Ctrl-C, the picture, the figures."""

import json
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from engine.errors import Diverged, PareidoliaError
from engine.job import Job, opened, run
from engine.task import Frame

INTERRUPTED = 130


class _Interrupt:
    """Ctrl-C once: stop after this iteration. Twice: stop now."""

    def __init__(self) -> None:
        self.asked = False

    def __call__(self, _signal: int, _frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True


@contextmanager
def _ctrl_c() -> Iterator[_Interrupt]:
    interrupt = _Interrupt()
    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield interrupt
    finally:
        signal.signal(signal.SIGINT, before)


def run_job(job: Job, output: Path, *, quiet: bool = False, bits: int = 8) -> tuple[int, dict[str, Any]]:
    """Run `job`, write its picture to `output`; return the exit code and the figures.

    Stopped by Ctrl-C, or when numbers stop being finite, the picture so far is written beside
    `output` with `.partial` before the suffix.
    """
    from engine.image_saving import check_target

    check_target(output, bits)
    job = opened(job)
    with _ctrl_c() as interrupt:
        frames = run(job)
        frame: Frame | None = None
        try:
            with _progress(quiet, job) as show:
                for frame in frames:
                    show(frame)
                    if interrupt.asked:
                        break
        except Diverged as error:
            if frame is None:
                raise
            partial = _save(job, frame, _partial(output), bits)
            raise Diverged(f"{error} ({partial})") from error
        finally:
            frames.close()  # type: ignore[attr-defined]
        if frame is None:
            return INTERRUPTED, {}
        stopped = interrupt.asked and frame.iteration < frame.total
        path = _save(job, frame, _partial(output) if stopped else output, bits)
    return (INTERRUPTED if stopped else 0), _figures(job, frame, path)


def _partial(output: Path) -> Path:
    return output.with_name(f"{output.stem}.partial{output.suffix}")


def _save(job: Job, frame: Frame, path: Path, bits: int) -> Path:
    from engine.image import Picture, from_tensor, save_picture

    content = job.inputs.content
    like = content if isinstance(content, Picture) else None
    return save_picture(from_tensor(frame.picture, like), path, recipe=job.recipe(), bits=bits)


def _figures(job: Job, frame: Frame, path: Path) -> dict[str, Any]:
    from engine.device import choose_device, choose_precision, name_of, peak_memory

    device = choose_device(job.device)
    return {
        "iterations": frame.iteration,
        "seconds": round(frame.seconds, 3),
        "seconds_per_iteration": round(frame.seconds / frame.iteration, 4),
        "losses": frame.losses,
        "peak_memory_mib": round(peak_memory(device) / 2**20, 1),
        "network": job.network,
        "device": device.type,
        "precision": name_of(choose_precision(job.precision, device)),
        "seed": job.seed,
        "output": str(path),
    }


@contextmanager
def _progress(quiet: bool, job: Job) -> Iterator[Any]:
    """Give a function that shows a frame in a bar on standard error."""
    from tqdm import tqdm

    with tqdm(unit="it", disable=quiet, file=sys.stderr, desc=job.technique.title) as bar:

        def show(frame: Frame) -> None:
            bar.total = frame.total
            main = frame.losses.get("total", frame.losses.get("objective"))
            bar.set_postfix_str(f"{frame.stage}, {main:.4g}", refresh=False)
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


def log_error() -> str:
    """Append the present traceback to the log file and return where that is."""
    import traceback

    from platformdirs import user_log_dir

    folder = Path(user_log_dir("pareidolia"))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "pareidolia.log").open("a", encoding="utf-8") as file:
            traceback.print_exc(file=file)
    except OSError:
        traceback.print_exc()
        return "standard error (the log folder cannot be written)"
    return str(folder / "pareidolia.log")


def guarded(action: Any) -> int:
    """Call `action`; turn errors into one line on standard error and an exit code."""
    try:
        return int(action())
    except PareidoliaError as error:
        print(f"pareidolia: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        return 1
    except Exception as error:  # the last resort: nobody should see a traceback
        place = log_error()
        print(f"pareidolia: unexpected error ({error!r}); details in {place}", file=sys.stderr)
        return 1
