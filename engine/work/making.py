"""One job made into files: the picture with its recipe, and what belongs to it (film, figure)."""

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.errors import BadInput, Cancelled, Mention, PareidoliaError
from engine.export import Export
from engine.export_files import export_picture
from engine.files import check_writable
from engine.film import Take, check_film, film, partial_film
from engine.image import Picture, from_tensor, open_picture, save_picture
from engine.image_saving import check_target
from engine.job import Job, carried, frames_of, opened, prepare
from engine.outputs import Output, Sources, keep_apart
from engine.project import sources
from engine.settings import describe
from engine.task import Frame, Task, Technique
from engine.work.rescue import rescue

if TYPE_CHECKING:
    from engine.checkpoint import Checkpoint
    from engine.networks.network import Network

Frames = Generator[Frame, None, None]
Told = Callable[[Job, Frames], Frames]
"""Passes the frames of an opened job on, and may show them or wait between them."""
Keep = Callable[[Job, Task[Technique], Frame, bool], None]
"""May keep an opened job's run as it is after a frame; the last argument is whether the run ends
there."""


@dataclass(frozen=True)
class MakeRequest:
    """What to make, and where it goes."""

    job: Job
    output: Path
    bits: int = 8
    reel: Path | None = None
    """Where the frames of a film go."""
    rate: float = 24.0
    """Frames per second."""
    read: Sources = field(default_factory=Sources)
    """What is read besides the job's own sources."""
    export: Export = Export()  # noqa: RUF009 - it cannot be changed
    """How the picture is written, except its bits."""
    recipe: Callable[[Job], dict[str, Any]] = Job.recipe
    """Returns the recipe that the picture carries, from the opened job."""
    checkpoint: Callable[[], bytes | None] | None = None
    """Returns where the job's run is to be continued, as `engine.work.checkpoint_file` encodes it."""
    exactly: bool = False
    """Whether the run begins anew if a checkpoint is damaged, from another job or from another
    machine, so that the picture would not be the same; otherwise that is refused, or only
    reported."""
    keep: Keep | None = None
    """Called with each frame."""
    rescued: bool = False
    """Whether the picture is written elsewhere if it cannot be written in its place: the error
    raised then says where."""


@dataclass(frozen=True)
class MadePicture:
    """The result of an order."""

    job: Job
    """The job as it was run: opened."""
    frame: Frame | None
    """The last frame; None: stopped before there was one, and nothing was written."""
    stopped: bool
    """Whether there should have been more; what there is has `.partial` in its name."""
    figures: dict[str, Any]
    """Figures of the run, for JSON; empty without a frame."""
    continued: str = ""
    """How a run that was continued may differ from one without a break; usually empty."""
    resumed_at: int = 0
    """The iteration after which it was continued; 0 if it was not."""


def make(order: MakeRequest, asked: Callable[[], bool], told: Told) -> MadePicture:
    """Run a job, write its picture, film and figure, and return the result.

    When it is asked to end, when numbers stop being finite or memory runs out, the picture so far
    is written next to its destination with `.partial` before the suffix, and so is a video. What is
    finished is written even if something else cannot be; the first failure is raised when all has
    been tried.

    Args:
        order: what to make.
        asked: asked after each iteration whether to end.
        told: is given the frames, and passes them on.
    """
    check_outputs(order)
    drawn = _Drawing(order, asked)
    drawn.draw(told)
    job, frame = drawn.job, drawn.frame
    if frame is None:
        if drawn.failure is not None:
            raise drawn.failure
        return MadePicture(job, None, drawn.stopped, {}, drawn.continued, drawn.resumed_at)
    export = replace(order.export, bits=str(order.bits))
    stopped = drawn.stopped
    path = partial(order.output) if stopped else order.output
    path, unsaved = _save(order, job, frame, path, export)
    drawn.failure = drawn.failure or unsaved
    figures = _figures(job, frame, path)
    if order.reel is not None and drawn.filmed:
        figures["film"] = str(partial_film(order.reel) if stopped else order.reel)
    if drawn.failure is None:
        try:
            figures |= _explained(drawn, frame, path)
        except PareidoliaError as error:
            drawn.failure = error
    failed = drawn.failure or drawn.film_failure
    if isinstance(failed, PareidoliaError):
        kept = "the picture so far" if stopped else "the picture is finished"
        raise type(failed)(failed, f" ({kept}: {path})") from failed
    if failed is not None:
        raise failed
    return MadePicture(job, frame, stopped, figures, drawn.continued, drawn.resumed_at)


class _Drawing:
    """A run as far as it got."""

    def __init__(self, order: MakeRequest, asked: Callable[[], bool]) -> None:
        self.order, self.asked = order, asked
        self.job = opened(order.job)
        self.continued, self.resumed_at = "", 0
        self.frame: Frame | None = None
        """The last frame."""
        self.network: Network | None = None
        self.task: Task[Technique] | None = None
        self.filmed = 0
        """How many frames of the film have been written."""
        self.failure: Exception | None = None
        self.film_failure: BadInput | None = None

    @property
    def stopped(self) -> bool:
        """Whether there should have been more."""
        complete = self.frame is not None and self.frame.iteration >= self.frame.total
        return not complete and (self.failure is not None or self.asked())

    def draw(self, told: Told) -> None:
        """Run to the end, or until something gets in the way."""
        order = self.order
        frames = self._frames()
        shown = told(self.job, frames)
        try:
            with film(order.reel, order.rate, lambda: self.stopped) as take:
                self._draw(shown, take)
        except BadInput as error:
            if self.filmed or not self.stopped:  # else there simply is no film yet
                self.film_failure = error
        finally:
            shown.close()
            frames.close()
        if (
            self.resumed_at
            and not order.exactly
            and self.task is not None
            and self.frame is not None
        ):
            # What was changed before the break may be in the checkpoint only.
            self.job = steered(self.job, self.task, self.frame)

    def _frames(self) -> Frames:
        task = self.task = prepare(self.job)
        task.between_tiles = self._end_if_asked
        self.network = task.network
        past = self._past(task)
        if past is None:
            yield from frames_of(self.job, task)
            return
        self.resumed_at = past.iteration
        frames = frames_of(self.job, task, checkpoint=past)
        del past  # its memory is needed only once
        if self.order.exactly:
            try:
                first = next(frames, None)
            except BadInput:  # damaged in a way that only the run itself can see
                first = None
            if first is None:
                self.resumed_at, self.task = 0, prepare(self.job, self.network)
                self.task.between_tiles = self._end_if_asked
                frames = frames_of(self.job, self.task)
            else:
                yield first
                del first
        yield from frames

    def _end_if_asked(self) -> None:
        if self.asked():
            raise Cancelled

    def _past(self, task: Task[Technique]) -> "Checkpoint | None":
        """Return where the run goes on; None if it begins. Raises `BadInput`, unless `exactly`."""
        data = None if self.order.checkpoint is None else self.order.checkpoint()
        if data is None:
            return None
        from engine.work.checkpoint_file import decode

        try:
            file = decode(data)
            continued = file.check(self.job, task)
        except BadInput:
            if self.order.exactly:
                return None
            raise
        if continued and self.order.exactly:
            return None
        self.continued = continued
        return file.checkpoint

    def _draw(self, frames: Iterator[Frame], take: Take) -> None:
        try:
            for frame in frames:
                self.frame = frame
                if frame.film and self.film_failure is None:
                    try:
                        take(frame.film_picture)
                        self.filmed += 1
                    except BadInput as error:  # the picture can still be finished
                        self.film_failure = error
                ends = self.asked()
                if self.order.keep is not None and self.task is not None:
                    last = ends or frame.iteration in (frame.total, self.job.stop_after)
                    self.order.keep(self.job, self.task, frame, last)
                if ends:
                    break
        except Cancelled:  # in the middle of a step, between two tiles
            if self.order.keep is not None and self.task is not None and self.frame is not None:
                self.order.keep(self.job, self.task, self.frame, True)
        except Exception as error:  # raised when what there is has been saved
            self.failure = error


def steered(job: Job, task: Task[Technique], frame: Frame) -> Job:
    """Return the job with all changes to it: those that took effect, and those after `frame`."""
    to_come = (change for change in job.changes if change[0] >= frame.iteration)
    return replace(job, changes=(*task.changes, *to_come))


def check_outputs(order: MakeRequest) -> None:
    """Check, before hours of work, that a run can write all it will and overwrites nothing it reads.

    Raises `BadInput`.
    """
    job, output, reel = order.job, order.output, order.reel
    check_output(output, order.bits, job)
    planned = [Output(output), Output(partial(output), "where a stopped run saves its picture")]
    if job.technique.has_figure:
        planned.append(Output(figure(output), "the figure"))
        planned.append(Output(figure(partial(output)), "the figure of a stopped run"))
    if reel is not None:
        frames = describe(job.technique)[job.technique.film]
        if job.technique.film_frames < 2:
            raise BadInput(
                f"{reel} needs frames: set ",
                Mention(frames.name, frames),
                " to 2 or more for a film",
            )
        check_film(reel)
        planned.append(Output(reel))
        if partial_film(reel) != reel:
            planned.append(Output(partial_film(reel), "where a stopped run saves its film"))
        else:
            planned.append(Output(reel / "frame-00001.png", "a frame of the film"))
    keep_apart(planned, sources(job) + order.read)


def check_output(output: Path, bits: int = 8, job: Job | None = None) -> None:
    """Check, before hours of work, that a picture can be saved at `output`. Raises `BadInput`."""
    check_target(output, bits, (job.size or 0) if job is not None else 0)
    check_writable(output)


def partial(output: Path) -> Path:
    """Return where the picture of a run that was stopped goes."""
    return output.with_name(f"{output.stem}.partial{output.suffix}")


def figure(output: Path) -> Path:
    """Return where the figure that explains a picture goes."""
    return output.with_name(f"{output.stem}.figure{output.suffix}")


def _save(
    order: MakeRequest, job: Job, frame: Frame, path: Path, export: Export
) -> tuple[Path, BadInput | None]:
    """Write the picture; return where it is, and why it is not at `path`, if it is not."""
    content = job.inputs.content
    photo = content.path if isinstance(content, Picture) else None
    picture, recipe = from_tensor(frame.picture, carried(job)), order.recipe(job)
    try:
        return export_picture(picture, path, export, recipe, photo), None
    except BadInput as error:
        elsewhere = rescue(picture, path, export, recipe, photo) if order.rescued else None
        if elsewhere is None:
            raise
        return elsewhere, error


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


def _explained(drawn: _Drawing, frame: Frame, path: Path) -> dict[str, Any]:
    """Write the figure that explains a saved picture, if it has one; return what it says."""
    job, technique = drawn.job, drawn.job.technique
    said: dict[str, Any] = {}
    if not (technique.has_verdict or technique.has_figure):
        return said
    task, picture = prepare(job, drawn.network), frame.picture
    if technique.has_verdict:
        written = open_picture(path)
        verdict = technique.verdict(task, written)
        said |= {**verdict.numbers, "verdict": verdict.words}
        picture = written.tensor()
    if technique.has_figure:
        said["figure"] = str(save_picture(technique.figure(task, picture), figure(path)))
    return said
