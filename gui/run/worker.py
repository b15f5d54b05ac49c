"""The engine's thread: takes frames from the generator and puts them in the mailbox."""

import contextlib
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QObject, Signal, Slot
from PySide6.QtGui import QImage

from engine.errors import Cancelled, Message, PareidoliaError
from engine.finish import Finish
from engine.image import Picture, from_tensor, to_bytes8
from engine.job import Job, carried, frames_of, opened, prepare
from engine.steering import Steering
from engine.task import Frame, Labels, Stage, Task, Technique
from gui.garbage import collect_soon
from gui.pixels import Bytes, to_image
from gui.run.film_frames import FilmFrames
from gui.run.history import History, Moment
from gui.run.keeping import KeepSchedule
from gui.run.mailbox import Mailbox, PreviewImage
from gui.run.networks import Networks
from gui.run.turn import Turn
from gui.wording import worded

if TYPE_CHECKING:
    from torch import Tensor

    from engine.checkpoint import Checkpoint

MOST_SHOWN = 2560
"""Long side in pixels of a picture under way on the canvas: few screens show more, larger ones hold
the window up, and the timeline keeps many."""
NICENESS = 5
"""The window goes first when both want the same core."""


class RunControl:
    """Pause, step and stop, asked for from the window's thread."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._paused = False
        self._steps = 0
        self.waited = 0.0
        """How long the run has been held so far, in seconds."""
        self.stopped = False

    def pause(self, on: bool) -> None:
        """Hold after the current iteration, or go on."""
        with self._condition:
            self._paused, self._steps = on, 0
            self._condition.notify_all()

    def step(self) -> None:
        """Let a held run do one more iteration."""
        with self._condition:
            self._steps += 1
            self._condition.notify_all()

    def stop(self) -> None:
        """End after the current iteration."""
        with self._condition:
            self.stopped = True
            self._condition.notify_all()

    def leave_if_stopped(self) -> None:
        """Raise `Cancelled` if the run is to end (called by the worker within an iteration)."""
        if self.stopped:
            raise Cancelled

    @property
    def paused(self) -> bool:
        """Whether the run was asked to hold, even while it does a step."""
        return self._paused

    @property
    def held(self) -> bool:
        """Whether the run is waiting for the window now."""
        return self._paused and not self._steps and not self.stopped

    def nudge(self) -> None:
        """Have a held run check again whether it is to be kept."""
        with self._condition:
            self._condition.notify_all()

    def wait(self, on_hold: Callable[[], object], wanted: Callable[[], bool]) -> None:
        """Return when the next iteration may begin (called by the worker).

        `on_hold` is called before it waits and, after a `nudge`, again if `wanted` says so.
        """
        began = time.perf_counter()
        while self.held:
            on_hold()
            with self._condition:
                self._condition.wait_for(lambda: not self.held or wanted())
        with self._condition:
            self.waited += time.perf_counter() - began
            self._steps = max(0, self._steps - 1)


@dataclass
class RunRequest:
    """One run, as the window asks for it."""

    number: int
    job: Job
    threads: int = 0
    """Processor threads; 0: all."""
    steering: Steering = field(default_factory=Steering)
    control: RunControl = field(default_factory=RunControl)
    film_frames: FilmFrames = field(default_factory=FilmFrames)
    """Takes the frames that complete a frame of a film."""
    labels: Labels | None = None
    """Names of the pictures on the sheet; known once the run has begun."""
    schedule: KeepSchedule = field(default_factory=KeepSchedule)
    """Decides when the run is kept along the way."""
    checkpoint: bytes | None = None
    """Where to continue, as it was kept; None: from the beginning."""
    note: str = ""
    """What the user should know of a continued run; known once it has begun."""


@dataclass(frozen=True)
class RunResult:
    """What a run leaves, whether or not it was completed."""

    run: int
    job: Job
    """With the changes made during the run: its recipe makes exactly this picture."""
    picture: Picture
    iteration: int
    total: int
    seconds: float
    """Duration without pauses."""
    complete: bool
    note: str | Message = ""
    """What the user should know of the run: `Frame.note`."""
    checkpoint: bytes | None = None
    """What the run can be continued from; None: it is complete, or cannot be continued."""


class EngineWorker(QObject):
    """Lives on the engine's thread; the controller owns it and hears its signals."""

    news = Signal()
    """There is something in the mailbox (not repeated before it is taken)."""
    begun = Signal(int, object, str, object)
    """Run, its stages, device and precision in words, the job as computed."""
    steered = Signal(int, int, object)
    """Run, iteration, the live settings that took effect."""
    kept = Signal(int, object)
    """Run, `RunResult` so far, to be written; None: there is nothing yet, in answer to a request."""
    ended = Signal(int, object)
    """Run, `RunResult` or None."""
    failed = Signal(int, str, str)
    """Run, one sentence, details (empty where the sentence says all)."""
    forecast_made = Signal(int, object)
    """Number of the request, `Forecast` or the sentence that says why there is none."""

    def __init__(
        self, networks: Networks, mailbox: Mailbox, history: History, turn: Turn | None = None
    ) -> None:
        super().__init__()
        self.networks, self.mailbox, self.history = networks, mailbox, history
        self.turn = turn or Turn()

    @Slot(object)
    def run(self, request: RunRequest) -> None:
        """Carry out a run. Never raises."""
        result: RunResult | None = None
        sentence = details = ""
        drawn = LastFrame()
        try:
            with self.turn.of_window():
                result = self._run(request, drawn)
        except PareidoliaError as error:
            sentence = worded(error)
        except Exception as error:
            sentence, details = self.tr("unexpected error: {0}").format(error), _traceback()
        if sentence and drawn.frame is not None:  # the last good picture is kept
            with contextlib.suppress(Exception):
                result = drawn.result(request, complete=False)
        drawn.frame = None
        # Outside the except blocks: their tracebacks would keep the run's memory.
        collect_soon()
        if sentence:
            self.failed.emit(request.number, sentence, details)
        self.ended.emit(request.number, result)

    def _run(self, request: RunRequest, drawn: "LastFrame") -> RunResult | None:
        from engine.device import choose_device, choose_precision, release_memory

        become_nice(request.threads)
        began = time.perf_counter()
        job = opened(request.job)
        device = choose_device(job.device)
        dtype = choose_precision(job.precision, device)
        network = self.networks.get(job.network, job.weights, job.preprocessing).at(device, dtype)
        task = prepare(job, network)
        task.between_tiles = request.control.leave_if_stopped
        plan = task.technique.stages(task)
        request.labels = task.technique.labels(task)
        checkpoint = _checkpoint_of(request, job, task)
        go_on = 0 if checkpoint is None else checkpoint.iteration
        drawn.before = 0.0 if checkpoint is None else checkpoint.seconds
        self.begun.emit(request.number, plan, f"{device.type}, {job.precision}", job)
        drawn.job, drawn.task, drawn.began = job, task, began
        try:
            # Unfinished: how they are finished can be changed while they are shown.
            plain = replace(job, finish=Finish())
            keep = partial(self._keep, request, drawn)
            frames = frames_of(plain, task, request.steering, checkpoint)
            del checkpoint
            with contextlib.closing(frames), self._left_between_tiles(request, drawn):
                applied = 0
                for frame in _watched(frames, request, partial(keep, held=True)):
                    drawn.frame = frame
                    while applied < len(request.steering.applied):
                        iteration, values = request.steering.applied[applied]
                        if iteration >= go_on:
                            self.steered.emit(request.number, iteration, values)
                        applied += 1
                    last = request.control.stopped or frame.iteration in (
                        frame.total,
                        job.stop_after,
                    )
                    self._publish(request, drawn, plan, last)
                    if last:
                        break
                    keep()
            if drawn.frame is None:
                return None
            complete = drawn.frame.iteration == drawn.frame.total
            left = None if complete else drawn.checkpoint()
            return replace(drawn.result(request, complete), checkpoint=left)
        finally:
            drawn.task = None
            del network, task
            release_memory(device)

    @contextlib.contextmanager
    def _left_between_tiles(self, request: RunRequest, drawn: "LastFrame") -> Iterator[None]:
        """Let a run end in the middle of a step, with the frame before it as its last."""
        try:
            yield
        except Cancelled:
            frame = drawn.frame
            if frame is not None:
                moment = Moment(frame.iteration, frame.total, frame.stage, drawn.image())
                self.history.add(moment)
                self.news.emit()

    def _keep(self, request: RunRequest, drawn: "LastFrame", held: bool = False) -> None:
        """Hand out what the run has made so far, if it is due; called between two frames."""
        frame, asked = drawn.frame, request.schedule.asked
        if not request.schedule.due(held):
            return
        request.schedule.taken()
        if frame is not None and (asked or frame.iteration != drawn.kept):
            drawn.kept = frame.iteration
            result = replace(drawn.result(request, False), checkpoint=drawn.checkpoint())
            self.kept.emit(request.number, result)
            return
        request.schedule.written()
        if asked:
            self.kept.emit(request.number, None)

    def _publish(
        self, request: RunRequest, drawn: "LastFrame", plan: list[Stage], last: bool
    ) -> None:
        """Publish the numbers, and the picture if somebody wants it."""
        frame = drawn.frame
        assert frame is not None
        if frame.film:
            request.film_frames.add(frame.picture, frame.film)
        shown = None
        keep = last or self.history.wants(frame.iteration)
        made = time.perf_counter()
        if keep or request.control.held or self.mailbox.has_room:
            image = drawn.image()
            shown = PreviewImage(
                request.number, frame.iteration, frame.total, frame.stage, frame.seconds, image,
                plan[-1].size, made,
            )  # fmt: skip
            if keep:
                moment = Moment(frame.iteration, frame.total, frame.stage, image)
                self.history.add(moment)
        if self.mailbox.put((frame.iteration, frame.losses), shown):
            self.news.emit()

    @Slot(int, object, object)
    def forecast(self, number: int, job: Job, cancelled: threading.Event) -> None:
        """Measure what a run would take. Never raises."""
        if cancelled.is_set():
            return
        from engine.forecasting import forecast

        answer: object
        try:
            become_nice(0)
            network = self.networks.get(job.network, job.weights, job.preprocessing)
            with self.turn.of_window():
                answer = forecast(job, network, cancelled.is_set)
        except Cancelled:
            return
        except PareidoliaError as error:
            answer = worded(error)
        except Exception:
            traceback.print_exc()
            answer = ""
        collect_soon()
        if not cancelled.is_set():
            self.forecast_made.emit(number, answer)


def become_nice(threads: int) -> None:
    """Let the calling thread use so many threads (0: all) and yield to the window."""
    import torch

    torch.set_num_threads(threads or _all_threads(torch.get_num_threads()))
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)


def _at_most(picture: "Tensor", side: int) -> "Tensor":
    """Return a picture (3, H, W), averaged down by a whole number if its long side is above `side`."""
    times = -(-max(picture.shape[1:]) // side)
    if times < 2:
        return picture
    from torch.nn import functional as F

    return F.avg_pool2d(picture[None], times, ceil_mode=True, count_include_pad=False)[0]


@dataclass
class LastFrame:
    """The newest frame of a run, for whichever way it ends."""

    job: Job | None = None
    task: Task[Technique] | None = None
    frame: Frame | None = None
    began: float = 0.0
    before: float = 0.0
    """Seconds that the run had taken when it was stopped before."""
    kept: int = 0
    """The iteration last handed out to be kept."""
    _alpha: Bytes | None = None

    def image(self) -> QImage:
        """Return the frame for the screen, with the transparency of the result."""
        assert self.job is not None
        assert self.frame is not None
        pixels = to_bytes8(_at_most(self.frame.picture, MOST_SHOWN))
        like = carried(self.job)
        if like is None or like.alpha is None:
            return to_image(pixels)
        height, width = pixels.shape[:2]
        if self._alpha is None or self._alpha.shape != (height, width):
            resized = like.resized(size=(width, height))
            assert resized.alpha is not None
            self._alpha = np.rint(resized.alpha * np.float32(255)).astype(np.uint8)
        return to_image(np.dstack((pixels, self._alpha)))

    def checkpoint(self) -> bytes | None:
        """Return what the run can be continued from after this frame; None: it cannot be."""
        assert self.job is not None
        assert self.frame is not None
        assert self.task is not None
        if self.frame.checkpoint is None:
            return None
        from engine.work.checkpoint_file import encode

        try:
            return encode(self.frame.checkpoint(), self.job, self.task)
        except ValueError:  # this frame is the run's last
            return None

    def result(self, request: RunRequest, complete: bool) -> RunResult:
        """Return what the run leaves with this frame."""
        assert self.job is not None
        assert self.frame is not None
        picture = from_tensor(self.frame.picture, carried(self.job))
        stop = None if complete else self.frame.iteration
        job = replace(self.job, changes=tuple(request.steering.applied), stop_after=stop)
        frame = self.frame
        seconds = self.before + time.perf_counter() - self.began - request.control.waited
        return RunResult(
            request.number,
            job,
            picture,
            frame.iteration,
            frame.total,
            seconds,
            complete,
            frame.note,
        )


def _checkpoint_of(
    request: RunRequest, job: Job, task: Task[Technique]
) -> "Checkpoint | None":  # fmt: skip
    """Return where a run continues. Raises `BadInput` if the checkpoint is another run's."""
    if request.checkpoint is None:
        return None
    from engine.work.checkpoint_file import decode

    kept, request.checkpoint = decode(request.checkpoint), None
    request.note = kept.check(job, task)
    return kept.checkpoint


def _watched(
    frames: Iterator[Frame], request: RunRequest, on_hold: Callable[[], object]
) -> Iterator[Frame]:
    """Yield frames; before each, call `on_hold` and wait while the run is paused."""
    control, schedule = request.control, request.schedule
    while True:
        control.wait(on_hold, lambda: schedule.asked)
        frame = None if control.stopped else next(frames, None)
        if frame is None:
            return
        yield frame


_default_threads: list[int] = []


def _all_threads(now: int) -> int:
    """Return torch's own number of threads, as it was at the first call."""
    if not _default_threads:
        _default_threads.append(now)
    return _default_threads[0]


def _traceback() -> str:
    return traceback.format_exc()
